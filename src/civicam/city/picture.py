"""One picture as an encoder takes it, and the way to it from RGB."""

from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

Bytes2 = NDArray[np.uint8]
"""A plane: rows by columns of 8-bit values."""


class Picture(NamedTuple):
    """Planes of limited-range BT.709 YUV 4:2:0 (ITU-R BT.709-6).

    Attributes:
        luma: height by width, 16 is black, 235 is white.
        blue: the blue difference, half as high and wide, 128 is grey.
        red: the red difference, likewise.
    """

    luma: Bytes2
    blue: Bytes2
    red: Bytes2

    def frame(self) -> av.VideoFrame:
        """The same picture as a frame for libav."""
        height, width = self.luma.shape
        stacked = np.concatenate([plane.reshape(-1, width) for plane in self])
        return av.VideoFrame.from_ndarray(stacked[: height * 3 // 2], format="yuv420p")


def from_rgb(rgb: NDArray[np.uint8]) -> Picture:
    """Returns `rgb` (height by width by 3; both even, width a multiple of 4) as planes that may be written to."""
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    yuv = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
    planes = np.asarray(yuv.to_ndarray(), np.uint8)
    height, width = rgb.shape[:2]
    quarter = (height // 2) * (width // 2)
    chroma = planes[height:].reshape(-1)
    return Picture(
        planes[:height],
        chroma[:quarter].reshape(height // 2, width // 2),
        chroma[quarter:].reshape(height // 2, width // 2),
    )


def luma_of(frame: av.VideoFrame) -> Bytes2:
    """Returns the luma plane of a decoded YUV 4:2:0 frame."""
    return np.asarray(frame.to_ndarray(), np.uint8)[: frame.height]
