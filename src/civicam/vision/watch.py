"""All cameras, all the time, by their keys alone: one decoding of each feeds the background model, health and stills.

    FeedClient ──keys──> a place for the newest key of each camera ──(a small pool of threads)──> decode
                                                                        │
                                        redactor (learns, redacts) ─────┼──> still
                                        health ─────────────────────────┴──> events

A camera has one place where a key waits: a newer one takes it, so that a busy machine sees each camera less often and
none late.
"""

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from civicam.camera.sample import H264Setup, Sample, SampleSink
from civicam.core.errors import DecodeError, RedactionError
from civicam.core.ids import CameraId, GapCause, StreamKey
from civicam.core.spans import Span
from civicam.recorder.feed_client import Subscription
from civicam.recorder.feed_messages import Level
from civicam.redaction.picture import Picture
from civicam.redaction.redacted import RedactedPicture
from civicam.vision.decoder import Decoder
from civicam.vision.health import HealthEvent, HealthWatch
from civicam.vision.model_store import ModelStore

_log = logging.getLogger(__name__)

_MOST_EVENTS = 256


class SceneModel(Protocol):
    """What a redactor learned; `redaction.background.BackgroundModel` is one."""

    def to_bytes(self) -> bytes:
        """Itself, to be kept."""
        ...


class KeyRedactor(Protocol):
    """A redactor that keys keep warm; `redaction.redactor.Redactor` is one."""

    @property
    def model(self) -> SceneModel | None:
        """What it learned of the pictures' size, None before the first one."""
        ...

    @property
    def is_warm(self) -> bool:
        """It knows the scene."""
        ...

    def learn(self, picture: Picture) -> None:
        """Sees a picture that is not shown."""
        ...

    def redact(self, picture: Picture) -> RedactedPicture:
        """Sees a picture, and gives it as it may be shown."""
        ...


class KeyFeed(Protocol):
    """Where keys come from; `recorder.feed_client.FeedClient` is one."""

    def subscribe(self, key: StreamKey, level: Level, sink: SampleSink) -> Subscription:
        """`sink` hears so much of `key` until the subscription is closed."""
        ...


@dataclass(frozen=True, slots=True)
class WatchParts:
    """What cameras are watched with.

    Attributes:
        feed: gives keys.
        make_redactor: makes a camera's redactor, with the model it had not long ago, or None. Raises RedactionError
            where that model cannot be used; it is then called without.
        store: keeps models, None for nowhere.
        still: gets each picture as it may be shown; called on threads, for one camera on one at a time. None where
            nobody wants any.
        event: told of what begins and what ends, on the event loop.
        health_store: keeps what is known of a camera's usual picture, None for nowhere.
        first_seen: told once, with the first picture of a camera and its time, what is wrong with it from before.
    """

    feed: KeyFeed
    make_redactor: Callable[[CameraId, bytes | None], KeyRedactor]
    store: ModelStore | None = None
    still: Callable[[CameraId, RedactedPicture], None] | None = None
    event: Callable[[CameraId, HealthEvent], None] | None = None
    health_store: ModelStore | None = None
    first_seen: Callable[[CameraId, list[HealthEvent], int], None] | None = None


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How cameras are watched.

    Attributes:
        threads: that decode and redact.
        save_every_s: a camera's model is kept so often, each camera at its own moment.
        restore_within_s: a model is taken up again after a restart if it is not older.
        keep_s: models are deleted when they are older, as the footage that they are for.
    """

    threads: int = 2
    save_every_s: int = 600
    restore_within_s: int = 1800
    keep_s: int = 31 * 24 * 3600


@dataclass(slots=True)
class WatchCounters:
    """How watching goes.

    Attributes:
        pictures: keys that became pictures.
        skipped: keys that a newer one overtook before there was time for them.
        undecodable: keys that became none.
        failed: keys whose work ended with a fault of ours.
        restored: models that were taken up again after a restart.
        unusable: models that were kept and could not be used.
        unsaved: models that could not be kept.
    """

    pictures: int = 0
    skipped: int = 0
    undecodable: int = 0
    failed: int = 0
    restored: int = 0
    unusable: int = 0
    unsaved: int = 0


class Watch:
    """Watches cameras by their keys. All of it is called on one event loop.

    Attributes:
        counters: how it goes; written by several threads, so near enough.
    """

    def __init__(self, parts: WatchParts, settings: WatchSettings | None = None) -> None:
        self.counters = WatchCounters()
        self._parts, self._settings = parts, settings or WatchSettings()
        self._pool = ThreadPoolExecutor(self._settings.threads, "watch")
        self._cameras: dict[CameraId, _Camera] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def apply(self, streams: Mapping[CameraId, StreamKey]) -> None:
        """From now on watches these streams and no others; what is watched already goes on."""
        for camera, watched in tuple(self._cameras.items()):
            if streams.get(camera) != watched.key:
                del self._cameras[camera]
                watched.end()
                closing = asyncio.create_task(watched.finish())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
        for camera, key in streams.items():
            if camera not in self._cameras:
                self._cameras[camera] = _Camera(key, self._parts, self._settings, self.counters, self._pool)

    def events(self, camera: CameraId, window: Span) -> list[HealthEvent]:
        """What touches `window` of a camera's newest events, by when it began."""
        watched = self._cameras.get(camera)
        return watched.touching(window) if watched else []

    def lasting(self) -> dict[CameraId, list[HealthEvent]]:
        """What lasts now, of each camera that something is wrong with."""
        found = {camera: watched.lasting() for camera, watched in self._cameras.items()}
        return {camera: events for camera, events in found.items() if events}

    async def model_of(self, camera: CameraId) -> bytes | None:
        """A copy of what a camera's redactor learned, for one that goes on with it; None while it is cold."""
        watched = self._cameras.get(camera)
        return await watched.model() if watched else None

    def alarms(self) -> list[str]:
        """What an engineer must look at."""
        if not self.counters.unsaved:
            return []
        return [f"{self.counters.unsaved} background models could not be kept: after a restart scenes are learned anew"]

    async def close(self) -> None:
        """Ends watching, and keeps all models."""
        for watched in self._cameras.values():
            watched.end()
        await asyncio.gather(*self._closing, *(watched.finish() for watched in self._cameras.values()))
        self._cameras.clear()
        self._pool.shutdown()


class _Camera:
    """One camera: a `SampleSink` for its keys, with one place for the newest."""

    def __init__(
        self,
        key: StreamKey,
        parts: WatchParts,
        settings: WatchSettings,
        counters: WatchCounters,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.key = key
        self._parts, self._counters, self._pool = parts, counters, pool
        self._work = _Work(key, parts, settings, counters)
        self._setup: H264Setup | None = None
        self._newest: tuple[H264Setup, Sample] | None = None
        self._job: asyncio.Future[list[HealthEvent]] | asyncio.Future[bytes | None] | None = None
        self._asked: asyncio.Future[bytes | None] | None = None
        self._ended: deque[HealthEvent] = deque(maxlen=_MOST_EVENTS)
        self._is_ended = self._is_told = False
        self._subscription = parts.feed.subscribe(key, Level.KEYS, self)

    def setup(self, setup: H264Setup) -> None:
        """See `SampleSink`."""
        self._setup = setup

    def sample(self, sample: Sample) -> None:
        """See `SampleSink`."""
        if self._setup is None or not sample.is_key or self._is_ended:
            return
        self._counters.skipped += self._newest is not None
        self._newest = self._setup, sample
        self._begin()

    def broken(self, cause: GapCause, detail: str) -> None:
        """See `SampleSink`. Keys stand for themselves."""

    def discontinuity(self, detail: str) -> None:
        """See `SampleSink`. Keys stand for themselves."""

    def touching(self, window: Span) -> list[HealthEvent]:
        start_ns, end_ns = window
        found = [
            event
            for event in (*self._ended, *self.lasting())
            if event.began_wall_ns < end_ns and (event.ended_wall_ns is None or event.ended_wall_ns > start_ns)
        ]
        return sorted(found, key=lambda event: event.began_wall_ns)

    def lasting(self) -> list[HealthEvent]:
        return self._work.lasting

    async def model(self) -> bytes | None:
        """The model, between two keys; made on a thread, for it takes a while."""
        if self._asked is None:
            self._asked = asyncio.get_running_loop().create_future()
        asked = self._asked
        self._begin()
        return await asyncio.shield(asked)

    def end(self) -> None:
        """Takes no more keys."""
        self._is_ended = True
        self._newest = None
        self._subscription.close()

    async def finish(self) -> None:
        """Waits for what is begun, and keeps the model."""
        while self._job is not None:
            await asyncio.wait({self._job})
        await asyncio.get_running_loop().run_in_executor(self._pool, self._work.save)

    def _begin(self) -> None:
        if self._job is not None:
            return
        loop = asyncio.get_running_loop()
        if self._asked is not None:
            asked, self._asked = self._asked, None
            making = self._job = loop.run_in_executor(self._pool, self._work.model)
            making.add_done_callback(lambda job: self._made(job, asked))
        elif self._newest is not None and not self._is_ended:
            (setup, sample), self._newest = self._newest, None
            seeing = self._job = loop.run_in_executor(self._pool, self._work.see, setup, sample)
            seeing.add_done_callback(self._done)

    def _made(self, job: "asyncio.Future[bytes | None]", asked: "asyncio.Future[bytes | None]") -> None:
        self._job = None
        if (error := job.exception()) is not None:
            self._counters.failed += 1
            _log.error("%s: its model could not be copied", self.key, exc_info=error)
        if not asked.done():
            asked.set_result(None if error else job.result())
        self._begin()

    def _done(self, job: "asyncio.Future[list[HealthEvent]]") -> None:
        self._job = None
        if (error := job.exception()) is not None:
            # Whatever it was, this key is lost, nothing of it was shown, and the next one comes.
            self._counters.failed += 1
            _log.error("%s: a key could not be dealt with", self.key, exc_info=error)
        else:
            self._tell_first()
            for event in job.result():
                if event.ended_wall_ns is not None:
                    self._ended.append(event)
                if self._parts.event is not None:
                    self._parts.event(self.key.camera, event)
        self._begin()

    def _tell_first(self) -> None:
        work, told = self._work, self._parts.first_seen
        if told is not None and not self._is_told and work.first_lasting is not None:
            told(self.key.camera, work.first_lasting, work.wall_ns)
            self._is_told = True


@dataclass(slots=True)
class _Work:
    """What is done with a camera's keys, on one thread at a time."""

    key: StreamKey
    parts: WatchParts
    settings: WatchSettings
    counters: WatchCounters
    lasting: list[HealthEvent] = field(default_factory=list)
    _decoder: Decoder = field(default_factory=Decoder)
    first_lasting: list[HealthEvent] | None = None
    wall_ns: int = 0
    _health: HealthWatch | None = None
    _redactor: KeyRedactor | None = None
    _setup: H264Setup | None = None
    _turn: int | None = None

    def see(self, setup: H264Setup, sample: Sample) -> list[HealthEvent]:
        """Deals with a key; returns the events that began or ended."""
        try:
            pictures = self._decoded(setup, sample)
        except DecodeError:
            self.counters.undecodable += 1
            return []
        changed: list[HealthEvent] = []
        for picture in pictures:
            self.counters.pictures += 1
            self._redact(picture)
            if self._health is None:
                self._health = self._make_health(picture.wall_ns)
                self.first_lasting = self._health.lasting
            changed += self._health.see(picture)
            self.lasting = self._health.lasting
        return changed

    def model(self) -> bytes | None:
        """What the redactor learned; None while it is cold."""
        if self._redactor is None or not self._redactor.is_warm or self._redactor.model is None:
            return None
        return self._redactor.model.to_bytes()

    def save(self) -> None:
        """Keeps what is known as it was at the last picture."""
        keep_ns = self.settings.keep_s * 1_000_000_000
        self._save(self.parts.store, self.model(), self.wall_ns - keep_ns)
        self._save(self.parts.health_store, self._health.to_bytes() if self._health else None, self.wall_ns)

    def _save(self, store: ModelStore | None, data: bytes | None, forget_ns: int) -> None:
        if store is None or not data:
            return
        try:
            store.save(self.key.camera, self.wall_ns, data)
            store.forget(self.key.camera, forget_ns)
        except RedactionError as error:
            self.counters.unsaved += 1
            _log.warning("%s", error)

    def _decoded(self, setup: H264Setup, sample: Sample) -> list[Picture]:
        if setup != self._setup:
            self._setup = setup
            self._decoder.setup(setup)
        return self._decoder.decode(sample) or self._decoder.flush()

    def _redact(self, picture: Picture) -> None:
        self.wall_ns = picture.wall_ns
        if self._redactor is None:
            self._redactor = self._make_redactor(picture.wall_ns)
        if self.parts.still is None:
            self._redactor.learn(picture)
        else:
            self.parts.still(self.key.camera, self._redactor.redact(picture))  # which learns, too
        turn = (picture.wall_ns + self._phase_ns()) // (self.settings.save_every_s * 1_000_000_000)
        if self._turn is not None and turn != self._turn:
            self.save()
        self._turn = turn

    def _make_redactor(self, wall_ns: int) -> KeyRedactor:
        if (kept := self._kept(self.parts.store, wall_ns)) is not None:
            try:
                redactor = self.parts.make_redactor(self.key.camera, kept)
            except RedactionError as error:
                self._unusable(error)
            else:
                self.counters.restored += 1
                return redactor
        return self.parts.make_redactor(self.key.camera, None)

    def _make_health(self, wall_ns: int) -> HealthWatch:
        if (kept := self._kept(self.parts.health_store, wall_ns)) is not None:
            try:
                return HealthWatch.from_bytes(kept)
            except RedactionError as error:
                self._unusable(error)
        return HealthWatch()

    def _kept(self, store: ModelStore | None, wall_ns: int) -> bytes | None:
        """What was kept not long ago."""
        kept = store.latest(self.key.camera) if store is not None else None
        is_fresh = kept is not None and 0 <= wall_ns - kept[0] <= self.settings.restore_within_s * 1_000_000_000
        return kept[1] if kept is not None and is_fresh else None

    def _unusable(self, error: RedactionError) -> None:
        self.counters.unusable += 1
        _log.warning("%s: what was kept last cannot be used: %s", self.key, error)

    def _phase_ns(self) -> int:
        return zlib.crc32(self.key.camera.encode()) * 1_000_000 % (self.settings.save_every_s * 1_000_000_000)
