"""Covering: cells filled so that nothing of what was there is left, and whole pictures that say why."""

from collections import OrderedDict
from collections.abc import Callable
from math import ceil, floor
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from civicam.redaction.picture import Picture, Plane
from civicam.redaction.redacted import CELL_PX, CellMask, FullCover
from civicam.redaction.settings import Cover, Polygon, Rectangle, RedactionSettings
from civicam.redaction.small import Grid

Rounding: TypeAlias = Callable[[float], int]
_TEXT_LUMA = 200
_LEAST_SIDE_PX = 2
_LEAST_FOR_WORDS_PX = 32
_MOST_SIDE_PX = 8192
_UNKNOWN_SIZE = (640, 360)
_MOST_KEPT = 8
_SAMPLES_A_CELL = 4


def polygon_cells(polygons: tuple[Polygon, ...], grid: Grid) -> CellMask:
    """Returns the cells that any of the polygons touches."""
    rows, columns = grid.cells
    # Drawn four times as fine as cells, outlines included: what is drawn is never less than the polygon.
    drawn = Image.new("L", (columns * _SAMPLES_A_CELL, rows * _SAMPLES_A_CELL))
    draw = ImageDraw.Draw(drawn)
    sample_px = CELL_PX / _SAMPLES_A_CELL
    for polygon in polygons:
        corners = [(x * (grid.width - 1) / sample_px, y * (grid.height - 1) / sample_px) for x, y in polygon]
        draw.polygon(corners, fill=1, outline=1)
    samples = np.asarray(drawn).reshape(rows, _SAMPLES_A_CELL, columns, _SAMPLES_A_CELL)
    return np.asarray(samples.any(axis=(1, 3)), np.bool_)


def cells_within(rectangles: tuple[Rectangle, ...], wall_ns: int, grid: Grid) -> CellMask:
    """Returns the cells that lie wholly in one of the rectangles at that time."""
    return _cells(rectangles, wall_ns, grid, ceil, floor)


def cells_touched(rectangles: tuple[Rectangle, ...], wall_ns: int, grid: Grid) -> CellMask:
    """Returns the cells that one of the rectangles touches at that time."""
    return _cells(rectangles, wall_ns, grid, floor, ceil)


def _cells(
    rectangles: tuple[Rectangle, ...], wall_ns: int, grid: Grid, low: Rounding, high: Rounding
) -> CellMask:  # fmt: skip
    cells = np.zeros(grid.cells, np.bool_)
    for one in rectangles:
        if one.start_ns <= wall_ns < one.end_ns:
            top, bottom = low(one.top * grid.height / CELL_PX), high(one.bottom * grid.height / CELL_PX)
            left, right = low(one.left * grid.width / CELL_PX), high(one.right * grid.width / CELL_PX)
            cells[top:bottom, left:right] = True
    return cells


def covered_picture(picture: Picture, cells: CellMask, masks: CellMask, settings: RedactionSettings) -> Picture:
    """Returns a copy of a picture with `cells` covered as the settings say, and `masks` flat."""
    planes = picture.y.copy(), picture.u.copy(), picture.v.copy()
    colours: list[int | Plane] = list(settings.cover_yuv)
    if settings.cover is Cover.PIXELATE:
        colours = [_block_means(plane, cells, side) for plane, side in zip(planes, _SIDES, strict=True)]
    for plane, colour, side in zip(planes, colours, _SIDES, strict=True):
        _fill(plane, cells & ~masks, colour, side)
    for plane, flat, side in zip(planes, settings.cover_yuv, _SIDES, strict=True):
        _fill(plane, masks, flat, side)
    return Picture(*planes, picture.pts_90k, picture.wall_ns, picture.is_key)


_SIDES = (CELL_PX, CELL_PX // 2, CELL_PX // 2)
_WIDE = {8: np.uint64, 4: np.uint32}
_REPEATED = {8: 0x0101010101010101, 4: 0x01010101}


def _fill(plane: Plane, cells: CellMask, colour: int | Plane, side: int) -> None:
    """Fills whole cells of a plane; `colour` is one for all, or one a cell."""
    if not cells.any():
        return
    rows, columns = plane.shape
    if isinstance(colour, int) and columns % side == 0:
        wide = plane.view(_WIDE[side])  # a cell's row is one number
        np.copyto(wide, wide.dtype.type(colour * _REPEATED[side]), where=np.repeat(cells, side, 0)[:rows])
        return
    where = np.repeat(np.repeat(cells, side, 1)[:, :columns], side, 0)[:rows]
    values = colour if isinstance(colour, int) else np.repeat(np.repeat(colour, side, 1)[:, :columns], side, 0)[:rows]
    np.copyto(plane, values, where=where, casting="unsafe")


def _block_means(plane: Plane, cells: CellMask, side: int) -> Plane:
    """One colour for each block of cells, at least a sixteenth of the width: the mean of its covered cells."""
    rows, columns = plane.shape
    sums = np.add.reduceat(plane, np.arange(0, columns, side), axis=1, dtype=np.uint32)
    sums = np.add.reduceat(sums, np.arange(0, rows, side), axis=0)
    high = np.minimum(side, rows - np.arange(0, rows, side))
    wide = np.minimum(side, columns - np.arange(0, columns, side))
    counts = (high[:, None] * wide[None, :]) * cells
    block = -(-cells.shape[1] // 16)
    means = _blocks(sums * cells, block) / np.maximum(_blocks(counts, block), 1)
    spread = np.repeat(np.repeat(np.rint(means), block, 1), block, 0)[: cells.shape[0], : cells.shape[1]]
    return spread.astype(np.uint8)


def _blocks(values: NDArray[np.integer], size: int) -> NDArray[np.integer]:
    down, right = (np.arange(0, length, size) for length in values.shape)
    return np.asarray(np.add.reduceat(np.add.reduceat(values, down, axis=0), right, axis=1))


class FullCovers:
    """Whole covered pictures with the reason on them, a few kept.

    Args:
        colour_yuv: what all but the words is filled with.
    """

    def __init__(self, colour_yuv: tuple[int, int, int]) -> None:
        self._colour_yuv = colour_yuv
        self._kept: OrderedDict[tuple[tuple[int, int], FullCover], Plane] = OrderedDict()

    def make(self, size: tuple[int, int], reason: FullCover, pts_90k: int, wall_ns: int, *, is_key: bool) -> Picture:
        """Returns a picture of its own memory; a size that no picture can have gives one of 640x360."""
        width, height = size = _possible(size)
        luma = self._kept.get((size, reason))
        if luma is None:
            luma = self._drawn(size, reason)
            self._kept[size, reason] = luma
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        u, v = (np.full((height // 2, width // 2), colour, np.uint8) for colour in self._colour_yuv[1:])
        return Picture(luma.copy(), u, v, pts_90k, wall_ns, is_key)

    def _drawn(self, size: tuple[int, int], reason: FullCover) -> Plane:
        width, height = size
        image = Image.new("L", size, self._colour_yuv[0])
        if height < _LEAST_FOR_WORDS_PX:
            return np.array(image, np.uint8)
        draw = ImageDraw.Draw(image)
        font = ImageFont.load_default(max(8.0, width / 24))
        colour = _TEXT_LUMA if self._colour_yuv[0] < 128 else 32
        draw.text((width / 2, height / 2), reason.value, fill=colour, font=font, anchor="mm")
        return np.array(image, np.uint8)


def _possible(size: tuple[int, int]) -> tuple[int, int]:
    if all(_LEAST_SIDE_PX <= side <= _MOST_SIDE_PX and side % 2 == 0 for side in size):
        return size
    return _UNKNOWN_SIZE
