"""What a check or a repair found: plain data, with names for faults that never change."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """What can be wrong. The values are for scripts, and stay."""

    BROKEN_CATALOGUE = "broken-catalogue"
    """SQLite finds the database malformed."""
    MISSING_FILE = "missing-file"
    """The catalogue has a segment, and no volume has its file."""
    EXTRA_FILE = "extra-file"
    """A volume has a segment that the catalogue does not know."""
    STRAY_FILE = "stray-file"
    """A file in a volume that belongs nowhere in it."""
    WRONG_PLACE = "wrong-place"
    """A file's name, folder or volume is not what its header or the catalogue says."""
    WRONG_SIZE = "wrong-size"
    """A file has another size than the catalogue says."""
    WRONG_DIGEST = "wrong-digest"
    """A file has another digest than the catalogue says."""
    WRONG_ROW = "wrong-row"
    """The catalogue has other times or counts than the file, or still calls it open."""
    BAD_HEADER = "bad-header"
    """A file does not begin like a segment, or cannot be read."""
    BAD_ENDING = "bad-ending"
    """A file's index, trailer and header do not fit each other."""
    BAD_FRAMING = "bad-framing"
    """Something follows a file's last whole fragment that is none."""
    BAD_FRAGMENT = "bad-fragment"
    """A fragment is not what was written."""
    UNDECODABLE = "undecodable"
    """Authentic footage that a decoder cannot play, or that has another number of pictures."""
    UNCLOSED = "unclosed"
    """A segment that nobody writes was never closed: a crash left it."""
    NO_KEY = "no-key"
    """A day's key is missing or does not open: its footage cannot be played."""
    ORPHAN_KEY = "orphan-key"
    """A day's key without footage."""
    OVERLAP = "overlap"
    """Two segments of one stream cover the same time."""
    WRONG_GAP = "wrong-gap"
    """The catalogue's gaps are not those that the fragments tell of."""
    FALSE_COVERAGE = "false-coverage"
    """The catalogue calls time playable that no good fragment covers."""
    UNEXPLAINED = "unexplained"
    """Due time that is neither playable nor in a gap."""
    UNKNOWN_VOLUME = "unknown-volume"
    """The catalogue has segments on a volume that the settings do not name."""


FIXES = {
    Fault.BROKEN_CATALOGUE: "stop the recorder and run `civicam check --repair`",
    Fault.MISSING_FILE: "restore the file from a backup, or let `civicam check --repair` call it damaged",
    Fault.EXTRA_FILE: "`civicam check --repair` takes it into the catalogue",
    Fault.STRAY_FILE: "move it out of the volume",
    Fault.WRONG_PLACE: "`civicam check --repair` puts it where it belongs, or into quarantine",
    Fault.WRONG_SIZE: "find out what wrote to the volume; `civicam check --deep` tells what is still good",
    Fault.WRONG_DIGEST: "find out what wrote to the volume; `civicam check --deep` tells what is still good",
    Fault.WRONG_ROW: "`civicam check --repair` writes the row anew from the file",
    Fault.BAD_HEADER: "restore the file from a backup; `civicam check --repair` puts it into quarantine",
    Fault.BAD_ENDING: "`civicam check --repair` keeps the good fragments, and the file as it is in quarantine",
    Fault.BAD_FRAMING: "`civicam check --repair` keeps the good fragments, and the file as it is in quarantine",
    Fault.BAD_FRAGMENT: "restore the file from a backup; `civicam check --deep --repair` calls the fragment damaged",
    Fault.UNDECODABLE: "look at what the camera sends: this is what it sent",
    Fault.UNCLOSED: "start the recorder, or run `civicam check --repair`",
    Fault.NO_KEY: "restore day.key from a backup, and check that city.key is this city's",
    Fault.ORPHAN_KEY: "bring the day's footage back; where retention has passed, repair removes the key",
    Fault.OVERLAP: "look for two recorders of one camera, or a clock that was set back",
    Fault.WRONG_GAP: "`civicam check --repair` tells the gaps anew from the fragments",
    Fault.FALSE_COVERAGE: "`civicam check --repair` calls that time damaged",
    Fault.UNEXPLAINED: "`civicam check --repair` writes down a gap; report this if there was no crash",
    Fault.UNKNOWN_VOLUME: "name the volume in civicam.toml again",
}
"""What to do about each."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong.

    Attributes:
        kind: what.
        where: the file, stream or database.
        what: the particulars.
        fix: what to do.
    """

    kind: Fault
    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.what} ({self.fix})"


@dataclass(slots=True)
class StreamSum:
    """One stream's story in nanoseconds, as far as it was looked at.

    Attributes:
        key: `<camera>/<stream>`.
        segment_count: segments that the catalogue has.
        due_ns: what it was meant to record and retention has not passed.
        playable_ns: what of it can be played.
        gap_ns: what is missing, by `GapCause` label.
        unexplained_ns: what nothing accounts for.
        false_ns: called playable without a good fragment (not in `playable_ns`).
    """

    key: str
    segment_count: int = 0
    due_ns: int = 0
    playable_ns: int = 0
    gap_ns: dict[str, int] = field(default_factory=dict)
    unexplained_ns: int = 0
    false_ns: int = 0

    @property
    def completeness(self) -> float:
        """The playable part of what was due, 0 to 1; 1 when nothing was due."""
        return min(1.0, self.playable_ns / self.due_ns) if self.due_ns else 1.0


@dataclass(slots=True)
class Report:
    """What a check found.

    Attributes:
        wall_ns: when it began.
        is_deep: every fragment was authenticated and every picture decoded.
        is_live: something was being recorded meanwhile.
        segment_count: segments in the catalogue.
        file_count: segment files in the volumes.
        size_bytes: their bytes.
        fragment_count: fragments looked at.
        sample_count: pictures that good fragments hold, by their headers.
        decoded_count: pictures that were decoded.
        problems: what is wrong, in the order it was found.
        streams: every stream's story.
    """

    wall_ns: int
    is_deep: bool
    is_live: bool = False
    segment_count: int = 0
    file_count: int = 0
    size_bytes: int = 0
    fragment_count: int = 0
    sample_count: int = 0
    decoded_count: int = 0
    problems: list[Problem] = field(default_factory=list)
    streams: list[StreamSum] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Nothing is wrong."""
        return not self.problems

    @property
    def exit_status(self) -> int:
        """0 if nothing is wrong, 1 if something is (2 is left to a check that could not be done)."""
        return 0 if self.is_good else 1

    def count(self) -> dict[Fault, int]:
        """How many problems there are, by kind."""
        return dict(Counter(problem.kind for problem in self.problems))

    def add(self, kind: Fault, where: object, what: str) -> None:
        """Notes a problem."""
        self.problems.append(Problem(kind, str(where), what, FIXES[kind]))

    def to_json(self) -> str:
        """The whole report, with `is_good` and each stream's completeness."""
        raw = asdict(self) | {"is_good": self.is_good}
        raw["streams"] = [asdict(stream) | {"completeness": stream.completeness} for stream in self.streams]
        return json.dumps(raw, indent=1)
