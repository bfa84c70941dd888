"""The kinds of places: crossroads, streets and squares, each a little different for each seed."""

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import replace

from civicam.city.scene import (
    Box,
    Building,
    Lamp,
    Mount,
    Patch,
    Point,
    Scene,
    SignalHead,
    Tree,
    rectangle,
)
from civicam.city.traffic import Kind, Lane, Signals, Standing, Stop
from civicam.core.errors import CityError

_VEHICLES = {Kind.CAR: 0.86, Kind.BUS: 0.14}
_CARS = {Kind.CAR: 1.0}
_CYCLISTS = {Kind.CYCLIST: 1.0}
_PEOPLE = {Kind.PEDESTRIAN: 1.0}
_EXTENT = (-60.0, -2.0, 60.0, 130.0)


def make_scene(kind: str, rng: random.Random) -> Scene:
    """Returns a place of a kind.

    Raises:
        CityError: there is no such kind.
    """
    maker = _KINDS.get(kind)
    if maker is None:
        raise CityError(f"there is no scene kind {kind!r}", fix=f"use one of: {', '.join(_KINDS)}")
    return maker(rng)


def _crossroads(rng: random.Random) -> Scene:
    near, far = 26.0, 40.0  # the kerbs of the crossing street
    scene = Scene(
        "crossroads",
        Mount((rng.uniform(-9, -6), 0, rng.uniform(7.5, 9.5)), rng.uniform(9, 14), rng.uniform(14, 16), 66),
        _EXTENT,
        signals=Signals({"main": (0.0, 0.40), "cross": (0.5, 0.82), "walk": (0.52, 0.80), "side": (0.02, 0.36)}),
    )
    _road_along(scene, 0.0, 7.0, -2, 130)
    _road_across(scene, near, far)
    for left, right in ((-60, -7), (7, 60)):
        for low, high in ((-2, near), (far, 130)):
            _pavement(scene, left, low, right, high)
    scene.patches.append(Patch("asphalt", rectangle(-7, -2, 7, 130)))
    _road_across(scene, near, far)
    _corner_curves(scene, 7.0, near, far)
    _lines_along(scene, 0.0, 3.5, -2, near - 6)
    _lines_along(scene, 0.0, 3.5, far + 6, 130)
    _lines_across(scene, 33.0, 3.5, -60, -13)
    _lines_across(scene, 33.0, 3.5, 13, 60)
    _zebra_over_main(scene, -7, 7, near - 4.8, near - 0.8)
    _zebra_over_main(scene, -7, 7, far + 0.8, far + 4.8)
    _zebra_over_cross(scene, -11.8, -7.8, near, far)
    _zebra_over_cross(scene, 7.8, 11.8, near, far)
    marking = scene.patches.append
    marking(Patch("marking", rectangle(0.3, near - 6.4, 7, near - 6.0)))
    marking(Patch("marking", rectangle(-7, far + 6.0, -0.3, far + 6.4)))
    marking(Patch("marking", rectangle(-13.4, near, -13.0, 32.7)))
    marking(Patch("marking", rectangle(13.0, 33.3, 13.4, far)))
    _crossroads_traffic(scene, near, far)
    scene.heads.extend(
        [
            SignalHead(8.2, far + 1.5, "main", faces_camera=True),
            SignalHead(-8.0, far + 1.5, "main", faces_camera=False),
            SignalHead(8.2, near - 6.5, "main", faces_camera=False),
            SignalHead(-8.0, near - 1.0, "cross", faces_camera=False),
        ]
    )
    _block(scene, rng, -60, far + 7, -13.5)
    _block(scene, rng, 13.5, far + 7, 60)
    _row(scene, rng, -13.5 - 14, 60, 14, faces="right")
    _row(scene, rng, 13.5, 60, 14, faces="left")
    scene.buildings.append(Building(19, 4, 16, 16, rng.uniform(9, 14), rng.getrandbits(31)))
    for y in range(int(far) + 14, 110, 9):
        _avenue_trees(scene, rng, y, 9.4)
    scene.trees.append(Tree(14.5, 18.0, 6.5, rng.getrandbits(31)))
    scene.lamps.append(Lamp(9.0, 14.0, -2.5))
    for y in (47, 70, 95):
        scene.lamps.extend([Lamp(9.0, y, -2.5), Lamp(-9.0, y, 2.5)])
    scene.lamps.extend([Lamp(-30, 42.0, 2.0), Lamp(30, 42.0, -2.0)])
    _stand_people(scene, rng, [(9.8, 16.5), (10.6, 17.2), (-11, 44.0), (12.6, 45.0)])
    scene.standing.append(Standing(Kind.CAR, -26, 38.6, 270, rng.getrandbits(31)))
    return scene


def _crossroads_traffic(scene: Scene, near: float, far: float) -> None:
    lanes = scene.lanes
    for x, kinds in ((1.75, _CARS), (5.2, _VEHICLES)):
        lanes.append(Lane(((x, -14), (x, 128)), kinds, 7, 11, 0.2, (Stop(near - 6.6 + 14, "main"),)))
        lanes.append(Lane(((-x, 128), (-x, -14)), kinds, 7, 11, 0.2, (Stop(128 - far - 6.6, "main"),)))
    for y, kinds in ((1.75, _CARS), (5.1, _VEHICLES)):
        lanes.append(Lane(((-58, 33 - y), (58, 33 - y)), kinds, 5, 10, 0.2, (Stop(58 - 13.6, "cross"),)))
        lanes.append(Lane(((58, 33 + y), (-58, 33 + y)), kinds, 5, 10, 0.2, (Stop(58 - 13.6, "cross"),)))
    lanes.append(Lane(((6.5, -8), (6.5, 120)), _CYCLISTS, 2, 4.6, 0.15, (Stop(near - 6.6 + 8, "main"),)))
    lanes.append(Lane(((-6.5, 120), (-6.5, -8)), _CYCLISTS, 2, 4.6, 0.15, (Stop(120 - far - 6.6, "main"),)))
    for way in (1, -1):
        for y in (near - 2.8, far + 2.8):
            points = ((-28.0 * way, y), (28.0 * way, y))
            lanes.append(Lane(points, _PEOPLE, 4, 1.4, 1.4, (Stop(28 - 7.4, "walk"),), queues=False))
        for x in (-9.8, 9.8):
            low, high = (2.0, 75.0)
            points = ((x, low), (x, high)) if way > 0 else ((x, high), (x, low))
            stop = Stop((near - low if way > 0 else high - far) - 0.4, "side")
            lanes.append(Lane(points, _PEOPLE, 2, 1.3, 1.2, (stop,), queues=False))


def _street(rng: random.Random) -> Scene:
    low, high = 24.0, 28.0  # the zebra crossing
    scene = Scene(
        "street",
        Mount((rng.uniform(-8, -6.5), 0, rng.uniform(6.0, 7.5)), rng.uniform(8, 12), rng.uniform(12, 14), 62),
        _EXTENT,
        signals=Signals({"main": (0.0, 0.60), "walk": (0.68, 0.92)}),
    )
    scene.patches.append(Patch("soil", rectangle(*_EXTENT)))
    _pavement(scene, -12, -2, -6, 130)
    _pavement(scene, 6, -2, 12, 130)
    _road_along(scene, 0.0, 6.0, -2, 130)
    for side in (-1, 1):
        inner = 3.7 * side
        for y in range(0, 124, 6):
            if not low - 8 < y < high + 3:
                edge = sorted((inner, 5.9 * side))
                scene.patches.append(Patch("thin", rectangle(edge[0], y, edge[1], y + 0.12)))
        scene.patches.append(Patch("thin", rectangle(inner - 0.06, -2, inner + 0.06, low - 8)))
        scene.patches.append(Patch("thin", rectangle(inner - 0.06, high + 8, inner + 0.06, 130)))
    _dashes_along(scene, 0.0, -2, low - 3)
    _dashes_along(scene, 0.0, high + 3, 130)
    _zebra_over_main(scene, -6, 6, low, high)
    scene.patches.append(Patch("marking", rectangle(0.2, low - 1.8, 3.6, low - 1.4)))
    scene.patches.append(Patch("marking", rectangle(-3.6, high + 1.4, -0.2, high + 1.8)))
    _street_traffic(scene, low, high)
    scene.heads.extend(
        [
            SignalHead(6.5, high + 0.8, "main", faces_camera=True),
            SignalHead(-6.5, low - 0.8, "main", faces_camera=False),
        ]
    )
    _row(scene, rng, -12 - 12, 12, 12, faces="right")
    _row(scene, rng, 12.0, 8, 12, faces="left")
    for y in range(14, 112, 9):
        if not low - 6 < y < high + 5:
            _avenue_trees(scene, rng, y, 7.2, height=6.0, skip_left=y < 20)
    for y in (20, 44, 68, 92):
        scene.lamps.extend([Lamp(6.6, y, -2.2), Lamp(-6.6, y + 10, 2.2)])
    for side, heading in ((1, 0), (-1, 180)):
        for y in range(3, 118, 6):
            if not low - 9 < y < high + 4 and not (side > 0 and 36 < y < 54) and rng.random() < 0.6:
                scene.standing.append(Standing(Kind.CAR, 4.85 * side, y, heading, rng.getrandbits(31)))
    scene.boxes.append(Box(8.6, 42, 2.3, 1.8, 5.0, 0.12, (120, 128, 134)))
    scene.boxes.append(Box(10.2, 42, 0.0, 0.12, 5.0, 2.3, (104, 122, 132)))
    _stand_people(scene, rng, [(8.4, 39.6), (8.9, 40.4), (8.0, 44.5), (8.3, 46.2), (-9.2, 21.0), (9.9, 21.5)])
    return scene


def _street_traffic(scene: Scene, low: float, high: float) -> None:
    lanes = scene.lanes
    bus_stop = Stop(41 + 14 + 5, dwell_s=6, kinds=(Kind.BUS,))
    lanes.append(Lane(((1.85, -14), (1.85, 124)), _VEHICLES, 11, 10, 0.15, (Stop(low - 2 + 14, "main"), bus_stop)))
    lanes.append(Lane(((-1.85, 124), (-1.85, -14)), _VEHICLES, 11, 10, 0.15, (Stop(124 - high - 2, "main"),)))
    lanes.append(Lane(((3.25, -8), (3.25, 110)), _CYCLISTS, 4, 4.4, 0.1, (Stop(low - 2 + 8, "main"),)))
    lanes.append(Lane(((-3.25, 110), (-3.25, -8)), _CYCLISTS, 4, 4.4, 0.1, (Stop(110 - high - 2, "main"),)))
    for way in (1, -1):
        for x in (-9.6, 9.0):
            points = ((x, 2.0), (x, 100.0)) if way > 0 else ((x, 100.0), (x, 2.0))
            pause = Stop(22.0 if way > 0 else 70.0, dwell_s=9, chance=0.3)
            lanes.append(Lane(points, _PEOPLE, 2, 1.3, 1.5, (pause,), queues=False))
        side = 9.0 * way
        crossing = ((-side, 3.0), (-side, 26.0), (side, 26.0), (side, 80.0))
        lanes.append(Lane(crossing, _PEOPLE, 3, 1.4, 1.2, (Stop(23.0 + 9.0 - 6.4, "walk"),), queues=False))


def _square(rng: random.Random) -> Scene:
    scene = Scene(
        "square",
        Mount((rng.uniform(-4, 4), 0, rng.uniform(8, 10)), rng.uniform(-5, 5), rng.uniform(15, 17), 68),
        _EXTENT,
    )
    scene.patches.append(Patch("plaza", rectangle(*_EXTENT)))
    scene.patches.append(Patch("plaza_dark", _ring(0, 27, 11.5)))
    scene.patches.append(Patch("plaza", _ring(0, 27, 10.6)))
    scene.patches.append(Patch("kerb", _ring(0, 27, 4.6)))
    scene.patches.append(Patch("water", _ring(0, 27, 4.1)))
    for x in (-26.0, 14.0):
        scene.patches.append(Patch("kerb", rectangle(x - 0.2, 32.8, x + 12.2, 42.2)))
        scene.patches.append(Patch("grass", rectangle(x, 33, x + 12, 42)))
        scene.patches.append(Patch("kerb", rectangle(x - 0.2, 13.8, x + 12.2, 18.2)))
        scene.patches.append(Patch("grass", rectangle(x, 14, x + 12, 18)))
    _pavement(scene, -60, 62, 60, 130)
    _road_across(scene, 50, 60)
    _lines_across(scene, 55.0, 2.5, -60, 60)
    for stage, (size, height) in enumerate(((3.0, 0.9), (1.6, 1.6), (0.7, 2.2))):
        scene.boxes.append(Box(-size / 2, 27 - size / 2, (0, 0.9, 2.5)[stage], size, size, height, (168, 162, 150)))
    scene.boxes.append(Box(19, 24, 0, 4.2, 3.2, 2.8, (92, 118, 112)))
    scene.boxes.append(Box(18.6, 23.4, 2.8, 5.0, 4.2, 0.25, (70, 74, 78)))
    for x, y in ((-9, 15.5), (7.5, 15.5), (-11, 36.5), (9.5, 36.5)):
        scene.boxes.append(Box(x, y, 0.0, 1.9, 0.5, 0.45, (116, 84, 56)))
    for x in (-24, -19, 17, 22):
        for y in (35.5, 39.5):
            scene.trees.append(Tree(x + rng.uniform(-1, 1), y, rng.uniform(5.5, 7.5), rng.getrandbits(31)))
    for x in range(-52, 56, 9):
        scene.trees.append(Tree(x + rng.uniform(-1, 1), 63.5, rng.uniform(7, 9), rng.getrandbits(31)))
    _block(scene, rng, -60, 68, 60)
    for x, y in ((-13.0, 20.0), (13.0, 20.0), (-13.0, 44.0), (13.0, 44.0), (-36.0, 47.0), (36.0, 47.0)):
        scene.lamps.append(Lamp(x, y, 0.0, 5.0))
    _square_traffic(scene)
    _stand_people(
        scene, rng, [(-6.2, 18.5), (-5.4, 19.0), (-5.9, 19.6), (8.4, 22.5), (9.2, 22.9), (17.4, 23.2), (-8.2, 37.5)]
    )
    scene.standing.append(Standing(Kind.CAR, -20, 51.2, 90, rng.getrandbits(31)))
    return scene


def _square_traffic(scene: Scene) -> None:
    lanes = scene.lanes
    for y, way in ((52.6, 1), (57.4, -1)):
        lanes.append(Lane(((-62.0 * way, y), (62.0 * way, y)), _VEHICLES, 12, 10, 0.2))
    walks: list[tuple[Point, ...]] = [
        ((-30, 22), (-8, 20.5), (9, 19.5), (30, 24)),
        ((-22, 46), (-8, 33), (-6, 21), (-3, 4)),
        ((22, 46), (8.5, 34), (7, 20), (12, 4)),
        ((-34, 30), (-9, 29), (-7, 35), (8, 36), (34, 31)),
        ((-10, 4), (-7.5, 19), (8, 21), (26, 21)),
        ((-30, 45.5), (30, 45.5)),
    ]
    for number, walk in enumerate(walks):
        for points in (walk, walk[::-1]):
            length = sum(math.dist(a, b) for a, b in itertools.pairwise(points))
            pause = Stop(length * (0.35 + 0.08 * (number % 3)), dwell_s=10, chance=0.35)
            lanes.append(Lane(points, _PEOPLE, 4, 1.25, 1.3, (pause,), queues=False))
    lanes.append(Lane(((-34, 20), (-9, 17.6), (9, 17.2), (32, 19)), _CYCLISTS, 5, 3.6, 0.4))
    lanes.append(Lane(((30, 47.5), (-30, 47.5)), _CYCLISTS, 3, 4.2, 0.4))


_KINDS: dict[str, Callable[[random.Random], Scene]] = {
    "crossroads": _crossroads,
    "street": _street,
    "square": _square,
}
KINDS = tuple(_KINDS)
"""The kinds of scenes there are."""


def _road_along(scene: Scene, x: float, half: float, low: float, high: float) -> None:
    scene.patches.append(Patch("kerb", rectangle(x - half - 0.25, low, x + half + 0.25, high)))
    scene.patches.append(Patch("asphalt", rectangle(x - half, low, x + half, high)))
    for track in (-5.9, -4.4, -2.6, -1.0, 1.0, 2.6, 4.4, 5.9):
        if abs(track) < half - 0.4:
            scene.patches.append(Patch("track", rectangle(x + track - 0.25, low, x + track + 0.25, high)))


def _road_across(scene: Scene, low: float, high: float) -> None:
    scene.patches.append(Patch("asphalt", rectangle(-60, low, 60, high)))


def _pavement(scene: Scene, left: float, low: float, right: float, high: float) -> None:
    scene.patches.append(Patch("kerb", rectangle(left - 0.25, low - 0.25, right + 0.25, high + 0.25)))
    scene.patches.append(Patch("pavement", rectangle(left, low, right, high)))


def _corner_curves(scene: Scene, half: float, near: float, far: float) -> None:
    """Rounds the four corners: asphalt reaches 3 metres into the pavement, less a quarter circle."""
    radius = 3.0
    for side in (-1, 1):
        for y, way in ((near, -1), (far, 1)):
            corner_x, corner_y = side * (half + radius), y + way * radius
            scene.patches.append(
                Patch("asphalt", _sorted_rectangle(side * half, y, side * (half + radius), y + way * radius))
            )
            scene.patches.append(Patch("kerb", _ring(corner_x, corner_y, radius)))
            scene.patches.append(Patch("pavement", _ring(corner_x, corner_y, radius - 0.25)))
            outer_x, outer_y = corner_x + side * (radius + 0.3), corner_y + way * (radius + 0.3)
            inner_x, inner_y = corner_x - side * (radius - 0.25), corner_y - way * (radius - 0.25)
            for x, from_y in ((corner_x, inner_y), (inner_x, corner_y)):
                scene.patches.append(Patch("pavement", _sorted_rectangle(x, from_y, outer_x, outer_y)))


def _sorted_rectangle(x0: float, y0: float, x1: float, y1: float) -> tuple[Point, ...]:
    return rectangle(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def _ring(x: float, y: float, radius: float) -> tuple[Point, ...]:
    steps = (2 * math.pi * turn / 40 for turn in range(40))
    return tuple((x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in steps)


def _dashes_along(scene: Scene, x: float, low: float, high: float) -> None:
    at = low
    while at < high:
        scene.patches.append(Patch("marking", rectangle(x - 0.07, at, x + 0.07, min(at + 2.5, high))))
        at += 6.0


def _lines_along(scene: Scene, x: float, lane: float, low: float, high: float) -> None:
    """A double line in the middle, dashes between lanes."""
    for offset in (-0.14, 0.14):
        scene.patches.append(Patch("marking", rectangle(x + offset - 0.06, low, x + offset + 0.06, high)))
    _dashes_along(scene, x - lane, low, high)
    _dashes_along(scene, x + lane, low, high)


def _lines_across(scene: Scene, y: float, lane: float, left: float, right: float) -> None:
    scene.patches.append(Patch("marking", rectangle(left, y - 0.07, right, y + 0.07)))
    for offset in (-lane, lane):
        at = left
        while at < right:
            scene.patches.append(
                Patch("marking", rectangle(at, y + offset - 0.07, min(at + 2.5, right), y + offset + 0.07))
            )
            at += 6.0


def _zebra_over_main(scene: Scene, left: float, right: float, low: float, high: float) -> None:
    at = left + 0.4
    while at + 0.5 < right:
        scene.patches.append(Patch("zebra", rectangle(at, low, at + 0.5, high)))
        at += 1.0


def _zebra_over_cross(scene: Scene, left: float, right: float, low: float, high: float) -> None:
    at = low + 0.4
    while at + 0.5 < high:
        scene.patches.append(Patch("zebra", rectangle(left, at, right, at + 0.5)))
        at += 1.0


def _row(scene: Scene, rng: random.Random, x: float, y: float, width: float, *, faces: str) -> None:
    """Buildings side by side along the main road, from y to the far end; their fronts make one line."""
    while y < 118:
        depth = rng.uniform(11, 20)
        back = rng.choice((0.0, 0.0, 1.0))
        left = x + back if faces == "left" else x - back
        scene.buildings.append(Building(left, y, width, depth, rng.uniform(8, 19), rng.getrandbits(31)))
        y += depth + rng.choice((0.0, 0.0, 3.0))


def _block(scene: Scene, rng: random.Random, left: float, y: float, right: float) -> None:
    """Buildings side by side that look at the camera."""
    while left < right - 6:
        width = min(rng.uniform(12, 22), right - left)
        height = rng.uniform(9, 20)
        scene.buildings.append(Building(left, y + rng.uniform(0, 1.5), width, 12, height, rng.getrandbits(31)))
        left += width + rng.choice((0.0, 0.0, 3.0))


def _avenue_trees(
    scene: Scene, rng: random.Random, y: float, x: float, height: float = 7.0, *, skip_left: bool = False
) -> None:
    for side in (-1, 1):
        if side > 0 or not skip_left:
            scene.trees.append(
                Tree(x * side, y + rng.uniform(-1, 1), height * rng.uniform(0.85, 1.2), rng.getrandbits(31))
            )


def _stand_people(scene: Scene, rng: random.Random, places: list[Point]) -> None:
    for x, y in places:
        heading = rng.uniform(0, 360)
        scene.standing.append(Standing(Kind.PEDESTRIAN, x, y, heading, rng.getrandbits(31)))


def stay_a_while(scene: Scene, loop_s: float, seed: int) -> None:
    """Lets those who stand come and go: each is in its place for three tenths of the loop.

    Who stands in one place all the time is what a place looks like, to people and to background models.
    """
    rng = random.Random(seed)
    for index, one in enumerate(scene.standing):
        if one.kind is Kind.PEDESTRIAN:
            comes_s = loop_s * rng.uniform(0.15, 0.55)
            scene.standing[index] = replace(one, comes_s=comes_s, leaves_s=comes_s + 0.3 * loop_s)
