"""A connection on a real socket: read when it is told to, and ended by what it cannot bear; it alone."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from civicam.camera.connection import MOST_MESSAGES, MOST_UNSENT_BYTES, Connection
from civicam.camera.counters import SourceCounters
from civicam.camera.message import Request, Response
from civicam.camera.sdp import choose_h264, parse
from civicam.camera.track import VideoTrack
from civicam.core.clock import SystemClock
from tests.camera.test_rtsp import PICTURES, sdp
from tests.fakes.heard import Heard
from tests.fakes.odd_camera import stream_of

CLOCK = SystemClock()
REQUEST = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"


class Counting(Connection):
    """Counts how often what follows was copied out of the buffer."""

    copies = 0

    def _between_packets(self, at: int, end: int, arrival_ns: int) -> int:
        self.copies += 1
        return super()._between_packets(at, end, arrival_ns)


class Ends:
    """Both ends of a connection: ours, and the camera's."""

    def __init__(self, connection: Counting, camera: socket.socket) -> None:
        self.connection, self.camera = connection, camera
        self.heard = Heard()
        self.track = VideoTrack(choose_h264(parse(sdp())), self.heard, SourceCounters(), CLOCK)
        connection.attach(self.track, 0, 1)

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.camera, data)
        await asyncio.sleep(0.02)


def connected(job: Callable[[Ends], Awaitable[None]], reply: bytes = b"") -> None:
    """Runs `job` with a connection that answers each message with `reply`."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        answering: list[Counting] = []

        def answer(message: Request | Response) -> None:
            answering[0].write(reply)

        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        _, connection = await loop.create_connection(lambda: Counting(CLOCK, answer), *listener.getsockname())
        answering.append(connection)
        peer, _ = await loop.sock_accept(listener)
        listener.close()
        try:
            async with asyncio.timeout(30):
                await job(Ends(connection, peer))
        finally:
            connection.fail(connection.error)
            await connection.gone
            peer.close()

    uvloop.run(main())


def whole_stream() -> bytes:
    return b"".join(stream_of(PICTURES))


def test_a_connection_that_is_attended_is_read_when_something_comes() -> None:
    async def job(ends: Ends) -> None:
        ends.connection.read_waiting()
        ends.connection.read_waiting(at_once=True)
        await ends.send(whole_stream())
        assert len(ends.heard.samples) == len(PICTURES)

    connected(job)


def test_what_waits_is_read_when_told_to_and_not_before() -> None:
    async def job(ends: Ends) -> None:
        ends.connection.read_waiting()  # from here on it waits
        await ends.send(whole_stream())
        assert not ends.heard.samples
        ends.connection.read_waiting()
        assert len(ends.heard.samples) == len(PICTURES)

    connected(job)


def test_a_connection_that_is_to_be_read_at_once_is() -> None:
    async def job(ends: Ends) -> None:
        ends.connection.read_waiting()
        ends.connection.read_at_once()
        await ends.send(whole_stream())
        assert len(ends.heard.samples) == len(PICTURES)

    connected(job)


def test_an_end_is_noticed_though_nothing_is_waited_for() -> None:
    async def job(ends: Ends) -> None:
        ends.connection.read_waiting()
        ends.camera.close()
        await ends.connection.ended
        assert "closed the connection" in str(ends.connection.error)

    connected(job)


def test_what_came_before_the_end_is_taken() -> None:
    async def job(ends: Ends) -> None:
        ends.connection.read_waiting()
        await asyncio.get_running_loop().sock_sendall(ends.camera, whole_stream())
        ends.camera.close()
        await ends.connection.ended
        assert len(ends.heard.samples) == len(PICTURES)

    connected(job)


def test_a_reset_connection_is_an_error_that_says_so() -> None:
    async def job(ends: Ends) -> None:
        ends.connection.read_waiting()
        ends.camera.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ends.camera.close()
        ends.connection.read_waiting()
        await ends.connection.gone
        assert "connection" in str(ends.connection.error)

    connected(job)


@pytest.mark.parametrize("nothing", [b"$\0\0\0", b"\r\n"])
def test_empty_packets_and_line_ends_are_passed_over_without_being_copied(nothing: bytes) -> None:
    async def job(ends: Ends) -> None:
        view = ends.connection.get_buffer(-1)
        flood = nothing * 50_000 + whole_stream()
        view[: len(flood)] = flood
        ends.connection.buffer_updated(len(flood))
        assert len(ends.heard.samples) == len(PICTURES)
        assert not ends.connection.copies

    connected(job)


def test_more_messages_at_once_than_any_camera_sends_end_the_connection() -> None:
    async def job(ends: Ends) -> None:
        await ends.send(REQUEST * MOST_MESSAGES)
        assert not ends.connection.ended.done()
        view = ends.connection.get_buffer(-1)
        flood = REQUEST * (MOST_MESSAGES + 1)
        view[: len(flood)] = flood
        ends.connection.buffer_updated(len(flood))
        await ends.connection.ended
        assert f"more than {MOST_MESSAGES} messages" in str(ends.connection.error)

    connected(job)


def test_a_camera_that_asks_and_never_reads_the_answers_is_left() -> None:
    async def job(ends: Ends) -> None:
        ends.camera.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while not ends.connection.ended.done():
            await ends.send(REQUEST * 100)
        assert "does not read what it is sent" in str(ends.connection.error)

    connected(job, reply=bytes(MOST_UNSENT_BYTES // 8))


def test_what_breaks_the_handler_ends_this_connection_and_raises_nothing() -> None:
    async def job(ends: Ends) -> None:
        told: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

        def broken(*_: object) -> int:
            raise ZeroDivisionError

        ends.connection.read_waiting()
        ends.connection._on_framed = broken
        await ends.send(whole_stream())
        ends.connection.read_waiting()
        await ends.connection.ended
        assert "ZeroDivisionError" in str(ends.connection.error)
        assert isinstance(told[0]["exception"], ZeroDivisionError)

    connected(job)
