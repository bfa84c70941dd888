"""RTP packets (RFC 3550 5.1) in sequence: what is missing, late or double, and what a receiver reports."""

import struct
from typing import Protocol

MAX_GAP_PACKETS = 3000
MAX_LATE_PACKETS = 100
"""RFC 3550 A.1: further ahead or behind than this, the sender has started a new count."""

_HEADER_BYTES = 12
_unpack_header = struct.Struct("!BBHII").unpack_from
_FRAME_BYTES = 4
_unpack_framed = struct.Struct("!HHHHII").unpack_from


class Payloads(Protocol):
    """Where the payloads of a stream go."""

    def push(  # noqa: PLR0917  called for every packet, and names cost time
        self, view: memoryview, start: int, end: int, timestamp: int, marker: bool, arrival_ns: int
    ) -> None:
        """The next payload in sequence."""
        ...

    def lost(self, detail: str) -> None:
        """Packets are missing before the next one."""
        ...

    def restart(self) -> None:
        """The next payload is of another source (SSRC), with a clock of its own."""
        ...


class RtpReceiver:
    """The packets of one stream.

    The stream comes over TCP, so nothing arrives late for want of patience: a packet behind its turn is one the camera
    sent twice or out of order, and is dropped and counted.

    Args:
        payload_type: of the packets wanted.
        out: where payloads go.

    Attributes:
        lost: packets that never came.
        late: packets that came twice or out of order.
        malformed: packets that are not RTP.
        foreign: packets with another payload type.
        ssrc: the source's number, None before the first packet.
    """

    __slots__ = (
        "_base",
        "_marked",
        "_next",
        "_out",
        "_plain",
        "_push",
        "_restart_at",
        "foreign",
        "late",
        "lost",
        "malformed",
        "ssrc",
    )

    def __init__(self, payload_type: int, out: Payloads) -> None:
        self._plain = payload_type
        self._marked = payload_type | 0x80
        self._out = out
        self._push = out.push
        self._base = self._next = 0  # extended by the times the 16-bit number came round
        self._restart_at = -1
        self.ssrc: int | None = None
        self.lost = self.late = self.malformed = self.foreign = 0

    @property
    def received(self) -> int:
        """Packets of this source taken in sequence."""
        return self._next - self._base - self.lost

    @property
    def highest(self) -> int:
        """The highest sequence number, extended to 32 bits (RFC 3550 6.4.1)."""
        return (self._next - 1) & 0xFFFFFFFF

    @property
    def expected(self) -> int:
        """Packets that should have come."""
        return self._next - self._base

    def framed(self, view: memoryview, at: int, end: int, mark: int, arrival_ns: int) -> int:
        """Takes all plain packets from `at` on that follow one on another, each behind its frame (RFC 2326 10.12).

        This is the hot path: it takes nearly all packets there are, with no more than one call for each.

        Args:
            view: the buffer.
            at: where the first frame starts.
            end: where the buffer ends.
            mark: the first two bytes of the stream's frames, `$` and the channel.
            arrival_ns: when they came.

        Returns:
            Where something else starts, which `packet` or somebody else must look at: the end, a packet that is cut off
            or out of turn or not plain, or bytes of another kind.
        """
        push, ssrc, turn = self._push, self.ssrc, self._next
        plain, marked = 0x8000 | self._plain, 0x8000 | self._marked
        while end - at > _FRAME_BYTES + _HEADER_BYTES:
            found, size, first, sequence, timestamp, source = _unpack_framed(view, at)
            stop = at + _FRAME_BYTES + size
            if found != mark or stop > end or sequence != turn & 0xFFFF or source != ssrc or size <= _HEADER_BYTES:
                break
            if first == plain:
                push(view, at + 16, stop, timestamp, False, arrival_ns)
            elif first == marked:
                push(view, at + 16, stop, timestamp, True, arrival_ns)
            else:
                break
            turn += 1
            at = stop
        self._next = turn
        return at

    def packet(self, view: memoryview, start: int, end: int, arrival_ns: int) -> None:
        """Takes the packet `view[start:end]`."""
        if end - start < _HEADER_BYTES:
            self.malformed += 1
            return
        first, second, sequence, timestamp, ssrc = _unpack_header(view, start)
        if (sequence != self._next & 0xFFFF or ssrc != self.ssrc) and not self._is_next(first, second, sequence, ssrc):
            return
        start += _HEADER_BYTES
        if first != 0x80:
            start, end = self._payload(view, start, end, first)
        self._next += 1
        if start >= end:
            return  # a packet without payload keeps a path open
        if second == self._plain:
            self._push(view, start, end, timestamp, False, arrival_ns)
        elif second == self._marked:
            self._push(view, start, end, timestamp, True, arrival_ns)
        else:
            self.foreign += 1

    def _is_next(self, first: int, second: int, sequence: int, ssrc: int) -> bool:
        """Whether a packet out of turn is taken after all; counts what is missing before it."""
        if first >> 6 != 2:
            self.malformed += 1
            return False
        if ssrc != self.ssrc:
            if second & 0x7F != self._plain:
                self.foreign += 1
                return False
            self._begin(sequence, ssrc)
            return True
        ahead = (sequence - self._next) & 0xFFFF
        if ahead < MAX_GAP_PACKETS:
            self.lost += ahead
            self._next += ahead
            self._out.lost(f"{ahead} packets lost")
        elif ahead >= 0x10000 - MAX_LATE_PACKETS:
            self.late += 1
            return False
        elif sequence == self._restart_at:
            self._jump(sequence)
        else:
            self._restart_at = (sequence + 1) & 0xFFFF
            return False
        self._restart_at = -1
        return True

    def _begin(self, sequence: int, ssrc: int) -> None:
        if self.ssrc is not None:
            self._out.restart()
        self.ssrc = ssrc
        self._base = self._next = sequence
        self.lost = self.late = 0
        self._restart_at = -1

    def _jump(self, sequence: int) -> None:
        # Two in a row agree that the count is a new one. How many were lost nobody knows, but one was dropped here.
        expected = self.expected + 1
        self._next = (self._next & ~0xFFFF) + 0x10000 + sequence
        self._base = self._next - expected
        self.lost += 1
        self._out.lost("sequence numbers jumped")

    def _payload(self, view: memoryview, start: int, end: int, first: int) -> tuple[int, int]:
        """Where the payload is, behind contributing sources and an extension, before padding; `end, end` if nowhere."""
        start += 4 * (first & 0x0F)
        stop = end
        if first & 0x10:
            start += 4 + 4 * int.from_bytes(view[start + 2 : start + 4], "big") if start + 4 <= end else end
        if first & 0x20:
            stop -= view[end - 1] or end
        if first >> 6 != 2 or start > stop:
            self.malformed += 1
            self._out.lost("a packet's header is malformed")
            return end, end
        return start, stop
