"""What the catalogue says: one dataclass a kind of row."""

import math
from dataclasses import dataclass
from typing import Final

from civicam.core.errors import CatalogueError
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName

_MOST_REACH_M: Final = 10_000.0


@dataclass(frozen=True, slots=True)
class RegisterEntry:
    """What the public is told of a camera beside its purpose.

    Attributes:
        owner: who answers for it; at most 200 characters.
        legal_basis: the provision that allows it; at most 400.
        keep_days: how long its footage is kept, at most.
        description: what it sees, and what for, in words for residents; at most 1000.

    Raises:
        CatalogueError: something of it is missing, or too long for an entry of the ledger.
    """

    owner: str
    legal_basis: str
    keep_days: float
    description: str

    def __post_init__(self) -> None:
        said = (
            ("owner", self.owner, 200),
            ("legal basis", self.legal_basis, 400),
            ("description", self.description, 1000),
        )
        for name, text, most in said:
            if not text.strip() or len(text) > most:
                fix = f"say it in 1 to {most} characters"
                raise CatalogueError(f"a camera's {name} has {len(text.strip())} characters", fix=fix)
        if not 0 < self.keep_days < math.inf:
            raise CatalogueError(f"a camera keeps {self.keep_days} days of footage", fix="write a number, such as 30")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a camera stands, and where it looks.

    Attributes:
        latitude: degrees north (WGS 84).
        longitude: degrees east.
        direction_deg: where it looks, clockwise from north; None: it is not known, or it turns.
        view_deg: how wide it sees.
        reach_m: how far it sees.

    Raises:
        CatalogueError: there is no such place.
    """

    latitude: float
    longitude: float
    direction_deg: float | None = None
    view_deg: float = 60.0
    reach_m: float = 40.0

    def __post_init__(self) -> None:
        is_there = -90 <= self.latitude <= 90 and -180 <= self.longitude <= 180
        looks = self.direction_deg is None or 0 <= self.direction_deg < 360
        if not (is_there and looks and 0 < self.view_deg <= 360 and 0 < self.reach_m <= _MOST_REACH_M):
            raise CatalogueError("there is no such place", fix="give degrees: north, east, and clockwise from north")


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that the city has, or had.

    Attributes:
        id: its name in the city.
        title: what people call it.
        urls: the RTSP address of each recorded stream, without name and password.
        credentials: name and password, wrapped by the city key (context `camera:<id>`), None if it needs none.
        purpose: why the camera is there.
        added_ns: since when it is due to record.
        removed_ns: until when it was due, None while it is.
        register: what the public is told of it; without it the camera does not record.
        place: where it stands, where that is known.
    """

    id: CameraId
    title: str
    urls: dict[StreamName, str]
    credentials: bytes | None
    purpose: str
    added_ns: int
    removed_ns: int | None
    register: RegisterEntry | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment file. `start_wall_ns` is unique within a stream.

    Attributes:
        key: whose footage it is.
        start_wall_ns: when its first fragment starts.
        end_wall_ns: when its last durable fragment ends.
        epoch: which start of the recorder wrote it.
        volume: the volume's name.
        size_bytes: durable bytes of the file.
        fragment_count: fragments in it.
        sample_count: coded frames in it.
        digest: the closed file's digest (SHA-256 over header and index), None while it is open.
    """

    key: StreamKey
    start_wall_ns: int
    end_wall_ns: int
    epoch: int
    volume: str
    size_bytes: int
    fragment_count: int
    sample_count: int
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Deletion:
    """A segment that is gone for good.

    Attributes:
        segment: what it was.
        rule: by which rule it went: `age` or `room`.
        deleted_ns: when.
        entry: the ledger's entry that is its receipt; None before there is one.
    """

    segment: "Segment"
    rule: str
    deleted_ns: int
    entry: int | None


@dataclass(frozen=True, slots=True)
class Expired:
    """A segment that retention has taken from the catalogue, and whose file is not gone yet.

    Attributes:
        key: whose footage it was.
        start_wall_ns: when it started.
        epoch: which start of the recorder wrote it.
        volume: the volume's name.
    """

    key: StreamKey
    start_wall_ns: int
    epoch: int
    volume: str


@dataclass(frozen=True, slots=True)
class GapRow:
    """A stretch that a stream should have covered and did not. `start_wall_ns` is unique within a stream.

    Attributes:
        key: whose footage is missing.
        start_wall_ns: where coverage ended.
        end_wall_ns: where it went on; while the gap lasts, how far it is known to reach.
        cause: why.
    """

    key: StreamKey
    start_wall_ns: int
    end_wall_ns: int
    cause: GapCause


@dataclass(frozen=True, slots=True)
class Hold:
    """Footage that retention may not touch.

    Attributes:
        id: its number.
        camera: whose footage.
        start_wall_ns: from when.
        end_wall_ns: until when.
        reason: why it is held.
    """

    id: int
    camera: CameraId
    start_wall_ns: int
    end_wall_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class HealthRow:
    """Something that was wrong with a camera's picture.

    Attributes:
        camera: whose.
        kind: what, in the words of `vision.health.HealthKind`.
        began_wall_ns: the first picture that showed it.
        confidence: how sure that was, 0 to 1.
        ended_wall_ns: the first picture that did not, None while it lasts.
    """

    camera: CameraId
    kind: str
    began_wall_ns: int
    confidence: float
    ended_wall_ns: int | None
