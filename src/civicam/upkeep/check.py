"""Does the catalogue say what the volumes hold, and do the volumes hold what was written? Compared both ways.

A check only reads, and may run while cameras are recorded: what looks wrong then is looked at once more, since files
are closed and rows are written all the time.
"""

from collections.abc import Callable, Sequence
from itertools import groupby

from civicam.catalogue.catalogue import ALL_TIME, Catalogue
from civicam.catalogue.models import Segment
from civicam.core.errors import FootageError, SegmentError
from civicam.core.ids import CameraId, GapCause, StreamKey
from civicam.core.spans import Span, intersect, subtract, total_ns, touching, union
from civicam.footage.keys import KeyRing
from civicam.footage.layout import SegmentName
from civicam.footage.recovery import unclosed
from civicam.footage.verify import ProblemKind
from civicam.footage.volume import Volume
from civicam.upkeep.examine import Finding, examine_all
from civicam.upkeep.files import CameraFiles, OpenFile, cameras_on, days_in_quarantine, files_of, open_files
from civicam.upkeep.report import Fault, Report, StreamSum

Progress = Callable[[int, int], None]
"""Told how many files were looked at, and about how many there are."""

TOLERANCE_NS = 100_000_000
"""Stretches up to this long are not worth a problem: a camera's frames are never quite evenly spaced."""

GRACE_NS = 20_000_000_000
"""While cameras are recorded, their last seconds are on their way to the disk."""

_OF_FILE = {
    ProblemKind.HEADER: Fault.BAD_HEADER,
    ProblemKind.PLACE: Fault.WRONG_PLACE,
    ProblemKind.ENDING: Fault.BAD_ENDING,
    ProblemKind.FRAMING: Fault.BAD_FRAMING,
    ProblemKind.FRAGMENT: Fault.BAD_FRAGMENT,
}


def check(
    catalogue: Catalogue,
    volumes: Sequence[Volume],
    keyring: KeyRing,
    *,
    deep: bool,
    now_ns: int,
    progress: Progress | None = None,
    threads: int = 2,
) -> Report:
    """Compares catalogue and volumes.

    Args:
        catalogue: what should be there.
        volumes: all of them.
        keyring: opens the day keys.
        deep: also authenticate every fragment and decode every picture: reads everything, and takes hours.
        now_ns: wall time.
        progress: told how far it is.
        threads: how many files are looked at at a time.

    Raises:
        CatalogueError: the catalogue cannot be read at all: repair it.
        VolumeError: a volume cannot be read.
    """
    return _Check(catalogue, volumes, keyring, Report(now_ns, deep), progress=progress, threads=threads).run()


class _Check:
    def __init__(
        self,
        catalogue: Catalogue,
        volumes: Sequence[Volume],
        keyring: KeyRing,
        report: Report,
        *,
        progress: Progress | None,
        threads: int,
    ) -> None:
        self._catalogue = catalogue
        self._volumes = volumes
        self._keyring = keyring
        self._report = report
        self._progress = progress
        self._threads = threads
        self._open = open_files(volumes)
        self._quarantined = days_in_quarantine(volumes)
        report.is_live = any(not file.is_left for file in self._open)

    def run(self) -> Report:
        for text in self._catalogue.faults():
            self._report.add(Fault.BROKEN_CATALOGUE, self._catalogue.path, text)
        totals = self._catalogue.totals()
        for name in totals.volume_bytes.keys() - {volume.name for volume in self._volumes}:
            if totals.volume_bytes[name]:
                self._report.add(Fault.UNKNOWN_VOLUME, name, f"{totals.volume_bytes[name]} bytes are said to be there")
        streams = {camera: list(keys) for camera, keys in groupby(self._catalogue.streams(), lambda key: key.camera)}
        cameras = streams.keys() | cameras_on(self._volumes) | {file.name.camera for file in self._open}
        for camera in sorted(cameras):
            self._camera(camera, streams.get(camera, []), totals.segment_count)
        return self._report

    def _camera(self, camera: CameraId, streams: list[StreamKey], total: int) -> None:
        files = files_of(self._volumes, camera)
        opened = [file for file in self._open if file.name.camera == camera]
        findings: dict[SegmentName, list[Finding]] = {}
        deep = self._report.is_deep
        for finding in examine_all(files.closed, self._keyring, deep=deep, threads=self._threads, decode=deep):
            findings.setdefault(finding.file.name, []).append(finding)
            self._file(finding)
            if self._progress:
                self._progress(self._report.file_count, max(total, self._report.file_count))
        for volume, path in files.strays:
            self._report.add(Fault.STRAY_FILE, path, f"it belongs nowhere in volume {volume.name}")
        self._keys(camera, files)
        keys = set(streams) | {name.key for name in findings} | {file.name.key for file in opened}
        for key in sorted(keys):
            found = {name: each for name, each in findings.items() if name.key == key}
            self._stream(key, found, {file.name: file for file in opened if file.name.key == key})

    def _file(self, finding: Finding) -> None:
        """What is wrong with a file by itself."""
        report, verdict = self._report, finding.verdict
        report.file_count += 1
        report.size_bytes += verdict.size_bytes
        report.fragment_count += verdict.fragment_count
        report.sample_count += finding.sample_count
        report.decoded_count += finding.decoded_count
        if report.is_live and not finding.file.path.exists():
            return  # retention took it meanwhile
        for problem in verdict.problems:
            if problem.kind in _OF_FILE:  # keys are looked at by day
                report.add(_OF_FILE[problem.kind], finding.file.path, f"at byte {problem.offset}: {problem.text}")
        if finding.decode_error:
            report.add(Fault.UNDECODABLE, finding.file.path, finding.decode_error)
        elif verdict.is_authenticated and finding.decoded_count != finding.sample_count:
            text = f"{finding.decoded_count} pictures were decoded of {finding.sample_count}"
            report.add(Fault.UNDECODABLE, finding.file.path, text)

    def _keys(self, camera: CameraId, files: CameraFiles) -> None:
        """A key for every day that has footage, and none for others."""
        opened = open_files(self._volumes) if self._report.is_live else self._open
        needed = {(file.volume.name, file.name.day): file.volume for file in files.closed}
        needed |= {(file.volume.name, file.name.day): file.volume for file in opened if file.name.camera == camera}
        for (_, day), volume in needed.items():
            try:
                self._keyring.find(volume.root, camera, day)
            except FootageError as error:
                self._report.add(Fault.NO_KEY, error.where or volume.root / camera / day, error.what)
        for volume, day in files.keys:
            if (volume.name, day) not in needed and (volume.name, camera, day) not in self._quarantined:
                self._report.add(Fault.ORPHAN_KEY, volume.root / camera / day, "no segment needs this key")

    def _stream(
        self, key: StreamKey, findings: dict[SegmentName, list[Finding]], opened: dict[SegmentName, OpenFile]
    ) -> None:
        rows, gaps = self._catalogue.segments(key), self._catalogue.gaps(key)
        self._report.segment_count += len(rows)
        gap_spans = union((gap.start_wall_ns, gap.end_wall_ns) for gap in gaps)
        self._told_gaps(key, [finding for each in findings.values() for finding in each], gap_spans)
        false: list[Span] = []
        for row in rows:
            in_row = touching(gap_spans, (row.start_wall_ns, row.end_wall_ns))
            name = SegmentName.make(key, row.start_wall_ns, row.epoch)
            file = opened.pop(name, None)
            found = self._of_row(findings.pop(name, []), row)
            if found is not None:
                false += self._compare(row, found, in_row)
            elif file is not None:
                self._compare_open(row, file)
            else:
                false += self._missing(row, name, in_row)
        for each in findings.values():
            for finding in each:
                self._extra(finding)
        for file in opened.values():
            if self._is_left(file):
                self._report.add(Fault.UNCLOSED, file.path, "it was never closed, and the catalogue does not know it")
        self._overlaps(rows)
        self._sum_up(key, len(rows), false)

    def _told_gaps(self, key: StreamKey, findings: list[Finding], gaps: Sequence[Span]) -> None:
        """Every gap that a fragment tells of stands in the catalogue, unless retention has passed it."""
        due = self._catalogue.due(key, ALL_TIME)
        for finding in findings:
            segment = finding.verdict.segment
            for told in segment.gaps if segment and not self._is_just_closed(finding) else ():
                window = (told.start_wall_ns, told.end_wall_ns)
                for span in subtract(intersect(due, window), touching(gaps, window)):
                    if span[1] - span[0] > TOLERANCE_NS:
                        text = (
                            f"a fragment tells of a gap ({told.cause.label}), {_text(span)}, and the catalogue does not"
                        )
                        self._report.add(Fault.WRONG_GAP, finding.file.path, text)

    def _of_row(self, findings: list[Finding], row: Segment) -> Finding | None:
        """The file that a row means, of those that have its name."""
        at_home = [finding for finding in findings if finding.file.volume.name == row.volume]
        for finding in findings:
            if finding not in at_home[:1]:
                where = f"the catalogue has it on volume {row.volume}"
                self._report.add(Fault.WRONG_PLACE, finding.file.path, where)
        return next(iter(at_home or findings), None)

    def _compare(self, row: Segment, finding: Finding, gaps: Sequence[Span]) -> list[Span]:
        """Holds a row against its file; returns what it calls playable and is not."""
        report, path, verdict = self._report, finding.file.path, finding.verdict
        if row.digest is None:
            if not report.is_live:
                report.add(Fault.WRONG_ROW, path, "the file is closed, and the catalogue calls it open")
            return []
        if row.size_bytes != verdict.size_bytes:
            report.add(Fault.WRONG_SIZE, path, f"{verdict.size_bytes} bytes, and {row.size_bytes} in the catalogue")
        segment = verdict.segment
        if segment is not None and row.digest != segment.digest:
            report.add(Fault.WRONG_DIGEST, path, f"{segment.digest.hex()}, and {row.digest.hex()} in the catalogue")
        if segment is not None and (row.fragment_count, row.sample_count) != (
            segment.fragment_count,
            segment.sample_count,
        ):
            report.add(
                Fault.WRONG_ROW,
                path,
                f"{segment.fragment_count} fragments, {segment.sample_count} pictures; {row.fragment_count} and"
                f" {row.sample_count} in the catalogue",
            )
        return self._not_covered(row, path, verdict.covered, gaps)

    def _not_covered(self, row: Segment, where: object, covered: list[Span], gaps: Sequence[Span]) -> list[Span]:
        claimed = subtract([(row.start_wall_ns, row.end_wall_ns)], gaps)
        false = [span for span in subtract(claimed, covered) if span[1] - span[0] > TOLERANCE_NS]
        for span in false:
            self._report.add(Fault.FALSE_COVERAGE, where, f"no good fragment covers {_text(span)}")
        hidden = [span for span in _both(gaps, covered) if span[1] - span[0] > TOLERANCE_NS]
        for span in hidden:
            if not self._is_damage(row.key, span):
                self._report.add(Fault.WRONG_GAP, where, f"a gap hides good footage, {_text(span)}")
        return false

    def _is_damage(self, key: StreamKey, span: Span) -> bool:
        return any(gap.cause is GapCause.DAMAGED for gap in self._catalogue.gaps(key, span))

    def _compare_open(self, row: Segment, file: OpenFile) -> None:
        if self._is_left(file):
            self._report.add(Fault.UNCLOSED, file.path, "nobody writes it")
        elif row.digest is None and file.path.exists() and file.path.stat().st_size < row.size_bytes:
            self._report.add(Fault.WRONG_SIZE, file.path, f"it is shorter than the {row.size_bytes} bytes told")

    def _is_left(self, file: OpenFile) -> bool:
        """Nobody writes it. A file that is just being made is not claimed yet, so it is looked at once more."""
        return file.is_left and (not self._report.is_live or file.name in unclosed(file.volume))

    def _missing(self, row: Segment, name: SegmentName, gaps: Sequence[Span]) -> list[Span]:
        if self._report.is_live and not self._is_still_missing(row, name):
            return []
        self._report.add(Fault.MISSING_FILE, name, f"it should be on volume {row.volume}")
        return subtract([(row.start_wall_ns, row.end_wall_ns)], gaps)

    def _is_still_missing(self, row: Segment, name: SegmentName) -> bool:
        if not self._row_of(name):
            return False
        for volume in self._volumes:
            try:
                volume.path_of(name)
            except SegmentError:
                continue
            return False
        return bool(row.size_bytes)

    def _extra(self, finding: Finding) -> None:
        if self._report.is_live and (self._row_of(finding.file.name) or not finding.file.path.exists()):
            return
        if self._is_just_closed(finding):
            return
        self._report.add(Fault.EXTRA_FILE, finding.file.path, "the catalogue does not know it")

    def _is_just_closed(self, finding: Finding) -> bool:
        """Its row may be on the way: the catalogue is told once all of a worker's files are synced."""
        segment = finding.verdict.segment
        return self._report.is_live and segment is not None and segment.end_wall_ns > self._report.wall_ns - GRACE_NS

    def _row_of(self, name: SegmentName) -> Segment | None:
        window = (name.start_wall_ns, name.start_wall_ns + 1)
        rows = self._catalogue.segments(name.key, window)
        return next((row for row in rows if (row.start_wall_ns, row.epoch) == name[2:]), None)

    def _overlaps(self, rows: list[Segment]) -> None:
        reached_ns, before = 0, ""
        for row in rows:
            name = str(SegmentName.make(row.key, row.start_wall_ns, row.epoch))
            if reached_ns - row.start_wall_ns > TOLERANCE_NS:
                end_ns = min(reached_ns, row.end_wall_ns)
                self._report.add(Fault.OVERLAP, name, f"{before} covers {_text((row.start_wall_ns, end_ns))} too")
            if row.end_wall_ns > reached_ns:
                reached_ns, before = row.end_wall_ns, name

    def _sum_up(self, key: StreamKey, segment_count: int, false: list[Span]) -> None:
        window = (0, self._until_ns(key))
        coverage = self._catalogue.coverage(key, window, tolerance_ns=TOLERANCE_NS)
        for span in coverage.unexplained:
            self._report.add(Fault.UNEXPLAINED, key, f"nothing accounts for {_text(span)}")
        found = StreamSum(str(key), segment_count, coverage.due_ns)
        playable = _both(coverage.playable, coverage.due)
        found.false_ns = total_ns(_both(playable, false))
        found.playable_ns = total_ns(playable) - found.false_ns
        found.unexplained_ns = coverage.unexplained_ns
        for gap in coverage.gaps:
            missing_ns = total_ns(intersect(coverage.due, (gap.start_wall_ns, gap.end_wall_ns)))
            if missing_ns:
                found.gap_ns[gap.cause.label] = found.gap_ns.get(gap.cause.label, 0) + missing_ns
        self._report.streams.append(found)

    def _until_ns(self, key: StreamKey) -> int:
        """Up to when everything must be accounted for: nobody tells what happens while nothing runs."""
        if self._report.is_live:
            return max(0, self._report.wall_ns - GRACE_NS)
        told = self._catalogue.last_end(key)
        return told[0] if told else 0


def _both(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What both cover."""
    return subtract(some, subtract(some, others))


def _text(span: Span) -> str:
    return f"{(span[1] - span[0]) / 1e9:.3f} s from {span[0]}"
