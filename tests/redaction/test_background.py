"""What is not the long-term scene is told, however long it stands; what is the scene is left alone."""

import numpy as np
import pytest

from civicam.redaction.background import BackgroundModel
from civicam.redaction.redacted import CELL_PX, FullCover
from civicam.redaction.settings import RedactionSettings
from civicam.redaction.small import Grid
from tests.redaction.place import Box, Place

SETTINGS = RedactionSettings(bootstrap_s=60)
PERSON: Box = (150, 60, 166, 100)
CAR: Box = (40, 80, 120, 120)


def warm(place: Place, *scene: Box, settings: RedactionSettings = SETTINGS) -> BackgroundModel:
    """A model that has seen the place for 120 s, from -120 s on."""
    model = BackgroundModel(settings, Grid(place.width, place.height))
    for at_s in range(-120, 0, 2):
        model.see(place.picture(at_s, *scene))
    assert model.is_warm
    return model


def share_covered(cells: np.ndarray, box: Box) -> float:
    left, top, right, bottom = (side // CELL_PX for side in box)
    return float(cells[top : bottom + 1, left : right + 1].mean())


def test_nothing_is_shown_before_the_scene_was_seen_long_enough() -> None:
    place = Place()
    model = BackgroundModel(SETTINGS, Grid(place.width, place.height))
    for at_s in range(0, 58, 2):
        seen = model.see(place.picture(at_s))
        assert seen.reason is FullCover.COLD
        assert seen.cells.all()


def test_many_pictures_of_one_moment_do_not_make_a_scene() -> None:
    place = Place()
    model = BackgroundModel(SETTINGS, Grid(place.width, place.height))
    for _ in range(100):
        assert model.see(place.picture(0)).reason is FullCover.COLD


def test_an_empty_place_is_shown() -> None:
    place = Place()
    model = warm(place)
    covered = [model.see(place.picture(number / 15)).cells.mean() for number in range(30)]
    assert max(covered) < 0.02


@pytest.mark.parametrize("size", [(320, 180), (642, 362), (1280, 720), (64, 48)])
def test_who_appears_is_covered_in_the_first_picture(size: tuple[int, int]) -> None:
    place = Place(*size)
    model = warm(place)
    width, height = size
    box = (width // 4, height // 4, width // 4 + max(12, width // 10), height // 4 + max(20, height // 4))
    seen = model.see(place.picture(1, box))
    assert seen.reason is None
    assert share_covered(seen.cells, (box[0], box[1], box[2] - 1, box[3] - 1)) == 1.0
    assert seen.cells.mean() < 0.7


@pytest.mark.parametrize("box", [(0, 60, 8, 100), (312, 60, 320, 100), (100, 0, 140, 6), (100, 174, 140, 180)])
def test_who_enters_at_the_pictures_edge_is_covered_in_the_first_picture(box: Box) -> None:
    place = Place()
    model = warm(place)
    left, top, right, bottom = box
    assert share_covered(model.see(place.picture(1, box)).cells, (left, top, right - 1, bottom - 1)) == 1.0


def test_in_the_dark_there_is_a_margin_around_what_is_seen() -> None:
    def covered(gain: float, luma: int) -> int:
        place = Place()
        model = BackgroundModel(SETTINGS, Grid(place.width, place.height))
        for at_s in range(-120, 0, 2):
            model.see(place.picture(at_s, gain=gain))
        return int(model.see(place.picture(1, PERSON, luma=luma, gain=gain)).cells.sum())

    assert covered(gain=0.3, luma=90) > covered(gain=1.0, luma=25)


def test_who_passes_while_the_scene_is_learned_is_no_part_of_it() -> None:
    place = Place()
    model = BackgroundModel(SETTINGS, Grid(place.width, place.height))
    for number, at_s in enumerate(range(-120, 0, 2)):
        left = number * 37 % 280
        model.see(place.picture(at_s, (left, 60, left + 30, 120)))
    assert model.see(place.picture(5)).cells.mean() < 0.02


def test_a_person_who_stands_for_30_minutes_stays_covered() -> None:
    place = Place(192, 128)
    model = warm(place)
    least = 1.0
    for at_s in range(0, 1802, 2):
        least = min(least, share_covered(model.see(place.picture(at_s, PERSON)).cells, (150, 60, 165, 99)))
    assert least == 1.0


def test_a_person_of_little_contrast_stays_covered_as_long() -> None:
    place = Place(192, 128, noise=1.0)
    place._wall[:] = 90
    model = warm(place)
    for at_s in range(0, 1802, 2):
        model.see(place.picture(at_s, PERSON, luma=78))
    assert share_covered(model.see(place.picture(1802, PERSON, luma=78)).cells, (150, 60, 165, 99)) == 1.0


def test_what_stays_longer_than_that_becomes_scene() -> None:
    place = Place(192, 128)
    model = warm(place, settings=RedactionSettings(bootstrap_s=60, stays_s=1800))
    for at_s in range(0, 1900, 2):
        model.see(place.picture(at_s, CAR))
    assert model.see(place.picture(1902, CAR)).cells.mean() < 0.02


def test_who_takes_the_place_of_another_begins_anew() -> None:
    place = Place(192, 128)
    model = warm(place, settings=RedactionSettings(bootstrap_s=60, stays_s=1800))
    for at_s in range(0, 1500, 2):
        model.see(place.picture(at_s, PERSON, luma=25))
    for at_s in range(1500, 3000, 2):
        seen = model.see(place.picture(at_s, PERSON, luma=220))
        assert share_covered(seen.cells, (150, 60, 165, 99)) == 1.0


def test_the_ground_under_a_car_that_left_is_covered() -> None:
    place = Place()
    model = warm(place, CAR)
    assert model.see(place.picture(1, CAR)).cells.mean() < 0.02
    seen = model.see(place.picture(2))
    assert share_covered(seen.cells, (48, 84, 111, 115)) > 0.95


def test_light_that_falls_slowly_covers_nothing() -> None:
    place = Place(192, 128)
    model = warm(place)
    covered = [model.see(place.picture(at_s, gain=1 - at_s / 1800)).cells.mean() for at_s in range(0, 900, 2)]
    assert max(covered) < 0.05


def test_who_stands_while_the_light_falls_stays_covered_and_the_wall_behind_is_known_when_he_goes() -> None:
    place = Place()
    model = warm(place)
    for at_s in range(0, 600, 2):
        seen = model.see(place.picture(at_s, PERSON, gain=1 - at_s / 1800))
        assert share_covered(seen.cells, (150, 60, 165, 99)) == 1.0
    model.see(place.picture(600, gain=1 - 600 / 1800))
    assert model.see(place.picture(602, gain=1 - 602 / 1800)).cells.mean() < 0.02


def test_a_light_that_jumps_covers_all_until_the_scene_is_back() -> None:
    place = Place()
    model = warm(place)
    seen = model.see(place.picture(1, gain=-1, offset=250))
    assert seen.reason is FullCover.LIGHT_JUMP
    assert seen.cells.all()
    assert model.see(place.picture(2)).reason is None


def test_a_new_scene_is_learned_when_the_old_one_does_not_come_back() -> None:
    place, other = Place(), Place(seed=9)
    model = warm(place)
    reasons = [model.see(other.picture(at_s)).reason for at_s in range(0, 120, 2)]
    assert None not in reasons[:29]
    assert reasons[-1] is None
    assert model.see(other.picture(121)).cells.mean() < 0.02


def test_a_camera_that_was_turned_covers_all_and_says_so() -> None:
    place = Place(640, 360)
    place._wall = np.kron(np.random.default_rng(3).integers(60, 190, (60, 100)), np.ones((12, 12)))
    model = warm(place)
    place._wall = np.roll(place._wall, (48, 96), (0, 1))
    assert model.see(place.picture(1)).reason is FullCover.MOVED


def test_a_mount_that_always_shakes_a_little_does_not_cover_the_place() -> None:
    place = Place(640, 360)
    model = BackgroundModel(SETTINGS, Grid(640, 360))
    for number in range(100):
        model.see(place.picture(number * 2 - 200, shift=(number % 3 - 1, number % 5 - 2)))
    seen = [model.see(place.picture(number / 15, shift=(number % 3 - 1, number % 5 - 2))) for number in range(30)]
    assert {one.reason for one in seen} == {None}
    assert np.mean([one.cells.mean() for one in seen]) < 0.45


def test_a_clock_set_back_covers_no_less() -> None:
    place = Place()
    model = warm(place)
    model.see(place.picture(10, PERSON))
    for at_s in (9.9, -5000, -4999, 3000):
        seen = model.see(place.picture(at_s, PERSON))
        assert share_covered(seen.cells, (150, 60, 165, 99)) == 1.0


def test_what_was_there_a_moment_ago_is_still_covered() -> None:
    place = Place()
    model = warm(place)
    for number in range(15):
        model.see(place.picture(number / 15, PERSON))
    just_after, later = model.see(place.picture(1.1)), model.see(place.picture(2.0))
    assert share_covered(just_after.cells, (152, 64, 159, 95)) == 1.0
    assert later.cells.mean() < 0.02
