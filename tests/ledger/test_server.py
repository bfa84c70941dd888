"""The ledger over its socket: durable before it is told, in batches, and never told when it is not."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from civicam.core.clock import SystemClock
from civicam.core.errors import LedgerError
from civicam.core.unix_socket import connect_to
from civicam.ledger.client import LedgerClient, LedgerWriter
from civicam.ledger.encoding import decode
from civicam.ledger.entry import Draft, Kind, Receipt
from civicam.ledger.log import Log
from civicam.ledger.people_keys import new_person_id
from civicam.ledger.server import LedgerServer
from tests.ledger.house import LedgerHouse, draft


class Running:
    """A server, its log and its socket."""

    def __init__(self, log: Log, path: Path) -> None:
        self.log, self.path = log, path
        self.server = LedgerServer(log, SystemClock())


def is_listening(path: Path) -> bool:
    try:
        connect_to(path).close()
    except OSError:
        return False
    return True


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    root = tmp_path / "ledger"
    log = (LedgerHouse.at(root) if root.exists() else LedgerHouse.build(root)).open()
    run = Running(log, tmp_path / "socket" / "ledger.sock")
    serving = asyncio.create_task(run.server.run(run.path))
    while not is_listening(run.path):
        await asyncio.sleep(0.01)
        assert not serving.done()
    try:
        yield run
    finally:
        serving.cancel()
        await asyncio.wait({serving})
        log.close()


async def test_what_is_acknowledged_is_in_the_journal_and_soon_in_tiles(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        client = LedgerClient(run.path)
        receipts = await asyncio.gather(*(client.append(draft(number)) for number in range(300)))
        assert sorted(receipt.index for receipt in receipts) == list(range(300))
        assert run.log.size == 300
        await run.server.integrate()
        reader = run.log.reader()
        for receipt in receipts:
            assert decode(reader.entry(receipt.index))["number"] == receipt.draft.facts["number"]
        await client.close()


async def test_threads_and_the_command_line_write_too(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        writer = LedgerWriter(run.path)
        receipts = [await asyncio.to_thread(writer.append, draft(number)) for number in range(3)]
        assert [receipt.index for receipt in receipts] == [0, 1, 2]
        writer.close()


@pytest.mark.parametrize("way", ["loop", "thread"])
async def test_nobody_is_told_that_something_is_written_when_nobody_writes(tmp_path: Path, way: str) -> None:
    path = tmp_path / "nobody.sock"
    append: Callable[[Draft], Awaitable[Receipt]] = LedgerClient(path).append
    if way == "thread":
        writer = LedgerWriter(path)

        async def append(asked: Draft) -> Receipt:
            return await asyncio.to_thread(writer.append, asked)

    with pytest.raises(LedgerError, match="nothing is shown"):
        await append(draft())


async def test_a_writer_that_dies_fails_what_waits_and_one_that_comes_back_is_found(tmp_path: Path) -> None:
    path = tmp_path / "socket" / "ledger.sock"
    client, writer = LedgerClient(path), LedgerWriter(path)
    async with running(tmp_path):
        assert (await client.append(draft(0))).index == 0
        assert (await asyncio.to_thread(writer.append, draft(1))).index == 1
    for append in (client.append, lambda asked: asyncio.to_thread(writer.append, asked)):
        with pytest.raises(LedgerError, match="nothing is shown"):
            await append(draft(2))
    async with running(tmp_path):
        assert (await client.append(draft(3))).index == 2
        assert (await asyncio.to_thread(writer.append, draft(4))).index == 3
        await client.close()
        writer.close()


async def test_one_draft_that_cannot_be_written_does_not_fail_the_others(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        client = LedgerClient(run.path)
        erased = new_person_id()
        results = await asyncio.gather(
            *(client.append(draft(number, erased if number == 5 else None)) for number in range(10)),
            client.append(Draft(Kind.VIEW, {"camera": "x" * 9000})),
            return_exceptions=True,
        )
        failed = [one for one in results if isinstance(one, BaseException)]
        assert len(failed) == 2
        assert all(isinstance(one, LedgerError) for one in failed)
        assert run.log.size == 9
        await client.close()


@pytest.mark.parametrize("said", [b"hello\n", b'{"id":1}\n', b"[" * 5000 + b"\n", b"x" * 200_000, b"\xff\n"])
async def test_a_stranger_is_hung_up_on_and_others_go_on(tmp_path: Path, said: bytes) -> None:
    async with running(tmp_path) as run:
        reader, writer = await asyncio.open_unix_connection(sock=connect_to(run.path))
        writer.write(said)
        assert await reader.read() == b""
        writer.close()
        client = LedgerClient(run.path)
        assert (await client.append(draft())).index == 0
        await client.close()


async def test_a_full_disk_is_an_alarm_and_an_error_and_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as run:
        client = LedgerClient(run.path)
        real = os.pwrite
        with monkeypatch.context() as full:

            def fails(descriptor: int, data: bytes, offset: int) -> int:
                real(descriptor, data[:3], offset)
                raise OSError(28, "No space left on device")

            full.setattr(os, "pwrite", fails)
            with pytest.raises(LedgerError, match="No space left"):
                await client.append(draft(0))
            assert "No space left" in run.server.alarms["write"]
        assert (await client.append(draft(1))).index == 0
        assert not run.server.alarms
        await client.close()


async def test_the_socket_is_for_this_user_only(tmp_path: Path) -> None:
    async with running(tmp_path) as run:
        assert run.path.stat().st_mode & 0o777 == 0o600
        assert run.path.parent.stat().st_mode & 0o777 == 0o700
