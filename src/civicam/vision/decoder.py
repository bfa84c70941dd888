"""Samples to pictures: H.264 with libav, one thread, no frame of delay unless the camera reorders frames."""

from collections.abc import Iterable

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import ColorRange

from civicam.camera.sample import H264Setup, Sample
from civicam.core.errors import DecodeError
from civicam.recorder.fmp4 import decoder_configuration
from civicam.redaction.picture import Picture, Plane

MOST_PIXELS = 4096 * 2304
"""Larger pictures are refused: a parameter set must not decide how much memory is taken."""

_MOST_HELD = 64
"""H.264 holds back 16 frames at most (A.3.1); twice that with fields, and again for what a broken stream leaves."""


class Decoder:
    """One stream's samples, in decoding order, to pictures, in presentation order. One thread at a time.

    After an error nothing is decoded before the next key: what refers to a broken picture is no picture of the scene.

    Attributes:
        errors: how often samples could not be decoded.
    """

    def __init__(self) -> None:
        self.errors = 0
        self._setup: H264Setup | None = None
        self._context: VideoCodecContext | None = None
        self._reorders = False
        self._highest_90k: int | None = None
        self._wall_ns: dict[int, int] = {}
        self._is_waiting = True

    def setup(self, setup: H264Setup) -> None:
        """The parameter sets of the samples that follow; pictures still held back are given up.

        Raises:
            DecodeError: the pictures would be larger than `MOST_PIXELS`, or no decoder takes the parameter sets.
        """
        self._setup, self._reorders = setup, False
        self._close()
        if setup.width * setup.height > MOST_PIXELS:
            self._setup = None
            raise self._failed(f"pictures of {setup.width}x{setup.height} are too large")

    def decode(self, sample: Sample) -> list[Picture]:
        """The pictures that are complete with this sample; none before the first key and its setup.

        Raises:
            DecodeError: it is not decodable.
        """
        if self._setup is None or (self._is_waiting and not sample.is_key):
            return []
        if not sample.data:
            raise self._failed("a sample is empty")  # which libav would take for the end
        self._see_order(sample)
        if self._context is None:
            self._context = self._open(self._setup)
        packet = av.Packet(sample.data)
        packet.pts = packet.dts = sample.pts_90k
        if len(self._wall_ns) >= _MOST_HELD:
            self._wall_ns.pop(next(iter(self._wall_ns)))
        self._wall_ns[sample.pts_90k] = sample.wall_ns
        try:
            pictures = self._pictures(self._context.decode(packet))
        except (av.FFmpegError, ValueError) as error:
            raise self._failed(f"a sample is not decodable: {type(error).__name__}") from error
        self._is_waiting = False
        return pictures

    def flush(self) -> list[Picture]:
        """The pictures still held back; the stream ends here, or starts anew with a key.

        Raises:
            DecodeError: they are not decodable.
        """
        if self._context is None:
            return []
        try:
            pictures = self._pictures(self._context.decode(None))
        except (av.FFmpegError, ValueError) as error:
            raise self._failed(f"the last samples are not decodable: {type(error).__name__}") from error
        self._close()
        return pictures

    def _see_order(self, sample: Sample) -> None:
        """A frame shown before one that was coded earlier: from here on frames must be held back and put in order."""
        if sample.is_key:
            self._highest_90k = None
        elif self._highest_90k is not None and sample.pts_90k < self._highest_90k and not self._reorders:
            self._reorders = True
            self._close()  # a new decoder, at the next key
            raise self._failed("the camera reorders frames")
        self._highest_90k = max(sample.pts_90k, self._highest_90k or sample.pts_90k)

    def _open(self, setup: H264Setup) -> VideoCodecContext:
        context = av.CodecContext.create("h264", "r")
        assert isinstance(context, VideoCodecContext)
        context.extradata = decoder_configuration(setup)
        context.thread_count = 1
        if not self._reorders:
            context.flags |= Flags.low_delay
        try:
            context.open()
        except (av.FFmpegError, ValueError) as error:
            raise self._failed(f"no decoder for the parameter sets: {type(error).__name__}") from error
        return context

    def _close(self) -> None:
        self._context = None
        self._wall_ns.clear()
        self._highest_90k = None
        self._is_waiting = True

    def _failed(self, what: str) -> DecodeError:
        self.errors += 1
        self._close()
        return DecodeError(what)

    def _pictures(self, frames: Iterable[av.VideoFrame]) -> list[Picture]:
        pictures = []
        for frame in frames:
            if frame.pts is None or frame.pts not in self._wall_ns or frame.is_corrupt:
                raise ValueError("a frame without a sample of its own")
            pictures.append(_picture(frame, frame.pts, self._wall_ns.pop(frame.pts)))
        return pictures


def _picture(frame: av.VideoFrame, pts_90k: int, wall_ns: int) -> Picture:
    if frame.width * frame.height > MOST_PIXELS:
        raise ValueError("the picture is too large")
    is_key = frame.pict_type == PictureType.I
    if frame.format.name != "yuv420p" or frame.color_range == ColorRange.JPEG:
        frame = frame.reformat(format="yuv420p", dst_color_range=ColorRange.MPEG)
    width, height = frame.width & ~1, frame.height & ~1
    y, u, v = (_plane(plane) for plane in frame.planes[:3])
    half = slice(height // 2), slice(width // 2)
    return Picture(
        y[:height, :width].copy(), u[half].copy(), v[half].copy(), pts_90k, wall_ns, is_key
    )  # fmt: skip


def _plane(plane: av.video.plane.VideoPlane) -> Plane:
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
