"""The whole way: simulated cameras, real sockets, a real worker process, sealed files, and back."""

import asyncio
import hashlib
import itertools
import random
from pathlib import Path

from civicam.city.sent import SentLog
from civicam.city.server import CityServer, plan_cameras
from civicam.core.ids import GapCause
from civicam.core.spans import total_ns
from tests.fakes.house import CLOCK, House, main_stream, record, samples
from tests.fakes.loop import looped_stream


async def seconds(count: float) -> None:
    await CLOCK.sleep(count)


def test_every_sample_sent_is_recorded_sealed_and_comes_back(tmp_path: Path) -> None:
    async def run() -> tuple[House, SentLog]:
        sent = SentLog(frames=True)
        server = CityServer(
            plan_cameras(4, [looped_stream()], random.Random(2)), clock=CLOCK, rng=random.Random(3), sent=sent
        )
        await server.start()
        house = House.build(tmp_path)
        house.add(server.urls)
        await record(house.plan(), lambda _: seconds(9))
        await server.close()
        return house, sent

    house, sent = asyncio.run(run())
    with house.catalogue as catalogue:
        for camera in catalogue.cameras():
            fragments = house.fragments(camera.id)
            came = [hashlib.sha256(sample).hexdigest() for sample in samples(fragments)]
            went = [frame.sha256 for frame in sent.frames if frame.camera == camera.id]
            assert len(came) > 60
            assert went[: len(came)] == came
            assert len(went) - len(came) <= 2  # in flight when the worker said goodbye
            rows = catalogue.segments(main_stream(camera.id))
            assert len(rows) >= 2
            assert all(row.digest for row in rows)
            for earlier, later in itertools.pairwise([fragment.header for fragment in fragments]):
                assert earlier.end_wall_ns == later.start_wall_ns
            gaps = catalogue.gaps(main_stream(camera.id))
            assert [gap.cause for gap in gaps] == [GapCause.SHUT_DOWN, GapCause.SHUT_DOWN]
            story = [(gap.start_wall_ns, gap.end_wall_ns) for gap in gaps] + [
                (r.start_wall_ns, r.end_wall_ns) for r in rows
            ]
            assert total_ns(story) == max(end for _, end in story) - camera.added_ns
