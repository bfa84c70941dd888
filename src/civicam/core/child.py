"""A process of our own kept running: started, listened to, started anew when it dies or falls silent, and let finish.

It is told what to do on its standard input, never in arguments or environment, and reports a line at a time on its
standard output. An end of its input means that it is no longer wanted. `parent.py` is the other end.
"""

import asyncio
import os
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from civicam.core.clock import Clock

R = TypeVar("R")

_END_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class ChildKind(Generic[R]):
    """What a process is, and how much patience there is with it.

    Attributes:
        module: run as `python -m`.
        parse: makes a report of a line; raises ValueError, TypeError or KeyError where it is none.
        environment: laid over this process's own.
        line_bytes: a report's longest line.
        silent_after_s: without a report for so long, it hangs.
        stop_within_s: it is given so long to finish.
        restart_s: the first wait before it is started anew, and the longest; they double.
        healthy_after_s: having lived so long, its next death is the first one again.
    """

    module: str
    parse: Callable[[str], R]
    environment: Mapping[str, str] = field(default_factory=dict)
    line_bytes: int = 1 << 20
    silent_after_s: float = 30.0
    stop_within_s: float = 10.0
    restart_s: tuple[float, float] = (0.5, 30.0)
    healthy_after_s: float = 60.0


class Child(Generic[R]):
    """Keeps one process running.

    Args:
        kind: which.
        hello: the first lines that each start of it is told.
        farewell: the last lines that it is told; its input ends with them.
        clock: the time.
        rng: jitter between two starts.

    Attributes:
        report: the newest report of the process that runs, None while none has reported.
        last_report: the newest of all.
        restarts: how often it was started anew.
        failures: how often it died in a row.
    """

    def __init__(
        self,
        kind: ChildKind[R],
        hello: Callable[[], Sequence[str]],
        *,
        farewell: Sequence[str] = (),
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.report: R | None = None
        self.last_report: R | None = None
        self.restarts = 0
        self.failures = 0
        self._kind = kind
        self._hello = hello
        self._farewell = farewell
        self._clock = clock
        self._rng = rng
        self._process: asyncio.subprocess.Process | None = None
        self._started_ns = clock.monotonic_ns()

    @property
    def pid(self) -> int | None:
        """The process's id, None while there is none."""
        return None if self._process is None else self._process.pid

    @property
    def lives_s(self) -> float:
        """For how long it has been running, or trying to."""
        return (self._clock.monotonic_ns() - self._started_ns) / 1e9

    def say(self, lines: Sequence[str]) -> None:
        """Tells the process something; one that is not there is told everything anew when it starts."""
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write("".join(line + "\n" for line in lines).encode())

    async def run(self, stop: asyncio.Event) -> None:
        """Starts the process again and again until `stop` is set, and lets the last one finish."""
        pause_s, longest_s = self._kind.restart_s
        while not stop.is_set():
            self._started_ns = self._clock.monotonic_ns()
            await self._live(stop)
            if stop.is_set():
                return
            self.restarts += 1
            self.failures += 1
            if self.lives_s > self._kind.healthy_after_s:
                pause_s, self.failures = self._kind.restart_s[0], 1
            await self._pause(stop, pause_s * self._rng.uniform(0.5, 1))
            pause_s = min(pause_s * 2, longest_s)

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
                sys.executable, "-m", self._kind.module,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                env=os.environ | dict(self._kind.environment), limit=self._kind.line_bytes,
            )  # fmt: skip
        except OSError:
            return  # no memory or no processes left: tried again like one that died at once
        self._process = process
        self.say(self._hello())
        reading = asyncio.create_task(self._read(process))
        stopping = asyncio.create_task(_until(stop))
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            self.say(self._farewell if stop.is_set() else ())
            if process.stdin is not None:
                process.stdin.close()
            if stop.is_set():
                await asyncio.wait({reading}, timeout=self._kind.stop_within_s)
        finally:
            stopping.cancel()
            reading.cancel()
            self.report = None
            await _end(process)
            self._process = None

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Takes reports in until the process ends, says something else, or says nothing for too long."""
        assert process.stdout is not None
        while True:
            try:
                line = await asyncio.wait_for(process.stdout.readline(), self._kind.silent_after_s)
                if not line:
                    return
                self.report = self.last_report = self._kind.parse(line.decode())
            except (TimeoutError, ValueError, TypeError, KeyError):
                return


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills `process` unless it is ending by itself."""
    if process.returncode is not None:
        return
    try:
        await asyncio.wait_for(process.wait(), _END_WITHIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()
