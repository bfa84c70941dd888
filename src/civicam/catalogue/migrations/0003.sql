-- What was wrong with cameras' pictures, and when. Footage does not tell it again, so a repair keeps it.
CREATE TABLE health (
    camera TEXT NOT NULL REFERENCES cameras (id),
    began_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    confidence REAL NOT NULL,
    ended_ns INTEGER CHECK (ended_ns >= began_ns),
    PRIMARY KEY (camera, began_ns, kind)
) STRICT, WITHOUT ROWID;
