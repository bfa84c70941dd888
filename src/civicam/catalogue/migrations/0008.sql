-- What retention deleted, from the moment that the file is gone until days after the ledger was told: each deletion has
-- its receipt, whatever happens in between.
CREATE TABLE deletions (
    stream_id INTEGER NOT NULL REFERENCES streams (id),
    start_ns INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    volume_id INTEGER NOT NULL REFERENCES volumes (id),
    end_ns INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    rule TEXT NOT NULL,
    deleted_ns INTEGER NOT NULL,
    entry INTEGER,
    PRIMARY KEY (stream_id, start_ns, epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX deletions_unwritten ON deletions (deleted_ns) WHERE entry IS NULL;
CREATE INDEX deletions_written ON deletions (deleted_ns) WHERE entry IS NOT NULL;
ALTER TABLE expired ADD COLUMN end_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE expired ADD COLUMN size_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE expired ADD COLUMN digest BLOB;
ALTER TABLE expired ADD COLUMN rule TEXT NOT NULL DEFAULT 'age';
-- What is held is summed each round, without a look at all that is not.
CREATE INDEX segments_held ON segments (volume_id, size_bytes) WHERE held = 1;
