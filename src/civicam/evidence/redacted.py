"""The films of a redacted export: coded anew, with what moves covered, for people beside whom others appear.

They are made of what the ledger committed to, which the manifest says without the keys that open it.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from pydantic import BaseModel, Field

from civicam.catalogue.models import Segment
from civicam.core.errors import EvidenceError, FootageError
from civicam.core.ids import CameraId, StreamKey
from civicam.core.spans import Span
from civicam.evidence import mp4
from civicam.evidence.committed import Committed
from civicam.evidence.film import Begins, FilmWriter
from civicam.evidence.manifest import (
    FOOTAGE,
    AbsentModel,
    AreaModel,
    CommittedModel,
    RedactedManifest,
    RedactedModel,
    as_base64,
)
from civicam.evidence.order import AT_ONCE, Archive, Area, Made, Making, Order, check_length, said_of
from civicam.footage.layout import SegmentName, closed_path
from civicam.footage.reader import SegmentReader
from civicam.ledger.durable import write_whole


class Coded(NamedTuple):
    """A film that was redacted and coded.

    Attributes:
        span: what it shows of wall time.
        init: `ftyp` and `moov`.
        fragments: when each is decoded (90 kHz from the film's start), and its bytes, which say so; each begins with
            a key picture.
    """

    span: Span
    init: bytes
    fragments: Iterator[tuple[int, bytes]]


class FilmSource(Protocol):
    """Where redacted films come from."""

    def films(self, key: StreamKey, window: Span, shown: Sequence[Area]) -> Iterator[Coded]:
        """What there is of a stretch, by time; blocks while it decodes and codes.

        Raises:
            CatalogueError: the catalogue cannot be read.
            EncodeError: a picture cannot be coded.
        """
        ...


class _Files(BaseModel):
    """What is made of one stream so far; as JSON, it is kept until the package is made."""

    files: list[RedactedModel] = Field(default_factory=list)
    segments: list[CommittedModel] = Field(default_factory=list)
    absent: list[AbsentModel] = Field(default_factory=list)


def make(order: Order, archive: Archive, source: FilmSource, making: Making) -> Made:
    """Makes the films and the manifest of an order. What lies whole in its folder from before is taken as it is.

    Args:
        order: what is wanted.
        archive: where it is.
        source: redacts it.
        making: how and where; progress is told in bytes of what was recorded.

    Raises:
        NotWrittenYetError: some of it is not closed and committed to yet.
        EvidenceError: there is no footage.
        CatalogueError: the catalogue cannot be read.
        EncodeError: a picture cannot be coded.
        OSError: the films cannot be written.
    """
    check_length(order)
    (making.folder / FOOTAGE).mkdir(parents=True, exist_ok=True)
    found = [_Stream(order, camera, archive, source, making) for camera in sorted(order.cameras)]
    with ThreadPoolExecutor(AT_ONCE, "export") as pool:
        streams = list(pool.map(_Stream.make, found))
    if not any(stream.files for stream in streams):
        raise EvidenceError("there is no footage of these cameras in that stretch")
    manifest = RedactedManifest(
        **said_of(order, archive.catalogue),
        kind="redacted",
        segments=[one for stream in streams for one in stream.segments],
        files=[one for stream in streams for one in stream.files],
        absent=[one for stream in streams for one in stream.absent],
        shown=[_area(one) for one in order.shown],
    )
    return Made(manifest, making.folder)


class _Stream:
    """Exports one stream."""

    def __init__(
        self, order: Order, camera: CameraId, archive: Archive, source: FilmSource, making: Making
    ) -> None:  # fmt: skip
        """Finds out what there is of it; raises NotWrittenYetError and CatalogueError."""
        self._order, self._archive, self._source = order, archive, source
        self._making = making
        self._key = StreamKey(camera, order.stream)
        self._committed = Committed(archive.catalogue, self._key, order.window)
        self._made = _Files()
        self._done = making.folder / f"{camera}.{order.stream}.stream"

    def make(self) -> _Files:
        """All films of the stream; those of an attempt before, where it came to its end."""
        rows = self._committed.rows
        if self._done.exists():
            self._making.progress(sum(row.size_bytes for row in rows))
            return _Files.model_validate_json(self._done.read_text("utf-8"))  # written whole, and durably
        for row in rows:
            self._list(row)
        areas = [one for one in self._order.shown if one.camera == self._key.camera]
        for coded in self._source.films(self._key, self._order.window, areas):
            self._made.files.append(self._film(coded))
        write_whole(self._done, self._made.model_dump_json().encode())
        return self._made

    def _list(self, row: Segment) -> None:
        """Says of which segment it is; one that cannot be read is told as absent."""
        volume = self._archive.volumes.get(row.volume)
        try:
            if volume is None:
                raise FootageError(f"volume {row.volume} is not there")
            name = SegmentName.make(row.key, row.start_wall_ns, row.epoch)
            with SegmentReader.open(closed_path(volume.root, name)) as reader:
                self._made.segments.append(self._committed.model(reader, row))
        except FootageError as error:
            absent = AbsentModel(
                camera=row.key.camera,
                stream=row.key.stream,
                start_ns=str(row.start_wall_ns),
                end_ns=str(row.end_wall_ns),
                why=error.what,
            )
            self._made.absent.append(absent)

    def _film(self, coded: Coded) -> RedactedModel:
        start_ns, end_ns = coded.span
        begins = Begins(self._key, len(self._made.files) + 1, start_ns, coded.init)
        writer = FilmWriter(self._order, begins, self._making)
        try:
            self._write(writer, coded)
            sealed = writer.close()
        finally:
            writer.abandon()
        return RedactedModel(
            name=writer.name,
            camera=self._key.camera,
            stream=self._key.stream,
            size=sealed.size,
            crc32=sealed.crc32,
            signature=as_base64(sealed.signature),
            start_ns=str(start_ns),
            end_ns=str(end_ns),
            pieces=[(one.size, as_base64(one.digest)) for one in sealed.pieces],
        )

    def _write(self, writer: FilmWriter, coded: Coded) -> None:
        """Its fragments; how far that is, is told as the share of the stretch that it has come to."""
        total, start_ns = sum(row.size_bytes for row in self._committed.rows), self._order.window[0]
        whole_90k = mp4.place_of(self._order.window[1], start_ns) or 1
        begun_90k = mp4.place_of(coded.span[0], start_ns)
        before = total * begun_90k // whole_90k
        for place_90k, fragment in coded.fragments:
            writer.add(fragment, place_90k, is_key=True)
            done = total * (begun_90k + place_90k) // whole_90k
            self._making.progress(done - before)
            before = done


def _area(one: Area) -> AreaModel:
    return AreaModel(
        camera=one.camera,
        start_ns=str(one.start_ns),
        end_ns=str(one.end_ns),
        left=one.left,
        top=one.top,
        right=one.right,
        bottom=one.bottom,
    )
