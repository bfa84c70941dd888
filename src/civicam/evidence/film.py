"""Writes one film of an export: its beginning, its fragments, its end, its credentials, and the signature over all."""

import os
import zlib
from hashlib import sha256
from typing import BinaryIO, Final, NamedTuple

from civicam.core.ids import StreamKey
from civicam.evidence import mp4
from civicam.evidence.certificate import SIGNATURE_BYTES
from civicam.evidence.credentials import FilmClaim
from civicam.evidence.manifest import FOOTAGE, unit_of
from civicam.evidence.order import Making, Order
from civicam.evidence.provenance import places_in, put_store, with_room, without_room

_CHUNK: Final = 1 << 20


class Begins(NamedTuple):
    """What a film begins with.

    Attributes:
        key: the stream that it is of.
        number: of that stream's films, from 1.
        start_ns: when its first picture was seen.
        init: `ftyp` and `moov` of its pictures.
    """

    key: StreamKey
    number: int
    start_ns: int
    init: bytes


class Piece(NamedTuple):
    """Some bytes of a film that follow on each other.

    Attributes:
        size: how many.
        digest: SHA-256; of what was recorded it stands in the segments' indexes, and is empty here.
    """

    size: int
    digest: bytes


class Sealed(NamedTuple):
    """A film that is whole.

    Attributes:
        size: bytes.
        crc32: of all of it.
        signature: its own (ONVIF Export File Format).
        pieces: what it is made of, in order, but for its seal: its beginning, each fragment, and what finds these.
    """

    size: int
    crc32: int
    signature: bytes
    pieces: list[Piece]


class FilmWriter:
    """Writes a film. What does not come to its end is written anew.

    Args:
        order: what it is made for.
        begins: what it begins with.
        making: how and where.

    Attributes:
        name: what it is called in the package.

    Raises:
        EvidenceError: there is no `moov`.
        OSError: it cannot be written.
    """

    def __init__(self, order: Order, begins: Begins, making: Making) -> None:
        key, number, start_ns, init = begins
        self.name = f"{FOOTAGE}{key.camera}-{key.stream}-{number}.mp4"
        self._path, self._making = making.folder / self.name, making
        self._labels = mp4.Labels(
            unit=unit_of(order.city),
            operator=order.operator,
            at_ns=order.at_ns,
            source=key.camera,
            line=key.stream,
            start_ns=start_ns,
        )
        self._claim = FilmClaim(
            name=self._path.name,
            city=order.city,
            number=order.number,
            camera=key.camera,
            stream=key.stream,
            start_ns=start_ns,
            at_ns=order.at_ns,
            ledger=order.ledger,
            is_redacted=order.is_redacted,
            shown=sum(area.camera == key.camera for area in order.shown),
        )
        self._pieces: list[Piece] = []
        self._places: list[tuple[int, int]] = []
        self._at = 0
        self._claimed = sha256()
        opening = with_room(mp4.opening(init))
        self._file = self._path.open("wb")
        self._write(opening, without_room(opening))

    def add(self, fragment: bytes, place_90k: int, *, is_key: bool) -> None:
        """Writes a fragment, whose decoding time within the film is `place_90k` and stands in it already."""
        if is_key:
            self._places.append((place_90k, self._at))
        self._write(fragment, fragment)

    def abandon(self) -> None:
        """Lets go of a film that did not come to its end."""
        self._file.close()

    def close(self) -> Sealed:
        """Ends it, puts its credentials in, and signs it.

        Raises:
            EvidenceError: it cannot be signed.
            OSError: it cannot be written.
        """
        tail = mp4.tail(self._places)
        self._write(tail, tail)
        ending = mp4.seal(self._labels, self._making.seal.certificate, bytes(SIGNATURE_BYTES))
        self._file.write(ending)
        self._file.close()
        with self._path.open("r+b") as film:
            places = places_in(film, self._at + len(ending))
            start, end = (at - self._at for at in places.signature)
            self._claimed.update(ending[:start] + ending[end:])
            put_store(film, places, self._making.credentials.store(self._claim, places, self._claimed.digest()))
            return self._signed(film, places.signature[0], self._at + len(ending))

    def _signed(self, film: BinaryIO, at: int, size: int) -> Sealed:
        """Reads all of the film once, as it is now that the credentials stand in it; signs it, and writes that down."""
        film.seek(0)
        opening = film.read(self._pieces[0].size)
        self._pieces[0] = Piece(len(opening), sha256(opening).digest())
        digest, crc32 = sha256(opening), zlib.crc32(opening)
        while left := at - film.tell():
            chunk = film.read(min(left, _CHUNK))
            digest.update(chunk)
            crc32 = zlib.crc32(chunk, crc32)
        ending = film.read()[SIGNATURE_BYTES:]
        digest.update(bytes(SIGNATURE_BYTES) + ending)
        signature = self._making.seal.sign(digest.digest())
        film.seek(at)
        film.write(signature)
        film.flush()
        os.fsync(film.fileno())  # what is kept of a stream says that its films are whole
        return Sealed(size, zlib.crc32(signature + ending, crc32), signature, self._pieces)

    def _write(self, data: bytes, claimed: bytes) -> None:
        """Writes some bytes, of which the credentials speak for these."""
        self._file.write(data)
        self._claimed.update(claimed)
        self._at += len(data)
        # Pieces of redacted films are listed by their digests; of others the segments' indexes tell.
        digest = sha256(data).digest() if self._claim.is_redacted else b""
        self._pieces.append(Piece(len(data), digest))
