"""RTCP (RFC 3550 6): sender reports and goodbyes read, receiver reports written."""

import struct
from dataclasses import dataclass

from civicam.core.errors import RtpError

NTP_TO_UNIX_S = 2_208_988_800
MAX_COMPOUND_PACKETS = 64

_SR, _RR, _SDES, _BYE = 200, 201, 202, 203
_CNAME = b"civicam"


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What a camera's clocks said at one moment (6.4.1).

    Attributes:
        ssrc: the stream's source.
        ntp: 64-bit NTP timestamp, 0 where the camera has no clock.
        timestamp: the same moment as an RTP timestamp.
    """

    ssrc: int
    ntp: int
    timestamp: int

    @property
    def unix_ns(self) -> int | None:
        """The camera's wall clock, None where it has none.

        A high bit of 0 means time since start-up (RFC 3550 4), which says nothing about the hour.
        """
        if not self.ntp >> 63:
            return None
        return ((self.ntp >> 32) - NTP_TO_UNIX_S) * 1_000_000_000 + ((self.ntp & 0xFFFFFFFF) * 1_000_000_000 >> 32)


@dataclass(frozen=True, slots=True)
class Bye:
    """The sources that end (6.6)."""

    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reception:
    """One report block (6.4.1): how a stream arrives here.

    Attributes:
        ssrc: the stream's source.
        fraction_lost: lost since the last report, in 256ths.
        lost: packets lost in all.
        highest: extended highest sequence number.
        jitter_90k: interarrival jitter.
        last_sr: the middle 32 bits of the last sender report's NTP timestamp, 0 where there was none.
        delay_65536: time since it came, in 65536ths of a second.
    """

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter_90k: int
    last_sr: int = 0
    delay_65536: int = 0


def parse_compound(data: bytes) -> list[SenderReport | Bye]:
    """The sender reports and goodbyes of a compound packet; other kinds are passed over.

    Raises:
        RtpError: a length or version is wrong.
    """
    found: list[SenderReport | Bye] = []
    at = 0
    for _ in range(MAX_COMPOUND_PACKETS):
        if at >= len(data):
            return found
        if len(data) - at < 4:
            raise RtpError("an RTCP packet ends within its header")
        first, kind, words = struct.unpack_from("!BBH", data, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            raise RtpError("an RTCP packet has a wrong version or length")
        if kind == _SR:
            if words < 6:
                raise RtpError("a sender report is too short")
            found.append(SenderReport(*struct.unpack_from("!IQI", data, at + 4)))
        elif kind == _BYE:
            count = first & 0x1F
            if words < count:
                raise RtpError("a goodbye is too short")
            found.append(Bye(struct.unpack_from(f"!{count}I", data, at + 4)))
        at = end
    raise RtpError(f"a compound packet holds more than {MAX_COMPOUND_PACKETS} packets")


def receiver_report(own_ssrc: int, reception: Reception | None) -> bytes:
    """A compound packet: receiver report (6.4.2) and our name (6.5.1)."""
    block = b""
    if reception is not None:
        lost = max(-0x800000, min(0x7FFFFF, reception.lost)) & 0xFFFFFF
        block = struct.pack(
            "!IIIIII",
            reception.ssrc,
            (reception.fraction_lost & 0xFF) << 24 | lost,
            reception.highest & 0xFFFFFFFF,
            min(reception.jitter_90k, 0xFFFFFFFF),
            reception.last_sr & 0xFFFFFFFF,
            min(reception.delay_65536, 0xFFFFFFFF),
        )
    report = struct.pack("!BBHI", 0x80 | bool(block), _RR, 1 + len(block) // 4, own_ssrc) + block
    name = struct.pack("!IBB", own_ssrc, 1, len(_CNAME)) + _CNAME
    name += b"\0" * (4 - len(name) % 4)
    return report + struct.pack("!BBH", 0x81, _SDES, len(name) // 4) + name
