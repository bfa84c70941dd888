"""Keys of real and simulated cameras as a camera would code them, and what may befall a camera."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from civicam.city.conditions import Conditions
from civicam.city.draw import Renderer
from civicam.redaction.picture import Picture, Plane

FOOTAGE = Path(__file__).parents[3] / "shared" / "footage"
CLIPS = ("street-cars-768x432.mp4", "people-pausing-768x432.mp4")
SECOND_NS = 1_000_000_000
START_NS = 1_772_323_200_000_000_000  # 2026-03-01T00:00:00Z

Alter = Callable[[Plane], Plane]


def has_clip(name: str) -> bool:
    """The real clip is on this machine."""
    return (FOOTAGE / name).is_file()


@cache
def clip(name: str, every_s: float) -> tuple[Plane, ...]:
    """The luma of a real clip's frames, so far apart."""
    lumas: list[Plane] = []
    with av.open(str(FOOTAGE / name)) as file:
        for frame in file.decode(video=0):
            if (frame.time or 0.0) >= len(lumas) * every_s:
                lumas.append(_limited(frame.to_ndarray(format="gray")))
    return tuple(lumas)


@cache
def simulated(
    kind: str,
    conditions: Conditions,
    count: int,
    *,
    every_s: float = 4.0,
    size: tuple[int, int] = (640, 360),
    seed: int = 3,
) -> tuple[Plane, ...]:
    """The luma of a simulated camera's frames, so far apart."""
    drawn = Renderer(
        kind,
        seed,
        width=size[0],
        height=size[1],
        fps=1 / every_s,
        frames=count,
        conditions=conditions,
        barcode=False,
    )
    return tuple(drawn.frame(number).picture.luma for number in range(count))


class KeyCoder:
    """Codes each picture as a key of a camera's small stream, and decodes it again: what a recorder would see.

    Args:
        size: width and height.
        qp: how coarse (H.264 7.4.3); 30 gives about 20 kB at 640x360.
    """

    def __init__(self, size: tuple[int, int], qp: int = 30) -> None:
        coder = av.CodecContext.create("libx264", "w")
        decoder = av.CodecContext.create("h264", "r")
        assert isinstance(coder, VideoCodecContext)
        assert isinstance(decoder, VideoCodecContext)
        coder.width, coder.height, coder.pix_fmt = *size, "yuv420p"
        coder.time_base, coder.framerate, coder.thread_count = Fraction(1, 1), Fraction(1), 1
        coder.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "1", "qp": str(qp)}
        decoder.thread_count = 1
        decoder.flags |= 1 << 19  # low delay
        self._coder, self._decoder = coder, decoder
        self._grey = np.full((size[1] // 2, size[0]), 128, np.uint8)

    def coded(self, luma: Plane, wall_ns: int) -> Picture:
        """`luma` after coding, without colour."""
        frame = av.VideoFrame.from_ndarray(np.concatenate([luma, self._grey]), format="yuv420p")
        frame.pts = 0
        (packet,) = self._coder.encode(frame)
        packet.pts = packet.dts = None
        (shown,) = self._decoder.decode(packet)
        planes = shown.to_ndarray(format="yuv420p").astype(np.uint8, copy=False)
        half = np.full((luma.shape[0] // 2, luma.shape[1] // 2), 128, np.uint8)
        return Picture(planes[: luma.shape[0]].copy(), half, half.copy(), wall_ns // 100_000 * 9, wall_ns, True)


def keys(
    lumas: tuple[Plane, ...], count: int, *, start_ns: int = START_NS, every_s: float = 4.0, alter: Alter | None = None
) -> Iterator[Picture]:
    """`count` coded keys; the pictures come again in the other direction when they have all been shown."""
    height, width = lumas[0].shape
    coder = KeyCoder((width, height))
    order = [*range(len(lumas)), *range(len(lumas) - 2, 0, -1)]
    for number in range(count):
        luma = lumas[order[number % len(order)]]
        yield coder.coded(alter(luma) if alter else luma, start_ns + round(number * every_s * SECOND_NS))


def painted(share: float, level: int = 90) -> Alter:
    """The left `share` of the lens is painted over."""

    def alter(luma: Plane) -> Plane:
        out = luma.copy()
        out[:, : round(luma.shape[1] * share)] = level
        return out

    return alter


def blurred(radius_px: float) -> Alter:
    """Out of focus."""
    return lambda luma: np.asarray(Image.fromarray(luma).filter(ImageFilter.GaussianBlur(radius_px)))


def moved(right_px: int, down_px: int = 0) -> Alter:
    """The camera was pushed: the picture lies elsewhere, and its edge is what was beside it (here: the edge again)."""

    def alter(luma: Plane) -> Plane:
        rows = np.clip(np.arange(luma.shape[0]) - down_px, 0, luma.shape[0] - 1)
        columns = np.clip(np.arange(luma.shape[1]) - right_px, 0, luma.shape[1] - 1)
        out: Plane = np.ascontiguousarray(luma[rows][:, columns], np.uint8)
        return out

    return alter


def frozen() -> Alter:
    """The first picture again and again."""
    first: list[Plane] = []

    def alter(luma: Plane) -> Plane:
        first.append(luma)
        del first[1:]
        return first[0]

    return alter


def darkened(share: float) -> Alter:
    """So much of the light is left."""
    return lambda luma: _limited((luma.astype(np.float32) - 16) * share + 16)


def overexposed(gain: float) -> Alter:
    """So much more light."""
    return lambda luma: _limited((luma.astype(np.float32) - 16) * gain + 60)


def _limited(luma: NDArray[np.floating] | NDArray[np.integer]) -> Plane:
    limited: Plane = np.clip(luma, 16, 235).astype(np.uint8)
    return limited
