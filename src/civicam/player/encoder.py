"""Redacted pictures to coded samples: H.264 with x264, one frame in, one sample out, and nothing but pixels in it."""

import math
from fractions import Fraction

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from civicam.camera.sample import H264Setup, Sample
from civicam.core.errors import EncodeError
from civicam.player.frame import FrameBuffer
from civicam.redaction.redacted import RedactedPicture

_SLICE, _IDR, _SPS, _PPS = 1, 5, 7, 8
_BT709 = 1
_LIMITED_RANGE = 1
_QUALITY = 26
_MOST_BITS_A_PIXEL = 0.3


class Encoder:
    """Codes the pictures of one size, each as it comes, without waiting for the next one.

    Only slices leave: parameter sets are in `setup`, and every other NAL unit is taken out (x264 writes its version and
    settings into an SEI message, ITU-T H.264 D.1.7). No frame is reordered. The quality is constant; a busy picture is
    coded coarser rather than with more than `_MOST_BITS_A_PIXEL` on the average of a second. Not for several threads.

    Args:
        width: luma pixels, even.
        height: luma pixels, even.
        fps: about how many pictures a second come, for the cap on bits.
        gop_s: seconds of the pictures' own time from one key to the next.

    Attributes:
        setup: what a decoder needs.

    Raises:
        EncodeError: the size cannot be coded.
    """

    def __init__(self, width: int, height: int, *, fps: float, gop_s: float = 2.0) -> None:
        self._size = width, height
        self._gop_90k = round(gop_s * 90_000)
        self._time_base = 1 / Fraction(fps).limit_denominator(1001)
        self._context = _open(width, height, fps)
        sets = {nal[0] & 31: nal for nal in _nal_units(bytes(self._context.extradata or b""))}
        self.setup = H264Setup(sets[_SPS], (sets[_PPS],), width, height)
        # x264 has copied a frame when it returns its sample, so one is enough.
        self._buffer = FrameBuffer(width, height)
        self._count = 0
        self._key_at_90k: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in luma pixels."""
        return self._size

    def force_key(self) -> None:
        """Makes the next picture a key."""
        self._key_at_90k = None

    def encode(self, redacted: RedactedPicture) -> Sample:
        """Codes one picture; its sample carries the picture's times.

        Raises:
            EncodeError: it has another size, is no redacted picture, or the codec failed.
        """
        frame = self._buffer.fill(redacted)
        picture = redacted.picture
        is_key = self._key_is_due(picture.pts_90k)
        data = self._code(frame, is_key)
        if is_key:
            self._key_at_90k = picture.pts_90k
        return Sample(data, picture.pts_90k, picture.wall_ns, None, is_key)

    def _key_is_due(self, pts_90k: int) -> bool:
        """By the pictures' time; a clock that jumps, either way, gives a key."""
        since = self._key_at_90k
        return since is None or not 0 <= pts_90k - since < self._gop_90k

    def _code(self, frame: av.VideoFrame, is_key: bool) -> bytes:
        # A count, not the camera's time: x264 wants times that only grow.
        frame.pts, frame.time_base = self._count, self._time_base
        frame.pict_type = PictureType.I if is_key else PictureType.NONE
        self._count += 1
        try:
            packets = self._context.encode(frame)
        except av.FFmpegError as error:
            raise EncodeError(f"x264 failed: {error.strerror or error}") from error
        if len(packets) != 1 or packets[0].is_keyframe is not is_key:
            raise EncodeError(f"x264 gave {len(packets)} samples for a picture, or a key where none was asked for")
        slices = [nal for nal in _nal_units(bytes(packets[0])) if nal[0] & 31 in (_SLICE, _IDR)]
        return b"".join(len(nal).to_bytes(4, "big") + nal for nal in slices)


def _open(width: int, height: int, fps: float) -> VideoCodecContext:
    rate = Fraction(fps).limit_denominator(1001)
    most_kbit_s = max(64, math.ceil(width * height * fps * _MOST_BITS_A_PIXEL / 1000))
    try:
        context = av.CodecContext.create("libx264", "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.framerate, context.time_base = rate, 1 / rate
        context.thread_count = 1
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED_RANGE
        context.flags |= Flags.global_header
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "crf": str(_QUALITY),
            "forced-idr": "1",
            "x264-params": "keyint=infinite:scenecut=0:bframes=0:open-gop=0:threads=1:sliced-threads=0"
            f":vbv-maxrate={most_kbit_s}:vbv-bufsize={most_kbit_s}",
        }
        context.open()
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise EncodeError(f"x264 cannot code {width}x{height} at {fps} frames a second: {error}") from error
    return context


def _nal_units(annex_b: bytes) -> list[bytes]:
    """Splits x264's byte stream (ITU-T H.264 annex B); no NAL unit ends in a zero byte (7.4.1)."""
    return annex_b.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]
