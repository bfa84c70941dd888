"""Live views: one redaction of a stream for all who watch it, begun by the first and ended after the last one.

    SampleSource ──> Inbox ──(a thread of the pool)──> ViewPipeline ──> each viewer's own queue
                    bounded                          decode, redact, encode             bounded

Whatever goes wrong on the way, viewers get covered frames that say so: no sample for 2 s, samples that do not decode,
too many of them, a redaction or encoder that failed. Nothing here waits for a viewer.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from civicam.camera.sample import SampleSink
from civicam.core.clock import Clock
from civicam.core.errors import FeedError, PlayerError
from civicam.core.ids import GapCause, StreamKey
from civicam.player.inbox import Inbox, InboxLimits, Item, Quiet
from civicam.player.pipeline import Output, PictureRedactor, SampleDecoder, ViewPipeline
from civicam.player.viewer import InitMessage, Viewer, ViewerLimits

_log = logging.getLogger(__name__)

_QUIET_AFTER_NS = 2_000_000_000
_QUIET_EVERY_NS = 1_000_000_000
_KEY_EVERY_NS = 250_000_000
_LISTEN_AGAIN_S = 1.0


class SampleSource(Protocol):
    """Where the samples of a stream come from."""

    async def run(self, key: StreamKey, sink: SampleSink) -> None:
        """Hands the samples of `key` to `sink`, on the event loop, until there are no more, or it is cancelled.

        Raises:
            FeedError: they cannot be had; it is called again after a second.
        """
        ...


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """What live views may take.

    Attributes:
        streams: redacted at the same time.
        viewers: of all streams together.
        linger_s: how long a redaction goes on after its last viewer left.
        inbox: what waits before a stream's decoder.
        viewer: what waits for a viewer.
    """

    streams: int = 64
    viewers: int = 256
    linger_s: float = 30.0
    inbox: InboxLimits = field(default_factory=InboxLimits)
    viewer: ViewerLimits = field(default_factory=ViewerLimits)


@dataclass(frozen=True, slots=True)
class LiveParts:
    """What a live view is made of.

    Attributes:
        source: gives samples.
        make_decoder: gives a decoder of its own to a stream.
        find_redactor: gives a stream's redactor; the same one may come again after the view before has ended.
        pool: threads that decode, redact and encode; a stream uses one at a time.
        clock: the time.
    """

    source: SampleSource
    make_decoder: Callable[[], SampleDecoder]
    find_redactor: Callable[[StreamKey], PictureRedactor]
    pool: Executor
    clock: Clock


class LiveHub:
    """The live views of a city. All of it is called on one event loop.

    Args:
        parts: what views are made of.
        limits: what they may take.
    """

    def __init__(self, parts: LiveParts, limits: LiveLimits | None = None) -> None:
        self._parts, self._limits = parts, limits or LiveLimits()
        self._streams: dict[StreamKey, _LiveStream] = {}
        self._ending: dict[StreamKey, asyncio.Task[None]] = {}

    @property
    def streams(self) -> int:
        """How many streams are redacted now."""
        return len(self._streams)

    @property
    def viewers(self) -> int:
        """How many watch now."""
        return sum(len(stream.viewers) for stream in self._streams.values())

    def watch(self, key: StreamKey) -> Viewer:
        """Opens a view of `key`. It begins with a key, at once where the stream is watched already.

        Raises:
            PlayerError: there are as many views as there may be.
        """
        stream = self._streams.get(key)
        if self.viewers >= self._limits.viewers or (stream is None and len(self._streams) >= self._limits.streams):
            raise PlayerError("too many live views are open", where=str(key), fix="close one, and try again")
        if stream is None:
            stream = _LiveStream(key, self._parts, self._limits, self._forget)
            stream.start(self._ending.get(key))
            self._streams[key] = stream
        return stream.join()

    async def close(self) -> None:
        """Ends all views."""
        for stream in list(self._streams.values()):
            stream.end()
        await asyncio.gather(*self._ending.values(), return_exceptions=True)

    def _forget(self, key: StreamKey, task: asyncio.Task[None]) -> None:
        """A stream has no viewers any more; `task` is what it has still to finish."""
        self._streams.pop(key, None)
        self._ending[key] = task
        task.add_done_callback(lambda done: self._ended(key, done))

    def _ended(self, key: StreamKey, task: asyncio.Task[None]) -> None:
        if self._ending.get(key) is task:
            del self._ending[key]


class _LiveStream:
    """One redaction and its viewers."""

    def __init__(
        self,
        key: StreamKey,
        parts: LiveParts,
        limits: LiveLimits,
        forget: Callable[[StreamKey, asyncio.Task[None]], None],
    ) -> None:
        self._key, self._parts, self._limits, self._forget = key, parts, limits, forget
        self._inbox = Inbox(limits.inbox)
        self._init: InitMessage | None = None
        self._want_key = False
        self._next_key_ns = 0
        self._quiet_at_ns = parts.clock.monotonic_ns() + _QUIET_AFTER_NS
        self._task: asyncio.Task[None] | None = None
        self._lingering: asyncio.Task[None] | None = None
        self._is_ended = False
        self.viewers: set[Viewer] = set()

    def start(self, after: asyncio.Task[None] | None) -> None:
        """Begins, once `after` (the same stream's redaction before) has ended."""
        self._task = asyncio.create_task(self._run(after), name=f"view of {self._key}")
        self._task.add_done_callback(self._stopped)

    def join(self) -> Viewer:
        """Adds a viewer."""
        viewer = Viewer(self._limits.viewer, self._ask_for_key, self._leave)
        self.viewers.add(viewer)
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if self._init is not None:
            viewer.start(self._init)
            self._ask_for_key()
        return viewer

    def end(self) -> None:
        """Ends the views and the redaction."""
        if self._is_ended or self._task is None:
            return
        self._is_ended = True
        for viewer in list(self.viewers):
            viewer.close()
        if self._lingering is not None:
            self._lingering.cancel()
        self._task.cancel()
        self._forget(self._key, self._task)

    def _leave(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)
        if not self.viewers and not self._is_ended:
            self._lingering = asyncio.create_task(self._linger())

    async def _linger(self) -> None:
        await self._parts.clock.sleep(self._limits.linger_s)
        self._lingering = None
        self.end()

    def _ask_for_key(self) -> None:
        self._want_key = True

    def _key_is_wanted(self) -> bool:
        """Keys cost bits that all viewers pay for: not one for each of many slow viewers."""
        now_ns = self._parts.clock.monotonic_ns()
        if not self._want_key or now_ns < self._next_key_ns:
            return False
        self._want_key, self._next_key_ns = False, now_ns + _KEY_EVERY_NS
        return True

    def _stopped(self, task: asyncio.Task[None]) -> None:
        """What ends the task other than its end is a fault of ours: viewers see the view end, and nothing else."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s: the live view failed", self._key, exc_info=error)
        self.end()

    async def _run(self, after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await asyncio.wait({after})
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._tell_quiet())
            await self._redact()

    async def _listen(self) -> None:
        """Keeps samples coming."""
        while True:
            try:
                await self._parts.source.run(self._key, self._inbox)
            except FeedError as error:
                _log.info("%s: no live samples: %s", self._key, error)
            self._inbox.broken(GapCause.CAMERA_SILENT, "the feed ended")
            await self._parts.clock.sleep(_LISTEN_AGAIN_S)

    async def _tell_quiet(self) -> None:
        """Has a frame made that says so, as long as no other comes."""
        clock = self._parts.clock
        while True:
            await clock.sleep(max(0, self._quiet_at_ns - clock.monotonic_ns()) / 1e9)
            if clock.monotonic_ns() >= self._quiet_at_ns:
                self._quiet_at_ns = clock.monotonic_ns() + _QUIET_EVERY_NS
                self._inbox.quiet(clock.wall_ns())

    async def _redact(self) -> None:
        parts = self._parts
        pipeline = ViewPipeline(parts.make_decoder(), parts.find_redactor(self._key))
        while True:
            items = await self._inbox.take()
            want_key = self._key_is_wanted()
            outputs = await self._in_thread(pipeline, items, want_key)
            if outputs and not all(isinstance(item, Quiet) for item in items):
                self._quiet_at_ns = parts.clock.monotonic_ns() + _QUIET_AFTER_NS
            self._hand_out(outputs)

    async def _in_thread(self, pipeline: ViewPipeline, items: list[Item], want_key: bool) -> Sequence[Output]:
        """Works on a thread of the pool, to the end even when cancelled: a redactor has one user at a time."""
        job = asyncio.get_running_loop().run_in_executor(
            self._parts.pool, lambda: pipeline.process(items, want_key=want_key)
        )
        await _ended(job)
        # Whatever it was: nothing of it was handed out, and the view goes on with a covered frame.
        if (error := job.exception()) is None:
            return job.result()
        _log.error("%s: a redaction failed, and is covered", self._key, exc_info=error)
        job = asyncio.get_running_loop().run_in_executor(
            self._parts.pool, pipeline.restart, self._parts.clock.wall_ns()
        )
        await _ended(job)
        if (error := job.exception()) is None:
            return job.result()
        _log.error("%s: no covered frame could be made", self._key, exc_info=error)
        await self._parts.clock.sleep(_LISTEN_AGAIN_S)
        return []

    def _hand_out(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            if isinstance(output, InitMessage):
                self._init = output
            for viewer in self.viewers:
                if isinstance(output, InitMessage):
                    viewer.start(output)
                else:
                    viewer.fragment(output)


async def _ended(job: "asyncio.Future[list[Output]]") -> None:
    """Returns when `job` is done; cancelled meanwhile, it still waits, since a thread cannot be stopped."""
    try:
        await asyncio.wait({job})
    except asyncio.CancelledError:
        await asyncio.wait({job})
        raise
