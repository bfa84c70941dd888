"""Every moment of a stream is covered or in a gap, whatever happens to it."""

from hypothesis import given
from hypothesis import strategies as st

from civicam.catalogue.models import GapRow
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from civicam.core.spans import Span, intersect, total_ns, union
from civicam.footage.fragment import FragmentHeader, Gap
from civicam.recorder.coverage import CoverageChain

KEY = StreamKey(CameraId("cam"), StreamName.MAIN)


def header(start: int, end: int, is_damaged: bool = False) -> FragmentHeader:
    return FragmentHeader(0, 1, start, end, None, 1, not is_damaged, is_damaged, None)


def test_fragments_that_touch_leave_no_gap() -> None:
    chain = CoverageChain(KEY, 100, None)
    assert chain.written(header(100, 200)) == (100, None)
    assert chain.written(header(200, 300)) == (100, None)
    assert chain.open_gap(400) is None


def test_a_gap_has_the_cause_it_began_with() -> None:
    chain = CoverageChain(KEY, 100, None)
    chain.missing(GapCause.LOST_PACKETS, 100)
    assert chain.gap_before(header(150, 200)) == Gap(50, GapCause.LOST_PACKETS)
    assert chain.written(header(150, 200)) == (50, GapRow(KEY, 100, 150, GapCause.LOST_PACKETS))


def test_a_new_cause_in_a_lasting_gap_ends_one_row_and_begins_another() -> None:
    chain = CoverageChain(KEY, 100, GapCause.SHUT_DOWN)
    assert chain.missing(GapCause.CAMERA_SILENT, 400) == [GapRow(KEY, 100, 400, GapCause.SHUT_DOWN)]
    assert chain.missing(GapCause.CAMERA_SILENT, 500) == []
    assert chain.open_gap(600) == GapRow(KEY, 400, 600, GapCause.CAMERA_SILENT)


def test_damaged_footage_is_no_coverage() -> None:
    chain = CoverageChain(KEY, 100, None)
    chain.missing(GapCause.LOST_PACKETS, 100)
    assert chain.written(header(120, 180, is_damaged=True)) == (0, None)
    assert chain.written(header(200, 300)) == (100, GapRow(KEY, 100, 200, GapCause.LOST_PACKETS))


EVENTS = st.lists(
    st.tuples(st.sampled_from(["good", "damaged", "missing"]), st.integers(0, 50), st.sampled_from(list(GapCause))),
    max_size=60,
)


@given(EVENTS)
def test_covered_time_and_gaps_tile_all_time_without_overlap(events: list[tuple[str, int, GapCause]]) -> None:
    chain = CoverageChain(KEY, 0, None)
    now, covered, gaps = 0, list[Span](), list[Span]()
    counted = 0
    for kind, wait, cause in events:
        if kind == "missing":
            now += wait
            gaps += [(row.start_wall_ns, row.end_wall_ns) for row in chain.missing(cause, now)]
            continue
        start, now = now + wait, now + wait + 10
        gained, row = chain.written(header(start, now, is_damaged=kind == "damaged"))
        counted += gained
        gaps += [(row.start_wall_ns, row.end_wall_ns)] if row else []
        covered += [(start, now)] if kind == "good" else []
    last = chain.open_gap(now)
    gaps += [(last.start_wall_ns, last.end_wall_ns)] if last else []
    told = intersect([*covered, *gaps], (0, chain.covered_until_ns))
    assert told == ([(0, chain.covered_until_ns)] if chain.covered_until_ns else [])
    assert counted == total_ns(covered)
    assert total_ns(gaps) == sum(end - start for start, end in gaps)
    assert total_ns(gaps) + total_ns(covered) == total_ns(union([*gaps, *covered]))
