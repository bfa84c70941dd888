"""The hourly rollup: what each stream has of each hour, kept exact in the transaction that changes it.

Most changes make a stream's story longer at its end: they add to one row. Anything else (a gap inside a segment, a row
that shrinks or goes) spoils its hours, and those are counted anew from their segments and gaps.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from civicam.core.ids import GapCause
from civicam.core.spans import Span, intersect, subtract, total_ns

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS

_GAP_COLUMNS = [f"{cause.name.lower()}_ns" for cause in GapCause]
_COLUMNS = ", ".join(["playable_ns", "until_ns", "size_bytes", *_GAP_COLUMNS])
_MARKS = ", ".join("?" * (5 + len(_GAP_COLUMNS)))
_SELECT = f"SELECT {_COLUMNS} FROM rollup WHERE hour = ? AND stream_id = ?"  # noqa: S608 - our own constants
_SELECT_ALL = f"SELECT stream_id, hour, {_COLUMNS} FROM rollup WHERE hour BETWEEN ? AND ?"  # noqa: S608 - the same
_REPLACE = f"INSERT OR REPLACE INTO rollup (hour, stream_id, {_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608 - the same


class HourKey(NamedTuple):
    """Which row: hours since 1970, and the stream's number."""

    hour: int
    stream_id: int


@dataclass(slots=True)
class Hour:
    """One stream in one hour.

    Attributes:
        playable_ns: covered by segments and by no gap.
        until_ns: where the last segment or gap in it ends, 0 if there is none.
        size_bytes: bytes of the segments that start in it.
        gap_ns: covered by gaps; where two overlap, the one that started first counts.
    """

    playable_ns: int = 0
    until_ns: int = 0
    size_bytes: int = 0
    gap_ns: dict[GapCause, int] = field(default_factory=lambda: dict.fromkeys(GapCause, 0))


def hour_window(hour: int) -> Span:
    """Returns the time that the hour numbered `hour` takes."""
    return hour * HOUR_NS, (hour + 1) * HOUR_NS


def by_hour(start_ns: int, end_ns: int) -> Iterator[tuple[int, int, int]]:
    """Cuts a span at full hours: the hour's number, and the part's start and end."""
    at = start_ns
    while at < end_ns:
        hour = at // HOUR_NS
        part_end = min(end_ns, (hour + 1) * HOUR_NS)
        yield hour, at, part_end
        at = part_end


def stored_hours(connection: sqlite3.Connection, window: Span) -> dict[HourKey, Hour]:
    """Returns every stream's rows of the hours that `window` touches."""
    hours = (window[0] // HOUR_NS, (window[1] - 1) // HOUR_NS)
    return {HourKey(row[1], row[0]): _from_row(row[2:]) for row in connection.execute(_SELECT_ALL, hours)}


def stream_hours(connection: sqlite3.Connection, stream_id: int, window: Span) -> dict[HourKey, Hour]:
    """Returns one stream's rows of the hours that `window` touches; each is looked up by itself."""
    found: dict[HourKey, Hour] = {}
    for number in range(window[0] // HOUR_NS, (window[1] - 1) // HOUR_NS + 1):
        row = connection.execute(_SELECT, (number, stream_id)).fetchone()
        if row is not None:
            found[HourKey(number, stream_id)] = _from_row(row)
    return found


def segment_spans(connection: sqlite3.Connection, stream_id: int, window: Span) -> list[Span]:
    """Returns the spans of the segments that overlap `window`, by start."""
    return connection.execute(
        "SELECT start_ns, end_ns FROM segments WHERE stream_id = ?1 AND start_ns < ?3 AND end_ns > ?2"
        " AND start_ns > ?2 - (SELECT longest_segment_ns FROM streams WHERE id = ?1) ORDER BY start_ns",
        (stream_id, *window),
    ).fetchall()


def gap_spans(connection: sqlite3.Connection, stream_id: int, window: Span) -> list[tuple[int, int, int]]:
    """Returns start, end and cause of the gaps that overlap `window`, by start."""
    return connection.execute(
        "SELECT start_ns, end_ns, cause FROM gaps WHERE stream_id = ?1 AND start_ns < ?3 AND end_ns > ?2"
        " AND start_ns > ?2 - (SELECT longest_gap_ns FROM streams WHERE id = ?1) ORDER BY start_ns",
        (stream_id, *window),
    ).fetchall()


def count_window(connection: sqlite3.Connection, stream_id: int, window: Span) -> Hour:
    """Counts a stretch from its segments and gaps. This is what a rollup row must equal for its hour."""
    segments = segment_spans(connection, stream_id, window)
    gaps = gap_spans(connection, stream_id, window)
    spans = [(start, end) for start, end, _ in gaps]
    counted = Hour()
    counted.playable_ns = total_ns(intersect(subtract(segments, spans), window))
    counted.until_ns = max((min(end, window[1]) for start, end in segments + spans if start < end), default=0)
    at = window[0]
    for start, end, cause in gaps:
        part_start, part_end = max(start, at), min(end, window[1])
        if part_start < part_end:
            counted.gap_ns[GapCause(cause)] += part_end - part_start
            at = part_end
    counted.size_bytes = connection.execute(
        "SELECT ifnull(sum(size_bytes), 0) FROM segments WHERE stream_id = ? AND start_ns >= ? AND start_ns < ?",
        (stream_id, *window),
    ).fetchone()[0]
    return counted


class RollupChange:
    """The rollup's part of one transaction: told each change, then `flush`ed once the rows are in place."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._hours: dict[HourKey, Hour] = {}
        self._spoiled: set[HourKey] = set()

    def covered(self, stream_id: int, start_ns: int, end_ns: int, cause: GapCause | None) -> None:
        """A segment (`cause` is None) or a gap now covers this stretch, which no row of its own covered before."""
        for hour, part_start, part_end in by_hour(start_ns, end_ns):
            key = HourKey(hour, stream_id)
            row = self._load(key)
            if part_start < row.until_ns:
                self._spoiled.add(key)
                continue
            row.until_ns = part_end
            if cause is None:
                row.playable_ns += part_end - part_start
            else:
                row.gap_ns[cause] += part_end - part_start

    def spoiled(self, stream_id: int, start_ns: int, end_ns: int) -> None:
        """Something within this stretch changed in another way."""
        self._spoiled.update(HourKey(hour, stream_id) for hour, _, _ in by_hour(start_ns, end_ns))

    def resized(self, stream_id: int, start_ns: int, added_bytes: int) -> None:
        """The segment that starts there has so many bytes more."""
        self._load(HourKey(start_ns // HOUR_NS, stream_id)).size_bytes += added_bytes

    def flush(self) -> None:
        """Stores the rows. The segments and gaps must be stored already."""
        for key in self._spoiled:
            self._hours[key] = count_window(self._connection, key.stream_id, hour_window(key.hour))
        kept = {key: row for key, row in self._hours.items() if row.until_ns or row.size_bytes}
        self._connection.executemany(_REPLACE, ((*key, *_to_row(row)) for key, row in kept.items()))
        self._delete(key for key in self._hours if key not in kept)

    def _delete(self, keys: Iterable[HourKey]) -> None:
        self._connection.executemany("DELETE FROM rollup WHERE hour = ? AND stream_id = ?", keys)

    def _load(self, key: HourKey) -> Hour:
        row = self._hours.get(key)
        if row is None:
            stored = self._connection.execute(_SELECT, key).fetchone()
            row = self._hours[key] = _from_row(stored) if stored else Hour()
        return row


def _from_row(row: tuple[int, ...]) -> Hour:
    return Hour(row[0], row[1], row[2], dict(zip(GapCause, row[3:], strict=True)))


def _to_row(hour: Hour) -> tuple[int, ...]:
    return (hour.playable_ns, hour.until_ns, hour.size_bytes, *hour.gap_ns.values())
