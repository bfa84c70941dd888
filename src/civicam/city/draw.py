"""A scene's frames: the backdrop, then its objects from far to near, then weather, sensor and barcode."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from civicam.city.backdrop import HEAD_HEIGHT_M, Backdrop
from civicam.city.barcode import draw_barcode, strip_box
from civicam.city.conditions import DAY, Conditions
from civicam.city.picture import Picture, from_rgb
from civicam.city.pinhole import Pinhole
from civicam.city.scene import Scene
from civicam.city.scene_kinds import make_scene
from civicam.city.sprites import Cutout, Light, Sprite, SpriteMaker
from civicam.city.traffic import State, simulate

_LAMP_COLOURS = {"red": (255, 52, 40), "amber": (255, 176, 40), "green": (64, 236, 150)}
_LAMPS_ON_BELOW = 0.5
_NIGHT_ACTOR = (0.16, 0.165, 0.19)
_LAMP_TINT = (1.0, 0.82, 0.56)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame and what is in it.

    Attributes:
        number: from 0 within the loop.
        picture: what the camera delivers.
        ids: rows by columns: which object (by its id) each pixel shows, 0 for none.
        states: every object of the scene, seen or not.
    """

    number: int
    picture: Picture
    ids: NDArray[np.uint16]
    states: list[State]


class Renderer:
    """Draws the frames of one loop. The same arguments give the same pixels (with the same numpy, Pillow and libav).

    Args:
        kind: `crossroads`, `street` or `square`.
        seed: everything that chance decides.
        width: pixels.
        height: pixels.
        fps: frames a second.
        frames: the loop's length.
        conditions: light, weather, mount.
        barcode: whether each frame carries its number.
        with_objects: False leaves the place empty (for tests: what every other pixel must look like).
        alter: changes the place before it is drawn: who stands where, what drives off.
        traffic_seed: who drives and walks by; None: `seed` decides that, too.

    Raises:
        CityError: there is no such kind of scene.
    """

    def __init__(
        self,
        kind: str,
        seed: int,
        *,
        width: int,
        height: int,
        fps: float,
        frames: int,
        conditions: Conditions = DAY,
        barcode: bool = True,
        with_objects: bool = True,
        alter: Callable[[Scene], None] | None = None,
        traffic_seed: int | None = None,
    ) -> None:
        self.scene: Scene = make_scene(kind, random.Random(seed))
        if alter is not None:
            alter(self.scene)
        self.seed, self.fps, self.frames, self.conditions = seed, fps, frames, conditions
        mount = self.scene.mount
        self.lens = Pinhole(width, height, mount.position_m, mount.yaw_deg, mount.pitch_deg, mount.fov_deg)
        self._backdrop = Backdrop(self.scene, self.lens, seed, conditions.sun)
        self._maker = SpriteMaker(self.lens, self._backdrop.sun, self._backdrop.shadow_per_m)
        self._sensor = _Sensor(width, height, seed, conditions)
        self._barcode, self._with_objects = barcode, with_objects
        self._states = simulate(
            self.scene.lanes,
            self.scene.signals,
            self.scene.standing,
            fps=fps,
            frames=frames,
            rng=random.Random((seed if traffic_seed is None else traffic_seed) + 1),
        )
        self._kept: dict[int, tuple[tuple[float, ...], Sprite | None]] = {}
        self._lit: tuple[float, NDArray[np.uint8]] | None = None

    def frame(self, number: int) -> Frame:
        """Returns frame `number`, 0 to `frames` - 1; frames may be asked for in any order."""
        states = self._states[number]
        light = round(self.conditions.light_at(number / self.frames), 2)  # in steps, so that what stands is kept
        canvas = self._background(light).copy()
        ids = np.zeros(canvas.shape[:2], np.uint16)
        layers = [(sprite, state.id) for state in states if (sprite := self._sprite(state, light)) is not None]
        if not self._with_objects:
            layers = []
        for sprite, _ in layers:
            if sprite.shadow is not None:
                self._cast(canvas, sprite.shadow, sprite.depth_m, light)
        layers.extend((head, 0) for head in self._signal_lamps(number))
        layers.sort(key=lambda layer: -layer[0].depth_m)
        for sprite, identity in layers:
            if sprite.body is not None:
                self._put(canvas, ids, sprite.body, sprite.depth_m, identity)
        for sprite, _ in layers:
            if sprite.glow is not None:
                self._shine(canvas, sprite.glow, sprite.depth_m, 1 - light)
        canvas, ids = self._sensor.shaken(canvas, ids, number, number / self.frames)
        picture = from_rgb(self._sensor.rained(canvas, number))
        self._sensor.add_noise(picture, number, light)
        if self._barcode:
            draw_barcode(picture.luma, number)
            left, top, right, bottom = strip_box(self.lens.height)
            ids[top:bottom, left:right] = 0
        return Frame(number, picture, ids, states)

    def _background(self, light: float) -> NDArray[np.uint8]:
        if self._lit is None or self._lit[0] != light:
            backdrop = self._backdrop
            mixed = Image.blend(Image.fromarray(backdrop.night), Image.fromarray(backdrop.day), light)
            self._lit = light, np.asarray(mixed)
        return self._lit[1]

    def _sprite(self, state: State, light: float) -> Sprite | None:
        """Draws an object, unless it looks as it did last time."""
        pose = (state.x_m, state.y_m, state.heading_deg, state.travelled_m, state.speed_m_s, light)
        kept = self._kept.get(state.id)
        if kept is not None and kept[0] == pose:
            return kept[1]
        sprite = self._maker.make(state, self._light_on(state, light))
        self._kept[state.id] = pose, sprite
        return sprite

    def _light_on(self, state: State, light: float) -> Light:
        lamps = self._backdrop.lamplight_at(state.x_m, state.y_m) * 0.72 if light < 1 else 0.0
        shade = self._backdrop.shade_at(state.x_m, state.y_m)
        day = 1 - 0.42 * shade
        level = [
            day * light + (night + lamps * tint) * (1 - light)
            for night, tint in zip(_NIGHT_ACTOR, _LAMP_TINT, strict=True)
        ]
        sun = self.conditions.sun * light * (1 - shade)
        is_parked = state.id <= len(self.scene.standing)
        return Light((level[0], level[1], level[2]), sun, light < _LAMPS_ON_BELOW and not is_parked)

    def _visible(self, cutout: Cutout, depth_m: float) -> NDArray[np.bool_]:
        visible: NDArray[np.bool_] = self._backdrop.depth_m[cutout.window] > depth_m
        return visible

    def _cast(self, canvas: NDArray[np.uint8], shadow: Cutout, depth_m: float, light: float) -> None:
        strength = 0.28 + 0.22 * self.conditions.sun * light
        dark = 255 - (shadow.pixels * self._visible(shadow, depth_m) * strength).astype(np.uint16)
        view = canvas[shadow.window]
        view[...] = (view * dark[..., None] // 255).astype(np.uint8)

    def _put(
        self, canvas: NDArray[np.uint8], ids: NDArray[np.uint16], body: Cutout, depth_m: float, identity: int
    ) -> None:
        pixels = body.pixels * self._visible(body, depth_m)[..., None]
        alpha = pixels[..., 3]
        view = canvas[body.window]
        rest = (255 - alpha).astype(np.uint16)[..., None]
        view[...] = (pixels[..., :3] + view * rest // 255).clip(0, 255).astype(np.uint8)
        ids[body.window][alpha > 127] = identity

    def _shine(self, canvas: NDArray[np.uint8], glow: Cutout, depth_m: float, strength: float) -> None:
        view = canvas[glow.window]
        # A halo reaches over what stands a little nearer than the lamp, not over what hides the lamp.
        seen = self._visible(glow, depth_m - 3)[..., None]
        view[...] = np.minimum(view + (glow.pixels * seen * strength).astype(np.uint16), 255).astype(np.uint8)

    def _signal_lamps(self, number: int) -> list[Sprite]:
        scene = self.scene
        if not scene.heads:
            return []
        loop_s = self.frames / self.fps
        cycles = max(1, round(loop_s / 30.0))
        phase = number / self.frames * cycles % 1
        sprites = []
        for head in scene.heads:
            if not head.faces_camera:
                continue
            colour = scene.signals.colour(head.group, phase)
            height = HEAD_HEIGHT_M + {"red": 0.35, "amber": 0.03, "green": -0.3}[colour]
            x, y, depth = self.lens.project(np.array([(head.x_m, head.y_m, height)]))[0]
            sprites.append(_disc(float(x), float(y), float(depth), self.lens, _LAMP_COLOURS[colour]))
        return [sprite for sprite in sprites if sprite is not None]


def _disc(x: float, y: float, depth: float, lens: Pinhole, colour: tuple[int, int, int]) -> Sprite | None:
    """A signal's lamp with a small halo, just nearer than its case."""
    radius = max(0.9, 0.14 * lens.focal_px / depth)
    reach = math.ceil(radius * 2.5)
    left, top = round(x) - reach, round(y) - reach
    if left < 0 or top < 0 or left + 2 * reach >= lens.width or top + 2 * reach >= lens.height:
        return None
    rows, columns = np.mgrid[top : top + 2 * reach + 1, left : left + 2 * reach + 1]
    away = np.hypot(columns + 0.5 - x, rows + 0.5 - y) / radius
    alpha = np.clip(np.where(away < 1, 1.0, 0.45 * np.exp(-(away - 1) * 2)), 0, 1)
    pixels = np.concatenate([alpha[..., None] * colour, alpha[..., None] * 255], axis=-1)
    return Sprite(depth - 0.2, Cutout(left, top, pixels.astype(np.uint8)))


class _Sensor:
    """Noise, rain and the mount's swing; noise and rain come from a pool of tiles at random places."""

    _SPARE = 64

    def __init__(self, width: int, height: int, seed: int, conditions: Conditions) -> None:
        self._width, self._height, self._seed, self._conditions = width, height, seed, conditions
        rng = np.random.default_rng([seed, 2])
        shape = (height + self._SPARE, width + self._SPARE)
        field = rng.standard_normal((4, *shape), dtype=np.float32)
        # Neighbours share some noise, as a sensor behind a colour filter gives it.
        field = field * 0.8 + np.roll(field, 1, axis=2) * 0.45 + np.roll(field, 1, axis=1) * 0.4
        self._pool = {
            level: np.clip(np.rint(field * conditions.noise * level), -60, 60).astype(np.int16) for level in (1.0, 2.0)
        }
        self._streaks = self._rain_tile(rng) if conditions.rain > 0 else None

    def _rain_tile(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        height, width = self._height + self._SPARE, self._width + self._SPARE
        tile = np.zeros((height, width), np.float32)
        count = int(width * height / 900 * self._conditions.rain)
        scale = self._height / 360
        for x, y, length, level in zip(
            rng.integers(0, width, count), rng.integers(0, height, count), rng.gamma(4, 3.0 * scale, count),
            rng.uniform(8, 34, count), strict=True,
        ):  # fmt: skip
            rows = np.arange(y, min(height, y + int(length) + 2))
            tile[rows, (x + (rows - y) // 7) % width] += level
        return np.clip(tile, 0, 90).astype(np.uint8)

    def _corner(self, number: int, salt: int) -> tuple[int, int, int]:
        rng = np.random.default_rng([self._seed, number, salt])
        top, left, tile = rng.integers(0, (self._SPARE, self._SPARE, 4))
        return int(top), int(left), int(tile)

    def shaken(
        self, canvas: NDArray[np.uint8], ids: NDArray[np.uint16], number: int, progress: float
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Moves the picture as a swinging mount does: whole pixels, back where it was at the loop's end."""
        reach = self._conditions.shake_px * self._height / 360
        if reach == 0:
            return canvas, ids
        down = round(reach * 0.7 * math.sin(math.tau * progress * 60 + 1))
        right = round(reach * math.sin(math.tau * progress * 36))
        rows = np.clip(np.arange(self._height) + down, 0, self._height - 1)[:, None]
        columns = np.clip(np.arange(self._width) + right, 0, self._width - 1)[None, :]
        return canvas[rows, columns], ids[rows, columns]

    def rained(self, canvas: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
        """Adds streaks of rain."""
        if self._streaks is None:
            return canvas
        top, left, _ = self._corner(number, 1)
        streaks = self._streaks[top : top + self._height, left : left + self._width, None]
        return canvas + np.minimum(streaks, 255 - canvas)

    def add_noise(self, picture: Picture, number: int, light: float) -> None:
        """Adds the sensor's noise to `picture`, in place."""
        if self._conditions.noise <= 0:
            return
        top, left, tile = self._corner(number, 0)
        field = self._pool[1.0 if light > _LAMPS_ON_BELOW else 2.0][tile]
        luma = field[top : top + self._height, left : left + self._width] + picture.luma
        np.clip(luma, 16, 235, out=picture.luma, casting="unsafe")
        for plane, shift in ((picture.blue, 7), (picture.red, 23)):
            rows, columns = plane.shape
            noise = field[shift : shift + rows, left : left + columns] // 2
            np.clip(noise + plane, 16, 240, out=plane, casting="unsafe")
