"""What a city may choose about redaction, with defaults that are safe."""

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from civicam.core.errors import RedactionError

Polygon: TypeAlias = tuple[tuple[float, float], ...]
"""Corners (x, y), each 0 to 1 from the picture's left and top."""

_MOST_RECTANGLES = 1000
_MOST_POLYGONS = 64
_MOST_CORNERS = 256


class Cover(StrEnum):
    """What covered cells are filled with.

    FLAT: one colour from the settings. Nothing of what was there is kept.
    PIXELATE: one colour for each block of a sixteenth of the picture's width, the mean of what is covered in it. It
        keeps the rough colour of what is covered, **of clothing and of a vehicle**, and about where and how large it
        is. It destroys everything finer. Someone who knows the colour of a coat can find the coat again.
    """

    FLAT = "flat"
    PIXELATE = "pixelate"


class Rectangle(NamedTuple):
    """A rectangle of the picture, for a while.

    Attributes:
        start_ns: from when on (wall ns).
        end_ns: until when.
        left: its edges, each 0 to 1 from the picture's left and top.
        top: see above.
        right: see above.
        bottom: see above.
    """

    start_ns: int
    end_ns: int
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class RedactionSettings:
    """How one camera's pictures are redacted.

    Attributes:
        cover: what covered cells are filled with.
        cover_yuv: the flat cover's colour, limited range BT.709: 16 to 235, 16 to 240, 16 to 240.
        masks: always filled flat, whatever else is chosen.
        always: always covered, as `cover` says.
        shown: nothing is covered there, but for `hidden`, `masks` and `always`, and where a whole picture is: somebody
            asked for footage of themselves. For exports alone.
        hidden: all is covered there: somebody whom redaction takes for the scene. For exports alone.
        tau_s: the time constant with which the scene follows what is not covered.
        stays_s: how long something must have stood still, less the time that it was hidden, to become scene.
        hold_s: how long a cell stays covered after the last sign of something in it.
        bootstrap_s: how long a scene must have been seen before any of it is shown. Who stands still through most of
            it is learned as scene: choose it long.
        deviations: of the noise learned at a place; a difference above is something.
        fine_luma: the least difference of luma at 1/320 of the width (steps of 8 bits).
        coarse_luma: the same of the mean luma of a patch of about 12 pixels of a 640-pixel picture.
        coarse_chroma: the same of U or V.
        most_changed: share of the picture; where more than this has changed, all is covered.

    Raises:
        RedactionError: a value cannot be used; says which and why.
    """

    cover: Cover = Cover.FLAT
    cover_yuv: tuple[int, int, int] = (96, 128, 128)
    masks: tuple[Polygon, ...] = ()
    always: tuple[Polygon, ...] = ()
    shown: tuple[Rectangle, ...] = ()
    hidden: tuple[Rectangle, ...] = ()
    tau_s: float = 5.0
    stays_s: float = 3600.0
    hold_s: float = 0.3
    bootstrap_s: float = 600.0
    deviations: float = 2.5
    fine_luma: float = 8.0
    coarse_luma: float = 4.5
    coarse_chroma: float = 3.0
    most_changed: float = 0.5

    def __post_init__(self) -> None:
        if not isinstance(self.cover, Cover):
            raise _wrong("cover", self.cover, "choose flat or pixelate")
        _check_colour(self.cover_yuv)
        for name in ("masks", "always"):
            _check_polygons(name, getattr(self, name))
        for name in ("shown", "hidden"):
            _check_rectangles(name, getattr(self, name))
        for field in fields(self):
            if (span := _SPANS.get(field.name)) is not None:
                _check_number(field.name, getattr(self, field.name), *span)


_SPANS = {
    "tau_s": (1.0, 600.0),
    "stays_s": (1800.0, 7 * 86400.0),
    "hold_s": (0.2, 60.0),
    "bootstrap_s": (10.0, 86400.0),
    "deviations": (2.0, 8.0),
    "fine_luma": (4.0, 40.0),
    "coarse_luma": (1.0, 20.0),
    "coarse_chroma": (1.0, 20.0),
    "most_changed": (0.1, 0.9),
}


def _wrong(name: str, value: object, fix: str) -> RedactionError:
    return RedactionError(f"{name} cannot be {str(value)[:80]}", where="redaction settings", fix=fix)


def _check_number(name: str, value: object, low: float, high: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not low <= float(str(value)) <= high:
        raise _wrong(name, value, f"choose {low:g} to {high:g}")


def _check_colour(colour: tuple[object, ...]) -> None:
    values = [value for value in colour if isinstance(value, int)]
    is_colour = len(colour) == len(values) == 3 and min(values) >= 16 and values[0] <= 235 and max(values) <= 240
    if not is_colour:
        raise _wrong("cover_yuv", colour, "choose three whole numbers, 16 to 235, 16 to 240, 16 to 240")


def _check_rectangles(name: str, rectangles: tuple[Rectangle, ...]) -> None:
    if len(rectangles) > _MOST_RECTANGLES:
        raise _wrong(name, f"{len(rectangles)} rectangles", f"give {_MOST_RECTANGLES} at most")
    for one in rectangles:
        for value in one[2:]:
            _check_number(name, value, 0.0, 1.0)
        if not (one.start_ns < one.end_ns and one.left < one.right and one.top < one.bottom):
            raise _wrong(name, one, "give a rectangle that has a size, and lasts")


def _check_polygons(name: str, polygons: object) -> None:
    if not isinstance(polygons, tuple) or len(polygons) > _MOST_POLYGONS:
        raise _wrong(name, polygons, f"give a tuple of at most {_MOST_POLYGONS} polygons")
    for polygon in polygons:
        if not isinstance(polygon, tuple) or not 3 <= len(polygon) <= _MOST_CORNERS:
            raise _wrong(name, polygon, f"give each polygon 3 to {_MOST_CORNERS} corners")
        for corner in polygon:
            if not isinstance(corner, tuple) or len(corner) != 2:
                raise _wrong(name, corner, "give each corner as (x, y)")
            for value in corner:
                _check_number(name, value, 0.0, 1.0)
