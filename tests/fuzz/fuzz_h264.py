"""RTP payloads to access units: each is a flag byte (1 marker, 2 new timestamp, 4 loss, 8 restart), a length, bytes."""

import struct
import sys

from civicam.camera.h264 import MAX_ACCESS_UNIT_BYTES, Depacketiser, nal_units
from civicam.camera.sample import H264Setup
from tests.fuzz import harness

SPS = bytes.fromhex("6764001facd940500 5bb011000000300100000030 3c0f1831960".replace(" ", ""))
PPS = bytes.fromhex("68ebe3cb22c0")
_IDR = b"\x65\x88\x84\x00"
_P = b"\x41\x9a\x00\x01"
_RECOVERY = b"\x06\x06\x01\xc4\x80"
_STAP = b"\x78" + b"".join(struct.pack("!H", len(nal)) + nal for nal in (SPS, PPS))


class _Checked:
    """Takes access units and checks that they are whole."""

    def __init__(self) -> None:
        self.setups = 0
        self.media_bytes = 0

    def parameters(self, setup: H264Setup) -> None:
        assert 0 < setup.width <= 16384
        assert 0 < setup.height <= 16384
        assert setup.sps
        assert setup.pps
        self.setups += 1

    def unit(self, data: bytes, timestamp: int, arrival_ns: int, is_key: bool) -> None:
        assert self.setups
        nals = list(nal_units(data))
        assert sum(4 + len(nal) for nal in nals) == len(data) <= MAX_ACCESS_UNIT_BYTES
        assert all(nals)
        assert any(1 <= nal[0] & 0x1F <= 5 for nal in nals)
        self.media_bytes += len(data)

    def damaged(self, detail: str) -> None:
        assert detail


def _steps(*steps: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack("!BH", flags, len(payload)) + payload for flags, payload in steps)


SEEDS = [
    _steps((2, SPS), (0, PPS), (1, _IDR), (3, _P), (3, _P)),
    _steps((2, _STAP), (0, b"\x7c\x85\x88abc"), (0, b"\x7c\x05def"), (1, b"\x7c\x45ghi"), (3, _P), (7, _P)),
    _steps(
        (2, SPS), (0, PPS), (0, _RECOVERY), (1, b"\x41\xb8\x00"), (2, b"\x5c\x81\x9a"), (9, b"\x5c\x41a"), (3, _IDR)
    ),
]


def one(data: bytes) -> None:
    out = _Checked()
    depacketiser = Depacketiser(out, (data[:40], SPS) if data[:1] == b"\x67" else ())
    at = timestamp = 0
    while at + 3 <= len(data):
        flags, size = struct.unpack_from("!BH", data, at)
        payload = data[at + 3 : at + 3 + size]
        at += 3 + size
        timestamp += bool(flags & 2)
        if flags & 4:
            depacketiser.lost("packets lost")
        if flags & 8:
            depacketiser.restart()
        if payload:
            depacketiser.push(memoryview(payload), 0, len(payload), timestamp, bool(flags & 1), at)
        depacketiser.check_size()
    # A NAL unit of a byte gets a length of four in front, in an aggregation packet in place of two.
    assert out.media_bytes <= 5 * len(data)


if __name__ == "__main__":
    raise SystemExit(harness.run(one, SEEDS, sys.argv))
