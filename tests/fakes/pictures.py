"""Pictures without a camera, redacted ones too, and the way back from samples to pixels."""

import io

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from civicam.camera.sample import H264Setup, Sample
from civicam.redaction.picture import Picture
from civicam.redaction.redacted import CELL_PX, FullCover, RedactedPicture

FRAME_90K, FRAME_NS = 6_000, 66_666_667


def drawn(number: int, width: int = 320, height: int = 180) -> Picture:
    """A slope of light with a bright square that moves by 8 pixels a frame."""
    rows, columns = np.mgrid[:height, :width]
    y = (40 + (rows + columns) * 120 // (height + width)).astype(np.uint8)
    left = number * 8 % (width - 32)
    y[height // 3 : height // 3 + 32, left : left + 32] = 220
    u = np.full((height // 2, width // 2), 110, np.uint8)
    v = np.full((height // 2, width // 2), 140, np.uint8)
    return Picture(y, u, v, number * FRAME_90K, number * FRAME_NS, number == 0)


def uncovered(picture: Picture, reason: FullCover | None = None) -> RedactedPicture:
    """`picture` as if nothing had to be covered: for what comes after redaction."""
    width, height = picture.size
    cells = np.full((-(-height // CELL_PX), -(-width // CELL_PX)), reason is not None)
    return RedactedPicture(picture, cells, reason)


def nal_types(data: bytes) -> list[int]:
    """The types of a sample's NAL units."""
    types, at = [], 0
    while at < len(data):
        types.append(data[at + 4] & 31)
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return types


class Eye:
    """A decoder as a viewer has it: samples to luma planes."""

    def __init__(self, setup: H264Setup) -> None:
        context = av.CodecContext.create("h264", "r")
        assert isinstance(context, VideoCodecContext)
        context.extradata = b"".join(b"\0\0\0\1" + nal for nal in (setup.sps, *setup.pps))
        context.thread_count = 1
        self._context = context

    @classmethod
    def of_init(cls, init: bytes) -> "Eye":
        """Made of an init segment, as a browser does it."""
        at = init.index(b"avcC") + 4
        sps_bytes = int.from_bytes(init[at + 6 : at + 8], "big")
        pps_at = at + 8 + sps_bytes + 3
        pps_bytes = int.from_bytes(init[pps_at - 2 : pps_at], "big")
        return cls(H264Setup(init[at + 8 : at + 8 + sps_bytes], (init[pps_at : pps_at + pps_bytes],), 0, 0))

    def see_fragment(self, data: bytes) -> list[av.VideoFrame]:
        """The frames of a `moof` and `mdat`."""
        return self.see_bytes(data[int.from_bytes(data[:4], "big") + 8 :])

    def see(self, sample: Sample) -> list[av.VideoFrame]:
        """The frames that come out."""
        return self.see_bytes(sample.data)

    def see_bytes(self, data: bytes) -> list[av.VideoFrame]:
        """The same for NAL units behind lengths."""
        annex_b, at = b"", 0
        while at < len(data):
            size = int.from_bytes(data[at : at + 4], "big")
            annex_b += b"\0\0\0\1" + data[at + 4 : at + 4 + size]
            at += 4 + size
        return self._context.decode(av.Packet(annex_b))


def luma(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """A frame's Y plane."""
    return np.asarray(frame.to_ndarray(), np.uint8)[: frame.height]


def played(init: bytes, fragments: list[bytes]) -> list[av.VideoFrame]:
    """What a player makes of an init segment and fragments."""
    with av.open(io.BytesIO(init + b"".join(fragments)), "r") as container:
        return list(container.decode(video=0))


class LeftHalf:
    """A redactor that covers the left half of every picture, and fails when it is told to.

    Attributes:
        is_broken: whether it raises.
        seen: the pictures it was given.
    """

    COVER = 16

    def __init__(self) -> None:
        self.is_broken = False
        self.seen: list[Picture] = []

    def redact(self, picture: Picture) -> RedactedPicture:
        if self.is_broken:
            raise RuntimeError("a fault put in on purpose")
        self.seen.append(picture)
        width, height = picture.size
        y = picture.y.copy()
        y[:, : width // 2] = self.COVER
        cells = np.zeros((-(-height // CELL_PX), -(-width // CELL_PX)), np.bool_)
        cells[:, : width // 2 // CELL_PX] = True
        shown = Picture(y, picture.u.copy(), picture.v.copy(), picture.pts_90k, picture.wall_ns, picture.is_key)
        return RedactedPicture(shown, cells, None)

    def cover_all(self, size: tuple[int, int], reason: FullCover, pts_90k: int, wall_ns: int) -> RedactedPicture:
        width, height = size
        half = np.full((height // 2, width // 2), 128, np.uint8)
        y = np.full((height, width), self.COVER, np.uint8)
        return uncovered(Picture(y, half, half, pts_90k, wall_ns, False), reason)
