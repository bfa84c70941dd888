"""What a segment amounts to: all that a catalogue row needs, from the file alone."""

from dataclasses import dataclass
from typing import NamedTuple

from civicam.core.ids import GapCause
from civicam.core.spans import Span
from civicam.footage.fragment import FragmentHeader
from civicam.footage.layout import SegmentName


class SegmentGap(NamedTuple):
    """A gap that a fragment tells of: nothing playable between the two times (wall nanoseconds)."""

    start_wall_ns: int
    end_wall_ns: int
    cause: GapCause


class Progress(NamedTuple):
    """How far a segment is.

    Attributes:
        size_bytes: the file up to the end of its last fragment.
        end_wall_ns: when its last fragment ends; the segment's start while there is none.
        fragment_count: fragments in it.
        sample_count: coded frames in it.
    """

    size_bytes: int
    end_wall_ns: int
    fragment_count: int
    sample_count: int


@dataclass(frozen=True, slots=True)
class ClosedSegment:
    """A closed, durable segment.

    Attributes:
        name: camera, stream, start and epoch.
        size_bytes: the whole file.
        start_wall_ns: when its first fragment starts.
        end_wall_ns: when its last fragment ends.
        fragment_count: fragments in it.
        sample_count: coded frames in it.
        digest: SHA-256 over header and index.
        gaps: what its fragments say is missing before them; the first may lie before `start_wall_ns`.
        damaged: the time of its damaged fragments, which is not playable.
    """

    name: SegmentName
    size_bytes: int
    start_wall_ns: int
    end_wall_ns: int
    fragment_count: int
    sample_count: int
    digest: bytes
    gaps: tuple[SegmentGap, ...]
    damaged: tuple[Span, ...]


class Tally:
    """Adds up fragments to what a catalogue row needs.

    Args:
        name: the segment's.
        size_bytes: of its header.
    """

    def __init__(self, name: SegmentName, size_bytes: int) -> None:
        self.name = name
        self.progress = Progress(size_bytes, name.start_wall_ns, 0, 0)
        self._gaps: list[SegmentGap] = []
        self._damaged: list[Span] = []

    def add(self, header: FragmentHeader, size_bytes: int) -> None:
        """Counts the next fragment, `size_bytes` long in the file."""
        was = self.progress
        if header.gap:
            start = header.start_wall_ns - header.gap.duration_ns
            self._gaps.append(SegmentGap(start, header.start_wall_ns, header.gap.cause))
        if header.is_damaged:
            self._damaged.append((header.start_wall_ns, header.end_wall_ns))
        # One assignment of one value: whoever reads `progress` from another thread sees a whole fragment or none.
        self.progress = Progress(
            was.size_bytes + size_bytes,
            header.end_wall_ns,
            was.fragment_count + 1,
            was.sample_count + header.sample_count,
        )

    def closed(self, size_bytes: int, digest: bytes) -> ClosedSegment:
        """The segment once it is closed, `size_bytes` long in all."""
        return ClosedSegment(
            name=self.name,
            size_bytes=size_bytes,
            start_wall_ns=self.name.start_wall_ns,
            end_wall_ns=self.progress.end_wall_ns,
            fragment_count=self.progress.fragment_count,
            sample_count=self.progress.sample_count,
            digest=digest,
            gaps=tuple(self._gaps),
            damaged=tuple(self._damaged),
        )
