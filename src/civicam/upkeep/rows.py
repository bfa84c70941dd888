"""A closed segment file, as the catalogue's rows tell it."""

from collections.abc import Iterable

from civicam.catalogue.models import GapRow, Segment
from civicam.core.spans import Span, subtract
from civicam.footage.segment import ClosedSegment


def segment_row(closed: ClosedSegment, volume: str) -> Segment:
    """The row of a closed segment on `volume`."""
    return Segment(
        closed.name.key,
        closed.start_wall_ns,
        closed.end_wall_ns,
        closed.name.epoch,
        volume,
        closed.size_bytes,
        closed.fragment_count,
        closed.sample_count,
        closed.digest,
    )


def gap_rows(closed: ClosedSegment, told: Iterable[Span] = ()) -> list[GapRow]:
    """The gaps that a segment's fragments tell of, less what stands in the catalogue already."""
    known = list(told)
    return [
        GapRow(closed.name.key, start_ns, end_ns, gap.cause)
        for gap in closed.gaps
        for start_ns, end_ns in subtract([(gap.start_wall_ns, gap.end_wall_ns)], known)
    ]
