"""What movers look like: vehicles as shaded shells, people and cyclists as limbs, in metres around their own middle.

A figure's own axes: x to its right, y ahead, z up.
"""

import functools
import itertools
import math
import random
from dataclasses import dataclass

import numpy as np

from civicam.city.pinhole import Floats
from civicam.city.traffic import Kind, State

Colour = tuple[int, int, int]
Point3 = tuple[float, float, float]

_PAINTS = (
    (206, 207, 208), (226, 226, 224), (52, 54, 58), (96, 100, 106), (140, 32, 34), (38, 62, 108),
    (168, 172, 176), (88, 74, 58), (34, 74, 62), (198, 166, 78), (178, 168, 148), (120, 124, 128),
)  # fmt: skip
_BUS_PAINTS = ((38, 118, 92), (52, 92, 158), (196, 60, 52), (214, 216, 214))
_CLOTHES = (
    (44, 48, 58), (70, 74, 84), (150, 52, 48), (58, 86, 126), (176, 170, 156), (96, 110, 82), (36, 36, 38),
    (196, 158, 84), (120, 72, 104), (206, 204, 200), (74, 118, 122),
)  # fmt: skip
_SKINS = ((196, 152, 122), (172, 128, 98), (208, 168, 140))
_GLASS = (38, 46, 54)
_RUBBER = (26, 26, 28)


@dataclass(frozen=True)
class Shell:
    """A vehicle's surface: flat faces, each with what is painted on it.

    Attributes:
        corners: all corners, face after face: n rows (x, y, z).
        starts: where each face's corners begin, and the end.
        colours: a row of RGB for each face.
        normals: a unit vector for each face.
        parents: for each face the face it is painted on; itself for a bare one. Children follow their parents.
        lights: for each face 0 for paint, 1 for a head lamp, 2 for a tail lamp, 3 for a lit sign.
        outline: a few corners whose shadows' hull is the vehicle's shadow.
    """

    corners: Floats
    starts: tuple[int, ...]
    colours: Floats
    normals: Floats
    parents: tuple[int, ...]
    lights: tuple[int, ...]
    outline: Floats


@dataclass(frozen=True, slots=True)
class Limb:
    """A rounded rod from one point to another."""

    start: Point3
    end: Point3
    radius_m: float
    colour: Colour


@functools.cache
def vehicle(kind: Kind, look: int) -> Shell:
    """The shell of a car or bus."""
    rng = random.Random(look)
    return _bus(rng) if kind is Kind.BUS else _car(rng)


def limbs(state: State) -> list[Limb]:
    """The limbs of a person or a cyclist, in the pose of this moment."""
    if state.kind is Kind.CYCLIST:
        return _cyclist(state)
    return _person(state)


class _Builder:
    """Collects faces."""

    def __init__(self) -> None:
        self._faces: list[tuple[list[Point3], Colour, int, int]] = []

    def face(self, corners: list[Point3], colour: Colour, parent: int | None = None, light: int = 0) -> int:
        """Adds a face whose corners run anticlockwise seen from outside; returns its number."""
        number = len(self._faces)
        self._faces.append((corners, colour, number if parent is None else parent, light))
        return number

    def shell(self, outline: list[Point3]) -> Shell:
        """What was collected. A child takes its parent's normal."""
        normals = [_normal(corners) for corners, *_ in self._faces]
        starts = np.cumsum([0, *(len(corners) for corners, *_ in self._faces)])
        parents = tuple(parent for _, _, parent, _ in self._faces)
        return Shell(
            corners=np.array([corner for corners, *_ in self._faces for corner in corners], float),
            starts=tuple(int(start) for start in starts),
            colours=np.array([colour for _, colour, *_ in self._faces], float),
            normals=np.array([normals[parent] for parent in parents]),
            parents=parents,
            lights=tuple(light for *_, light in self._faces),
            outline=np.array(outline, float),
        )


def _normal(corners: list[Point3]) -> Floats:
    points = np.array(corners, float)
    across = np.zeros(3)
    for turn in range(1, len(points) - 1):  # Newell's sum: right for bent faces too
        across += _cross(points[turn] - points[0], points[turn + 1] - points[0])
    return across / (float(np.linalg.norm(across)) or 1.0)


def _cross(a: Floats, b: Floats) -> Floats:
    return np.array((a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]))


@dataclass(frozen=True, slots=True)
class _Design:
    """A car seen from its side: (y ahead, z up), from the front over the top to the back; the cabin from its foot."""

    width_m: float
    length_m: float
    body: tuple[tuple[float, float], ...]
    cabin: tuple[tuple[float, float], ...]


_SALOON = _Design(
    1.76,
    4.45,
    ((2.18, 0.28), (2.22, 0.55), (2.08, 0.74), (1.05, 0.93), (-1.62, 0.98), (-2.15, 0.92), (-2.22, 0.6), (-2.16, 0.28)),
    ((1.05, 0.93), (0.35, 1.41), (-0.85, 1.43), (-1.62, 0.98)),
)
_HATCHBACK = _Design(
    1.72,
    4.0,
    ((1.95, 0.28), (2.0, 0.55), (1.86, 0.76), (1.05, 0.95), (-1.88, 0.98), (-1.98, 0.6), (-1.92, 0.28)),
    ((1.05, 0.95), (0.42, 1.47), (-1.35, 1.47), (-1.88, 0.98)),
)
_OFF_ROADER = _Design(
    1.86,
    4.6,
    ((2.25, 0.36), (2.3, 0.7), (2.2, 0.95), (1.15, 1.1), (-2.22, 1.14), (-2.3, 0.7), (-2.22, 0.36)),
    ((1.15, 1.1), (0.6, 1.68), (-1.85, 1.7), (-2.22, 1.14)),
)
_MINIBUS = _Design(
    1.96,
    5.2,
    ((2.5, 0.34), (2.58, 0.7), (2.5, 1.0), (2.05, 1.2), (-2.52, 1.24), (-2.58, 0.7), (-2.52, 0.34)),
    ((2.05, 1.2), (1.45, 2.12), (-2.42, 2.15), (-2.52, 1.24)),
)


def _car(rng: random.Random) -> Shell:
    design = rng.choices((_SALOON, _HATCHBACK, _OFF_ROADER, _MINIBUS), (5, 4, 3, 2))[0]
    width, length, body, cabin = design.width_m, design.length_m, design.body, design.cabin
    paint = rng.choice(_PAINTS)
    half, roof = width / 2, width / 2 * 0.80
    build = _Builder()
    for side in (-1, 1):
        flank = build.face([(side * half, y, z) for y, z in _seen(body, side)], paint)
        _flank_details(build, flank, side * (half + 0.01), length, paint)
    _strips(build, body, half, half, paint)
    belt = cabin[0][1]
    for side in (-1, 1):
        outline = [(side * (roof if z > belt + 0.2 else half), y, z) for y, z in _seen(cabin, side)]
        post = build.face(outline, paint)
        for pane in _panes(cabin, side, half, roof):
            build.face(pane, _GLASS, post)
    strips = _strips(build, cabin, half, roof, paint)
    for strip, (foot, top) in ((strips[0], (cabin[0], cabin[1])), (strips[-1], (cabin[-1], cabin[-2]))):
        build.face(_inset(foot, top, half, roof, front=strip == strips[0]), _GLASS, strip)
    _ends(build, body, half)
    outline = [(x * half, y, z) for x in (-1, 1) for y, z in (*body[:2], *body[-2:])]
    return build.shell(outline + [(x * roof, y, z) for x in (-1, 1) for y, z in cabin[1:3]])


def _seen(outline: tuple[tuple[float, float], ...], side: int) -> list[tuple[float, float]]:
    """The outline in the order that turns anticlockwise from that side (outlines run front, top, back)."""
    return list(outline) if side > 0 else list(reversed(outline))


def _strips(
    build: _Builder, outline: tuple[tuple[float, float], ...], low: float, high: float, paint: Colour
) -> list[int]:
    """The faces across, along an outline; `high` is half the width above the cabin's foot."""
    foot = outline[0][1] if high != low else math.inf
    faces = []
    for (y0, z0), (y1, z1) in itertools.pairwise(outline):
        a, b = (high if z0 > foot + 0.2 else low), (high if z1 > foot + 0.2 else low)
        faces.append(build.face([(a, y0, z0), (-a, y0, z0), (-b, y1, z1), (b, y1, z1)], paint))
    return faces


def _flank_details(build: _Builder, flank: int, x: float, length: float, paint: Colour) -> None:
    dark = _shade(paint, 0.72)
    build.face([(x, length * 0.46, 0.3), (x, length * 0.46, 0.42), (x, -length * 0.46, 0.42), (x, -length * 0.46, 0.3)],
               (44, 45, 48), flank)  # fmt: skip
    for y in (0.06, 0.23, -0.18):
        at = y * length
        build.face([(x, at, 0.42), (x, at, 0.92), (x, at + 0.025, 0.92), (x, at + 0.025, 0.42)], dark, flank)
    for y in (0.31, -0.30):
        build.face(_disc(x, y * length, 0.33, 0.40), (18, 18, 20), flank)
        build.face(_disc(x, y * length, 0.33, 0.32), _RUBBER, flank)
        build.face(_disc(x, y * length, 0.33, 0.19), (146, 148, 150), flank)


def _disc(x: float, y: float, z: float, radius: float) -> list[Point3]:
    steps = (math.tau * turn / 12 for turn in range(12))
    return [(x, y + radius * math.cos(step), z + radius * math.sin(step)) for step in steps]


def _panes(cabin: tuple[tuple[float, float], ...], side: int, half: float, roof: float) -> list[list[Point3]]:
    """The side windows: the cabin's outline drawn in, cut by the middle pillar."""
    (y0, z0), (y1, z1), (y2, _), (y3, z3) = cabin
    low, high = z0 + 0.05, z1 - 0.08
    wide_low, wide_high = half * 0.985, roof + (half - roof) * 0.15
    pillar = (y1 + y2) / 2
    spans = (
        ((y0 - 0.22, y1 - 0.12), (pillar + 0.06, pillar + 0.06)),
        ((pillar - 0.06, pillar - 0.06), (y3 + 0.3, y2 + 0.1)),
    )
    return [
        [
            (side * wide_low, a, low),
            (side * wide_high, b, high),
            (side * wide_high, d, high),
            (side * wide_low, c, max(low, z3 + 0.04)),
        ]
        for (a, b), (c, d) in spans
    ]


def _inset(
    foot: tuple[float, float], top: tuple[float, float], half: float, roof: float, *, front: bool
) -> list[Point3]:
    """A windscreen or rear window within its strip."""
    (y0, z0), (y1, z1) = foot, top
    low, high = 0.06, 0.93
    a, b = half * 0.90, roof * 0.92
    points = [(y0 + (y1 - y0) * share, z0 + (z1 - z0) * share) for share in (low, high)]
    (ya, za), (yb, zb) = points
    pane: list[Point3] = [(-a, ya, za), (a, ya, za), (b, yb, zb), (-b, yb, zb)]
    return pane if front else pane[::-1]


def _ends(build: _Builder, body: tuple[tuple[float, float], ...], half: float) -> None:
    """Lamps, grille and plates, just off the first and the last strips."""
    front, back = body[1], body[-2]
    ahead, behind = front[0] + 0.02, back[0] - 0.02
    z = front[1]
    grille = build.face(_upright(0, ahead, z - 0.2, half * 0.55, 0.11, front=True), (30, 32, 34))
    build.face(_upright(0, ahead, z - 0.27, 0.26, 0.06, front=True), (222, 222, 216), grille)
    tail = build.face(_upright(0, behind, back[1] - 0.02, 0.26, 0.06, front=False), (222, 222, 216))
    for side in (-1, 1):
        build.face(
            _upright(side * half * 0.74, ahead - 0.03, z + 0.06, 0.18, 0.09, front=True), (214, 218, 220), light=1
        )
        build.face(
            _upright(side * half * 0.80, behind + 0.01, back[1] + 0.2, 0.13, 0.12, front=False), (132, 26, 24), light=2
        )
    build.face(_upright(0, behind, back[1] - 0.22, half * 0.9, 0.09, front=False), (46, 47, 50), tail)


def _upright(x: float, y: float, z: float, half_x: float, half_z: float, *, front: bool) -> list[Point3]:
    face = [
        (x - half_x, y, z - half_z),
        (x + half_x, y, z - half_z),
        (x + half_x, y, z + half_z),
        (x - half_x, y, z + half_z),
    ]
    return face[::-1] if front else face


def _bus(rng: random.Random) -> Shell:
    paint = rng.choice(_BUS_PAINTS)
    light = (214, 216, 212) if paint != _BUS_PAINTS[3] else (58, 122, 176)
    half, front, height = 1.25, 5.4, 3.05
    outline = (
        (front, 0.32),
        (front + 0.04, 1.1),
        (front - 0.18, 2.85),
        (front - 0.5, height),
        (-front + 0.2, height),
        (-front, 0.32),
    )
    build = _Builder()
    for side in (-1, 1):
        flank = build.face([(side * half, y, z) for y, z in _seen(outline, side)], paint)
        x = side * (half + 0.01)
        build.face([(x, 5.3, 2.62), (x, 5.1, 3.0), (x, -5.2, 3.0), (x, -5.3, 2.62)], light, flank)
        build.face([(x, 5.2, 1.32), (x, 5.0, 2.52), (x, -5.1, 2.52), (x, -5.1, 1.32)], _GLASS, flank)
        for y in (3.6, 2.1, 0.6, -0.9, -2.4, -3.9):
            build.face(
                [(x, y, 1.32), (x, y, 2.52), (x, y + 0.09, 2.52), (x, y + 0.09, 1.32)], _shade(paint, 0.7), flank
            )
        if side > 0:
            for y in (3.9, -0.3):
                build.face([(x, y, 0.4), (x, y, 2.5), (x, y - 1.2, 2.5), (x, y - 1.2, 0.4)], (48, 54, 60), flank)
        for y in (2.7, -2.9):
            build.face(_disc(x, y, 0.48, 0.56), (18, 18, 20), flank)
            build.face(_disc(x, y, 0.48, 0.47), _RUBBER, flank)
            build.face(_disc(x, y, 0.48, 0.24), (140, 142, 144), flank)
    strips = _strips(build, outline, half, half, paint)
    build.face(_upright(0, front + 0.03, 1.85, 1.12, 0.66, front=True), _GLASS, strips[1])
    build.face(_upright(0, front - 0.12, 2.7, 0.9, 0.13, front=True), (202, 158, 52), strips[1], light=3)
    build.face(_upright(0, -front, 2.1, 1.0, 0.45, front=False), _GLASS, strips[-1])
    roof = strips[3]
    build.face(
        [(-0.7, 1.5, height), (0.7, 1.5, height), (0.7, -1.5, height), (-0.7, -1.5, height)][::-1],
        (188, 190, 188),
        roof,
    )
    for x in (-0.95, 0.95):
        build.face(_upright(x, front + 0.05, 0.75, 0.2, 0.12, front=True), (214, 218, 220), strips[0], light=1)
        build.face(_upright(x, -front - 0.02, 0.9, 0.14, 0.2, front=False), (132, 26, 24), strips[-1], light=2)
    return build.shell([(x, y, z) for x in (-half, half) for y in (-front, front) for z in (0.32, height)])


@dataclass(frozen=True, slots=True)
class _Outfit:
    """How one person is built and dressed."""

    height_m: float
    top: Colour
    trousers: Colour
    skin: Colour
    hair: Colour
    dress: bool
    scarf: bool
    bag: bool
    stout: float


@functools.cache
def _outfit(look: int) -> _Outfit:
    rng = random.Random(look)
    dress = rng.random() < 0.3
    return _Outfit(
        height_m=rng.uniform(1.56, 1.86),
        top=rng.choice(_CLOTHES),
        trousers=rng.choice(_CLOTHES[:3] + _CLOTHES[6:7] + ((60, 66, 84), (84, 78, 70))),
        skin=rng.choice(_SKINS),
        hair=rng.choice(((28, 24, 22), (46, 36, 30), (110, 106, 102))),
        dress=dress,
        scarf=dress and rng.random() < 0.5,
        bag=rng.random() < 0.35,
        stout=rng.uniform(0.92, 1.15),
    )


def _person(state: State) -> list[Limb]:
    outfit = _outfit(state.look)
    tall = outfit.height_m
    swing = 0.0 if state.speed_m_s < 0.1 else math.sin(state.travelled_m / 1.45 * math.tau)
    stride = 0.43 * min(1.0, state.speed_m_s / 1.2)
    hip, neck = tall * 0.50, tall * 0.82
    shaded = _shade(outfit.trousers, 0.85)
    parts: list[Limb] = []
    for side, way in ((-1, swing), (1, -swing)):
        x = side * 0.085
        reach = way * stride
        lift = 0.09 * max(0.0, -way) if stride else 0.0
        knee = (x, reach * 0.55 + 0.05 * abs(reach), hip * 0.53)
        foot = (x, reach - lift * 0.6, 0.07 + lift)
        colour = outfit.trousers if side > 0 else shaded
        parts.append(Limb((x, 0, hip), knee, 0.085 * outfit.stout, colour))
        parts.append(Limb(knee, foot, 0.062, colour))
        parts.append(Limb(foot, (x, foot[1] + 0.13, 0.045 + lift), 0.05, (34, 32, 32)))
        hand = (side * 0.25, -reach * 0.62 + 0.03, tall * 0.47)
        elbow = (side * 0.245, -reach * 0.25 - 0.03, tall * 0.63)
        parts.append(Limb((side * 0.19 * outfit.stout, 0, neck - 0.05), elbow, 0.058, _shade(outfit.top, 0.9)))
        parts.append(Limb(elbow, hand, 0.047, _shade(outfit.top, 0.9)))
        parts.append(Limb(hand, (hand[0], hand[1] + 0.02, hand[2] - 0.06), 0.042, outfit.skin))
    if outfit.dress:
        parts.append(Limb((0, 0, hip), (0, 0.02, tall * 0.2), 0.175 * outfit.stout, outfit.top))
    parts.append(Limb((0, 0, hip + 0.06), (0, 0.0, neck - 0.15), 0.165 * outfit.stout, outfit.top))
    parts.append(Limb((-0.12, 0, neck - 0.07), (0.12, 0, neck - 0.07), 0.085, outfit.top))
    parts.append(Limb((0, 0, neck - 0.02), (0, 0.01, neck + 0.05), 0.055, outfit.skin))
    parts.append(Limb((0, 0.03, tall - 0.14), (0, 0.03, tall - 0.11), 0.098, outfit.skin))
    cover = outfit.top if outfit.scarf else outfit.hair
    parts.append(Limb((0, -0.025, tall - 0.10), (0, 0.0, tall - 0.085), 0.102, cover))
    if outfit.bag:
        parts.append(Limb((0.29, 0, tall * 0.42), (0.29, 0, tall * 0.34), 0.10, (86, 58, 42)))
    return parts


def _cyclist(state: State) -> list[Limb]:
    outfit = _outfit(state.look)
    frame = random.Random(state.look).choice(_PAINTS)
    parts: list[Limb] = []
    for hub in (0.53, -0.53):
        rim = [
            (0.0, hub + 0.33 * math.cos(turn * math.tau / 12), 0.34 + 0.33 * math.sin(turn * math.tau / 12))
            for turn in range(13)
        ]
        parts.extend(Limb(a, b, 0.022, _RUBBER) for a, b in itertools.pairwise(rim))
    seat, crank, head = (0.0, -0.22, 0.86), (0.0, 0.0, 0.30), (0.0, 0.42, 0.88)
    bars = ((crank, seat), (crank, head), (seat, head), ((0.0, -0.53, 0.34), crank), ((0.0, 0.53, 0.34), head))
    parts.extend(Limb(a, b, 0.024, frame) for a, b in bars)
    parts.append(Limb((-0.24, 0.42, 1.0), (0.24, 0.42, 1.0), 0.02, (40, 40, 42)))
    hip, neck = (0.0, -0.2, 1.0), (0.0, 0.12, 1.48)
    turn = state.travelled_m / 4.2 * math.tau
    for side, angle in ((-1, turn), (1, turn + math.pi)):
        x = side * 0.1
        foot = (x, 0.17 * math.cos(angle), 0.32 + 0.17 * math.sin(angle))
        knee = (x * 1.2, 0.27 + 0.08 * math.cos(angle), 0.78 + 0.10 * math.sin(angle))
        parts.append(Limb((x, hip[1], hip[2] - 0.03), knee, 0.085, outfit.trousers))
        parts.append(Limb(knee, foot, 0.062, outfit.trousers))
        parts.append(Limb(foot, (x, foot[1] + 0.12, foot[2] - 0.02), 0.045, (34, 32, 32)))
        parts.append(Limb((side * 0.18, neck[1], neck[2] - 0.06), (side * 0.24, 0.4, 1.03), 0.052, outfit.top))
    parts.append(Limb(hip, (0.0, 0.08, 1.38), 0.155, outfit.top))
    parts.append(Limb((-0.11, 0.1, 1.42), (0.11, 0.1, 1.42), 0.08, outfit.top))
    parts.append(Limb((0, 0.2, 1.62), (0, 0.2, 1.65), 0.095, outfit.skin))
    parts.append(Limb((0, 0.16, 1.67), (0, 0.18, 1.69), 0.1, outfit.hair))
    return parts


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(value * factor)) for value in colour)
    return red, green, blue
