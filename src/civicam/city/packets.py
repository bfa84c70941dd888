"""Coded frames as ready-made RTP packets, made once a stream and shared by every camera that plays it.

H.264 over RTP is RFC 6184, packetization-mode 1: single NAL unit packets, FU-A for what does not fit, one STAP-A for
in-band parameter sets. Every packet stands behind its interleaved header (RFC 2326 section 10.12), so that a player
copies a frame's bytes, writes sequence number, time and source into each packet, and sends them at once.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from civicam.city.loop import AccessUnit, LoopedStream
from civicam.core.errors import CityError

PAYLOAD_TYPE = 96
CLOCK_HZ = 90_000
MAX_PAYLOAD_BYTES = 1400

PATCH = struct.Struct(">HII")
"""Sequence number, timestamp and SSRC, at a packet's patch offset (RFC 3550 section 5.1)."""

_PREFIX = struct.Struct(">BBHBBHII")
_PATCH_AT = 6
_MARKER = 0x80
_STAP_A = 24
_FU_A = 28


@dataclass(frozen=True, slots=True)
class PacketisedFrame:
    """One frame as it goes over the wire.

    Attributes:
        wire: its packets one behind the other, on channel 0, with sequence number, timestamp and SSRC zero.
        patches: where in `wire` those three stand, one offset a packet.
        send_ns: when it is sent, from the loop's start.
        pts_90k: its presentation time, from the loop's start.
        is_key: it is an IDR frame.
    """

    wire: bytes
    patches: tuple[int, ...]
    send_ns: int
    pts_90k: int
    is_key: bool

    def packet_starts(self) -> list[int]:
        """Where in `wire` each packet's interleaved header begins."""
        return [at - _PATCH_AT for at in self.patches]


def payloads(nal: bytes, limit: int = MAX_PAYLOAD_BYTES) -> Iterator[bytes]:
    """Yields `nal` as RTP payloads of at most `limit` bytes (RFC 6184 sections 5.6 and 5.8)."""
    if len(nal) <= limit:
        yield nal
        return
    indicator = (nal[0] & 0xE0) | _FU_A
    kind = nal[0] & 0x1F
    step = limit - 2
    for at in range(1, len(nal), step):
        start = 0x80 if at == 1 else 0
        end = 0x40 if at + step >= len(nal) else 0
        yield bytes((indicator, start | end | kind)) + nal[at : at + step]


def aggregate(nals: Sequence[bytes]) -> bytes:
    """Returns `nals` as one STAP-A payload (RFC 6184 section 5.7.1)."""
    importance = max(nal[0] & 0x60 for nal in nals)
    forbidden = 0x80 if any(nal[0] & 0x80 for nal in nals) else 0
    return bytes((forbidden | importance | _STAP_A,)) + b"".join(len(nal).to_bytes(2) + nal for nal in nals)


def digest(unit: AccessUnit) -> str:
    """SHA-256, in hex, of the frame's NAL units, each behind a 4-byte length (ISO/IEC 14496-15)."""
    return sha256(b"".join(len(nal).to_bytes(4) + nal for nal in unit.nals)).hexdigest()


class PacketisedStream:
    """A looped stream, ready to be sent.

    Attributes:
        stream: what it was made from.
        frames: its frames, in decoding order.
        in_band: the same, with the parameter sets in front of each key frame.
        duration_90k: the loop's length.

    Raises:
        CityError: the stream cannot be played in a loop.
    """

    def __init__(self, stream: LoopedStream, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        _check(stream)
        self.stream = stream
        self.duration_90k = stream.duration_90k
        paces = _paces(stream)
        self.frames = [
            _frame(unit, pace, [p for nal in unit.nals for p in payloads(nal, max_payload_bytes)])
            for unit, pace in zip(stream.units, paces, strict=True)
        ]
        sets = aggregate((stream.sps, stream.pps))
        self.in_band = [
            _frame(unit, pace, [sets, *(p for nal in unit.nals for p in payloads(nal, max_payload_bytes))])
            if unit.is_key
            else frame
            for unit, pace, frame in zip(stream.units, paces, self.frames, strict=True)
        ]
        self._keys = [index for index, unit in enumerate(stream.units) if unit.is_key]
        self._key_paces = [paces[index] for index in self._keys]
        self._digests: list[str] | None = None

    def next_key(self, position_90k: int) -> tuple[int, int]:
        """Returns the round and the index of the first key frame that is sent at or after `position_90k`.

        Args:
            position_90k: from the start of round 0; rounds follow each other without a break.
        """
        turn, within = divmod(position_90k, self.duration_90k)
        at = bisect_left(self._key_paces, within)
        if at == len(self._keys):
            # Frames that are sent after the loop's end (pictures out of order) belong to the round that began earlier.
            return turn + 1, self._keys[0]
        return turn, self._keys[at]

    def digest(self, index: int) -> str:
        """`digest` of the frame at `index`; all of them are computed when the first one is asked for."""
        if self._digests is None:
            self._digests = [digest(unit) for unit in self.stream.units]
        return self._digests[index]


def _check(stream: LoopedStream) -> None:
    def refuse(what: str) -> CityError:
        return CityError(what, where=f"stream {stream.name!r}", fix="make the looped stream again")

    if not stream.units or not stream.units[0].is_key:
        raise refuse("the first frame is not a key frame")
    if not stream.sps or not stream.pps:
        raise refuse("a parameter set is missing")
    if any(not unit.nals or not all(unit.nals) for unit in stream.units):
        raise refuse("a frame or a NAL unit is empty")
    times = [unit.pts_90k for unit in stream.units]
    if len(set(times)) != len(times) or max(times) - min(times) >= stream.duration_90k:
        raise refuse("presentation times repeat, or reach past the loop's length")


def _paces(stream: LoopedStream) -> list[int]:
    """When each frame is sent: in decoding order, at presentation pace, and none before its picture was taken."""
    times = [unit.pts_90k for unit in stream.units]
    ordered = sorted(times)
    delay = max(pts - slot for pts, slot in zip(times, ordered, strict=True))
    return [slot + delay for slot in ordered]


def _frame(unit: AccessUnit, pace_90k: int, parts: Sequence[bytes]) -> PacketisedFrame:
    wire = bytearray()
    patches = []
    for number, payload in enumerate(parts, 1):
        marker = _MARKER if number == len(parts) else 0
        patches.append(len(wire) + _PATCH_AT)
        wire += _PREFIX.pack(0x24, 0, 12 + len(payload), 0x80, marker | PAYLOAD_TYPE, 0, 0, 0)
        wire += payload
    return PacketisedFrame(
        wire=bytes(wire),
        patches=tuple(patches),
        send_ns=ns_of_90k(pace_90k),
        pts_90k=unit.pts_90k,
        is_key=unit.is_key,
    )


def ns_of_90k(ticks: int) -> int:
    """Ticks of 90 kHz as nanoseconds, rounded down."""
    return ticks * 100_000 // 9


def ticks_of_ns(duration_ns: int) -> int:
    """Nanoseconds as ticks of 90 kHz, rounded down."""
    return duration_ns * 9 // 100_000
