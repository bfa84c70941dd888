"""Arithmetic on spans, against sets of single moments."""

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from civicam.core.spans import Span, intersect, subtract, total_ns, touching, union

# Few moments, so that spans touch, overlap and are empty or turned round often.
spans = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12)
windows = st.tuples(st.integers(0, 30), st.integers(0, 30))


def moments(some: list[Span]) -> set[int]:
    return {at for start, end in some for at in range(start, end)}


def is_tidy(some: list[Span]) -> bool:
    ordered = all(start < end for start, end in some)
    return ordered and all(before[1] < after[0] for before, after in pairwise(some))


@given(spans)
def test_a_union_covers_the_same_time_and_is_tidy(some: list[Span]) -> None:
    assert moments(union(some)) == moments(some)
    assert is_tidy(union(some))


@given(spans, spans)
def test_a_difference_is_what_no_hole_covers(some: list[Span], holes: list[Span]) -> None:
    left = subtract(some, holes)
    assert moments(left) == moments(some) - moments(holes)
    assert all(start < end for start, end in left)
    assert left == sorted(left)
    assert total_ns(left) == len(moments(left))  # none counted twice


@given(spans, windows)
def test_an_intersection_is_what_lies_in_the_window(some: list[Span], window: Span) -> None:
    assert moments(intersect(some, window)) == moments(some) & set(range(*window))
    assert is_tidy(intersect(some, window))


@given(spans)
def test_time_covered_twice_counts_once(some: list[Span]) -> None:
    assert total_ns(some) == len(moments(some))


@given(spans, windows)
def test_touching_spans_are_those_that_share_a_moment_with_the_window(some: list[Span], window: Span) -> None:
    tidy = union(some)
    expected = [span for span in tidy if span[0] < window[1] and span[1] > window[0]]
    assert list(touching(tidy, window)) == expected


@given(spans, spans)
def test_what_is_left_and_what_was_taken_make_the_whole(some: list[Span], holes: list[Span]) -> None:
    left = subtract(some, holes)
    taken = subtract(some, left)
    assert union([*left, *taken]) == union(some)
