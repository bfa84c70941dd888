"""A witness signs what only grew, and never two trees of one log; a ledger that was rolled back is found."""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from civicam.core.clock import SystemClock
from civicam.core.errors import LedgerError
from civicam.ledger.checkpoint import Checkpoint
from civicam.ledger.client import LedgerClient
from civicam.ledger.log import Log
from civicam.ledger.merkle import consistency_proof
from civicam.ledger.note import Algorithm, Note, Signer
from civicam.ledger.plan import WitnessPlan
from civicam.ledger.server import LedgerServer
from civicam.ledger.witness import AddCheckpoint, Refusal, Witness, WitnessError
from civicam.ledger.witness_client import RolledBackError, WitnessClient
from civicam.web.server import WebServer, address_of, listen
from civicam.web.witness import witness_app
from tests.fakes.odd_camera import until
from tests.ledger.house import NOON_NS, LedgerHouse, draft, drafts

NOW_S = 1_800_000_000
COSIGNER = Signer("witness.example", b"w" * 32, Algorithm.COSIGNATURE)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return LedgerHouse.build(tmp_path / "ledger").with_entries(300)


def witness_of(folder: Path, log: Log) -> Witness:
    return Witness(folder, COSIGNER, [log.verifier])


def grown(log: Log, count: int = 50) -> None:
    log.append(drafts(count, log.size), NOON_NS)
    log.integrate()


def asked(log: Log, old_size: int) -> AddCheckpoint:
    proof = consistency_proof(old_size, log.size, log.reader().node)
    return AddCheckpoint(old_size, tuple(proof), log.note())


def refusal(witness: Witness, asked: AddCheckpoint) -> tuple[Refusal, int]:
    with pytest.raises(WitnessError) as refused:
        witness.add_checkpoint(asked, NOW_S)
    return refused.value.refusal, refused.value.size


def test_a_witness_signs_a_log_as_it_grows_and_says_when(tmp_path: Path, log: Log) -> None:
    witness = witness_of(tmp_path / "witness", log)
    for old_size in (0, 300):
        signature = witness.add_checkpoint(asked(log, old_size), NOW_S)
        assert log.note().with_signatures([signature]).check(COSIGNER.verifier) == NOW_S
        grown(log)
    again = witness_of(tmp_path / "witness", log)  # what it signed outlives it
    assert refusal(again, asked(log, 0)) == (Refusal.OTHER_SIZE, 350)
    again.add_checkpoint(asked(log, 350), NOW_S)
    again.add_checkpoint(asked(log, 400), NOW_S)  # the same once more


def test_a_witness_never_signs_two_trees_of_one_log(tmp_path: Path, log: Log) -> None:
    witness = witness_of(tmp_path / "witness", log)
    witness.add_checkpoint(asked(log, 0), NOW_S)
    forged = Checkpoint(log.verifier.name, 300, b"f" * 32).text
    assert refusal(witness, AddCheckpoint(300, (), Note(forged, (log._signer.sign(forged),))))[0] is Refusal.OTHER_SIZE
    larger = Checkpoint(log.verifier.name, 301, b"f" * 32).text
    proofs: list[tuple[bytes, ...]] = [(), (b"f" * 32,), (b"f" * 32,) * 9]
    for proof in proofs:
        assert (
            refusal(witness, AddCheckpoint(300, proof, Note(larger, (log._signer.sign(larger),))))[0]
            is Refusal.NO_PROOF
        )
    smaller = Checkpoint(log.verifier.name, 5, b"f" * 32).text
    assert refusal(witness, AddCheckpoint(300, (), Note(smaller, (log._signer.sign(smaller),))))[0] is Refusal.MALFORMED


def test_a_witness_signs_for_nobody_else(tmp_path: Path, log: Log) -> None:
    witness = witness_of(tmp_path / "witness", log)
    stranger = Signer("stranger.example", b"s" * 32)
    text = Checkpoint("stranger.example", 1, b"r" * 32).text
    assert refusal(witness, AddCheckpoint(0, (), Note(text, (stranger.sign(text),))))[0] is Refusal.UNKNOWN_LOG
    impostor = Signer(log.verifier.name, b"s" * 32)
    text = log.note().text
    assert refusal(witness, AddCheckpoint(0, (), Note(text, (impostor.sign(text),))))[0] is Refusal.NO_SIGNATURE


@pytest.mark.parametrize(
    "data", [b"", b"old 0", b"old -1\n\n", b"old 01\n\nx", b"old 0\n####\n\nx", b"old 0\nAAAA\n\nx", b"\xff" * 50]
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(WitnessError) as refused:
        AddCheckpoint.parse(data)
    assert refused.value.refusal is Refusal.MALFORMED


def test_any_request_that_was_altered_is_refused_or_asks_for_the_same(tmp_path: Path, log: Log) -> None:
    witness, rng = witness_of(tmp_path / "witness", log), random.Random(1)
    witness.add_checkpoint(asked(log, 0), NOW_S)
    grown(log)
    whole = asked(log, 300).to_bytes()
    assert AddCheckpoint.parse(whole) == asked(log, 300)
    for _ in range(500):
        data = bytearray(whole)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            signature = witness.add_checkpoint(AddCheckpoint.parse(bytes(data)), NOW_S)
        except WitnessError:
            continue
        assert log.note().with_signatures([signature]).check(COSIGNER.verifier) == NOW_S
        witness = witness_of(tmp_path / f"witness-{rng.random()}", log)


# Over HTTP, from a ledger that runs


@dataclass
class Asked:
    """A witness that is served."""

    plan: WitnessPlan


@asynccontextmanager
async def serving(folder: Path, log: Log) -> AsyncIterator[Asked]:
    listening, stop = listen("127.0.0.1", 0), asyncio.Event()
    app = witness_app(witness_of(folder, log), SystemClock())
    running = asyncio.create_task(WebServer(app).run_until(stop, listening))
    try:
        yield Asked(WitnessPlan(address_of(listening), str(COSIGNER.verifier)))
    finally:
        stop.set()
        await running


async def test_a_ledger_publishes_what_its_witnesses_signed(tmp_path: Path, log: Log) -> None:
    async with serving(tmp_path / "witness", log) as asked:
        server = LedgerServer(log, SystemClock(), [WitnessClient(asked.plan)])
        for _ in range(3):
            await server.confirm()
            assert not server.alarms
            published = Note.parse(log.folder.checkpoint.read_bytes())
            assert published.check(COSIGNER.verifier) > 0
            assert Checkpoint.parse(published.text).size == log.size
            grown(log)


async def test_a_witness_that_does_not_answer_is_an_alarm_and_no_wait(tmp_path: Path, log: Log) -> None:
    with listen("127.0.0.1", 0) as nobody:
        address = address_of(nobody)
    server = LedgerServer(log, SystemClock(), [WitnessClient(WitnessPlan(address, str(COSIGNER.verifier)))])
    await server.confirm()
    assert "does not answer" in server.alarms["witness witness.example"]
    assert Checkpoint.parse(Note.parse(log.folder.checkpoint.read_bytes()).text).size == log.size


async def test_a_ledger_from_an_old_backup_is_found_and_nothing_is_written_to_it(tmp_path: Path, log: Log) -> None:
    house = LedgerHouse.at(log.folder.root)
    log.close()
    shutil.copytree(log.folder.root, tmp_path / "backup")
    log = house.open()
    grown(log)
    async with serving(tmp_path / "witness", log) as asked:
        await LedgerServer(log, SystemClock(), [WitnessClient(asked.plan)]).confirm()
        log.close()
        old = LedgerHouse.at(tmp_path / "backup").open()
        with pytest.raises(RolledBackError, match="has signed 350 entries of this ledger, and there are 300"):
            await asyncio.to_thread(WitnessClient(asked.plan).sign, old.note(), old.reader())
        server = LedgerServer(old, SystemClock(), [WitnessClient(asked.plan)])
        path = tmp_path / "socket" / "ledger.sock"
        running, client = asyncio.create_task(server.run(path)), LedgerClient(path)
        await until(lambda: bool(server.alarms), 20)
        with pytest.raises(LedgerError, match="has signed 350 entries"):
            await client.append(draft())
        assert old.size == 300
        await client.close()
        running.cancel()
        await asyncio.wait({running})
        old.close()


async def test_a_request_that_is_too_long_or_of_another_kind_is_refused(tmp_path: Path, log: Log) -> None:
    import httpx

    async with serving(tmp_path / "witness", log) as asked, httpx.AsyncClient(base_url=asked.plan.url) as client:
        assert (await client.post("/add-checkpoint", content=b"x" * 200_000)).status_code == 400
        assert (await client.get("/add-checkpoint")).status_code == 405
        assert (await client.get("/anything")).status_code == 404
