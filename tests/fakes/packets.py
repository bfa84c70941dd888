"""Access units cut into RTP packets, the way an encoder would, written apart from the code under test."""

import struct
from collections.abc import Sequence

PAYLOAD_TYPE = 96
SSRC = 0x5EED


def payloads(nals: Sequence[bytes], mtu: int = 1400, aggregate: bool = False) -> list[bytes]:
    """The payloads of one access unit: single NAL units, FU-A above `mtu`, STAP-A where asked for and possible."""
    found: list[bytes] = []
    small: list[bytes] = []

    def flush() -> None:
        if len(small) == 1:
            found.append(small[0])
        elif small:
            found.append(b"\x78" + b"".join(struct.pack("!H", len(nal)) + nal for nal in small))
        small.clear()

    for nal in nals:
        if len(nal) > mtu:
            flush()
            found += fragments(nal, mtu)
        else:
            if sum(map(len, small)) + len(nal) > mtu:
                flush()
            small.append(nal)
            if not aggregate:
                flush()
    flush()
    return found


def fragments(nal: bytes, mtu: int) -> list[bytes]:
    """One NAL unit as FU-A payloads."""
    parts = [nal[at : at + mtu] for at in range(1, len(nal), mtu)]
    indicator, kind = nal[0] & 0xE0 | 28, nal[0] & 0x1F
    last = len(parts) - 1
    return [
        bytes((indicator, (0x80 if n == 0 else 0) | (0x40 if n == last else 0) | kind)) + part
        for n, part in enumerate(parts)
    ]


def rtp(
    sequence: int, timestamp: int, payload: bytes, marker: bool = False, *, ssrc: int = SSRC, kind: int = 96
) -> bytes:
    """One RTP packet."""
    second = (0x80 if marker else 0) | kind
    return struct.pack("!BBHII", 0x80, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload


def interleaved(packet: bytes, channel: int = 0) -> bytes:
    """A packet as it travels within an RTSP connection."""
    return struct.pack("!BBH", 0x24, channel, len(packet)) + packet


def sender_report(ntp: int, timestamp: int, ssrc: int = SSRC) -> bytes:
    """An RTCP sender report without report blocks."""
    return struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, ntp, timestamp & 0xFFFFFFFF, 0, 0)


def with_lengths(nals: Sequence[bytes]) -> bytes:
    """What `Sample.data` should be."""
    return b"".join(struct.pack("!I", len(nal)) + nal for nal in nals)
