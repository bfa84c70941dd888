"""Cameras that are not ours, through the whole recorder: what lies sealed on disk equals the file that was played."""

import asyncio
from pathlib import Path

import pytest

from civicam.core.ids import CameraId
from civicam.recorder.supervisor import Supervisor
from tests.fakes.house import CLOCK, House, record, samples
from tests.interop.gstreamer import CARS, GOOD, PEOPLE, demuxed, needs_gstreamer, serving

pytestmark = needs_gstreamer

SAMPLES = 120
"""Of each clip: 10 to 12 s of it."""


@pytest.mark.parametrize(
    ("clip", "scheme", "aggregate"),
    [(CARS, "digest", "none"), (PEOPLE, "basic", "zero-latency")],
    ids=["cars-digest", "people-b-frames-basic"],
)
def test_recorded_samples_equal_the_file_byte_for_byte(clip: Path, scheme: str, aggregate: str, tmp_path: Path) -> None:
    async def until(supervisor: Supervisor) -> None:
        async with asyncio.timeout(60):
            while sum(stream.samples for report in supervisor.reports() for stream in report.streams) < SAMPLES:
                await CLOCK.sleep(0.2)

    house = House.build(tmp_path)
    with serving(clip, scheme, aggregate) as url:
        house.add({CameraId("clip"): url.target})
        asyncio.run(record(house.plan(username=GOOD.user, password=GOOD.password), until))
    recorded = samples(house.fragments("clip"))
    assert len(recorded) >= SAMPLES
    assert recorded == [data for data, _, _ in demuxed(clip, len(recorded))]
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert GOOD.password.encode() not in kept
