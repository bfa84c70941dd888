"""A redacted picture as libav takes it: one frame of memory, written over and over."""

import av
import numpy as np
from av.video.plane import VideoPlane

from civicam.core.errors import EncodeError
from civicam.redaction.picture import Plane
from civicam.redaction.redacted import RedactedPicture


class FrameBuffer:
    """One frame in which pictures of one size are handed to libav, one after the other.

    Args:
        width: luma pixels, even.
        height: luma pixels, even.
    """

    def __init__(self, width: int, height: int) -> None:
        self.size = width, height
        self._frame = av.VideoFrame(width, height, "yuv420p")
        self._planes = [_view(plane) for plane in self._frame.planes]

    def fill(self, redacted: RedactedPicture) -> av.VideoFrame:
        """Returns the frame with the picture in it, until the next call.

        Raises:
            EncodeError: it has another size, or is no redacted picture.
        """
        if size_of(redacted) != self.size:
            raise EncodeError(
                f"a picture of {size_of(redacted)} came where {self.size} is coded", fix="make a new encoder"
            )
        picture = redacted.picture
        for target, source in zip(self._planes, (picture.y, picture.u, picture.v), strict=True):
            np.copyto(target, source)
        return self._frame


def size_of(redacted: RedactedPicture) -> tuple[int, int]:
    """Width and height in luma pixels.

    Raises:
        EncodeError: it is no redacted picture. The type says so already; this holds where types are not checked.
    """
    if not isinstance(redacted, RedactedPicture):
        raise EncodeError(f"a {type(redacted).__name__} may not leave", fix="redact it first")
    return redacted.picture.size


def _view(plane: VideoPlane) -> Plane:
    """The plane's pixels as an array that writes through, without the padding of its lines."""
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return lines[: plane.height, : plane.width]
