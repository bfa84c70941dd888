"""Names and places of segments."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from civicam.core.errors import SegmentError
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.footage import layout
from civicam.footage.layout import MAX_TIME_NS, SegmentName

CAMERAS = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True).map(CameraId)
NAMES = st.builds(
    lambda camera, stream, start, epoch: SegmentName.make(StreamKey(camera, stream), start, epoch),
    CAMERAS,
    st.sampled_from(StreamName),
    st.integers(0, MAX_TIME_NS),
    st.integers(0, MAX_TIME_NS),
)


@given(NAMES)
def test_a_name_is_read_back_as_it_was_written(name: SegmentName) -> None:
    assert SegmentName.parse(str(name)) == name
    start, end = layout.day_span(name.day)
    assert start <= name.start_wall_ns < end
    assert layout.parse_day(name.day) == name.day


@given(st.text(max_size=80))
@example("a.main.1.2.civ\n")
@example("a.main.01.2.civ")
@example("-a.main.1.2.civ")
@example("a.main.-1.2.civ")
@example("a.main.9999999999999999999.1.civ")
@example("../a.main.1.2.civ")
@example("a.main.٣.2.civ")
def test_what_is_no_name_is_refused(text: str) -> None:
    try:
        name = SegmentName.parse(text)
    except SegmentError:
        return
    assert str(name) == text


@pytest.mark.parametrize("text", ["", "20260301", "2026-3-1", "2026-02-30", "2026-03-01T00", "x" * 200, "٢٠٢٦-03-01"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(SegmentError, match="is not a day"):
        layout.parse_day(text)


def test_places_are_those_of_the_design(tmp_path: Path) -> None:
    name = SegmentName.parse("rudaki-07.sub.1772323200000000000.17.civ")
    assert layout.open_path(tmp_path, name) == tmp_path / "open" / str(name)
    assert layout.closed_path(tmp_path, name) == tmp_path / "rudaki-07" / "2026-03-01" / str(name)
    for path in (layout.open_path(tmp_path, name), layout.closed_path(tmp_path, name)):
        assert layout.root_of(path) == tmp_path


def test_a_time_before_1970_makes_no_name() -> None:
    with pytest.raises(SegmentError, match="set the machine's clock"):
        SegmentName.make(StreamKey(CameraId("a"), StreamName.SUB), -1, 0)
