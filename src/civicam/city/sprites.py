"""One object at one moment -> its pixels: a small cut-out, its shadow, and the light it throws."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from civicam.city.actors import Shell, limbs, vehicle
from civicam.city.pinhole import Floats, Pinhole
from civicam.city.traffic import Kind, State

_VEHICLES = (Kind.CAR, Kind.BUS)
Rod = tuple[float, float, float, float]
_FAINT_SUN = 0.15
_RING = np.array([(math.cos(turn * math.tau / 8), math.sin(turn * math.tau / 8)) for turn in range(8)])
_THIN_PX = 0.8  # a limb thinner than this shows no shading
_HEADLIGHT, _TAILLIGHT = np.array((255.0, 246.0, 222.0)), np.array((225.0, 38.0, 28.0))


@dataclass(frozen=True, slots=True)
class Cutout:
    """A rectangle of pixels with its place.

    Attributes:
        left: column of its first pixel.
        top: row of its first pixel.
        pixels: rows by columns of 4 (RGB times alpha, and alpha) or of 1 (how much).
    """

    left: int
    top: int
    pixels: NDArray[np.uint8]

    @property
    def window(self) -> tuple[slice, slice]:
        """The rows and columns it covers."""
        rows, columns = self.pixels.shape[:2]
        return slice(self.top, self.top + rows), slice(self.left, self.left + columns)


@dataclass(frozen=True, slots=True)
class Sprite:
    """What one object puts into a picture.

    Attributes:
        depth_m: its distance along the line of sight.
        body: the object itself; its alpha is its mask. None when it is out of sight.
        shadow: how much of the ground's light it takes.
        glow: light it adds to its surroundings: RGB.
    """

    depth_m: float
    body: Cutout | None
    shadow: Cutout | None = None
    glow: Cutout | None = None


@dataclass(frozen=True, slots=True)
class Light:
    """The light an object stands in.

    Attributes:
        level: RGB factors of its own colours.
        sun: how much direct sun reaches it, 0 to 1; it shapes faces and casts shadows.
        lamps_on: it has its head and tail lamps on, or its surroundings are dark enough for that.
    """

    level: tuple[float, float, float]
    sun: float
    lamps_on: bool


class SpriteMaker:
    """Draws objects for one camera and one sun."""

    def __init__(self, lens: Pinhole, sun: Floats, shadow_per_m: tuple[float, float]) -> None:
        self._lens = lens
        self._sun = sun
        self._slope = np.array(shadow_per_m)

    def make(self, state: State, light: Light) -> Sprite | None:
        """Returns the object's pixels; None when it is behind the camera or far outside the picture."""
        middle = self._lens.project(np.array([(state.x_m, state.y_m, 0.8)]))[0]
        depth = float(middle[2])
        reach = (9 if state.kind in _VEHICLES else 4) * self._lens.focal_px / max(depth, 1)
        beside = not -reach < middle[0] < self._lens.width + reach
        if depth < 3 or beside or middle[1] > self._lens.height + reach:
            return None
        if state.kind in _VEHICLES:
            return self._vehicle(state, light, depth)
        return self._figure(state, light, depth)

    def _vehicle(self, state: State, light: Light, depth: float) -> Sprite | None:
        shell = vehicle(state.kind, state.look)
        turn = _turned(state.heading_deg)
        offset = np.array((state.x_m, state.y_m, 0.0))
        world = shell.corners @ turn + offset
        seen = self._lens.project(world)
        if seen[:, 2].min() < 1.5:
            return None
        normals = shell.normals @ turn
        faces = self._faces(shell, world, normals)
        colours = self._shaded(shell, normals, light)
        canvas = _Canvas.around(seen, self._lens, 0)
        body = None
        if canvas is not None:
            for face in faces:
                first, last = shell.starts[face], shell.starts[face + 1]
                canvas.polygon(seen[first:last], colours[face])
            body = canvas.cut()
        shadow = self._hull_shadow(shell.outline @ turn + offset, light)
        glow = self._lamps(shell, seen, faces, state, depth) if light.lamps_on else None
        return Sprite(depth, body, shadow, glow)

    def _faces(self, shell: Shell, world: Floats, normals: Floats) -> list[int]:
        """The faces that look at the camera, the farthest first, each followed by what is painted on it."""
        firsts = np.array(shell.starts[:-1])
        towards = np.asarray(self._lens.position_m) - world[firsts]
        facing = (normals * towards).sum(1) > 0
        centres = np.add.reduceat(world, firsts) / np.diff(shell.starts)[:, None]
        distance = ((centres - self._lens.position_m) ** 2).sum(1)
        order = sorted((-distance[parent], parent, face) for face, parent in enumerate(shell.parents) if facing[parent])
        return [face for _, _, face in order]

    def _shaded(self, shell: Shell, normals: Floats, light: Light) -> list[tuple[int, int, int]]:
        direct = np.clip(normals @ self._sun, 0, 1) * light.sun
        sky = 0.56 + 0.22 * normals[:, 2] + 0.10 * (1 - light.sun)
        level = (sky + 0.62 * direct)[:, None] * np.array(light.level)
        colours = np.clip(shell.colours * level, 0, 255)
        # Glass mirrors the sky, the more the flatter it lies.
        dark = shell.colours.sum(1) < 150
        colours[dark] += (26 + 60 * np.clip(normals[dark, 2:3], 0, 1)) * np.array(light.level)
        if light.lamps_on:
            kinds = np.array(shell.lights)
            colours[kinds == 1] = _HEADLIGHT
            colours[kinds == 2] = _TAILLIGHT
            colours[kinds == 3] = shell.colours[kinds == 3]
        return _rows(colours)

    def _figure(self, state: State, light: Light, depth: float) -> Sprite | None:
        parts = limbs(state)
        turn = _turned(state.heading_deg)
        ends = np.array([(limb.start, limb.end) for limb in parts]).reshape(-1, 3) @ turn
        ends += (state.x_m, state.y_m, 0.0)
        seen = self._lens.project(ends)
        if seen[:, 2].min() < 1.5:
            return None
        radii = np.array([limb.radius_m for limb in parts]) * self._lens.focal_px / depth
        canvas = _Canvas.around(seen, self._lens, float(radii.max()) + 1)
        shadow = self._limb_shadow(ends, [limb.radius_m for limb in parts], light)
        if canvas is None:
            return Sprite(depth, None, shadow)
        side = -1.0 if self._sun @ self._lens.axes[0] < 0 else 1.0
        own = np.array([limb.colour for limb in parts]) * np.array(light.level)
        edges, lits = _rows(own * (0.80 - 0.12 * light.sun)), _rows(own * (0.98 + 0.20 * light.sun))
        rods = canvas.rods(seen, radii)
        for index in np.argsort(-seen[0::2, 2] - seen[1::2, 2], kind="stable").tolist():
            (x0, y0, x1, y1), radius = rods[index]
            if radii[index] <= _THIN_PX:
                canvas.rod((x0, y0, x1, y1), radius, lits[index])
                continue
            canvas.rod((x0, y0, x1, y1), radius, edges[index])
            right, up = side * radius * 0.28, radius * 0.12
            canvas.rod((x0 + right, y0 - up, x1 + right, y1 - up), radius * 0.62, lits[index])
        return Sprite(depth, canvas.cut(), shadow)

    def _hull_shadow(self, outline: Floats, light: Light) -> Cutout | None:
        """The shadow of a solid: under an overcast sky only what is dark beneath it."""
        slope = self._slope * light.sun
        flat = outline[:, :2] + outline[:, 2:3] * slope
        footprint = np.concatenate([flat, outline[:, :2]])
        hull = _hull(footprint)
        seen = self._lens.project(np.column_stack([hull, np.zeros(len(hull))]))
        blur = 0.10 if light.sun > 0.5 else 0.22
        pad = 0.3 * self._lens.focal_px / max(float(seen[:, 2].mean()), 1)
        canvas = _Canvas.around(seen, self._lens, pad + 2, one_channel=True)
        if canvas is None:
            return None
        canvas.polygon(seen, 255)
        return canvas.cut(blur_px=blur * self._lens.focal_px / max(float(seen[:, 2].mean()), 1))

    def _limb_shadow(self, ends: Floats, radii: list[float], light: Light) -> Cutout | None:
        if light.sun < _FAINT_SUN:
            return self._blot(ends[:, :2].mean(0))
        slope = self._slope * light.sun
        flat = ends.copy()
        flat[:, :2] += ends[:, 2:3] * slope
        flat[:, 2] = 0
        seen = self._lens.project(flat)
        if seen[:, 2].min() < 1.5:
            return None
        scale = self._lens.focal_px / float(seen[:, 2].mean())
        canvas = _Canvas.around(seen, self._lens, 0.3 * scale + 2, one_channel=True)
        if canvas is None:
            return None
        for ends_px, radius in canvas.rods(seen, np.array(radii) * scale * 0.9):
            canvas.line(ends_px, radius)
        return canvas.cut(blur_px=0.05 * scale)

    def _blot(self, middle_m: Floats) -> Cutout | None:
        """What little shadow there is at the feet of somebody who stands in no direct light."""
        seen = self._lens.project(np.column_stack([_RING * 0.3 + middle_m, np.zeros(len(_RING))]))
        canvas = _Canvas.around(seen, self._lens, 2, one_channel=True)
        if canvas is None or seen[:, 2].min() < 1.5:
            return None
        canvas.polygon(seen, 190)
        return canvas.cut(blur_px=0.08 * self._lens.focal_px / float(seen[:, 2].mean()))

    def _lamps(self, shell: Shell, seen: Floats, faces: list[int], state: State, depth: float) -> Cutout | None:
        """The halos of the lamps that look at the camera, and the head lamps' light on the road."""
        scale = self._lens.focal_px / depth
        spots = []
        for face in faces:
            if shell.lights[face] in (1, 2):
                middle = seen[shell.starts[face] : shell.starts[face + 1]].mean(0)
                spots.append((float(middle[0]), float(middle[1]), shell.lights[face]))
        length = 5.4 if state.kind is Kind.BUS else 2.2
        beam = np.array(
            [(-0.7, length + 0.4, 0), (0.7, length + 0.4, 0), (2.6, length + 11, 0), (-2.6, length + 11, 0)]
        )
        on_road = self._lens.project(beam @ _turned(state.heading_deg) + (state.x_m, state.y_m, 0.0))
        places = [on_road] if on_road[:, 2].min() > 1.5 else []
        if spots:
            reach = 1.7 * scale
            rows = [(x + dx, y + dy, depth) for x, y, _ in spots for dx in (-reach, reach) for dy in (-reach, reach)]
            places.append(np.array(rows))
        if not places:
            return None
        window = _window(np.concatenate(places), self._lens, 2.0)
        return None if window is None else _glow(window, spots, on_road if len(places[0]) == 4 else None, scale)


def _glow(
    window: tuple[int, int, int, int], spots: list[tuple[float, float, int]], beam: Floats | None, scale: float
) -> Cutout:
    left, top, right, bottom = window
    size = (right - left, bottom - top)
    light = np.zeros((size[1], size[0], 3), np.float32)
    if beam is not None and beam[:, 2].min() > 1.5:
        pool = Image.new("L", size, 0)
        draw = ImageDraw.Draw(pool)
        for share, level in ((1.0, 26), (0.72, 48), (0.42, 70)):
            corners = beam[:, :2].copy()
            corners[2:] = beam[1::-1, :2] + (beam[2:, :2] - beam[1::-1, :2]) * share
            draw.polygon([(float(x - left), float(y - top)) for x, y in corners], fill=level)
        soft = pool.filter(ImageFilter.BoxBlur(max(1.0, 0.35 * scale)))
        light += np.asarray(soft, np.float32)[..., None] * (_HEADLIGHT / 255).astype(np.float32)
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    columns = np.arange(left, right, dtype=np.float32)[None, :]
    for x, y, kind in spots:
        colour, width, strength = (_HEADLIGHT, 0.42, 0.85) if kind == 1 else (_TAILLIGHT, 0.22, 0.45)
        near = ((columns - x) ** 2 + (rows - y) ** 2) / max(1.0, (width * scale) ** 2)
        light += (strength / (1 + near) ** 2)[..., None] * colour.astype(np.float32)
    return Cutout(left, top, np.clip(light, 0, 255).astype(np.uint8))


class _Canvas:
    """A small picture, drawn larger than it will be, for smooth edges."""

    def __init__(self, window: tuple[int, int, int, int], *, one_channel: bool) -> None:
        self._left, self._top, right, bottom = window
        size = (right - self._left, bottom - self._top)
        self._factor = 3 if max(size) < 160 else 2
        if one_channel:
            self._factor = 1 if max(size) > 60 else 2
        big = (size[0] * self._factor, size[1] * self._factor)
        self._image = Image.new("L", big, 0) if one_channel else Image.new("RGBA", big, (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)

    @classmethod
    def around(cls, seen: Floats, lens: Pinhole, pad_px: float, *, one_channel: bool = False) -> "_Canvas | None":
        """A canvas for what projects to `seen`; None when that is outside the picture."""
        window = _window(seen, lens, pad_px)
        return None if window is None else cls(window, one_channel=one_channel)

    def polygon(self, corners: Floats, colour: tuple[int, int, int] | int) -> None:
        """A filled polygon; corners in pixels of the picture."""
        scaled = (corners[:, :2] - (self._left, self._top)) * self._factor - 0.5
        self._draw.polygon(scaled.ravel().tolist(), fill=colour)

    def rods(self, seen: Floats, radii_px: Floats) -> list[tuple[Rod, float]]:
        """Pairs of ends, and radii, on this canvas."""
        scaled = ((seen[:, :2] - (self._left, self._top)) * self._factor).reshape(-1, 4).tolist()
        radii = (radii_px * self._factor).tolist()
        return [((x0, y0, x1, y1), radius) for (x0, y0, x1, y1), radius in zip(scaled, radii, strict=True)]

    def rod(self, ends: Rod, radius: float, colour: tuple[int, int, int]) -> None:
        """A line with round ends."""
        x0, y0, x1, y1 = ends
        self._draw.line(ends, fill=colour, width=max(1, round(2 * radius)))
        if radius > 1.6:
            self._draw.ellipse((x0 - radius, y0 - radius, x0 + radius, y0 + radius), fill=colour)
            self._draw.ellipse((x1 - radius, y1 - radius, x1 + radius, y1 + radius), fill=colour)

    def line(self, ends: Rod, radius: float) -> None:
        """A line for a shadow, which is blurred anyway."""
        self._draw.line(ends, fill=255, width=max(1, round(2 * radius)))

    def cut(self, blur_px: float = 0.0) -> Cutout:
        """What was drawn, at its true size. Colours are weighted by alpha, as averaging makes them."""
        image = self._image.reduce(self._factor) if self._factor > 1 else self._image
        if blur_px > 0.3:
            image = image.filter(ImageFilter.BoxBlur(blur_px))
        return Cutout(self._left, self._top, np.asarray(image))


def _window(seen: Floats, lens: Pinhole, pad_px: float) -> tuple[int, int, int, int] | None:
    left = max(0, math.floor(float(seen[:, 0].min()) - pad_px))
    top = max(0, math.floor(float(seen[:, 1].min()) - pad_px))
    right = min(lens.width, math.ceil(float(seen[:, 0].max()) + pad_px) + 1)
    bottom = min(lens.height, math.ceil(float(seen[:, 1].max()) + pad_px) + 1)
    return (left, top, right, bottom) if right > left and bottom > top else None


def _turned(heading_deg: float) -> Floats:
    """Rows (own axes) to rows (world): own y points along the heading."""
    angle = math.radians(heading_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _hull(points: Floats) -> Floats:
    """The convex hull (Andrew's monotone chain)."""
    ordered = sorted(map(tuple, points.tolist()))
    chains = []
    for run in (ordered, ordered[::-1]):
        chain: list[tuple[float, ...]] = []
        for point in run:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        chains.append(chain[:-1])
    return np.array(chains[0] + chains[1])


def _turn(a: tuple[float, ...], b: tuple[float, ...], c: tuple[float, ...]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _rows(colours: Floats) -> list[tuple[int, int, int]]:
    return [(red, green, blue) for red, green, blue in np.clip(colours, 0, 255).astype(int).tolist()]
