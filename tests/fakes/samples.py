"""Real H.264 samples, encoded once a test run: what a camera would have sent."""

from fractions import Fraction
from functools import cache

import av
import numpy as np

from civicam.camera.sample import H264Setup, Sample
from civicam.core.errors import H264Error

FRAME_90K = 6000
FRAME_NS = 66_666_667


@cache
def encoded(
    count: int = 90, gop: int = 30, b_frames: int = 0, size: tuple[int, int] = (160, 96)
) -> tuple[H264Setup, tuple[Sample, ...]]:
    """`count` frames at 15 a second in decoding order, their wall time counted from 1 s after 1970."""
    codec = av.CodecContext.create("libx264", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height = size
    codec.pix_fmt = "yuv420p"
    codec.time_base = Fraction(1, 15)
    codec.framerate = Fraction(15, 1)
    codec.thread_count = 1
    codec.options = {
        "preset": "ultrafast",
        "g": str(gop),
        "bf": str(b_frames),
        "sc_threshold": "0",
        "x264-params": "open-gop=0",
    }
    codec.flags |= 1 << 22  # parameter sets out of band
    rng = np.random.default_rng(7)
    samples: list[Sample] = []
    for index in range(count + 1):
        frame = None
        if index < count:
            pixels = np.full((size[1], size[0], 3), index % 200, np.uint8)
            pixels[: size[1] // 2] = rng.integers(0, 255, (size[1] // 2, size[0], 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = index
        samples += [_sample(bytes(packet), packet.pts or 0, packet.is_keyframe) for packet in codec.encode(frame)]
    sps, *pps = _nals(bytes(codec.extradata or b""))
    return H264Setup(sps, tuple(pps), *size), tuple(samples)


def _sample(annex_b: bytes, index: int, is_key: bool) -> Sample:
    data = b"".join(len(nal).to_bytes(4, "big") + nal for nal in _nals(annex_b))
    return Sample(data, index * FRAME_90K, 1_000_000_000 + index * FRAME_90K * 100_000 // 9, None, is_key)


def _nals(annex_b: bytes) -> list[bytes]:
    if not annex_b.startswith(b"\0\0\1") and not annex_b.startswith(b"\0\0\0\1"):
        raise H264Error("not a byte stream")
    pieces = annex_b.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [piece for piece in pieces if piece]
