"""A frame's number in its own pixels, so that a test can say exactly which frame it is looking at.

The strip stands in the top left corner: 17 columns of two square cells, one white, one black. White on top is a 1. The
columns are the 16 bits of the frame number in Gray code, the highest first (so that one bit changes a frame), then
their even parity. A cell is 8 pixels for every 360 rows of the picture: whole transform blocks, which survive the
coarsest quantiser. Each bit is read as a difference, so brightness and contrast do not matter.
"""

import numpy as np
from numpy.typing import NDArray

BITS = 16
COLUMNS = BITS + 1
_BLACK, _WHITE = 24, 224
_LEAST_CONTRAST = 60


def cell_px(height: int) -> int:
    """The edge of a cell, in pixels, in a picture of that many rows."""
    return 8 * max(1, height // 360)


def strip_box(height: int) -> tuple[int, int, int, int]:
    """Where the strip is: left, top, right, bottom in pixels, the last two exclusive."""
    cell = cell_px(height)
    return 0, 0, COLUMNS * cell, 2 * cell


def draw_barcode(luma: NDArray[np.uint8], number: int) -> None:
    """Writes `number` (its lowest 16 bits) into the corner of `luma`, in place."""
    cell = cell_px(luma.shape[0])
    top = np.array([_WHITE if bit else _BLACK for bit in _columns(number)], np.uint8)
    pair = np.stack([top, _WHITE + _BLACK - top])
    luma[: 2 * cell, : COLUMNS * cell] = pair.repeat(cell, 0).repeat(cell, 1)


def read_barcode(luma: NDArray[np.uint8]) -> int | None:
    """Returns the number drawn into `luma` (rows by columns), None where there is no readable strip."""
    cell = cell_px(luma.shape[0])
    if luma.shape[0] < 2 * cell or luma.shape[1] < COLUMNS * cell:
        return None
    inner = slice(cell // 4, cell - cell // 4)
    cells = luma[: 2 * cell, : COLUMNS * cell].reshape(2, cell, COLUMNS, cell)[:, inner, :, inner]
    means = cells.mean(axis=(1, 3))
    difference = means[0] - means[1]
    if np.abs(difference).min() < _LEAST_CONTRAST:
        return None
    bits = [int(value > 0) for value in difference]
    return None if sum(bits) % 2 else _from_gray(bits[:BITS])


def _columns(number: int) -> list[int]:
    value = number % (1 << BITS)
    gray = value ^ (value >> 1)
    bits = [(gray >> shift) & 1 for shift in range(BITS - 1, -1, -1)]
    return [*bits, sum(bits) % 2]


def _from_gray(bits: list[int]) -> int:
    value = bit = 0
    for step in bits:
        bit ^= step
        value = value << 1 | bit
    return value
