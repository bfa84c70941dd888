-- Segments that retention took from `segments` and whose files are still to be deleted; a row goes with its file.
CREATE TABLE expired (
    stream_id INTEGER NOT NULL REFERENCES streams (id),
    start_ns INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    volume_id INTEGER NOT NULL REFERENCES volumes (id),
    PRIMARY KEY (stream_id, start_ns, epoch)
) STRICT, WITHOUT ROWID;
