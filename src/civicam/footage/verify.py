"""Is a segment file what was written? All that is wrong with it, and what of it can still be used."""

from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from civicam.core.errors import FootageError, KeyMissingError, SealError, SegmentError
from civicam.core.spans import Span, union
from civicam.footage.fragment import FragmentHeader
from civicam.footage.keys import KeyRing
from civicam.footage.layout import OPEN_FOLDER, SegmentName
from civicam.footage.reader import SegmentReader
from civicam.footage.segment import ClosedSegment


class ProblemKind(StrEnum):
    """What a problem is about."""

    HEADER = "header"
    """The file is no segment, or not readable at all."""
    PLACE = "place"
    """Its name or folder is not what its header says, or an unclosed file lies among the closed."""
    ENDING = "ending"
    """Index, trailer and header do not fit each other."""
    FRAMING = "framing"
    """Bytes that are no fragment follow the last whole one."""
    FRAGMENT = "fragment"
    """A fragment is not what was written."""
    KEY = "key"
    """The day's key is gone or does not open, so that nothing could be authenticated: perhaps no fault of the file."""


class Problem(NamedTuple):
    """Something wrong with a file.

    Attributes:
        kind: what it is about.
        offset: the byte it was found at.
        text: what it is, where, and what to do.
    """

    kind: ProblemKind
    offset: int
    text: str


@dataclass(slots=True)
class SegmentVerdict:
    """What `verify` found.

    Attributes:
        path: the file.
        name: what its header says it is, None if it has none.
        size_bytes: its size.
        is_closed: it ends with a trailer.
        is_authenticated: every fragment counted as good has opened; False if only its framing was looked at.
        fragment_count: fragments found, good or not.
        good_count: fragments without a fault.
        covered: playable time: that of the good fragments that are not marked damaged, sorted, without overlaps.
        segment: what a catalogue row needs, for a closed file whose index is sound; else None.
        problems: what is wrong, empty if nothing is.
    """

    path: Path
    name: SegmentName | None = None
    size_bytes: int = 0
    is_closed: bool = False
    is_authenticated: bool = False
    fragment_count: int = 0
    good_count: int = 0
    covered: list[Span] = field(default_factory=list)
    segment: ClosedSegment | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Nothing is wrong with it."""
        return not self.problems

    def add(self, kind: ProblemKind, offset: int, error: FootageError | str) -> None:
        """Notes a problem, unless one is known at that byte."""
        if all(problem.offset != offset or problem.kind is ProblemKind.PLACE for problem in self.problems):
            self.problems.append(Problem(kind, offset, str(error)))


def verify(path: Path, keyring: KeyRing, *, deep: bool) -> SegmentVerdict:
    """Looks a segment file over.

    Args:
        path: the file, in its place in the volume.
        keyring: where its key is found; not used unless `deep`.
        deep: authenticate every fragment (reads the whole file). Otherwise header, index and digest, and the way from
            fragment to fragment are looked at (reads some kilobytes).

    Returns:
        What was found; a fault of the file is in there, never raised.
    """
    verdict = SegmentVerdict(path)
    try:
        reader = SegmentReader.open(path)
    except SegmentError as error:
        verdict.add(ProblemKind.HEADER, 0, error)
        return verdict
    with reader:
        verdict.name = reader.header.name
        verdict.size_bytes = reader.size_bytes
        verdict.is_closed = reader.is_closed
        _look_at_place(verdict, reader)
        _look_at_ending(verdict, reader)
        verdict.is_authenticated = deep and _unlock(verdict, reader, keyring)
        _look_at_fragments(verdict, reader, keyring)
        _look_at_framing(verdict, reader)
    return verdict


def _look_at_place(verdict: SegmentVerdict, reader: SegmentReader) -> None:
    name, path = reader.header.name, reader.path
    if path.name != str(name):
        verdict.add(ProblemKind.PLACE, 0, f"{path}: its header says it is {name}")
    folder = path.parent
    if folder.name == OPEN_FOLDER:
        return
    if (folder.parent.name, folder.name) != (name.camera, name.day):
        verdict.add(ProblemKind.PLACE, 0, f"{path}: it belongs in {name.camera}/{name.day}")
    if not reader.is_closed:
        verdict.add(
            ProblemKind.PLACE, reader.size_bytes, f"{path}: it lies among the closed segments without a trailer"
        )


def _look_at_ending(verdict: SegmentVerdict, reader: SegmentReader) -> None:
    if not reader.is_closed:
        return
    try:
        reader.ending()
    except SegmentError as error:
        verdict.add(ProblemKind.ENDING, reader.size_bytes, error)
        return
    with suppress(SegmentError):  # the fragment at fault is found again later
        verdict.segment = reader.closed_segment()


def _unlock(verdict: SegmentVerdict, reader: SegmentReader, keyring: KeyRing) -> bool:
    try:
        reader.unlock(keyring)
    except (KeyMissingError, SealError) as error:
        verdict.add(ProblemKind.KEY, 0, error)
        return False
    return True


def _look_at_fragments(verdict: SegmentVerdict, reader: SegmentReader, keyring: KeyRing) -> None:
    spans: list[Span] = []
    for number, extent in enumerate(reader.extents()):
        verdict.fragment_count += 1
        try:
            header = _fragment(reader, number, keyring if verdict.is_authenticated else None)
        except (SegmentError, SealError) as error:
            verdict.add(ProblemKind.FRAGMENT, extent.offset, error)
            continue
        verdict.good_count += 1
        if not header.is_damaged:
            spans.append((header.start_wall_ns, header.end_wall_ns))
    verdict.covered = union(spans)


def _fragment(reader: SegmentReader, number: int, keyring: KeyRing | None) -> FragmentHeader:
    return reader.read(number, keyring).header if keyring else reader.read_header(number)


def _look_at_framing(verdict: SegmentVerdict, reader: SegmentReader) -> None:
    at = reader.header_bytes
    try:
        for extent, _ in reader.walk():
            at = extent.offset + extent.size_bytes
    except SegmentError as error:
        verdict.add(ProblemKind.FRAMING, at, error)
