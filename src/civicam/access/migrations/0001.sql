-- docs/design/access.md says why each table is the way it is. Times are wall nanoseconds since 1970, `_ns`.
-- Sealed columns open with a person's own key; lists are JSON. Nothing here says who somebody is without that key.

CREATE TABLE people (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    login_hash TEXT NOT NULL,
    sealed BLOB NOT NULL,
    since_ns INTEGER NOT NULL,
    until_ns INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX people_by_login ON people (login_hash) WHERE login_hash <> '';

CREATE TABLE groups (name TEXT PRIMARY KEY, cameras TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE rights (
    id INTEGER PRIMARY KEY,
    person TEXT NOT NULL REFERENCES people (id),
    role TEXT NOT NULL,
    "group" TEXT NOT NULL,
    schedule TEXT NOT NULL,
    ended_ns INTEGER
) STRICT;

CREATE TABLE changes (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    asked_by TEXT NOT NULL REFERENCES people (id),
    asked_from TEXT NOT NULL,
    asked_ns INTEGER NOT NULL,
    state TEXT NOT NULL,
    person TEXT REFERENCES people (id),
    role TEXT,
    "group" TEXT NOT NULL,
    schedule TEXT NOT NULL,
    "right" INTEGER REFERENCES rights (id),
    cameras TEXT NOT NULL,
    decided_by TEXT REFERENCES people (id),
    decided_ns INTEGER
) STRICT;

CREATE TABLE cases (
    number TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    legal_reference TEXT NOT NULL,
    opened_by TEXT NOT NULL REFERENCES people (id),
    opened_ns INTEGER NOT NULL,
    closed_ns INTEGER
) STRICT, WITHOUT ROWID;

-- `case` is empty where glass was broken.
CREATE TABLE grants (
    id INTEGER PRIMARY KEY,
    "case" TEXT NOT NULL,
    person TEXT NOT NULL REFERENCES people (id),
    cameras TEXT NOT NULL,
    window TEXT NOT NULL,
    sealed_reason BLOB NOT NULL,
    asked_ns INTEGER NOT NULL,
    asked_from TEXT NOT NULL,
    lasts_ns INTEGER NOT NULL,
    state TEXT NOT NULL,
    is_break_glass INTEGER NOT NULL,
    decided_by TEXT REFERENCES people (id),
    decided_ns INTEGER,
    expires_ns INTEGER,
    ended_ns INTEGER,
    CHECK (decided_by IS NULL OR decided_by <> person),
    CHECK (state <> 'approved' OR is_break_glass OR decided_by IS NOT NULL)
) STRICT;

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    person TEXT NOT NULL REFERENCES people (id),
    device TEXT NOT NULL,
    begun_ns INTEGER NOT NULL,
    seen_ns INTEGER NOT NULL,
    ended_ns INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    person TEXT NOT NULL REFERENCES people (id),
    name TEXT NOT NULL,
    actions TEXT NOT NULL,
    cameras TEXT NOT NULL,
    begun_ns INTEGER NOT NULL,
    expires_ns INTEGER NOT NULL,
    ended_ns INTEGER
) STRICT, WITHOUT ROWID;

-- How people show who they are. `id` finds one of a kind: a digest, a credential's id, or the person.
CREATE TABLE credentials (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    person TEXT NOT NULL REFERENCES people (id),
    sealed BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX credentials_of ON credentials (person);

-- One row, whose number grows with every change: whoever decides reads anew when it has.
CREATE TABLE version (number INTEGER NOT NULL) STRICT;
INSERT INTO version VALUES (0);

-- The city's own secrets, wrapped by its key.
CREATE TABLE secrets (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID;
