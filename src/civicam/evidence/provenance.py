"""Where a film keeps its Content Credentials: a box of one size between `ftyp` and `moov` (C2PA 2.2, A.5.1 to A.5.3).

The film is written with the box empty, and the manifest store is put into it when all else is known: nothing moves.
The store's hash (`c2pa.hash.data`, 18.5) is over every byte of the film but those that the store may fill and those of
the ONVIF signature, which comes after it; the ONVIF signature is over the whole film, the store with it. So each byte
is under at least one of both, and nearly all are under both. A.4.2.2 has it so for PDF, which is signed twice, too.
"""

import struct
from typing import BinaryIO, Final, NamedTuple

from civicam.core.errors import EvidenceError
from civicam.evidence.mp4 import boxes, signature_in

BOX_BYTES: Final = 16 * 1024
"""About four times what a manifest store needs; what it does not need is zero, as A.5.3 allows."""
_HEAD: Final = struct.pack(">I4s", BOX_BYTES, b"uuid") + bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_PURPOSE: Final = bytes(4) + b"manifest\0" + bytes(8)
"""Version and flags, what the box is for, and that no box with hashes follows (A.5.2)."""
_BEFORE: Final = _HEAD + _PURPOSE
STORE_BYTES: Final = BOX_BYTES - len(_BEFORE)
"""The longest manifest store that there is room for."""
_CHUNK: Final = 1 << 20


class Places(NamedTuple):
    """What of a film is not under the store's hash; each as where it begins and where it ends, in bytes.

    Attributes:
        store: where the manifest store is, and the room behind it.
        signature: where the ONVIF signature is.
    """

    store: tuple[int, int]
    signature: tuple[int, int]


def with_room(opening: bytes) -> bytes:
    """A film's `ftyp` and `moov` with the empty box between them."""
    at = _after_ftyp(opening)
    return opening[:at] + _BEFORE + bytes(STORE_BYTES) + opening[at:]


def without_store(opening: bytes) -> bytes:
    """What `with_room` made, whatever was put into the box since.

    Raises:
        EvidenceError: it begins with no `ftyp`, or there is another box behind it.
    """
    start, end = _store_in(opening)
    return opening[:start] + bytes(end - start) + opening[end:]


def without_room(opening: bytes) -> bytes:
    """What of a film's opening the store's hash is over; raises EvidenceError as `without_store` does."""
    start, end = _store_in(opening)
    return opening[:start] + opening[end:]


def places_in(film: BinaryIO, size_bytes: int) -> Places:
    """Where the store and the ONVIF signature of the film of that size have their place.

    Raises:
        EvidenceError: it has no room for one of them.
        OSError: it cannot be read.
    """
    film.seek(0)
    return Places(_store_in(film.read(_CHUNK)), signature_in(film, size_bytes))


def put_store(film: BinaryIO, places: Places, store: bytes) -> None:
    """Writes a manifest store into its place.

    Raises:
        EvidenceError: it is longer than the room for it.
        OSError: it cannot be written.
    """
    start, end = places.store
    if len(store) > end - start:
        raise EvidenceError(f"the film's credentials have {len(store)} bytes, and there is room for {end - start}")
    film.seek(start)
    film.write(store.ljust(end - start, b"\0"))


def _after_ftyp(opening: bytes) -> int:
    kind, at, size = next(boxes(opening), (b"", 0, 0))
    if kind != b"ftyp":
        raise EvidenceError("the film does not begin with an ftyp box")
    return at + size


def _store_in(opening: bytes) -> tuple[int, int]:
    at = _after_ftyp(opening)
    if not opening.startswith(_BEFORE, at) or len(opening) < at + BOX_BYTES:
        raise EvidenceError("the film has no room for credentials behind its ftyp box")
    return at + len(_BEFORE), at + BOX_BYTES
