"""What lies in the volumes, a camera at a time, so that a month of a city need not fit into memory."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from civicam.core.errors import ConfigError, SegmentError
from civicam.core.ids import CameraId, parse_camera_id
from civicam.footage.disk import volume_errors
from civicam.footage.layout import KEY_FILE, OPEN_FOLDER, Day, SegmentName, closed_path, parse_day
from civicam.footage.recovery import unclosed
from civicam.footage.volume import Volume

QUARANTINE = "quarantine"
"""A volume's folder for files that are no longer served and not deleted."""


class OpenFile(NamedTuple):
    """A segment in `open/`; nobody writes it if it `is_left`."""

    volume: Volume
    name: SegmentName
    path: Path
    is_left: bool


class ClosedFile(NamedTuple):
    """A segment in its day's folder."""

    volume: Volume
    name: SegmentName
    path: Path


@dataclass(slots=True)
class CameraFiles:
    """What the volumes have of one camera.

    Attributes:
        closed: its closed segments, by place.
        strays: files in its folders that belong nowhere.
        keys: the days that have a key.
    """

    closed: list[ClosedFile] = field(default_factory=list)
    strays: list[tuple[Volume, Path]] = field(default_factory=list)
    keys: list[tuple[Volume, Day]] = field(default_factory=list)


def open_files(volumes: Iterable[Volume]) -> list[OpenFile]:
    """Returns what lies in `open/`.

    Raises:
        VolumeError: a volume cannot be read.
    """
    found = []
    for volume in volumes:
        left = set(unclosed(volume))
        found += [OpenFile(volume, file.name, file.path, file.name in left) for file in volume.open_segments()]
    return found


def cameras_on(volumes: Iterable[Volume]) -> set[CameraId]:
    """Returns the cameras that have a folder.

    Raises:
        VolumeError: a volume cannot be read.
    """
    found = set()
    for volume in volumes:
        with volume_errors("the volume was searched", volume.root):
            folders = _folders(volume.root)
        for folder in folders:
            if folder.name != OPEN_FOLDER:
                with suppress(ConfigError):
                    found.add(parse_camera_id(folder.name))
    return found


def files_of(volumes: Sequence[Volume], camera: CameraId) -> CameraFiles:
    """Returns what lies in a camera's folders, in the order of the volumes' and files' names.

    Raises:
        VolumeError: a volume cannot be read.
    """
    found = CameraFiles()
    for volume in volumes:
        with volume_errors("the volume was searched", volume.root / camera):
            for folder in _folders(volume.root / camera):
                for path in sorted(folder.iterdir()):
                    _sort(found, volume, path)
    return found


def days_in_quarantine(volumes: Iterable[Volume]) -> set[tuple[str, CameraId, Day]]:
    """Returns volume, camera and day of what lies in quarantine: their keys are still needed to look into it."""
    found = set()
    for volume in volumes:
        folder = volume.root / QUARANTINE
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            with suppress(SegmentError):
                name = SegmentName.parse(path.name)
                found.add((volume.name, name.camera, name.day))
    return found


def _sort(found: CameraFiles, volume: Volume, path: Path) -> None:
    if path.name.startswith("."):
        return  # a key's draft, or one being destroyed
    if path.name == KEY_FILE:
        with suppress(SegmentError):
            found.keys.append((volume, parse_day(path.parent.name)))
            return
    try:
        name = SegmentName.parse(path.name)
    except SegmentError:
        found.strays.append((volume, path))
        return
    if closed_path(volume.root, name) == path:
        found.closed.append(ClosedFile(volume, name, path))
    else:
        found.strays.append((volume, path))


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir())
