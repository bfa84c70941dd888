"""The newest still of each camera, small and redacted, for walls of many cameras."""

import hashlib
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass

import av
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from PIL import Image

from civicam.core.errors import EncodeError
from civicam.core.ids import CameraId
from civicam.player.frame import FrameBuffer, size_of
from civicam.redaction.redacted import FullCover, RedactedPicture

_QUALITY = 60
_MOST_SIDE_PX = 16_383  # WebP


@dataclass(frozen=True, slots=True)
class Still:
    """One redacted picture as WebP.

    Attributes:
        data: the file; it holds pixels only.
        width: pixels.
        height: pixels.
        wall_ns: when the camera saw it.
        version: changes with the bytes: an ETag.
        reason: why all of it is covered, None where it is not.
    """

    data: bytes
    width: int
    height: int
    wall_ns: int
    version: str
    reason: FullCover | None


class StillMaker:
    """Makes stills. Not for several threads.

    Args:
        width: pixels; a smaller picture keeps its own.
    """

    def __init__(self, width: int = 320) -> None:
        self._width = width
        self._scaler = VideoReformatter()
        self._buffer: FrameBuffer | None = None

    def make(self, redacted: RedactedPicture) -> Still:
        """Returns `redacted` as a still.

        Raises:
            EncodeError: it is no redacted picture, or cannot be coded.
        """
        size = size_of(redacted)
        if self._buffer is None or self._buffer.size != size:
            self._buffer = FrameBuffer(*size)
        width, height = self._size(*size)
        frame = self._scaler.reformat(
            self._buffer.fill(redacted), width, height, "rgb24",
            src_colorspace=Colorspace.ITU709, src_color_range=ColorRange.MPEG, dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.FAST_BILINEAR, threads=1,
        )  # fmt: skip
        data = _webp(frame)
        version = hashlib.blake2b(data, digest_size=12).hexdigest()
        return Still(data, width, height, redacted.picture.wall_ns, version, redacted.reason)

    def _size(self, width: int, height: int) -> tuple[int, int]:
        target = min(self._width, width, _MOST_SIDE_PX)
        return target, min(max(1, round(height * target / width)), _MOST_SIDE_PX)


def _webp(frame: av.VideoFrame) -> bytes:
    buffer = io.BytesIO()
    try:
        Image.fromarray(frame.to_ndarray()).save(buffer, "WEBP", quality=_QUALITY, method=0)
    except (OSError, ValueError) as error:
        raise EncodeError(f"a still cannot be coded: {error}") from error
    return buffer.getvalue()


class StillShelf:
    """The newest still of each camera, in memory, for any thread.

    Args:
        cameras: how many are kept; the one that was not renewed for longest goes first.
        size_bytes: the same for their bytes together.
    """

    def __init__(self, cameras: int = 4096, size_bytes: int = 128 << 20) -> None:
        self._cameras, self._most_bytes = cameras, size_bytes
        self._lock = threading.Lock()
        self._stills: OrderedDict[CameraId, Still] = OrderedDict()
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """What is kept."""
        return self._bytes

    def put(self, camera: CameraId, still: Still) -> None:
        """Keeps `still` as the camera's newest."""
        with self._lock:
            self._forget(camera)
            self._stills[camera] = still
            self._bytes += len(still.data)
            while len(self._stills) > self._cameras or self._bytes > self._most_bytes:
                self._forget(next(iter(self._stills)))

    def newest(self, camera: CameraId) -> Still | None:
        """The camera's newest still; None when there is none."""
        return self._stills.get(camera)

    def forget(self, camera: CameraId) -> None:
        """Drops the still of a camera that is gone."""
        with self._lock:
            self._forget(camera)

    def _forget(self, camera: CameraId) -> None:
        still = self._stills.pop(camera, None)
        if still is not None:
            self._bytes -= len(still.data)
