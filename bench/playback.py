"""How soon a random second of a month of a city is seen, and whether cameras stay in step.

`python -m bench.playback --json`. The catalogue is whole: 30 days of 100 cameras, a row a minute. The footage is
sparse: only the minutes that are asked for are on disk, each a real segment of a drawn scene's H.264, sealed and
indexed by the recorder's writer; its pages are dropped from memory before it is asked for. Names of background models
lie in each asked camera's folder as densely as in use (one in ten minutes); only the nearest one has a model in it.

What is timed is all that a player waits for but HTTP and its own: the playlist, the initialisation, the first segment
(read, opened, decoded, redacted, coded), and decoding its first frame.
"""

import argparse
import io
import json
import os
import random
import shutil
import sqlite3
import statistics
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import av

from bench.live import SETTINGS, Loop, loops
from bench.measure import machine
from bench.simulator import WORK
from civicam.camera.sample import H264Setup
from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Camera, RegisterEntry, Segment
from civicam.core.citykey import CityKey
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from civicam.footage.fragment import Fragment
from civicam.footage.keys import KeyRing
from civicam.footage.segment_format import SegmentSetup
from civicam.footage.volume import Volume
from civicam.footage.writer import SegmentWriter
from civicam.player.archive_reader import ArchiveReader
from civicam.player.hls import playlist, slot_windows, slots
from civicam.player.playback import Playback, Request, StoredScenes, initialisation, media_90k
from civicam.recorder.fmp4 import codec_string, init_segment
from civicam.recorder.fragmenter import Fragmenter, FragmentLimits
from civicam.redaction.redacted import FullCover
from civicam.redaction.redactor import Redactor
from civicam.vision.decoder import Decoder
from civicam.vision.model_store import ModelStore

SIZE = (640, 360)
S = 1_000_000_000
START_NS = 1_772_323_200 * S
_ENTRY = RegisterEntry("bench", "bench", 30.0, "bench")
EPOCH = START_NS - S
FRAME_NS = 66_666_667
MINUTE_NS = 60 * S
MODELS_EVERY_NS = 600 * S
WATCHED_S = 60


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds from asking to the first decoded frame.

    Attributes:
        count: how often it was asked.
        median: of all.
        p95: the 95th percentile.
        most: the longest.
        covered: of those, how many began with a frame that was covered as a whole.
        cpu_median: milliseconds of processor time, on a machine that does other things too.
    """

    count: int
    median: float
    p95: float
    most: float
    covered: int
    cpu_median: float


@dataclass(frozen=True, slots=True)
class InStep:
    """Cameras beside each other.

    Attributes:
        cameras: how many.
        seconds: how long.
        frames: decoded of all cameras.
        frame_ms: how long a frame lasts.
        most_apart_ms: the most that two cameras' frames on the screen were apart, by when they were recorded.
        cost_ms: of one thread, for a frame.
    """

    cameras: int
    seconds: int
    frames: int
    frame_ms: float
    most_apart_ms: float
    cost_ms: float


class Fragments:
    """A `FragmentSink` that keeps what it gets."""

    def __init__(self) -> None:
        self.fragments: list[Fragment] = []

    def fragment(self, fragment: Fragment, setup: H264Setup) -> None:
        """Keeps it."""
        self.fragments.append(fragment)

    def missing(self, cause: GapCause, detail: str) -> None:
        """Cannot be here: raises AssertionError."""
        raise AssertionError(detail)


class Month:
    """A city that recorded for a month, as much of it as is asked for.

    Args:
        root: its folder, made anew.
        cameras: how many.
        days: how long.
        scenes: what they show.
    """

    def __init__(self, root: Path, cameras: int, days: int, scenes: list[Loop]) -> None:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        self.keys = [StreamKey(CameraId(f"cam-{number:03d}"), StreamName.MAIN) for number in range(cameras)]
        self.minutes = days * 1440
        self.catalogue = root / "catalogue.sqlite"
        self.volume = Volume("main", root / "footage", 0)
        self.volume.prepare()
        city_key = CityKey(b"k" * 32)
        self.keyring = KeyRing(city_key)
        self.store = ModelStore(root / "scenes", city_key)
        self._scenes = scenes
        # The loops have a key where they begin anew: their fragments are more than one in two seconds.
        self._fragments = sum(sample.is_key for sample in scenes[0].played(900))
        self._models = [_learned(scene) for scene in scenes]
        self._scenes_root = root / "scenes"
        self._written: set[tuple[StreamKey, int]] = set()
        self._fill()
        self.rows = len(self.keys) * self.minutes

    def _fill(self) -> None:
        """One camera's rows through the catalogue, the others' copied from it by SQL; the hourly sums are left out."""
        with Catalogue.open(self.catalogue, create=True) as catalogue:
            for key in self.keys:
                urls = {StreamName.MAIN: "rtsp://127.0.0.1/1"}
                catalogue.add_camera(Camera(key.camera, key.camera, urls, None, "bench", START_NS, None, _ENTRY))
            starts = range(START_NS, START_NS + self.minutes * MINUTE_NS, MINUTE_NS)
            catalogue.record([self._row(self.keys[0], at) for at in starts])
        connection = sqlite3.connect(self.catalogue, isolation_level=None)
        columns = [row[1] for row in connection.execute("PRAGMA table_info(segments)")]
        others = ", ".join(column for column in columns if column != "stream_id")
        first = "(SELECT id FROM streams WHERE camera = 'cam-000')"
        connection.execute("BEGIN")
        connection.execute(
            f"INSERT INTO segments (stream_id, {others}) SELECT streams.id, {others} FROM streams, segments"  # noqa: S608
            f" WHERE stream_id = {first} AND streams.id != {first} ORDER BY streams.id, start_ns"
        )
        connection.execute("UPDATE streams SET longest_segment_ns = (SELECT max(longest_segment_ns) FROM streams)")
        connection.execute("COMMIT")
        connection.close()

    def _row(self, key: StreamKey, start_ns: int) -> Segment:
        return Segment(key, start_ns, start_ns + MINUTE_NS, EPOCH, "main", 3_900_000, self._fragments, 900, bytes(32))

    def footage(self, key: StreamKey, start_ns: int, end_ns: int, phase_ns: int = 0) -> None:
        """Puts the minutes from `start_ns` to `end_ns` on disk, frames `phase_ns` after the minute."""
        number = self.keys.index(key) % len(self._scenes)
        for at_ns in range(start_ns // MINUTE_NS * MINUTE_NS, end_ns, MINUTE_NS):
            if (key, at_ns) not in self._written:
                self._written.add((key, at_ns))
                self._write(key, at_ns, self._scenes[number], phase_ns)

    def _write(self, key: StreamKey, start_ns: int, scene: Loop, phase_ns: int) -> None:
        made = Fragments()
        fragmenter = Fragmenter(made, FragmentLimits(900_000, 8 << 20))
        fragmenter.setup(scene.setup)
        for sample in scene.played(900, start_ns + phase_ns):
            fragmenter.sample(sample)
        fragmenter.flush()
        setup = SegmentSetup(codec_string(scene.setup), *SIZE, init_segment(scene.setup))
        writer = SegmentWriter.create(
            self.volume, key, epoch=EPOCH, start_wall_ns=start_ns, created_wall_ns=start_ns, setup=setup,
            keyring=self.keyring,
        )  # fmt: skip
        for fragment in made.fragments:
            writer.append(fragment)
        writer.close()
        from civicam.footage.layout import closed_path  # noqa: PLC0415

        descriptor = os.open(closed_path(self.volume.root, writer.name), os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)

    def model(self, key: StreamKey, wall_ns: int) -> None:
        """Keeps a model of the ten minutes that `wall_ns` lies in, and the names of all others."""
        folder = self._scenes_root / key.camera
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
            for at_ns in range(START_NS, START_NS + self.minutes * MINUTE_NS, MODELS_EVERY_NS):
                (folder / f"{at_ns:020d}.model").touch()
        number = self.keys.index(key) % len(self._scenes)
        self.store.save(key.camera, wall_ns // MODELS_EVERY_NS * MODELS_EVERY_NS, self._models[number])

    def open(self) -> tuple[ArchiveReader, Playback]:
        """Its archive and playback."""
        archive = ArchiveReader(self.catalogue, {"main": self.volume}, self.keyring)
        return archive, Playback(archive, StoredScenes(self.store, lambda _: SETTINGS))


def _learned(scene: Loop) -> bytes:
    """What a model of the scene is after 200 s of keys and frames."""
    redactor, decoder = Redactor(SETTINGS), Decoder()
    decoder.setup(scene.setup)
    for sample in scene.played(900):
        for picture in decoder.decode(sample):
            if picture.is_key or sample.pts_90k // 6000 % 3 == 0:
                redactor.learn(replace(picture, wall_ns=picture.wall_ns))
    model = redactor.model
    assert model is not None
    assert model.is_warm
    return model.to_bytes()


def _decoded(init: bytes, media: bytes) -> Iterator[av.VideoFrame]:
    with av.open(io.BytesIO(init + media), "r") as container:
        yield from container.decode(video=0)


def first_frames(month: Month, count: int, rng: random.Random, *, seeks: bool) -> Times:
    """Asks for `count` random seconds; for seeks, of one camera that is being played, within an hour."""
    archive, playback = month.open()
    asked = []
    seek_key, hour_ns = rng.choice(month.keys), rng.randrange(month.minutes // 60 - 1) * 60 * MINUTE_NS
    for _ in range(count):
        key = seek_key if seeks else rng.choice(month.keys)
        second = hour_ns // S + rng.randrange(3600) if seeks else rng.randrange(60, month.minutes * 60 - 120)
        at_ns = START_NS + second * S
        month.footage(key, max(at_ns - MINUTE_NS, START_NS), at_ns + WATCHED_S * S)
        month.model(key, at_ns)
        asked.append((key, at_ns))
    times, cpu, covered = [], [], 0
    for key, at_ns in asked:
        begun, begun_cpu = time.perf_counter(), time.process_time()
        found = slots(archive, key, (at_ns, at_ns + WATCHED_S * S))
        assert playlist(found)
        init = initialisation(found[0].size)
        made = playback.stretch(Request(key, found[0].window, 1.0, found[0].size))
        frame = next(_decoded(init.data, made.media_segment(0)))
        times.append((time.perf_counter() - begun) * 1000)
        cpu.append((time.process_time() - begun_cpu) * 1000)
        covered += _is_covered(frame)
    archive.close()
    times.sort()
    p95 = times[min(len(times) - 1, round(0.95 * len(times)))]
    return Times(count, statistics.median(times), p95, times[-1], covered, statistics.median(cpu))


def _is_covered(frame: av.VideoFrame) -> bool:
    """Whether a frame is as good as one of the full covers."""
    pixels = frame.to_ndarray()[: frame.height].astype(int)
    covers = (Redactor(SETTINGS).cover_all(SIZE, reason, 0, 0).picture.y for reason in FullCover)
    return any(abs(pixels - cover).mean() < 2 for cover in covers)


def in_step(month: Month, cameras: int, seconds: int) -> InStep:
    """Plays cameras beside each other, whose frames were recorded at different moments, and decodes all of it."""
    archive, playback = month.open()
    start_ns = START_NS + 3 * MINUTE_NS
    window = start_ns, start_ns + seconds * S
    shown: list[list[tuple[int, int]]] = []
    frames, begun = 0, 0.0
    for number, key in enumerate(month.keys[:cameras]):
        phase_ns = number * FRAME_NS // cameras
        month.footage(key, start_ns - MINUTE_NS, window[1], phase_ns)
        month.model(key, start_ns)
        before = time.perf_counter()
        found, count = _shown(playback, key, window, phase_ns)
        begun += time.perf_counter() - before
        shown.append(found)
        frames += count
    archive.close()
    most_ns = max(_apart(shown, at_90k) for at_90k in range(9_000, seconds * 90_000, 900))
    return InStep(cameras, seconds, frames, FRAME_NS / 1e6, most_ns / 1e6, begun * 1000 / frames)


def _shown(
    playback: Playback, key: StreamKey, window: tuple[int, int], phase_ns: int
) -> tuple[list[tuple[int, int]], int]:
    """When each frame is on the screen by its PTS, in ticks from the range's start, and when it was recorded."""
    init = initialisation(SIZE).data
    found: list[tuple[int, int]] = []
    for slot in slot_windows(window, 1.0):
        offset_90k = media_90k(slot[0] - window[0], 1.0)
        made = playback.stretch(Request(key, slot, 1.0, SIZE))
        for frame in _decoded(init, made.media_segment(offset_90k)):
            assert frame.pts is not None
            wall_ns = window[0] + frame.pts * 100_000 // 9
            # The recorded frame that was on the screen then: frames begin `phase_ns` after each minute.
            since_ns = (wall_ns + 1_000_000) % MINUTE_NS - phase_ns
            recorded_ns = wall_ns - wall_ns % MINUTE_NS + phase_ns + since_ns // FRAME_NS * FRAME_NS
            found.append((frame.pts, recorded_ns))
    return found, len(found)


def _apart(shown: list[list[tuple[int, int]]], at_90k: int) -> int:
    """How far the cameras' frames on the screen at `at_90k` are apart."""
    recorded = [frames[bisect_right(frames, at_90k, key=lambda one: one[0]) - 1][1] for frames in shown]
    return max(recorded) - min(recorded)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cameras", type=int, default=100)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seconds-asked", type=int, default=60)
    parser.add_argument("--in-step-s", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=WORK)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    where = machine(options.folder)
    root = options.folder / "playback"
    month = Month(root, options.cameras, options.days, loops(SIZE, options.folder / "streams"))
    report = {
        "machine": where.as_json(),
        "catalogue_rows": month.rows,
        "first_frame_ms": asdict(first_frames(month, options.seconds_asked, rng, seeks=False)),
        "seek_ms": asdict(first_frames(month, options.seconds_asked, rng, seeks=True)),
        "in_step": asdict(in_step(month, 4, options.in_step_s)),
    }
    shutil.rmtree(root, ignore_errors=True)
    if options.json:
        print(json.dumps(report, indent=2))
        return
    print(where)
    for name, value in report.items():
        if name != "machine":
            print(name, value)


if __name__ == "__main__":
    main()
