"""Small looped streams for tests, really encoded, each frame with its number drawn in."""

from fractions import Fraction
from functools import cache

import av
import numpy as np

from civicam.city.loop import AccessUnit, LoopedStream

_BITS = 12
_AUD, _SPS, _PPS = 9, 7, 8


def _nals(data: bytes) -> list[bytes]:
    """Splits an Annex B byte stream (ITU-T H.264 annex B)."""
    parts = data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [part.rstrip(b"\0") for part in parts if part]


def numbered(number: int, width: int, height: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A grey picture whose upper half is `number` as black and white bars."""
    picture = np.full((height, width, 3), 128, np.uint8)
    bar = width // _BITS
    for bit in range(_BITS):
        picture[: height // 2, bit * bar : (bit + 1) * bar] = 235 if number >> bit & 1 else 16
    # Something that moves, so that frames differ in size.
    x = number * 7 % (width - 16)
    picture[height // 2 + 8 : height // 2 + 24, x : x + 16] = (200, 40, number * 5 % 255)
    return picture


def number_in(frame: av.VideoFrame) -> int:
    """The number that `numbered` drew."""
    luma = frame.to_ndarray(format="gray")
    bar = frame.width // _BITS
    middles = [luma[frame.height // 4, bit * bar + bar // 2] for bit in range(_BITS)]
    return sum(int(value > 128) << bit for bit, value in enumerate(middles))


@cache
def looped_stream(
    name: str = "bars",
    *,
    width: int = 192,
    height: int = 96,
    fps: int = 50,
    frames: int = 30,
    gop: int = 15,
    b_frames: int = 0,
    bit_rate: int = 300_000,
    noisy: bool = False,
) -> LoopedStream:
    """Encodes a loop of `frames` numbered frames, closed GOPs, with libx264; noise makes them big."""
    codec = av.CodecContext.create("libx264", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, fps), Fraction(fps)
    codec.bit_rate = bit_rate
    codec.gop_size = gop
    codec.max_b_frames = b_frames
    codec.options = {
        "preset": "veryfast",
        "x264-params": f"open-gop=0:scenecut=0:keyint={gop}:min-keyint={gop}:bframes={b_frames}:b-adapt=0:threads=1",
    }
    packets = []
    rng = np.random.default_rng(1)
    for number in range(frames):
        picture = numbered(number, width, height)
        if noisy:
            picture[height // 2 :] = rng.integers(0, 255, (height - height // 2, width, 3), np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = number
        packets += codec.encode(frame)
    packets += codec.encode(None)
    sets: dict[int, bytes] = {}
    units = []
    for packet in packets:
        nals = []
        for nal in _nals(bytes(packet)):
            if nal[0] & 31 in (_SPS, _PPS):
                sets[nal[0] & 31] = nal
            elif nal[0] & 31 != _AUD:
                nals.append(nal)
        assert packet.pts is not None
        units.append(AccessUnit(tuple(nals), packet.pts * 90_000 // fps, packet.is_keyframe))
    return LoopedStream(name, sets[_SPS], sets[_PPS], width, height, fps, tuple(units), frames * 90_000 // fps)
