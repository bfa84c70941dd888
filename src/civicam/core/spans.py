"""Arithmetic on stretches of wall time: what is covered, and what is not.

A span is a half-open pair `(start_ns, end_ns)`, `start_ns < end_ns`, in wall-clock nanoseconds.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import itemgetter

Span = tuple[int, int]


def union(spans: Iterable[Span]) -> list[Span]:
    """The same time as `spans`, sorted, without overlaps; spans that touch become one."""
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def subtract(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """What of `spans` no span of `holes` covers, sorted, without overlaps."""
    left: list[Span] = []
    cuts = union(holes)
    first = 0
    for start, end in union(spans):
        while first < len(cuts) and cuts[first][1] <= start:
            first += 1
        at, number = start, first
        # By number: a slice would copy all later holes for every span.
        while number < len(cuts) and cuts[number][0] < end:
            if at < cuts[number][0]:
                left.append((at, cuts[number][0]))
            at = max(at, cuts[number][1])
            number += 1
        if at < end:
            left.append((at, end))
    return left


def intersect(spans: Iterable[Span], window: Span) -> list[Span]:
    """What of `spans` lies within `window`, sorted, without overlaps."""
    low, high = window
    return union((max(start, low), min(end, high)) for start, end in spans)


def touching(spans: Sequence[Span], window: Span) -> Sequence[Span]:
    """Those of `spans`, which must be sorted and without overlaps, that reach into `window`, whole."""
    first = bisect_right(spans, window[0], key=itemgetter(1))
    return spans[first : bisect_left(spans, window[1], key=itemgetter(0))]


def total_ns(spans: Iterable[Span]) -> int:
    """Nanoseconds covered by `spans`, time covered twice counted once."""
    return sum(end - start for start, end in union(spans))
