"""The catalogue: what exists, where and when. One class, over one SQLite file that the footage can rebuild."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from civicam.catalogue import cameras, deletions, health, holds, segments
from civicam.catalogue.coverage import Completeness, Coverage, explain
from civicam.catalogue.database import Database
from civicam.catalogue.models import Camera, Deletion, Expired, GapRow, HealthRow, Hold, Place, RegisterEntry, Segment
from civicam.catalogue.rollup import (
    DAY_NS,
    HOUR_NS,
    Hour,
    HourKey,
    by_hour,
    count_window,
    segment_spans,
    stored_hours,
    stream_hours,
)
from civicam.catalogue.salvage import CONFIGURATION, Row
from civicam.core.errors import CatalogueError
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.core.spans import Span

ALL_TIME: Span = (0, 2**62)
"""A window that holds everything."""

_NOTHING = Hour()


@dataclass(frozen=True, slots=True)
class Run:
    """One start of the system.

    Attributes:
        epoch: its number.
        begin_ns: when it started.
        end_ns: when it was stopped on purpose; None while it runs, or if it died.
    """

    epoch: int
    begin_ns: int
    end_ns: int | None

    @property
    def is_clean(self) -> bool:
        """It was stopped on purpose."""
        return self.end_ns is not None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over everything.

    Attributes:
        segment_count: segments on all volumes.
        volume_bytes: bytes on each volume.
        camera_bytes: bytes of each camera that has footage.
        oldest_ns: when the oldest footage of each stream that has any starts.
    """

    segment_count: int
    volume_bytes: dict[str, int]
    camera_bytes: dict[CameraId, int]
    oldest_ns: dict[StreamKey, int]


class Catalogue:
    """A connection to the catalogue. Used from one thread at a time; processes each open their own.

    Every method raises `CatalogueError` when the database is broken, full or locked too long; beyond that, as said.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names: segments.Names | None = None

    @classmethod
    def open(cls, path: Path, *, create: bool = False) -> Self:
        """Opens the file at `path`, and brings an older one up to date. Closes at the end of a `with` block.

        Raises:
            CatalogueError: it is missing (and `create` is not set), broken, or of a newer civicam.
        """
        return cls(Database(path, create=create))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The database file."""
        return self._database.path

    def close(self) -> None:
        """Closes the connection."""
        self._database.close()

    # Cameras

    def add_camera(self, camera: Camera) -> None:
        """Adds a camera, or takes back one that was removed: its streams are due from `camera.added_ns`.

        Raises:
            CatalogueError: the city has it already, it has no purpose, or a URL carries credentials.
        """
        self.add_cameras([camera])

    def add_cameras(self, added: Sequence[Camera]) -> None:
        """Adds all of `added`, or raises as `add_camera` does and adds none."""
        with self._database.writing() as connection:
            for camera in added:
                cameras.add_camera(connection, camera)

    def remove_camera(self, camera: CameraId, *, now_ns: int) -> None:
        """Ends what it is due; its history stays.

        Raises:
            CatalogueError: the city has no such camera.
        """
        with self._database.writing() as connection:
            cameras.remove_camera(connection, camera, now_ns)

    def set_urls(self, camera: CameraId, urls: dict[StreamName, str], *, now_ns: int) -> None:
        """Sets which streams are recorded, and from where: new ones are due from `now_ns`, others no longer.

        Raises:
            CatalogueError: the city has no such camera, or a URL carries credentials.
        """
        with self._database.writing() as connection:
            cameras.set_urls(connection, camera, urls, now_ns)

    def describe_camera(self, camera: CameraId, entry: RegisterEntry, now_ns: int) -> None:
        """Sets what the public is told of a camera; from `now_ns` on it is due to record, if it was not.

        Raises:
            CatalogueError: the city has no such camera.
        """
        with self._database.writing() as connection:
            cameras.describe_camera(connection, camera, entry, now_ns)

    def place_camera(self, camera: CameraId, place: Place) -> None:
        """Sets where a camera stands.

        Raises:
            CatalogueError: the city has no such camera.
        """
        with self._database.writing() as connection:
            cameras.place_camera(connection, camera, place)

    def set_credentials(self, camera: CameraId, credentials: bytes | None) -> None:
        """Sets the wrapped name and password.

        Raises:
            CatalogueError: the city has no such camera.
        """
        with self._database.writing() as connection:
            changed = connection.execute(
                "UPDATE cameras SET credentials = ? WHERE id = ? AND removed_ns IS NULL", (credentials, camera)
            ).rowcount
            if not changed:
                raise CatalogueError("the city has no such camera", where=camera, fix="add it first")

    def camera(self, camera: CameraId) -> Camera | None:
        """Returns a camera, removed or not, None if the city never had it."""
        with self._database.reading() as connection:
            return cameras.find_camera(connection, camera)

    def cameras(self, *, removed: bool = False) -> list[Camera]:
        """Returns the cameras that the city has, by id; with `removed`, those it had too."""
        with self._database.reading() as connection:
            return [one for one in cameras.list_cameras(connection) if removed or one.removed_ns is None]

    def streams(self) -> list[StreamKey]:
        """Returns every stream that is or was recorded."""
        return [_key(row) for row in self._database.query("SELECT camera, name FROM streams ORDER BY camera, name")]

    def due(self, key: StreamKey, window: Span) -> list[Span]:
        """Returns when within `window` the stream was meant to record, but for what retention has passed."""
        with self._reading(key) as (connection, stream_id):
            return cameras.due_spans(connection, stream_id, window)

    def expired_before(self, key: StreamKey) -> int:
        """Returns up to when retention has passed the stream: earlier footage may be there, and is not promised."""
        rows = self._database.query("SELECT expired_before_ns FROM streams WHERE camera = ? AND name = ?", key)
        return int(rows[0][0]) if rows else 0

    # Footage

    def record(self, rows: Sequence[Segment], gaps: Sequence[GapRow] = ()) -> None:
        """Stores segments and gaps, new ones and longer ones, in one transaction. Say only what is durable.

        Raises:
            CatalogueError: a row's camera is unknown, or it ends before it starts; nothing is stored.
        """
        with self.changing() as change:
            change.store([*rows, *gaps])

    def forget(self, key: StreamKey, start_ns: int) -> None:
        """Takes a segment's row away. Its time is unexplained from now on, unless a gap is recorded for it."""
        with self.changing() as change:
            change.take_segment(key, start_ns)

    def expire(self, rows: Sequence[Segment], rule: str = "age") -> list[Segment]:
        """Takes rows away for retention: from now on nothing that old is promised of their streams.

        Their files are `undeleted` until `deleted` says that they are gone.

        Args:
            rows: which.
            rule: by which rule; the receipt says it.

        Returns:
            Those that were taken, and only their files may go: none that is open, gone, or held by now.
        """
        taken = []
        ends_ns: dict[StreamKey, int] = {}
        with self.changing() as change:
            for row in rows:
                end_ns = change.take_expired(row, rule)
                if end_ns is not None:
                    taken.append(row)
                    ends_ns[row.key] = max(end_ns, ends_ns.get(row.key, 0))
            for key, end_ns in ends_ns.items():
                change.expired_before(key, end_ns)
        return taken

    def undeleted(self) -> list[Expired]:
        """Returns what has expired and whose files are still to be deleted, by start."""
        with self._database.reading() as connection:
            return segments.list_expired(connection)

    def deleted(self, files: Sequence[Expired], now_ns: int) -> None:
        """Files of what has expired are gone: they are `deletions` from now on, which have no receipt yet."""
        with self._database.writing() as connection:
            deletions.move_deleted(connection, files, now_ns)

    def deletions(self, limit: int, *, written: bool) -> list[Deletion]:
        """Returns deletions of the last days that have a receipt in the ledger, or those that have none yet."""
        with self._database.reading() as connection:
            return deletions.list_deletions(connection, limit, written=written)

    def write_receipt(self, rows: Sequence[Deletion], entry: int, now_ns: int) -> None:
        """Says which entry of the ledger is the receipt of deletions."""
        with self._database.writing() as connection:
            deletions.write_receipt(connection, rows, entry, now_ns)

    @contextmanager
    def changing(self) -> Iterator[segments.Change]:
        """Several changes to segments and gaps as one transaction."""
        try:
            with self._database.writing() as connection:
                self._names = self._names or segments.Names(connection)
                change = segments.Change(connection, self._names)
                yield change
                change.finish()
        except BaseException:
            self._names = None
            raise

    def segments(self, key: StreamKey, window: Span = ALL_TIME) -> list[Segment]:
        """Returns the stream's segments that overlap `window`, by start; open ones have no digest."""
        with self._reading(key) as (connection, stream_id):
            return segments.overlapping(connection, stream_id, window)

    def open_segments(self) -> list[Segment]:
        """Returns the segments that are being written, or that a crash left open."""
        rows = self._database.query(f"{segments.FROM_SEGMENTS} WHERE digest IS NULL ORDER BY stream_id, start_ns")
        return [segments.as_segment(row) for row in rows]

    def gaps(self, key: StreamKey, window: Span = ALL_TIME) -> list[GapRow]:
        """Returns the stream's gaps that overlap `window`, whole, by start."""
        with self._reading(key) as (connection, stream_id):
            return segments.overlapping_gaps(connection, key, stream_id, window)

    def last_end(self, key: StreamKey) -> tuple[int, GapRow | None] | None:
        """Returns where the stream's story ends, and the gap it ends with, None if footage ends it.

        A recorder that starts makes that gap longer, or begins one there. None for a stream without a story.
        """
        with self._reading(key) as (connection, stream_id):
            return segments.last_end(connection, key, stream_id)

    def last_segment_end(self, key: StreamKey) -> int | None:
        """Returns when the stream's footage ends, None if it has none."""
        with self._reading(key) as (connection, stream_id):
            return segments.last_segment_end(connection, stream_id)

    def oldest_segments(self, limit: int, *, before_ns: int | None = None, volume: str | None = None) -> list[Segment]:
        """Returns what retention may take, over all cameras: what ended first in front, nothing open, nothing held.

        Args:
            limit: at most so many.
            before_ns: only what ended by then.
            volume: only what lies there.
        """
        with self._database.reading() as connection:
            return segments.oldest_by_age(connection, limit, before_ns, volume)

    def oldest_of_stream(
        self, key: StreamKey, limit: int, *, before_ns: int, volumes: Collection[str]
    ) -> list[Segment]:
        """Returns the same of one stream and what lies on any of `volumes`."""
        with self._reading(key) as (connection, stream_id):
            return segments.oldest_of_stream(connection, stream_id, limit, before_ns, volumes)

    # Completeness

    def coverage(self, key: StreamKey, window: Span, *, tolerance_ns: int = 0) -> Coverage:
        """Returns what the stream has of `window`, and what it should have and has not.

        Args:
            key: the stream.
            window: the stretch; what is being written now is not durable yet, so end it some seconds before now.
            tolerance_ns: unexplained stretches up to this long are passed over.
        """
        with self._reading(key) as (connection, stream_id):
            due = cameras.due_spans(connection, stream_id, window)
            gaps = segments.overlapping_gaps(connection, key, stream_id, window)
            return explain(due, segment_spans(connection, stream_id, window), gaps, window, tolerance_ns)

    def completeness(self, window: Span) -> dict[StreamKey, Completeness]:
        """Returns how much of what each stream was due in `window` is there. Exact, and fast over full hours."""
        with self._database.reading() as connection:
            hours = stored_hours(connection, window)
            streams = connection.execute("SELECT id, camera, name FROM streams ORDER BY camera, name").fetchall()
            found: dict[StreamKey, Completeness] = {}
            for stream_id, *name in streams:
                due = cameras.due_spans(connection, stream_id, window)
                if due:
                    found[_key(name)] = _completeness(connection, stream_id, due, hours)
        return found

    def hours(self, key: StreamKey, window: Span) -> list[tuple[int, Completeness]]:
        """Returns each hour that `window` touches, by its first nanosecond, and how much of what was due is there."""
        with self._reading(key) as (connection, stream_id):
            stored = stream_hours(connection, stream_id, window)
            found = []
            for number in range(window[0] // HOUR_NS, (window[1] - 1) // HOUR_NS + 1):
                hour = max(window[0], number * HOUR_NS), min(window[1], (number + 1) * HOUR_NS)
                due = cameras.due_spans(connection, stream_id, hour)
                found.append((number * HOUR_NS, _completeness(connection, stream_id, due, stored)))
        return found

    def totals(self) -> Totals:
        """Returns how much footage there is."""
        with self._database.reading() as connection:
            volumes = connection.execute("SELECT name, size_bytes, segment_count FROM volumes").fetchall()
            by_camera = connection.execute(
                "SELECT camera, sum(size_bytes) FROM rollup JOIN streams ON streams.id = stream_id"
                " GROUP BY camera HAVING sum(size_bytes) > 0"
            ).fetchall()
            oldest = connection.execute(
                "SELECT camera, name, (SELECT min(start_ns) FROM segments WHERE stream_id = streams.id) AS oldest"
                " FROM streams WHERE oldest IS NOT NULL"
            ).fetchall()
        return Totals(
            sum(row[2] for row in volumes),
            {row[0]: row[1] for row in volumes},
            {CameraId(row[0]): row[1] for row in by_camera},
            {_key(row): row[2] for row in oldest},
        )

    # Holds

    def held_bytes(self) -> dict[str, int]:
        """Returns how much footage is held, by volume."""
        return dict(
            self._database.query(
                "SELECT name, sum(segments.size_bytes) FROM segments JOIN volumes ON volumes.id = volume_id"
                " WHERE held = 1 GROUP BY volume_id"
            )
        )

    def add_hold(self, camera: CameraId, window: Span, reason: str, *, now_ns: int) -> Hold:
        """Keeps retention from what `camera` has, or will have, within `window`.

        Raises:
            CatalogueError: there never was such a camera, the window is empty, or there is no reason.
        """
        with self._database.writing() as connection:
            return holds.add_hold(connection, camera, window, reason, now_ns)

    def release_hold(self, number: int, *, now_ns: int) -> None:
        """Gives the footage back to retention.

        Raises:
            CatalogueError: no such hold is active.
        """
        with self._database.writing() as connection:
            holds.release_hold(connection, number, now_ns)

    def holds(self) -> list[Hold]:
        """Returns the active holds, oldest first."""
        with self._database.reading() as connection:
            return holds.list_holds(connection)

    # The ledger

    def uncommitted_segments(self, limit: int) -> list[Segment]:
        """Returns closed segments that no entry of the ledger commits to yet, what ended first in front."""
        with self._database.reading() as connection:
            return segments.uncommitted(connection, limit)

    def commit_segments(self, rows: Sequence[Segment], entry: int, leaves: Sequence[bytes]) -> None:
        """Says which entry of the ledger commits to segments, and over which hashes of leaves (32 bytes, in order)."""
        with self._database.writing() as connection:
            segments.commit_to(connection, rows, entry, leaves)

    def commitments(self, key: StreamKey, window: Span) -> dict[int, int]:
        """Returns which entry of the ledger commits to each segment that overlaps `window`, by its start (ns)."""
        with self._reading(key) as (connection, stream_id):
            return segments.commitments(connection, stream_id, window)

    def leaves(self, entry: int) -> list[bytes]:
        """Returns the hashes over which an entry commits to footage, in order; none where nothing of it is left."""
        with self._database.reading() as connection:
            return segments.leaves_of(connection, entry)

    def days_unwritten(self, end_ns: int, limit: int) -> list[int]:
        """Returns the days (UTC, their first nanosecond) of which no entry of the ledger tells yet, in order.

        Args:
            end_ns: only days that ended before.
            limit: the latest so many.
        """
        with self._database.reading() as connection:
            begun_ns, written_ns = connection.execute(
                "SELECT (SELECT min(start_ns) FROM due), (SELECT max(day_ns) FROM days_written)"
            ).fetchone()
        if begun_ns is None:
            return []
        first = begun_ns // DAY_NS if written_ns is None else written_ns // DAY_NS + 1
        end = end_ns // DAY_NS
        return [day * DAY_NS for day in range(max(first, end - limit), end)]

    def write_day(self, day_ns: int, entry: int) -> None:
        """Says which entry of the ledger tells how completely a day was recorded."""
        with self._database.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO days_written (day_ns, entry) VALUES (?, ?)", (day_ns, entry))

    # Health

    def put_health(self, rows: Sequence[HealthRow], *, keep_ns: int) -> None:
        """Stores events, and what became of them; a camera's events that ended `keep_ns` before are deleted."""
        with self._database.writing() as connection:
            for row in rows:
                health.put_health(connection, row)
                health.forget_health(connection, row.camera, row.began_wall_ns - keep_ns)

    def settle_health(self, camera: CameraId, lasting: Collection[HealthRow], *, at_ns: int) -> None:
        """Ends at `at_ns` whatever was left open of a camera, but for what lasts."""
        with self._database.writing() as connection:
            health.settle_health(connection, camera, lasting, at_ns)

    def health(self, camera: CameraId, window: Span) -> list[HealthRow]:
        """Returns what was wrong with a camera's picture within `window`, by when it began."""
        with self._database.reading() as connection:
            return health.list_health(connection, camera, window)

    # Runs

    def begin_run(self, epoch: int, wall_ns: int) -> None:
        """Writes down a start."""
        with self._database.writing() as connection:
            connection.execute("INSERT INTO runs (epoch, begin_ns) VALUES (?, ?)", (epoch, wall_ns))

    def end_run(self, epoch: int, wall_ns: int) -> None:
        """Writes down that this start was stopped on purpose."""
        with self._database.writing() as connection:
            connection.execute("UPDATE runs SET end_ns = ? WHERE epoch = ?", (wall_ns, epoch))

    def last_run(self) -> Run | None:
        """Returns the latest start, None before the first."""
        rows = self._database.query("SELECT epoch, begin_ns, end_ns FROM runs ORDER BY epoch DESC LIMIT 1")
        return Run(*rows[0]) if rows else None

    # Upkeep

    def faults(self) -> list[str]:
        """Returns what SQLite finds wrong with the file, empty if nothing is. Reads all of it."""
        return self._database.faults()

    def adopt(self, configuration: dict[str, list[Row]]) -> list[str]:
        """Stores what `OldCatalogue.configuration` read into this new catalogue.

        Returns:
            What had to be left out, for people.
        """
        refused = []
        with self._database.writing() as connection:
            for table, rows in configuration.items():
                columns = CONFIGURATION[table][1]
                marks = ", ".join("?" * (columns.count(",") + 1))
                for row in rows:
                    try:
                        connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", row)  # noqa: S608
                    except sqlite3.IntegrityError as error:
                        refused.append(f"a row of {table} does not fit: {error}")
        return refused

    def recreate(self, key: StreamKey, due: Span) -> bool:
        """Makes sure that a stream of which there is footage is known, and when it was due.

        Returns:
            The stream, or when it was due, was not known; a camera made so has no address and is due no longer.
        """
        with self._database.writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO cameras (id, title, purpose, added_ns) VALUES (?1, ?1, '', ?2)",
                (key.camera, due[0]),
            )
            stream_id = cameras.add_stream(connection, key)
            return bool(
                connection.execute(
                    "INSERT INTO due (stream_id, start_ns, end_ns)"
                    " SELECT id, ?2, CASE WHEN url IS NULL THEN ?3 END FROM streams WHERE id = ?1"
                    " AND NOT EXISTS (SELECT 1 FROM due WHERE stream_id = ?1)",
                    (stream_id, *due),
                ).rowcount
            )

    @contextmanager
    def _reading(self, key: StreamKey) -> Iterator[tuple[sqlite3.Connection, int]]:
        with self._database.reading() as connection:
            found = segments.Names(connection).find_stream(key)
            # No stream has the number 0, so an unknown one has no rows.
            yield connection, found or 0


def _key(row: Sequence[str]) -> StreamKey:
    return StreamKey(CameraId(row[0]), StreamName(row[1]))


def _completeness(
    connection: sqlite3.Connection, stream_id: int, due: list[Span], hours: dict[HourKey, Hour]
) -> Completeness:
    sums = Completeness()
    for due_start_ns, due_end_ns in due:
        for number, start_ns, end_ns in by_hour(due_start_ns, due_end_ns):
            hour = hours.get(HourKey(number, stream_id), _NOTHING)
            # A stored hour stands for a part of it that begins with it and reaches past all that is in it.
            if start_ns > number * HOUR_NS or end_ns < hour.until_ns:
                hour = count_window(connection, stream_id, (start_ns, end_ns))
            sums.add(end_ns - start_ns, hour.playable_ns, hour.gap_ns)
    return sums
