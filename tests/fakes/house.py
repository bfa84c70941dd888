"""A whole small system on disk: key, catalogue, one volume, and cameras of a simulated city to record."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Camera
from civicam.core.citykey import create_city_key, load_city_key
from civicam.core.clock import SystemClock
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.footage.fragment import Fragment
from civicam.footage.keys import KeyRing
from civicam.footage.layout import SegmentName, closed_path
from civicam.footage.reader import SegmentReader
from civicam.footage.volume import Volume
from civicam.recorder.plan import RecorderPlan, StreamPlan, VolumePlan, WorkerPlan
from civicam.recorder.supervisor import Supervisor
from tests.fakes.register import REGISTER

CLOCK = SystemClock()


def main_stream(camera: str) -> StreamKey:
    """The key of a camera's main stream."""
    return StreamKey(CameraId(camera), StreamName.MAIN)


@dataclass
class House:
    """The data folder of a small city."""

    root: Path
    volume_root: Path
    worker: WorkerPlan

    @classmethod
    def build(cls, root: Path, volume_root: Path | None = None, **changes: object) -> "House":
        """Makes the folder. `changes` are of `WorkerPlan`; segments last 5 s and syncs come twice a second."""
        root.mkdir(parents=True, exist_ok=True)
        create_city_key(root / "city.key")
        Catalogue.open(root / "catalogue.sqlite", create=True).close()
        folder = volume_root or root / "footage"
        Volume("main", folder, 0).prepare()
        plan = WorkerPlan(
            catalogue=str(root / "catalogue.sqlite"),
            city_key=str(root / "city.key"),
            volumes=(VolumePlan("main", str(folder), 0),),
            segment_s=5,
            sync_interval_s=0.5,
        )
        return cls(root, folder, replace(plan, **changes))  # type: ignore[arg-type]  # fields by name

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue, opened anew; close it."""
        return Catalogue.open(self.root / "catalogue.sqlite")

    @property
    def volume(self) -> Volume:
        """The volume."""
        return Volume("main", self.volume_root, 0)

    @property
    def keyring(self) -> KeyRing:
        """Opens the day keys."""
        return KeyRing(load_city_key(self.root / "city.key"))

    def add(self, urls: dict[CameraId, str]) -> None:
        """Adds cameras, due from now on."""
        with self.catalogue as catalogue:
            for camera, url in urls.items():
                now_ns = CLOCK.wall_ns()
                catalogue.add_camera(
                    Camera(camera, camera, {StreamName.MAIN: url}, None, "test", now_ns, None, REGISTER)
                )

    def plan(self, workers: int = 1, username: str = "", password: str = "") -> RecorderPlan:
        """What to record: the main stream of every camera."""
        with self.catalogue as catalogue:
            streams = tuple(
                StreamPlan(main_stream(c.id), c.urls[StreamName.MAIN], c.added_ns, username, password)
                for c in catalogue.cameras()
            )
        return RecorderPlan(self.worker, streams, workers)

    def fragments(self, camera: str) -> list[Fragment]:
        """Everything recorded of a camera's main stream and told by the catalogue, opened and authenticated."""
        key, keyring, found = main_stream(camera), self.keyring, list[Fragment]()
        with self.catalogue as catalogue:
            rows = catalogue.segments(key)
        for row in rows:
            path = closed_path(self.volume_root, SegmentName.make(key, row.start_wall_ns, row.epoch))
            with SegmentReader.open(path) as reader:
                found += [reader.read(number, keyring) for number in range(len(reader))]
        return found


def samples(fragments: list[Fragment]) -> list[bytes]:
    """The coded frames of fragments, read by the `trun` table (ISO/IEC 14496-12, 8.8.8)."""
    found = []
    for fragment in fragments:
        payload, count = fragment.payload, fragment.header.sample_count
        moof_bytes = int.from_bytes(payload[:4], "big")
        rows, at = payload[moof_bytes - 16 * count : moof_bytes], moof_bytes + 8
        for row in range(count):
            size = int.from_bytes(rows[16 * row + 4 : 16 * row + 8], "big")
            found.append(payload[at : at + size])
            at += size
    return found


async def record(
    plan: RecorderPlan, until: Callable[[Supervisor], Awaitable[object]], *, rng: random.Random | None = None
) -> Supervisor:
    """Runs a supervisor until `until` returns, and lets it finish."""
    supervisor = Supervisor(plan, clock=CLOCK, rng=rng or random.Random(1))
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(supervisor.run(stop))
        try:
            await until(supervisor)
        finally:
            stop.set()
    return supervisor
