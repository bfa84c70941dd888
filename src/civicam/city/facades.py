"""The fronts of buildings: walls, rows of windows, shops below; by day and with lit windows by night."""

import random

import numpy as np
from PIL import Image, ImageDraw

from civicam.city.ground import soft_noise

_WALLS = (
    (186, 172, 150), (170, 160, 146), (196, 186, 168), (158, 142, 124), (176, 148, 122),
    (150, 152, 152), (190, 176, 156), (164, 128, 106), (178, 180, 176),
)  # fmt: skip
_SIGNS = ((150, 48, 44), (40, 84, 136), (36, 108, 84), (176, 132, 44), (90, 62, 110), (60, 60, 66))
_LIT = ((255, 206, 132), (255, 222, 168), (236, 232, 214), (255, 190, 110))
Colour = tuple[int, int, int]


def facade(width_m: float, height_m: float, look: int, px_per_m: int) -> tuple[Image.Image, Image.Image]:
    """Returns a front of that size by day, and the light that its windows give at night."""
    rng = random.Random(look)
    size = (max(8, round(width_m * px_per_m)), max(8, round(height_m * px_per_m)))
    wall = _WALLS[look % len(_WALLS)]
    day, lit = Image.new("RGB", size, wall), Image.new("RGB", size, 0)
    front = _Front(ImageDraw.Draw(day), ImageDraw.Draw(lit), size, scale=px_per_m, wall=wall, rng=rng)
    front.floors()
    front.shops()
    front.top()
    return _weathered(day, look), lit


class _Front:
    """One front while it is drawn."""

    def __init__(
        self,
        day: ImageDraw.ImageDraw,
        lit: ImageDraw.ImageDraw,
        size: tuple[int, int],
        *,
        scale: int,
        wall: Colour,
        rng: random.Random,
    ) -> None:
        self._day, self._lit, self._size, self._scale, self._wall, self._rng = day, lit, size, scale, wall, rng
        self._floor_px = scale * rng.uniform(2.9, 3.3)
        self._ground_px = scale * 3.8
        self._bay_px = scale * rng.uniform(2.5, 3.4)
        self._window = (rng.uniform(0.38, 0.58), rng.uniform(0.46, 0.58))
        self._balconies = rng.random() < 0.4
        self._share_lit = rng.uniform(0.12, 0.4)

    def floors(self) -> None:
        """Windows, floor by floor, and the band between floors."""
        width, height = self._size
        bays = max(1, int(width / self._bay_px))
        margin = (width - bays * self._bay_px) / 2
        bottom = height - self._ground_px
        while bottom - self._floor_px > self._scale * 0.4:
            self._day.rectangle((0, bottom - 2, width, bottom), fill=_times(self._wall, 0.86))
            for bay in range(bays):
                self._pane(margin + bay * self._bay_px, bottom, bay % 3 == 1)
            bottom -= self._floor_px

    def _pane(self, left: float, bottom: float, may_have_balcony: bool) -> None:
        wide, high = self._window[0] * self._bay_px, self._window[1] * self._floor_px
        x, y = left + (self._bay_px - wide) / 2, bottom - self._floor_px * 0.28 - high
        frame = max(1.0, self._scale * 0.08)
        self._day.rectangle((x - frame, y - frame, x + wide + frame, y + high + frame), fill=_times(self._wall, 1.13))
        glass = self._rng.choice(((52, 62, 72), (64, 76, 88), (44, 50, 58), (86, 98, 108)))
        self._day.rectangle((x, y, x + wide, y + high), fill=glass)
        self._day.rectangle((x, y, x + wide, y + high * 0.3), fill=_times(glass, 0.7))
        if self._rng.random() < 0.35:
            curtain = self._rng.uniform(0.2, 0.5)
            self._day.rectangle((x, y, x + wide * curtain, y + high), fill=_times((158, 152, 142), 0.9))
        if self._rng.random() < self._share_lit:
            colour = _times(self._rng.choice(_LIT), self._rng.uniform(0.45, 0.95))
            self._lit.rectangle((x, y, x + wide, y + high), fill=colour)
        self._day.line((x + wide / 2, y, x + wide / 2, y + high), fill=_times(self._wall, 1.05), width=int(frame))
        if self._balconies and may_have_balcony:
            self._day.rectangle((x - wide * 0.3, bottom - self._floor_px * 0.34, x + wide * 1.3, bottom - 2),
                                fill=_times(self._wall, 0.74))  # fmt: skip
        elif self._rng.random() < 0.12:  # an air conditioner
            edge = self._scale * 0.6
            self._day.rectangle((x + wide + frame, y + high * 0.5, x + wide + edge, y + high), fill=(188, 188, 184))

    def shops(self) -> None:
        """The ground floor: shop windows, doors, signs."""
        width, height = self._size
        top = height - self._ground_px
        self._day.rectangle((0, top, width, height), fill=_times(self._wall, 0.7))
        left = self._scale * 0.5
        while left < width - self._scale * 2:
            wide = min(self._scale * self._rng.uniform(3, 6), width - left - self._scale * 0.4)
            sign = self._rng.choice(_SIGNS)
            self._day.rectangle((left, top + self._scale * 0.25, left + wide, top + self._scale * 0.95), fill=sign)
            self._letters(left, top + self._scale * 0.42, wide)
            window = (left, top + self._scale * 1.1, left + wide, height - self._scale * 0.35)
            self._day.rectangle(window, fill=(58, 64, 70))
            self._day.rectangle((*window[:3], window[1] + self._scale * 0.6), fill=(42, 46, 52))
            door = left + wide * self._rng.uniform(0.2, 0.7)
            self._day.rectangle((door, window[1], door + self._scale * 0.9, height), fill=(74, 70, 66))
            if self._rng.random() < 0.55:
                self._lit.rectangle(window, fill=_times(self._rng.choice(_LIT), 0.8))
                self._lit.rectangle((left, top + self._scale * 0.25, left + wide, top + self._scale * 0.95), fill=sign)
            left += wide + self._scale * self._rng.uniform(0.3, 1.6)

    def _letters(self, left: float, top: float, wide: float) -> None:
        """Blocks that read as lettering from afar; they say nothing."""
        x = left + wide * 0.15
        while x < left + wide * 0.8:
            edge = self._scale * self._rng.uniform(0.12, 0.3)
            self._day.rectangle((x, top, x + edge, top + self._scale * 0.34), fill=(226, 224, 216))
            x += edge + self._scale * 0.12

    def top(self) -> None:
        """The cornice, and the darker foot of the wall."""
        width, height = self._size
        self._day.rectangle((0, 0, width, self._scale * 0.35), fill=_times(self._wall, 1.1))
        self._day.rectangle((0, self._scale * 0.35, width, self._scale * 0.5), fill=_times(self._wall, 0.72))
        self._day.rectangle((0, height - self._scale * 0.3, width, height), fill=_times(self._wall, 0.5))


def _weathered(day: Image.Image, look: int) -> Image.Image:
    rng = np.random.default_rng(look)
    shape = (day.height, day.width)
    tone = 1 + soft_noise(shape, 48, rng) * 0.06 + soft_noise(shape, 6, rng) * 0.025
    tone *= np.linspace(1.03, 0.93, day.height, dtype=np.float32)[:, None]
    return Image.fromarray(np.clip(np.asarray(day, np.float32) * tone[..., None], 0, 255).astype(np.uint8))


def _times(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(value * factor)) for value in colour)
    return red, green, blue
