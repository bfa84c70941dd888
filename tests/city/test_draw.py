import numpy as np
import pytest

from civicam.city.conditions import DUSK, NIGHT, OVERCAST, RAIN, Conditions
from civicam.city.draw import Frame, Renderer
from civicam.city.scene_kinds import KINDS
from civicam.city.truth import truth_of
from civicam.core.errors import CityError

QUIET = Conditions(sun=0.0, noise=0.0)


def renderer(kind: str, conditions: Conditions = QUIET, *, seed: int = 3, with_objects: bool = True) -> Renderer:
    return Renderer(
        kind, seed, width=480, height=270, fps=5, frames=60, conditions=conditions, with_objects=with_objects
    )


def same(a: Frame, b: Frame) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a.picture, b.picture, strict=True))


@pytest.mark.parametrize("conditions", [NIGHT, RAIN], ids=["night", "rain"])
def test_the_same_seed_gives_the_same_pixels_in_any_order(conditions: Conditions) -> None:
    first, second = renderer("crossroads", conditions), renderer("crossroads", conditions)
    early = [first.frame(number) for number in (0, 7, 8)]
    late = [second.frame(number) for number in (8, 7, 0)][::-1]
    assert all(same(a, b) for a, b in zip(early, late, strict=True))
    assert all(np.array_equal(a.ids, b.ids) for a, b in zip(early, late, strict=True))


def test_another_seed_gives_another_place() -> None:
    assert not same(renderer("street").frame(0), renderer("street", seed=4).frame(0))


@pytest.mark.parametrize("kind", KINDS)
def test_masks_cover_what_differs_from_the_empty_place(kind: str) -> None:
    full, empty = renderer(kind), renderer(kind, with_objects=False)
    for number in (5, 40):
        frame = full.frame(number)
        differs = np.abs(frame.picture.luma.astype(int) - empty.frame(number).picture.luma) > 6
        covered = frame.ids > 0
        assert covered.sum() > 300
        assert differs[covered].mean() > 0.75  # clothes and paint may have the colour of what is behind
        # Outside the masks only the soft shadow under an object changes, and the edge pixels of the object itself.
        strong = np.abs(frame.picture.luma.astype(int) - empty.frame(number).picture.luma) > 60
        near = covered.copy()
        for axis in (0, 1):
            near |= np.roll(near, 1, axis) | np.roll(near, -1, axis)
        # (A far limb may cover less than half of its pixel, which is then not in the mask.)
        assert (strong & ~near).sum() <= 5


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_are_those_of_the_masks_and_masks_those_of_the_ids(kind: str) -> None:
    drawn = renderer(kind, OVERCAST)
    for number in (0, 33):
        frame = drawn.frame(number)
        truth = truth_of(frame, drawn)
        rebuilt = np.zeros_like(frame.ids)
        for item in truth.objects:
            left, top, right, bottom = item.box
            mask = item.mask()
            assert mask[0].any()
            assert mask[-1].any()
            assert mask[:, 0].any()
            assert mask[:, -1].any()
            rebuilt[top:bottom, left:right][mask] = item.id
        assert np.array_equal(rebuilt, frame.ids)
        assert len({item.kind for item in truth.objects}) >= 2


def test_standing_people_and_parked_cars_stay_where_they_are() -> None:
    drawn = renderer("street")
    still = {1 + number for number in range(len(drawn.scene.standing))}
    seen: dict[int, set[tuple[float, float]]] = {}
    kinds = set()
    for number in range(0, 60, 6):
        for item in truth_of(drawn.frame(number), drawn).objects:
            if item.id in still:
                assert not item.is_moving
                assert item.standing_since_s == -12.0
                seen.setdefault(item.id, set()).add((item.x_m, item.y_m))
                kinds.add(item.kind)
    assert kinds == {"car", "pedestrian"}
    assert all(len(places) == 1 for places in seen.values())


def test_solids_hide_what_is_behind_them() -> None:
    """A lamp post's pixels never become part of somebody behind it."""
    drawn = renderer("street")
    depth = drawn._backdrop.depth_m
    hidden = 0
    for number in range(0, 60, 10):
        frame = drawn.frame(number)
        for state in frame.states:
            own = frame.ids == state.id
            if own.any():
                middle = float(drawn.lens.project(np.array([(state.x_m, state.y_m, 0.8)]))[0, 2])
                assert (depth[own] > middle).all()
                hidden += 1
    assert hidden > 20


def test_night_is_darker_than_dusk_and_dusk_than_day() -> None:
    means = [renderer("square", light).frame(0).picture.luma.mean() for light in (NIGHT, DUSK, OVERCAST)]
    assert means == sorted(means)
    assert means[0] < means[2] * 0.6


def test_light_may_fade_within_a_loop() -> None:
    drawn = renderer("square", Conditions(light=1.0, light_end=0.0, sun=0.0))
    first, last = drawn.frame(0).picture.luma.mean(), drawn.frame(59).picture.luma.mean()
    assert last < first * 0.6


def test_a_shaking_mount_moves_the_picture_and_its_truth_together() -> None:
    shaking, calm = renderer("square", Conditions(sun=0.0, noise=0.0, shake_px=4)), renderer("square")
    moved = [(shaking.frame(number), calm.frame(number)) for number in range(1, 9)]
    assert any(not np.array_equal(a.ids, b.ids) for a, b in moved)
    for shaken, still in moved:
        assert abs(int((shaken.ids > 0).sum()) - int((still.ids > 0).sum())) < 400


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(CityError, match="crossroads"):
        renderer("harbour")
