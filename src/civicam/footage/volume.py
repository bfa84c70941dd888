"""A volume: a folder on a disk that holds segments, and how much room is left on it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from civicam.core.errors import ConfigError, DiskFullError, SegmentError
from civicam.core.ids import CameraId, parse_camera_id
from civicam.footage.disk import SYSTEM_DISK, Disk, make_folders, volume_errors, write_all
from civicam.footage.keys import destroy_key
from civicam.footage.layout import (
    KEY_FILE,
    OPEN_FOLDER,
    Day,
    SegmentName,
    camera_lock,
    closed_path,
    day_folder,
    open_path,
    parse_day,
)


class RoomLevel(StrEnum):
    """How much room a volume has."""

    OK = "ok"
    LOW = "low"
    """below twice the reserve: an alarm"""
    FULL = "full"
    """below the reserve: no new bytes"""


class Room(NamedTuple):
    """A volume's room, in bytes.

    Attributes:
        level: what to do about it.
        free_bytes: what civicam may still write.
        used_bytes: what anybody has written to that disk.
        total_bytes: the disk's size.
    """

    level: RoomLevel
    free_bytes: int
    used_bytes: int
    total_bytes: int


class StoredSegment(NamedTuple):
    """A segment file in a volume."""

    name: SegmentName
    path: Path
    is_open: bool


class Volume:
    """A place for segments.

    Args:
        name: what the catalogue calls it.
        root: its folder.
        reserve_bytes: room that is kept free.
        disk: how it is written.
    """

    def __init__(self, name: str, root: Path, reserve_bytes: int, disk: Disk = SYSTEM_DISK) -> None:
        self.name = name
        self.root = root
        self.reserve_bytes = reserve_bytes
        self.disk = disk

    def __repr__(self) -> str:
        return f"Volume({self.name!r}, {str(self.root)!r})"

    def prepare(self) -> None:
        """Makes the volume's folders where they are missing.

        Raises:
            VolumeError: they cannot be made.
        """
        with volume_errors("the volume was prepared", self.root):
            self.root.mkdir(mode=0o750, parents=True, exist_ok=True)
            make_folders(self.disk, self.root, OPEN_FOLDER)

    def room(self) -> Room:
        """How much room there is.

        Raises:
            VolumeError: the volume is gone.
        """
        with volume_errors("free room was read", self.root):
            found = os.statvfs(self.root)
        free = found.f_bavail * found.f_frsize
        total = found.f_blocks * found.f_frsize
        return Room(self._level(free), free, total - found.f_bfree * found.f_frsize, total)

    def free_bytes(self) -> int:
        """What civicam may still write. Raises as `room` does."""
        return self.room().free_bytes

    def _level(self, free_bytes: int) -> RoomLevel:
        if free_bytes < self.reserve_bytes:
            return RoomLevel.FULL
        return RoomLevel.LOW if free_bytes < 2 * self.reserve_bytes else RoomLevel.OK

    def require_room(self) -> None:
        """Returns if new bytes may be written.

        Raises:
            DiskFullError: the reserve is touched.
            VolumeError: the volume is gone.
        """
        room = self.room()
        if room.level is RoomLevel.FULL:
            raise DiskFullError(
                f"{room.free_bytes} bytes are free, and {self.reserve_bytes} are kept in reserve",
                where=str(self.root),
                fix="free space, add a volume or keep fewer days",
            )

    def probe(self) -> None:
        """Writes, syncs and removes a small file, to learn whether the volume can be written.

        Raises:
            VolumeError: it cannot, and why.
        """
        path = self.root / OPEN_FOLDER / f".probe.{os.getpid()}.{os.urandom(4).hex()}"
        with volume_errors("the volume was tried", self.root):
            descriptor = self.disk.create(path)
            try:
                write_all(self.disk, descriptor, (b"civicam",), 0)
                self.disk.sync(descriptor)
            finally:
                os.close(descriptor)
                self.disk.remove(path)

    def segments(self) -> Iterator[StoredSegment]:
        """Every segment file: those being written first, then by camera, day and name.

        Raises:
            VolumeError: a folder cannot be read.
        """
        yield from self.open_segments()
        with volume_errors("the volume was searched", self.root):
            for camera, day in self._days():
                for name in self._closed(camera, day):
                    yield StoredSegment(name, closed_path(self.root, name), is_open=False)

    def open_segments(self) -> Iterator[StoredSegment]:
        """The segment files in `open/`: being written, or left behind by a crash.

        Raises:
            VolumeError: the folder cannot be read.
        """
        with volume_errors("the volume was searched", self.root):
            for text in _listing(self.root / OPEN_FOLDER):
                with suppress(SegmentError):
                    name = SegmentName.parse(text)
                    yield StoredSegment(name, open_path(self.root, name), is_open=True)

    def days(self) -> Iterator[tuple[CameraId, Day]]:
        """Every camera's day that has a folder.

        Raises:
            VolumeError: a folder cannot be read.
        """
        with volume_errors("the volume was searched", self.root):
            yield from self._days()

    def path_of(self, name: SegmentName) -> Path:
        """Where the segment lies now: open or closed.

        Raises:
            SegmentError: it is in neither place.
        """
        # In this order: a segment that is closed in between moves from the first place to the second.
        for path in (open_path(self.root, name), closed_path(self.root, name)):
            if path.exists():
                return path
        raise SegmentError("the segment is not there", where=str(closed_path(self.root, name)), fix="civicam check")

    def delete(self, name: SegmentName) -> int:
        """Removes a closed segment, with its day's key and folder (key first) when it was the day's last.

        The key stays while a segment of that day is still in `open/`. Deleting what is gone already is no error.

        Returns:
            The bytes that this frees.

        Raises:
            VolumeError: it cannot be removed.
        """
        path = closed_path(self.root, name)
        with volume_errors("a segment was deleted", path):
            if not path.parent.is_dir():
                return 0
            size_bytes = path.stat().st_size if path.exists() else 0
            with camera_lock(self.root, name.camera):
                if not self._is_needed(name.camera, name.day, besides=name):
                    destroy_key(self.disk, self.root, name.camera, name.day)
                with suppress(FileNotFoundError):
                    self.disk.remove(path)
                self._drop_empty_day(name.camera, name.day)
            return size_bytes

    def drop_empty_day(self, camera: CameraId, day: Day) -> bool:
        """Removes a day's key and folder if no segment needs them, as a crash may leave them; whether they are gone.

        Raises:
            VolumeError: they cannot be removed.
        """
        folder = day_folder(self.root, camera, day)
        with volume_errors("an empty day was removed", folder):
            if not folder.is_dir():
                return True
            with camera_lock(self.root, camera):
                return self._drop_empty_day(camera, day)

    def _is_needed(self, camera: CameraId, day: Day, besides: SegmentName | None = None) -> bool:
        """Whether a segment, `besides` that one, needs the camera's key of that day."""
        # `open/` first: a segment that is closed in between is then found in the folder.
        if any((found.name.camera, found.name.day) == (camera, day) for found in self.open_segments()):
            return True
        return any(other != besides for other in self._closed(camera, day))

    def _drop_empty_day(self, camera: CameraId, day: Day) -> bool:
        if self._is_needed(camera, day):
            return False
        destroy_key(self.disk, self.root, camera, day)
        folder = day_folder(self.root, camera, day)
        left = _listing(folder)
        if any(not text.startswith(".") for text in left):
            return False  # something that is not civicam's: the key is gone, the folder stays
        for text in left:
            self.disk.remove(folder / text)
        self.disk.remove_folder(folder)
        self.disk.sync_folder(folder.parent)
        return True

    def _days(self) -> Iterator[tuple[CameraId, Day]]:
        for text in _listing(self.root):
            with suppress(ConfigError):
                camera = parse_camera_id(text)
                if text == OPEN_FOLDER or not (self.root / camera).is_dir():
                    continue
                for folder in _listing(self.root / camera):
                    with suppress(SegmentError):
                        yield camera, parse_day(folder)

    def _closed(self, camera: CameraId, day: Day) -> Iterator[SegmentName]:
        """The segments in a day's folder that belong there."""
        for text in _listing(day_folder(self.root, camera, day)):
            if text != KEY_FILE:
                with suppress(SegmentError):
                    name = SegmentName.parse(text)
                    if (name.camera, name.day) == (camera, day):
                        yield name


def _listing(folder: Path) -> list[str]:
    """The names in a folder, sorted; none where there is no such folder any more."""
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
