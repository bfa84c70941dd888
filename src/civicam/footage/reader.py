"""Reading a segment: what it says of itself without a key, and its fragments, authenticated, with one.

A file is hostile until its fragments have opened. Whatever it holds, only SegmentError, SealError and KeyMissingError
come out of here, and no more memory is taken than the file is long.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from civicam.core.errors import FootageError, KeyMissingError, SealError, SegmentError
from civicam.footage.fragment import Fragment, FragmentHeader
from civicam.footage.keys import KeyRing, segment_aead
from civicam.footage.layout import root_of
from civicam.footage.segment import ClosedSegment, Tally
from civicam.footage.segment_format import (
    FIELDS_BYTES,
    FRAGMENT_OVERHEAD_BYTES,
    HEADER_START_BYTES,
    TRAILER_BYTES,
    Framed,
    header_json_bytes,
    is_trailer,
    nonce,
    parse_fields,
    parse_header_json,
    parse_index,
    parse_trailer,
    segment_digest,
)

_Found = TypeVar("_Found", bound=FootageError)


class Extent(NamedTuple):
    """Where a fragment lies in its file.

    Attributes:
        offset: of its first byte.
        size_bytes: from "FRAG" to the tag.
        digest: SHA-256 of those bytes by the index, None in a file without one.
    """

    offset: int
    size_bytes: int
    digest: bytes | None


class Ending(NamedTuple):
    """What closes a file.

    Attributes:
        index_offset: where the last fragment ends.
        digest: the segment's digest, which is that of its header and index.
        extents: the fragments, by the index.
    """

    index_offset: int
    digest: bytes
    extents: tuple[Extent, ...]


class SegmentReader:
    """A segment file, open or closed. Made by `open`; close it, or use it as a context manager.

    One thread at a time.

    Attributes:
        path: the file.
        size_bytes: its size when it was opened.
        header: what it says of itself; not authenticated before a fragment has opened.
        header_bytes: the header's length, where the first fragment begins.
        is_closed: it ends with a trailer (which may still be wrong: see `ending`).
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        """Takes over `descriptor`. Use `open`.

        Raises:
            SegmentError: the file does not begin with a segment's header.
        """
        self.path = path
        self._descriptor = descriptor
        self.size_bytes = os.fstat(descriptor).st_size
        start = self._bytes(0, min(HEADER_START_BYTES, self.size_bytes))
        try:
            json_bytes = header_json_bytes(start)
            if HEADER_START_BYTES + json_bytes > self.size_bytes:
                raise SegmentError("the file ends within its header")
            body = self._bytes(HEADER_START_BYTES, json_bytes)
            self.header = parse_header_json(body)
        except SegmentError as error:
            raise self._at(0, error) from None
        self._raw_header = start + body
        self.header_bytes = len(self._raw_header)
        self._header_digest = sha256(self._raw_header).digest()
        trailer_bytes = min(TRAILER_BYTES, self.size_bytes - self.header_bytes)
        self._trailer = self._bytes(self.size_bytes - trailer_bytes, trailer_bytes)
        self.is_closed = is_trailer(self._trailer)
        self._ending: Ending | None = None
        self._extents: tuple[Extent, ...] | None = None
        self._aead: AESGCM | None = None

    @classmethod
    def open(cls, path: Path) -> "SegmentReader":
        """Opens the file at `path`.

        Raises:
            SegmentError: it is not there, cannot be read, or does not begin with a segment's header.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise SegmentError(
                f"the segment cannot be opened: {error.strerror}", where=str(path), fix="run civicam check"
            ) from error
        try:
            return cls(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def close(self) -> None:
        """Closes the file."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> "SegmentReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def raw_header(self) -> bytes:
        """The header's bytes."""
        return self._raw_header

    def ending(self) -> Ending:
        """What closes the file, with the digest checked: header and index are what they were then.

        Raises:
            SegmentError: there is no trailer, or trailer, index and header do not fit each other.
        """
        if self._ending is None:
            offset = max(0, self.size_bytes - TRAILER_BYTES)
            try:
                if not self.is_closed:
                    raise SegmentError("the file has no trailer: it was not closed", fix="recover it")
                offset, digest = parse_trailer(self._trailer, self.size_bytes)
                index = self._bytes(offset, self.size_bytes - TRAILER_BYTES - offset)
                if segment_digest(self._raw_header, index) != digest:
                    raise SegmentError("the digest is not that of header and index: one of them was altered")
                self._ending = Ending(offset, digest, self._indexed(index, offset))
            except SegmentError as error:
                raise self._at(offset, error) from None
        return self._ending

    def _indexed(self, index: bytes, index_offset: int) -> tuple[Extent, ...]:
        """The fragments by the index, which must follow each other from the header to the index."""
        entries = parse_index(index)
        ends = [entry.offset for entry in entries[1:]] + [index_offset]
        if not entries or entries[0].offset != self.header_bytes:
            raise SegmentError("the index does not begin behind the header")
        if any(end - entry.offset <= FRAGMENT_OVERHEAD_BYTES for entry, end in zip(entries, ends, strict=True)):
            raise SegmentError("the index has a fragment that is too short")
        return tuple(
            Extent(entry.offset, end - entry.offset, entry.digest) for entry, end in zip(entries, ends, strict=True)
        )

    def walk(self) -> Iterator[tuple[Extent, FragmentHeader]]:
        """The whole fragments from the front, by their own lengths; no index and no key is needed.

        Raises:
            SegmentError: after the last whole fragment something else follows than the file's end or an index where
                the trailer says; names the byte offset.
        """
        at, sequence = self.header_bytes, 0
        end = self._fragments_end()
        while at < end:
            framed = self._framed(at, sequence)
            if at + framed.size_bytes > end:
                raise self._at(at, SegmentError(f"fragment {sequence} is cut off"))
            yield Extent(at, framed.size_bytes, None), framed.header
            at += framed.size_bytes
            sequence += 1

    def _fragments_end(self) -> int:
        try:
            return self.ending().index_offset
        except SegmentError:
            return self.size_bytes

    def _framed(self, offset: int, sequence: int) -> Framed:
        """A fragment's fields at `offset`, which must be number `sequence`."""
        return self._parsed(self._bytes(offset, min(FIELDS_BYTES, self.size_bytes - offset)), offset, sequence)

    def _parsed(self, data: bytes, offset: int, sequence: int) -> Framed:
        try:
            framed = parse_fields(data)
            if framed.sequence != sequence:
                raise SegmentError(f"fragment {framed.sequence} lies where {sequence} belongs")
        except SegmentError as error:
            raise self._at(offset, error) from None
        return framed

    def extents(self) -> tuple[Extent, ...]:
        """Where the fragments lie: by the index if it is sound, else as far as walking from the front leads."""
        if self._extents is None:
            try:
                self._extents = self.ending().extents
            except SegmentError:
                self._extents = self._walked()
        return self._extents

    def _walked(self) -> tuple[Extent, ...]:
        found: list[Extent] = []
        with suppress(SegmentError):  # what lies before the break is still there
            for extent, _ in self.walk():
                found.append(extent)
        return tuple(found)

    def __len__(self) -> int:
        """How many fragments `extents` has."""
        return len(self.extents())

    def read_header(self, number: int) -> FragmentHeader:
        """What fragment `number` (from 0) says of itself, not authenticated.

        Raises:
            SegmentError: it is not there, or is no fragment.
        """
        extent = self._extent(number)
        return self._fitting(self._framed(extent.offset, number), extent).header

    def headers(self) -> list[FragmentHeader]:
        """What every fragment says of itself, not authenticated.

        Raises:
            SegmentError: one of them is no fragment.
        """
        return [self.read_header(number) for number in range(len(self))]

    def _fitting(self, framed: Framed, extent: Extent) -> Framed:
        if framed.size_bytes != extent.size_bytes:
            raise self._at(extent.offset, SegmentError(f"fragment {framed.sequence} has another length than its place"))
        return framed

    def _extent(self, number: int) -> Extent:
        extents = self.extents()
        if not 0 <= number < len(extents):
            raise SegmentError(f"there is no fragment {number} of {len(extents)}", where=str(self.path))
        return extents[number]

    def unlock(self, keyring: KeyRing) -> None:
        """Finds the key; `read` does so by itself.

        Raises:
            KeyMissingError: the day's key is not there.
            SealError: the day's key does not open: altered, or another city's.
        """
        if self._aead is None:
            name = self.header.name
            try:
                day_key = keyring.find(root_of(self.path), name.camera, self.header.key_day)
            except (KeyMissingError, SealError):
                raise
            except FootageError as error:
                raise KeyMissingError(error.what, where=error.where, fix=error.fix) from error
            self._aead = segment_aead(day_key, self.header.segment_id)

    def read(self, number: int, keyring: KeyRing) -> Fragment:
        """Fragment `number` (from 0), authenticated, and with it the header.

        Raises:
            SegmentError: it is not there, or is no fragment.
            SealError: it is not what was written: altered, moved, or under another key.
            KeyMissingError: the day's key is not there.
        """
        return self.check(self._extent(number), number, keyring)[0]

    def check(self, extent: Extent, number: int, keyring: KeyRing) -> tuple[Fragment, bytes]:
        """As `read`, for the fragment at `extent`; also returns the SHA-256 of its bytes."""
        self.unlock(keyring)
        assert self._aead is not None
        data = self._bytes(extent.offset, extent.size_bytes)
        framed = self._fitting(self._parsed(data, extent.offset, number), extent)
        digest = sha256(data).digest()
        if extent.digest not in (None, digest):
            raise self._at(extent.offset, SealError(f"fragment {number} is not the one in the index"))
        fields, sealed = data[:FIELDS_BYTES], memoryview(data)[FIELDS_BYTES:]
        try:
            payload = self._aead.decrypt(nonce(number), sealed, self._header_digest + fields)
        except InvalidTag:
            raise self._at(
                extent.offset, SealError(f"fragment {number} does not open: it, or the header, was altered")
            ) from None
        return Fragment(framed.header, payload), digest

    def closed_segment(self) -> ClosedSegment:
        """What a catalogue row needs, from the file alone and without a key.

        Raises:
            SegmentError: the file was not closed, or is not sound.
        """
        ending = self.ending()
        tally = Tally(self.header.name, self.header_bytes)
        for number, header in enumerate(self.headers()):
            tally.add(header, ending.extents[number].size_bytes)
        return tally.closed(self.size_bytes, ending.digest)

    def _bytes(self, offset: int, size_bytes: int) -> bytes:
        """Exactly what lies there; callers have held `size_bytes` against the file's size."""
        try:
            data = os.pread(self._descriptor, size_bytes, offset)
            while 0 < len(data) < size_bytes:
                more = os.pread(self._descriptor, size_bytes - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise self._at(offset, SegmentError(f"the file cannot be read: {error.strerror}")) from error
        if len(data) < size_bytes:
            raise self._at(offset, SegmentError("the file became shorter while it was read"))
        return data

    def _at(self, offset: int, error: _Found) -> _Found:
        """The same error, with the place, unless it has one already."""
        if error.where:
            return error
        return type(error)(error.what, where=f"{self.path} at byte {offset}", fix=error.fix)


def plaintext(reader: SegmentReader, keyring: KeyRing) -> Iterator[bytes]:
    """The segment as the MP4 that a decoder reads: `init`, then each fragment's `moof` + `mdat`.

    For checks within this process only: no clear footage leaves civicam by this way.

    Raises:
        SegmentError, SealError, KeyMissingError: as `SegmentReader.read`, before anything unauthenticated is given.
    """
    for number in range(len(reader)):
        payload = reader.read(number, keyring).payload
        if number == 0:
            yield reader.header.setup.init  # vouched for by the fragment that just opened
        yield payload
