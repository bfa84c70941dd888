"""A redactor shows the scene and covers the rest; in doubt it covers all, and it never raises."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from civicam.city.draw import Renderer
from civicam.core.errors import RedactionError
from civicam.redaction.background import BackgroundModel
from civicam.redaction.picture import Picture
from civicam.redaction.redacted import CELL_PX, FullCover
from civicam.redaction.redactor import Redactor
from civicam.redaction.settings import Cover, Rectangle, RedactionSettings
from tests.redaction.place import Box, Place

PERSON: Box = (150, 60, 166, 100)
CORNER = ((0.0, 0.0), (0.2, 0.0), (0.2, 0.2), (0.0, 0.2))


def warm(place: Place, **settings: Any) -> Redactor:
    redactor = Redactor(RedactionSettings(bootstrap_s=60, **settings))
    for at_s in range(-100, 0, 2):
        redactor.learn(place.picture(at_s))
    assert redactor.is_warm
    return redactor


def is_whole_cover(picture: Picture) -> bool:
    """One colour but for the words."""
    return bool((picture.y == 96).mean() > 0.9 and np.all(picture.u == 128) and np.all(picture.v == 128))


def test_a_cold_redactor_shows_nothing() -> None:
    redactor, place = Redactor(), Place()
    redacted = redactor.redact(place.picture(0, PERSON))
    assert redacted.reason is FullCover.COLD
    assert redacted.covered.all()
    assert is_whole_cover(redacted.picture)
    assert not redactor.is_warm


def test_the_scene_is_shown_as_it_is_and_a_person_is_not() -> None:
    place = Place()
    redactor = warm(place)
    source = place.picture(1, PERSON)
    redacted = redactor.redact(source)
    assert redacted.reason is None
    assert np.all(redacted.picture.y[60:100, 150:166] == 96)
    assert np.all(redacted.picture.u[30:50, 75:83] == 128)
    clear = np.repeat(np.repeat(~redacted.covered, CELL_PX, 0), CELL_PX, 1)[:180, :320]
    assert clear.mean() > 0.9
    assert np.array_equal(redacted.picture.y[clear], source.y[clear])
    assert (redacted.picture.pts_90k, redacted.picture.wall_ns) == (source.pts_90k, source.wall_ns)


def test_who_asked_for_footage_of_themselves_is_shown_there_and_then_alone() -> None:
    place = Place()
    shown = Rectangle(round((place.start_s + 1) * 1e9), round((place.start_s + 2) * 1e9), 0.45, 0.2, 0.55, 0.7)
    redactor = warm(place, shown=(shown,))
    other: Box = (40, 60, 56, 100)
    for at_s, is_shown in ((0.9, False), (1.0, True), (1.9, True), (2.0, False)):
        source = place.picture(at_s, PERSON, other)
        redacted = redactor.redact(source).picture
        assert bool(np.all(redacted.y[60:100, 152:166] == source.y[60:100, 152:166])) is is_shown, at_s
        assert np.all(redacted.y[60:100, 40:56] == 96)


def test_what_is_always_covered_is_so_where_somebody_is_shown_too() -> None:
    place = Place()
    shown = (Rectangle(0, 2**62, 0.0, 0.0, 1.0, 1.0),)
    for kind in ("masks", "always"):
        redacted = warm(place, shown=shown, **{kind: (CORNER,)}).redact(place.picture(1))
        assert np.all(redacted.picture.y[:30, :56] == 96)
    cold = Redactor(RedactionSettings(shown=shown)).redact(place.picture(0))
    assert cold.covered.all()


@pytest.mark.parametrize(
    "wrong",
    [(5, 5, 0.1, 0.1, 0.2, 0.2), (0, 5, 0.2, 0.1, 0.2, 0.2), (0, 5, 0.1, 0.3, 0.2, 0.2), (0, 5, 0.1, 0.1, 1.2, 0.2)],
)
def test_a_place_that_is_none_is_refused(wrong: tuple[int, int, float, float, float, float]) -> None:
    with pytest.raises(RedactionError):
        RedactionSettings(shown=(Rectangle(*wrong),))


def test_no_memory_of_the_source_leaves() -> None:
    place = Place()
    redactor = warm(place)
    source = place.picture(1)
    shown = redactor.redact(source).picture
    for plane, taken in ((shown.y, source.y), (shown.u, source.u), (shown.v, source.v)):
        assert not np.shares_memory(plane, taken)


@pytest.mark.parametrize(
    "change",
    [
        {"y": None},
        {"y": np.zeros((0, 0), np.uint8)},
        {"y": np.zeros((180, 320, 3), np.uint8)},
        {"y": np.zeros((180, 320), np.float64)},
        {"y": np.zeros((181, 321), np.uint8)},
        {"u": np.zeros((10, 10), np.uint8)},
        {"v": None},
        {"wall_ns": None},
        {"y": np.zeros((2, 4), np.uint8), "u": np.zeros((1, 2), np.uint8), "v": np.zeros((1, 2), np.uint8)},
    ],
)
def test_whatever_comes_in_a_covered_picture_comes_out_and_the_next_one_is_well(change: dict[str, Any]) -> None:
    place = Place()
    redactor = warm(place)
    broken = replace(place.picture(1, PERSON), **change)
    redactor.learn(broken)
    redacted = redactor.redact(broken)
    assert redacted.reason is FullCover.ERROR
    assert redacted.covered.all()
    assert is_whole_cover(redacted.picture)
    assert redactor.redact(place.picture(2)).reason is None


def test_a_model_that_fails_covers_all(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place()
    redactor = warm(place)

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(BackgroundModel, "see", fail)
    redacted = redactor.redact(place.picture(1))
    assert redacted.reason is FullCover.ERROR
    assert is_whole_cover(redacted.picture)


def test_another_size_is_covered_and_the_old_scene_is_known_when_it_returns() -> None:
    place, larger = Place(), Place(640, 360)
    redactor = warm(place)
    assert redactor.redact(larger.picture(1)).reason is FullCover.SIZE
    assert redactor.redact(larger.picture(2)).reason is FullCover.COLD
    assert redactor.redact(place.picture(3)).reason is FullCover.SIZE
    assert redactor.redact(place.picture(4)).reason is None


def test_a_clock_that_goes_back_covers_a_picture() -> None:
    place = Place()
    redactor = warm(place)
    assert redactor.redact(place.picture(100)).reason is None
    assert redactor.redact(place.picture(10)).reason is FullCover.ERROR
    assert redactor.redact(place.picture(10.1)).reason is None


def test_a_view_that_is_a_little_behind_the_keys_is_shown() -> None:
    place = Place()
    redactor = warm(place)
    for number in range(30):
        redactor.learn(place.picture(number / 15 + 0.4))
        assert redactor.redact(place.picture(number / 15)).reason is None


def test_static_masks_and_zones_are_covered_in_every_picture() -> None:
    place = Place()
    for setting in ("masks", "always"):
        redactor = warm(place, **{setting: (CORNER,)})
        redacted = redactor.redact(place.picture(1))
        assert redacted.covered[:4, :8].all()
        assert np.all(redacted.picture.y[:36, :64] == 96)
        assert redacted.covered.mean() < 0.2


def test_a_static_mask_is_flat_in_a_city_that_pixelates_and_a_zone_is_not() -> None:
    place = Place()
    for setting, is_flat in (("masks", True), ("always", False)):
        redacted = warm(place, cover=Cover.PIXELATE, **{setting: (CORNER,)}).redact(place.picture(1))
        assert bool(np.all(redacted.picture.y[:36, :64] == 96)) is is_flat


def test_a_scene_learned_elsewhere_is_adopted() -> None:
    place = Place()
    model = warm(place).model
    assert model is not None
    redactor = Redactor(RedactionSettings(bootstrap_s=60))
    redactor.adopt(BackgroundModel.from_bytes(model.to_bytes(), redactor.settings))
    assert redactor.is_warm
    redacted = redactor.redact(place.picture(5, PERSON))
    assert redacted.reason is None
    assert np.all(redacted.picture.y[60:100, 150:166] == 96)


@pytest.mark.parametrize("reason", FullCover)
def test_all_is_covered_when_asked(reason: FullCover) -> None:
    redacted = Redactor().cover_all((320, 180), reason, 7, 8)
    assert (redacted.reason, redacted.picture.pts_90k, redacted.picture.wall_ns) == (reason, 7, 8)
    assert redacted.covered.all()
    assert is_whole_cover(redacted.picture)


def test_people_and_vehicles_of_a_drawn_square_are_covered() -> None:
    def renderer(*, with_objects: bool) -> Renderer:
        return Renderer(
            "square", 5, width=320, height=180, fps=10, frames=300, barcode=False, with_objects=with_objects
        )

    def picture(source: Renderer, number: int, at_s: float) -> Picture:
        planes = source.frame(number).picture
        return Picture(*planes, round(at_s * 90_000), round((1_700_000_000 + at_s) * 1e9), True)

    empty, busy = renderer(with_objects=False), renderer(with_objects=True)
    redactor = Redactor(RedactionSettings(bootstrap_s=60))
    for number in range(40):
        redactor.learn(picture(empty, number, number * 2.5))
    clear = seen = background = covered_background = 0
    for number in range(20):
        redacted = redactor.redact(picture(busy, 100 + number, 101 + number / 10))
        covered = np.repeat(np.repeat(redacted.covered, CELL_PX, 0), CELL_PX, 1)[:180, :320]
        is_object = busy.frame(100 + number).ids > 0
        clear += int(np.count_nonzero(is_object & ~covered))
        seen += int(np.count_nonzero(is_object))
        background += int(np.count_nonzero(~is_object))
        covered_background += int(np.count_nonzero(covered & ~is_object))
    assert seen > 10_000
    assert clear / seen < 0.005
    assert covered_background / background < 0.5
