"""Names and places: where in a volume a segment, a day and a key lie (docs/design/storage.md, "Places")."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from fcntl import LOCK_EX, flock
from os import O_CLOEXEC, O_DIRECTORY, O_RDONLY, close
from os import open as open_descriptor
from pathlib import Path
from typing import NamedTuple, NewType

from civicam.core.errors import ConfigError, SegmentError
from civicam.core.ids import CameraId, StreamKey, StreamName, parse_camera_id
from civicam.core.spans import Span

OPEN_FOLDER = "open"
"""Where segments lie while they are written."""

KEY_FILE = "day.key"
"""The wrapped data key in a day's folder."""

Day = NewType("Day", str)
"""A UTC day as `YYYY-MM-DD`: a folder's name, and the life of a data key."""

MAX_TIME_NS = 2**63 - 1
"""The last moment a segment can name (the year 2262)."""

_NS_PER_S = 1_000_000_000
_NAME = re.compile(r"([a-z0-9-]{1,63})\.(main|sub)\.(0|[1-9][0-9]{0,18})\.(0|[1-9][0-9]{0,18})\.civ", re.ASCII)


def day_of(wall_ns: int) -> Day:
    """The UTC day that `wall_ns` (0 to `MAX_TIME_NS`) lies in."""
    return Day(datetime.fromtimestamp(wall_ns // _NS_PER_S, UTC).date().isoformat())


def parse_day(text: str) -> Day:
    """Returns `text` as a day.

    Raises:
        SegmentError: it is not a day written as `YYYY-MM-DD`.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise SegmentError(f"{text[:40]!r} is not a day", fix="a day is written as 2026-03-01")
    return Day(text)


def day_span(day: Day) -> Span:
    """The first nanosecond of `day` and of the next one."""
    start = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    end = start + timedelta(days=1)
    return int(start.timestamp()) * _NS_PER_S, int(end.timestamp()) * _NS_PER_S


class SegmentName(NamedTuple):
    """What a segment file is called: `<camera>.<stream>.<start_wall_ns>.<epoch>.civ`.

    Attributes:
        camera: whose footage.
        stream: which stream of it.
        start_wall_ns: when its first fragment starts, 0 to `MAX_TIME_NS`.
        epoch: which start of a recorder wrote it, 0 to 2^63 - 1.
    """

    camera: CameraId
    stream: StreamName
    start_wall_ns: int
    epoch: int

    @classmethod
    def parse(cls, text: str) -> "SegmentName":
        """The name that `text` is.

        Raises:
            SegmentError: it is no segment's name.
        """
        found = _NAME.fullmatch(text)
        try:
            if not found:
                raise ConfigError("no segment's name")
            camera = parse_camera_id(found[1])
        except ConfigError:
            raise SegmentError(
                f"{text[:200]!r} is not a segment's name", fix="move the file out of the volume"
            ) from None
        return cls.make(StreamKey(camera, StreamName(found[2])), int(found[3]), int(found[4]))

    @classmethod
    def make(cls, key: StreamKey, start_wall_ns: int, epoch: int) -> "SegmentName":
        """The name of the segment of `key` that starts at `start_wall_ns`.

        Raises:
            SegmentError: a number is below zero or takes more than 63 bits.
        """
        if not (0 <= start_wall_ns <= MAX_TIME_NS and 0 <= epoch <= MAX_TIME_NS):
            raise SegmentError(
                f"start {start_wall_ns} or epoch {epoch} is outside 0 to 2^63 - 1",
                where=str(key),
                fix="set the machine's clock",
            )
        return cls(key.camera, key.stream, start_wall_ns, epoch)

    def __str__(self) -> str:
        return f"{self.camera}.{self.stream}.{self.start_wall_ns}.{self.epoch}.civ"

    @property
    def key(self) -> StreamKey:
        """The camera and stream."""
        return StreamKey(self.camera, self.stream)

    @property
    def day(self) -> Day:
        """The day whose folder and key it belongs to."""
        return day_of(self.start_wall_ns)


def open_path(root: Path, name: SegmentName) -> Path:
    """Where the segment lies in the volume at `root` while it is written."""
    return root / OPEN_FOLDER / str(name)


def closed_path(root: Path, name: SegmentName) -> Path:
    """Where the segment lies in the volume at `root` once it is closed."""
    return day_folder(root, name.camera, name.day) / str(name)


def day_folder(root: Path, camera: CameraId, day: Day) -> Path:
    """Where a camera's closed segments and data key of `day` lie."""
    return root / camera / day


def key_path(root: Path, camera: CameraId, day: Day) -> Path:
    """Where a camera's wrapped data key of `day` lies."""
    return day_folder(root, camera, day) / KEY_FILE


def root_of(path: Path) -> Path:
    """The volume's folder of a segment at `path`, which is `open/<name>` or `<camera>/<day>/<name>` in it."""
    folder = path.parent
    return folder.parent if folder.name == OPEN_FOLDER else folder.parent.parent


@contextmanager
def camera_lock(root: Path, camera: CameraId) -> Iterator[None]:
    """Holds a camera's folder, which must be there, against every other process.

    A day's key and the segments that need it are made, and deleted, under this lock: otherwise a key could go in the
    moment between a recorder's reading it and the segment's being there to be seen. Not reentrant.

    Raises:
        OSError: the folder cannot be opened.
    """
    descriptor = open_descriptor(root / camera, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    try:
        flock(descriptor, LOCK_EX)
        yield
    finally:
        close(descriptor)
