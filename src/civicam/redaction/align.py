"""How a picture lies over the learned scene: a small shift of the camera, and the light of all of it.

Gradient-based registration with a gain and an offset (after Lucas and Kanade 1981), least squares
over what fits, three rounds; and phase correlation (Kuglin and Hines 1975) for shifts that are too large for it.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from civicam.redaction.small import Float, SmallPicture

Bools: TypeAlias = NDArray[np.bool_]

_ROUNDS = 3
_LEAST_FITTING = 0.2
_POOL = 4
_MOST_LIGHT_SPREAD = 40.0
_CLEAR_PEAK = 0.08
_MOST_LUMA_CHANGE = 48.0
_RIDGE = np.diag([50.0, 50.0, 1.0, 1e-3])
"""Holds the solution where the scene has no edges to align."""
_ONES = np.ones(_POOL, np.float32)


@dataclass(frozen=True, slots=True)
class Alignment:
    """picture(p) = gain * scene(p + shift) + offset, for luma.

    Attributes:
        down: the shift in units.
        right: the same, to the right.
        gain: of luma.
        offset: of luma, in steps of 8 bits.
    """

    down: float = 0.0
    right: float = 0.0
    gain: float = 1.0
    offset: float = 0.0

    @property
    def is_shifted(self) -> bool:
        """More than a tenth of a unit."""
        return abs(self.down) > 0.1 or abs(self.right) > 0.1

    def light_change(self, luma: float) -> float:
        """By how much it changes that luma."""
        return (self.gain - 1) * luma + self.offset


class Registration:
    """Finds how pictures lie over one scene. What can be known of the scene alone is computed once.

    Args:
        scene: the scene's luma, by units.
    """

    def __init__(self, scene: Float) -> None:
        self._scene = scene[1:-1:2, 1:-1:2].copy()
        rows, columns = self._scene.shape
        down = (scene[2::2, 1:-1:2] - scene[:-2:2, 1:-1:2])[:rows, :columns] * 0.5
        right = (scene[1:-1:2, 2::2] - scene[1:-1:2, :-2:2])[:rows, :columns] * 0.5
        ones = np.ones(self._scene.size, np.float32)
        self._factors = np.stack([down.ravel(), right.ravel(), self._scene.ravel(), ones])

    def align(self, luma: Float, usable: Bools) -> Alignment:
        """Finds the shift by which a picture's luma lies over the scene's, by units; only `usable` units count.

        Gain and offset are fitted with it, so that they do not disturb it, and given up: `light` finds them better.
        """
        missing = (luma[1:-1:2, 1:-1:2] - self._scene).ravel()
        is_usable = usable[1:-1:2, 1:-1:2].ravel()
        weight = is_usable & (np.abs(missing) < _MOST_LUMA_CHANGE)
        found = Alignment()
        for _ in range(_ROUNDS):
            if np.count_nonzero(weight) < _LEAST_FITTING * weight.size:
                return Alignment()
            used = self._factors * weight
            matrix = (used @ self._factors.T).astype(np.float64) + _RIDGE
            solution = np.linalg.solve(matrix, (used @ missing).astype(np.float64))
            found = Alignment(float(solution[0]), float(solution[1]))
            if not found.is_shifted:  # a mount that stands still, as most do
                break
            left = np.abs(missing - solution.astype(np.float32) @ self._factors)
            weight = is_usable & (left < max(3.0, 2.5 * _median(left[weight])))
        return found


def light(luma: Float, scene: Float, usable: Bools) -> tuple[float, float]:
    """Gain and offset from the scene's luma to the picture's.

    Over squares of 4 by 4 units, since finer detail that is not quite in place looks like less contrast.
    """
    share = usable.astype(np.float32)
    weight = _squares(share)
    known = weight >= _POOL * _POOL / 2
    if np.count_nonzero(known) < _LEAST_FITTING * known.size:
        return 1.0, 0.0
    m, away = (_squares(plane * share)[known] / weight[known] for plane in (scene, luma - scene))
    fits = np.abs(away - _median(away)) < _MOST_LIGHT_SPREAD
    gain = offset = 0.0
    for _ in range(_ROUNDS):
        middle, middle_away = float(m[fits].mean()), float(away[fits].mean())
        spread = m[fits] - middle
        gain = float(spread @ (away[fits] - middle_away)) / (float(spread @ spread) + 100.0)
        offset = middle_away - gain * middle
        left = np.abs(away - gain * m - offset)
        fits = left <= max(1.0, 2.5 * _median(left))
    return 1 + gain, offset


def _median(values: Float) -> float:
    """The upper one of two in the middle; a tenth of the cost of `np.median`."""
    middle = values.size // 2
    return float(np.partition(values, middle)[middle])


def _squares(plane: Float) -> Float:
    """Sums of squares of `_POOL` by `_POOL`: rows are added, and the rest is a product, which NumPy does fastest."""
    rows, columns = (length // _POOL for length in plane.shape)
    strips = plane[: rows * _POOL, : columns * _POOL].reshape(rows, _POOL, columns * _POOL).sum(axis=1)
    sums: Float = (strips.reshape(-1, _POOL) @ _ONES).reshape(rows, columns)
    return sums


def correlate(luma: Float, scene: Float) -> tuple[int, int] | None:
    """The shift (down, right) in whole units by which a picture's luma lies over the scene's; None: none is clear."""
    window = np.hanning(luma.shape[0])[:, None] * np.hanning(luma.shape[1])[None, :]
    spectrum = np.fft.rfft2((scene - scene.mean()) * window) * np.conj(np.fft.rfft2((luma - luma.mean()) * window))
    peaks = np.fft.irfft2(spectrum / (np.abs(spectrum) + 1e-9), s=luma.shape)
    row, column = (int(at) for at in np.unravel_index(int(np.argmax(peaks)), peaks.shape))
    if peaks[row, column] < _CLEAR_PEAK:
        return None
    rows, columns = peaks.shape
    return (row + rows // 2) % rows - rows // 2, (column + columns // 2) % columns - columns // 2


def moved(plane: Float, down: float, right: float) -> Float:
    """Returns plane(p - shift), with linear interpolation; beyond the edges it goes on as its last pixels."""
    return _moved(_moved(plane, down, 0), right, 1)


def shifted(small: SmallPicture, down: float, right: float) -> SmallPicture:
    """Returns a picture laid over the scene that it is shifted from, by units."""
    fine = moved(small.fine, 2 * down, 2 * right)
    return SmallPicture(fine, np.stack([moved(plane, down, right) for plane in small.coarse]))


def _moved(plane: Float, by: float, axis: int) -> Float:
    if abs(by) < 0.02:
        return plane
    length = plane.shape[axis]
    whole = int(np.floor(by))
    share = np.float32(by - whole)
    at = np.arange(length) - whole
    near = plane.take(np.clip(at, 0, length - 1), axis)
    if share < 0.02:
        return near
    far = plane.take(np.clip(at - 1, 0, length - 1), axis)
    far -= near
    far *= share
    near += far
    return near
