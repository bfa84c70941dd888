"""The way to disk: a bounded backlog, one thread that seals and writes, a few that sync, one that tells the catalogue.

The event loop only ever appends to the backlog. When that is full, whole fragments are dropped and become a gap.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

from civicam.camera.sample import H264Setup
from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import GapRow, Segment
from civicam.core.clock import Clock
from civicam.core.errors import CatalogueError, FootageError
from civicam.core.ids import GapCause, StreamKey
from civicam.footage.fragment import Fragment
from civicam.recorder.report import Histogram
from civicam.recorder.stream_writer import StreamWriter, SyncOutcome

T = TypeVar("T")

_SYNC_THREADS = 4


class _Write(NamedTuple):
    stream: StreamWriter
    fragment: Fragment
    setup: H264Setup


class _Missing(NamedTuple):
    stream: StreamWriter
    cause: GapCause
    at_ns: int


class Archive:
    """Writes, syncs and records what all of a worker's streams hand over.

    Args:
        open_catalogue: called once, on the thread that then uses it.
        limit_bytes: how much may wait to be written.
        sync_interval_s: how long footage may be written and not yet durable.
        measure: looks at the volumes' room; called before each sync.
        clock: the time.
    """

    def __init__(
        self,
        open_catalogue: Callable[[], Catalogue],
        *,
        limit_bytes: int,
        sync_interval_s: float,
        measure: Callable[[], None],
        clock: Clock,
    ) -> None:
        self.limit_bytes = limit_bytes
        self.dropped_fragments = 0
        self.write_latency = Histogram()
        self.sync_latency = Histogram()
        self.catalogue_error = ""
        self._write_errors: dict[StreamKey, str] = {}
        self._open_catalogue = open_catalogue
        self._catalogue: Catalogue | None = None
        self._sync_interval_s = sync_interval_s
        self._measure = measure
        self._clock = clock
        self._streams: dict[StreamKey, StreamWriter] = {}
        self._backlog: deque[_Write | _Missing] = deque()
        self._noted: dict[StreamKey, GapCause] = {}
        self._taken_bytes = 0
        self._put_bytes = 0
        self._segments: dict[tuple[StreamKey, int], Segment] = {}
        self._gaps: dict[tuple[StreamKey, int], GapRow] = {}
        self._writing = ThreadPoolExecutor(1, "write")
        self._syncing = ThreadPoolExecutor(_SYNC_THREADS, "sync")
        self._telling = ThreadPoolExecutor(1, "catalogue")
        self._turn = asyncio.Lock()
        self._has_more = asyncio.Event()

    @property
    def backlog_bytes(self) -> int:
        """Footage waiting to be written."""
        return self._put_bytes - self._taken_bytes

    def put(self, stream: StreamWriter, fragment: Fragment, setup: H264Setup) -> None:
        """Takes a fragment over, or drops it and notes the gap when too much is waiting already."""
        if self.backlog_bytes + len(fragment.payload) > self.limit_bytes:
            self.dropped_fragments += 1
            self.missing(stream, GapCause.OVERLOAD, fragment.header.start_wall_ns)
            return
        self._put_bytes += len(fragment.payload)
        self._noted.pop(stream.key, None)
        self._backlog.append(_Write(stream, fragment, setup))
        self._has_more.set()

    def missing(self, stream: StreamWriter, cause: GapCause, at_ns: int) -> None:
        """Notes, in its place between the fragments, that something is missing."""
        if self._noted.get(stream.key) is cause:
            return  # said already and nothing came since: the backlog stays bounded however long this lasts
        self._noted[stream.key] = cause
        self._backlog.append(_Missing(stream, cause, at_ns))
        self._has_more.set()

    async def ask(self, question: Callable[[Catalogue], T]) -> T:
        """The catalogue's answer, worked out on its own thread."""
        return await self._on(self._telling, lambda: question(self._opened()))

    def add(self, stream: StreamWriter) -> None:
        """From now on `stream` is synced."""
        self._streams[stream.key] = stream

    async def remove(self, stream: StreamWriter) -> None:
        """Writes, closes and records all that `stream` handed over."""
        await self._on(self._writing, partial(self._drain, [stream]))
        await self.sync([stream])
        self._streams.pop(stream.key, None)
        self._write_errors.pop(stream.key, None)
        self._noted.pop(stream.key, None)

    async def run(self) -> None:
        """Writes and syncs until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_writing())
            tasks.create_task(self._keep_syncing())

    async def close(self) -> None:
        """Writes, closes and records all there is, and lets the threads go."""
        await self._on(self._writing, partial(self._drain, list(self._streams.values())))
        await self.sync()
        if self._catalogue is not None:
            await self._on(self._telling, self._catalogue.close)
        for pool in (self._writing, self._syncing, self._telling):
            pool.shutdown()

    async def sync(self, streams: Sequence[StreamWriter] | None = None) -> None:
        """Makes durable what is written, then says so in the catalogue: in this order always.

        Once begun it runs to its end, cancelled or not: what a stream says is durable it says once, and the next sync
        waits for its turn.
        """
        await asyncio.shield(asyncio.ensure_future(self._sync_in_turn(streams)))

    async def _sync_in_turn(self, streams: Sequence[StreamWriter] | None) -> None:
        async with self._turn:
            due = [stream for stream in streams or self._streams.values() if stream.needs_sync()]
            await self._on(self._syncing, self._measure)
            shares = [due[first::_SYNC_THREADS] for first in range(_SYNC_THREADS) if due[first::_SYNC_THREADS]]
            for outcomes in await asyncio.gather(
                *(self._on(self._syncing, partial(self._sync, share)) for share in shares)
            ):
                for outcome in outcomes:
                    self._segments |= {(row.key, row.start_wall_ns): row for row in outcome.segments}
                    self._gaps |= {(row.key, row.start_wall_ns): row for row in outcome.gaps}
            await self._record()

    def alarms(self) -> list[str]:
        """What an engineer must look at."""
        behind = [f"the catalogue is behind: {self.catalogue_error}"] if self.catalogue_error else []
        failing = [f"{key} is not written: {error}" for key, error in self._write_errors.copy().items()]
        more = [f"{len(failing) - 3} more streams are not written"] if len(failing) > 3 else []
        return behind + failing[:3] + more

    def _note_error(self, key: StreamKey, error: FootageError | None) -> None:
        if error is not None:
            self._write_errors[key] = str(error)
        elif self._write_errors:
            self._write_errors.pop(key, None)

    def _sync(self, streams: Sequence[StreamWriter]) -> list[SyncOutcome]:
        outcomes = []
        for stream in streams:
            started = self._clock.monotonic_ns()
            outcomes.append(stream.sync(self._clock.wall_ns()))
            self.sync_latency.observe((self._clock.monotonic_ns() - started) / 1e9)
        return outcomes

    async def _record(self) -> None:
        """Rows that the catalogue does not take now are kept, a row a segment and gap, and offered again."""
        segments, self._segments = self._segments, {}
        gaps, self._gaps = self._gaps, {}
        if not segments and not gaps:
            return
        try:
            await self.ask(lambda catalogue: catalogue.record(list(segments.values()), list(gaps.values())))
            self.catalogue_error = ""
        except CatalogueError as error:
            self.catalogue_error = str(error)
            self._segments, self._gaps = segments | self._segments, gaps | self._gaps

    async def _keep_writing(self) -> None:
        # Cameras are read many at a time, so what is handed over in one turn of the loop is many fragments.
        while True:
            await self._has_more.wait()
            self._has_more.clear()
            await self._on(self._writing, self._drain)

    async def _keep_syncing(self) -> None:
        while True:
            await self._clock.sleep(self._sync_interval_s)
            await self.sync()

    def _drain(self, ended: Sequence[StreamWriter] = ()) -> None:
        """Writes all that waits; then nothing more comes for the streams that ended."""
        while self._backlog:
            item = self._backlog.popleft()
            if isinstance(item, _Missing):
                item.stream.missing(item.cause, item.at_ns)
                continue
            started = self._clock.monotonic_ns()
            error = item.stream.write(item.fragment, item.setup)
            self._note_error(item.stream.key, error)
            self.write_latency.observe((self._clock.monotonic_ns() - started) / 1e9)
            self._taken_bytes += len(item.fragment.payload)
        for stream in ended:
            stream.finish()

    def _opened(self) -> Catalogue:
        if self._catalogue is None:
            self._catalogue = self._open_catalogue()
        return self._catalogue

    @staticmethod
    async def _on(pool: ThreadPoolExecutor, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, job)
