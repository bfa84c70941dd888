"""One client's RTSP connection to the city (RFC 2326): whichever camera its requests name."""

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

from civicam.city import rtcp
from civicam.city.auth import Gate, Verdict
from civicam.city.playout import Playout
from civicam.city.requests import (
    Interleaved,
    Request,
    RequestReader,
    base_of,
    interleaved_channels,
    reply,
)
from civicam.city.sdp import TRACK, describe
from civicam.city.sent import SentLog
from civicam.city.simulated import SimulatedCamera
from civicam.city.wheel import Wheel
from civicam.core.clock import Clock
from civicam.core.errors import RtspError
from civicam.core.ids import StreamName

METHODS = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN", "GET_PARAMETER", "SET_PARAMETER")
_KNOWN_ELSEWHERE = frozenset({"ANNOUNCE", "PAUSE", "RECORD", "REDIRECT"})
_MAX_WAITING = 32
_FLUSH_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Street:
    """What all connections of a server share.

    Attributes:
        cameras: by id.
        wheel: calls when something is due.
        clock: time.
        rng: chance.
        sent: what was sent is told here.
        timeout_s: a session ends when nothing came for so long.
        max_pending_bytes: the bound on what waits for a slow reader.
    """

    cameras: dict[str, SimulatedCamera]
    wheel: Wheel
    clock: Clock
    rng: random.Random
    sent: SentLog
    timeout_s: float
    max_pending_bytes: int


@dataclass(slots=True)
class Session:
    """What SETUP made: one stream of one camera, on this connection.

    Attributes:
        id: its name.
        camera: whose.
        stream: which of its streams.
        channels: interleaved channels of RTP and RTCP.
        playout: what PLAY started.
    """

    id: str
    camera: SimulatedCamera
    stream: StreamName
    channels: tuple[int, int]
    playout: Playout | None = None


class _RefusedError(RtspError):
    """A request gets this status instead of an answer."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"answered with {status}")
        self.status = status
        self.headers = headers or {}


class RtspConnection(asyncio.Protocol):
    """Answers one client.

    Args:
        street: what connections share.
        open_connections: where this one is kept while it is open.
    """

    def __init__(self, street: Street, open_connections: set["RtspConnection"]) -> None:
        self._street = street
        self._open = open_connections
        self._reader = RequestReader()
        self._camera: SimulatedCamera | None = None
        self._session: Session | None = None
        self._gate: Gate | None = None
        self._waiting = 0
        self._heard_ns = street.clock.monotonic_ns()
        self._closed = False
        self._lost = False
        self._methods: dict[str, Callable[[Request], None]] = {
            "OPTIONS": self._options,
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "TEARDOWN": self._teardown,
            "GET_PARAMETER": self._keep_alive,
            "SET_PARAMETER": self._keep_alive,
        }

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)
        self._open.add(self)
        self._watch(self._heard_ns)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._lost = True
        self._leave()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._heard_ns = self._street.clock.monotonic_ns()
        self._reader.feed(data)
        try:
            while not self._closed and (item := self._reader.next()) is not None:
                self._take(item)
        except RtspError:
            self._count_bad()
            self._send(reply(400, None))
            self.close()

    # The camera's and the server's side

    def cut(self, reset: bool) -> None:
        """Ends the connection at once, without BYE."""
        if self._lost:
            return
        self._leave()
        if reset:
            # A zero linger time makes close() send RST (POSIX SO_LINGER).
            peer = self._transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def close(self) -> None:
        """Ends the connection after what has been written, with a BYE where something plays."""
        self._end_session()
        self._leave()
        self._transport.close()

    def abort(self) -> None:
        """Closes the socket, whatever there is left to write."""
        if not self._lost:
            self._transport.abort()

    def _leave(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._open.discard(self)
        if self._session is not None and self._session.playout is not None:
            self._session.playout.stop()
        if self._camera is not None:
            self._camera.connections.discard(self)

    def _watch(self, now_ns: int) -> None:
        """Ends a connection from which nothing came for the session's timeout (RFC 2326 section 12.37)."""
        if self._closed:
            return
        ends_ns = self._heard_ns + int(self._street.timeout_s * 1e9)
        if now_ns >= ends_ns:
            self.close()
            # A client that does not read would keep what is left to write, and the socket, for ever.
            self._street.wheel.call_at(now_ns + _FLUSH_NS, lambda _now_ns: self.abort())
        else:
            self._street.wheel.call_at(ends_ns, self._watch)

    # What comes in

    def _take(self, item: Request | Interleaved) -> None:
        if isinstance(item, Interleaved):
            self._control(item)
            return
        camera = self._camera
        if camera is None and item.path:
            camera = self._street.cameras.get(item.path[0])
        if camera is not None and camera.slow_ns:
            self._postpone(item, camera)
        else:
            self._answer(item, camera)

    def _postpone(self, request: Request, camera: SimulatedCamera) -> None:
        if self._waiting >= _MAX_WAITING:
            self.cut(reset=False)
            return
        self._waiting += 1

        def answer(_now_ns: int, request: Request = request) -> None:
            self._waiting -= 1
            if not self._closed:
                self._answer(request, camera)

        self._street.wheel.call_at(self._street.clock.monotonic_ns() + camera.slow_ns, answer)

    def _control(self, block: Interleaved) -> None:
        session = self._session
        if session is None or block.channel != session.channels[1]:
            return
        reports = rtcp.receiver_reports(block.data)
        if reports is None:
            self._count_bad()
        else:
            session.camera.receiver_reports += reports

    def _answer(self, request: Request, camera: SimulatedCamera | None) -> None:
        if camera is not None:
            self._belong_to(camera)
            if camera.refusal == "close":
                self.cut(reset=False)
                return
            if camera.mute:
                return
        try:
            self._serve(request, camera)
        except _RefusedError as refused:
            if refused.status == 401 and camera is not None:
                camera.refused += 1
            elif refused.status != 503:
                self._count_bad()
            self._reply(request, refused.status, refused.headers)

    def _serve(self, request: Request, camera: SimulatedCamera | None) -> None:
        if request.version != (1, 0):
            raise _RefusedError(505)
        if request.cseq is None:
            raise _RefusedError(400)
        if camera is not None and camera.refusal:
            raise _RefusedError(503)
        method = self._methods.get(request.method)
        if method is None:
            raise _RefusedError(405 if request.method in _KNOWN_ELSEWHERE else 501, {"Allow": ", ".join(METHODS)})
        if request.session and (self._session is None or request.session != self._session.id):
            raise _RefusedError(454)
        method(request)

    def _belong_to(self, camera: SimulatedCamera) -> None:
        # A connection is its first camera's: that is the device at the other end of the wire.
        if self._camera is None:
            self._camera = camera
            camera.connections.add(self)
            camera.connections_total += 1
            self._gate = Gate(camera.spec.auth, f"civicam {camera.spec.id}", self._street.rng)

    # Methods

    def _options(self, request: Request) -> None:
        self._reply(request, 200, {"Public": ", ".join(METHODS)})

    def _describe(self, request: Request) -> None:
        camera, stream = self._target(request)
        self._authorise(request, camera)
        source = camera.source(stream)
        assert source is not None
        headers = {"Content-Base": base_of(request.url) + "/", "Content-Type": "application/sdp"}
        body = describe(source.stream, f"{camera.spec.id} {stream}", self._street.rng.getrandbits(31))
        self._reply(request, 200, headers, body)

    def _setup(self, request: Request) -> None:
        camera, stream = self._target(request)
        self._authorise(request, camera)
        if self._session is not None:
            raise _RefusedError(455 if self._session.playout else 459)
        channels = interleaved_channels(request.headers.get("transport", ""))
        if channels is None:
            raise _RefusedError(461)
        session = Session(f"{self._street.rng.getrandbits(64):016x}", camera, stream, channels)
        self._session = session
        transport = f"RTP/AVP/TCP;unicast;interleaved={channels[0]}-{channels[1]}"
        self._reply(request, 200, {"Transport": transport, "Session": self._session_header(session)})

    def _play(self, request: Request) -> None:
        session = self._need_session(request)
        self._authorise(request, session.camera)
        playout = session.playout
        if playout is None:
            playout = session.playout = Playout(
                session.camera,
                session.stream,
                self._transport,
                session.channels,
                wheel=self._street.wheel,
                clock=self._street.clock,
                rng=self._street.rng,
                sent=self._street.sent,
                max_pending_bytes=self._street.max_pending_bytes,
            )
            playout.start()
        sequence, timestamp = playout.rtp_info
        url = base_of(request.url).removesuffix(f"/{TRACK}")
        headers = {
            "Session": self._session_header(session),
            "Range": "npt=now-",
            "RTP-Info": f"url={url}/{TRACK};seq={sequence};rtptime={timestamp}",
        }
        self._reply(request, 200, headers)

    def _teardown(self, request: Request) -> None:
        session = self._need_session(request)
        self._authorise(request, session.camera)
        self._end_session()
        self._reply(request, 200)

    def _keep_alive(self, request: Request) -> None:
        session = self._session
        if session is not None:
            self._authorise(request, session.camera)
        self._reply(request, 200, {"Session": self._session_header(session)} if session is not None else {})

    # Parts of methods

    def _target(self, request: Request) -> tuple[SimulatedCamera, StreamName]:
        """The stream that a URL names: /camera, /camera/main or /camera/sub, with or without the track."""
        path = request.path[:-1] if request.path[-1:] == (TRACK,) else request.path
        if not 1 <= len(path) <= 2 or path[0] not in self._street.cameras:
            raise _RefusedError(404)
        camera = self._street.cameras[path[0]]
        name = path[1] if len(path) == 2 else StreamName.MAIN
        if camera is not self._camera or name not in tuple(StreamName) or camera.source(StreamName(name)) is None:
            raise _RefusedError(404)
        return camera, StreamName(name)

    def _authorise(self, request: Request, camera: SimulatedCamera) -> None:
        assert self._gate is not None
        now_ns = self._street.clock.monotonic_ns()
        given = request.headers.get("authorization", "")
        spec = camera.spec
        verdict = self._gate.check(
            given, request.method, request.url, username=spec.username, password=camera.password, now_ns=now_ns
        )
        if verdict is not Verdict.GRANTED:
            challenge = self._gate.challenge(now_ns, stale=verdict is Verdict.STALE)
            raise _RefusedError(401, {"WWW-Authenticate": challenge})

    def _need_session(self, request: Request) -> Session:
        if self._session is None:
            raise _RefusedError(455)
        if not request.session:
            raise _RefusedError(454)
        return self._session

    def _session_header(self, session: Session) -> str:
        return f"{session.id};timeout={max(1, int(self._street.timeout_s))}"

    def _end_session(self) -> None:
        if self._session is not None and self._session.playout is not None:
            self._session.playout.stop(say_bye=True)
        self._session = None

    # What goes out

    def _reply(self, request: Request, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self._send(reply(status, request.cseq, {"Server": "civicam city", **(headers or {})}, body))

    def _send(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        # Who asks and never reads must not fill the memory.
        if self._transport.get_write_buffer_size() > self._street.max_pending_bytes:
            self.cut(reset=False)
            return
        self._transport.write(data)

    def _count_bad(self) -> None:
        if self._camera is not None:
            self._camera.bad_requests += 1


def connection_factory(street: Street, open_connections: set[RtspConnection]) -> Callable[[], RtspConnection]:
    """Returns what `loop.create_server` calls for each connection."""
    return partial(RtspConnection, street, open_connections)
