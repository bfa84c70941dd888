"""Writes one film of an export: its beginning, its fragments, its end, its credentials, and the signature over all."""

from hashlib import sha256
from typing import NamedTuple

from civicam.core.ids import StreamKey
from civicam.evidence import mp4
from civicam.evidence.certificate import SIGNATURE_BYTES
from civicam.evidence.credentials import FilmClaim
from civicam.evidence.manifest import FOOTAGE, unit_of
from civicam.evidence.order import Making, Order
from civicam.evidence.package import crc_of
from civicam.evidence.provenance import with_room


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
        digest: SHA-256.
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
        )
        self._pieces: list[Piece] = []
        self._places: list[tuple[int, int]] = []
        self._at = 0
        opening = with_room(mp4.opening(init))
        self._file = self._path.open("wb")
        self._put(opening)

    def add(self, fragment: bytes, place_90k: int, *, is_key: bool) -> None:
        """Writes a fragment, whose decoding time within the film is `place_90k` and stands in it already."""
        if is_key:
            self._places.append((place_90k, self._at))
        self._put(fragment)

    def abandon(self) -> None:
        """Lets go of a film that did not come to its end."""
        self._file.close()

    def close(self) -> Sealed:
        """Ends it, puts its credentials in, and signs it.

        Raises:
            EvidenceError: it cannot be signed.
            OSError: it cannot be written.
        """
        self._put(mp4.tail(self._places))
        certificate = self._making.seal.certificate
        self._file.write(mp4.seal(self._labels, certificate, bytes(SIGNATURE_BYTES)))
        self._file.close()
        self._making.credentials.embed(self._path, self._claim)
        signature = self._sign()
        return Sealed(self._path.stat().st_size, crc_of(self._path), signature, self._pieces)

    def _sign(self) -> bytes:
        """Signs all of the film, and says what it begins with now that the credentials stand there."""
        size_bytes = self._path.stat().st_size
        with self._path.open("r+b") as film:
            opening = film.read(self._pieces[0].size)
            self._pieces[0] = Piece(len(opening), sha256(opening).digest())
            signature = self._making.seal.sign(mp4.read_signed(film, size_bytes).digest)
            film.seek(mp4.signature_in(film, size_bytes)[0])
            film.write(signature)
        return signature

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._at += len(data)
        self._pieces.append(Piece(len(data), sha256(data).digest()))
