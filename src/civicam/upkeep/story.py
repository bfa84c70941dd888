"""One stream's gaps, told anew from its files: pure arithmetic, no I/O."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from civicam.catalogue.models import GapRow
from civicam.core.ids import GapCause, StreamKey
from civicam.core.spans import Span, intersect, subtract, touching, union
from civicam.footage.verify import SegmentVerdict


@dataclass(slots=True)
class Story:
    """What is known of a stream.

    Attributes:
        key: the stream.
        covered: what good fragments cover.
        damaged: within files, and not good.
        gone: of files that an older catalogue had.
        told: gaps that fragments tell of.
        lossy: time of fragments in which packets were lost.
    """

    key: StreamKey
    covered: list[Span] = field(default_factory=list)
    damaged: list[Span] = field(default_factory=list)
    gone: list[Span] = field(default_factory=list)
    told: list[GapRow] = field(default_factory=list)
    lossy: list[Span] = field(default_factory=list)

    def add(self, verdict: SegmentVerdict, *, is_readable: bool) -> None:
        """Takes a file's part of the story in; nothing of it is playable if its key is gone."""
        segment = verdict.segment
        assert segment is not None
        covered = verdict.covered if is_readable else []
        spans = [(gap.start_wall_ns, gap.end_wall_ns) for gap in segment.gaps]
        self.covered += covered
        self.lossy += segment.damaged
        self.told += [GapRow(self.key, gap.start_wall_ns, gap.end_wall_ns, gap.cause) for gap in segment.gaps]
        whole = [(segment.start_wall_ns, segment.end_wall_ns)]
        self.damaged += subtract(whole, [*covered, *spans, *segment.damaged])

    def gaps(self, old: Sequence[GapRow], due: Sequence[Span], *, trust_old_damage: bool) -> list[GapRow]:
        """Returns the stream's gaps: each moment in one of them at most, and none where it can be played.

        Args:
            old: what an older catalogue said; believed where the files say nothing.
            due: when it was due; what of it is left over until the story ends is a crash.
            trust_old_damage: what was found damaged before stays so (the files were not looked at as closely now).
        """
        known = [gap for gap in old if trust_old_damage and gap.cause is GapCause.DAMAGED]
        others = [gap for gap in old if not (trust_old_damage and gap.cause is GapCause.DAMAGED)]
        covered = subtract(self.covered, _spans(known))
        found: list[GapRow] = []
        for gaps in (
            known,
            self.told,
            self._gaps(self.damaged, GapCause.DAMAGED),
            others,
            self._gaps(self.lossy, GapCause.LOST_PACKETS),
            self._gaps((span for window in due for span in intersect(self.gone, window)), GapCause.DAMAGED),
        ):
            found += _free_parts(gaps, union([*covered, *_spans(found)]))
        taken = [*covered, *_spans(found)]
        end_ns = max((end for _, end in taken), default=0)
        begun = [(start, min(end, end_ns)) for start, end in due]
        found += self._gaps(subtract(begun, taken), GapCause.CRASH)
        return sorted(found, key=lambda gap: gap.start_wall_ns)

    def _gaps(self, spans: Iterable[Span], cause: GapCause) -> list[GapRow]:
        return [GapRow(self.key, *span, cause) for span in union(spans)]


def _spans(gaps: Iterable[GapRow]) -> list[Span]:
    return [(gap.start_wall_ns, gap.end_wall_ns) for gap in gaps]


def _free_parts(gaps: Iterable[GapRow], taken: list[Span]) -> list[GapRow]:
    """What of each gap is not taken, by time, and not by one that started before it."""
    found: list[GapRow] = []
    at = 0
    for gap in sorted(gaps, key=lambda gap: gap.start_wall_ns):
        part = (max(at, gap.start_wall_ns), gap.end_wall_ns)
        found += [GapRow(gap.key, *span, gap.cause) for span in subtract([part], touching(taken, part))]
        at = max(at, gap.end_wall_ns)
    return found
