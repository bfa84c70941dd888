"""One stream that cannot be recorded is an alarm, and no harm to the others."""

import asyncio
import random
from dataclasses import replace
from pathlib import Path

from civicam.city.server import CityServer, plan_cameras
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.recorder.plan import StreamPlan
from civicam.recorder.supervisor import Supervisor
from tests.fakes.house import CLOCK, House, record
from tests.fakes.loop import looped_stream


def test_a_stream_that_cannot_be_started_is_told_and_the_others_are_recorded(tmp_path: Path) -> None:
    async def recorded(supervisor: Supervisor) -> list[str]:
        async with asyncio.timeout(60):
            while True:
                await CLOCK.sleep(0.2)
                for report in supervisor.reports():
                    streams = {stream.key: stream.playable_ns for stream in report.streams}
                    if streams.get("cam-001/main", 0) > 0 and report.alarms:
                        alarms.extend(report.alarms)
                        return alarms

    alarms: list[str] = []

    async def run() -> Supervisor:
        server = CityServer(plan_cameras(1, [looped_stream()], random.Random(2)), clock=CLOCK, rng=random.Random(3))
        await server.start()
        house = House.build(tmp_path)
        house.add(server.urls)
        plan = house.plan()
        bad = StreamPlan(StreamKey(CameraId("bad"), StreamName.MAIN), "http://192.0.2.1/", CLOCK.wall_ns(), "", "")
        supervisor = await record(replace(plan, streams=(bad, *plan.streams)), recorded)
        await server.close()
        return supervisor

    supervisor = asyncio.run(run())
    assert any("bad/main is not recorded" in alarm for alarm in alarms)
    assert supervisor.restarts() == {0: 0}
