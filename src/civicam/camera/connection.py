"""The bytes of one RTSP connection, split into interleaved packets (RFC 2326 10.12) and messages.

This is the hot path: it runs for every read of every camera. All connections of a thread read into one buffer, packets
are parsed where they lie, and only a packet that a read cut in two is copied, to the front of the next read.
"""

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Callable
from typing import Protocol, cast

from civicam.camera.message import MAX_BODY_BYTES, MAX_HEADER_BYTES, Request, Response, parse
from civicam.core.clock import Clock
from civicam.core.errors import CameraError, ConnectError, RtspError

MAX_GARBAGE_BYTES = 128 * 1024
"""So much that is neither packet nor message ends the connection, if it comes within `_GARBAGE_WINDOW_NS`."""

_READ_BYTES = 512 * 1024
_DOLLAR = 0x24
_LEAST_RTP_BYTES = 12
_GARBAGE_WINDOW_NS = 60_000_000_000
_unpack_frame = struct.Struct("!BBHB").unpack_from  # with the byte behind: RTP and RTCP both begin with version 2
_MESSAGE_STARTS = (
    b"RTSP/",
    b"OPTIONS ",
    b"GET_PARAMETER ",
    b"SET_PARAMETER ",
    b"ANNOUNCE ",
    b"REDIRECT ",
    b"TEARDOWN ",
)
_TAIL_BYTES = 8  # of what is skipped, so much may be the front of something

PacketHandler = Callable[[memoryview, int, int, int], None]
"""Called with a buffer, where a packet starts and ends in it, and when it came on the monotonic clock."""

_READS_PER_S = 2
_MOST_WAITING_BYTES = 128 << 10


class Packets(Protocol):
    """Who takes the packets of a stream."""

    payload_type: int
    is_over: bool

    @property
    def has_begun(self) -> bool:
        """Packets of the stream have come."""
        ...

    @property
    def rtp(self) -> PacketHandler:
        """Takes an RTP packet."""
        ...

    @property
    def rtcp(self) -> PacketHandler:
        """Takes an RTCP packet; may set `is_over`."""
        ...

    def framing_fault(self, detail: str) -> None:
        """Bytes between packets were nothing."""
        ...

    def end_of_read(self) -> None:
        """Called behind each read that brought packets."""
        ...


class _ReadBuffer(threading.local):
    """One for all connections of an event loop: a read is dealt with before the next one begins."""

    def __init__(self) -> None:
        # Larger than the largest thing a read can have cut in two, which is a message.
        self.view = memoryview(bytearray(_READ_BYTES))


_buffer = _ReadBuffer()
assert MAX_HEADER_BYTES + MAX_BODY_BYTES + 4096 < _READ_BYTES


class Connection(asyncio.BufferedProtocol):
    """One camera's connection.

    Args:
        clock: this machine's.
        on_message: called with each message, on the event loop.

    Attributes:
        ended: done when nothing more comes of it; `error` then says why.
        gone: done when the connection itself is closed.
        error: why it ended.
    """

    def __init__(self, clock: Clock, on_message: Callable[[Request | Response], None]) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        self.error: CameraError = ConnectError("the camera closed the connection")
        self._monotonic_ns = clock.monotonic_ns
        self._on_message = on_message
        self._transport: asyncio.Transport | None = None
        self._view = _buffer.view
        self._taken_bytes = 0
        self._rate_bytes = 0
        self._waiting_bytes = 1
        self._rest = b""  # what the last read cut off
        self._packets: Packets | None = None
        self._on_rtp: PacketHandler | None = None
        self._rtp_channel, self._rtcp_channel = -1, -1
        self._resync: re.Pattern[bytes] | None = None
        self._garbage_bytes = 0
        self._garbage_since_ns = 0

    def attach(self, packets: Packets, rtp_channel: int, rtcp_channel: int) -> None:
        """Packets on these channels go to `packets` from now on."""
        self._packets = packets
        self._on_rtp = packets.rtp
        self._use_channels(rtp_channel, rtcp_channel)

    @property
    def rtcp_channel(self) -> int:
        """Where reports to the camera go."""
        return self._rtcp_channel

    def write(self, data: bytes) -> None:
        """Sends `data`; nothing once the connection is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def read_at_once(self) -> None:
        """From now on whatever comes is read when it comes."""
        self._wake_for(1)

    def tick(self) -> None:
        """Called about once a second while packets come: from now on they are read some at a time.

        Most of what a small read costs is waking up for it. So the kernel is asked to wait until a good part of a
        second's bytes are there (SO_RCVLOWAT, socket(7)). A stream that pauses is read at once, whatever is there.
        """
        taken, self._taken_bytes = self._taken_bytes, 0
        if not taken:
            self.read_at_once()
            return
        # Smoothed over some seconds, for a second with a key frame in it is several times one without.
        self._rate_bytes += (taken - self._rate_bytes) // 4 if self._rate_bytes else taken
        wanted, waiting = min(self._rate_bytes // _READS_PER_S, _MOST_WAITING_BYTES), self._waiting_bytes
        if not waiting * 2 // 3 < wanted < waiting * 3 // 2:
            self._wake_for(max(wanted, 1))

    def _wake_for(self, waiting_bytes: int) -> None:
        if waiting_bytes != self._waiting_bytes and self._transport is not None:
            self._waiting_bytes = waiting_bytes
            connected = self._transport.get_extra_info("socket")
            if connected is not None and not self._transport.is_closing():
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, waiting_bytes)

    def end(self, error: CameraError) -> None:
        """Takes no more packets, because of `error`; messages can still be exchanged."""
        self.read_at_once()
        self._packets = self._on_rtp = None
        if not self.ended.done():
            self.error = error
            self.ended.set_result(None)

    def fail(self, error: CameraError) -> None:
        """Ends and closes the connection because of `error`."""
        self.end(error)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self.end(self.error if exc is None else ConnectError(f"the connection broke: {_reason(exc)}"))
        if not self.gone.done():
            self.gone.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        """See `asyncio.BufferedProtocol`."""
        rest = self._rest
        if not rest:
            return self._view
        kept = len(rest)
        self._view[:kept] = rest
        return self._view[kept:]

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        arrival_ns = self._monotonic_ns()
        self._taken_bytes += nbytes
        view, at, end = self._view, 0, len(self._rest) + nbytes
        on_rtp, rtp_channel = self._on_rtp, self._rtp_channel
        try:
            while end - at > 4:
                magic, channel, size, version = _unpack_frame(view, at)
                if magic != _DOLLAR or version & 0xC0 != 0x80:
                    if not (taken := self._between_packets(at, end, arrival_ns)):
                        break
                    at += taken
                    on_rtp, rtp_channel = self._on_rtp, self._rtp_channel
                    continue
                stop = at + 4 + size
                if stop > end:
                    break
                if channel == rtp_channel and on_rtp is not None:
                    on_rtp(view, at + 4, stop, arrival_ns)
                else:
                    self._other_channel(channel, at + 4, stop, arrival_ns)
                    on_rtp, rtp_channel = self._on_rtp, self._rtp_channel
                at = stop
        except CameraError as error:
            self.fail(error)
            at = end
        self._rest = bytes(view[at:end]) if at < end else b""
        if self._packets is not None:
            self._packets.end_of_read()

    def _other_channel(self, channel: int, start: int, stop: int, arrival_ns: int) -> None:
        """Reports, and packets of a camera that does not use the channels it agreed to."""
        packets = self._packets
        if packets is None:
            return
        if channel == self._rtcp_channel:
            packets.rtcp(self._view, start, stop, arrival_ns)
            if packets.is_over:
                raise ConnectError("the camera ended the stream")
        elif not packets.has_begun and self._is_rtp(start, stop):
            self._use_channels(channel, channel ^ 1)
            packets.rtp(self._view, start, stop, arrival_ns)

    def _is_rtp(self, start: int, stop: int) -> bool:
        """Whether it looks like an RTP packet of the stream."""
        view, packets = self._view, self._packets
        return (
            packets is not None
            and stop - start >= _LEAST_RTP_BYTES
            and view[start] >> 6 == 2
            and view[start + 1] & 0x7F == packets.payload_type
        )

    def _use_channels(self, rtp_channel: int, rtcp_channel: int) -> None:
        assert self._packets is not None
        self._rtp_channel, self._rtcp_channel = rtp_channel, rtcp_channel
        kind = self._packets.payload_type
        rtp = b"\\$%b..[\x80-\xbf][%b%b]" % tuple(re.escape(bytes((n,))) for n in (rtp_channel, kind, kind | 0x80))
        rtcp = b"\\$%b..[\x80-\xbf][\xc8-\xcc]" % re.escape(bytes((rtcp_channel,)))
        self._resync = re.compile(b"(?s)%b|%b|(?i:RTSP/1)" % (rtp, rtcp))

    def _between_packets(self, at: int, end: int, arrival_ns: int) -> int:
        """Deals with what does not start like a packet; returns the bytes it took, 0 to wait for more."""
        data = bytes(self._view[at:end])
        if data[:1] == b"$" and data[2:4] == b"\0\0":
            return 4  # an empty packet
        text = data.lstrip(b"\r\n")
        if not text:
            return len(data)
        front = text[:16].upper()
        if any(front.startswith(start[: len(front)]) for start in _MESSAGE_STARTS):
            message, taken = parse(data)
            if message is not None:
                self._on_message(message)
            return taken
        if len(text) < len(data):
            return len(data) - len(text)
        return self._skip_garbage(data, arrival_ns)

    def _skip_garbage(self, data: bytes, arrival_ns: int) -> int:
        """Finds the next thing that looks like a packet of ours or an answer."""
        if self._resync is None or self._packets is None:
            raise RtspError("what answers is not RTSP", fix="check that the port is the camera's RTSP port")
        found = self._resync.search(data, 1)
        taken = found.start() if found else len(data) - _TAIL_BYTES
        if taken <= 0:
            return 0
        if arrival_ns - self._garbage_since_ns > _GARBAGE_WINDOW_NS:
            self._garbage_since_ns, self._garbage_bytes = arrival_ns, 0
        self._garbage_bytes += taken
        if self._garbage_bytes > MAX_GARBAGE_BYTES:
            raise RtspError(f"more than {MAX_GARBAGE_BYTES} bytes are neither packets nor messages")
        self._packets.framing_fault("bytes between packets are not RTSP")
        return taken


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
