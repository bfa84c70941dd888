"""The camera's side of RTCP: sender reports, BYE, and the receiver reports that come back (RFC 3550 section 6)."""

import struct

NTP_UNIX_S = 2_208_988_800
"""Seconds from 1900 (NTP) to 1970 (Unix)."""

_REPORT = struct.Struct(">BBHIIIIII")
_SENDER = 200
_RECEIVER = 201
_DESCRIPTION = 202
_BYE = 203
_CNAME = 1


def ntp_of_wall(wall_ns: int) -> tuple[int, int]:
    """Unix nanoseconds as the two words of an NTP timestamp; seconds wrap in 2036 as NTP's do."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    return (seconds + NTP_UNIX_S) & 0xFFFFFFFF, (rest << 32) // 1_000_000_000


def sender_report(ssrc: int, *, wall_ns: int, timestamp: int, packets: int, octets: int, cname: str) -> bytes:
    """Returns a compound packet: the report (section 6.4.1) and the source's name (section 6.5).

    Args:
        ssrc: the source.
        wall_ns: the camera's wall clock, Unix nanoseconds.
        timestamp: the RTP time at that same moment.
        packets: RTP packets sent so far.
        octets: payload bytes sent so far.
        cname: the source's canonical name.
    """
    seconds, fraction = ntp_of_wall(wall_ns)
    report = _REPORT.pack(
        0x80, _SENDER, 6, ssrc, seconds, fraction, timestamp, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF
    )
    return report + _description(ssrc, cname)


def bye(ssrc: int, cname: str) -> bytes:
    """Returns a compound packet that ends the source: an empty receiver report, its name, and BYE (section 6.6)."""
    empty = struct.pack(">BBHI", 0x80, _RECEIVER, 1, ssrc)
    return empty + _description(ssrc, cname) + struct.pack(">BBHI", 0x81, _BYE, 1, ssrc)


def _description(ssrc: int, cname: str) -> bytes:
    name = cname.encode()[:255]
    item = bytes((_CNAME, len(name))) + name + b"\0"
    item += bytes(-len(item) % 4)
    return struct.pack(">BBHI", 0x81, _DESCRIPTION, 1 + len(item) // 4, ssrc) + item


def receiver_reports(data: bytes) -> int | None:
    """Returns how many receiver reports a compound packet holds; None when it is not RTCP."""
    at = 0
    count = 0
    while at < len(data):
        if len(data) - at < 4 or data[at] >> 6 != 2:
            return None
        words = int.from_bytes(data[at + 2 : at + 4])
        if at + 4 + 4 * words > len(data):
            return None
        count += data[at + 1] == _RECEIVER
        at += 4 + 4 * words
    return count if data else None
