"""What goes wrong at a camera is told with its cause, and costs no other camera anything."""

import asyncio
import random
from pathlib import Path

from civicam.city.auth import AuthScheme
from civicam.city.faults import (
    ClockJump,
    Drop,
    Fault,
    Garbage,
    Loss,
    Off,
    Reboot,
    Reorder,
    Silence,
    Slow,
    Switch,
    WrongPassword,
)
from civicam.city.sent import SentLog
from civicam.city.server import CityServer, plan_cameras
from civicam.core.ids import GapCause
from civicam.footage.layout import SegmentName, closed_path
from civicam.footage.reader import SegmentReader
from tests.fakes.house import CLOCK, House, main_stream, record
from tests.fakes.loop import looped_stream

SILENT, LOST = GapCause.CAMERA_SILENT, GapCause.LOST_PACKETS
OTHER = looped_stream("other", width=160, height=128)

FAULTS: list[tuple[tuple[Fault, ...], set[GapCause]]] = [
    ((), set()),
    ((Drop(),), {SILENT}),
    ((Drop(duration_s=2, reset=True),), {SILENT}),
    ((Silence(duration_s=4),), {SILENT}),
    ((Loss(rate=0.5, count=5, duration_s=1),), {LOST}),
    ((Reorder(rate=1, count=9, duration_s=3),), {LOST}),
    ((Garbage(rate=0.5, count=5, duration_s=1),), {LOST}),
    ((Garbage(rate=1, count=1, duration_s=1, where="framing"),), {LOST, SILENT}),
    ((Switch(stream="other"),), set()),
    ((Switch(stream="other", parameter_sets="reconnect"),), {SILENT}),
    ((Off(duration_s=2, answer="503"),), {SILENT}),
    ((Reboot(duration_s=2),), {SILENT}),
    ((ClockJump(jump_s=3600),), set()),
    ((ClockJump(jump_s=-3600),), set()),
    ((WrongPassword(duration_s=1), Drop()), {SILENT}),
    ((Slow(delay_s=0.3, duration_s=2), Drop()), {SILENT}),
]
"""What happens to each camera, and what its gaps may say: at least one of these, and nothing else."""


def setups(house: House, camera: str) -> set[tuple[int, int]]:
    """The picture sizes of a camera's segments."""
    key, found = main_stream(camera), set[tuple[int, int]]()
    with house.catalogue as catalogue:
        for row in catalogue.segments(key):
            name = SegmentName.make(key, row.start_wall_ns, row.epoch)
            with SegmentReader.open(closed_path(house.volume_root, name)) as reader:
                found.add((reader.header.setup.width, reader.header.setup.height))
    return found


def test_each_fault_is_told_with_its_cause_and_touches_no_other_camera(tmp_path: Path) -> None:
    struck_ns = 0

    async def run() -> House:
        nonlocal struck_ns
        planned = plan_cameras(
            len(FAULTS), [looped_stream(width=320, height=192, gop=8, bit_rate=1_500_000)], random.Random(5),
            username="viewer", password="corr ect:horse", auth=AuthScheme.DIGEST_SHA256,
        )  # fmt: skip
        server = CityServer(
            planned, clock=CLOCK, rng=random.Random(6), streams=[OTHER], sent=SentLog(), totals_every_s=60
        )
        await server.start()
        house = House.build(tmp_path, stall_s=2)
        house.add(server.urls)

        async def until(_: object) -> None:
            await CLOCK.sleep(8)
            struck_ns_now = CLOCK.wall_ns()
            for camera, (faults, _causes) in zip(planned, FAULTS, strict=True):
                for fault in faults:
                    server.inject(camera.id, fault)
            nonlocal struck_ns
            struck_ns = struck_ns_now
            await CLOCK.sleep(20)

        await record(house.plan(username="viewer", password="corr ect:horse"), until)
        await server.close()
        return house

    house = asyncio.run(run())
    with house.catalogue as catalogue:
        for camera, (faults, causes) in zip(catalogue.cameras(), FAULTS, strict=True):
            key = main_stream(camera.id)
            rows, gaps = catalogue.segments(key), catalogue.gaps(key)
            what = (camera.id, faults, gaps)
            end_ns = max(row.end_wall_ns for row in rows)
            coverage = catalogue.coverage(key, (camera.added_ns, end_ns))
            assert coverage.unexplained_ns == 0, what
            told = [gap for gap in gaps if gap.cause is not GapCause.SHUT_DOWN]
            assert {gap.cause for gap in told} <= causes, what
            assert bool(told) == bool(causes), what
            # A GOP lasts half a second: nothing before the fault's own GOP is missing.
            assert all(gap.start_wall_ns > struck_ns - 1_500_000_000 for gap in told), what
            assert any(row.end_wall_ns > struck_ns + 12_000_000_000 for row in rows), what
            for fragment in house.fragments(camera.id):
                assert fragment.header.sample_count
    assert setups(house, "cam-009") == {(320, 192), (160, 128)}
    assert setups(house, "cam-010") == {(320, 192), (160, 128)}
    assert setups(house, "cam-001") == {(320, 192)}
    assert not any(b"corr ect:horse" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
