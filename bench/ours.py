"""civicam itself: the whole recorder in processes of its own, as `civicam run` runs it.

`python -m bench.ours FOLDER` records the city in FOLDER until it gets SIGTERM.
"""

import asyncio
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.contender import Recorded
from civicam.app import City, run_recorder
from civicam.catalogue.coverage import Completeness
from civicam.catalogue.models import Camera, RegisterEntry
from civicam.config import DataFolder
from civicam.core.clock import SystemClock
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.core.spans import Span
from civicam.footage.fragment import FragmentHeader
from civicam.footage.layout import SegmentName, closed_path
from civicam.footage.reader import SegmentReader
from civicam.recorder.status import RecorderStatus

_ENDS_WITHIN_S = 120.0
_CLOCK = SystemClock()


class Civicam:
    """The recorder: sealed, hashed, synced every two seconds, a catalogue, metrics and retention running."""

    name = "civicam"
    how = "one supervisor and its workers; every GOP sealed (AES-256-GCM) and hashed, synced every 2 s, catalogued"

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._city: City | None = None
        self._address = ("127.0.0.1", 0)

    @property
    def city(self) -> City:
        """The city that is or was recorded."""
        assert self._city is not None
        return self._city

    def start(self, urls: dict[str, str], folder: Path) -> None:
        """See `Contender`."""
        self._address = ("127.0.0.1", _free_port())
        environment = os.environ | {"CIVICAM_METRICS__PORT": str(self._address[1])}
        self._city = city = City.create(DataFolder(folder / "city"), "bench", environment)
        with city.catalogue() as catalogue:
            now_ns, entry = _CLOCK.wall_ns(), RegisterEntry("bench", "bench", 1.0, "bench")
            for camera, url in urls.items():
                catalogue.add_camera(
                    Camera(CameraId(camera), camera, {StreamName.MAIN: url}, None, "bench", now_ns, None, entry)
                )
        with (folder / "civicam.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.ours", str(city.data.root)], env=environment, stdout=log, stderr=log
            )

    def pids(self) -> list[int]:
        """See `Contender`."""
        assert self._process is not None
        return [self._process.pid]

    def stop(self) -> None:
        """See `Contender`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(_ENDS_WITHIN_S)
        if status:
            raise RuntimeError(f"civicam ended with status {status}")

    def status(self, timeout_s: float = 60.0) -> RecorderStatus:
        """How the recorder says it is doing; waits for one that has just been started."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return RecorderStatus.from_json(self._get("/status"))
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _get(self, path: str) -> str:
        connection = http.client.HTTPConnection(*self._address, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def recorded(self, frame_90k: int) -> dict[str, Recorded]:
        """See `Contender`. Counted from what the closed files say, not from what the recorder said."""
        return {key.camera: _count(self.headers(key), frame_90k) for key in self._keys()}

    def headers(self, key: StreamKey) -> Iterator[FragmentHeader]:
        """What every fragment of a stream says of itself, in order."""
        roots = {volume.name: volume.root for volume in self.city.volumes()}
        with self.city.catalogue() as catalogue:
            rows = catalogue.segments(key)
        for row in rows:
            name = SegmentName.make(key, row.start_wall_ns, row.epoch)
            with SegmentReader.open(closed_path(roots[row.volume], name)) as reader:
                yield from reader.headers()

    def opened(self, cameras: int) -> int:
        """Opens and authenticates all footage of the first `cameras` cameras; returns how many fragments that were."""
        count = 0
        keyring = self.city.keyring()
        roots = {volume.name: volume.root for volume in self.city.volumes()}
        for key in self._keys()[:cameras]:
            with self.city.catalogue() as catalogue:
                rows = catalogue.segments(key)
            for row in rows:
                name = SegmentName.make(key, row.start_wall_ns, row.epoch)
                with SegmentReader.open(closed_path(roots[row.volume], name)) as reader:
                    for number in range(len(reader)):
                        reader.read(number, keyring)
                        count += 1
        return count

    def completeness(self, window: Span) -> tuple[Completeness, int]:
        """How much of `window` all streams have, by the catalogue, and how many segments overlap it."""
        total, segments = Completeness(), 0
        with self.city.catalogue() as catalogue:
            for key, one in catalogue.completeness(window).items():
                coverage = catalogue.coverage(key, window)
                assert coverage.unexplained_ns == one.unexplained_ns
                total.add(one.due_ns, one.playable_ns, one.gap_ns)
                segments += len(catalogue.segments(key, window))
        return total, segments

    def _keys(self) -> list[StreamKey]:
        with self.city.catalogue() as catalogue:
            return catalogue.streams()


def _count(headers: Iterator[FragmentHeader], frame_90k: int) -> Recorded:
    samples = missing = 0
    end_90k: int | None = None
    for header in headers:
        samples += header.sample_count
        before = 0 if end_90k is None else header.start_90k - end_90k
        missing += round((before + header.duration_90k) / frame_90k) - header.sample_count
        end_90k = header.start_90k + header.duration_90k
    return Recorded(samples, missing)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _record(root: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_recorder(City.open(DataFolder(root)), stop, clock=_CLOCK, rng=random.Random())


if __name__ == "__main__":
    asyncio.run(_record(Path(sys.argv[1])))
