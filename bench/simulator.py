"""The simulated city as a process of its own, so that what it costs is told apart from what recording costs.

`python -m bench.simulator SPEC`, spoken to over its pipes: each line that comes in is answered with what every camera
has sent so far; when the input ends, so does it.
"""

import asyncio
import json
import random
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import uvloop

from civicam.city.encode import Encoding
from civicam.city.library import StreamSpec, make_streams
from civicam.city.loop import LoopedStream
from civicam.city.server import CityServer, plan_cameras
from civicam.core.clock import SystemClock

WORK = ".bench"
"""Where streams are kept and recordings are made, unless told otherwise."""
_STARTS_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class CitySpec:
    """Which city: drawn scenes, coded once and cached, shared by the cameras at different phases."""

    cameras: int
    width: int = 640
    height: int = 360
    fps: int = 15
    bitrate_kbit_s: int = 500
    scenes: int = 4
    loop_s: float = 10.0
    cache: str = f"{WORK}/streams"

    @property
    def frame_90k(self) -> int:
        """From one frame to the next."""
        return 90_000 // self.fps


def prepare(spec: CitySpec) -> None:
    """Draws and codes what is not cached yet. Starts processes: call it under `if __name__ == "__main__"`."""
    _streams(spec)


def _streams(spec: CitySpec) -> list[LoopedStream]:
    encoding = Encoding(spec.width, spec.height, spec.fps, spec.bitrate_kbit_s)
    Path(spec.cache).mkdir(parents=True, exist_ok=True)
    (Path(spec.cache) / ".gitignore").write_text("*\n", "ascii")
    return make_streams(spec.scenes, StreamSpec(encoding, spec.loop_s), 1, Path(spec.cache))


@dataclass(frozen=True, slots=True)
class Sent:
    """What the cameras have sent up to one moment.

    Attributes:
        wall_ns: when that was.
        frames: by camera.
        dropped: frames left out because a reader was too slow, in all.
        size_bytes: in all, with RTP headers.
        late_max_ms: the longest that the city was behind its own pace.
    """

    wall_ns: int
    frames: dict[str, int]
    dropped: int
    size_bytes: int
    late_max_ms: float


class CityProcess:
    """The handle of a simulator process: a context manager."""

    def __init__(self, spec: CitySpec) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.simulator", json.dumps(asdict(spec))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.urls: dict[str, str] = json.loads(self._answer())

    def __enter__(self) -> "CityProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(_STARTS_WITHIN_S)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def sent(self) -> Sent:
        """What was sent so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("sent\n")
        self._process.stdin.flush()
        return Sent(**json.loads(self._answer()))

    def wait_until_all_play(self, timeout_s: float) -> None:
        """Returns when every camera is sending.

        Raises:
            TimeoutError: some are not.
        """
        deadline = time.monotonic() + timeout_s
        before = self.sent().frames
        while True:
            time.sleep(1)
            now = self.sent().frames
            silent = [camera for camera, frames in now.items() if frames <= before[camera]]
            if not silent:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(silent)} cameras are not played after {timeout_s:g} s, such as {silent[0]}")
            before = now

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the simulator ended with status {self._process.wait()}")
        return line


def settled(city: CityProcess) -> Sent:
    """What was sent, once nobody plays any more."""
    before = city.sent()
    while True:
        time.sleep(1)
        now = city.sent()
        if now.frames == before.frames:
            return now
        before = now


async def _serve(spec: CitySpec) -> None:
    rng = random.Random(1)
    server = CityServer(plan_cameras(spec.cameras, _streams(spec), rng), clock=SystemClock(), rng=rng)
    await server.start()
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    sys.stdout.write(json.dumps(server.urls) + "\n")
    sys.stdout.flush()
    while await commands.readline():
        sys.stdout.write(json.dumps(asdict(_sent(server))) + "\n")
        sys.stdout.flush()
    await server.close()


def _sent(server: CityServer) -> Sent:
    stats = server.all_stats()
    return Sent(
        wall_ns=SystemClock().wall_ns(),
        frames={one.camera: one.frames for one in stats},
        dropped=sum(one.frames_dropped for one in stats),
        size_bytes=sum(one.bytes for one in stats),
        late_max_ms=server.late_max_ns / 1e6,
    )


def main() -> None:
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    uvloop.run(_serve(CitySpec(**json.loads(sys.argv[1]))))


if __name__ == "__main__":
    main()
