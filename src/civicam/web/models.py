"""What the JSON API answers with. Moments are RFC 3339 in UTC; no address, name or password of a camera is in here."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RegisterModel(_Model):
    """What the public is told of a camera."""

    owner: str = Field(description="Who answers for it.")
    legal_basis: str = Field(description="The provision that allows it.")
    keep_days: float = Field(description="How long its footage is kept, at most.")
    description: str = Field(description="What it sees, and what for.")


class PlaceModel(_Model):
    """Where a camera stands (WGS 84, degrees), and where it looks."""

    latitude: float
    longitude: float
    direction_deg: float | None = Field(description="Clockwise from north; null where it is not known.")
    view_deg: float
    reach_m: float


class ConditionModel(_Model):
    """One thing that is so of a camera's picture."""

    code: str = Field(description="live, unseen, silent, full-WHY (all of it is covered) or health-WHAT (is wrong).")
    since: str | None = Field(description="Since when; null where that is not known.")


class CameraModel(_Model):
    """A camera, and where its views are."""

    id: str
    title: str
    purpose: str = Field(description="Why the camera is there.")
    register_entry: RegisterModel | None = Field(
        description="What the public is told of it; without it the camera does not record."
    )
    place: PlaceModel | None
    state: str = Field(description="How its picture is, in words.")
    conditions: list[ConditionModel] = Field(description="The same, one by one.")
    is_bad: bool = Field(description="Whether somebody should look after it.")
    still: str = Field(description="The path of its newest still.")
    live: str = Field(description="The path of its live view, a WebSocket.")
    playback: str = Field(description="The path of its playlists; add `from` and `to`.")
    past: str = Field(description="The path of its stills of the past; add `at`.")
    beside: str = Field(description="The path of what finds the frame beside another; add `at` and `go`.")
    coverage: str = Field(description="The path of what is playable; add `from` and `to`.")


class CityModel(_Model):
    """The city and the cameras that it has."""

    name: str
    shown: str = Field(description="What is covered in every picture, in words.")
    cameras: list[CameraModel]


Text = Annotated[str, StringConstraints(max_length=1000)]


class CameraWanted(_Model):
    """A camera that is to be added."""

    id: Text = Field(description="Lower-case letters, digits and hyphens.")
    url: Text = Field(description="rtsp://HOST[:PORT]/PATH of the full picture.")
    purpose: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    sub: Text = Field(default="", description="The small picture's address.")
    title: Annotated[str, StringConstraints(max_length=200)] = ""
    username: Text = ""
    password: Text = ""
    register_entry: RegisterModel | None = None
    place: PlaceModel | None = None


class SpanModel(_Model):
    """A stretch of time."""

    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")


class GapModel(SpanModel):
    """A stretch that is missing."""

    cause: str


class HealthModel(_Model):
    """Something about the picture's usability that began, and ended or lasts."""

    start: str = Field(serialization_alias="from")
    end: str | None = Field(serialization_alias="to", description="When it ended; null while it lasts.")
    what: str
    code: str = Field(description="The same as a condition has it.")
    certainty: float = Field(ge=0, le=1, description="How sure that is, 0 to 1.")


class CoverageModel(_Model):
    """What of a stretch there is."""

    camera: str
    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")
    completeness: float = Field(ge=0, le=1, description="Playable part of what was due; 1 where nothing was.")
    playable: list[SpanModel]
    gaps: list[GapModel]
    unexplained: list[SpanModel] = Field(description="Due, and neither playable nor in a gap; or not durable yet.")
    health: list[HealthModel]


class FrameModel(_Model):
    """A frame that was recorded."""

    at: str | None = Field(
        description="When it was seen, to the microsecond and never before that moment; null where none is near."
    )


class ProblemModel(_Model):
    """What was wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


class HoursModel(_Model):
    """How completely each hour of a camera was recorded."""

    camera: str
    start: str = Field(serialization_alias="from", description="The first hour's beginning.")
    share: list[float | None] = Field(description="Of each hour, in order: the playable part of what was due, or null.")


class DayModel(_Model):
    """How completely a day of a camera was recorded."""

    day: str = Field(description="UTC, such as 2026-03-01.")
    due_s: float = Field(description="Seconds that were due, over its streams; 0 where it was not due.")
    share: float = Field(ge=0, le=1, description="Playable part of what was due; 1 where nothing was.")
    missing_s: dict[str, float] = Field(description="Seconds that are missing, by cause.")


class CameraDays(_Model):
    """A camera's days, the oldest first."""

    camera: str
    title: str
    days: list[DayModel]


class VolumeModel(_Model):
    """A disk with footage."""

    name: str
    level: str = Field(description="ok, low, full or gone")
    free_bytes: int
    total_bytes: int
    footage_bytes: int
    limit_bytes: int = Field(description="How much footage may lie there; 0 for no limit.")


class WorkerModel(_Model):
    """A process that records."""

    number: int
    is_up: bool
    restarts: int
    streams: int


class MachineModel(_Model):
    """How the machine is."""

    at: str
    since: str = Field(description="When the recorder was started.")
    alarms: list[str]
    bits_per_s: float = Field(description="What all streams bring now.")
    volumes: list[VolumeModel]
    workers: list[WorkerModel]


class RegisteredModel(_Model):
    """What everybody may know of a camera."""

    id: str
    title: str
    purpose: str
    register_entry: RegisterModel | None
    place: PlaceModel | None


class RegisterList(_Model):
    """All cameras of the city."""

    city: str
    cameras: list[RegisteredModel]
