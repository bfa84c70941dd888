"""What a recorder is to do: plain data that the supervisor hands to its workers, over a pipe and never in arguments."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from civicam.core.errors import WorkerError
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.footage.volume import Volume


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """One stream to record.

    Attributes:
        key: which.
        url: its RTSP address, without credentials.
        due_since_ns: since when it is meant to be recorded.
        username: who to sign in as, empty for nobody.
        password: their password.
    """

    key: StreamKey
    url: str
    due_since_ns: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """One folder to write to.

    Attributes:
        name: as the catalogue calls it.
        root: where it is.
        reserve_bytes: how much is always left free.
    """

    name: str
    root: str
    reserve_bytes: int

    @property
    def volume(self) -> Volume:
        """The volume that it is a plan of."""
        return Volume(self.name, Path(self.root), self.reserve_bytes)


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What holds for every stream of a worker. Defaults as in `civicam.config`.

    Attributes:
        catalogue: the database's path.
        city_key: the key file's path.
        volumes: where to write.
        segment_s: seconds a segment.
        sync_interval_s: seconds until footage is durable.
        backlog_bytes: how much may wait to be written.
        max_fragment_s: seconds after which a GOP without end is cut.
        max_fragment_bytes: bytes after which it is cut.
        stall_s: seconds without a sample after which a camera is asked anew.
        connect_at_once: cameras a worker connects to at the same time.
        feed: the folder of the workers' sockets for live samples, empty for none.
    """

    catalogue: str
    city_key: str
    volumes: tuple[VolumePlan, ...]
    segment_s: float = 60
    sync_interval_s: float = 2
    backlog_bytes: int = 64 << 20
    max_fragment_s: float = 10
    max_fragment_bytes: int = 16 << 20
    stall_s: float = 10
    connect_at_once: int = 32
    feed: str = ""


@dataclass(frozen=True, slots=True)
class RecorderPlan:
    """What the supervisor starts with.

    Attributes:
        worker: what holds for every stream.
        streams: what to record.
        workers: processes; 0 for one per 400 streams, at most one a core.
    """

    worker: WorkerPlan
    streams: tuple[StreamPlan, ...]
    workers: int = 0


def encode_hello(number: int, plan: WorkerPlan) -> str:
    """The first line that a worker reads."""
    return json.dumps({"hello": number, "plan": asdict(plan)})


def decode_hello(line: str) -> tuple[int, WorkerPlan]:
    """The worker's number and plan.

    Raises:
        WorkerError: the line is something else.
    """
    raw = _object(line)
    try:
        plan: dict[str, Any] = dict(raw["plan"])
        plan["volumes"] = tuple(VolumePlan(**volume) for volume in plan["volumes"])
        return int(raw["hello"]), WorkerPlan(**plan)
    except (KeyError, TypeError, ValueError) as error:
        raise WorkerError(
            "the first line to the worker is no plan", fix="start workers through `civicam run`"
        ) from error


def encode_start(stream: StreamPlan) -> str:
    """The line that makes a worker record `stream`."""
    return json.dumps({"start": asdict(stream)})


def encode_stop(key: StreamKey) -> str:
    """The line that makes a worker end recording a stream."""
    return json.dumps({"stop": list(key)})


def encode_quit() -> str:
    """The line that makes a worker finish. A pipe that ends without it means that the supervisor died."""
    return json.dumps({"quit": True})


class Quit:
    """The command to finish."""


def decode_command(line: str) -> StreamPlan | StreamKey | Quit:
    """A stream to start, the key of one to stop, or the word to finish.

    Raises:
        WorkerError: the line is something else.
    """
    raw = _object(line)
    try:
        if "quit" in raw:
            return Quit()
        if "stop" in raw:
            return _key(raw["stop"])
        start = dict(raw["start"])
        return StreamPlan(**{**start, "key": _key(start["key"])})
    except (KeyError, TypeError, ValueError) as error:
        raise WorkerError("a line to the worker is no command") from error


def _key(raw: Any) -> StreamKey:
    camera, stream = raw
    return StreamKey(CameraId(str(camera)), StreamName(stream))


def _object(line: str) -> dict[str, Any]:
    try:
        raw = json.loads(line)
    except ValueError as error:
        raise WorkerError("a line to the worker is no JSON") from error
    if not isinstance(raw, dict):
        raise WorkerError("a line to the worker is no JSON object")
    return raw
