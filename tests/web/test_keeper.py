"""The web process is kept running, and its death is told."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from civicam.app import City, run_recorder
from civicam.config import DataFolder
from civicam.core.child import ChildKind
from civicam.core.clock import SystemClock
from civicam.core.errors import WorkerError
from civicam.recorder.plan import VolumePlan
from civicam.recorder.status import RecorderStatus
from civicam.web.keeper import KIND, WebKeeper
from civicam.web.plan import WebPlan, WebReport
from civicam.web.server import listen
from tests.fakes.odd_camera import until

WITHIN_S = 60.0


@contextlib.asynccontextmanager
async def kept(folder: Path, allow: str = "local", kind: ChildKind[WebReport] = KIND) -> AsyncIterator[WebKeeper]:
    """A city's web process, run as the recorder runs it."""
    environment = {"CIVICAM_WEB__ALLOW": allow}
    city = City.create(DataFolder(folder), "Khujand", environment)
    one = WebKeeper(city.web_plan(), clock=SystemClock(), rng=random.Random(1), kind=kind)
    stop = asyncio.Event()
    running = asyncio.create_task(one.run(stop))
    try:
        await until(lambda: one.report is not None, WITHIN_S)
        yield one
    finally:
        stop.set()
        await running


def address(one: WebKeeper) -> str:
    assert one.report is not None
    return one.report.address


async def test_it_serves_what_the_plan_says_and_ends_when_told_to(tmp_path: Path) -> None:
    async with kept(tmp_path) as one:
        async with httpx.AsyncClient(base_url=address(one)) as client:
            assert (await client.get("/api/cameras")).json()["name"] == "Khujand"
        assert one.alarms() == []
        process = psutil.Process(one.pid)
    assert not process.is_running()
    assert one.restarts == 0


async def test_without_a_policy_it_refuses_everything(tmp_path: Path) -> None:
    async with kept(tmp_path, "nobody") as one, httpx.AsyncClient(base_url=address(one)) as client:
        for path in ("/", "/api/cameras"):
            assert (await client.get(path)).status_code == 403


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_one_that_dies_or_hangs_is_told_and_started_anew(tmp_path: Path, how: signal.Signals) -> None:
    async with kept(tmp_path, kind=replace(KIND, silent_after_s=5.0)) as one:
        first = one.pid
        assert first is not None
        os.kill(first, how)
        await until(lambda: one.restarts == 1, WITHIN_S)
        assert one.alarms() == ["the web process is down: nobody can look now; recording goes on"]
        await until(lambda: one.report is not None, WITHIN_S)
        assert one.pid != first
        assert one.alarms() == []


async def test_a_process_that_cannot_start_is_tried_again_and_told(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")
    plan = WebPlan("Khujand", nowhere, nowhere, nowhere, nowhere, nowhere, nowhere, ())
    one = WebKeeper(plan, clock=SystemClock(), rng=random.Random(1))
    stop = asyncio.Event()
    running = asyncio.create_task(one.run(stop))
    await until(lambda: one.restarts >= 1, WITHIN_S)
    assert one.alarms()
    stop.set()
    await running


async def test_it_ends_when_whoever_started_it_is_gone(tmp_path: Path) -> None:
    plan = City.create(DataFolder(tmp_path), "Khujand", {}).web_plan()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "civicam.web.process",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(plan.to_json().encode() + b"\n")
    async with asyncio.timeout(WITHIN_S):
        assert WebReport.from_json((await process.stdout.readline()).decode()).address
        process.stdin.close()
        await process.communicate()
    assert process.returncode == 0


def test_a_plan_survives_the_pipe_and_noise_does_not() -> None:
    plan = WebPlan(
        "Khujand",
        "/d/l",
        "/d/f",
        "/d/s",
        "/d/u",
        "/d/c",
        "/d/k",
        (VolumePlan("main", "/f", 1),),
        port=9465,
        allow="local",
    )
    assert WebPlan.from_json(plan.to_json()) == plan
    for noise in ("", "[]", "{}", '{"volumes": 3}', '{"volumes": [{"name": 1}]}'):
        with pytest.raises(WorkerError, match="no plan"):
            WebPlan.from_json(noise)


def test_a_report_survives_the_pipe() -> None:
    report = WebReport("http://127.0.0.1:9465/", 2, 5, ["something"])
    assert WebReport.from_json(report.to_json()) == report


async def test_a_recorder_whose_web_process_is_killed_records_on_and_says_so(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    environment = {"CIVICAM_WEB__PORT": str(port), "CIVICAM_METRICS__PORT": "0", "CIVICAM_RECORDER__WORKERS": "1"}
    city = City.create(DataFolder(tmp_path), "Khujand", environment)
    told: list[RecorderStatus] = []
    stop = asyncio.Event()
    running = asyncio.create_task(
        run_recorder(city, stop, clock=SystemClock(), rng=random.Random(1), on_update=told.append)
    )
    try:
        await until(lambda: _is_served(port), WITHIN_S)
        _web_process().kill()
        await until(lambda: any("web process" in alarm for alarm in told[-1].all_alarms), WITHIN_S)
        assert told[-1].is_up(0)
        await until(lambda: not told[-1].all_alarms and _is_served(port), WITHIN_S)
    finally:
        stop.set()
        await running


def _web_process() -> psutil.Process:
    return next(one for one in psutil.Process().children() if "civicam.web.process" in one.cmdline())


def _is_served(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
