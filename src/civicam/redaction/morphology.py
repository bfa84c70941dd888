"""Neighbourhoods of masks, each as a few shifted operations along one side and then the other."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Mask: TypeAlias = NDArray[np.uint8]
"""0 or 1."""


def dilated(mask: Mask, reach: int) -> Mask:
    """Returns 1 wherever a 1 is within `reach` along both sides."""
    for axis in (0, 1):
        for _ in range(reach):
            mask = _widened(mask, axis)
    return mask


def eroded(mask: Mask, reach: int) -> Mask:
    """Returns 1 where all within `reach` is 1; beyond the edges all counts as 1."""
    return 1 - dilated(1 - mask, reach)


def closed(mask: Mask, reach: int) -> Mask:
    """Returns the mask with gaps of up to twice `reach` filled."""
    return eroded(dilated(mask, reach), reach)


def sum_of_nine(mask: Mask) -> Mask:
    """Returns how many of each value and its eight neighbours are 1."""
    rows = mask.copy()
    rows[1:] += mask[:-1]
    rows[:-1] += mask[1:]
    rows[0] += mask[0]
    rows[-1] += mask[-1]
    sums = rows.copy()
    sums[:, 1:] += rows[:, :-1]
    sums[:, :-1] += rows[:, 1:]
    sums[:, 0] += rows[:, 0]
    sums[:, -1] += rows[:, -1]
    return sums


def at_least(counts: Mask, least: int) -> Mask:
    """Returns 1 where the count is that high; 5 of nine is a median."""
    return (counts >= least).view(np.uint8)


def pooled(mask: Mask, size: int) -> Mask:
    """Returns 1 for each square of `size` in which there is a 1."""
    if size == 1:
        return mask
    rows = mask[0::size] | mask[1::size]
    for row in range(2, size):
        rows |= mask[row::size]
    found = rows[:, 0::size] | rows[:, 1::size]
    for column in range(2, size):
        found |= rows[:, column::size]
    return found


def _widened(mask: Mask, axis: int) -> Mask:
    wide = mask.copy()
    if axis == 0:
        wide[1:] |= mask[:-1]
        wide[:-1] |= mask[1:]
    else:
        wide[:, 1:] |= mask[:, :-1]
        wide[:, :-1] |= mask[:, 1:]
    return wide
