"""The city's cameras on one port: hundreds of RTSP cameras in one asyncio process.

A camera's URL is `rtsp://host:port/<camera id>/main`, and `/sub` where it has a small picture. Streams are made into
packets once and shared; one wheel calls what is due; a frame is one copy, a few stamped headers and one write.
"""

import asyncio
import fnmatch
import random
import socket
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from civicam.city.auth import AuthScheme
from civicam.city.connection import RtspConnection, Street, connection_factory
from civicam.city.faults import Fault, Switch
from civicam.city.loop import LoopedStream
from civicam.city.packets import PacketisedStream
from civicam.city.scenario import Planned, Scenario
from civicam.city.sent import CameraTotals, SentLog
from civicam.city.simulated import CityCamera, SimulatedCamera, unknown_stream
from civicam.city.wheel import Wheel
from civicam.core.clock import Clock
from civicam.core.errors import CityError
from civicam.core.ids import CameraId, StreamName, parse_camera_id

SESSION_TIMEOUT_S = 60.0
MAX_PENDING_BYTES = 512 * 1024
_BACKLOG = 1024


class CityServer:
    """Serves cameras.

    Args:
        cameras: which; ids must differ.
        clock: time.
        rng: sequence numbers, sessions, nonces and the chance in faults.
        scenario: what goes wrong, and when.
        streams: what a camera can be switched to, beside the cameras' own streams.
        sent: what was sent is told here; the caller closes it after `close`.
        timeout_s: a session ends when its client says nothing for so long.
        max_pending_bytes: how much waits for a slow reader before whole frames are dropped.
        send_buffer_bytes: the kernel's send buffer a connection; None leaves it to the kernel.
        tick_ms: the pace's grain.
        totals_every_s: how often totals go to `sent`.

    Raises:
        CityError: two cameras have one id, a stream cannot be played, or the scenario names a camera or a stream that
            is not there.
    """

    def __init__(
        self,
        cameras: Iterable[CityCamera],
        *,
        clock: Clock,
        rng: random.Random,
        scenario: Scenario | None = None,
        streams: Iterable[LoopedStream] = (),
        sent: SentLog | None = None,
        timeout_s: float = SESSION_TIMEOUT_S,
        max_pending_bytes: int = MAX_PENDING_BYTES,
        send_buffer_bytes: int | None = None,
        tick_ms: int = 5,
        totals_every_s: float = 1.0,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._scenario = scenario or Scenario()
        self._sent = sent or SentLog()
        self._send_buffer_bytes = send_buffer_bytes
        self._totals_every_ns = int(totals_every_s * 1e9)
        self._wheel = Wheel(clock, tick_ms)
        self._library = _Library(streams)
        self._cameras = self._build(cameras)
        self._street = Street(self._cameras, self._wheel, clock, rng, self._sent, timeout_s, max_pending_bytes)
        self._open: set[RtspConnection] = set()
        self._server: asyncio.Server | None = None
        self._turning: asyncio.Task[None] | None = None
        self._address = ("127.0.0.1", 0)
        self._check(self._scenario)

    def _build(self, cameras: Iterable[CityCamera]) -> dict[str, SimulatedCamera]:
        built: dict[str, SimulatedCamera] = {}
        origin_ns = self._clock.monotonic_ns()
        for spec in cameras:
            if spec.id in built:
                raise CityError("two cameras have this id", where=spec.id, fix="give each its own")
            sources = {StreamName.MAIN: self._library.add(spec.stream)}
            if spec.sub is not None:
                sources[StreamName.SUB] = self._library.add(spec.sub)
            built[spec.id] = SimulatedCamera(spec, sources, self._library.named, origin_ns, self._rng)
        return built

    def _check(self, scenario: Scenario) -> None:
        for number, planned in enumerate(scenario.faults, 1):
            where = f"{scenario.name}, fault {number}"
            for pattern in planned.cameras:
                if not self._matching([pattern]):
                    raise CityError(f"no camera matches {pattern!r}", where=where, fix="see the cameras' ids")
            if isinstance(planned.fault, Switch):
                try:
                    self._library.named(planned.fault.stream)
                except CityError as error:
                    raise CityError(error.what, where=where, fix=error.fix) from None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Opens the port, and starts the scenario's time.

        Args:
            host: the address to listen at.
            port: 0 takes a free one.

        Returns:
            The port.

        Raises:
            CityError: the address cannot be listened at.
        """
        loop = asyncio.get_running_loop()
        now_ns = self._clock.monotonic_ns()
        for camera in self._cameras.values():
            camera.origin_ns = now_ns
        for planned in self._scenario.faults:
            self._schedule(planned, now_ns)
        self._wheel.advance(now_ns)
        try:
            self._server = await loop.create_server(
                connection_factory(self._street, self._open), host, port, backlog=_BACKLOG
            )
        except OSError as error:
            raise CityError(
                f"cannot listen: {error.strerror or error}", where=f"{host}:{port}", fix="choose another port"
            ) from error
        listening = self._server.sockets[0]
        if self._send_buffer_bytes is not None:
            _set_send_buffer(self._server, self._send_buffer_bytes)
        self._address = (host, listening.getsockname()[1])
        self._turning = asyncio.create_task(self._wheel.run(), name="city wheel")
        if self._sent.writes:
            self._wheel.call_at(now_ns + self._totals_every_ns, self._tell_totals)
        return self._address[1]

    async def serve(self) -> None:
        """Waits until `close`, or raises what broke the city."""
        assert self._turning is not None
        await asyncio.wait([self._turning])
        if not self._turning.cancelled():
            self._turning.result()

    async def close(self) -> None:
        """Says BYE to everyone, closes the port and tells the last totals; raises what broke the city, if it broke."""
        if self._server is not None:
            self._server.close()
        connections = list(self._open)
        for connection in connections:
            connection.close()
        if self._turning is not None:
            self._turning.cancel()
            await asyncio.wait([self._turning])
        await asyncio.sleep(0)
        for connection in connections:
            connection.abort()
        self._sent.totals(self._clock.wall_ns(), self.all_stats())
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None
        if self._turning is not None and not self._turning.cancelled():
            self._turning.result()

    @property
    def urls(self) -> dict[CameraId, str]:
        """Every camera's main stream, without credentials."""
        return {camera.spec.id: self.url(camera.spec.id) for camera in self._cameras.values()}

    def url(self, camera: str, stream: StreamName = StreamName.MAIN, *, credentials: bool = False) -> str:
        """Returns a stream's URL.

        Args:
            camera: whose; it must be there.
            stream: which of its streams.
            credentials: put name and password in, as some clients want it.
        """
        spec = self._camera(camera).spec
        login = f"{quote(spec.username, safe='')}:{quote(spec.password, safe='')}@" if credentials else ""
        host, port = self._address
        return f"rtsp://{login}{f'[{host}]' if ':' in host else host}:{port}/{spec.id}/{stream}"

    def stats(self, camera: str) -> CameraTotals:
        """Returns what a camera has sent since the start."""
        return self._camera(camera).totals()

    def all_stats(self) -> list[CameraTotals]:
        """Returns what every camera has sent since the start."""
        return [camera.totals() for camera in self._cameras.values()]

    @property
    def late_max_ns(self) -> int:
        """The longest that the server was behind its own pace."""
        return self._wheel.late_max_ns

    def inject(self, pattern: str, fault: Fault) -> int:
        """Has `fault` happen now.

        Args:
            pattern: a camera's id, or a pattern (`fnmatch`).
            fault: what happens.

        Returns:
            How many cameras it happens to.

        Raises:
            CityError: it switches to a stream that is not there.
        """
        cameras = self._matching([pattern])
        for camera in cameras:
            self._begin(camera, fault, self._clock.monotonic_ns())
        return len(cameras)

    def clear(self, pattern: str = "*") -> None:
        """Ends every fault of the cameras that `pattern` names."""
        for camera in self._matching([pattern]):
            camera.clear(self._clock.monotonic_ns())

    def _camera(self, camera: str) -> SimulatedCamera:
        try:
            return self._cameras[camera]
        except KeyError:
            raise CityError("there is no such camera", where=camera, fix="see the server's urls") from None

    def _matching(self, patterns: Sequence[str]) -> list[SimulatedCamera]:
        return [
            camera
            for name, camera in self._cameras.items()
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        ]

    def _schedule(self, planned: Planned, start_ns: int) -> None:
        for camera in self._matching(planned.cameras):
            late_ns = int(self._rng.uniform(0, planned.spread_s) * 1e9)
            self._schedule_one(camera, planned, start_ns + int(planned.at_s * 1e9) + late_ns, planned.times)

    def _schedule_one(self, camera: SimulatedCamera, planned: Planned, due_ns: int, left: int | None) -> None:
        def strike(now_ns: int) -> None:
            self._begin(camera, planned.fault, now_ns)
            if planned.every_s is not None and left != 1:
                again_ns = due_ns + int(planned.every_s * 1e9)
                self._schedule_one(camera, planned, again_ns, None if left is None else left - 1)

        if due_ns <= self._clock.monotonic_ns() and self._server is None:
            strike(due_ns)
        else:
            self._wheel.call_at(due_ns, strike)

    def _begin(self, camera: SimulatedCamera, fault: Fault, now_ns: int) -> None:
        active = camera.begin(fault)
        if active is not None and fault.duration_s is not None:
            self._wheel.call_at(now_ns + int(fault.duration_s * 1e9), lambda then_ns: camera.end(active, then_ns))

    def _tell_totals(self, now_ns: int) -> None:
        self._sent.totals(self._clock.wall_ns(), self.all_stats())
        self._wheel.call_at(now_ns + self._totals_every_ns, self._tell_totals)


class _Library:
    """Looped streams by name, each made into packets once."""

    def __init__(self, streams: Iterable[LoopedStream]) -> None:
        self._made: dict[int, PacketisedStream] = {}
        self._named: dict[str, PacketisedStream] = {}
        for stream in streams:
            self.add(stream)

    def add(self, stream: LoopedStream) -> PacketisedStream:
        # By identity: comparing or hashing a stream would read all of its bytes. The stream is kept, so its id stays.
        made = self._made.get(id(stream))
        if made is None:
            made = self._made[id(stream)] = PacketisedStream(stream)
            self._named.setdefault(stream.name, made)
        return made

    def named(self, name: str) -> PacketisedStream:
        try:
            return self._named[name]
        except KeyError:
            raise unknown_stream(name, self._named) from None


def _set_send_buffer(server: asyncio.Server, size_bytes: int) -> None:
    """Connections inherit the listening socket's buffer size (Linux, socket(7))."""
    for listening in server.sockets:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size_bytes)


def plan_cameras(
    count: int,
    streams: Sequence[LoopedStream],
    rng: random.Random,
    *,
    prefix: str = "cam",
    subs: Sequence[LoopedStream] = (),
    username: str = "civicam",
    password: str = "",
    auth: AuthScheme = AuthScheme.NONE,
    clock_spread_s: float = 0.0,
    in_band: bool = False,
) -> list[CityCamera]:
    """Returns `count` cameras that share `streams` at different phases, named such as `cam-001`.

    Args:
        count: how many.
        streams: what they show, in turn.
        rng: phases and clock offsets.
        prefix: how names begin.
        subs: their small pictures, in turn; none for cameras without.
        username: who may play them.
        password: with what.
        auth: how they ask for them.
        clock_spread_s: each clock is off by up to this much, either way.
        in_band: they repeat parameter sets in front of each key frame.

    Raises:
        CityError: there is no stream, or not one camera.
        ConfigError: `prefix` makes no usable camera id.
    """
    if count < 1 or not streams:
        raise CityError("a city needs a camera and a stream", fix="ask for one camera at least, and give it a stream")
    digits = max(3, len(str(count)))
    return [
        CityCamera(
            id=parse_camera_id(f"{prefix}-{number + 1:0{digits}d}"),
            stream=(stream := streams[number % len(streams)]),
            sub=subs[number % len(subs)] if subs else None,
            phase_s=rng.uniform(0, stream.duration_90k / 90_000),
            username=username,
            password=password,
            auth=auth,
            clock_offset_s=rng.uniform(-clock_spread_s, clock_spread_s),
            in_band=in_band,
        )
        for number in range(count)
    ]
