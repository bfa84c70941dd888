"""Pictures of one's own as keys of a stream."""

from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from civicam.camera.sample import H264Setup, Sample


def coded(lumas: list[NDArray[np.uint8]], *, full_range: bool = False) -> tuple[H264Setup, list[Sample]]:
    """A key for each, at the first second of 1970."""
    height, width = lumas[0].shape
    coder = av.CodecContext.create("libx264", "w")
    assert isinstance(coder, VideoCodecContext)
    coder.width, coder.height, coder.pix_fmt = width, height, "yuv420p"
    coder.time_base, coder.framerate, coder.thread_count = Fraction(1, 1), Fraction(1), 1
    coder.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "1", "qp": "24"}
    if full_range:
        coder.color_range = ColorRange.JPEG
    coder.flags |= 1 << 22  # parameter sets out of band
    grey = np.full((height // 2, width), 128, np.uint8)
    samples = []
    for number, luma in enumerate(lumas):
        frame = av.VideoFrame.from_ndarray(np.concatenate([luma, grey]), format="yuv420p")
        frame.pts = number
        frame.color_range = ColorRange.JPEG if full_range else ColorRange.MPEG
        (packet,) = coder.encode(frame)
        nals = [nal for nal in _split(bytes(packet)) if nal[0] & 31 == 5]
        data = b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)
        samples.append(Sample(data, number * 90_000, 1_000_000_000 + number, None, True))
    sps, *pps = _split(bytes(coder.extradata or b""))
    return H264Setup(sps, tuple(pps), width, height), samples


def _split(data: bytes) -> list[bytes]:
    return [nal for nal in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if nal]
