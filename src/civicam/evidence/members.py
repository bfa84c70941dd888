"""The members of a package that is verified, and the text in them."""

import base64
import binascii
import zlib
from collections.abc import Callable, Mapping
from typing import BinaryIO, Final

from civicam.core.errors import EvidenceError
from civicam.evidence.manifest import FilmModel
from civicam.evidence.package import Placed, read_package
from civicam.ledger.merkle import HASH_BYTES

_SMALL: Final = 4 << 20


class Members:
    """What is in a package, once every byte outside its members is known to be as it was written.

    Args:
        file: the package.
        size_bytes: its length.
        progress: is told how many bytes more were looked at.

    Attributes:
        names: in order.

    Raises:
        EvidenceError: it is none, or was altered.
        OSError: it cannot be read.
    """

    def __init__(self, file: BinaryIO, size_bytes: int, progress: Callable[[int], None]) -> None:
        self._file, self._progress = file, progress
        members = read_package(file, size_bytes)
        self.names = [one.member.name for one in members]
        self._by_name: Mapping[str, Placed] = {one.member.name: one for one in members}
        if len(self._by_name) != len(members):
            raise EvidenceError("two files in the package have one name")

    def small(self, name: str, most: int = _SMALL) -> bytes:
        """A member's bytes, held against their CRC; raises EvidenceError and OSError."""
        placed = self._by_name.get(name)
        if placed is None:
            raise EvidenceError(f"the package has no {name}")
        if placed.member.size_bytes > most:
            raise EvidenceError(f"{name} is longer than it can be")
        data = self.read(placed.offset, placed.member.size_bytes)
        if zlib.crc32(data) != placed.member.crc32:
            raise EvidenceError(f"{name} was altered, or its CRC")
        return data

    def film(self, one: FilmModel) -> int:
        """Where the bytes of a film begin; raises EvidenceError: it is not as long as the manifest says."""
        placed = self._by_name[one.name]
        if (placed.member.size_bytes, placed.member.crc32) != (one.size, one.crc32):
            raise EvidenceError(f"{one.name} is not as long as it was, or its CRC was altered")
        return placed.offset

    def read(self, at: int, size_bytes: int) -> bytes:
        """So many bytes from there on, or fewer where the package ends; raises OSError."""
        self._file.seek(at)
        data = self._file.read(size_bytes)
        self._progress(len(data))
        return data


def decoded(text: str) -> bytes:
    """The bytes of base64, which has one way to be written; raises EvidenceError."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise EvidenceError("something in the package is not base64") from None
    if base64.b64encode(found).decode() != text:
        raise EvidenceError("something in the package is base64 in another way than exports write it")
    return found


def decoded_hash(text: str) -> bytes:
    """A SHA-256; raises EvidenceError."""
    found = decoded(text)
    if len(found) != HASH_BYTES:
        raise EvidenceError("a hash in the package has another length")
    return found
