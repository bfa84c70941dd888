"""When a right holds: days of the week and hours, in the city's time zone."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from civicam.core.errors import AccessError
from civicam.core.spans import Span

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES: Final = 24 * 60
_PART: Final = re.compile(
    r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?(?: (?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d))?", re.ASCII
)
_TEXT_BYTES: Final = 400
_MOST_NS: Final = 8 * 86_400_000_000_000
_FIX: Final = "write 'mon-fri 08:00-16:00, sat 22:00-06:00', or nothing for always"


@dataclass(frozen=True, slots=True)
class Shift:
    """Some hours of some days. One that ends before it begins goes on into the next day.

    Attributes:
        days: on which days it begins, 0 for Monday.
        start_min: minutes after midnight.
        end_min: minutes after midnight, up to 1440.
    """

    days: frozenset[int]
    start_min: int
    end_min: int

    def spans(self, midnight: datetime) -> Span | None:
        """The stretch of wall time of the shift that begins on that day; None if none does."""
        if midnight.weekday() not in self.days:
            return None
        days = 1 if self.end_min <= self.start_min else 0
        return _ns(_at(midnight, 0, self.start_min)), _ns(_at(midnight, days, self.end_min))


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a right holds.

    Attributes:
        shifts: in any of these; always, if there are none.
        zone: the time zone that they are meant in (IANA).
        text: how somebody wrote it.
    """

    shifts: tuple[Shift, ...] = ()
    zone: str = "UTC"
    text: str = ""

    def holds(self, window: Span) -> bool:
        """All of `window` (wall nanoseconds) is within the hours; shifts that touch count as one."""
        if not self.shifts:
            return True
        if window[1] - window[0] > _MOST_NS:
            return False
        at_ns = window[0]
        spans = self._spans(window)
        while at_ns < window[1]:
            ends = [end for start, end in spans if start <= at_ns < end]
            if not ends:
                return False
            at_ns = max(ends)
        return True

    def ends_ns(self, at_ns: int) -> int | None:
        """When the hours that `at_ns` is in end, None for never."""
        if not self.shifts:
            return None
        spans = self._spans((at_ns, at_ns + _MOST_NS))
        while ends := [end for start, end in spans if start <= at_ns < end]:
            at_ns = max(ends)
        return at_ns

    def _spans(self, window: Span) -> list[Span]:
        zone = ZoneInfo(self.zone)
        midnight = _midnight(window[0], zone) - timedelta(days=1)
        found: list[Span] = []
        while _ns(_at(midnight, 0, 0)) < window[1]:
            found += [span for shift in self.shifts if (span := shift.spans(midnight)) is not None]
            midnight += timedelta(days=1)
        return found


ALWAYS: Final = Schedule()


def parse_schedule(text: str, zone: str) -> Schedule:
    """The hours that `text` says, such as `mon-fri 08:00-16:00, sat 22:00-06:00`; always, if it is empty.

    Raises:
        AccessError: it says none, or there is no such time zone.
    """
    check_zone(zone)
    text = " ".join(text.lower().split())
    if not text:
        return Schedule(zone=zone)
    if len(text) > _TEXT_BYTES:
        raise AccessError("these hours are too long", fix=_FIX)
    return Schedule(tuple(_shift(part.strip()) for part in text.split(",")), zone, text)


def check_zone(zone: str) -> None:
    """Returns if there is such a time zone.

    Raises:
        AccessError: there is none.
    """
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        raise AccessError(f"there is no time zone {zone!r}", fix="write one of IANA's, such as Asia/Dushanbe") from None


def _shift(part: str) -> Shift:
    found = _PART.fullmatch(part)
    if found is None or not {found["first"], found["last"] or found["first"]} <= set(DAYS):
        raise AccessError(f"{part!r} are no hours", fix=_FIX)
    first, last = DAYS.index(found["first"]), DAYS.index(found["last"] or found["first"])
    days = frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))
    start, end = _minutes(found["from"] or "00:00"), _minutes(found["to"] or "24:00")
    if start >= _DAY_MINUTES or start == end:
        raise AccessError(f"{part!r} are no hours", fix=_FIX)
    return Shift(days, start, end)


def _minutes(text: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    if minutes > 59 or hours * 60 + minutes > _DAY_MINUTES:
        raise AccessError(f"{text!r} is no time of day", fix=_FIX)
    return hours * 60 + minutes


def _midnight(wall_ns: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(wall_ns // 1_000_000_000, zone).replace(hour=0, minute=0, second=0, microsecond=0)


def _at(midnight: datetime, days: int, minutes: int) -> datetime:
    """That time of the clock on the wall: a day with a change of the clock has 23 or 25 hours."""
    days, minutes = days + minutes // _DAY_MINUTES, minutes % _DAY_MINUTES
    return midnight.replace(hour=minutes // 60, minute=minutes % 60) + timedelta(days=days)


def _ns(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000
