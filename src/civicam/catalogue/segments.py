"""The segments' and gaps' rows: storing them as they grow, finding them by time and by age, letting them go."""

import json
import sqlite3
from collections.abc import Iterable, Sequence

from civicam.catalogue.cameras import add_stream
from civicam.catalogue.holds import list_holds
from civicam.catalogue.models import Expired, GapRow, Hold, Segment
from civicam.catalogue.rollup import RollupChange, gap_spans
from civicam.core.errors import CatalogueError
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from civicam.core.spans import Span

FROM_SEGMENTS = (
    "SELECT camera, streams.name, start_ns, end_ns, epoch, volumes.name, segments.size_bytes, fragment_count,"
    " sample_count, digest FROM segments JOIN streams ON streams.id = stream_id JOIN volumes ON volumes.id = volume_id"
)
_OLD = "SELECT end_ns, size_bytes, volume_id FROM segments WHERE stream_id = ? AND start_ns = ?"
_UPSERT = (
    "INSERT INTO segments (stream_id, start_ns, end_ns, epoch, volume_id, size_bytes, fragment_count, sample_count,"
    " held, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (stream_id, start_ns) DO UPDATE SET"
    " end_ns = excluded.end_ns, epoch = excluded.epoch, volume_id = excluded.volume_id,"
    " size_bytes = excluded.size_bytes, fragment_count = excluded.fragment_count,"
    " sample_count = excluded.sample_count, held = excluded.held, digest = excluded.digest"
)
_TAKE = "DELETE FROM segments WHERE stream_id = ? AND start_ns = ?{} RETURNING end_ns, size_bytes, volume_id, entry"


class Names:
    """The numbers of streams and volumes, which never change. Forget it when a transaction fails."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._streams: dict[StreamKey, int] = {}
        self._volumes: dict[str, int] = {}

    def find_stream(self, key: StreamKey) -> int | None:
        """Returns the stream's number, None if it has no row."""
        known = self._streams.get(key)
        if known is None:
            row = self._connection.execute("SELECT id FROM streams WHERE camera = ? AND name = ?", key).fetchone()
            if row is None:
                return None
            known = self._streams[key] = row[0]
        return known

    def stream(self, key: StreamKey) -> int:
        """Returns the stream's number; a stream that its camera did not have gets one.

        Raises:
            CatalogueError: the city never had the camera.
        """
        known = self.find_stream(key)
        if known is None:
            if not self._connection.execute("SELECT 1 FROM cameras WHERE id = ?", (key.camera,)).fetchone():
                raise CatalogueError("the city never had this camera", where=str(key), fix="add the camera first")
            known = self._streams[key] = add_stream(self._connection, key)
        return known

    def volume(self, name: str) -> int:
        """Returns the volume's number, which it gets now if it has none."""
        known = self._volumes.get(name)
        if known is None:
            self._connection.execute("INSERT OR IGNORE INTO volumes (name) VALUES (?)", (name,))
            row = self._connection.execute("SELECT id FROM volumes WHERE name = ?", (name,)).fetchone()
            known = self._volumes[name] = row[0]
        return known


class Change:
    """One transaction's changes to segments and gaps; `finish` brings sums and the rollup up to date."""

    def __init__(self, connection: sqlite3.Connection, names: Names) -> None:
        self._connection = connection
        self._names = names
        self._rollup = RollupChange(connection)
        self._volumes: dict[int, list[int]] = {}
        self._longest: dict[tuple[str, int], int] = {}
        self._left: set[int] = set()
        self._holds: dict[CameraId, list[Hold]] = {}
        for hold in list_holds(connection):
            self._holds.setdefault(hold.camera, []).append(hold)

    def store(self, rows: Iterable[Segment | GapRow]) -> None:
        """Stores rows, new or known. In the order of their starts, the rollup only ever grows at its end."""
        for row in sorted(rows, key=lambda row: row.start_wall_ns):
            if row.end_wall_ns < row.start_wall_ns:
                raise CatalogueError("a row ends before it starts", where=str(row.key), fix="report this fault")
            if isinstance(row, Segment):
                self._store_segment(row)
            else:
                self._store_gap(row)

    def _store_segment(self, row: Segment) -> None:
        stream_id, volume_id = self._names.stream(row.key), self._names.volume(row.volume)
        start_ns, end_ns, size_bytes = row.start_wall_ns, row.end_wall_ns, row.size_bytes
        old = self._connection.execute(_OLD, (stream_id, start_ns)).fetchone()
        counts = row.fragment_count, row.sample_count
        held = any(h.start_wall_ns < end_ns and h.end_wall_ns > start_ns for h in self._holds.get(row.key.camera, ()))
        self._connection.execute(
            _UPSERT,
            (stream_id, start_ns, end_ns, row.epoch, volume_id, size_bytes, *counts, held, row.digest),
        )
        old_end_ns, old_bytes, old_volume = old or (start_ns, 0, None)
        self._resized(old_volume, -old_bytes, -1)
        self._resized(volume_id, size_bytes, 1)
        self._rollup.resized(stream_id, start_ns, size_bytes - old_bytes)
        if end_ns < old_end_ns:
            self._rollup.spoiled(stream_id, start_ns, old_end_ns)
        self._rollup.covered(stream_id, old_end_ns, end_ns, None)
        self._reaches("longest_segment_ns", stream_id, end_ns - start_ns)

    def _store_gap(self, row: GapRow) -> None:
        stream_id = self._names.stream(row.key)
        start_ns, end_ns = row.start_wall_ns, row.end_wall_ns
        old = self._connection.execute(
            "SELECT end_ns, cause FROM gaps WHERE stream_id = ? AND start_ns = ?", (stream_id, start_ns)
        ).fetchone()
        self._connection.execute(
            "INSERT OR REPLACE INTO gaps (stream_id, start_ns, end_ns, cause) VALUES (?, ?, ?, ?)",
            (stream_id, start_ns, end_ns, int(row.cause)),
        )
        old_end_ns, old_cause = old or (start_ns, row.cause)
        if end_ns < old_end_ns or old_cause != row.cause:
            self._rollup.spoiled(stream_id, start_ns, old_end_ns)
        self._rollup.covered(stream_id, old_end_ns, end_ns, row.cause)
        self._reaches("longest_gap_ns", stream_id, end_ns - start_ns)

    def take_segment(self, key: StreamKey, start_ns: int, *, if_expirable: bool = False) -> int | None:
        """Takes a segment's row away.

        Args:
            key: its stream.
            start_ns: when it starts.
            if_expirable: leave it if it is open or held.

        Returns:
            When it ended, None if there was none to take.
        """
        stream_id = self._names.find_stream(key)
        if stream_id is None:
            return None
        sql = _TAKE.format(" AND digest IS NOT NULL AND held = 0" if if_expirable else "")
        # `fetchall` runs the statement to its end.
        rows = self._connection.execute(sql, (stream_id, start_ns)).fetchall()
        if not rows:
            return None
        end_ns, size_bytes, volume_id, entry = rows[0]
        if entry is not None:
            self._left.add(entry)
        self._resized(volume_id, -size_bytes, -1)
        self._rollup.resized(stream_id, start_ns, -size_bytes)
        self._rollup.spoiled(stream_id, start_ns, end_ns)
        return int(end_ns)

    def take_expired(self, row: Segment, rule: str) -> int | None:
        """Takes a segment's row away for retention, and remembers that its file is to be deleted, by which rule.

        Returns:
            When it ended, None if it was left: it is open, held or gone.
        """
        end_ns = self.take_segment(row.key, row.start_wall_ns, if_expirable=True)
        if end_ns is not None:
            self._connection.execute(
                "INSERT OR IGNORE INTO expired"
                " (stream_id, start_ns, epoch, volume_id, end_ns, size_bytes, digest, rule)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self._names.stream(row.key),
                    row.start_wall_ns,
                    row.epoch,
                    self._names.volume(row.volume),
                    row.end_wall_ns,
                    row.size_bytes,
                    row.digest,
                    rule,
                ),
            )
        return end_ns

    def take_gap(self, key: StreamKey, start_ns: int) -> None:
        """Takes a gap's row away, if it is there."""
        stream_id = self._names.find_stream(key)
        rows = self._connection.execute(
            "DELETE FROM gaps WHERE stream_id = ? AND start_ns = ? RETURNING end_ns", (stream_id, start_ns)
        ).fetchall()
        for (end_ns,) in rows:
            self._rollup.spoiled(self._names.stream(key), start_ns, end_ns)

    def expired_before(self, key: StreamKey, end_ns: int) -> None:
        """From now on nothing before `end_ns` is promised; gaps older than all that is left go."""
        stream_id = self._names.stream(key)
        self._connection.execute(
            "UPDATE streams SET expired_before_ns = max(expired_before_ns, ?) WHERE id = ?", (end_ns, stream_id)
        )
        oldest = self._connection.execute("SELECT min(start_ns) FROM segments WHERE stream_id = ?", (stream_id,))
        keep_from_ns = min(end_ns, oldest.fetchone()[0] or end_ns)
        rows = self._connection.execute(
            "DELETE FROM gaps WHERE stream_id = ? AND start_ns < ? AND end_ns <= ? RETURNING start_ns, end_ns",
            (stream_id, keep_from_ns, keep_from_ns),
        ).fetchall()
        for gap_start_ns, gap_end_ns in rows:
            self._rollup.spoiled(stream_id, gap_start_ns, gap_end_ns)

    def finish(self) -> None:
        """Stores sums and rollup."""
        self._connection.executemany(
            "UPDATE volumes SET size_bytes = size_bytes + ?, segment_count = segment_count + ? WHERE id = ?",
            [(size_bytes, count, volume_id) for volume_id, (size_bytes, count) in self._volumes.items()],
        )
        for (column, stream_id), length_ns in self._longest.items():
            self._connection.execute(
                f"UPDATE streams SET {column} = ?1 WHERE id = ?2 AND {column} < ?1",  # noqa: S608 - our own constant
                (length_ns, stream_id),
            )
        # What no segment is left of needs no proof any more.
        self._connection.executemany(
            "DELETE FROM commitments WHERE entry = ?1 AND NOT EXISTS (SELECT 1 FROM segments WHERE entry = ?1)",
            [(entry,) for entry in self._left],
        )
        self._rollup.flush()

    def _resized(self, volume_id: int | None, size_bytes: int, count: int) -> None:
        if volume_id is not None:
            sums = self._volumes.setdefault(volume_id, [0, 0])
            sums[0] += size_bytes
            sums[1] += count

    def _reaches(self, column: str, stream_id: int, length_ns: int) -> None:
        # Rounded up to a power of two, a growing row changes its stream's a few times, not each time.
        known = self._longest.get((column, stream_id), 0)
        if length_ns >= known:
            self._longest[column, stream_id] = 1 << length_ns.bit_length()


def overlapping(connection: sqlite3.Connection, stream_id: int, window: Span) -> list[Segment]:
    """Returns the segments that overlap `window`, by start."""
    rows = connection.execute(
        f"{FROM_SEGMENTS} WHERE stream_id = ?1 AND start_ns < ?3 AND end_ns > ?2"  # noqa: S608 - our own constant
        " AND start_ns > ?2 - (SELECT longest_segment_ns FROM streams WHERE id = ?1) ORDER BY start_ns",
        (stream_id, *window),
    )
    return [as_segment(row) for row in rows]


def overlapping_gaps(connection: sqlite3.Connection, key: StreamKey, stream_id: int, window: Span) -> list[GapRow]:
    """Returns the gaps that overlap `window`, whole, by start."""
    return [as_gap(key, row) for row in gap_spans(connection, stream_id, window)]


def last_end(connection: sqlite3.Connection, key: StreamKey, stream_id: int) -> tuple[int, GapRow | None] | None:
    """Returns where the stream's story ends, and the gap that ends it if one does; None before it began."""
    segment_end_ns = _last_end(connection, "segments", "longest_segment_ns", stream_id)
    gap_end_ns = _last_end(connection, "gaps", "longest_gap_ns", stream_id)
    if gap_end_ns is None or (segment_end_ns is not None and segment_end_ns > gap_end_ns):
        return None if segment_end_ns is None else (segment_end_ns, None)
    row = connection.execute(
        "SELECT start_ns, end_ns, cause FROM gaps WHERE stream_id = ?1 AND end_ns = ?2 AND start_ns >="
        " ?2 - (SELECT longest_gap_ns FROM streams WHERE id = ?1) ORDER BY start_ns LIMIT 1",
        (stream_id, gap_end_ns),
    ).fetchone()
    return gap_end_ns, as_gap(key, row)


def last_segment_end(connection: sqlite3.Connection, stream_id: int) -> int | None:
    """Returns when the stream's footage ends, None if it has none."""
    return _last_end(connection, "segments", "longest_segment_ns", stream_id)


def _last_end(connection: sqlite3.Connection, table: str, longest: str, stream_id: int) -> int | None:
    # A row that ends later than the last one to start is at most the longest row's length before it.
    found: int | None = connection.execute(
        f"SELECT max(end_ns) FROM {table} WHERE stream_id = ?1 AND start_ns >="  # noqa: S608 - our own constants
        f" (SELECT max(start_ns) FROM {table} WHERE stream_id = ?1)"
        f" - (SELECT {longest} FROM streams WHERE id = ?1)",
        (stream_id,),
    ).fetchone()[0]
    return found


def oldest_by_age(
    connection: sqlite3.Connection, limit: int, before_ns: int | None, volume: str | None
) -> list[Segment]:
    """Returns closed segments that nothing holds, those that ended first in front."""
    found: list[Segment] = []
    volumes: Sequence[tuple[int, str]] = connection.execute("SELECT id, name FROM volumes").fetchall()
    for number, name in volumes:
        if volume in (None, name):
            rows = connection.execute(
                f"{FROM_SEGMENTS} WHERE volume_id = ? AND digest IS NOT NULL AND held = 0 AND end_ns <= ?"
                " ORDER BY end_ns, stream_id LIMIT ?",
                (number, before_ns if before_ns is not None else 2**63 - 1, limit),
            )
            found += map(as_segment, rows)
    return sorted(found, key=lambda segment: (segment.end_wall_ns, segment.key))[:limit]


def uncommitted(connection: sqlite3.Connection, limit: int) -> list[Segment]:
    """Returns closed segments that no entry of the ledger commits to yet, what ended first in front."""
    rows = connection.execute(
        f"{FROM_SEGMENTS} WHERE digest IS NOT NULL AND entry IS NULL ORDER BY end_ns LIMIT ?",
        (limit,),
    )
    return [as_segment(row) for row in rows]


def commit_to(connection: sqlite3.Connection, rows: Iterable[Segment], entry: int, leaves: Sequence[bytes]) -> None:
    """Says which entry commits to segments, and over what; those that are gone meanwhile are passed over."""
    connection.executemany(
        "UPDATE segments SET entry = ? WHERE start_ns = ?"
        " AND stream_id = (SELECT id FROM streams WHERE camera = ? AND name = ?)",
        [(entry, row.start_wall_ns, *row.key) for row in rows],
    )
    connection.execute(
        "INSERT OR REPLACE INTO commitments (entry, leaves) SELECT ?1, ?2"
        " WHERE EXISTS (SELECT 1 FROM segments WHERE entry = ?1)",
        (entry, b"".join(leaves)),
    )


def commitments(connection: sqlite3.Connection, stream_id: int, window: Span) -> dict[int, int]:
    """Returns which entry of the ledger commits to each segment that overlaps `window`, by its start."""
    rows = connection.execute(
        "SELECT start_ns, entry FROM segments WHERE stream_id = ?1 AND start_ns < ?3 AND end_ns > ?2"
        " AND start_ns > ?2 - (SELECT longest_segment_ns FROM streams WHERE id = ?1) AND entry IS NOT NULL",
        (stream_id, *window),
    )
    return dict(rows.fetchall())


def leaves_of(connection: sqlite3.Connection, entry: int) -> list[bytes]:
    """Returns the hashes over which an entry commits to footage, in order; none where nothing of it is left."""
    row = connection.execute("SELECT leaves FROM commitments WHERE entry = ?", (entry,)).fetchone()
    return [] if row is None else [row[0][at : at + 32] for at in range(0, len(row[0]), 32)]


def oldest_of_stream(
    connection: sqlite3.Connection, stream_id: int, limit: int, before_ns: int, volumes: Iterable[str]
) -> list[Segment]:
    """Returns one stream's closed segments on `volumes` that nothing holds and that ended by then, oldest first."""
    rows = connection.execute(
        f"{FROM_SEGMENTS} WHERE stream_id = ?1 AND start_ns <= ?2 AND end_ns <= ?2"  # noqa: S608 - our own constant
        " AND digest IS NOT NULL AND +held = 0 AND volumes.name IN (SELECT value FROM json_each(?3))"
        " ORDER BY start_ns LIMIT ?4",
        (stream_id, before_ns, json.dumps(list(volumes)), limit),
    )
    return [as_segment(row) for row in rows]


def list_expired(connection: sqlite3.Connection) -> list[Expired]:
    """Returns what retention took and whose files are not known to be gone."""
    rows = connection.execute(
        "SELECT camera, streams.name, start_ns, epoch, volumes.name FROM expired"
        " JOIN streams ON streams.id = stream_id JOIN volumes ON volumes.id = volume_id ORDER BY start_ns, camera"
    )
    return [Expired(StreamKey(CameraId(row[0]), StreamName(row[1])), *row[2:]) for row in rows]


def as_segment(row: tuple[str, str, int, int, int, str, int, int, int, bytes | None]) -> Segment:
    """Returns a row that `FROM_SEGMENTS` selected as what it is."""
    return Segment(StreamKey(CameraId(row[0]), StreamName(row[1])), *row[2:])


def as_gap(key: StreamKey, row: tuple[int, int, int]) -> GapRow:
    """Returns start, end and cause as what they are.

    Raises:
        CatalogueError: the cause is none.
    """
    try:
        return GapRow(key, row[0], row[1], GapCause(row[2]))
    except ValueError as error:
        raise CatalogueError(
            f"a gap has the unknown cause {row[2]}", where=str(key), fix="run `civicam check --repair`"
        ) from error
