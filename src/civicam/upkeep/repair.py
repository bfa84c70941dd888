"""Makes the catalogue anew from the files, and the files' faults harmless. No footage is ever deleted.

1. What a crash left open is cut to what is authentic, closed and moved (`footage.recovery`).
2. A file with a bad end or in a wrong place is copied into `<volume>/quarantine/`, and its authentic fragments, from
   the front to the first bad one, become a segment again. What has none goes into quarantine.
3. A fragment that is not good, in a file that is otherwise sound, stays where it is, under a gap (`damaged`).
4. A new catalogue is written beside the old one from all files; cameras, holds and runs come from the old one, and
   what only it knew of gaps. Then it takes the old one's place, which is kept under a dated name.

Cut short anywhere, it can be run again: until the last step the old catalogue is in place.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from civicam.catalogue.catalogue import ALL_TIME, Catalogue
from civicam.catalogue.database import lock_of, replacing
from civicam.catalogue.models import Segment
from civicam.catalogue.salvage import OldCatalogue
from civicam.core.errors import CatalogueError, FootageError, KeyMissingError, SealError, SegmentError
from civicam.core.ids import CameraId, StreamKey
from civicam.footage.disk import volume_errors
from civicam.footage.keys import KeyRing
from civicam.footage.layout import SegmentName, closed_path, day_span, open_path
from civicam.footage.reader import SegmentReader
from civicam.footage.recovery import recover
from civicam.footage.segment import ClosedSegment
from civicam.footage.verify import ProblemKind, SegmentVerdict
from civicam.footage.volume import Volume
from civicam.upkeep.examine import examine_all
from civicam.upkeep.files import QUARANTINE, ClosedFile, cameras_on, days_in_quarantine, files_of, open_files
from civicam.upkeep.story import Story

Progress = Callable[[int], None]
"""Told how many files were looked at."""


@dataclass(slots=True)
class RepairReport:
    """What a repair did.

    Attributes:
        segment_count: segments in the new catalogue.
        recovered: unclosed segments that were closed.
        quarantined: files, or copies of files before they were cut, that lie in quarantine now.
        unreadable: files that were left alone because their day's key is not there.
        recreated: streams that are known from their footage only: their cameras need an address.
        losses: what could not be read of the old catalogue.
        kept_as: where the old catalogue is now, None if there was none.
    """

    segment_count: int = 0
    recovered: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    recreated: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    kept_as: str | None = None


def repair(
    path: Path,
    volumes: Sequence[Volume],
    keyring: KeyRing,
    *,
    deep: bool,
    now_ns: int,
    progress: Progress | None = None,
    threads: int = 2,
) -> RepairReport:
    """Rebuilds the catalogue at `path`. Nothing may be recorded meanwhile; who changes anything gets an error.

    Args:
        path: the catalogue, whether it is there or not.
        volumes: all of them: footage on one that is left out is forgotten until the next repair.
        keyring: opens the day keys.
        deep: authenticate every fragment, so that altered ones become gaps (reads everything).
        now_ns: wall time, for the old catalogue's new name.
        progress: told how far it is.
        threads: how many files are looked at at a time.

    Raises:
        CatalogueError: cameras are being recorded, or the old catalogue belongs to a newer civicam.
        VolumeError: a volume cannot be read or written.
    """
    if any(not file.is_left for file in open_files(volumes)):
        raise CatalogueError("cameras are being recorded", where=str(path), fix="stop the recorder first")
    report = RepairReport()
    fresh = path.with_name(path.name + ".new")
    with replacing(path):
        _remove(fresh)
        mender = _Mender(volumes, keyring, report)
        with OldCatalogue(path) as old, Catalogue.open(fresh, create=True) as new:
            report.losses += new.adopt(old.configuration())
            mender.recover_open()
            rebuild = _Rebuild(old, new, mender, deep=deep, threads=threads, progress=progress)
            cameras = cameras_on(volumes) | {key.camera for key in new.streams()}
            for camera in sorted(cameras):
                rebuild.camera(camera)
            report.losses += old.losses
        report.kept_as = _swap(path, fresh, now_ns)
        _remove(fresh)
    return report


class _Mender:
    """What is done to the files."""

    def __init__(self, volumes: Sequence[Volume], keyring: KeyRing, report: RepairReport) -> None:
        self.volumes = volumes
        self.keyring = keyring
        self.report = report

    def recover_open(self) -> None:
        """Closes what a crash left open."""
        for file in open_files(self.volumes):
            if self._recovered(file.volume, file.name):
                self.report.recovered.append(str(file.name))

    def _recovered(self, volume: Volume, name: SegmentName) -> ClosedSegment | None:
        """The segment that a file in `open/` becomes; what is not authentic goes into quarantine."""
        try:
            return recover(volume, name, self.keyring)
        except KeyMissingError:
            self.report.unreadable.append(str(open_path(volume.root, name)))
        except (SegmentError, SealError):
            self._quarantine(volume, open_path(volume.root, name))
        return None

    def mended(self, file: ClosedFile, verdict: SegmentVerdict) -> ClosedFile | None:
        """A faulty file as a sound one, with the fragments up to the first bad one; None if there are none."""
        if verdict.good_count == 0 or verdict.name is None:
            self._quarantine(file.volume, file.path)
            return None
        name, volume = verdict.name, file.volume
        target = open_path(volume.root, name)
        if target.exists() or (closed_path(volume.root, name) != file.path and closed_path(volume.root, name).exists()):
            self._quarantine(volume, file.path)  # there is a file of that name: this is a copy
            return None
        self._quarantine(volume, file.path, keep=True)
        with volume_errors("a file was put in place", file.path):
            file.path.rename(target)
        if self._recovered(volume, name) is None:
            return None
        return ClosedFile(volume, name, closed_path(volume.root, name))

    def set_aside(self, file: ClosedFile) -> None:
        """Puts a sound file that has no place in the catalogue into quarantine."""
        self._quarantine(file.volume, file.path)

    def _quarantine(self, volume: Volume, path: Path, *, keep: bool = False) -> None:
        with volume_errors("a file was put into quarantine", path):
            folder = volume.root / QUARANTINE
            folder.mkdir(mode=0o750, exist_ok=True)
            target = _free_name(folder / path.name)
            if keep:
                shutil.copyfile(path, target)
                _sync(target)
            else:
                path.rename(target)
            _sync(folder)
        self.report.quarantined.append(str(target))

    def drop_expired_keys(self, camera: CameraId, expired_before_ns: int) -> None:
        """Finishes what retention began: removes the keys of days that it has passed and that have no footage.

        Any other key without footage stays, for the footage may come back.
        """
        needed = days_in_quarantine(self.volumes)
        for volume, day in files_of(self.volumes, camera).keys:
            if day_span(day)[0] < expired_before_ns and (volume.name, camera, day) not in needed:
                volume.drop_empty_day(camera, day)  # does nothing while a segment is there


class _Rebuild:
    """What is written into the new catalogue."""

    def __init__(
        self,
        old: OldCatalogue,
        new: Catalogue,
        mender: _Mender,
        *,
        deep: bool,
        threads: int,
        progress: Progress | None,
    ) -> None:
        self._old = old
        self._new = new
        self._mender = mender
        self._deep = deep
        self._threads = threads
        self._progress = progress
        self._seen = 0

    def camera(self, camera: CameraId) -> None:
        """Writes all rows of one camera."""
        files = files_of(self._mender.volumes, camera)
        strays = [ClosedFile(volume, _name_of(path), path) for volume, path in files.strays if _is_segment(path)]
        rows: dict[StreamKey, dict[int, tuple[Segment, ClosedFile]]] = {}
        stories = {key: Story(key) for key in self._new.streams() if key.camera == camera}
        mended: list[ClosedFile] = []
        for file, verdict in self._looked_at([*files.closed, *strays]):
            if _is_sound(verdict):
                self._take(file, verdict, rows, stories)
            elif sound := self._mender.mended(file, verdict):
                mended.append(sound)
        for file, verdict in self._looked_at(mended):
            if _is_sound(verdict):
                self._take(file, verdict, rows, stories)
        for key, story in stories.items():
            self._write(key, story, [row for row, _ in rows.get(key, {}).values()])
        self._mender.drop_expired_keys(camera, max(map(self._new.expired_before, stories), default=0))

    def _looked_at(self, files: Iterable[ClosedFile]) -> Iterable[tuple[ClosedFile, SegmentVerdict]]:
        keyring = self._mender.keyring
        for finding in examine_all(files, keyring, deep=self._deep, threads=self._threads, decode=False):
            self._seen += 1
            if self._progress:
                self._progress(self._seen)
            yield finding.file, finding.verdict

    def _take(
        self,
        file: ClosedFile,
        verdict: SegmentVerdict,
        rows: dict[StreamKey, dict[int, tuple[Segment, ClosedFile]]],
        stories: dict[StreamKey, Story],
    ) -> None:
        assert verdict.segment is not None
        row = _row(file.volume, verdict.segment)
        mine = rows.setdefault(row.key, {})
        if row.start_wall_ns in mine:  # two recorders began at the same nanosecond
            self._mender.set_aside(file)
            return
        mine[row.start_wall_ns] = row, file
        story = stories.setdefault(row.key, Story(row.key))
        story.add(verdict, is_readable=self._is_readable(file))

    def _is_readable(self, file: ClosedFile) -> bool:
        try:
            self._mender.keyring.find(file.volume.root, file.name.camera, file.name.day)
        except FootageError:
            self._mender.report.unreadable.append(str(file.path))
            return False
        return True

    def _write(self, key: StreamKey, story: Story, rows: list[Segment]) -> None:
        story.gone += self._old.segment_spans(key)
        old_gaps = self._old.gaps(key)
        starts = [row.start_wall_ns for row in rows] + [gap.start_wall_ns for gap in [*story.told, *old_gaps]]
        ends = [row.end_wall_ns for row in rows] + [gap.end_wall_ns for gap in old_gaps]
        if starts and ends and self._new.recreate(key, (min(starts), max(ends))):
            self._mender.report.recreated.append(str(key))
        gaps = story.gaps(old_gaps, self._new.due(key, ALL_TIME), trust_old_damage=not self._deep)
        self._new.record(rows, gaps)
        self._mender.report.segment_count += len(rows)


def _row(volume: Volume, segment: ClosedSegment) -> Segment:
    return Segment(
        segment.name.key,
        segment.start_wall_ns,
        max(segment.start_wall_ns, segment.end_wall_ns),
        segment.name.epoch,
        volume.name,
        segment.size_bytes,
        segment.fragment_count,
        segment.sample_count,
        segment.digest,
    )


def _is_sound(verdict: SegmentVerdict) -> bool:
    """It can stay: where it belongs, closed, with an index; single fragments may be bad."""
    broken = {ProblemKind.HEADER, ProblemKind.PLACE, ProblemKind.ENDING, ProblemKind.FRAMING}
    is_whole = verdict.segment is not None and verdict.good_count > 0
    return is_whole and not any(problem.kind in broken for problem in verdict.problems)


def _is_segment(path: Path) -> bool:
    try:
        with SegmentReader.open(path):
            return True
    except SegmentError:
        return False


def _name_of(path: Path) -> SegmentName:
    with SegmentReader.open(path) as reader:
        return reader.header.name


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def _swap(path: Path, fresh: Path, now_ns: int) -> str | None:
    """Puts the new catalogue in the old one's place; returns where that is kept."""
    kept = None
    if path.exists():
        stamp = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
        kept = _free_name(path.with_name(f"{path.name}.{stamp}"))
        os.link(path, kept)
        # The old log must be gone before the new file has this name, or SQLite would apply the one to the other.
        for suffix in ("-wal", "-shm"):
            log = path.with_name(path.name + suffix)
            if log.exists():
                log.rename(kept.with_name(kept.name + suffix))
    _sync(fresh)
    fresh.replace(path)
    _sync(path.parent)
    return str(kept) if kept else None


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    lock_of(path).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
