"""What is done for each stream of an export in the same way, however its films are made."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol, TypeVar

from pydantic import BaseModel, Field

from civicam.catalogue.models import Segment
from civicam.core.errors import EvidenceError, FootageError
from civicam.core.ids import CameraId, StreamKey
from civicam.core.spans import Span
from civicam.evidence.manifest import FOOTAGE, AbsentModel, FilmModel
from civicam.evidence.order import Archive, Making, Order, check_length
from civicam.footage.layout import SegmentName, closed_path
from civicam.footage.reader import SegmentReader

_AT_ONCE: Final = 2
"""Opening, coding and hashing let go of the interpreter, so they take two cores."""


class StreamFiles(BaseModel):
    """What is made of one stream so far; as JSON, it is kept until the package is made."""

    made_with: str = ""
    absent: list[AbsentModel] = Field(default_factory=list)

    @property
    def films(self) -> Sequence[FilmModel]:
        """Its films."""
        raise NotImplementedError


_Files = TypeVar("_Files", bound=StreamFiles)
_Made_co = TypeVar("_Made_co", bound=StreamFiles, covariant=True)


class StreamMaker(Protocol[_Made_co]):
    """Makes the films of one stream."""

    def make(self) -> _Made_co:
        """All of them; those of an attempt before, where it came to its end."""
        ...


def made_of(order: Order, making: Making, begin: Callable[[CameraId], StreamMaker[_Files]]) -> dict[CameraId, _Files]:
    """What is made of each camera of an order, in order; some at once.

    Raises:
        EvidenceError: it is too long, or there is no footage.
    """
    check_length(order)
    (making.folder / FOOTAGE).mkdir(parents=True, exist_ok=True)
    makers = {camera: begin(camera) for camera in sorted(order.cameras)}
    with ThreadPoolExecutor(_AT_ONCE, "export") as pool:
        made = list(pool.map(lambda maker: maker.make(), makers.values()))
    if not any(one.films for one in made):
        raise EvidenceError("there is no footage of these cameras in that stretch")
    return dict(zip(makers, made, strict=True))


def done_path(making: Making, key: StreamKey) -> Path:
    """Where it is kept what was made of a stream, once that is whole and durable."""
    return making.folder / f"{key.camera}.{key.stream}.stream"


def kept(done: Path, fresh: _Files) -> _Files | None:
    """What an attempt before made of a stream, if it came to its end and was made with the same as `fresh` is."""
    if not done.exists():
        return None
    found = type(fresh).model_validate_json(done.read_text("utf-8"))
    return found if found.made_with == fresh.made_with else None


def opened(archive: Archive, row: Segment) -> SegmentReader:
    """A segment's file; raises FootageError: it, or its volume, is not there or cannot be read."""
    volume = archive.volumes.get(row.volume)
    if volume is None:
        raise FootageError(f"volume {row.volume} is not there")
    return SegmentReader.open(closed_path(volume.root, SegmentName.make(row.key, row.start_wall_ns, row.epoch)))


def absent(key: StreamKey, span: Span, why: str) -> AbsentModel:
    """That a stretch was recorded, and cannot be exported."""
    return AbsentModel(camera=key.camera, stream=key.stream, start_ns=str(span[0]), end_ns=str(span[1]), why=why)
