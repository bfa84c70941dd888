"""When an answer is due: the same date of a later month, or that month's last day, till its end, in the city's zone."""

from calendar import monthrange
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.access.deadline import due_ns

S = 1_000_000_000
ZONES = ("UTC", "Asia/Dushanbe", "Europe/Berlin", "America/New_York", "Asia/Beirut", "Australia/Lord_Howe")
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2036, 1, 1))  # noqa: DTZ001 - the zone is drawn beside it


def ns(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * S


def day(wall_ns: int, zone: str) -> date:
    return datetime.fromtimestamp(wall_ns // S, ZoneInfo(zone)).date()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("came", "months", "last"),
    [
        ("2026-03-05T09:00", 1, "2026-04-05"),
        ("2026-01-31T23:59:59", 1, "2026-02-28"),
        ("2028-01-31T00:00", 1, "2028-02-29"),
        ("2028-02-29T12:00", 1, "2028-03-29"),
        ("2026-08-31T12:00", 1, "2026-09-30"),
        ("2026-12-15T12:00", 1, "2027-01-15"),
        ("2026-11-30T12:00", 3, "2027-02-28"),
        ("2026-01-31T12:00", 3, "2026-04-30"),
        ("2100-01-30T12:00", 1, "2100-02-28"),
    ],
)
def test_it_is_due_until_the_end_of_the_same_date_or_of_the_month(zone: str, came: str, months: int, last: str) -> None:
    due = due_ns(ns(came, zone), months, zone)
    assert day(due - 1, zone) == date.fromisoformat(last)
    assert day(due, zone) == date.fromisoformat(last) + timedelta(days=1)


def test_the_day_ends_when_the_clock_on_the_wall_says_so() -> None:
    # Berlin changes its clocks between these two: the month is an hour shorter, and the day ends at midnight.
    assert due_ns(ns("2026-03-01T00:00", "Europe/Berlin"), 1, "Europe/Berlin") == ns("2026-04-02", "Europe/Berlin")
    # In Beirut midnight is skipped on 2026-03-29: the 28th ends when it would have been.
    assert (
        due_ns(ns("2026-02-28T12:00", "Asia/Beirut"), 1, "Asia/Beirut") == ns("2026-03-28T23:59:59", "Asia/Beirut") + S
    )


@given(MOMENTS, st.sampled_from(ZONES), st.integers(1, 12))
def test_it_is_never_late_nor_early(came: datetime, zone: str, months: int) -> None:
    came_ns = int(came.replace(tzinfo=ZoneInfo(zone)).timestamp()) * S
    first = day(came_ns, zone)
    last = day(due_ns(came_ns, months, zone) - 1, zone)
    assert (last.year * 12 + last.month) - (first.year * 12 + first.month) == months
    assert last.day == min(first.day, monthrange(last.year, last.month)[1])
    assert day(due_ns(came_ns, months, zone), zone) == last + timedelta(days=1)


@given(MOMENTS, MOMENTS, st.sampled_from(ZONES))
def test_who_comes_later_is_not_answered_sooner(one: datetime, other: datetime, zone: str) -> None:
    first, second = sorted(int(each.replace(tzinfo=ZoneInfo("UTC")).timestamp()) * S for each in (one, other))
    assert due_ns(first, 1, zone) <= due_ns(second, 1, zone)
    assert due_ns(first, 1, zone) < due_ns(first, 3, zone)
