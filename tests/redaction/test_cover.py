"""What is covered is gone, in luma and in colour, whatever the size."""

from dataclasses import replace

import numpy as np
import pytest

from civicam.redaction.cover import FullCovers, covered_picture, polygon_cells
from civicam.redaction.picture import Picture
from civicam.redaction.redacted import CELL_PX, CellMask, FullCover
from civicam.redaction.settings import Cover, RedactionSettings
from civicam.redaction.small import Grid

SIZES = [(320, 180), (642, 362), (64, 48), (1920, 1080)]
SIDES = (CELL_PX, CELL_PX // 2, CELL_PX // 2)
FLAT = RedactionSettings()
COARSE = RedactionSettings(cover=Cover.PIXELATE)


def noise(size: tuple[int, int], seed: int) -> Picture:
    width, height = size
    rng = np.random.default_rng(seed)
    y = rng.integers(16, 236, (height, width), np.uint8)
    u, v = (rng.integers(16, 241, (height // 2, width // 2), np.uint8) for _ in range(2))
    return Picture(y, u, v, 5, 6, False)


def some_cells(size: tuple[int, int]) -> CellMask:
    cells = np.random.default_rng(2).random(Grid(*size).cells) < 0.3
    cells[-1, -1] = True
    return np.asarray(cells)


def outside(plane: np.ndarray, cells: CellMask, side: int) -> np.ndarray:
    covered = np.repeat(np.repeat(cells, side, 0), side, 1)[: plane.shape[0], : plane.shape[1]]
    return np.where(covered, 0, plane)


@pytest.mark.parametrize("size", SIZES)
def test_nothing_of_what_is_covered_flat_is_left_and_all_else_is(size: tuple[int, int]) -> None:
    cells, none = some_cells(size), np.zeros(Grid(*size).cells, np.bool_)
    one, other = noise(size, 1), noise(size, 2)
    y, u, v = (
        np.where(outside(np.ones_like(a), cells, side) == 1, a, b)
        for a, b, side in zip((one.y, one.u, one.v), (other.y, other.u, other.v), SIDES, strict=True)
    )
    mixed = Picture(y, u, v, 5, 6, False)
    first, second = covered_picture(one, cells, none, FLAT), covered_picture(mixed, cells, none, FLAT)
    planes = (first.y, first.u, first.v), (second.y, second.u, second.v), (one.y, one.u, one.v), SIDES
    for a, b, source, side in zip(*planes, strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(outside(a, cells, side), outside(source, cells, side))
        assert not np.shares_memory(a, source)


@pytest.mark.parametrize("size", SIZES)
def test_pixelation_keeps_one_colour_a_block_of_a_sixteenth_of_the_width(size: tuple[int, int]) -> None:
    cells, none = np.ones(Grid(*size).cells, np.bool_), np.zeros(Grid(*size).cells, np.bool_)
    covered = covered_picture(noise(size, 1), cells, none, COARSE)
    block = -(-size[0] // 16 // CELL_PX) * CELL_PX
    for plane, side in ((covered.y, block), (covered.u, block // 2), (covered.v, block // 2)):
        assert side * 16 >= plane.shape[1] * 0.9
        assert len(np.unique(plane[:side, :side])) == 1
        assert len(np.unique(plane)) <= (-(-plane.shape[0] // side)) * (-(-plane.shape[1] // side))


def test_pixelation_takes_nothing_from_what_is_clear_and_leaves_it_alone() -> None:
    size = (320, 180)
    cells, none = some_cells(size), np.zeros(Grid(*size).cells, np.bool_)
    picture = noise(size, 1)
    bright = replace(picture, y=np.where(outside(np.ones_like(picture.y), cells, CELL_PX) == 1, 235, picture.y))
    a, b = covered_picture(picture, cells, none, COARSE), covered_picture(bright, cells, none, COARSE)
    inside = outside(np.ones_like(picture.y), cells, CELL_PX) == 0
    assert np.array_equal(a.y[inside], b.y[inside])
    assert np.array_equal(a.y[~inside], picture.y[~inside])


def test_a_static_mask_is_flat_even_where_a_city_chose_pixelation() -> None:
    size = (320, 180)
    masks = np.zeros(Grid(*size).cells, np.bool_)
    masks[:5, :5] = True
    covered = covered_picture(noise(size, 1), masks.copy(), masks, COARSE)
    assert np.all(covered.y[: 5 * CELL_PX, : 5 * CELL_PX] == COARSE.cover_yuv[0])


@pytest.mark.parametrize("size", SIZES)
def test_a_polygon_covers_every_cell_that_it_touches(size: tuple[int, int]) -> None:
    everything = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    assert polygon_cells((everything,), Grid(*size)).all()
    corner = polygon_cells((((0.0, 0.0), (0.001, 0.0), (0.0, 0.001)),), Grid(*size))
    assert corner[0, 0]
    assert corner.sum() == 1
    assert not polygon_cells((), Grid(*size)).any()
    half = polygon_cells((((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),), Grid(*size))
    assert half[:, : Grid(*size).cells[1] // 2].all()
    assert 0.45 < half.mean() < 0.65


@pytest.mark.parametrize("reason", FullCover)
def test_a_whole_cover_says_why(reason: FullCover) -> None:
    covers = FullCovers((96, 128, 128))
    picture = covers.make((320, 180), reason, 1, 2, is_key=True)
    assert picture.size == (320, 180)
    assert 20 < np.count_nonzero(picture.y != 96) < 320 * 30
    others = [covers.make((320, 180), other, 1, 2, is_key=True) for other in FullCover if other is not reason]
    assert not any(np.array_equal(picture.y, other.y) for other in others)


@pytest.mark.parametrize("size", [(0, 0), (3, 3), (-2, 10), (100_000, 2)])
def test_a_size_that_no_picture_has_gives_a_cover_all_the_same(size: tuple[int, int]) -> None:
    assert FullCovers((96, 128, 128)).make(size, FullCover.ERROR, 0, 0, is_key=False).size == (640, 360)


def test_covers_are_never_the_same_memory() -> None:
    covers = FullCovers((96, 128, 128))
    one, other = (covers.make((64, 48), FullCover.COLD, 0, 0, is_key=False) for _ in range(2))
    one.y[:] = 0
    assert other.y.any()
    assert covers.make((64, 48), FullCover.COLD, 0, 0, is_key=False).y.any()
