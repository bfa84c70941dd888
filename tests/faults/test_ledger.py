"""The ledger killed, its keys taken, its disk full: nothing is shown, the reason is told, and recording goes on."""

import asyncio
import contextlib
import random
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import httpx
import psutil
import pytest

from civicam.app import City, run_recorder
from civicam.config import DataFolder
from civicam.core.clock import SystemClock
from civicam.recorder.status import RecorderStatus
from civicam.web.server import listen
from tests.fakes.odd_camera import until

WITHIN_S = 60.0
DOWN = "the ledger is down: nothing can be written down, so nothing is shown; recording goes on"


class RunningCity:
    """A city that records and is served."""

    def __init__(self, city: City, port: int) -> None:
        self.city, self.told = city, list[RecorderStatus]()
        self._asked = count()
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20)

    @property
    def alarms(self) -> list[str]:
        return self.told[-1].all_alarms if self.told else []

    async def status_of_a_look(self) -> int:
        """404: it was written down, and there is no such camera; 503: it was not."""
        with contextlib.suppress(httpx.HTTPError):
            answer = await self.client.get(f"/api/cameras/gate-{next(self._asked)}/still.webp")
            if answer.status_code == 503:
                assert "written down" in answer.json()["detail"]
            return answer.status_code
        return 0

    async def looks_are(self, status: int) -> None:
        async with asyncio.timeout(WITHIN_S):
            while await self.status_of_a_look() != status:
                await SystemClock().sleep(0.1)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[RunningCity]:
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    environment = {
        "CIVICAM_WEB__PORT": str(port), "CIVICAM_WEB__ALLOW": "local",
        "CIVICAM_METRICS__PORT": "0", "CIVICAM_RECORDER__WORKERS": "1",
    }  # fmt: skip
    run = RunningCity(City.create(DataFolder(folder), "Khujand", environment), port)
    stop = asyncio.Event()
    recording = asyncio.create_task(
        run_recorder(run.city, stop, clock=SystemClock(), rng=random.Random(1), on_update=run.told.append)
    )
    try:
        async with run.client:
            await run.looks_are(404)
            yield run
    finally:
        stop.set()
        await recording


def ledger_process() -> psutil.Process:
    return next(one for one in psutil.Process().children() if "civicam.ledger.process" in one.cmdline())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_ledger_that_dies_or_hangs_stops_looks_and_not_recording(tmp_path: Path, how: signal.Signals) -> None:
    async with running(tmp_path) as run:
        ledger_process().send_signal(how)
        assert await run.status_of_a_look() == 503
        if how is signal.SIGSTOP:  # one that died is back before the alarms are read again
            await until(lambda: DOWN in run.alarms, WITHIN_S)
        assert run.told[-1].is_up(0)
        await run.looks_are(404)
        await until(lambda: DOWN not in run.alarms, WITHIN_S)


async def test_a_ledger_without_its_key_stops_looks_until_it_is_back(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        key = run.city.data.ledger / "signing.key"
        shutil.move(key, tmp_path / "taken")
        ledger_process().kill()
        await until(lambda: DOWN in run.alarms, WITHIN_S)
        assert await run.status_of_a_look() == 503
        assert run.told[-1].is_up(0)
        shutil.move(tmp_path / "taken", key)
        await run.looks_are(404)


async def test_a_ledger_that_may_write_no_further_stops_looks_until_it_may(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        process = ledger_process()
        unlimited, most = process.rlimit(psutil.RLIMIT_FSIZE)
        process.rlimit(psutil.RLIMIT_FSIZE, (1, most))
        assert await run.status_of_a_look() == 503
        await until(lambda: any("written" in alarm for alarm in run.alarms), WITHIN_S)
        assert run.told[-1].is_up(0)
        process.rlimit(psutil.RLIMIT_FSIZE, (unlimited, most))
        await run.looks_are(404)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    at = tmp_path / "disk"
    at.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", at], check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    yield at
    subprocess.run(["umount", at], check=True)


async def test_a_ledger_whose_disk_is_full_stops_looks_until_there_is_room(tmp_path: Path, small_disk: Path) -> None:
    folder = tmp_path / "city"
    folder.mkdir()
    (small_disk / "ledger").mkdir()
    (folder / "ledger").symlink_to(small_disk / "ledger")
    async with running(folder) as run:
        with (small_disk / "other").open("wb", buffering=0) as other, contextlib.suppress(OSError):
            while other.write(b"0" * 512):
                pass
        await run.looks_are(503)
        assert run.told[-1].is_up(0)
        (small_disk / "other").unlink()
        await run.looks_are(404)
