"""Writes one film of an export: its beginning, its fragments, its end, and the signature over all of it."""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from civicam.evidence import mp4
from civicam.evidence.certificate import SIGNATURE_BYTES, Seal
from civicam.evidence.package import crc_of


class Sealed(NamedTuple):
    """A film that is whole.

    Attributes:
        size: bytes.
        crc32: of all of it.
        signature: its own (ONVIF Export File Format).
    """

    size: int
    crc32: int
    signature: bytes


class Piece(NamedTuple):
    """Some bytes of a film that follow on each other.

    Attributes:
        size: how many.
        digest: SHA-256.
    """

    size: int
    digest: bytes


class FilmWriter:
    """Writes a film. What does not come to its end is written anew.

    Args:
        path: where.
        init: `ftyp` and `moov` of its pictures.
        labels: what it says of itself.
        seal: signs it.

    Attributes:
        labels: see above.
        pieces: what it is made of so far, in order: its beginning, then each fragment, and last what finds these.

    Raises:
        EvidenceError: there is no `moov`.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, init: bytes, labels: mp4.Labels, seal: Seal) -> None:
        self.labels, self.pieces = labels, list[Piece]()
        self._path, self._seal = path, seal
        self._digest = sha256()
        self._places: list[tuple[int, int]] = []
        self._at = 0
        opening = mp4.opening(init)
        self._file = path.open("wb")
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
        """Ends and signs it."""
        self._put(mp4.tail(self._places))
        certificate = self._seal.certificate
        self._digest.update(mp4.seal(self.labels, certificate, bytes(SIGNATURE_BYTES)))
        signature = self._seal.sign(self._digest.digest())
        ending = mp4.seal(self.labels, certificate, signature)
        self._file.write(ending)
        self._file.close()
        return Sealed(self._at + len(ending), crc_of(self._path), signature)

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._at += len(data)
        self.pieces.append(Piece(len(data), sha256(data).digest()))
