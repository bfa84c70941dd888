"""A place without a camera: a textured wall, noise, and boxes that stand for people and cars."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from civicam.redaction.picture import Picture

Box = tuple[int, int, int, int]
Luma = NDArray[np.floating]


@dataclass
class Place:
    """Gives pictures of a place at a time.

    Attributes:
        width: luma pixels.
        height: luma pixels.
        noise: standard deviation of luma.
        start_s: when the first picture is taken.
    """

    width: int = 320
    height: int = 180
    noise: float = 2.0
    seed: int = 1
    start_s: float = 1_700_000_000.0
    _rng: np.random.Generator = field(init=False)
    _wall: Luma = field(init=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        tiles = self._rng.integers(60, 190, (self.height // 24 + 4, self.width // 24 + 4))
        self._wall = soft(np.kron(tiles, np.ones((24, 24))))

    def picture(
        self,
        at_s: float,
        *boxes: Box,
        luma: int = 25,
        gain: float = 1.0,
        offset: float = 0.0,
        shift: tuple[int, int] = (0, 0),
    ) -> Picture:
        """A picture with boxes (left, top, right, bottom) of one luma, in some light, from a camera that swings."""
        down, right = shift
        wall = self._wall[12 + down : 12 + down + self.height, 12 + right : 12 + right + self.width].copy()
        for left, top, right_, bottom in boxes:
            wall[top:bottom, left:right_] = luma
        seen = wall * gain + offset + self._rng.normal(0, self.noise, wall.shape)
        y = np.clip(np.rint(seen), 16, 235).astype(np.uint8)
        u, v = (np.full((self.height // 2, self.width // 2), value, np.uint8) for value in (118, 134))
        return Picture(y, u, v, round(at_s * 90_000), round((self.start_s + at_s) * 1e9), True)


def soft(wall: Luma) -> Luma:
    """As a lens and a sensor's filter give it."""
    for axis in (0, 1):
        wall = np.mean([np.roll(wall, by, axis) for by in (-2, -1, 0, 1, 2)], axis=0)
    return wall
