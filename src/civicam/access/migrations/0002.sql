-- Footage that is kept for a case. It is kept from the asking on, so that nothing is deleted while somebody decides.
CREATE TABLE holds (
    id INTEGER PRIMARY KEY,
    "case" TEXT NOT NULL,
    person TEXT NOT NULL REFERENCES people (id),
    cameras TEXT NOT NULL,
    window TEXT NOT NULL,
    review_ns INTEGER NOT NULL,
    asked_ns INTEGER NOT NULL,
    asked_from TEXT NOT NULL,
    state TEXT NOT NULL,
    decided_by TEXT REFERENCES people (id),
    decided_ns INTEGER,
    ended_ns INTEGER,
    CHECK (decided_by IS NULL OR decided_by <> person),
    CHECK (state <> 'active' OR decided_by IS NOT NULL)
) STRICT;
