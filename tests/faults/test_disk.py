"""Volumes that are full or read-only, under a recorder that runs. They are small mounts, which takes root."""

import asyncio
import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from civicam.city.sent import SentLog
from civicam.city.server import CityServer, plan_cameras
from civicam.core.ids import CameraId, GapCause
from civicam.footage.volume import Volume
from civicam.recorder.plan import VolumePlan
from civicam.recorder.supervisor import Supervisor
from civicam.upkeep.leftovers import Leftovers
from tests.fakes.house import CLOCK, House, main_stream, record
from tests.fakes.loop import looped_stream
from tests.faults.proof import Proof, by_camera, prove

MB = 1 << 20
STREAM = looped_stream("heavy", width=320, height=192, fps=15, gop=15, frames=30, bit_rate=4_000_000, noisy=True)


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine lets us mount nothing: {done.stderr.strip()}")


def _unmount(path: Path) -> None:
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str, int], Path]]:
    """Makes disks of a few megabytes."""
    made: list[Path] = []

    def make(name: str, size_bytes: int) -> Path:
        path = tmp_path / name
        path.mkdir()
        _mount("-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(path))
        made.append(path)
        return path

    yield make
    for path in made:
        _unmount(path)


async def until(what: Callable[[], object], within_s: float = 60) -> None:
    """Waits for something to become true."""
    async with asyncio.timeout(within_s):
        while not what():
            await CLOCK.sleep(0.1)


def alarms(supervisor: Supervisor) -> str:
    """What the workers warn of now."""
    return "; ".join(alarm for report in supervisor.reports() for alarm in report.alarms)


def samples(supervisor: Supervisor) -> dict[str, int]:
    """Playable nanoseconds by stream."""
    return {stream.key: stream.playable_ns for report in supervisor.reports() for stream in report.streams}


def all_go_on(supervisor: Supervisor) -> Callable[[], bool]:
    """Becomes true when every stream has more footage than now."""
    before = samples(supervisor)
    return lambda: all(playable > before[key] for key, playable in samples(supervisor).items())


async def city(cameras: int, sent: SentLog) -> CityServer:
    planned = plan_cameras(cameras, [STREAM], random.Random(2))
    server = CityServer(planned, clock=CLOCK, rng=random.Random(3), sent=sent)
    await server.start()
    return server


def looked_over(house: House, volumes: list[Volume], sent: SentLog) -> Proof:
    """What there is after the next start would have finished what was left."""
    with house.catalogue as catalogue:
        for key in catalogue.streams():
            assert not Leftovers(volumes, house.keyring).finish(catalogue, key)
    return prove(
        house.root / "catalogue.sqlite", volumes, house.keyring, by_camera(sent.frames), now_ns=CLOCK.wall_ns()
    )


def causes(house: House, camera: CameraId) -> list[GapCause]:
    with house.catalogue as catalogue:
        return [gap.cause for gap in catalogue.gaps(main_stream(camera))]


@pytest.mark.parametrize("reserve_bytes", [2 * MB, 0])
def test_a_full_disk_is_told_of_before_and_recording_goes_on_when_there_is_room(
    tmp_path: Path, disk: Callable[[str, int], Path], reserve_bytes: int
) -> None:
    root = disk("small", 10 * MB)
    ballast = root / "ballast"
    ballast.write_bytes(bytes(4 * MB))
    seen: list[str] = []

    async def run() -> tuple[House, SentLog]:
        sent = SentLog(frames=True)
        server = await city(2, sent)
        house = House.build(
            tmp_path / "house",
            root,
            volumes=(VolumePlan("main", str(root), reserve_bytes),),
            segment_s=2,
            sync_interval_s=0.3,
        )
        house.add(server.urls)

        async def fill_and_free(supervisor: Supervisor) -> None:
            if reserve_bytes:
                await until(lambda: "nearly full" in alarms(supervisor))
                seen.append("nearly full")
            await until(lambda: "is full" in alarms(supervisor) or "no room was left" in alarms(supervisor))
            await until(lambda: all("disk" in stream.gap_ns for one in supervisor.reports() for stream in one.streams))
            ballast.unlink()
            await until(all_go_on(supervisor))

        await record(house.plan(), fill_and_free)
        await server.close()
        return house, sent

    house, sent = asyncio.run(run())
    assert seen or not reserve_bytes
    proof = looked_over(house, [Volume("main", root, 0)], sent)
    assert not proof.problems
    assert proof.samples
    for camera in by_camera(sent.frames):
        assert GapCause.DISK in causes(house, camera)


def test_a_volume_that_turns_read_only_is_left_for_the_other_and_taken_again_when_it_is_well(
    tmp_path: Path, disk: Callable[[str, int], Path]
) -> None:
    roots = [disk("left", 32 * MB), disk("right", 32 * MB)]
    volumes = [Volume(root.name, root, 0) for root in roots]
    broken = roots[1]

    def files() -> int:
        return sum(1 for _ in volumes[1].segments())

    async def run() -> tuple[House, SentLog]:
        sent = SentLog(frames=True)
        server = await city(4, sent)
        house = House.build(tmp_path / "house", roots[0], segment_s=2, sync_interval_s=0.3)
        volumes[1].prepare()
        house.worker = replace(house.worker, volumes=tuple(VolumePlan(one.name, str(one.root), 0) for one in volumes))
        house.add(server.urls)

        async def break_and_mend(supervisor: Supervisor) -> None:
            await until(lambda: files() >= 2)
            # The same folder once more, over itself and read-only: what is open goes on, nothing can be made or moved.
            _mount("--bind", str(broken), str(broken))
            _mount("-o", "remount,bind,ro", str(broken))
            try:
                await until(lambda: "volume right fails" in alarms(supervisor) and "read-only" in alarms(supervisor))
                await until(all_go_on(supervisor))
                before = files()
            finally:
                _unmount(broken)
            await until(lambda: files() > before)
            await until(all_go_on(supervisor))

        await record(house.plan(), break_and_mend)
        await server.close()
        return house, sent

    house, sent = asyncio.run(run())
    proof = looked_over(house, volumes, sent)
    assert not proof.problems
    with house.catalogue as catalogue:
        held = {row.volume for camera in by_camera(sent.frames) for row in catalogue.segments(main_stream(camera))}
    assert held == {"left", "right"}
