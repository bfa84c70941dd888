-- What the public is told of a camera, and what it may be there for. A camera that has none of it does not record.
CREATE TABLE register (
    camera TEXT PRIMARY KEY REFERENCES cameras (id),
    owner TEXT NOT NULL CHECK (owner <> ''),
    legal_basis TEXT NOT NULL CHECK (legal_basis <> ''),
    keep_days REAL NOT NULL CHECK (keep_days > 0),
    description TEXT NOT NULL CHECK (description <> '')
) STRICT, WITHOUT ROWID;

-- Which entry of the ledger says how completely a day (UTC, its first nanosecond) was recorded.
CREATE TABLE days_written (day_ns INTEGER PRIMARY KEY, entry INTEGER NOT NULL) STRICT;
