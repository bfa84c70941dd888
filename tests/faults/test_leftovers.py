"""Moments of a crash that seldom come by chance, each made on purpose."""

from dataclasses import replace
from pathlib import Path

import pytest

from civicam.catalogue.catalogue import Catalogue
from civicam.core.ids import GapCause
from civicam.footage.fragment import Fragment
from civicam.recorder.coverage import CoverageChain
from civicam.recorder.stream_writer import SegmentMaker, StreamWriter
from civicam.upkeep.check import check
from civicam.upkeep.leftovers import Leftovers
from tests.fakes.recorded import KEYS, START_NS, Recorded, S, minute
from tests.faults.proof import false_coverage_ns

KEY = KEYS[0]


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_gap_that_lasted_ends_where_the_fragment_says_that_was_written_just_before_the_crash(
    tmp_path: Path, is_closed: bool
) -> None:
    made = Recorded.make(tmp_path)
    with Catalogue.open(made.path) as catalogue:
        told = catalogue.last_end(KEY)
        assert told is not None
        end_ns = told[0]
        maker = SegmentMaker(lambda _: made.volume, made._segment, lambda *_: None)
        writer = StreamWriter(CoverageChain(KEY, end_ns, GapCause.CRASH), START_NS, 60 * S, maker)
        # The camera is back at 5 s, its first GOP is in hand, and the gap is told up to 6.5 s.
        outcome = writer.sync(end_ns + 13 * S // 2)
        assert [gap.end_wall_ns - gap.start_wall_ns for gap in outcome.gaps] == [13 * S // 2]
        catalogue.record(outcome.segments, outcome.gaps)
        # It is written at 7 s, and the recorder dies before the catalogue is told.
        setup, fragments = minute()
        first = fragments[0]
        assert isinstance(first, Fragment)
        start_ns = end_ns + 5 * S
        header = replace(first.header, start_wall_ns=start_ns, end_wall_ns=start_ns + 2 * S)
        assert writer.write(Fragment(header, first.payload), setup) is None
        track = writer._current
        assert track is not None
        if is_closed:
            track.segment.close()
        else:
            track.segment.abandon()

        assert not Leftovers([made.volume], made.keyring).finish(catalogue, KEY)

        last = [(gap.start_wall_ns, gap.end_wall_ns, gap.cause) for gap in catalogue.gaps(KEY)][-1]
        assert last == (end_ns, start_ns, GapCause.CRASH)
        assert false_coverage_ns(catalogue, [made.volume], made.keyring, KEY) == 0
        report = check(catalogue, [made.volume], made.keyring, deep=True, now_ns=start_ns + 10 * S)
        assert not report.problems
