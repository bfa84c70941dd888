"""A disk whose calls fail, now one and now another: what is not safely there is told as a gap, and nothing else is."""

import errno
import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from civicam.camera.sample import H264Setup
from civicam.catalogue.catalogue import ALL_TIME, Catalogue
from civicam.catalogue.models import Camera
from civicam.core.citykey import CityKey
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from civicam.core.spans import Span, subtract
from civicam.footage.fragment import Fragment
from civicam.footage.keys import KeyRing
from civicam.footage.segment_format import SegmentSetup
from civicam.footage.volume import Volume
from civicam.footage.writer import SegmentWriter
from civicam.recorder.coverage import CoverageChain
from civicam.recorder.fmp4 import codec_string, init_segment
from civicam.recorder.fragmenter import Fragmenter, FragmentLimits
from civicam.recorder.plan import StreamPlan
from civicam.recorder.recording import resume
from civicam.recorder.stream_writer import SegmentMaker, StreamWriter
from civicam.upkeep.check import check
from civicam.upkeep.leftovers import Leftovers
from tests.fakes.recorded import START_NS, S
from tests.fakes.register import REGISTER
from tests.fakes.samples import FRAME_90K, FRAME_NS, encoded
from tests.fakes.segments import FaultyDisk
from tests.faults.proof import false_coverage_ns

KEY = StreamKey(CameraId("rudaki-07"), StreamName.MAIN)
CALLS = ("create", "write", "sync", "sync_folder", "move", "truncate", "make_folder", "link")
ERRORS = (errno.EIO, errno.ENOSPC, errno.EROFS)


class _Made:
    def __init__(self) -> None:
        self.fragments: list[Fragment] = []

    def fragment(self, fragment: Fragment, setup: H264Setup) -> None:
        self.fragments.append(fragment)

    def missing(self, cause: GapCause, detail: str) -> None:
        raise AssertionError(detail)


@cache
def footage() -> tuple[H264Setup, list[Fragment]]:
    """Two minutes of GOPs of two seconds."""
    setup, samples = encoded(count=30, gop=30, size=(64, 48))
    made = _Made()
    fragmenter = Fragmenter(made, FragmentLimits(900_000, 1 << 20))
    fragmenter.setup(setup)
    for number in range(30 * 60):
        sample = samples[number % 30]
        fragmenter.sample(replace(sample, pts_90k=number * FRAME_90K, wall_ns=number * FRAME_NS))
    fragmenter.flush()
    return setup, made.fragments


class Life:
    """One stream, recorded to a disk that can be made to fail, by one start of a recorder after the other."""

    def __init__(self, root: Path) -> None:
        self.disk = FaultyDisk()
        self.volume = Volume("main", root / "main", 0, self.disk)
        self.volume.prepare()
        self.keyring = KeyRing(CityKey(b"k" * 32), disk=self.disk)
        self.catalogue = Catalogue.open(root / "catalogue.sqlite", create=True)
        urls = {StreamName.MAIN: "rtsp://127.0.0.1/1"}
        self.catalogue.add_camera(Camera(KEY.camera, "Rudaki", urls, None, "test", START_NS, None, REGISTER))
        self.now_ns, self.count = START_NS, 0
        self.written: list[Span] = []
        self.start()

    def start(self) -> None:
        """A recorder starts: it finishes what is left, and goes on where the story ends."""
        self.epoch = self.now_ns
        self.faults = Leftovers([self.volume], self.keyring).finish(self.catalogue, KEY)
        chain: CoverageChain = resume(self.catalogue, StreamPlan(KEY, "", START_NS))
        maker = SegmentMaker(lambda _: self.volume, self._segment, lambda *_: None)
        self.writer = StreamWriter(chain, self.epoch, 6 * S, maker)

    def fragment(self) -> bool:
        """The next GOP of two seconds comes; whether the disk took it."""
        setup, made = footage()
        fragment = made[self.count]
        self.count += 1
        span = (self.now_ns, self.now_ns + 2 * S)
        self.now_ns = span[1]
        header = replace(fragment.header, start_wall_ns=span[0], end_wall_ns=span[1])
        error = self.writer.write(Fragment(header, fragment.payload), setup)
        if error is None:
            self.written.append(span)
        return error is None

    def sync(self) -> None:
        """What is written becomes durable, and the catalogue is told."""
        outcome = self.writer.sync(self.now_ns)
        self.catalogue.record(outcome.segments, outcome.gaps)

    def stop(self) -> None:
        """Ends on purpose."""
        self.writer.finish()
        self.writer.missing(GapCause.SHUT_DOWN, self.now_ns)
        self.sync()

    def crash(self) -> None:
        """Ends at once."""
        self.disk.die()

    def _segment(self, volume: Volume, key: StreamKey, start_wall_ns: int, setup: H264Setup) -> SegmentWriter:
        stored = SegmentSetup(codec_string(setup), setup.width, setup.height, init_segment(setup))
        return SegmentWriter.create(
            volume, key, epoch=self.epoch, start_wall_ns=start_wall_ns, created_wall_ns=self.now_ns, setup=stored,
            keyring=self.keyring,
        )  # fmt: skip

    def prove(self) -> None:
        """Nothing is wrong, and nothing is hidden but what a failed sync made doubtful."""
        assert not self.faults
        assert not list(self.volume.open_segments())
        report = check(self.catalogue, [self.volume], self.keyring, deep=True, now_ns=self.now_ns)
        assert not report.problems
        assert false_coverage_ns(self.catalogue, [self.volume], self.keyring, KEY) == 0
        told = self.catalogue.last_end(KEY)
        assert told is not None
        coverage = self.catalogue.coverage(KEY, (0, told[0]))
        assert not coverage.unexplained
        assert not subtract(coverage.playable, self.written)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_call_fails_the_catalogue_never_says_more_than_the_disk_has(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    life = Life(tmp_path)
    for _ in range(40):
        life.disk.failing = {rng.choice(CALLS): rng.choice(ERRORS)} if rng.random() < 0.35 else {}
        life.fragment()
        if rng.random() < 0.7:
            life.sync()
        if rng.random() < 0.06:
            life.disk.failing = {}
            life.crash()
            life.now_ns += rng.randrange(10 * S)
            life.start()
    life.disk.failing = {}
    life.fragment()
    life.stop()
    life.start()
    life.prove()


@pytest.mark.parametrize("call", ["sync", "write"])
def test_what_a_disk_did_not_take_is_a_gap_and_recording_goes_on_when_it_does_again(tmp_path: Path, call: str) -> None:
    life = Life(tmp_path)
    for _ in range(2):
        assert life.fragment()
        life.sync()
    life.disk.failing = {call: errno.EIO}
    for _ in range(3):
        life.fragment()
        life.sync()
    life.disk.failing = {}
    for _ in range(2):
        assert life.fragment()
        life.sync()
    life.stop()

    gaps = [gap for gap in life.catalogue.gaps(KEY) if gap.cause is GapCause.DISK]
    missing = subtract([(START_NS + 4 * S, START_NS + 10 * S)], [(gap.start_wall_ns, gap.end_wall_ns) for gap in gaps])
    assert not missing
    assert life.catalogue.coverage(KEY, ALL_TIME).playable_ns == 8 * S
    life.start()
    life.prove()
