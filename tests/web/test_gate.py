"""Moments and stretches as requests say them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.core.errors import RequestError
from civicam.web.gate import moment, parse_moment, parse_window

S = 1_000_000_000


@pytest.mark.parametrize("text", ["", "now", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "2117-01-01T00:00:00Z",
                                  "0001-01-01T00:00:00+23:59", "2026-03-01T12:00:00Z" + " " * 40])  # fmt: skip
def test_what_is_no_moment_that_was_or_will_be_recorded_is_said(text: str) -> None:
    with pytest.raises(RequestError):
        parse_moment(text, "at")


@given(st.integers(0, 4_600_000_000_000).map(lambda ms: ms * 1_000_000))
def test_a_moment_is_read_as_it_is_written(wall_ns: int) -> None:
    assert parse_moment(moment(wall_ns), "at") == wall_ns


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_two_texts_are_a_stretch_or_an_error(start: str, end: str) -> None:
    try:
        window = parse_window(start, end, 10.0)
    except RequestError:
        return
    assert 0 <= window[0] < window[1] <= window[0] + 10 * S
