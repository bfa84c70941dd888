"""The ground seen from above: materials, wear, markings and the shadows of what stands on it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from civicam.city.scene import Building, Point, Scene

_PALETTE: dict[str, tuple[int, int, int]] = {
    "soil": (124, 116, 100),
    "asphalt": (92, 93, 95),
    "track": (82, 83, 85),
    "pavement": (150, 146, 138),
    "kerb": (172, 170, 164),
    "grass": (86, 104, 58),
    "plaza": (164, 158, 147),
    "plaza_dark": (132, 118, 106),
    "water": (88, 116, 124),
    "marking": (205, 205, 200),
    "zebra": (208, 208, 203),
    "thin": (176, 176, 172),
}
_NAMES = list(_PALETTE)
_SLAB_M = {"pavement": 0.75, "plaza": 1.5, "plaza_dark": 0.75}
_ROAD = ("asphalt", "track")
_WORN = ("marking", "zebra", "thin")

Rng = np.random.Generator


def soft_noise(shape: tuple[int, int], grain: int, rng: Rng) -> NDArray[np.float32]:
    """Smooth noise from -1 to 1 whose spots are about `grain` pixels wide."""
    rows, columns = (max(2, size // grain + 2) for size in shape)
    coarse = Image.fromarray(rng.integers(0, 256, (rows, columns), dtype=np.uint8))
    fine = coarse.resize((columns * grain, rows * grain), Image.Resampling.BICUBIC)
    return np.asarray(fine, np.float32)[: shape[0], : shape[1]] / 127.5 - 1


class GroundMap:
    """The ground of a scene as one picture, its first row farthest away.

    Attributes:
        image: the picture.
        shade: one channel: 0 in the sun, 255 in the shadow of something that stands.
        px_per_m: its scale.
    """

    def __init__(self, scene: Scene, px_per_m: int, shadow_per_m: tuple[float, float], sun: float, rng: Rng) -> None:
        self.px_per_m = px_per_m
        self._left, _, right, self._top = scene.extent_m
        self.size = (round((right - self._left) * px_per_m), round((self._top - scene.extent_m[1]) * px_per_m))
        self.shade = self._shadows(scene, shadow_per_m)
        self._shaded: NDArray[np.uint8] = np.asarray(self.shade)
        self.image = Image.fromarray(self._paint(self._materials(scene), sun, rng))

    def pixel(self, x_m: float, y_m: float) -> Point:
        """Where a place in the world is in the picture."""
        return (x_m - self._left) * self.px_per_m, (self._top - y_m) * self.px_per_m

    def corners(self) -> NDArray[np.float64]:
        """The picture's corners: 4 rows of x px, y px, x m, y m."""
        width, height = self.size
        left, top, scale = self._left, self._top, self.px_per_m
        rows = [
            (x, y, left + x / scale, top - y / scale) for x, y in ((0, 0), (width, 0), (width, height), (0, height))
        ]
        return np.array(rows, float)

    def shade_at(self, x_m: float, y_m: float) -> float:
        """0 in the sun, 1 in the shadow of something that stands."""
        x, y = self.pixel(x_m, y_m)
        if not (0 <= x < self.size[0] and 0 <= y < self.size[1]):
            return 0.0
        return float(self._shaded[int(y), int(x)]) / 255

    def _materials(self, scene: Scene) -> NDArray[np.uint8]:
        image = Image.new("L", self.size, _NAMES.index("soil"))
        draw = ImageDraw.Draw(image)
        for patch in scene.patches:
            draw.polygon([self.pixel(x, y) for x, y in patch.points_m], fill=_NAMES.index(patch.material))
        return np.asarray(image)

    def _paint(self, materials: NDArray[np.uint8], sun: float, rng: Rng) -> NDArray[np.uint8]:
        shape = materials.shape
        scale = self.px_per_m
        rough = soft_noise((shape[0], shape[1]), scale * 6, rng) * 0.06
        rough += soft_noise((shape[0], shape[1]), scale, rng) * 0.035
        rough += soft_noise((shape[0], shape[1]), 2, rng) * 0.05
        is_road = self._is(materials, _ROAD)
        rough -= np.where(is_road, self._stains(rng), 0)
        for name, slab_m in _SLAB_M.items():
            rough += np.where(self._is(materials, (name,)), self._slabs(slab_m, rng), 0)
        rough *= 1 + self._is(materials, ("grass",)) * 1.5
        rgb = np.array([_PALETTE[name] for name in _NAMES], np.float32)[materials]
        wear = np.clip(0.25 + soft_noise((shape[0], shape[1]), scale // 2 + 1, rng) * 0.35, 0.05, 0.75)
        worn = self._is(materials, _WORN)[..., None]
        rgb = np.where(worn, rgb + (np.array(_PALETTE["asphalt"], np.float32) - rgb) * wear[..., None], rgb)
        dark = 1 - np.asarray(self.shade, np.float32) / 255 * 0.45 * sun
        return np.clip(rgb * ((1 + rough) * dark)[..., None], 0, 255).astype(np.uint8)

    @staticmethod
    def _is(materials: NDArray[np.uint8], names: tuple[str, ...]) -> NDArray[np.bool_]:
        table = np.array([name in names for name in _NAMES])
        found: NDArray[np.bool_] = table[materials]
        return found

    def _stains(self, rng: Rng) -> NDArray[np.float32]:
        """Oil, tar seams, mended patches and manholes, as how much darker they are."""
        image = Image.new("L", self.size, 0)
        draw = ImageDraw.Draw(image)
        width, height = self.size
        scale = self.px_per_m
        for x, y, size, kind in zip(
            rng.uniform(0, width, 900), rng.uniform(0, height, 900), rng.gamma(2, 0.3, 900), range(900), strict=True
        ):
            edge = size * scale
            if kind % 9 == 0:
                draw.rectangle((x, y, x + edge * 2, y + edge * 4), fill=22)
            elif kind % 9 == 1:
                draw.ellipse((x, y, x + 0.7 * scale, y + 0.7 * scale), fill=70)
            elif kind % 9 < 4:
                steps = rng.normal(0, scale * 0.6, (9, 2)) + rng.normal(0, scale * 0.4, 2)
                points = np.cumsum(steps, axis=0) + np.array((x, y))
                draw.line([(float(a), float(b)) for a, b in points], fill=48, width=max(1, scale // 14))
            else:
                draw.ellipse((x, y, x + edge, y + edge * 1.6), fill=18)
        return np.asarray(image.filter(ImageFilter.BoxBlur(1)), np.float32) / np.float32(255)

    def _slabs(self, slab_m: float, rng: Rng) -> NDArray[np.float32]:
        """Joints between slabs, and slabs that are not all alike."""
        width, height = self.size
        step = max(4, round(slab_m * self.px_per_m))
        tones = rng.normal(0, 0.025, (height // step + 1, width // step + 1)).astype(np.float32)
        slabs = tones.repeat(step, 0).repeat(step, 1)[:height, :width].copy()
        joint = max(1, self.px_per_m // 16)
        for offset in range(joint):
            slabs[offset::step, :] -= 0.10
            slabs[:, offset::step] -= 0.10
        return slabs

    def _shadows(self, scene: Scene, per_m: tuple[float, float]) -> Image.Image:
        image = Image.new("L", self.size, 0)
        draw = ImageDraw.Draw(image)
        for building in scene.buildings:
            for wall in _shadow_of(building, per_m):
                draw.polygon([self.pixel(x, y) for x, y in wall], fill=255)
        for tree in scene.trees:
            for share in (0.55, 0.75, 0.9):
                radius = tree.height_m * 0.24 * (1.35 - abs(share - 0.7))
                x, y = self.pixel(
                    tree.x_m + per_m[0] * tree.height_m * share, tree.y_m + per_m[1] * tree.height_m * share
                )
                edge = radius * self.px_per_m
                draw.ellipse((x - edge, y - edge, x + edge, y + edge), fill=225)
            foot, top = self.pixel(tree.x_m, tree.y_m), (tree.x_m + per_m[0] * 3, tree.y_m + per_m[1] * 3)
            draw.line([foot, self.pixel(*top)], fill=225, width=max(1, self.px_per_m // 4))
        for lamp in scene.lamps:
            top = (lamp.x_m + per_m[0] * lamp.height_m, lamp.y_m + per_m[1] * lamp.height_m)
            draw.line([self.pixel(lamp.x_m, lamp.y_m), self.pixel(*top)], fill=200, width=max(1, self.px_per_m // 8))
        for box in scene.boxes:
            base = Building(box.x_m, box.y_m, box.width_m, box.depth_m, box.z_m + box.height_m, 0)
            for wall in _shadow_of(base, per_m):
                draw.polygon([self.pixel(x, y) for x, y in wall], fill=255)
        return image.filter(ImageFilter.BoxBlur(self.px_per_m // 10))


def _shadow_of(building: Building, per_m: tuple[float, float]) -> list[tuple[Point, ...]]:
    """The shadows of a box's four walls and its top, as polygons on the ground."""
    left, low = building.x_m, building.y_m
    right, high = left + building.width_m, low + building.depth_m
    corners = [(left, low), (right, low), (right, high), (left, high)]
    moved = [(x + per_m[0] * building.height_m, y + per_m[1] * building.height_m) for x, y in corners]
    walls = [(corners[turn], corners[(turn + 1) % 4], moved[(turn + 1) % 4], moved[turn]) for turn in range(4)]
    return [*walls, tuple(moved)]
