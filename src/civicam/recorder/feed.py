"""The live feed of a recorder worker: a Unix socket at which a process of the same user gets samples as they come.

Nothing here waits for a subscriber: what one cannot take is dropped up to the stream's next key, and it is told so. A
stream that nobody subscribed to is not touched at all.
"""

import asyncio
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from civicam.camera.sample import H264Setup, Sample, SampleSink
from civicam.core.errors import FeedError
from civicam.core.ids import GapCause, StreamKey
from civicam.core.unix_socket import listen_at, user_of
from civicam.recorder.feed_messages import (
    MOST_REQUEST_BYTES,
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
    head,
    sample_body,
)

_BACKLOG = 8
_SAMPLE_FRAME_BYTES = len(head(SampleTold, 0, 0)) + len(sample_body(Sample(b"", 0, 0, None, False)))


def socket_name(worker: int) -> str:
    """The socket's name within the feed's folder."""
    return f"worker-{worker}.sock"


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """What subscribers may take.

    Attributes:
        subscribers: connections at the same time; one more is closed at once.
        streams: that one subscriber asks for.
        waiting_bytes: that wait for one subscriber; samples that do not fit are dropped.
    """

    subscribers: int = 16
    streams: int = 4096
    waiting_bytes: int = 16 << 20


class FeedStream(Protocol):
    """A stream that is being recorded, as the feed sees it."""

    def listen(self, listener: SampleSink | None) -> None:
        """`listener` hears all that the recording hears from now on; None for nobody."""
        ...

    def in_hand(self) -> tuple[H264Setup | None, Sequence[Sample]]:
        """The setup that holds, and the samples of the GOP that has not ended; empty if they begin with no key."""
        ...

    def attend(self, attended: bool) -> None:
        """Whether what the camera sends is taken the moment it comes."""
        ...


class Feed:
    """Gives the samples of a worker's streams to whoever subscribes. All of it is called on one event loop.

    Attributes:
        dropped: samples that subscribers were too slow for.
        refused: connections that were refused.
    """

    def __init__(self, limits: FeedLimits | None = None) -> None:
        self.dropped = 0
        self.refused = 0
        self._limits = limits or FeedLimits()
        self._streams: dict[StreamKey, _Tap] = {}
        self._subscribers: set[_Subscriber] = set()
        self._server: asyncio.AbstractServer | None = None

    async def start(self, folder: Path, worker: int) -> None:
        """Listens at `folder`/worker-N.sock, which only this user may open; one that is left there is replaced.

        Raises:
            FeedError: the socket cannot be made.
        """
        try:
            listening = listen_at(folder / socket_name(worker), _BACKLOG)
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(lambda: _Subscriber(self, self._limits), sock=listening)
        except OSError as error:
            raise FeedError(
                f"nobody can look live: the feed's socket cannot be made: {error.strerror}", where=str(folder)
            ) from error

    async def close(self) -> None:
        """Ends all subscriptions."""
        if self._server is not None:
            self._server.close()
        for subscriber in tuple(self._subscribers):
            subscriber.end()

    def add(self, key: StreamKey, stream: FeedStream) -> None:
        """A stream is recorded from now on."""
        tap = self._streams[key] = _Tap(stream)
        for subscriber in self._subscribers:
            subscriber.appeared(key, tap)

    def remove(self, key: StreamKey) -> None:
        """A stream is not recorded any more."""
        tap = self._streams.pop(key, None)
        if tap is not None:
            tap.end()

    def find(self, key: StreamKey) -> "_Tap | None":
        """The stream, if it is recorded."""
        return self._streams.get(key)

    def admit(self, subscriber: "_Subscriber", connected: socket.socket) -> bool:
        """Whether somebody who just connected may stay: a process of the same user, and one of not too many."""
        if len(self._subscribers) >= self._limits.subscribers or user_of(connected) != os.geteuid():
            self.refused += 1
            return False
        self._subscribers.add(subscriber)
        return True

    def forget(self, subscriber: "_Subscriber") -> None:
        """Somebody left."""
        self._subscribers.discard(subscriber)


class _Tap:
    """A `SampleSink` behind a recording, there only while somebody listens."""

    def __init__(self, stream: FeedStream) -> None:
        self._stream = stream
        self._listeners: dict[_Subscription, None] = {}
        self._is_attended = False

    def join(self, subscription: "_Subscription", *, replay: bool) -> None:
        """Somebody wants samples from now on; with `replay` from the last key on, which is there already."""
        setup, samples = self._stream.in_hand()
        if subscription not in self._listeners and setup is not None:
            subscription.tell(SetupTold(subscription.handle, setup))
        if replay:
            subscription.replay(samples)
        if not self._listeners:
            self._stream.listen(self)
        self._listeners[subscription] = None
        self.attend()

    def leave(self, subscription: "_Subscription") -> None:
        """Somebody wants no more."""
        self._listeners.pop(subscription, None)
        if not self._listeners:
            self._stream.listen(None)
        self.attend()

    def attend(self) -> None:
        """Reads the camera at once while somebody watches it, and with the others when nobody does."""
        is_attended = any(one.level is Level.ALL for one in self._listeners)
        if is_attended != self._is_attended:
            self._is_attended = is_attended
            self._stream.attend(is_attended)

    def end(self) -> None:
        """The stream is gone."""
        for subscription in tuple(self._listeners):
            subscription.tap = None
            subscription.tell(Gone(subscription.handle))
            self.leave(subscription)

    def setup(self, setup: H264Setup) -> None:
        """See `SampleSink`."""
        for one in tuple(self._listeners):
            one.tell(SetupTold(one.handle, setup))

    def sample(self, sample: Sample) -> None:
        """See `SampleSink`."""
        for one in tuple(self._listeners):
            one.sample(sample)

    def broken(self, cause: GapCause, detail: str) -> None:
        """See `SampleSink`."""
        for one in tuple(self._listeners):
            one.tell(BrokenTold(one.handle, cause, detail))

    def discontinuity(self, detail: str) -> None:
        """See `SampleSink`."""
        for one in tuple(self._listeners):
            one.tell(DiscontinuityTold(one.handle, detail))


class _Subscription:
    """One stream for one subscriber."""

    def __init__(self, subscriber: "_Subscriber", want: Want) -> None:
        self.handle = want.handle
        self.key = want.key
        self.level = want.level
        self.tap: _Tap | None = None
        self._subscriber = subscriber
        self._needs_key = True

    def sample(self, sample: Sample) -> None:
        """Sends a sample, unless it is not wanted or there is no room for it."""
        if not sample.is_key and (self._needs_key or self.level is not Level.ALL):
            return
        if not self._subscriber.has_room(_SAMPLE_FRAME_BYTES + len(sample.data)):
            self._subscriber.dropped()
            if not self._needs_key:
                self._needs_key = True
                self.tell(Dropped(self.handle))
            return
        self._needs_key = False
        body = sample_body(sample)
        self._subscriber.write(head(SampleTold, self.handle, len(body) + len(sample.data)) + body, sample.data)

    def replay(self, samples: Sequence[Sample]) -> None:
        """Sends the GOP in hand, from its key on, if all of it has room; else the next key is the first."""
        size_bytes = sum(_SAMPLE_FRAME_BYTES + len(sample.data) for sample in samples)
        self._needs_key = True
        if self._subscriber.has_room(size_bytes):
            for sample in samples:
                self.sample(sample)

    def tell(self, message: Message) -> None:
        """Sends what is no sample. It is small and rare: a subscriber who has no room for it is not there."""
        self._subscriber.tell(message)


class _Subscriber(asyncio.Protocol):
    """One connection."""

    def __init__(self, feed: Feed, limits: FeedLimits) -> None:
        self._feed, self._limits = feed, limits
        self._reader = MessageReader(MOST_REQUEST_BYTES)
        self._transport: asyncio.Transport | None = None
        self._subscriptions: dict[int, _Subscription] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        if not self._feed.admit(self, transport.get_extra_info("socket")):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._feed.forget(self)
        for subscription in self._subscriptions.values():
            self._leave(subscription)
        self._subscriptions.clear()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            for message in self._reader.feed(data):
                if not isinstance(message, Want):
                    raise FeedError("a subscriber says what only a worker may say")
                self._want(message)
        except FeedError:
            self.end()

    def appeared(self, key: StreamKey, tap: _Tap) -> None:
        """A stream is recorded that may have been asked for."""
        for subscription in self._subscriptions.values():
            if subscription.key == key:
                self._join(subscription, tap, replay=True)

    def has_room(self, size_bytes: int) -> bool:
        """Whether so much more may wait."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        return transport.get_write_buffer_size() + size_bytes <= self._limits.waiting_bytes

    def write(self, *parts: bytes) -> None:
        """Sends `parts`."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(parts)

    def tell(self, message: Message) -> None:
        """Sends `message`; whoever leaves twice as much unread as they may is cut off."""
        self.write(encode(message))
        if self._transport is not None and self._transport.get_write_buffer_size() > 2 * self._limits.waiting_bytes:
            self.end()

    def dropped(self) -> None:
        """A sample had no room."""
        self._feed.dropped += 1

    def end(self) -> None:
        """Cuts the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _want(self, want: Want) -> None:
        subscription = self._subscriptions.get(want.handle)
        if subscription is None:
            if want.level is Level.NOTHING:
                return
            if len(self._subscriptions) >= self._limits.streams:
                raise FeedError("a subscriber asks for too many streams")
            subscription = self._subscriptions[want.handle] = _Subscription(self, want)
            tap = self._feed.find(want.key)
            if tap is None:
                self.tell(Gone(want.handle))
            else:
                self._join(subscription, tap, replay=True)
        elif subscription.key != want.key:
            raise FeedError("a subscriber gives two streams the same handle")
        elif want.level is Level.NOTHING:
            self._leave(subscription)
            del self._subscriptions[want.handle]
        else:
            self._change(subscription, want.level)

    def _change(self, subscription: _Subscription, level: Level) -> None:
        before, subscription.level = subscription.level, level
        if subscription.tap is not None:
            subscription.tap.join(subscription, replay=level > before)

    def _join(self, subscription: _Subscription, tap: _Tap, *, replay: bool) -> None:
        subscription.tap = tap
        self.tell(Here(subscription.handle))
        tap.join(subscription, replay=replay)

    @staticmethod
    def _leave(subscription: _Subscription) -> None:
        if subscription.tap is not None:
            subscription.tap.leave(subscription)
            subscription.tap = None
