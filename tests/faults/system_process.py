"""The recorder, supervisor and workers, as a process group that can be killed: `python -m tests.faults.system_process`.

The plan comes in on standard input, as a worker gets it; which worker is which process goes out to a file.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from civicam.core.clock import SystemClock
from civicam.recorder.plan import RecorderPlan, StreamPlan, decode_command, decode_hello, encode_hello, encode_start
from civicam.recorder.supervisor import Supervisor
from tests.faults.city_process import ROOT

_LOOK_EVERY_S = 0.02


class SystemProcess:
    """One start of the whole recorder.

    Attributes:
        workers: how many worker processes it has.
    """

    def __init__(self, plan: RecorderPlan, folder: Path) -> None:
        self.workers = plan.workers
        self._pids = folder / "pids.json"
        self._pids.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.system_process", str(self._pids)],
            cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        lines = [encode_hello(plan.workers, plan.worker), *map(encode_start, plan.streams)]
        assert self._process.stdin is not None
        self._process.stdin.write("".join(line + "\n" for line in lines).encode())
        self._process.stdin.close()

    def worker(self, number: int) -> psutil.Process | None:
        """A worker's process, None while it has none."""
        try:
            pid = json.loads(self._pids.read_text())[str(number)]
            process = psutil.Process(pid)
            return process if process.ppid() == self._process.pid else None
        except (OSError, ValueError, KeyError, psutil.Error):
            return None

    def kill_worker(self, number: int, within_s: float = 30) -> int:
        """Kills a worker as soon as there is one; returns when, in wall nanoseconds."""
        deadline = time.monotonic() + within_s
        while (process := self.worker(number)) is None or process.status() == psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, f"worker {number} was not started anew within {within_s} s"
            time.sleep(_LOOK_EVERY_S)
        at_ns = time.time_ns()
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
        return at_ns

    def kill(self) -> int:
        """Kills supervisor and workers at once; returns when, in wall nanoseconds."""
        at_ns = time.time_ns()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(20)
        return at_ns

    def signal_supervisor(self, number: signal.Signals) -> None:
        """Sends the supervisor, and it alone, a signal."""
        self._process.send_signal(number)

    def fill_report_pipe(self, worker: int) -> None:
        """Fills the pipe that a worker's reports go through, as many reports do that nobody reads."""
        process = self.worker(worker)
        assert process is not None
        descriptor = os.open(f"/proc/{process.pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(descriptor, bytes(1))
        os.close(descriptor)

    def kill_supervisor(self, within_s: float = 60) -> int:
        """Kills the supervisor only, and waits for its workers to end; returns when, in wall nanoseconds."""
        workers = psutil.Process(self._process.pid).children()
        at_ns = time.time_ns()
        self._process.kill()
        self._process.wait(20)
        _, alive = psutil.wait_procs(workers, within_s)
        assert not alive, "a worker goes on without its supervisor"
        return at_ns

    def stop(self, within_s: float = 60) -> int:
        """Stops it on purpose; returns when that was asked, in wall nanoseconds."""
        at_ns = time.time_ns()
        self._process.terminate()
        assert self._process.wait(within_s) == 0
        return at_ns


async def _run(pids: Path) -> None:
    first, *rest = sys.stdin.read().splitlines()
    workers, worker_plan = decode_hello(first)
    streams = tuple(stream for line in rest if isinstance(stream := decode_command(line), StreamPlan))
    supervisor = Supervisor(
        RecorderPlan(worker_plan, streams, workers), clock=SystemClock(), rng=random.Random(os.getpid())
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    telling = asyncio.create_task(_tell(supervisor, pids))
    await supervisor.run(stop)
    telling.cancel()


async def _tell(supervisor: Supervisor, pids: Path) -> None:
    told: dict[int, int] = {}
    while True:
        if supervisor.pids() != told:
            told = supervisor.pids()
            draft = pids.with_suffix(".new")
            draft.write_text(json.dumps(told))
            draft.replace(pids)
        await asyncio.sleep(_LOOK_EVERY_S)


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
