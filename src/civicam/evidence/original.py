"""The films of an export as they were recorded: fragment by fragment, nothing coded anew."""

from collections.abc import Sequence

from pydantic import Field

from civicam.catalogue.models import Segment
from civicam.core.errors import FootageError
from civicam.core.ids import CameraId, StreamKey
from civicam.evidence import mp4
from civicam.evidence.committed import Committed
from civicam.evidence.film import Begins, FilmWriter
from civicam.evidence.manifest import FileModel, FilmModel, Manifest, SegmentModel, as_base64
from civicam.evidence.media_signing import signing_messages
from civicam.evidence.order import Archive, Made, Making, Order, said_of
from civicam.evidence.streams import StreamFiles, absent, done_path, kept, made_of, opened
from civicam.footage.fragment import Fragment, FragmentHeader
from civicam.footage.keys import segment_key
from civicam.footage.reader import SegmentReader
from civicam.footage.segment_format import pack_fields
from civicam.ledger.durable import write_whole


class _Files(StreamFiles):
    """What is made of one stream so far."""

    files: list[FileModel] = Field(default_factory=list)
    segments: list[SegmentModel] = Field(default_factory=list)
    signed: int = 0

    @property
    def films(self) -> Sequence[FilmModel]:
        """See `StreamFiles`."""
        return self.files


def make(order: Order, archive: Archive, making: Making) -> Made:
    """Makes the films and the manifest of an order. What lies whole in its folder from before is taken as it is.

    Args:
        order: what is wanted.
        archive: where it is.
        making: how and where.

    Raises:
        NotWrittenYetError: some of it is not closed and committed to yet.
        EvidenceError: there is no footage.
        FootageError: a volume cannot be read.
        CatalogueError: the catalogue cannot be read.
        OSError: the files cannot be written.
    """
    streams = made_of(order, making, lambda camera: _Stream(order, camera, archive, making))
    segments: list[SegmentModel] = []
    files: list[FileModel] = []
    for stream in streams.values():
        first = len(segments)
        segments += stream.segments
        files += [
            one.model_copy(update={"fragments": [(first + number, fields) for number, fields in one.fragments]})
            for one in stream.files
        ]
    manifest = Manifest(
        **said_of(order, archive.catalogue),
        kind="original",
        segments=segments,
        files=files,
        absent=[one for stream in streams.values() for one in stream.absent],
    )
    signed = {camera: stream.signed for camera, stream in streams.items() if stream.signed}
    return Made(manifest, making.folder, signed)


class _Stream:
    """Exports one stream."""

    def __init__(self, order: Order, camera: CameraId, archive: Archive, making: Making) -> None:
        """Finds out what there is of it; raises NotWrittenYetError and CatalogueError."""
        self._order, self._archive = order, archive
        self._making = making
        self._key = StreamKey(camera, order.stream)
        self._made = _Files(made_with=making.seal.fingerprint)
        self._done = done_path(making, self._key)
        self._film: _Film | None = None
        self._committed = Committed(archive.catalogue, self._key, order.window)

    def make(self) -> _Files:
        """All files of the stream; those of an attempt before, where it came to its end."""
        if (found := kept(self._done, self._made)) is not None:
            self._making.progress(sum(one.size for one in found.files))
            return found
        try:
            for row in self._committed.rows:
                self._take(row)
            self._close()
        finally:
            if self._film is not None:
                self._film.writer.abandon()
        write_whole(self._done, self._made.model_dump_json().encode())
        return self._made

    def _take(self, row: Segment) -> None:
        """Takes from a segment what touches the stretch; what cannot be read is told as absent."""
        try:
            with opened(self._archive, row) as reader:
                self._take_from(reader, row)
        except FootageError as error:
            self._absent(row.start_wall_ns, row.end_wall_ns, error.what)

    def _take_from(self, reader: SegmentReader, row: Segment) -> None:
        headers = reader.headers()
        wanted = self._wanted(headers)
        if not wanted:
            return
        keyring, init = self._archive.keyring, reader.header.setup.init
        self._made.segments.append(self._segment(reader, row))
        place = len(self._made.segments) - 1
        is_whole = False
        for number in wanted:
            header = headers[number]
            try:
                fragment = reader.read(number, keyring)
            except FootageError as error:
                self._absent(header.start_wall_ns, header.end_wall_ns, error.what)
                is_whole = False
                continue
            if not (header.is_sync or is_whole or (self._film and number == wanted[0])):
                self._absent(header.start_wall_ns, header.end_wall_ns, "the picture that it builds on is absent")
                continue
            is_whole = True
            if self._film is None or not self._film.takes(init, header):
                self._begin(init, header)
            assert self._film is not None
            self._film.add(place, pack_fields(number, len(fragment.payload), header), fragment)
            self._made.signed += signing_messages(fragment.payload)
            self._making.progress(len(fragment.payload))

    def _wanted(self, headers: Sequence[FragmentHeader]) -> list[int]:
        """The fragments that touch the stretch, from the key picture on that the first of them builds on."""
        start_ns, end_ns = self._order.window
        found = [n for n, one in enumerate(headers) if one.start_wall_ns < end_ns and one.end_wall_ns > start_ns]
        while found and found[0] and not headers[found[0]].is_sync:
            found.insert(0, found[0] - 1)
        return found

    def _segment(self, reader: SegmentReader, row: Segment) -> SegmentModel:
        header, root = reader.header, self._archive.volumes[row.volume].root
        day_key = self._archive.keyring.find(root, row.key.camera, header.key_day)
        key = segment_key(day_key, header.segment_id)
        return SegmentModel(**dict(self._committed.model(reader, row)), key=as_base64(key))

    def _begin(self, init: bytes, first: FragmentHeader) -> None:
        self._close()
        begins = Begins(self._key, len(self._made.files) + 1, first.start_wall_ns, init)
        self._film = _Film(begins, FilmWriter(self._order, begins, self._making))

    def _close(self) -> None:
        if self._film is not None:
            self._made.files.append(self._film.close())
            self._film = None

    def _absent(self, start_ns: int, end_ns: int, why: str) -> None:
        self._made.absent.append(absent(self._key, (start_ns, end_ns), why))


class _Film:
    """A film on its way."""

    def __init__(self, begins: Begins, writer: FilmWriter) -> None:
        self.writer = writer
        self._begins, self._end_ns = begins, begins.start_ns
        self._fragments: list[tuple[int, str]] = []

    def takes(self, init: bytes, header: FragmentHeader) -> bool:
        """Whether a fragment goes on in this film: its pictures are of this kind, and time goes on."""
        return init == self._begins.init and header.start_wall_ns >= self._end_ns

    def add(self, segment: int, fields: bytes, fragment: Fragment) -> None:
        """Writes a fragment."""
        place = mp4.place_of(fragment.header.start_wall_ns, self._begins.start_ns)
        self._fragments.append((segment, as_base64(fields)))
        self.writer.add(mp4.placed(fragment.payload, place), place, is_key=fragment.header.is_sync)
        self._end_ns = max(self._end_ns, fragment.header.end_wall_ns)

    def close(self) -> FileModel:
        """Ends and signs it."""
        sealed = self.writer.close()
        return FileModel(
            name=self.writer.name,
            camera=self._begins.key.camera,
            stream=self._begins.key.stream,
            size=sealed.size,
            crc32=sealed.crc32,
            signature=as_base64(sealed.signature),
            opening=as_base64(sealed.pieces[0].digest),
            fragments=self._fragments,
        )
