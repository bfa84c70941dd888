"""What may leave: a type of its own, so that a picture that was not redacted does not type-check as output."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from civicam.redaction.picture import Picture

CellMask: TypeAlias = NDArray[np.bool_]
"""Which cells are covered: (rows, columns) of cells of `CELL_PX` luma pixels square, the last ones cut off."""

CELL_PX = 8


class FullCover(StrEnum):
    """Why a whole frame is covered. The value is what is drawn on it."""

    COLD = "learning the scene"
    LIGHT_JUMP = "the light changed"
    MOVED = "the camera moved"
    SIZE = "the picture's size changed"
    OVERLOAD = "too much to redact"
    ERROR = "the redaction failed"
    NO_PICTURE = "no picture"
    NO_MODEL = "no scene known for this time"


@dataclass(frozen=True, slots=True)
class RedactedPicture:
    """A picture that may be shown. Made by `redaction/` only.

    Attributes:
        picture: its planes share no memory with the source's.
        covered: the cells that are covered, static masks and zones included; all of them in a full cover.
        reason: why all is covered; None where only what is not the scene is.
    """

    picture: Picture
    covered: CellMask
    reason: FullCover | None
