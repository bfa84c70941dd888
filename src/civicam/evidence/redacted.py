"""The films of a redacted export: coded anew, with what moves covered, for people beside whom others appear.

They are made of what the ledger committed to, which the manifest says without the keys that open it.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from pydantic import Field

from civicam.catalogue.models import Segment
from civicam.core.errors import FootageError
from civicam.core.ids import CameraId, StreamKey
from civicam.core.spans import Span, intersect
from civicam.evidence import mp4
from civicam.evidence.committed import Committed
from civicam.evidence.film import Begins, FilmWriter
from civicam.evidence.manifest import (
    AreaModel,
    CommittedModel,
    FilmModel,
    RedactedManifest,
    RedactedModel,
    as_base64,
)
from civicam.evidence.order import Archive, Area, Made, Making, Order, said_of
from civicam.evidence.streams import StreamFiles, absent, done_path, kept, made_of, opened
from civicam.footage.reader import SegmentReader
from civicam.ledger.durable import write_whole

_LONGEST_HOLE_NS: Final = 60_000_000_000
"""A shorter one is covered in the film, a longer one ends it."""


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

    def settings_of(self, camera: CameraId) -> str:
        """Changes with how that camera's pictures are redacted: what was made in another way is made anew."""
        ...

    def films(self, key: StreamKey, spans: Sequence[Span], order: Order) -> Iterator[Coded]:
        """What there is of some stretches, by time, and nothing beyond them; blocks while it decodes and codes.

        What the order shows is shown, and what it covers is covered, even within that.

        Raises:
            CatalogueError: the catalogue cannot be read.
            EncodeError: a picture cannot be coded.
        """
        ...


class _Files(StreamFiles):
    """What is made of one stream so far."""

    files: list[RedactedModel] = Field(default_factory=list)
    segments: list[CommittedModel] = Field(default_factory=list)

    @property
    def films(self) -> Sequence[FilmModel]:
        """See `StreamFiles`."""
        return self.files


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
    made = made_of(order, making, lambda camera: _Stream(order, camera, archive, source, making))
    streams = made.values()
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
        made_with = f"{making.seal.fingerprint} {source.settings_of(camera)}"
        self._made = _Files(made_with=sha256(made_with.encode()).hexdigest())
        self._done = done_path(making, self._key)

    def make(self) -> _Files:
        """All films of the stream; those of an attempt before, where it came to its end."""
        if (found := kept(self._done, self._made)) is not None:
            self._making.progress(sum(row.size_bytes for row in self._committed.rows))
            return found
        for coded in self._source.films(self._key, self._spans(), self._order):
            self._made.files.append(self._film(coded))
        write_whole(self._done, self._made.model_dump_json().encode())
        return self._made

    def _spans(self) -> list[Span]:
        """The stretches that films are of: where segments are whose header and index can be read."""
        spans: list[Span] = []
        goes_on = False
        for row in self._committed.rows:
            if not self._list(row):
                goes_on = False
                continue
            (span,) = intersect([(row.start_wall_ns, row.end_wall_ns)], self._order.window)
            if goes_on and span[0] - spans[-1][1] <= _LONGEST_HOLE_NS:
                spans[-1] = spans[-1][0], max(spans[-1][1], span[1])
            elif not spans or span[1] > spans[-1][1]:
                spans.append((max(span[0], spans[-1][1]) if spans else span[0], span[1]))
            goes_on = True
        return spans

    def _list(self, row: Segment) -> bool:
        """Says of which segment it is, and what of it cannot be read; returns whether the rest can."""
        try:
            with opened(self._archive, row) as reader:
                self._made.segments.append(self._committed.model(reader, row))
                self._look(reader)
        except FootageError as error:
            self._absent((row.start_wall_ns, row.end_wall_ns), error.what)
            return False
        return True

    def _look(self, reader: SegmentReader) -> None:
        """Opens each fragment that the films are to show; those that cannot be opened are covered, and told."""
        self._making.progress(0)
        for number, header in enumerate(reader.headers()):
            span = header.start_wall_ns, header.end_wall_ns
            if not intersect([span], self._order.window):
                continue
            try:
                reader.read(number, self._archive.keyring)
            except FootageError as error:
                self._absent(span, error.what)

    def _absent(self, span: Span, why: str) -> None:
        self._made.absent.append(absent(self._key, span, why))

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
