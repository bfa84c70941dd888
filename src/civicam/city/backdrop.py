"""What never moves: sky, ground, buildings, trees, lamps; drawn once, by day and by night, with its depth."""

import math
import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from civicam.city.facades import Colour, facade
from civicam.city.ground import GroundMap, soft_noise
from civicam.city.pinhole import Floats, Pinhole, homography
from civicam.city.scene import Box, Building, Lamp, Scene, SignalHead, Tree

_HAZE = np.array((186, 192, 198), np.float32)
_FAR_M = 1e6
_NIGHT_AMBIENT = np.array((0.15, 0.155, 0.18), np.float32)
_LAMP_COLOUR = np.array((1.0, 0.80, 0.52), np.float32)
LAMP_REACH_M = 6.5
Thin = TypeVar("Thin", Tree, Lamp, SignalHead)
HEAD_HEIGHT_M = 3.2


class Backdrop:
    """A scene without its movers.

    Attributes:
        day: rows by columns by RGB.
        night: the same place at night.
        depth_m: how far each pixel's solid is along the line of sight; endless where only ground or sky is seen, for
            they hide nothing.
        sun: the unit vector to the sun.
        shadow_per_m: where the shadow of a point falls, in metres along x and y for each metre of its height.
    """

    def __init__(self, scene: Scene, lens: Pinhole, seed: int, sun: float) -> None:
        self._scene, self._lens, self._sun = scene, lens, sun
        self._factor = 3 if lens.height <= 480 else 2
        self._big = lens.scaled(self._factor)
        self._rng = np.random.default_rng([seed, 1])
        pick = random.Random(seed)
        direction = np.array([pick.uniform(-0.75, -0.35), pick.uniform(-0.55, -0.1), pick.uniform(0.75, 1.0)])
        self.sun = direction / np.linalg.norm(direction)
        self.shadow_per_m = (float(-self.sun[0] / self.sun[2]), float(-self.sun[1] / self.sun[2]))
        self._ground = GroundMap(scene, 14 if lens.height <= 480 else 24, self.shadow_per_m, sun, self._rng)
        self._image = self._sky()
        self._light = Image.new("RGB", self._image.size, 0)
        self._depth = Image.new("F", (lens.width, lens.height), _FAR_M)
        self._lay_ground()
        self._stand_solids()
        self.day = self._through_lens(self._image)
        self.depth_m: NDArray[np.float32] = np.array(self._depth)
        self.night = self._darkened()

    def shade_at(self, x_m: float, y_m: float) -> float:
        """How much of the sun is hidden at a place on the ground, 0 to 1."""
        return self._ground.shade_at(x_m, y_m) * self._sun

    def lamplight(self, points_m: Floats) -> NDArray[np.float32]:
        """The light of the street lamps at n points (x, y, z): n values, 1 right under a lamp."""
        total = np.zeros(len(points_m), np.float32)
        for lamp in self._scene.lamps:
            head = np.array([lamp.x_m + lamp.arm_m, lamp.y_m, lamp.height_m])
            across = np.hypot(points_m[:, 0] - head[0], points_m[:, 1] - head[1]) / LAMP_REACH_M
            total += (1 / (1 + across**2) ** 1.6).astype(np.float32)
        return np.minimum(total, 1.2)

    def lamplight_at(self, x_m: float, y_m: float) -> float:
        """The light of the street lamps at one place on the ground, 1 right under a lamp."""
        away = (math.hypot(x_m - lamp.x_m - lamp.arm_m, y_m - lamp.y_m) for lamp in self._scene.lamps)
        return min(1.2, sum(math.pow(1 + (metres / LAMP_REACH_M) ** 2, -1.6) for metres in away))

    def _sky(self) -> Image.Image:
        width, height = self._big.width, self._big.height
        horizon = max(2, int(self._big.horizon_px))
        share = (np.clip(np.arange(height) / horizon, 0, 1) ** 1.3)[:, None, None]
        zenith = np.array((116, 148, 190) if self._sun > 0.5 else (158, 164, 172), np.float32)
        sky = np.broadcast_to(zenith + (_HAZE + 20 - zenith) * share, (height, width, 3)).astype(np.float32)
        part = (min(height, horizon + 1), width)
        clouds = soft_noise(part, width // 5, self._rng) + soft_noise(part, width // 14, self._rng) * 0.5
        cover = np.clip(clouds * 0.7 - (0.05 if self._sun > 0.5 else -0.3), 0, 0.75)[..., None]
        sky[: part[0]] += (np.array((228, 229, 230), np.float32) - sky[: part[0]]) * cover
        image = Image.fromarray(np.clip(sky, 0, 255).astype(np.uint8))
        self._mountains(image, horizon)
        return image

    def _mountains(self, image: Image.Image, horizon: int) -> None:
        draw = ImageDraw.Draw(image)
        width = image.width
        for layer, (height, colour) in enumerate(((0.10, (164, 172, 184)), (0.06, (142, 152, 160)))):
            ridge = soft_noise((2, width), width // (5 + 4 * layer), self._rng)[0]
            ridge = ridge + soft_noise((2, width), width // 30, self._rng)[0] * 0.25
            tops = horizon - (ridge + 1.1) * height * self._big.height / 2
            outline = [(float(x), float(tops[x])) for x in range(0, width, 4)]
            draw.polygon([(0, horizon + 2), *outline, (width, horizon + 2)], fill=colour)

    def _lay_ground(self) -> None:
        """Warps the map into the picture; what is far comes from a coarser map, so that it does not flicker."""
        width, height = self._big.width, self._big.height
        top = max(0, int(self._big.horizon_px) + 2)
        pixels = np.array([(0, top + 8), (width, top + 8), (width, height), (0, height)], float)
        world = self._big.ground(pixels)
        fallback = Image.new("RGB", (width, height), (128, 124, 114))
        for level in (16, 8, 4, 2, 1):
            corners = np.array([self._ground.pixel(x, y) for x, y in world]) / level
            # A metre of ground at this depth is as many pixels high as the map has for it.
            depth = math.sqrt(self._big.focal_px * self._big.position_m[2] / (self._ground.px_per_m / level) / 0.7)
            row = int(min(height, self._big.horizon_px + self._big.focal_px * self._big.position_m[2] / depth / 1.0))
            start = top if level == 16 else max(top, row)
            if start >= height:
                continue
            source = self._ground.image if level == 1 else self._ground.image.reduce(level)
            coefficients = homography(corners, pixels)
            warped = source.transform(
                (width, height), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC
            )
            inside = Image.new("L", source.size, 255).transform(
                (width, height), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.NEAREST
            )
            layer = Image.composite(warped, fallback, inside)
            self._image.paste(layer.crop((0, start, width, height)), (0, start))
        self._veil(top)

    def _veil(self, top: int) -> None:
        """Haze over the ground, by distance."""
        rows = np.arange(top, self._big.height)
        depth = self._big.focal_px * self._big.position_m[2] / np.maximum(rows - self._big.horizon_px, 1)
        veil = (1 - np.exp(-depth / 420)).astype(np.float32)[:, None, None]
        band = np.asarray(self._image, np.float32)[top:]
        mixed = band + (_HAZE - band) * veil
        self._image.paste(Image.fromarray(mixed.astype(np.uint8)), (0, top))

    def _stand_solids(self) -> None:
        """Everything that stands, the farthest first."""
        scene = self._scene
        solids: list[tuple[float, Callable[[], None]]] = []
        for building in scene.buildings:
            middle = (building.x_m + building.width_m / 2, building.y_m + building.depth_m / 2, 0.0)
            solids.append((self._depth_of(middle), partial(self._building, building)))
        for box in scene.boxes:
            middle = (box.x_m + box.width_m / 2, box.y_m + box.depth_m / 2, 0.0)
            solids.append((self._depth_of(middle), partial(self._box, box)))
        solids.extend(self._thin(scene.trees, self._tree))
        solids.extend(self._thin(scene.lamps, self._lamp))
        solids.extend(self._thin(scene.heads, self._head))
        for _, draw_one in sorted(solids, key=lambda item: -item[0]):
            draw_one()

    def _thin(
        self, things: Iterable[Thin], draw: Callable[[Thin, float], None]
    ) -> Iterator[tuple[float, Callable[[], None]]]:
        """What has one depth, as far as it is in front of the camera."""
        for thing in things:
            depth = self._depth_of((thing.x_m, thing.y_m, 0.0))
            if depth > 2:
                yield depth, partial(draw, thing, depth)

    def _depth_of(self, point: tuple[float, float, float]) -> float:
        return float(self._big.project(np.array([point]))[0, 2])

    def _building(self, building: Building) -> None:
        left, low = building.x_m, building.y_m
        right, high = left + building.width_m, low + building.depth_m
        camera = self._big.position_m
        if camera[0] > right:
            self._wall((right, low), (right, high), building, building.look + 1, 0.80)
        if camera[0] < left:
            self._wall((left, high), (left, low), building, building.look + 2, 0.98)
        self._wall((left, low), (right, low), building, building.look, 0.92)

    def _wall(
        self, start: tuple[float, float], end: tuple[float, float], building: Building, look: int, tone: float
    ) -> None:
        """One front, from `start` (left as seen) to `end`, in pieces so that each has its own depth."""
        length = math.dist(start, end)
        scale = 26 if self._big.height > 1200 else 14
        day, lit = facade(length, building.height_m, look - look % 9 + building.look % 9, scale)
        if self._sun <= 0.5:
            tone = 0.86 + (tone - 0.86) * 0.3
        pieces = max(1, round(length / 5))
        for piece in sorted(range(pieces), key=lambda n: -self._piece_depth(start, end, (n + 0.5) / pieces)):
            first, last = piece / pieces, (piece + 1) / pieces
            a, b = _between(start, end, first), _between(start, end, last)
            corners = np.array([(*a, building.height_m), (*b, building.height_m), (*b, 0.0), (*a, 0.0)])
            seen = self._big.project(corners)
            if seen[:, 2].min() < 1.0:
                continue
            box = (first * day.width, 0.0, last * day.width, float(day.height))
            source = np.array([(box[0], 0), (box[2], 0), (box[2], box[3]), (box[0], box[3])], float)
            depth = float(seen[:, 2].mean())
            self._warp(day, lit, source, seen[:, :2], depth=depth, tone=tone)

    def _piece_depth(self, start: tuple[float, float], end: tuple[float, float], share: float) -> float:
        return self._depth_of((*_between(start, end, share), 0.0))

    def _warp(
        self, day: Image.Image, lit: Image.Image, source: Floats, target: Floats, *, depth: float, tone: float
    ) -> None:
        low = np.maximum(np.floor(target.min(0)).astype(int), 0)
        high = np.minimum(np.ceil(target.max(0)).astype(int) + 1, (self._big.width, self._big.height))
        if (high <= low).any():
            return
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        coefficients = homography(source, target - low)
        mask = Image.new("L", size, 0)
        ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in target - low], fill=255)
        place = (int(low[0]), int(low[1]))
        wall = day.transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR)
        hazed = self._hazed(np.asarray(wall, np.float32) * tone, depth)
        self._image.paste(Image.fromarray(hazed), place, mask)
        glow = lit.transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR)
        self._light.paste(glow, place, mask)
        self._solid([(float(x), float(y)) for x, y in target], depth)

    @staticmethod
    def _hazed(rgb: NDArray[np.float32], depth: float) -> NDArray[np.uint8]:
        mixed = rgb + (_HAZE - rgb) * np.float32(1 - math.exp(-max(depth, 0) / 420))
        return np.clip(mixed, 0, 255).astype(np.uint8)

    def _colour(self, colour: Colour, depth: float, tone: float = 1.0) -> Colour:
        red, green, blue = self._hazed(np.array(colour, np.float32) * np.float32(tone), depth).tolist()
        return red, green, blue

    def _solid(self, outline: list[tuple[float, float]], depth: float) -> None:
        """Notes that a polygon (in the big picture) hides what is behind `depth`."""
        draw = ImageDraw.Draw(self._depth)
        draw.polygon([(x / self._factor - 0.5, y / self._factor - 0.5) for x, y in outline], fill=depth)

    def _polygon(self, outline: Floats, colour: Colour, depth: float) -> None:
        points = [(float(x), float(y)) for x, y in outline[:, :2]]
        ImageDraw.Draw(self._image).polygon(points, fill=colour)
        ImageDraw.Draw(self._light).polygon(points, fill=(0, 0, 0))
        self._solid(points, depth)

    def _box(self, box: Box) -> None:
        left, low, base = box.x_m, box.y_m, box.z_m
        right, high, top = left + box.width_m, low + box.depth_m, base + box.height_m
        camera = self._big.position_m
        faces: list[tuple[list[tuple[float, float, float]], float]] = []
        if camera[0] < left:
            faces.append(([(left, low, base), (left, high, base), (left, high, top), (left, low, top)], 1.0))
        if camera[0] > right:
            faces.append(([(right, low, base), (right, high, base), (right, high, top), (right, low, top)], 0.7))
        faces.append(([(left, low, base), (right, low, base), (right, low, top), (left, low, top)], 0.88))
        if camera[2] > top:
            faces.append(([(left, low, top), (right, low, top), (right, high, top), (left, high, top)], 1.15))
        for corners, tone in faces:
            seen = self._big.project(np.array(corners))
            if seen[:, 2].min() > 1:
                depth = float(seen[:, 2].mean())
                self._polygon(seen, self._colour(box.colour, depth, tone), depth)

    def _post(self, x: float, y: float, height: float, *, width_m: float, colour: Colour, depth: float) -> None:
        half = width_m / 2
        corners = np.array(
            [(x - half, y, 0), (x + half, y, 0), (x + half * 0.7, y, height), (x - half * 0.7, y, height)]
        )
        self._polygon(self._big.project(corners), self._colour(colour, depth), depth)

    def _tree(self, tree: Tree, depth: float) -> None:
        pick = random.Random(tree.look)
        self._post(tree.x_m, tree.y_m, tree.height_m * 0.5, width_m=0.28, colour=(84, 72, 60), depth=depth)
        draw, light, hide = (ImageDraw.Draw(image) for image in (self._image, self._light, self._depth))
        green = pick.choice(((70, 88, 50), (82, 96, 54), (62, 84, 58), (96, 100, 58)))
        crown_m, middle_m = tree.height_m * 0.30, tree.height_m * 0.70
        blobs = []
        for _ in range(min(260, int(2600 / max(depth, 8)) + 60)):
            x, y, z = (pick.gauss(0, 0.45) for _ in range(3))
            size = crown_m * pick.uniform(0.10, 0.24)
            blobs.append((y, x * crown_m, max(-0.9, z) * crown_m * 1.1, size))
        for near, across, above, size in sorted(blobs, reverse=True):
            # Leaves are lit from above and from the sun's side, and dark inside.
            tone = 0.72 + 0.26 * above / crown_m - 0.16 * across / crown_m * np.sign(-self.sun[0]) - 0.12 * near
            colour = self._colour(green, depth, float(np.clip(tone + pick.uniform(-0.16, 0.16), 0.3, 1.5)))
            spot = self._big.project(np.array([(tree.x_m + across, tree.y_m, middle_m + above)]))[0]
            edge = size * self._big.focal_px / spot[2]
            oval = (spot[0] - edge, spot[1] - edge * 0.8, spot[0] + edge, spot[1] + edge * 0.8)
            draw.ellipse(oval, fill=colour)
            light.ellipse(oval, fill=(0, 0, 0))
            hide.ellipse([value / self._factor - 0.5 for value in oval], fill=depth)

    def _lamp(self, lamp: Lamp, depth: float) -> None:
        self._post(lamp.x_m, lamp.y_m, lamp.height_m, width_m=0.18, colour=(92, 96, 98), depth=depth)
        tip = lamp.x_m + lamp.arm_m
        reach = max(abs(lamp.arm_m), 0.3) * (1 if lamp.arm_m >= 0 else -1)
        base = lamp.x_m if lamp.arm_m else lamp.x_m - 0.3
        z = lamp.height_m
        arm = np.array([(base, lamp.y_m, z - 0.1), (base + reach, lamp.y_m, z + 0.1),
                        (base + reach, lamp.y_m, z + 0.2), (base, lamp.y_m, z + 0.02)])  # fmt: skip
        self._polygon(self._big.project(arm), self._colour((92, 96, 98), depth), depth)
        head = np.array([(tip - 0.35, lamp.y_m, z + 0.02), (tip + 0.35, lamp.y_m, z + 0.02),
                         (tip + 0.3, lamp.y_m, z + 0.22), (tip - 0.3, lamp.y_m, z + 0.22)])  # fmt: skip
        seen = self._big.project(head)
        self._polygon(seen, self._colour((150, 152, 150), depth), depth)
        points = [(float(x), float(y)) for x, y in seen[:, :2]]
        ImageDraw.Draw(self._light).polygon(points, fill=(255, 226, 170))

    def _head(self, head: SignalHead, depth: float) -> None:
        self._post(head.x_m, head.y_m, HEAD_HEIGHT_M, width_m=0.14, colour=(70, 74, 76), depth=depth)
        z = HEAD_HEIGHT_M
        case = np.array(
            [(head.x_m + dx, head.y_m, z + dz) for dx, dz in ((-0.2, -0.5), (0.2, -0.5), (0.2, 0.55), (-0.2, 0.55))]
        )
        self._polygon(self._big.project(case), (34, 36, 38), depth)

    def _through_lens(self, image: Image.Image) -> NDArray[np.uint8]:
        """Down to the sensor's pixels, with a lens that is a little soft and darker at its edge."""
        small = image.reduce(self._factor).filter(ImageFilter.GaussianBlur(0.35 * self._lens.height / 360))
        dimmed: NDArray[np.float32] = np.asarray(small, np.float32) * self._vignette()
        return np.clip(dimmed, 0, 255).astype(np.uint8)

    def _vignette(self) -> NDArray[np.float32]:
        y, x = np.linspace(-1, 1, self._lens.height)[:, None], np.linspace(-1, 1, self._lens.width)
        return (1 - 0.13 * (x**2 + y**2) ** 1.5 / 2).astype(np.float32)[..., None]

    def _darkened(self) -> NDArray[np.uint8]:
        """The same picture at night: faint sky light, street lamps, lit windows and their glow."""
        light = self._light.reduce(self._factor)
        scale = self._lens.height / 360
        glow = ImageChops.add(
            light.filter(ImageFilter.GaussianBlur(2 * scale)), light.filter(ImageFilter.GaussianBlur(9 * scale))
        )
        points, is_sky = self._world()
        lamps = self.lamplight(points).reshape(self.day.shape[:2])
        lamps[is_sky] = 0
        level = _NIGHT_AMBIENT + lamps[..., None] * _LAMP_COLOUR * 0.72
        night = self.day * level
        night[is_sky] = night[is_sky] * 0.7 + np.array((8, 9, 14), np.float32)
        night += np.asarray(light, np.float32) * 0.62 + np.asarray(glow, np.float32) * 0.42
        return np.clip(night, 0, 255).astype(np.uint8)

    def _world(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Where each pixel is in the world, and whether it is sky."""
        lens = self._lens
        x, y = np.meshgrid(np.arange(lens.width) + 0.5, np.arange(lens.height) + 0.5)
        rays = np.stack(
            [(x - lens.width / 2) / lens.focal_px, (y - lens.height / 2) / lens.focal_px, np.ones_like(x)], -1
        )
        world = rays @ lens.axes
        reach = np.where(world[..., 2] < -1e-3, -lens.position_m[2] / np.minimum(world[..., 2], -1e-3), _FAR_M)
        depth = np.minimum(reach, self.depth_m)
        return (np.asarray(lens.position_m) + world * depth[..., None]).reshape(-1, 3), depth > 1e4


def _between(start: tuple[float, float], end: tuple[float, float], share: float) -> tuple[float, float]:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
