"""Worker processes, watched: streams are dealt out to them, and one that dies or hangs is started anew."""

import asyncio
import os
import random
import zlib
from collections.abc import Iterable

from civicam.core.child import Child, ChildKind
from civicam.core.clock import Clock
from civicam.core.ids import StreamKey
from civicam.recorder.plan import (
    RecorderPlan,
    StreamPlan,
    WorkerPlan,
    encode_hello,
    encode_quit,
    encode_start,
    encode_stop,
)
from civicam.recorder.report import WorkerReport

_STREAMS_A_WORKER = 400
_ALLOCATOR = {
    "MALLOC_ARENA_MAX": "2",
    # Fragments come and go all the time: memory given back after each would be asked for again, page by page.
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(16 << 20),
}
_KIND = ChildKind(
    "civicam.recorder.worker",
    WorkerReport.from_json,
    environment=_ALLOCATOR,
    line_bytes=16 << 20,
    stop_within_s=30.0,
    restart_s=(0.2, 10.0),
)


def worker_count(asked: int, streams: int) -> int:
    """How many processes record `streams` streams: `asked`, or one per 400, never more than one a core."""
    cores = os.cpu_count() or 1
    return min(asked or -(-streams // _STREAMS_A_WORKER) or 1, cores)


class Supervisor:
    """Keeps the workers of `plan` recording.

    A stream stays with its worker for as long as the supervisor runs. The supervisor never sees media.
    """

    def __init__(self, plan: RecorderPlan, *, clock: Clock, rng: random.Random) -> None:
        count = worker_count(plan.workers, len(plan.streams))
        self._workers = [_Worker(number, plan.worker, clock, rng) for number in range(count)]
        self.apply(plan.streams)

    async def run(self, stop: asyncio.Event) -> None:
        """Records until `stop` is set, then lets every worker finish."""
        async with asyncio.TaskGroup() as tasks:
            for worker in self._workers:
                tasks.create_task(worker.child.run(stop))

    def apply(self, streams: Iterable[StreamPlan]) -> None:
        """From now on record `streams` and no others; what is recorded already goes on untouched."""
        shares: list[dict[StreamKey, StreamPlan]] = [{} for _ in self._workers]
        for stream in streams:
            shares[zlib.crc32(str(stream.key.camera).encode()) % len(shares)][stream.key] = stream
        for worker, share in zip(self._workers, shares, strict=True):
            worker.apply(share)

    def reports(self) -> list[WorkerReport]:
        """The newest report of each worker that has made one."""
        reports = [worker.child.last_report for worker in self._workers]
        return [report for report in reports if report is not None]

    def restarts(self) -> dict[int, int]:
        """How often each worker was started anew."""
        return {worker.number: worker.child.restarts for worker in self._workers}

    def alarms(self) -> list[str]:
        """Workers that do not stay alive."""
        return [
            f"worker {one.number} has died {one.child.failures} times in a row"
            for one in self._workers
            if one.child.failures > 1
        ]

    def pids(self) -> dict[int, int]:
        """The process id of each worker that runs."""
        return {worker.number: worker.child.pid for worker in self._workers if worker.child.pid is not None}


class _Worker:
    """One worker process, whichever start of it."""

    def __init__(self, number: int, plan: WorkerPlan, clock: Clock, rng: random.Random) -> None:
        self.number = number
        self.child = Child(_KIND, self._hello, farewell=[encode_quit()], clock=clock, rng=rng)
        self._plan = plan
        self._streams: dict[StreamKey, StreamPlan] = {}

    def apply(self, streams: dict[StreamKey, StreamPlan]) -> None:
        before, self._streams = self._streams, streams
        changed = [key for key, stream in before.items() if streams.get(key) != stream]
        fresh = [stream for key, stream in streams.items() if before.get(key) != stream]
        self.child.say([encode_stop(key) for key in changed] + [encode_start(stream) for stream in fresh])

    def _hello(self) -> list[str]:
        return [encode_hello(self.number, self._plan), *map(encode_start, self._streams.values())]
