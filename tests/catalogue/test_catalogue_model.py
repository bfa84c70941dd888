"""The catalogue against a model of a few dictionaries, through any sequence of changes."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Camera, GapRow, Hold, Segment
from civicam.catalogue.rollup import HOUR_NS, count_window, hour_window, stored_hours
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from civicam.core.spans import intersect, subtract, total_ns, union
from tests.fakes.register import REGISTER

KEYS = [
    StreamKey(CameraId("a-1"), StreamName.MAIN),
    StreamKey(CameraId("a-1"), StreamName.SUB),
    StreamKey(CameraId("b-2"), StreamName.MAIN),
]
# A twelfth of an hour a step: spans share ends, cross hours and overlap often.
STEP_NS = HOUR_NS // 12
moments = st.integers(1, 60).map(lambda step: step * STEP_NS)
spans = st.tuples(moments, st.integers(0, 30)).map(lambda pair: (pair[0], pair[0] + pair[1] * STEP_NS))
keys = st.sampled_from(KEYS)
digests = st.sampled_from([None, b"d" * 32])


def segment_rows() -> st.SearchStrategy[Segment]:
    return st.builds(
        lambda key, span, size, volume, digest: Segment(key, span[0], span[1], 7, volume, size, 1, 2, digest),
        keys,
        spans,
        st.integers(0, 1000),
        st.sampled_from(["v1", "v2"]),
        digests,
    )


def gap_rows() -> st.SearchStrategy[GapRow]:
    return st.builds(
        lambda key, span, cause: GapRow(key, span[0], span[1], cause), keys, spans, st.sampled_from(GapCause)
    )


class CatalogueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.catalogue = Catalogue.open(Path(self.folder.name) / "catalogue.sqlite", create=True)
        self.segments: dict[tuple[StreamKey, int], Segment] = {}
        self.gaps: dict[tuple[StreamKey, int], GapRow] = {}
        self.holds: dict[int, Hold] = {}
        self.expired_before: dict[StreamKey, int] = dict.fromkeys(KEYS, 0)

    def teardown(self) -> None:
        self.catalogue.close()
        self.folder.cleanup()

    @initialize()
    def cameras(self) -> None:
        for camera in ("a-1", "b-2"):
            urls = {key.stream: "rtsp://127.0.0.1/" for key in KEYS if key.camera == camera}
            self.catalogue.add_camera(Camera(CameraId(camera), "", urls, None, "traffic", STEP_NS, None, REGISTER))

    @rule(rows=st.lists(segment_rows(), max_size=5), gaps=st.lists(gap_rows(), max_size=3))
    def record(self, rows: list[Segment], gaps: list[GapRow]) -> None:
        self.catalogue.record(rows, gaps)
        # Two rows with one key in one call: the one sorted last stays, and sorting keeps their order.
        self.segments.update({(row.key, row.start_wall_ns): row for row in rows})
        self.gaps.update({(gap.key, gap.start_wall_ns): gap for gap in gaps})

    @rule(key=keys, steps=st.integers(0, 20), as_gap=st.booleans(), cause=st.sampled_from(GapCause))
    def grow_at_the_end(self, key: StreamKey, steps: int, as_gap: bool, cause: GapCause) -> None:
        found = self.catalogue.last_end(key)
        start_ns = found[0] if found else STEP_NS
        end_ns = start_ns + steps * STEP_NS
        if as_gap:
            gap = found[1] if found and found[1] else GapRow(key, start_ns, start_ns, cause)
            self.record([], [GapRow(key, gap.start_wall_ns, end_ns, gap.cause)])
        else:
            self.record([Segment(key, start_ns, end_ns, 7, "v1", 10, 1, 2, None)], [])

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        if self.segments:
            key, start_ns = data.draw(st.sampled_from(sorted(self.segments)))
            self.catalogue.forget(key, start_ns)
            del self.segments[key, start_ns]

    @rule(limit=st.integers(1, 4))
    def expire(self, limit: int) -> None:
        asked = self.catalogue.oldest_segments(limit)
        taken = self.catalogue.expire(asked)
        assert taken == asked
        for row in taken:
            del self.segments[row.key, row.start_wall_ns]
            self.expired_before[row.key] = max(self.expired_before[row.key], row.end_wall_ns)
        for key in {row.key for row in taken}:
            oldest = min((row.start_wall_ns for row in self.of(key)), default=2**63)
            keep_from_ns = min(oldest, self.expired_before[key])
            for gap in [gap for gap in self.gaps_of(key) if gap.end_wall_ns <= keep_from_ns > gap.start_wall_ns]:
                del self.gaps[key, gap.start_wall_ns]

    @rule(row=segment_rows())
    def expiring_what_is_not_there_takes_nothing(self, row: Segment) -> None:
        known = self.segments.get((row.key, row.start_wall_ns))
        if known is None or known.digest is None or self.is_held(known):
            assert self.catalogue.expire([row]) == []

    @rule(camera=st.sampled_from(["a-1", "b-2"]), span=spans)
    def hold(self, camera: str, span: tuple[int, int]) -> None:
        if span[0] < span[1]:
            hold = self.catalogue.add_hold(CameraId(camera), span, "case 4", now_ns=1)
            self.holds[hold.id] = hold

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if self.holds:
            number = data.draw(st.sampled_from(sorted(self.holds)))
            self.catalogue.release_hold(number, now_ns=2)
            del self.holds[number]

    def of(self, key: StreamKey) -> list[Segment]:
        return [row for row in self.segments.values() if row.key == key]

    def gaps_of(self, key: StreamKey) -> list[GapRow]:
        return [gap for gap in self.gaps.values() if gap.key == key]

    def is_held(self, row: Segment) -> bool:
        return any(
            hold.camera == row.key.camera
            and hold.start_wall_ns < row.end_wall_ns
            and hold.end_wall_ns > row.start_wall_ns
            for hold in self.holds.values()
        )

    @invariant()
    def the_rollup_is_what_counting_gives(self) -> None:
        with self.catalogue._database.reading() as connection:
            stored = stored_hours(connection, (0, 100 * HOUR_NS))
            for stream_id, hour in [(stream, hour) for stream in (1, 2, 3) for hour in range(100)]:
                expected = count_window(connection, stream_id, hour_window(hour))
                found = stored.pop((hour, stream_id), None)  # type: ignore[call-overload] # a HourKey is a tuple
                assert (found or count_window(connection, 0, hour_window(hour))) == expected
            assert not stored

    @invariant()
    def windows_hold_what_overlaps_them(self) -> None:
        for key in KEYS:
            for window in [(STEP_NS, 4 * STEP_NS), (11 * STEP_NS, 13 * STEP_NS), (HOUR_NS, 4 * HOUR_NS)]:
                rows = [s for s in self.of(key) if s.start_wall_ns < window[1] and s.end_wall_ns > window[0]]
                assert self.catalogue.segments(key, window) == sorted(rows, key=lambda row: row.start_wall_ns)
                gaps = [g for g in self.gaps_of(key) if g.start_wall_ns < window[1] and g.end_wall_ns > window[0]]
                assert self.catalogue.gaps(key, window) == sorted(gaps, key=lambda gap: gap.start_wall_ns)

    @invariant()
    def coverage_and_completeness_agree_with_the_rows(self) -> None:
        window = (STEP_NS, 70 * HOUR_NS // 10)
        for key in self.catalogue.streams():
            by_hour = [one for _, one in self.catalogue.hours(key, window)]
            whole = self.catalogue.completeness(window).get(key)
            assert sum(one.due_ns for one in by_hour) == (whole.due_ns if whole else 0)
            assert sum(one.playable_ns for one in by_hour) == (whole.playable_ns if whole else 0)
        sums = self.catalogue.completeness(window)
        for key in KEYS:
            covered = union((row.start_wall_ns, row.end_wall_ns) for row in self.of(key))
            gaps = union((gap.start_wall_ns, gap.end_wall_ns) for gap in self.gaps_of(key))
            due = intersect([(max(STEP_NS, self.expired_before[key]), 2**62)], window)
            coverage = self.catalogue.coverage(key, window)
            assert coverage.due == due == self.catalogue.due(key, window)
            assert coverage.playable == intersect(subtract(covered, gaps), window)
            assert coverage.unexplained == subtract(due, covered + gaps)
            if due:
                assert sums[key].due_ns == total_ns(due)
                assert sums[key].playable_ns == total_ns(intersect(subtract(covered, gaps), due[0]))
                assert sum(sums[key].gap_ns.values()) == total_ns(intersect(gaps, due[0]))
                assert sums[key].unexplained_ns == coverage.unexplained_ns
            else:
                assert key not in sums

    @invariant()
    def the_story_ends_where_the_last_row_ends(self) -> None:
        for key in KEYS:
            ends = [row.end_wall_ns for row in self.of(key)] + [gap.end_wall_ns for gap in self.gaps_of(key)]
            found = self.catalogue.last_end(key)
            assert (found[0] if found else None) == max(ends, default=None)
            if found and found[1]:
                assert found[1] in self.gaps_of(key)
                assert found[1].end_wall_ns == found[0]

    @invariant()
    def retention_sees_the_oldest_that_nothing_holds(self) -> None:
        free = [row for row in self.segments.values() if row.digest and not self.is_held(row)]
        free.sort(key=lambda row: (row.end_wall_ns, row.key))
        found = self.catalogue.oldest_segments(3)
        assert [row.end_wall_ns for row in found] == [row.end_wall_ns for row in free[:3]]
        assert all(row in free for row in found)
        before_ns = 3 * HOUR_NS
        count = sum(row.end_wall_ns <= before_ns and row.volume == "v1" for row in free)
        assert len(self.catalogue.oldest_segments(99, before_ns=before_ns, volume="v1")) == count
        for key in KEYS:
            mine = [row for row in free if row.key == key and row.end_wall_ns <= before_ns]
            mine.sort(key=lambda row: row.start_wall_ns)
            assert self.catalogue.oldest_of_stream(key, 99, before_ns=before_ns, volumes=["v1", "v2"]) == mine

    @invariant()
    def totals_add_up(self) -> None:
        totals = self.catalogue.totals()
        assert totals.segment_count == len(self.segments)
        for volume in ("v1", "v2"):
            size_bytes = sum(row.size_bytes for row in self.segments.values() if row.volume == volume)
            assert totals.volume_bytes.get(volume, 0) == size_bytes
        for camera in ("a-1", "b-2"):
            size_bytes = sum(row.size_bytes for row in self.segments.values() if row.key.camera == camera)
            assert totals.camera_bytes.get(CameraId(camera), 0) == size_bytes
        oldest = {key: min(row.start_wall_ns for row in self.of(key)) for key in KEYS if self.of(key)}
        assert totals.oldest_ns == oldest
        assert self.catalogue.open_segments() == sorted(
            (row for row in self.segments.values() if row.digest is None), key=lambda row: (row.key, row.start_wall_ns)
        )


TestCatalogueMachine = CatalogueMachine.TestCase
TestCatalogueMachine.settings = settings(
    max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
