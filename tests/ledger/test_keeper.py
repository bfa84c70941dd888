"""The ledger's process is kept running; what it acknowledged survives its death; its loss is told."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from civicam.core.citykey import create_city_key, load_city_key
from civicam.core.clock import SystemClock
from civicam.core.errors import LedgerError, WorkerError
from civicam.ledger.client import LedgerClient
from civicam.ledger.entry import Receipt
from civicam.ledger.keeper import KIND, LedgerKeeper
from civicam.ledger.log import LedgerFolder, Log, create_log
from civicam.ledger.plan import LedgerPlan, WitnessPlan
from tests.fakes.odd_camera import until
from tests.ledger.house import ORIGIN, draft

WITHIN_S = 60.0


def plan_of(folder: Path) -> LedgerPlan:
    create_city_key(folder / "city.key")
    create_log(LedgerFolder(folder / "ledger"), ORIGIN, load_city_key(folder / "city.key"))
    return LedgerPlan(str(folder / "ledger"), str(folder / "city.key"), str(folder / "sockets" / "ledger.sock"))


@asynccontextmanager
async def kept(plan: LedgerPlan) -> AsyncIterator[LedgerKeeper]:
    keeper = LedgerKeeper(plan, clock=SystemClock(), rng=random.Random(1), kind=replace(KIND, silent_after_s=5.0))
    stop = asyncio.Event()
    running = asyncio.create_task(keeper.run(stop))
    try:
        yield keeper
    finally:
        stop.set()
        await running


async def appended(client: LedgerClient, number: int) -> Receipt:
    """Asks until it is written."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                return await client.append(draft(number))
            except LedgerError:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_what_was_acknowledged_survives_a_process_that_dies_or_hangs(tmp_path: Path, how: signal.Signals) -> None:
    plan = plan_of(tmp_path)
    client = LedgerClient(Path(plan.socket))
    async with kept(plan) as keeper:
        told = [await appended(client, number) for number in range(5)]
        first = keeper.pid
        assert first is not None
        os.kill(first, how)
        with pytest.raises(LedgerError, match="nothing is shown"):
            await client.append(draft(99))
        await until(lambda: keeper.restarts >= 1, WITHIN_S)
        assert keeper.alarms() == [
            "the ledger is down: nothing can be written down, so nothing is shown; recording goes on"
        ]
        told += [await appended(client, number) for number in range(5, 8)]
        await until(lambda: keeper.report is not None, WITHIN_S)
        assert keeper.alarms() == []
        await client.close()
    log = Log(LedgerFolder(Path(plan.folder)), load_city_key(Path(plan.city_key)))
    log.integrate()
    assert log.checkpoint.size >= len(told)
    assert len({receipt.index for receipt in told}) == len(told)


async def test_a_ledger_whose_keys_are_gone_writes_nothing_and_says_so(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    (tmp_path / "ledger" / "signing.key").unlink()
    async with kept(plan) as keeper:
        await until(lambda: keeper.restarts >= 1, WITHIN_S)
        with pytest.raises(LedgerError, match="nothing is shown"):
            await LedgerClient(Path(plan.socket)).append(draft())
        assert "nothing is shown" in keeper.alarms()[0]


def test_a_plan_survives_the_pipe_and_noise_does_not() -> None:
    plan = LedgerPlan("/d/ledger", "/d/city.key", "/d/s", (WitnessPlan("https://w.example", "w+id+key"),))
    assert LedgerPlan.from_json(plan.to_json()) == plan
    for noise in ("", "[]", "{}", '{"witnesses": 3}'):
        with pytest.raises(WorkerError, match="no plan"):
            LedgerPlan.from_json(noise)
