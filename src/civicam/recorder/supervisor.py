"""Worker processes, watched: streams are dealt out to them, and one that dies or hangs is started anew."""

import asyncio
import os
import random
import sys
import zlib
from collections.abc import Iterable

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
_SILENT_AFTER_S = 30.0
_STOP_WITHIN_S = 30.0
_RESTART_S = (0.2, 10.0)
_HEALTHY_AFTER_S = 60.0
_LINE_LIMIT = 16 << 20
_ALLOCATOR = {
    "MALLOC_ARENA_MAX": "2",
    # Fragments come and go all the time: memory given back after each would be asked for again, page by page.
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(16 << 20),
}


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
                tasks.create_task(worker.run(stop))

    def apply(self, streams: Iterable[StreamPlan]) -> None:
        """From now on record `streams` and no others; what is recorded already goes on untouched."""
        shares: list[dict[StreamKey, StreamPlan]] = [{} for _ in self._workers]
        for stream in streams:
            shares[zlib.crc32(str(stream.key.camera).encode()) % len(shares)][stream.key] = stream
        for worker, share in zip(self._workers, shares, strict=True):
            worker.apply(share)

    def reports(self) -> list[WorkerReport]:
        """The newest report of each worker that has made one."""
        return [worker.report for worker in self._workers if worker.report is not None]

    def restarts(self) -> dict[int, int]:
        """How often each worker was started anew."""
        return {worker.number: worker.restarts for worker in self._workers}

    def alarms(self) -> list[str]:
        """Workers that do not stay alive."""
        return [
            f"worker {one.number} has died {one.failures} times in a row" for one in self._workers if one.failures > 1
        ]

    def pids(self) -> dict[int, int]:
        """The process id of each worker that runs."""
        return {worker.number: worker.process.pid for worker in self._workers if worker.process is not None}


class _Worker:
    """One worker process, whichever start of it."""

    def __init__(self, number: int, plan: WorkerPlan, clock: Clock, rng: random.Random) -> None:
        self.number = number
        self.restarts = 0
        self.failures = 0
        self._started_ns = 0
        self.report: WorkerReport | None = None
        self.process: asyncio.subprocess.Process | None = None
        self._plan = plan
        self._clock = clock
        self._rng = rng
        self._streams: dict[StreamKey, StreamPlan] = {}

    def apply(self, streams: dict[StreamKey, StreamPlan]) -> None:
        before, self._streams = self._streams, streams
        changed = [key for key, stream in before.items() if streams.get(key) != stream]
        fresh = [stream for key, stream in streams.items() if before.get(key) != stream]
        self._say([encode_stop(key) for key in changed] + [encode_start(stream) for stream in fresh])

    @property
    def _lived_long(self) -> bool:
        return self._clock.monotonic_ns() - self._started_ns > _HEALTHY_AFTER_S * 1e9

    @property
    def is_failing(self) -> bool:
        """It died several times in a row, and this life is not long enough yet to trust it."""
        return self.failures > 1 and not self._lived_long

    async def run(self, stop: asyncio.Event) -> None:
        """Starts the process again and again until `stop` is set."""
        pause_s = _RESTART_S[0]
        while not stop.is_set():
            self._started_ns = self._clock.monotonic_ns()
            await self._live(stop)
            if stop.is_set():
                return
            self.restarts += 1
            self.failures += 1
            if self._lived_long:
                pause_s, self.failures = _RESTART_S[0], 1
            await self._clock.sleep(pause_s * self._rng.uniform(0.5, 1))
            pause_s = min(pause_s * 2, _RESTART_S[1])

    async def _live(self, stop: asyncio.Event) -> None:
        """One life of the process."""
        environment = os.environ | _ALLOCATOR
        try:
            self.process = process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "civicam.recorder.worker",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment, limit=_LINE_LIMIT,
            )  # fmt: skip
        except OSError:
            return  # no memory or no processes left: tried again like one that died at once
        self._say([encode_hello(self.number, self._plan), *map(encode_start, self._streams.values())])
        reading = asyncio.create_task(self._read(process))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                self._say([encode_quit()])
                await asyncio.wait({reading}, timeout=_STOP_WITHIN_S)
        finally:
            stopping.cancel()
            reading.cancel()
            if process.returncode is None:
                await _end(process)
            self.process = None

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Takes reports in until the process ends, says something else, or says nothing for too long."""
        assert process.stdout is not None
        while True:
            try:
                line = await asyncio.wait_for(process.stdout.readline(), _SILENT_AFTER_S)
                if not line:
                    return
                self.report = WorkerReport.from_json(line.decode())
            except (TimeoutError, ValueError, TypeError, KeyError):
                return

    def _say(self, lines: list[str]) -> None:
        process = self.process
        if process is None or process.stdin is None or process.stdin.is_closing():
            return
        process.stdin.write("".join(line + "\n" for line in lines).encode())


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills `process` unless it is ending by itself."""
    try:
        await asyncio.wait_for(process.wait(), 1)
    except TimeoutError:
        process.kill()
        await process.wait()
