"""A picture made small by averaging: what a background model looks at."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from civicam.redaction.picture import Picture, Plane
from civicam.redaction.redacted import CELL_PX

Float: TypeAlias = NDArray[np.float32]

_LEAST_WIDTH = 240
_MOST_FACTOR = 4


@dataclass(frozen=True, slots=True)
class Grid:
    """How a size is divided: pixels, fine pixels (`factor` square), units (2 fine pixels square), cells.

    Attributes:
        width: luma pixels.
        height: luma pixels.
    """

    width: int
    height: int

    @property
    def factor(self) -> int:
        """Luma pixels a fine pixel, a power of two: about 320 fine pixels are a picture's width."""
        factor = 1
        while factor < _MOST_FACTOR and self.width // (factor * 2) >= _LEAST_WIDTH:
            factor *= 2
        return factor

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells, the last ones cut off."""
        return -(-self.height // CELL_PX), -(-self.width // CELL_PX)

    @property
    def units_a_cell(self) -> int:
        """Units along a cell's side."""
        return CELL_PX // (2 * self.factor)

    @property
    def units(self) -> tuple[int, int]:
        """Rows and columns of units."""
        rows, columns = self.cells
        return rows * self.units_a_cell, columns * self.units_a_cell

    @property
    def fine(self) -> tuple[int, int]:
        """Rows and columns of fine pixels."""
        rows, columns = self.units
        return 2 * rows, 2 * columns


@dataclass(frozen=True, slots=True)
class SmallPicture:
    """The means of a picture's pixels.

    Attributes:
        fine: luma, as `Grid.fine`.
        coarse: luma, U and V: (3, *Grid.units).
    """

    fine: Float
    coarse: Float


def make_small(picture: Picture, grid: Grid) -> SmallPicture:
    """Averages a picture; beyond its right and lower edge it goes on as its last pixels."""
    factor = grid.factor
    rows, columns = grid.fine
    fine = _averaged(picture.y, (rows * factor, columns * factor), factor)
    coarse = np.empty((3, *grid.units), np.float32)
    np.add(fine[0::2], fine[1::2], out=(pairs := np.empty((rows // 2, columns), np.float32)))
    np.add(pairs[:, 0::2], pairs[:, 1::2], out=coarse[0])
    coarse[0] *= 0.25
    for plane, values in ((1, picture.u), (2, picture.v)):
        coarse[plane] = _averaged(values, (rows * factor // 2, columns * factor // 2), factor)
    return SmallPicture(fine, coarse)


def _averaged(plane: Plane, shape: tuple[int, int], factor: int) -> Float:
    """Means of squares. Neighbours are added as the two halves of a wider number, which NumPy does fastest."""
    padded = _padded(plane, shape)
    if factor == 1:
        return padded.astype(np.float32)
    wide = padded.view("<u2")
    sums = (wide & 0xFF) + (wide >> 8)
    sums = sums[0::2] + sums[1::2]
    done = 2
    while done < factor:
        pairs = sums.view("<u4")
        sums = ((pairs & 0xFFFF) + (pairs >> 16)).astype(np.uint16)
        sums = sums[0::2] + sums[1::2]
        done *= 2
    means: Float = np.multiply(sums, np.float32(1 / factor**2), dtype=np.float32)
    return means


def _padded(plane: Plane, shape: tuple[int, int]) -> Plane:
    rows, columns = plane.shape
    if (rows, columns) == shape:
        return np.ascontiguousarray(plane)
    padded = np.empty(shape, np.uint8)
    padded[:rows, :columns] = plane
    padded[:rows, columns:] = plane[:, -1:]
    padded[rows:] = padded[rows - 1]
    return padded
