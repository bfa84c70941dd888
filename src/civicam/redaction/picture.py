"""Decoded frames: what redaction takes and gives."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame, planar YUV 4:2:0, 8 bits, limited range (ITU-T H.264 annex E, video_full_range_flag 0).

    Attributes:
        y: luma, (height, width); width and height are even.
        u: Cb, (height / 2, width / 2).
        v: Cr, as `u`.
        pts_90k: presentation time, as the sample's.
        wall_ns: the same on this machine's wall clock.
        is_key: it was coded without reference to others.
    """

    y: Plane
    u: Plane
    v: Plane
    pts_90k: int
    wall_ns: int
    is_key: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in luma pixels."""
        return self.y.shape[1], self.y.shape[0]
