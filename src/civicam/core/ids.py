"""Names of things, checked once at the edge."""

import re
from enum import IntEnum, StrEnum
from typing import NamedTuple, NewType

from civicam.core.errors import ConfigError

CameraId = NewType("CameraId", str)
"""A camera's name within its city: it is a folder's name and a metric's label too."""

_CAMERA_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def parse_camera_id(text: str) -> CameraId:
    """Returns `text` as a camera id.

    Raises:
        ConfigError: it is not 1 to 63 lower-case letters, digits and inner hyphens.
    """
    if not _CAMERA_ID.fullmatch(text):
        raise ConfigError(
            f"camera id {text!r} is not usable",
            fix="use 1 to 63 lower-case letters, digits and inner hyphens, such as 'rudaki-07'",
        )
    return CameraId(text)


class StreamName(StrEnum):
    """Which of a camera's streams: the full picture, or the small one."""

    MAIN = "main"
    SUB = "sub"


class GapCause(IntEnum):
    """Why a stretch that a camera should have covered is not playable. Stored on disk: never renumber."""

    CAMERA_SILENT = 1
    """Nothing usable came: unreachable, refused, stalled or disconnected."""
    LOST_PACKETS = 2
    """Packets were missing or malformed; the pictures up to the next keyframe cannot be trusted."""
    OVERLOAD = 3
    """The recorder's bounded backlog was full and whole fragments were dropped."""
    DISK = 4
    """A write or sync failed."""
    SHUT_DOWN = 5
    """The system was stopped on purpose."""
    CRASH = 6
    """The system or a worker died."""
    DAMAGED = 7
    """Footage was there and is no longer whole: found by a check."""

    @property
    def label(self) -> str:
        """The name people and metrics use, such as `camera silent`."""
        return self.name.lower().replace("_", " ")


class StreamKey(NamedTuple):
    """One stream of one camera: the unit that is recorded."""

    camera: CameraId
    stream: StreamName

    def __str__(self) -> str:
        return f"{self.camera}/{self.stream}"
