"""What a stretch of a stream consists of: playable, missing for a known cause, or unexplained."""

from dataclasses import dataclass, field

from civicam.catalogue.models import GapRow
from civicam.core.ids import GapCause
from civicam.core.spans import Span, intersect, subtract, total_ns, union


@dataclass(frozen=True, slots=True)
class Coverage:
    """One stream within a window. Every due moment must be playable or within a gap.

    Attributes:
        due: when it was meant to record and what it recorded must still be there (retention has not passed it).
        playable: what segments cover and no gap does, whether due or not.
        gaps: the gaps that touch the window, whole, by start.
        unexplained: due, and neither playable nor in a gap. Empty, or something is wrong.
    """

    due: list[Span]
    playable: list[Span]
    gaps: list[GapRow]
    unexplained: list[Span]

    @property
    def due_ns(self) -> int:
        """Nanoseconds that were due."""
        return total_ns(self.due)

    @property
    def playable_ns(self) -> int:
        """Nanoseconds that can be played."""
        return total_ns(self.playable)

    @property
    def playable_due_ns(self) -> int:
        """Nanoseconds that were due and can be played."""
        return sum(total_ns(intersect(self.playable, span)) for span in self.due)

    @property
    def unexplained_ns(self) -> int:
        """Nanoseconds that nothing accounts for."""
        return total_ns(self.unexplained)


def explain(due: list[Span], segments: list[Span], gaps: list[GapRow], window: Span, tolerance_ns: int = 0) -> Coverage:
    """Returns what `window` consists of.

    Args:
        due: when the stream was due, in or out of the window.
        segments: the spans of its segments.
        gaps: its gaps.
        window: the stretch asked for.
        tolerance_ns: unexplained stretches up to this long are passed over (rounding, a frame's jitter).
    """
    gap_spans = [(gap.start_wall_ns, gap.end_wall_ns) for gap in gaps]
    due = intersect(due, window)
    playable = intersect(subtract(segments, gap_spans), window)
    missing = subtract(due, playable + union(gap_spans))
    return Coverage(due, playable, gaps, [span for span in missing if span[1] - span[0] > tolerance_ns])


@dataclass(slots=True)
class Completeness:
    """How much of what was due is there, in nanoseconds.

    Attributes:
        due_ns: what was due.
        playable_ns: what of it can be played.
        gap_ns: what of it is missing, by cause.
    """

    due_ns: int = 0
    playable_ns: int = 0
    gap_ns: dict[GapCause, int] = field(default_factory=lambda: dict.fromkeys(GapCause, 0))

    @property
    def unexplained_ns(self) -> int:
        """What nothing accounts for: zero, or something is wrong."""
        return self.due_ns - self.playable_ns - sum(self.gap_ns.values())

    @property
    def share(self) -> float:
        """The playable part of what was due, 0 to 1; 1 when nothing was due."""
        return self.playable_ns / self.due_ns if self.due_ns else 1.0

    def add(self, due_ns: int, playable_ns: int, gap_ns: dict[GapCause, int]) -> None:
        """Counts one more stretch."""
        self.due_ns += due_ns
        self.playable_ns += playable_ns
        for cause, missing_ns in gap_ns.items():
            self.gap_ns[cause] += missing_ns
