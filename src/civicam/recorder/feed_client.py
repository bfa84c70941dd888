"""The other end of the feed: samples of any stream of the city, from whichever worker records it, for as long as asked.

A worker that dies takes its connection with it: its streams are `gone`, which sinks hear as a break, until the worker
that is started in its place is found at the same socket.
"""

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from civicam.camera.sample import H264Setup, Sample, SampleSink
from civicam.core.clock import Clock
from civicam.core.errors import FeedError
from civicam.core.ids import GapCause, StreamKey
from civicam.core.unix_socket import connect_to
from civicam.recorder.feed_messages import (
    MOST_MESSAGE_BYTES,
    BrokenTold,
    DiscontinuityTold,
    Dropped,
    Gone,
    Here,
    Level,
    Message,
    MessageReader,
    SampleTold,
    SetupTold,
    Want,
    encode,
)

_LOOK_EVERY_S = 1.0
_BACKOFF_S = (0.1, 2.0)
_SOCKETS = "worker-*.sock"


@dataclass(eq=False, slots=True)
class Subscription:
    """A sink that hears a stream. Begins with a key.

    Attributes:
        key: the stream.
        level: how much of it.
        sink: hears it, on the event loop.
    """

    key: StreamKey
    level: Level
    sink: SampleSink
    _client: "FeedClient" = field(repr=False)
    _needs_key: bool = True
    _last: tuple[int, int] | None = None

    def change(self, level: Level) -> None:
        """More or less of it from now on; more begins with a key, which may have been heard already."""
        if level > self.level:
            self._needs_key = True
        self.level = level
        self._client.changed(self.key)

    def close(self) -> None:
        """Hears no more."""
        self.level = Level.NOTHING
        self._client.left(self)

    def hear(self, message: Message) -> None:
        """Takes what the stream's feed gives, which may be more than this subscription wants."""
        match message:
            case SampleTold(sample=sample):
                self._sample(sample)
            case BrokenTold(cause=cause, detail=detail):
                self.sink.broken(cause, detail)
            case DiscontinuityTold(detail=detail):
                self.sink.discontinuity(detail)
            case Dropped():
                self.missing(GapCause.OVERLOAD, "too much to take")
            case _:
                pass

    def missing(self, cause: GapCause, detail: str) -> None:
        """Samples are missing up to the next key."""
        self._needs_key = True
        self.sink.broken(cause, detail)

    def _sample(self, sample: Sample) -> None:
        if not sample.is_key and (self._needs_key or self.level is not Level.ALL):
            return
        self._needs_key = False
        moment = sample.pts_90k, sample.wall_ns
        if sample.is_key and moment == self._last:
            return  # told again for somebody who wanted more
        if sample.is_key:
            self._last = moment
        self.sink.sample(sample)


@dataclass(eq=False, slots=True)
class _Stream:
    """A stream that somebody here wants."""

    key: StreamKey
    handle: int
    subscriptions: list[Subscription] = field(default_factory=list)
    level: Level = Level.NOTHING
    setup: H264Setup | None = None
    held_by: "_Connection | None" = None


class FeedClient:
    """Subscribes to streams of all workers whose sockets are in a folder. All of it is called on one event loop.

    Args:
        folder: where the sockets are.
        clock: for waits.
        rng: jitter.
    """

    def __init__(self, folder: Path, *, clock: Clock, rng: random.Random) -> None:
        self._folder, self._clock, self._rng = folder, clock, rng
        self._streams: dict[StreamKey, _Stream] = {}
        self._by_handle: dict[int, _Stream] = {}
        self._connections: dict[str, _Connection] = {}
        self._next_handle = 1

    @property
    def workers(self) -> int:
        """How many workers are connected now."""
        return len(self._connections)

    def has(self, key: StreamKey) -> bool:
        """A worker gives that stream now."""
        stream = self._streams.get(key)
        return stream is not None and stream.held_by is not None

    async def keep_connected(self) -> None:
        """Looks for workers and stays connected to them, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                known: dict[str, asyncio.Task[None]] = {}
                while True:
                    for name in self._sockets():
                        if name not in known or known[name].done():
                            known[name] = tasks.create_task(self._keep(name))
                    await self._clock.sleep(_LOOK_EVERY_S)
        finally:
            for connection in tuple(self._connections.values()):
                connection.end()

    async def run(self, key: StreamKey, sink: SampleSink) -> None:
        """Hands all samples of `key` to `sink` until cancelled; see `player.live.SampleSource`."""
        subscription = self.subscribe(key, Level.ALL, sink)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            subscription.close()

    def subscribe(self, key: StreamKey, level: Level, sink: SampleSink) -> Subscription:
        """`sink` hears `key` from the next key on, or from the last one where that is at hand.

        Where no worker records the stream, it hears nothing until one does.
        """
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream(key, self._next_handle)
            self._by_handle[stream.handle] = stream
            self._next_handle += 1
        subscription = Subscription(key, level, sink, self)
        stream.subscriptions.append(subscription)
        if stream.setup is not None:
            sink.setup(stream.setup)
        self.changed(key)
        return subscription

    def changed(self, key: StreamKey) -> None:
        """Somebody wants more or less of a stream than before."""
        stream = self._streams[key]
        level = max((one.level for one in stream.subscriptions), default=Level.NOTHING)
        if level is stream.level:
            return
        stream.level = level
        for connection in self._connections.values():
            connection.write(encode(Want(stream.handle, level, key)))
        if level is Level.NOTHING:
            del self._streams[key], self._by_handle[stream.handle]

    def left(self, subscription: Subscription) -> None:
        """Somebody wants no more; may be told twice."""
        stream = self._streams.get(subscription.key)
        if stream is not None and subscription in stream.subscriptions:
            stream.subscriptions.remove(subscription)
            self.changed(subscription.key)

    def connected(self, connection: "_Connection") -> None:
        """A worker answers."""
        self._connections[connection.name] = connection
        for stream in self._streams.values():
            connection.write(encode(Want(stream.handle, stream.level, stream.key)))

    def disconnected(self, connection: "_Connection") -> None:
        """A worker is gone, and what it gave."""
        if self._connections.get(connection.name) is connection:
            del self._connections[connection.name]
        for stream in tuple(self._streams.values()):
            if stream.held_by is connection:
                self._lost(stream, "the recorder's worker is gone")

    def heard(self, connection: "_Connection", message: Message) -> None:
        """Hands on what a worker says. What it says of a stream that nobody wants any more is not wanted either.

        Raises:
            FeedError: a worker says what only a subscriber may say.
        """
        if isinstance(message, Want):
            raise FeedError("a worker says what only a subscriber may say")
        stream = self._by_handle.get(message.handle)
        if stream is None:
            return
        if isinstance(message, Here):
            stream.held_by = connection
        elif stream.held_by is connection:
            self._told(stream, message)

    def _told(self, stream: _Stream, message: Message) -> None:
        if isinstance(message, Gone):
            self._lost(stream, "the camera is not recorded any more")
        elif not isinstance(message, SetupTold):
            for one in tuple(stream.subscriptions):
                one.hear(message)
        elif message.setup != stream.setup:
            stream.setup = message.setup
            for one in tuple(stream.subscriptions):
                one.sink.setup(message.setup)

    def _lost(self, stream: _Stream, detail: str) -> None:
        stream.held_by = stream.setup = None
        for one in tuple(stream.subscriptions):
            one.missing(GapCause.CAMERA_SILENT, detail)

    def _sockets(self) -> list[str]:
        return sorted(path.name for path in self._folder.glob(_SOCKETS))

    async def _keep(self, name: str) -> None:
        """One worker's socket for as long as it is there: connects again and again, after longer and longer waits."""
        pause_s = _BACKOFF_S[0]
        while name in self._sockets():
            connection = _Connection(name, self)
            try:
                await connection.open(self._folder)
            except OSError:
                await self._clock.sleep(pause_s * self._rng.uniform(0.5, 1))
                pause_s = min(pause_s * 2, _BACKOFF_S[1])
                continue
            try:
                await asyncio.shield(connection.gone)
            finally:
                connection.end()
            pause_s = _BACKOFF_S[0]
            await self._clock.sleep(pause_s * self._rng.uniform(0.5, 1))


class _Connection(asyncio.Protocol):
    """To one worker."""

    def __init__(self, name: str, client: FeedClient) -> None:
        self.name = name
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client = client
        self._reader = MessageReader(MOST_MESSAGE_BYTES)
        self._transport: asyncio.Transport | None = None

    async def open(self, folder: Path) -> None:
        """Connects.

        Raises:
            OSError: nobody listens there.
        """
        connecting = connect_to(folder / self.name)  # who listens need not answer
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=connecting)
        except OSError:
            connecting.close()
            raise

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._client.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._client.disconnected(self)
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            for message in self._reader.feed(data):
                self._client.heard(self, message)
        except FeedError:
            self.end()

    def write(self, data: bytes) -> None:
        """Sends `data`."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def end(self) -> None:
        """Closes it."""
        if self._transport is not None:
            self._transport.abort()
