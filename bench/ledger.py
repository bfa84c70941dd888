"""What the ledger can take, and what a look waits for it. `python -m bench.ledger --json`.

Three questions: how many entries a second become durable through the ledger's process, with batching; how long one look
waits for its entry, on a ledger that is otherwise quiet and on one that is busy; how long the proof of one entry among
ten million takes. Files are on the disk of `--folder`, and every batch is synced.
"""

import argparse
import asyncio
import json
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from bench.measure import machine
from civicam.core.citykey import create_city_key, load_city_key
from civicam.core.clock import SystemClock
from civicam.ledger.client import LedgerClient
from civicam.ledger.entry import Draft, Kind, Part
from civicam.ledger.keeper import LedgerKeeper
from civicam.ledger.log import LedgerFolder, create_log
from civicam.ledger.merkle import check_inclusion, inclusion_proof, root_of, tree_root
from civicam.ledger.people_keys import PeopleKeys, new_person_id
from civicam.ledger.plan import LedgerPlan
from civicam.ledger.tiles import WIDTH, TileReader, files_in, tile_path

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rate:
    """Entries written by many at once.

    Attributes:
        seconds: for so long.
        at_once: looks that wait at the same time.
        entries: that became durable.
        a_second: of them.
    """

    seconds: float
    at_once: int
    entries: int
    a_second: float


@dataclass(frozen=True, slots=True)
class Waits:
    """How long something took, milliseconds.

    Attributes:
        count: measured.
        median: of all.
        p95: 95th percentile.
        worst: of all.
    """

    count: int
    median: float
    p95: float
    worst: float


def waits(seconds: list[float]) -> Waits:
    ms = sorted(1000 * one for one in seconds)
    return Waits(len(ms), statistics.median(ms), ms[int(0.95 * len(ms))], ms[-1])


async def through_the_process(folder: Path, seconds: float, at_once: int) -> tuple[Rate, Waits, Waits]:
    """Starts the ledger's process, and asks it to write: by many at once, and by one."""
    create_city_key(folder / "city.key")
    city_key = load_city_key(folder / "city.key")
    create_log(LedgerFolder(folder / "ledger"), "bench.example", city_key)
    person = new_person_id()
    PeopleKeys(LedgerFolder(folder / "ledger").people, city_key).create(person)
    plan = LedgerPlan(str(folder / "ledger"), str(folder / "city.key"), str(folder / "socket" / "ledger.sock"))
    keeper, stop = LedgerKeeper(plan, clock=SystemClock(), rng=random.Random(1)), asyncio.Event()
    running, client = asyncio.create_task(keeper.run(stop)), LedgerClient(Path(plan.socket))
    draft = Draft(
        Kind.VIEW,
        {"camera": "rudaki-07", "media": "redacted", "purpose": "live", "from": "2026-03-01T12:00:00.000Z"},
        {"viewer": Part(person, {"name": "Nilufar Karimova", "reason": "a lorry that stands in the way"})},
    )
    try:
        while keeper.report is None:
            await SystemClock().sleep(0.05)
        quiet = waits([await _waited(client, draft) for _ in range(300)])
        until, written = time.monotonic() + seconds, 0

        async def look() -> None:
            nonlocal written
            while time.monotonic() < until:
                await client.append(draft)
                written += 1

        began = time.monotonic()
        lookers = [asyncio.create_task(look()) for _ in range(at_once)]
        busy = []
        while time.monotonic() < until:
            busy.append(await _waited(client, draft))
        await asyncio.gather(*lookers)
        took = time.monotonic() - began
        return Rate(took, at_once, written + len(busy), (written + len(busy)) / took), quiet, waits(busy)
    finally:
        await client.close()
        stop.set()
        await running


async def _waited(client: LedgerClient, draft: Draft) -> float:
    began = time.perf_counter()
    await client.append(draft)
    return time.perf_counter() - began


def proofs(folder: Path, entries: int, count: int) -> Waits:
    """Proofs of single entries, checked, each by a reader that has no tile in memory. Leaves are random."""
    rng = random.Random(1)
    hashes = [rng.randbytes(32) for _ in range(entries)]
    leaves, level = hashes, 0
    while hashes:
        for number in range(-(-len(hashes) // WIDTH)):
            part = hashes[number * WIDTH : (number + 1) * WIDTH]
            path = folder / tile_path(level, number, len(part))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(part))
        hashes = [root_of(hashes[at : at + WIDTH]) for at in range(0, len(hashes) - len(hashes) % WIDTH, WIDTH)]
        level += 1
    root = tree_root(entries, TileReader(entries, files_in(folder)).node)
    took = []
    for _ in range(count):
        index = rng.randrange(entries)
        began = time.perf_counter()
        proof = inclusion_proof(index, entries, TileReader(entries, files_in(folder)).node)
        check_inclusion(leaves[index], index, entries, proof, root)
        took.append(time.perf_counter() - began)
    return waits(took)


def in_new_folder(folder: Path, work: Callable[[Path], T]) -> T:
    """Runs `work` in a folder that was not there, and is gone afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return work(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> None:
    """Runs what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of writing as fast as it goes")
    parser.add_argument("--at-once", type=int, default=200, help="looks that wait at the same time")
    parser.add_argument("--entries", type=int, default=10_000_000, help="in the tree that proofs are taken of")
    parser.add_argument("--folder", type=Path, default=Path(".bench/ledger"))
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    rate, quiet, busy = in_new_folder(
        chosen.folder, lambda folder: asyncio.run(through_the_process(folder, chosen.seconds, chosen.at_once))
    )
    proof = in_new_folder(chosen.folder, lambda folder: proofs(folder, chosen.entries, 200))
    result = {
        "machine": asdict(machine(Path())),
        "rate": asdict(rate),
        "look_waits_quiet_ms": asdict(quiet),
        "look_waits_busy_ms": asdict(busy),
        "proof_ms": asdict(proof),
        "entries": chosen.entries,
    }
    sys.stdout.write(json.dumps(result, indent=None if chosen.json else 1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
