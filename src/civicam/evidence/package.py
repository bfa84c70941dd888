"""An export as one file: a ZIP archive (APPNOTE 6.3.10) of members stored as they are, laid out in one way only.

Every byte outside the members follows from their names, sizes and CRCs, so whoever reads it can tell whether any was
changed. All sizes are in ZIP64 fields, whatever they are.
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from civicam.core.errors import EvidenceError
from civicam.ledger.durable import sync_folder

_LOCAL: Final = struct.Struct("<4s5HIII2H")
_CENTRAL: Final = struct.Struct("<4s6HIII5HII")
_END64: Final = struct.Struct("<4sQ2HIIQQQQ")
_LOCATOR: Final = struct.Struct("<4sIQI")
_END: Final = struct.Struct("<4s4HIIH")
_ENDING_BYTES: Final = _END64.size + _LOCATOR.size + _END.size
_VERSION: Final = 45
_UTF8: Final = 0x0800
_DATE: Final = 0x21
"""1980-01-01, the first that there is: when it was exported stands in the manifest."""
_IN_64: Final = 0xFFFFFFFF
_CHUNK: Final = 1 << 20
_MOST_DIRECTORY: Final = 4 << 20
_MOST_MEMBERS: Final = 10_000
_MOST_NAME_BYTES: Final = 200


class Member(NamedTuple):
    """A file in an archive.

    Attributes:
        name: its path there.
        size_bytes: how long it is.
        crc32: of its bytes.
    """

    name: str
    size_bytes: int
    crc32: int


class Placed(NamedTuple):
    """A member, and where its bytes begin in the archive."""

    member: Member
    offset: int


def local_header(member: Member) -> bytes:
    """What stands before a member's bytes."""
    name = member.name.encode()
    sizes = struct.pack("<2H2Q", 1, 16, member.size_bytes, member.size_bytes)
    return (
        _LOCAL.pack(
            b"PK\3\4", _VERSION, _UTF8, 0, 0, _DATE, member.crc32, _IN_64, _IN_64, len(name), len(sizes)
        )
        + name
        + sizes
    )  # fmt: skip


def directory(members: Sequence[Member]) -> bytes:
    """What stands behind the last member's bytes."""
    rows, at = [], 0
    for member in members:
        name = member.name.encode()
        sizes = struct.pack("<2H3Q", 1, 24, member.size_bytes, member.size_bytes, at)
        rows.append(
            _CENTRAL.pack(
                b"PK\1\2", _VERSION, _VERSION, _UTF8, 0, 0, _DATE, member.crc32, _IN_64, _IN_64, len(name), len(sizes),
                0, 0, 0, 0, _IN_64,
            )
            + name
            + sizes
        )  # fmt: skip
        at += len(local_header(member)) + member.size_bytes
    central = b"".join(rows)
    count = len(members)
    return (
        central
        + _END64.pack(b"PK\6\6", _END64.size - 12, _VERSION, _VERSION, 0, 0, count, count, len(central), at)
        + _LOCATOR.pack(b"PK\6\7", 0, at + len(central), 1)
        + _END.pack(b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, _IN_64, _IN_64, 0)
    )


def crc_of(path: Path) -> int:
    """The CRC-32 of a file; raises OSError."""
    found = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found = zlib.crc32(chunk, found)
    return found


def write_package(
    target: Path, members: Iterable[tuple[str, Path, int]], progress: Callable[[int], None] = lambda _: None
) -> None:
    """Writes an archive of files, durably: there is all of it or nothing under that name.

    Args:
        target: where.
        members: the name of each, its file and its CRC-32.
        progress: is told how many bytes more are written.

    Raises:
        OSError: it cannot be written.
    """
    draft = target.with_name(f".{target.name}.part")
    listed: list[Member] = []
    with draft.open("wb") as out:
        for name, path, crc32 in members:
            member = Member(name, path.stat().st_size, crc32)
            listed.append(member)
            out.write(local_header(member))
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    out.write(chunk)
                    progress(len(chunk))
        out.write(directory(listed))
        out.flush()
        os.fsync(out.fileno())
    draft.replace(target)
    sync_folder(target.parent)


def read_package(file: BinaryIO, size_bytes: int) -> list[Placed]:
    """The members of an archive of that size, once it is known that it is laid out as `write_package` does.

    The members' own bytes are not looked at: neither hashed, nor held against their CRC.

    Raises:
        EvidenceError: it is no such archive, or a byte outside the members was changed, added or taken away.
        OSError: it cannot be read.
    """
    members = _listed(file, size_bytes)
    placed, at = [], 0
    for member in members:
        header = local_header(member)
        if _read(file, at, len(header)) != header:
            raise EvidenceError(f"the archive was altered before {member.name}")
        placed.append(Placed(member, at + len(header)))
        at += len(header) + member.size_bytes
    ending = directory(members)
    if at + len(ending) != size_bytes or _read(file, at, len(ending)) != ending:
        raise EvidenceError("the archive's directory was altered")
    return placed


def _listed(file: BinaryIO, size_bytes: int) -> list[Member]:
    """What the archive's directory lists; nothing of it is believed yet."""
    ending = _read(file, size_bytes - _ENDING_BYTES, _ENDING_BYTES) if size_bytes > _ENDING_BYTES else b""
    if ending[:4] != b"PK\6\6":
        raise EvidenceError("this is no export of civicam, or its end is cut off")
    *_, count, central_bytes, at = _END64.unpack_from(ending)
    if count > _MOST_MEMBERS or central_bytes > _MOST_DIRECTORY or at + central_bytes + _ENDING_BYTES != size_bytes:
        raise EvidenceError("the archive's directory is not where its end says")
    central, found, at = _read(file, at, central_bytes), [], 0
    for _ in range(count):
        if len(central) - at < _CENTRAL.size:
            raise EvidenceError("the archive's directory is cut off")
        row = _CENTRAL.unpack_from(central, at)
        crc32, name_bytes, extra_bytes = row[7], row[10], row[11]
        at += _CENTRAL.size
        extra = central[at + name_bytes : at + name_bytes + extra_bytes]
        if not 0 < name_bytes <= _MOST_NAME_BYTES or len(extra) != extra_bytes or extra_bytes != 28:
            raise EvidenceError("the archive's directory is not as it was written")
        try:
            name = central[at : at + name_bytes].decode()
        except UnicodeDecodeError:
            raise EvidenceError("a name in the archive's directory was altered") from None
        found.append(Member(name, struct.unpack_from("<Q", extra, 4)[0], crc32))
        at += name_bytes + extra_bytes
    if sum(one.size_bytes for one in found) > size_bytes:
        raise EvidenceError("the archive's directory lists more than there is")
    return found


def _read(file: BinaryIO, at: int, size_bytes: int) -> bytes:
    file.seek(at)
    return file.read(size_bytes)
