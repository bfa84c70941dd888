"""When an answer is due: some months after something came, in the city's time zone. Pure.

Regulation (EEC, Euratom) 1182/71, Art. 3: the day on which it came does not count, and a period of months ends with the
last hour of the same date, or of that month's last day where it has no such date. What ends on a day off would go on to
the next working day (Art. 3(4)); which days those are is the law of each place, so an answer is due before.
"""

from calendar import monthrange
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from civicam.access.decide import SECOND_NS

_MONTHS = 12


def begins_ns(day: date, zone: str) -> int:
    """When a day begins there, wall nanoseconds."""
    return int(datetime.combine(day, time(), ZoneInfo(zone)).timestamp()) * SECOND_NS


def last_day(due: int, zone: str) -> date:
    """The last day before something is due (wall nanoseconds)."""
    return datetime.fromtimestamp(due // SECOND_NS - 1, ZoneInfo(zone)).date()


def due_ns(came_ns: int, months: int, zone: str) -> int:
    """The end of the last day of that period, wall nanoseconds.

    Args:
        came_ns: when it came, wall nanoseconds.
        months: how long the period is.
        zone: the time zone whose days are meant (IANA).
    """
    where = ZoneInfo(zone)
    came = datetime.fromtimestamp(came_ns // SECOND_NS, where).date()
    year, before = divmod(came.year * _MONTHS + came.month - 1 + months, _MONTHS)
    month = before + 1
    last = date(year, month, min(came.day, monthrange(year, month)[1]))
    return begins_ns(last + timedelta(days=1), zone)
