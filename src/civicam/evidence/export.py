"""Makes an export: footage of some streams and a stretch, as it was recorded, with all that it takes to verify it.

It is made in a folder of its own, file by file, and each file that is whole is kept: an export that was interrupted
goes on where it was. Nobody has a part of it: the package is there whole, or not at all.
"""

import base64
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, Field

from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Camera, Segment
from civicam.core.errors import EvidenceError, FootageError, NotWrittenYetError
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.core.spans import Span
from civicam.evidence import mp4
from civicam.evidence.certificate import SIGNATURE_BYTES, Seal
from civicam.evidence.manifest import (
    CERTIFICATE,
    FOOTAGE,
    LEDGER,
    MANIFEST,
    SIGNATURE,
    AbsentModel,
    CameraModel,
    DocumentModel,
    EntryModel,
    FileModel,
    LedgerProof,
    Manifest,
    ProofModel,
    SegmentModel,
    reading_order,
    to_bytes,
    unit_of,
)
from civicam.evidence.package import crc_of, write_package
from civicam.footage.fragment import Fragment, FragmentHeader
from civicam.footage.keys import KeyRing, segment_key
from civicam.footage.layout import SegmentName, closed_path
from civicam.footage.reader import SegmentReader
from civicam.footage.segment_format import IndexEntry, pack_entry, pack_fields, pack_index
from civicam.footage.volume import Volume
from civicam.ledger.durable import write_whole
from civicam.ledger.encoding import moment
from civicam.ledger.merkle import inclusion_proof, leaf_hash, root_of
from civicam.ledger.published import Published
from civicam.upkeep.written import footage_leaf

Progress = Callable[[int], None]
"""Is told of how many bytes more were exported."""

PACKAGE: Final = "export.zip"
_STREAMS: Final = "*.stream"
_AT_ONCE: Final = 2
"""Streams: opening and hashing let go of the interpreter, so they take two cores."""
MOST_NS: Final = 100 * 3600 * 1_000_000_000
"""Of all cameras together: so much stays well within what verifiers read."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported, for whom.

    Attributes:
        number: what it is called, such as `12`.
        city: the city's name.
        ledger: the key with which it signs its ledger.
        operator: who exports it.
        recipient: who will have it.
        case: what for.
        window: the stretch (wall ns).
        cameras: of which cameras.
        stream: which picture of them.
        at_ns: when it was ordered.
    """

    number: str
    city: str
    ledger: str
    operator: str
    recipient: str
    case: str
    window: Span
    cameras: tuple[CameraId, ...]
    stream: StreamName
    at_ns: int


class Archive(NamedTuple):
    """Where the footage is.

    Attributes:
        catalogue: what there is.
        volumes: by name.
        keyring: opens it.
    """

    catalogue: Catalogue
    volumes: dict[str, Volume]
    keyring: KeyRing


@dataclass(slots=True)
class Made:
    """What was made of an order.

    Attributes:
        manifest: what it says of itself.
        folder: where its files lie.
    """

    manifest: Manifest
    folder: Path


class _Files(BaseModel):
    """What is made of one stream so far; as JSON, it is kept until the package is made."""

    files: list[FileModel] = Field(default_factory=list)
    segments: list[SegmentModel] = Field(default_factory=list)
    absent: list[AbsentModel] = Field(default_factory=list)


def bytes_of(order: Order, archive: Archive) -> int:
    """About how many bytes of footage an order is for: those of all segments that it touches."""
    rows = [
        row
        for camera in order.cameras
        for row in archive.catalogue.segments(StreamKey(camera, order.stream), order.window)
    ]
    return sum(row.size_bytes for row in rows)


def make(order: Order, archive: Archive, seal: Seal, folder: Path, progress: Progress) -> Made:
    """Makes the files and the manifest of an order. What lies whole in `folder` from before is taken as it is.

    Args:
        order: what is wanted.
        archive: where it is.
        seal: signs the files.
        folder: where they are made.
        progress: is told how far it is.

    Raises:
        NotWrittenYetError: some of it is not closed and committed to yet.
        EvidenceError: there is no footage.
        FootageError: a volume cannot be read.
        CatalogueError: the catalogue cannot be read.
        OSError: the files cannot be written.
    """
    if not 0 < order.window[1] - order.window[0] <= MOST_NS // max(1, len(order.cameras)):
        raise EvidenceError("an export is of more than nothing and of 100 hours at most", fix="ask for several")
    (folder / FOOTAGE).mkdir(parents=True, exist_ok=True)
    found = [_Stream(order, camera, archive, (seal, folder, progress)) for camera in sorted(order.cameras)]
    with ThreadPoolExecutor(_AT_ONCE, "export") as pool:
        streams = list(pool.map(_Stream.make, found))
    if not any(stream.files for stream in streams):
        raise EvidenceError("there is no footage of these cameras in that stretch")
    segments: list[SegmentModel] = []
    files: list[FileModel] = []
    for stream in streams:
        first = len(segments)
        segments += stream.segments
        files += [
            one.model_copy(update={"fragments": [(first + number, fields) for number, fields in one.fragments]})
            for one in stream.files
        ]
    manifest = Manifest(
        kind="original",
        number=order.number,
        city=order.city,
        ledger=order.ledger,
        exported=moment(order.at_ns),
        operator=order.operator,
        recipient=order.recipient,
        case=order.case,
        asked_from=moment(order.window[0]),
        asked_to=moment(order.window[1]),
        cameras=[_camera(archive.catalogue, camera) for camera in sorted(order.cameras)],
        segments=segments,
        files=files,
        absent=[one for stream in streams for one in stream.absent],
        documents=[],
    )
    return Made(manifest, folder)


def finish(made: Made, seal: Seal, documents: dict[str, bytes]) -> bytes:
    """Writes manifest, signature, certificate and documents; returns the manifest's SHA-256, which the ledger is told.

    Raises:
        OSError: they cannot be written.
    """
    listed = [DocumentModel(name=name, sha256=sha256(data).hexdigest()) for name, data in sorted(documents.items())]
    made.manifest = made.manifest.model_copy(update={"documents": listed})
    data = to_bytes(made.manifest)
    digest = sha256(data).digest()
    for name, content in {
        **documents, MANIFEST: data, SIGNATURE: seal.sign(digest), CERTIFICATE: seal.certificate,
    }.items():  # fmt: skip
        (made.folder / name).write_bytes(content)
    return digest


def entries_of(manifest: Manifest) -> list[int]:
    """The entries of the ledger that commit to the footage."""
    return sorted({segment.proof.entry for segment in manifest.segments})


def prove(published: Published, export: int, entries: Sequence[int]) -> LedgerProof:
    """What the ledger says: the entries, each with its proof under one checkpoint.

    Raises:
        LedgerError: the ledger cannot be read, or is not that long yet.
    """
    reader = published.reader

    def proven(index: int) -> EntryModel:
        proof = inclusion_proof(index, reader.size, reader.node)
        return EntryModel(index=index, data=_base64(reader.entry(index)), proof=[_base64(one) for one in proof])

    wanted = sorted({*entries, export})
    return LedgerProof(
        checkpoint=published.checkpoint.decode(), export=export, entries=[proven(index) for index in wanted]
    )


def package(made: Made, proof: LedgerProof, progress: Progress = lambda _: None) -> Path:
    """Puts it all into one file, and takes the parts away; returns where that is.

    Raises:
        OSError: it cannot be written.
    """
    folder, manifest = made.folder, made.manifest
    (folder / LEDGER).write_bytes(to_bytes(proof))
    small = [MANIFEST, SIGNATURE, CERTIFICATE, LEDGER, *(one.name for one in manifest.documents)]
    members = [(name, folder / name, crc_of(folder / name)) for name in sorted(small, key=reading_order)]
    members += [(one.name, folder / one.name, one.crc32) for one in manifest.files]
    target = folder / PACKAGE
    write_package(target, members, progress)
    shutil.rmtree(folder / FOOTAGE)
    for path in (*(folder / name for name in small), *folder.glob(_STREAMS)):
        path.unlink(missing_ok=True)
    return target


class _Stream:
    """Exports one stream."""

    def __init__(self, order: Order, camera: CameraId, archive: Archive, into: "tuple[Seal, Path, Progress]") -> None:
        """Finds out what there is of it; raises EvidenceError and CatalogueError."""
        self._order, self._archive = order, archive
        self._seal, self._folder, self._progress = into
        self._key = StreamKey(camera, order.stream)
        self._made = _Files()
        self._done = self._folder / f"{camera}.{order.stream}.stream"
        self._writer: _Writer | None = None
        catalogue = archive.catalogue
        self._entries = catalogue.commitments(self._key, order.window)
        self._leaves = {entry: catalogue.leaves(entry) for entry in set(self._entries.values())}
        self._rows = catalogue.segments(self._key, order.window)
        if any(row.digest is None or row.start_wall_ns not in self._entries for row in self._rows):
            raise NotWrittenYetError(
                f"footage of {self._key} in that stretch was not closed and written down yet",
                fix="try again in a minute or two",
            )

    def make(self) -> _Files:
        """All files of the stream; those of an attempt before, where it came to its end."""
        if self._done.exists():
            self._made = _Files.model_validate_json(self._done.read_text("utf-8"))  # written whole, and durably
            self._progress(sum(one.size for one in self._made.files))
            return self._made
        try:
            for row in self._rows:
                self._take(row, self._entries[row.start_wall_ns])
            self._close()
        finally:
            if self._writer is not None:
                self._writer.abandon()
        write_whole(self._done, self._made.model_dump_json().encode())
        return self._made

    def _take(self, row: Segment, entry: int) -> None:
        """Takes from a segment what touches the stretch; what cannot be read is told as absent."""
        volume = self._archive.volumes.get(row.volume)
        if volume is None:
            self._absent(row.start_wall_ns, row.end_wall_ns, f"volume {row.volume} is not there")
            return
        try:
            name = SegmentName.make(row.key, row.start_wall_ns, row.epoch)
            with SegmentReader.open(closed_path(volume.root, name)) as reader:
                self._take_from(reader, row, volume, entry)
        except FootageError as error:
            self._absent(row.start_wall_ns, row.end_wall_ns, error.what)

    def _take_from(self, reader: SegmentReader, row: Segment, volume: Volume, entry: int) -> None:
        headers = reader.headers()
        wanted = self._wanted(headers)
        if not wanted:
            return
        keyring, init = self._archive.keyring, reader.header.setup.init
        self._made.segments.append(self._segment(reader, row, volume, entry))
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
            if not (header.is_sync or is_whole or (self._writer and number == wanted[0])):
                self._absent(header.start_wall_ns, header.end_wall_ns, "the picture that it builds on is absent")
                continue
            is_whole = True
            if self._writer is None or not self._writer.takes(init, header):
                self._begin(init, header)
            assert self._writer is not None
            self._writer.add(place, pack_fields(number, len(fragment.payload), header), fragment)
            self._progress(len(fragment.payload))

    def _wanted(self, headers: Sequence[FragmentHeader]) -> list[int]:
        """The fragments that touch the stretch, from the key picture on that the first of them builds on."""
        start_ns, end_ns = self._order.window
        found = [n for n, one in enumerate(headers) if one.start_wall_ns < end_ns and one.end_wall_ns > start_ns]
        while found and found[0] and not headers[found[0]].is_sync:
            found.insert(0, found[0] - 1)
        return found

    def _segment(self, reader: SegmentReader, row: Segment, volume: Volume, entry: int) -> SegmentModel:
        header, key = reader.header, row.key
        entries = b"".join(pack_entry(IndexEntry(one.offset, one.digest or b"")) for one in reader.ending().extents)
        day_key = self._archive.keyring.find(volume.root, key.camera, header.key_day)
        return SegmentModel(
            header=_base64(reader.raw_header),
            index=_base64(pack_index(entries)),
            key=_base64(segment_key(day_key, header.segment_id)),
            size=row.size_bytes,
            end_ns=str(row.end_wall_ns),
            proof=self._proof(row, entry),
        )

    def _proof(self, row: Segment, entry: int) -> ProofModel:
        leaves = self._leaves[entry]
        leaf = leaf_hash(footage_leaf(row))
        if leaf not in leaves:
            raise EvidenceError(
                f"entry {entry} of the ledger does not commit to the footage as it is", fix="run civicam check --deep"
            )
        index = leaves.index(leaf)

        def node(level: int, number: int) -> bytes:
            return root_of(leaves[number << level : (number + 1) << level])

        hashes = inclusion_proof(index, len(leaves), node)
        return ProofModel(entry=entry, index=index, size=len(leaves), hashes=[_base64(one) for one in hashes])

    def _begin(self, init: bytes, first: FragmentHeader) -> None:
        self._close()
        name = f"{FOOTAGE}{self._key.camera}-{self._key.stream}-{len(self._made.files) + 1}.mp4"
        labels = mp4.Labels(
            unit=unit_of(self._order.city),
            operator=self._order.operator,
            at_ns=self._order.at_ns,
            source=self._key.camera,
            line=self._key.stream,
            start_ns=first.start_wall_ns,
        )
        self._writer = _Writer(self._folder / name, name, init, labels, self._seal)

    def _close(self) -> None:
        if self._writer is not None:
            self._made.files.append(self._writer.close())
            self._writer = None

    def _absent(self, start_ns: int, end_ns: int, why: str) -> None:
        camera, stream = self._key
        self._made.absent.append(
            AbsentModel(camera=camera, stream=stream, start_ns=str(start_ns), end_ns=str(end_ns), why=why)
        )


class _Writer:
    """Writes one MP4 file."""

    def __init__(self, path: Path, name: str, init: bytes, labels: mp4.Labels, seal: Seal) -> None:
        self._path, self._name, self._init, self._seal = path, name, init, seal
        self._labels = labels
        self._start_ns = self._end_ns = labels.start_ns
        self._digest = sha256()
        self._fragments: list[tuple[int, str]] = []
        self._places: list[tuple[int, int]] = []
        self._at = 0
        self._file = self._path.open("wb")
        self._put(mp4.opening(init))

    def takes(self, init: bytes, header: FragmentHeader) -> bool:
        """Whether a fragment goes on in this file: its pictures are of this kind, and time goes on."""
        return init == self._init and header.start_wall_ns >= self._end_ns

    def add(self, segment: int, fields: bytes, fragment: Fragment) -> None:
        """Writes a fragment."""
        place = mp4.place_of(fragment.header.start_wall_ns, self._start_ns)
        self._fragments.append((segment, _base64(fields)))
        if fragment.header.is_sync:
            self._places.append((place, self._at))
        self._put(mp4.placed(fragment.payload, place))
        self._end_ns = max(self._end_ns, fragment.header.end_wall_ns)

    def abandon(self) -> None:
        """Lets go of a file that did not come to its end; it is written anew."""
        self._file.close()

    def close(self) -> FileModel:
        """Ends and signs the file."""
        self._put(mp4.tail(self._places))
        certificate = self._seal.certificate
        self._digest.update(mp4.seal(self._labels, certificate, bytes(SIGNATURE_BYTES)))
        signature = self._seal.sign(self._digest.digest())
        self._put(mp4.seal(self._labels, certificate, signature))
        self._file.close()
        return FileModel(
            name=self._name,
            camera=self._labels.source,
            stream=self._labels.line,
            size=self._at,
            crc32=crc_of(self._path),
            signature=_base64(signature),
            fragments=self._fragments,
        )

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._at += len(data)


def _camera(catalogue: Catalogue, camera: CameraId) -> CameraModel:
    found: Camera | None = next((one for one in catalogue.cameras() if one.id == camera), None)
    entry = found.register if found else None
    return CameraModel(
        id=camera,
        title=found.title if found else camera,
        purpose=found.purpose if found else "",
        owner=entry.owner if entry else "",
        legal_basis=entry.legal_basis if entry else "",
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
