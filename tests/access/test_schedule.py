"""Hours: what people write, and when it holds; days on which the clock changes included."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.access.schedule import DAYS, Schedule, parse_schedule
from civicam.core.errors import AccessError

HOUR_NS = 3_600_000_000_000
ZONES = ("UTC", "Asia/Dushanbe", "Europe/Berlin", "America/New_York")


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000_000


def holds(schedule: Schedule, text: str, zone: str = "UTC") -> bool:
    start_ns = at(text, zone)
    return schedule.holds((start_ns, start_ns + 1))


@pytest.mark.parametrize(
    ("text", "moment", "is_within"),
    [
        ("", "2026-03-01T03:00", True),
        ("mon-fri 08:00-16:00", "2026-03-02T08:00", True),
        ("mon-fri 08:00-16:00", "2026-03-02T15:59:59", True),
        ("mon-fri 08:00-16:00", "2026-03-02T16:00", False),
        ("mon-fri 08:00-16:00", "2026-03-01T12:00", False),
        ("sat 22:00-06:00", "2026-03-01T05:59", True),
        ("sat 22:00-06:00", "2026-03-01T06:00", False),
        ("sat 22:00-06:00", "2026-02-28T05:00", False),
        ("sun", "2026-03-01T23:59", True),
        ("fri-mon", "2026-03-01T00:00", True),
        ("fri-mon", "2026-03-03T00:00", False),
        ("mon 08:00-12:00, mon 12:00-16:00", "2026-03-02T12:00", True),
    ],
)
def test_a_moment_is_within_or_not(text: str, moment: str, is_within: bool) -> None:
    for zone in ZONES:
        assert holds(parse_schedule(text, zone), moment, zone) is is_within


def test_a_stretch_may_go_on_from_one_shift_into_the_next() -> None:
    schedule = parse_schedule("mon-sun 00:00-08:00, mon-sun 08:00-24:00", "UTC")
    assert schedule.holds((at("2026-03-01T07:00"), at("2026-03-02T07:00")))
    assert not parse_schedule("mon-sun 00:00-08:00", "UTC").holds((at("2026-03-01T07:00"), at("2026-03-01T09:00")))


def test_hours_are_those_of_the_clock_on_the_wall_when_it_changes() -> None:
    schedule = parse_schedule("sun 08:00-16:00", "Europe/Berlin")  # 2026-03-29: from 02:00 to 03:00
    assert schedule.holds((at("2026-03-29T06:00"), at("2026-03-29T14:00")))
    assert not schedule.holds((at("2026-03-29T05:59"), at("2026-03-29T06:01")))


def test_it_is_known_when_hours_end() -> None:
    schedule = parse_schedule("mon-sun 08:00-16:00", "UTC")
    assert schedule.ends_ns(at("2026-03-01T09:00")) == at("2026-03-01T16:00")
    assert parse_schedule("", "UTC").ends_ns(at("2026-03-01T09:00")) is None


@pytest.mark.parametrize(
    "text",
    ["monday", "mon-", "mon 8-16", "mon 08:00", "mon 08:00-08:00", "mon 24:00-25:00", "mon 08:61-09:00", "xyz", ",",
     "mon 08:00-16:00;", "mon 24:00-01:00", "mon " * 200],
)  # fmt: skip
def test_what_are_no_hours_is_said(text: str) -> None:
    with pytest.raises(AccessError):
        parse_schedule(text, "UTC")


@pytest.mark.parametrize("zone", ["", "Mars", "../etc/passwd", "/etc/localtime", "a\0b"])
def test_what_is_no_time_zone_is_said(zone: str) -> None:
    with pytest.raises(AccessError, match="no time zone"):
        parse_schedule("", zone)


@given(st.text(max_size=60))
def test_any_text_is_hours_or_an_error(text: str) -> None:
    with suppress(AccessError):
        assert parse_schedule(text, "UTC").zone == "UTC"


@given(
    day=st.integers(0, 6),
    start=st.integers(0, 1439),
    length=st.integers(1, 1439),
    zone=st.sampled_from(ZONES),
    minute=st.integers(0, 60 * 24 * 370),
)
def test_a_shift_holds_exactly_in_its_minutes(day: int, start: int, length: int, zone: str, minute: int) -> None:
    end = (start + length) % 1440
    text = f"{DAYS[day]} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    local = moment.astimezone(ZoneInfo(zone))
    now = local.hour * 60 + local.minute
    wraps = end <= start
    within = (local.weekday() == day and now >= start and (wraps or now < end)) or (
        wraps and (local.weekday() - 1) % 7 == day and now < end
    )
    # Minutes that the clock on the wall shows twice belong to both hours; those are left out.
    if local.utcoffset() == (local - timedelta(hours=2)).utcoffset() == (local + timedelta(hours=2)).utcoffset():
        assert holds(parse_schedule(text, zone), moment.isoformat()[:19]) is within
