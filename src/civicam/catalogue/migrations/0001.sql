-- docs/design/catalogue.md says why each table is the way it is. Times are wall nanoseconds since 1970, `_ns`.

CREATE TABLE cameras (
    id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    credentials BLOB,
    purpose TEXT NOT NULL,
    added_ns INTEGER NOT NULL,
    removed_ns INTEGER
) STRICT, WITHOUT ROWID;

-- A stream is never deleted: its number stands in every row of footage. `url` is NULL while it is not recorded.
-- `longest_*_ns` is at least the longest row's length, so that a window's rows are one key range.
CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    camera TEXT NOT NULL REFERENCES cameras (id),
    name TEXT NOT NULL,
    url TEXT,
    longest_segment_ns INTEGER NOT NULL DEFAULT 0,
    longest_gap_ns INTEGER NOT NULL DEFAULT 0,
    expired_before_ns INTEGER NOT NULL DEFAULT 0,
    UNIQUE (camera, name)
) STRICT;

CREATE TABLE due (
    stream_id INTEGER NOT NULL REFERENCES streams (id),
    start_ns INTEGER NOT NULL,
    end_ns INTEGER CHECK (end_ns > start_ns),
    PRIMARY KEY (stream_id, start_ns)
) STRICT, WITHOUT ROWID;

CREATE TABLE volumes (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    size_bytes INTEGER NOT NULL DEFAULT 0,
    segment_count INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE segments (
    stream_id INTEGER NOT NULL REFERENCES streams (id),
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL CHECK (end_ns >= start_ns),
    epoch INTEGER NOT NULL,
    volume_id INTEGER NOT NULL REFERENCES volumes (id),
    size_bytes INTEGER NOT NULL,
    fragment_count INTEGER NOT NULL,
    sample_count INTEGER NOT NULL,
    held INTEGER NOT NULL,
    digest BLOB CHECK (length(digest) = 32),
    PRIMARY KEY (stream_id, start_ns)
) STRICT, WITHOUT ROWID;

-- What retention may take, oldest first. Open rows are not in it, so their growth does not touch it.
CREATE INDEX segments_by_age ON segments (volume_id, end_ns) WHERE digest IS NOT NULL AND held = 0;
CREATE INDEX segments_open ON segments (stream_id) WHERE digest IS NULL;

CREATE TABLE gaps (
    stream_id INTEGER NOT NULL REFERENCES streams (id),
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL CHECK (end_ns >= start_ns),
    cause INTEGER NOT NULL,
    PRIMARY KEY (stream_id, start_ns)
) STRICT, WITHOUT ROWID;

-- By hour first: the rows of the current hour, which change all the time, share a few pages.
CREATE TABLE rollup (
    hour INTEGER NOT NULL,
    stream_id INTEGER NOT NULL REFERENCES streams (id),
    playable_ns INTEGER NOT NULL,
    until_ns INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    camera_silent_ns INTEGER NOT NULL,
    lost_packets_ns INTEGER NOT NULL,
    overload_ns INTEGER NOT NULL,
    disk_ns INTEGER NOT NULL,
    shut_down_ns INTEGER NOT NULL,
    crash_ns INTEGER NOT NULL,
    damaged_ns INTEGER NOT NULL,
    PRIMARY KEY (hour, stream_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE holds (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    camera TEXT NOT NULL REFERENCES cameras (id),
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL CHECK (end_ns > start_ns),
    reason TEXT NOT NULL,
    added_ns INTEGER NOT NULL,
    released_ns INTEGER
) STRICT;
CREATE INDEX holds_active ON holds (camera) WHERE released_ns IS NULL;

CREATE TABLE runs (
    epoch INTEGER PRIMARY KEY,
    begin_ns INTEGER NOT NULL,
    end_ns INTEGER
) STRICT;
