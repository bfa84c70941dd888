"""RTP and RTCP packets: each two-byte length is followed by a packet of that many bytes."""

import contextlib
import struct
import sys

from civicam.camera.rtcp import parse_compound
from civicam.camera.rtp import RtpReceiver
from civicam.core.errors import CivicamError
from tests.fuzz import harness


class _Checked:
    """Takes payloads and checks that each lies within its packet."""

    def __init__(self) -> None:
        self.pushed = self.losses = 0

    def push(  # noqa: PLR0917  the seam's own order
        self, view: memoryview, start: int, end: int, timestamp: int, marker: bool, arrival_ns: int
    ) -> None:
        assert 12 <= start < end <= len(view)
        assert 0 <= timestamp < 1 << 32
        self.pushed += 1

    def lost(self, detail: str) -> None:
        self.losses += 1

    def restart(self) -> None:
        pass


def _framed(*packets: bytes) -> bytes:
    return b"".join(struct.pack("!H", len(packet)) + packet for packet in packets)


def _rtp(sequence: int, ssrc: int = 7, first: int = 0x80, rest: bytes = b"\x65abc") -> bytes:
    return struct.pack("!BBHII", first, 96, sequence & 0xFFFF, 3000 * sequence & 0xFFFFFFFF, ssrc) + rest


_SR = struct.pack("!BBHIQIII", 0x80, 200, 6, 7, 0xE9000000 << 32, 9, 1, 1)
_BYE = struct.pack("!BBHI", 0x81, 203, 1, 7)
SEEDS = [
    _framed(*(_rtp(n) for n in range(65534, 65540)), _rtp(9), _rtp(3000), _rtp(9)),
    _framed(_rtp(1, first=0xB1, rest=b"\0\0\0\7\xbe\xde\0\1abcdpayload\2\2"), _rtp(2), _rtp(3, ssrc=8)),
    _framed(_SR + _BYE, _BYE, _SR),
]


def one(data: bytes) -> None:
    out = _Checked()
    receiver = RtpReceiver(96, out)
    at = packets = 0
    while at + 2 <= len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        packet = data[at + 2 : at + 2 + size]
        at += 2 + size
        packets += 1
        receiver.packet(memoryview(packet), 0, len(packet), at)
        with contextlib.suppress(CivicamError):
            assert len(parse_compound(packet)) <= len(packet) // 4
    assert out.pushed <= packets
    assert 0 <= receiver.received <= packets
    assert 0 <= receiver.highest < 1 << 32
    assert receiver.lost <= receiver.expected


if __name__ == "__main__":
    raise SystemExit(harness.run(one, SEEDS, sys.argv))
