"""The web process, started and watched: one that dies or hangs is started anew, and recording goes on meanwhile."""

import asyncio
import os
import random
import sys
from typing import Final

from civicam.core.clock import Clock
from civicam.web.plan import WebPlan, WebReport

_SILENT_AFTER_S: Final = 30.0
_STOP_WITHIN_S: Final = 10.0
_RESTART_S: Final = (0.5, 30.0)
_HEALTHY_AFTER_S: Final = 60.0
_LINE_LIMIT: Final = 1 << 20


class WebKeeper:
    """Keeps the web process of `plan` running.

    Args:
        plan: what it serves.
        clock: the time.
        rng: jitter between two starts.

    Attributes:
        report: the newest report of the process that runs, None while none has reported.
        restarts: how often it was started anew.
        pid: the process's id, None while there is none.
    """

    def __init__(self, plan: WebPlan, *, clock: Clock, rng: random.Random) -> None:
        self.report: WebReport | None = None
        self.restarts = 0
        self.pid: int | None = None
        self._plan = plan
        self._clock = clock
        self._rng = rng
        self._started_ns = clock.monotonic_ns()

    def alarms(self) -> list[str]:
        """What an engineer must look at now; a process that just began is given the time to report."""
        if self.report is not None:
            return [f"web: {alarm}" for alarm in self.report.alarms]
        if self._clock.monotonic_ns() - self._started_ns < _SILENT_AFTER_S * 1e9 and not self.restarts:
            return []
        return ["the web process is down: nobody can look now; recording goes on"]

    async def run(self, stop: asyncio.Event) -> None:
        """Starts the process again and again until `stop` is set."""
        pause_s = _RESTART_S[0]
        while not stop.is_set():
            started_ns = self._clock.monotonic_ns()
            await self._live(stop)
            if stop.is_set():
                return
            self.restarts += 1
            if self._clock.monotonic_ns() - started_ns > _HEALTHY_AFTER_S * 1e9:
                pause_s = _RESTART_S[0]
            await self._pause(stop, pause_s * self._rng.uniform(0.5, 1))
            pause_s = min(pause_s * 2, _RESTART_S[1])

    async def _pause(self, stop: asyncio.Event, pause_s: float) -> None:
        """Waits, and no longer than until `stop` is set."""
        waits = {asyncio.create_task(self._clock.sleep(pause_s)), asyncio.create_task(_until(stop))}
        _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()

    async def _live(self, stop: asyncio.Event) -> None:
        """One life of the process."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "civicam.web.process",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                env=os.environ | {"MALLOC_ARENA_MAX": "2"}, limit=_LINE_LIMIT,
            )  # fmt: skip
        except OSError:  # no memory, no more processes: tried again, and an alarm until then
            return
        assert process.stdin is not None
        self.pid = process.pid
        process.stdin.write(self._plan.to_json().encode() + b"\n")
        reading = asyncio.create_task(self._read(process))
        stopping = asyncio.create_task(_until(stop))
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            process.stdin.close()  # it ends when its input does
            if stop.is_set():
                await asyncio.wait({reading}, timeout=_STOP_WITHIN_S)
        finally:
            stopping.cancel()
            reading.cancel()
            self.report = None
            await _end(process)
            self.pid = None

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Takes reports in until the process ends, says something else, or says nothing for too long."""
        assert process.stdout is not None
        while True:
            try:
                line = await asyncio.wait_for(process.stdout.readline(), _SILENT_AFTER_S)
                if not line:
                    return
                self.report = WebReport.from_json(line.decode())
            except (TimeoutError, ValueError, TypeError, KeyError):
                return


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills `process` unless it is ending by itself."""
    if process.returncode is not None:
        return
    try:
        await asyncio.wait_for(process.wait(), 1)
    except TimeoutError:
        process.kill()
        await process.wait()
