"""The bytes of one RTSP connection, split into interleaved packets (RFC 2326 10.12) and messages.

This is the hot path: it runs for every read of every camera. All connections of a thread read into one buffer, packets
are parsed where they lie, and only a packet that a read cut in two is copied, to the front of the next read.
"""

import asyncio
import os
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

MOST_MESSAGES = 256
"""So many messages and stretches of garbage may stand in one read; each is copied out together with what follows."""
MOST_UNSENT_BYTES = 64 * 1024
"""A camera that leaves so much of what we say to it unread has no more to say to us."""

_READ_BYTES = 512 * 1024
_DOLLAR = 0x24
_LINE_ENDS = b"\r\n"
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

FramedHandler = Callable[[memoryview, int, int, int, int], int]
"""Called with a buffer, where frames start and where the buffer ends, the first two bytes of frames, and when they
came; returns where something else starts."""

_MOST_WAITING_BYTES = 384 << 10


class Packets(Protocol):
    """Who takes the packets of a stream."""

    payload_type: int
    is_over: bool

    @property
    def has_begun(self) -> bool:
        """Packets of the stream have come."""
        ...

    @property
    def framed(self) -> FramedHandler:
        """Takes plain RTP packets in turn, with their frames. See `RtpReceiver.framed`."""
        ...

    @property
    def rtp(self) -> PacketHandler:
        """Takes any RTP packet."""
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
        self._descriptor = -1
        self._waiting_bytes = 1
        self._rest = b""  # what the last read cut off
        self._packets: Packets | None = None
        self._on_framed: FramedHandler | None = None
        self._rtp_mark = 0
        self._rtp_channel, self._rtcp_channel = -1, -1
        self._resync: re.Pattern[bytes] | None = None
        self._garbage_bytes = 0
        self._garbage_since_ns = 0
        self._messages = 0  # in this read

    def attach(self, packets: Packets, rtp_channel: int, rtcp_channel: int) -> None:
        """Packets on these channels go to `packets` from now on."""
        self._packets = packets
        self._on_framed = packets.framed
        self._use_channels(rtp_channel, rtcp_channel)

    @property
    def rtcp_channel(self) -> int:
        """Where reports to the camera go."""
        return self._rtcp_channel

    def write(self, data: bytes) -> None:
        """Sends `data`; nothing once the connection is gone."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > MOST_UNSENT_BYTES:
            self.fail(RtspError("the camera does not read what it is sent", fix="look at the camera's load"))

    def read_at_once(self) -> None:
        """From now on whatever comes is read when it comes."""
        self._wake_for(1)

    def read_waiting(self, *, at_once: bool = False) -> None:
        """Called some times a second while packets come: takes what has come since, in one read.

        With `at_once` what comes next is read when it comes.

        Waking up costs several times what a small read does, for the processor has gone cold meanwhile. So the kernel
        is asked not to wake us for less than a large part of the buffer (SO_RCVLOWAT, socket(7)), and whoever looks
        after all connections reads many of them one after the other. The end of the connection still wakes us.
        """
        transport = self._transport
        if transport is None or transport.is_closing() or self._descriptor < 0:
            return
        self._wake_for(1 if at_once else _MOST_WAITING_BYTES)
        try:
            nbytes = os.readv(self._descriptor, (self.get_buffer(-1),))
        except BlockingIOError:
            return  # nothing came
        except OSError as error:
            self.fail(ConnectError(f"the connection broke: {_reason(error)}"))
            return
        if not nbytes:
            return
        try:
            self.buffer_updated(nbytes)
        except Exception as error:  # noqa: BLE001 - as the event loop does: one connection's fault ends that one only
            asyncio.get_running_loop().call_exception_handler(
                {"message": "what a camera sent broke its connection", "exception": error, "protocol": self}
            )
            self.fail(ConnectError(f"what the camera sent could not be dealt with ({type(error).__name__})"))

    def _wake_for(self, waiting_bytes: int) -> None:
        transport = self._transport
        if waiting_bytes == self._waiting_bytes or self._descriptor < 0 or transport is None or transport.is_closing():
            return
        self._waiting_bytes = waiting_bytes
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, waiting_bytes)

    def end(self, error: CameraError) -> None:
        """Takes no more packets, because of `error`; messages can still be exchanged."""
        self.read_at_once()
        self._packets = self._on_framed = None
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
        connected = transport.get_extra_info("socket")
        self._descriptor = connected.fileno() if connected is not None else -1

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
        view, at, end = self._view, 0, len(self._rest) + nbytes
        self._messages = 0
        try:
            while True:
                if self._on_framed is not None:
                    at = self._on_framed(view, at, end, self._rtp_mark, arrival_ns)
                stop = self._take(at, end, arrival_ns)
                if stop == at:
                    break
                at = stop
        except CameraError as error:
            self.fail(error)
            at = end
        self._rest = bytes(view[at:end]) if at < end else b""
        if self._packets is not None:
            self._packets.end_of_read()

    def _take(self, at: int, end: int, arrival_ns: int) -> int:
        """Deals with whatever starts at `at`; returns where that ends, `at` to wait for more."""
        if end - at <= 4:
            return at
        magic, channel, size, version = _unpack_frame(self._view, at)
        if magic in _LINE_ENDS:
            return at + 1
        if magic != _DOLLAR or (size and version & 0xC0 != 0x80):
            self._messages += 1
            if self._messages > MOST_MESSAGES:
                raise RtspError(f"more than {MOST_MESSAGES} messages came at once")
            return at + self._between_packets(at, end, arrival_ns)
        stop = at + 4 + size
        if stop > end:
            return at
        if size:
            self._on_packet(channel, at + 4, stop, arrival_ns)
        return int(stop)

    def _on_packet(self, channel: int, start: int, stop: int, arrival_ns: int) -> None:
        """What is no plain packet in turn, reports, and packets of a camera that uses channels it did not agree to."""
        packets = self._packets
        if packets is None:
            return
        if channel == self._rtp_channel:
            packets.rtp(self._view, start, stop, arrival_ns)
        elif channel == self._rtcp_channel:
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
        self._rtp_mark = _DOLLAR << 8 | rtp_channel
        kind = self._packets.payload_type
        rtp = b"\\$%b..[\x80-\xbf][%b%b]" % tuple(re.escape(bytes((n,))) for n in (rtp_channel, kind, kind | 0x80))
        rtcp = b"\\$%b..[\x80-\xbf][\xc8-\xcc]" % re.escape(bytes((rtcp_channel,)))
        self._resync = re.compile(b"(?s)%b|%b|(?i:RTSP/1)" % (rtp, rtcp))

    def _between_packets(self, at: int, end: int, arrival_ns: int) -> int:
        """Deals with what does not start like a packet; returns the bytes it took, 0 to wait for more."""
        data = bytes(self._view[at:end])
        front = data[:16].upper()
        if any(front.startswith(start[: len(front)]) for start in _MESSAGE_STARTS):
            message, taken = parse(data)
            if message is not None:
                self._on_message(message)
            return taken
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
