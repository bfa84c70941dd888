"""A closed segment file, as the catalogue's rows tell it."""

from collections.abc import Iterable
from typing import NamedTuple

from civicam.catalogue.models import GapRow, Segment
from civicam.core.ids import GapCause
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


class GapChange(NamedTuple):
    """What a segment changes about the gaps that the catalogue tells.

    Attributes:
        taken: gaps that are told no more, at least not so long.
        told: what takes their place, and gaps that were not told yet.
    """

    taken: list[GapRow]
    told: list[GapRow]


def gap_change(closed: ClosedSegment, told: Iterable[GapRow]) -> GapChange:
    """What is known of gaps once `closed` is found, where the catalogue says `told`.

    A gap can reach into good footage: while it lasts it is told up to now, although the fragment that ends it may be
    on its way; and what a failed sync made doubtful may turn out to be there. What a check called damaged stays so.
    """
    key = closed.name.key
    missing = [(gap.start_wall_ns, gap.end_wall_ns) for gap in closed.gaps]
    covered = subtract([(closed.start_wall_ns, closed.end_wall_ns)], [*missing, *closed.damaged])
    change = GapChange([], [])
    known: list[Span] = []
    for row in told:
        span = (row.start_wall_ns, row.end_wall_ns)
        left = [span] if row.cause is GapCause.DAMAGED else subtract([span], covered)
        known += left
        if left != [span]:
            change.taken.append(row)
            change.told.extend(GapRow(key, *part, row.cause) for part in left)
    for gap in closed.gaps:
        parts = subtract([(gap.start_wall_ns, gap.end_wall_ns)], known)
        change.told.extend(GapRow(key, *part, gap.cause) for part in parts)
    return change
