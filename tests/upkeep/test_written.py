"""The ledger commits to every closed segment once, and says what was deleted."""

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest

from civicam.app import City, run_recorder
from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Camera, Deletion, Segment
from civicam.config import DataFolder
from civicam.core.clock import SystemClock
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.ledger.encoding import decode
from civicam.ledger.log import LedgerFolder, Log
from civicam.ledger.merkle import root_of
from civicam.recorder.status import RecorderStatus
from civicam.upkeep.written import deletion_draft, footage_draft, footage_leaves
from tests.fakes.odd_camera import until
from tests.fakes.register import REGISTER

S = 1_000_000_000
T0 = 1_772_323_200 * S
KEY = StreamKey(CameraId("gate-1"), StreamName.MAIN)


def segment(number: int, digest: bytes | None = b"d" * 32) -> Segment:
    start_ns = T0 + number * 60 * S
    return Segment(KEY, start_ns, start_ns + 60 * S, 1, "main", 1000 + number, 1, 15, digest)


def test_a_commitment_is_of_every_byte_that_a_segment_says_of_itself() -> None:
    rows = [segment(number) for number in range(5)]
    root = root_of(footage_leaves(rows))
    assert root_of(footage_leaves(rows[::-1])) == root
    for changed in (
        replace(rows[2], digest=b"e" * 32), replace(rows[2], size_bytes=1), replace(rows[2], end_wall_ns=T0 + 999 * S),
        replace(rows[2], key=KEY._replace(stream=StreamName.SUB)),
    ):  # fmt: skip
        assert root_of(footage_leaves([*rows[:2], changed, *rows[3:]])) != root
    assert root_of(footage_leaves(rows[1:])) != root


def test_entries_name_no_camera_and_count_what_they_are_about() -> None:
    rows = [segment(number) for number in range(3)]
    assert footage_draft(rows).facts["segments"] == 3
    said = deletion_draft([Deletion(row, "age", T0, None) for row in rows], "age").facts
    assert (said["segments"], said["bytes"], said["from"]) == (3, 3003, "2026-03-01T00:00:00.000Z")


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    made = Catalogue.open(tmp_path / "catalogue.sqlite", create=True)
    made.add_camera(
        Camera(KEY.camera, "Gate", {StreamName.MAIN: "rtsp://127.0.0.1/1"}, None, "traffic", T0, None, REGISTER)
    )
    return made


def test_a_segment_is_committed_to_once_and_not_before_it_is_closed(catalogue: Catalogue) -> None:
    catalogue.record([segment(0), segment(1, None)])
    assert catalogue.uncommitted_segments(9) == [segment(0)]
    catalogue.commit_segments([segment(0)], 7, footage_leaves([segment(0)]))
    assert catalogue.uncommitted_segments(9) == []
    catalogue.record([segment(1)])
    assert catalogue.uncommitted_segments(9) == [segment(1)]
    catalogue.close()


def test_a_commitment_is_kept_for_proofs_as_long_as_any_footage_of_it_is(catalogue: Catalogue) -> None:
    rows = [segment(0), segment(1), segment(2)]
    catalogue.record(rows)
    catalogue.commit_segments(rows[:2], 7, footage_leaves(rows[:2]))
    catalogue.commit_segments(rows[2:], 8, footage_leaves(rows[2:]))
    window = (rows[0].start_wall_ns, rows[2].end_wall_ns)
    assert list(catalogue.commitments(KEY, window).values()) == [7, 7, 8]
    catalogue.expire([rows[0]])
    assert catalogue.leaves(7) == footage_leaves(rows[:2])
    catalogue.expire([rows[1]])
    assert (catalogue.leaves(7), len(catalogue.leaves(8))) == ([], 1)
    catalogue.close()


async def test_a_city_that_records_commits_to_its_footage(tmp_path: Path) -> None:
    environment = {"CIVICAM_METRICS__PORT": "0", "CIVICAM_RECORDER__WORKERS": "1"}
    city = City.create(DataFolder(tmp_path), "Khujand", environment)
    ago_ns = SystemClock().wall_ns() - 3600 * S - T0
    rows = [replace(one, start_wall_ns=one.start_wall_ns + ago_ns, end_wall_ns=one.end_wall_ns + ago_ns)
            for one in (segment(0), segment(1))]  # fmt: skip
    with city.catalogue() as catalogue:
        catalogue.add_camera(
            Camera(KEY.camera, "Gate", {StreamName.MAIN: "rtsp://127.0.0.1:1/"}, None, "t", T0, None, REGISTER)
        )
        catalogue.record(rows)
    told: list[RecorderStatus] = []
    stop = asyncio.Event()
    running = asyncio.create_task(
        run_recorder(city, stop, clock=SystemClock(), rng=random.Random(1), on_update=told.append)
    )
    with city.catalogue() as catalogue:
        await until(lambda: not catalogue.uncommitted_segments(9), 60)
    stop.set()
    await running
    log = Log(LedgerFolder(city.data.ledger), city.key)
    reader = log.reader()
    entries = [decode(reader.entry(index)) for index in range(reader.size)]
    entries = [entry for entry in entries if entry["kind"] != "day"]  # as the case may be: it began an hour ago
    assert [entry["kind"] for entry in entries] == ["setting", "footage"]
    assert entries[1]["segments"] == 2
    assert entries[1]["root"] == footage_draft(rows).facts["root"]
    log.close()
