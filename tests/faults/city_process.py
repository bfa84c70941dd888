"""A simulated city as a process of its own, which outlives every recorder: `python -m tests.faults.city_process`."""

import argparse
import asyncio
import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from civicam.city.sent import FrameFate, SentFrame, SentLog
from civicam.city.server import CityServer, plan_cameras
from civicam.core.clock import SystemClock
from civicam.core.ids import CameraId, StreamName
from tests.fakes.loop import looped_stream

_FPS = 15
"""A GOP lasts a second, and a loop two."""

ROOT = Path(__file__).parents[2]


class CityProcess:
    """Cameras in another process, and the log of every frame they sent.

    Attributes:
        urls: where the cameras are.
        sent: each camera's frames, in order, as far as `read` has come; the log is written once a second.
    """

    def __init__(self, log: Path, cameras: int, seed: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.city_process", str(log), str(cameras), str(seed)],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.urls: dict[CameraId, str] = json.loads(self._process.stdout.readline())
        self.sent: dict[CameraId, list[SentFrame]] = {camera: [] for camera in self.urls}
        self._log = log
        self._read_bytes = 0

    def __enter__(self) -> "CityProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops the city; its log is whole then."""
        self._process.terminate()
        self._process.wait(20)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def read(self) -> None:
        """Takes in what the log has become longer by."""
        with self._log.open("rb") as file:
            file.seek(self._read_bytes)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        for line in whole.splitlines():
            raw = json.loads(line)
            if raw.pop("kind") == "frame":
                raw |= {"stream": StreamName(raw["stream"]), "fate": FrameFate(raw["fate"])}
                frame = SentFrame(**raw)
                self.sent[frame.camera].append(frame)


async def _serve(log: Path, cameras: int, seed: int) -> None:
    sent = SentLog(log, frames=True)
    planned = plan_cameras(cameras, [looped_stream(fps=_FPS, gop=_FPS, frames=2 * _FPS)], random.Random(seed))
    server = CityServer(planned, clock=SystemClock(), rng=random.Random(seed + 1), sent=sent)
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sys.stdout.write(json.dumps(server.urls) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await server.close()
    sent.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("cameras", type=int)
    parser.add_argument("seed", type=int)
    given = parser.parse_args()
    asyncio.run(_serve(given.log, given.cameras, given.seed))
