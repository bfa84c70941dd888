"""Fragments into segments: a clock that is set back, and a segment that is full."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from civicam.camera.sample import H264Setup
from civicam.core.errors import SegmentError, VolumeError
from civicam.core.ids import GapCause, StreamKey
from civicam.core.spans import total_ns
from civicam.footage.fragment import Fragment
from civicam.footage.segment_format import SegmentSetup
from civicam.footage.volume import Volume
from civicam.footage.writer import SegmentWriter
from civicam.recorder.coverage import CoverageChain
from civicam.recorder.fmp4 import codec_string, init_segment
from civicam.recorder.fragmenter import Fragmenter, FragmentLimits
from civicam.recorder.stream_writer import SegmentMaker, StreamWriter
from tests.fakes.house import House, main_stream
from tests.fakes.samples import encoded

KEY = main_stream("cam-1")
HOUR_NS = 3600 * 10**9
START_NS = 1_800_000_000 * 10**9


class Written:
    """A `FragmentSink` that writes to a real volume at once."""

    def __init__(self, root: Path, segment_s: int = 60) -> None:
        self.house = House.build(root)
        self.errors: list[Exception] = []
        maker = SegmentMaker(lambda _: self.house.volume, self._create, self._failed)
        chain = CoverageChain(KEY, START_NS, None)
        self.writer = StreamWriter(chain, START_NS, segment_s * 10**9, maker)

    def _create(self, volume: Volume, key: StreamKey, start_wall_ns: int, setup: H264Setup) -> SegmentWriter:
        stored = SegmentSetup(codec_string(setup), setup.width, setup.height, init_segment(setup))
        return SegmentWriter.create(
            volume, key, epoch=START_NS, start_wall_ns=start_wall_ns, created_wall_ns=START_NS, setup=stored,
            keyring=self.house.keyring,
        )  # fmt: skip

    def _failed(self, volume: Volume, error: VolumeError) -> None:
        self.errors.append(error)

    def fragment(self, fragment: Fragment, setup: H264Setup) -> None:
        error = self.writer.write(fragment, setup)
        if error is not None:
            self.errors.append(error)

    def missing(self, cause: GapCause, detail: str) -> None:
        self.writer.missing(cause, START_NS)

    def told(self) -> list[Fragment]:
        """Ends it all, tells the catalogue, and reads back what it tells."""
        self.writer.finish()
        outcome = self.writer.sync(START_NS)
        with self.house.catalogue as catalogue:
            catalogue.record(outcome.segments, outcome.gaps)
        return self.house.fragments("cam-1")


def fed(sink: Written, shifts_ns: list[int]) -> None:
    """Feeds one pass of real samples after another, the clock shifted against the first pass by so much."""
    setup, samples = encoded(90, gop=30)
    fragmenter = Fragmenter(sink, FragmentLimits(900_000, 1 << 24))
    fragmenter.setup(setup)
    length_90k = 90 * 6000
    length_ns = length_90k * 100_000 // 9
    for number, shift_ns in enumerate(shifts_ns):
        if number and shift_ns != shifts_ns[number - 1]:
            fragmenter.discontinuity("this machine's clock was set")
        for sample in samples:
            wall_ns = START_NS + (sample.wall_ns - 10**9) + number * length_ns + shift_ns
            fragmenter.sample(replace(sample, pts_90k=sample.pts_90k + number * length_90k, wall_ns=wall_ns))
    fragmenter.flush()


@pytest.fixture
def written(tmp_path: Path) -> Written:
    sink = Written(tmp_path)
    sink.house.add({KEY.camera: "rtsp://192.0.2.1/"})
    return sink


@pytest.mark.parametrize("back_ns", [HOUR_NS, 4 * 10**9])
def test_footage_after_a_clock_was_set_back_lies_under_the_new_time_and_nothing_is_squeezed(
    written: Written, back_ns: int
) -> None:
    fed(written, [0, 0, -back_ns, -back_ns])
    headers = sorted((f.header for f in written.told()), key=lambda header: header.start_90k)
    assert not written.errors
    assert len(headers) == 12
    assert all(abs(header.end_wall_ns - header.start_wall_ns - 2 * 10**9) < 10**6 for header in headers)
    before, after = headers[:6], headers[6:]
    assert after[0].start_wall_ns == pytest.approx(before[-1].end_wall_ns - back_ns, abs=10**6)
    for run in (before, after):
        assert all(earlier.end_wall_ns == later.start_wall_ns for earlier, later in itertools.pairwise(run))
    covered = total_ns([(header.start_wall_ns, header.end_wall_ns) for header in headers])
    assert written.writer.playable_ns <= covered


def test_a_clock_set_a_little_back_moves_no_footage(written: Written) -> None:
    fed(written, [0, -(10**8)])
    headers = [fragment.header for fragment in written.told()]
    assert all(earlier.end_wall_ns == later.start_wall_ns for earlier, later in itertools.pairwise(headers))


def test_a_segment_that_can_take_no_more_fragments_is_followed_by_another(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = SegmentWriter.append

    def full_after_two(self: SegmentWriter, fragment: Fragment) -> int:
        if self.written.fragment_count == 2:
            raise SegmentError("a segment holds two fragments at most")
        return append(self, fragment)

    monkeypatch.setattr(SegmentWriter, "append", full_after_two)
    fed(written, [0, 0])
    assert len(written.told()) == 6
    assert not written.errors
    with written.house.catalogue as catalogue:
        assert [row.fragment_count for row in catalogue.segments(KEY)] == [2, 2, 2]
