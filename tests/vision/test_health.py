"""Each fault of a camera is found within a minute, has a beginning, and ends by itself; traffic is none."""

import copy
from collections.abc import Callable, Iterable
from functools import cache

import pytest

from civicam.city.conditions import DAY, DUSK, NIGHT, RAIN, Conditions
from civicam.redaction.picture import Picture, Plane
from civicam.vision.health import HealthEvent, HealthKind, HealthWatch
from tests.fakes.altered import (
    CLIPS,
    SECOND_NS,
    START_NS,
    Alter,
    blurred,
    clip,
    darkened,
    frozen,
    has_clip,
    keys,
    moved,
    overexposed,
    painted,
    simulated,
)

SMALL = 320, 180
WARM = 30
WITHIN = 15
"""Keys, one every 4 s: a minute."""
FAULT_NS = START_NS + WARM * 4 * SECOND_NS
MENDED_NS = FAULT_NS + WITHIN * 4 * SECOND_NS
FAULTS: dict[str, tuple[HealthKind, Callable[[float], Alter]]] = {
    "painted over": (HealthKind.COVERED, lambda _: painted(1.0)),
    "painted black": (HealthKind.COVERED, lambda _: painted(1.0, 16)),
    "two thirds painted over": (HealthKind.COVERED, lambda _: painted(0.66)),
    "blurred": (HealthKind.DEFOCUSED, lambda scale: blurred(4 * scale)),
    "blurred a lot": (HealthKind.DEFOCUSED, lambda scale: blurred(8 * scale)),
    "pushed a little": (HealthKind.MOVED, lambda scale: moved(round(16 * scale), round(4 * scale))),
    "pushed": (HealthKind.MOVED, lambda scale: moved(round(60 * scale), round(-20 * scale))),
    "turned": (HealthKind.MOVED, lambda scale: moved(round(-150 * scale))),
    "frozen": (HealthKind.FROZEN, lambda _: frozen()),
    "dark": (HealthKind.TOO_DARK, lambda _: darkened(0.08)),
    "overexposed": (HealthKind.BLINDED, lambda _: overexposed(4)),
}
"""What is done to a camera, by the width of its pictures over 640."""

SCENES = {
    "crossroads by day": ("crossroads", DAY),
    "street at night": ("street", NIGHT),
    "square in rain": ("square", RAIN),
}


def seen(watch: HealthWatch, pictures: Iterable[Picture]) -> list[HealthEvent]:
    return [event for picture in pictures for event in watch.see(picture)]


def lumas_of(source: str) -> tuple[Plane, ...]:
    if source in SCENES:
        return simulated(*SCENES[source], 20, size=SMALL)
    if not has_clip(source):
        pytest.skip(f"{source} is not on this machine")
    return clip(source, 1.0)


@cache
def _warm(source: str) -> HealthWatch:
    watch = HealthWatch()
    assert not seen(watch, keys(lumas_of(source), WARM))
    assert watch.is_warm
    return watch


def warm(source: str) -> HealthWatch:
    """A watch that has seen the untouched camera for two minutes."""
    return copy.deepcopy(_warm(source))


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("source", [*SCENES, *CLIPS])
def test_a_fault_is_found_and_ends(source: str, name: str) -> None:
    kind, make = FAULTS[name]
    lumas, watch = lumas_of(source), warm(source)
    during = seen(watch, keys(lumas, WITHIN, start_ns=FAULT_NS, alter=make(lumas[0].shape[1] / 640)))
    assert [event.kind for event in during] == [kind]
    assert 0 <= during[0].began_wall_ns - FAULT_NS <= 40 * SECOND_NS
    assert 0.5 <= during[0].confidence <= 1
    assert [event.kind for event in watch.lasting] == [kind]
    after = seen(watch, keys(lumas, WITHIN, start_ns=MENDED_NS))
    assert [(event.kind, event.began_wall_ns) for event in after] == [(kind, during[0].began_wall_ns)]
    assert MENDED_NS <= (after[0].ended_wall_ns or 0) <= MENDED_NS + 40 * SECOND_NS
    assert not watch.lasting


@pytest.mark.parametrize("conditions", [DAY, DUSK, NIGHT, RAIN, Conditions(shake_px=6)], ids=lambda one: one.label)
@pytest.mark.parametrize("kind", ["crossroads", "street", "square"])
def test_traffic_weather_and_a_swinging_mount_are_no_faults(kind: str, conditions: Conditions) -> None:
    assert not seen(HealthWatch(), keys(simulated(kind, conditions, 20, size=SMALL), 40))


def test_a_fault_of_a_few_seconds_is_none() -> None:
    watch = warm("crossroads by day")
    lumas = lumas_of("crossroads by day")
    for turn in range(4):
        start_ns = FAULT_NS + turn * 60 * SECOND_NS
        assert not seen(watch, keys(lumas, 2, start_ns=start_ns, alter=painted(1.0)))
        assert not seen(watch, keys(lumas, 13, start_ns=start_ns + 8 * SECOND_NS))


def test_a_camera_that_was_turned_for_good_watches_another_place_after_a_quarter_of_an_hour() -> None:
    watch, lumas = warm("crossroads by day"), lumas_of("crossroads by day")
    turned = moved(-75)
    events = seen(watch, keys(lumas, 260, start_ns=FAULT_NS, alter=turned))
    assert [(event.kind, event.ended_wall_ns is None) for event in events] == [
        (HealthKind.MOVED, True),
        (HealthKind.MOVED, False),
    ]
    assert not watch.lasting
    later_ns = FAULT_NS + 260 * 4 * SECOND_NS
    back = seen(watch, keys(lumas, 15, start_ns=later_ns))
    assert [event.kind for event in back] == [HealthKind.MOVED]


def test_keys_that_come_seldom_do() -> None:
    lumas, watch = lumas_of("crossroads by day"), HealthWatch()
    assert not seen(watch, keys(lumas, 20, every_s=10))
    start_ns = START_NS + 200 * SECOND_NS
    events = seen(watch, keys(lumas, 6, every_s=10, start_ns=start_ns, alter=painted(1.0)))
    assert [event.kind for event in events] == [HealthKind.COVERED]


def test_a_break_and_another_size_begin_anew_and_raise_nothing() -> None:
    watch, lumas = warm("crossroads by day"), lumas_of("crossroads by day")
    small = tuple(luma[::2, ::2].copy() for luma in lumas)
    tiny = tuple(luma[:32, :32].copy() for luma in lumas)
    assert not seen(watch, keys(small, 15, start_ns=FAULT_NS))
    assert not seen(watch, keys(tiny, 3, start_ns=FAULT_NS + 100 * SECOND_NS))
    assert not seen(watch, keys(lumas, 15, start_ns=FAULT_NS + 3 * 3600 * SECOND_NS))
    assert not seen(watch, keys(lumas, 15, start_ns=FAULT_NS))  # a clock that was set back


def test_an_event_lasts_over_a_break_and_ends_behind_it() -> None:
    watch, lumas = warm("street at night"), lumas_of("street at night")
    assert len(seen(watch, keys(lumas, WITHIN, start_ns=FAULT_NS, alter=painted(1.0)))) == 1
    later_ns = FAULT_NS + 3000 * SECOND_NS
    assert not seen(watch, keys(lumas, 3, start_ns=later_ns, alter=painted(1.0)))
    assert len(watch.lasting) == 1
    (ended,) = seen(watch, keys(lumas, WITHIN, start_ns=later_ns + 12 * SECOND_NS))
    assert ended.ended_wall_ns is not None
    assert ended.ended_wall_ns >= later_ns + 12 * SECOND_NS
