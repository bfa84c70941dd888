"""A closed segment file, as the catalogue's rows tell it."""

from collections.abc import Sequence

from civicam.catalogue.models import GapRow, Segment
from civicam.core.spans import subtract
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


def gap_rows(closed: ClosedSegment, told: Sequence[GapRow] = ()) -> list[GapRow]:
    """What a segment's fragments say of gaps, as far as the catalogue, which says `told`, does not say so already.

    While a gap lasts it is told up to now, although the fragment that ends it may be on its way by then. So a gap that
    is told from the same moment on ends where the fragment says.
    """
    key = closed.name.key
    known = {row.start_wall_ns: row for row in told}
    rows: list[GapRow] = []
    for gap in closed.gaps:
        row = GapRow(key, gap.start_wall_ns, gap.end_wall_ns, gap.cause)
        others = [
            (other.start_wall_ns, other.end_wall_ns) for other in told if other.start_wall_ns != gap.start_wall_ns
        ]
        if gap.start_wall_ns not in known:
            spans = subtract([(gap.start_wall_ns, gap.end_wall_ns)], others)
            rows += [GapRow(key, *span, gap.cause) for span in spans]
        elif known[gap.start_wall_ns] != row:
            rows.append(row)
    return rows
