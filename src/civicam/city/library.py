"""The streams of a city: distinct scenes, drawn and coded once on all processors, then kept on disk.

A cached stream is two files, `<key>/<name>.mp4` and `<key>/<name>.truth.jsonl`; the key is made of what the pixels
depend on: the specification, the seed, this code, and the versions of numpy, Pillow and PyAV.
"""

import contextlib
import hashlib
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty

import av
import numpy as np
import PIL

from civicam.city.conditions import DAY, DUSK, NIGHT, OVERCAST, RAIN, Conditions
from civicam.city.draw import Renderer
from civicam.city.encode import Encoding, encode
from civicam.city.loop import LoopedStream
from civicam.city.picture import Picture
from civicam.city.scene_kinds import KINDS, stay_a_while
from civicam.city.truth import frame_line, head_line, truth_of
from civicam.city.video import load_video
from civicam.core.errors import CityError

Progress = Callable[[int, int], None]
"""Called with (frames done, frames in all) while streams are made; not at all when everything is cached."""

_CONDITIONS = (DAY, NIGHT, OVERCAST, DUSK, RAIN)
_REPORT_FRAMES = 15
_PIXEL_FILES = (
    "actors", "backdrop", "barcode", "conditions", "draw", "encode", "facades", "ground", "library", "picture",
    "pinhole", "scene", "scene_kinds", "sprites", "traffic", "truth",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """What the streams of a city have in common.

    Attributes:
        encoding: size, frame rate, bitrate, GOP.
        seconds: how long the loop is.
    """

    encoding: Encoding = field(default_factory=lambda: Encoding(640, 360))
    seconds: float = 30.0

    @property
    def frames(self) -> int:
        """The loop's length in frames."""
        return max(1, round(self.seconds * self.encoding.fps))


@dataclass(frozen=True, slots=True)
class CachedStream:
    """A stream of the city and its files."""

    stream: LoopedStream
    video: Path
    truth: Path


@dataclass(frozen=True, slots=True)
class _Job:
    """One stream to be made."""

    kind: str
    conditions: Conditions
    name: str
    seed: int
    spec: StreamSpec
    folder: Path

    @property
    def video(self) -> Path:
        return self.folder / f"{self.name}.mp4"

    @property
    def truth(self) -> Path:
        return self.folder / f"{self.name}.truth.jsonl"


def make_streams(
    count: int, spec: StreamSpec, seed: int, cache_dir: Path, progress: Progress | None = None
) -> list[LoopedStream]:
    """Returns `count` distinct streams, made now or before: see `make_library`."""
    return [cached.stream for cached in make_library(count, spec, seed, cache_dir, progress)]


def make_library(
    count: int, spec: StreamSpec, seed: int, cache_dir: Path, progress: Progress | None = None
) -> list[CachedStream]:
    """Returns `count` distinct streams with their ground truth, drawing those that `cache_dir` does not hold yet.

    What is missing is made in as many processes as there are processors. They start by importing the program's main
    module: a script that calls this does so under `if __name__ == "__main__"`.

    Raises:
        CityError: `spec` cannot be coded, `cache_dir` cannot be written, or a process died.
    """
    jobs = [_job(number, spec, seed, cache_dir / _key(spec, seed)) for number in range(count)]
    missing = [job for job in jobs if not (job.video.exists() and job.truth.exists())]
    if missing:
        _make_all(missing, progress or (lambda _done, _total: None))
    return [CachedStream(load_video(job.video), job.video, job.truth) for job in jobs]


def _job(number: int, spec: StreamSpec, seed: int, folder: Path) -> _Job:
    """Kinds and conditions take turns: after 15 streams every kind was seen in all conditions."""
    kind, conditions = KINDS[number % len(KINDS)], _CONDITIONS[number % len(_CONDITIONS)]
    name = f"{kind}-{number + 1}-{conditions.label}"
    return _Job(kind, conditions, name, seed * 1000 + number, spec, folder)


def _key(spec: StreamSpec, seed: int) -> str:
    return hashlib.sha256(f"{spec!r} {seed} {_code_version()}".encode()).hexdigest()[:16]


@cache
def _code_version() -> str:
    digest = hashlib.sha256(f"{np.__version__} {PIL.__version__} {av.__version__}".encode())
    for name in _PIXEL_FILES:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()


def _make_all(jobs: list[_Job], progress: Progress) -> None:
    total = sum(job.spec.frames for job in jobs)
    try:
        jobs[0].folder.mkdir(parents=True, exist_ok=True)
        processes = min(len(jobs), os.cpu_count() or 1)
        if processes == 1:
            _make_here(jobs, progress, total)
        else:
            _make_in_processes(jobs, progress, total, processes)
    except OSError as error:
        raise CityError(
            f"the simulator's streams cannot be kept: {error.strerror or error}", where=str(jobs[0].folder),
            fix="choose a folder that can be written, on a disk with room",
        ) from error  # fmt: skip


def _make_here(jobs: list[_Job], progress: Progress, total: int) -> None:
    done = 0

    def tell(frames: int) -> None:
        nonlocal done
        done += frames
        progress(done, total)

    for job in jobs:
        _make(job, tell)


def _make_in_processes(jobs: list[_Job], progress: Progress, total: int, processes: int) -> None:
    context = multiprocessing.get_context("spawn")
    told: Queue[int] = context.Queue()
    done = 0
    try:
        with ProcessPoolExecutor(processes, context, _remember, (told,)) as pool:
            pending = {pool.submit(_make_told, job) for job in jobs}
            while pending:
                finished, pending = wait(pending, timeout=0.2, return_when=FIRST_EXCEPTION)
                with contextlib.suppress(Empty):
                    while True:
                        done += told.get_nowait()
                if done:
                    progress(min(done, total), total)
                for future in finished:
                    future.result()
    except BrokenProcessPool as error:
        raise CityError(
            "a process that draws the city's streams died",
            fix='call this under `if __name__ == "__main__"`, and check that there is memory left',
        ) from error
    finally:
        told.close()
        told.join_thread()
    if done < total:
        progress(total, total)


_told: "list[Queue[int]]" = []  # in a drawing process: where it reports; a pool's initialiser has no other place


def _remember(told: "Queue[int]") -> None:
    _told[:] = [told]


def _make_told(job: _Job) -> None:
    _make(job, _told[0].put)


def _make(job: _Job, tell: Callable[[int], None]) -> None:
    """Draws and codes one stream. The video appears last and whole, so that it says that both files are there."""
    encoding = job.spec.encoding
    renderer = Renderer(
        job.kind,
        job.seed,
        width=encoding.width,
        height=encoding.height,
        fps=encoding.fps,
        frames=job.spec.frames,
        conditions=job.conditions,
        alter=lambda scene: stay_a_while(scene, job.spec.seconds, job.seed),
    )
    with tempfile.TemporaryDirectory(dir=job.folder, prefix=".making-") as scratch:
        video, truth = Path(scratch) / job.video.name, Path(scratch) / job.truth.name
        encode(_drawn(renderer, job.name, truth, tell), encoding, video)
        truth.replace(job.truth)
        video.replace(job.video)


def _drawn(renderer: Renderer, name: str, truth: Path, tell: Callable[[int], None]) -> Iterator[Picture]:
    """Draws frame after frame, writing down what each shows."""
    untold = 0
    with truth.open("w", encoding="utf-8") as file:
        file.write(head_line(name, renderer))
        for number in range(renderer.frames):
            frame = renderer.frame(number)
            file.write(frame_line(truth_of(frame, renderer)))
            untold += 1
            if untold == _REPORT_FRAMES or number == renderer.frames - 1:
                tell(untold)
                untold = 0
            yield frame.picture
