"""Tiles: the tree and its entries as static files (C2SP tlog-tiles).

A tile of level `l` holds up to 256 hashes of the tree's level `8 * l`; entry bundles hold up to 256 entries. The last
one of each may be partial; its width is part of its name.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias

from civicam.core.errors import LedgerError
from civicam.ledger.merkle import HASH_BYTES, Hash, root_of

WIDTH: Final = 256
HEIGHT: Final = 8
ENTRY_BYTES: Final = 65_535
_GROUP: Final = 1000
_KEPT_TILES: Final = 256

ReadFile: TypeAlias = Callable[[str], bytes]
"""The bytes of a file of the log by its path, such as `tile/0/000`. Raises LedgerError: it cannot be had."""


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """Where a tile is, such as `tile/0/x001/234.p/8`."""
    return f"tile/{level}/{_numbered(number, width)}"


def entries_path(number: int, width: int = WIDTH) -> str:
    """Where an entry bundle is, such as `tile/entries/x001/234`."""
    return f"tile/entries/{_numbered(number, width)}"


def _numbered(number: int, width: int) -> str:
    groups = [f"{number % _GROUP:03}"]
    while number >= _GROUP:
        number //= _GROUP
        groups.insert(0, f"x{number % _GROUP:03}")
    return "/".join(groups) + ("" if width == WIDTH else f".p/{width}")


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """The bytes of an entry bundle: each entry behind its length, 16 bits, big-endian.

    Raises:
        LedgerError: an entry is longer than 65,535 bytes.
    """
    if any(len(entry) > ENTRY_BYTES for entry in entries):
        raise LedgerError(f"an entry has at most {ENTRY_BYTES} bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unpack_entries(data: bytes, where: str) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        LedgerError: the bytes are no whole entries, or more than a bundle has.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or at > len(data) or len(entries) == WIDTH:
            raise LedgerError(f"the bundle is broken after {len(entries)} entries", where=where)
        entries.append(data[start:at])
    return entries


class TileReader:
    """Reads the tree of a size out of tiles; a few are kept.

    Args:
        size: of the tree.
        read_file: gives files.
    """

    def __init__(self, size: int, read_file: ReadFile) -> None:
        self.size = size
        self._read_file = read_file
        self._tile = lru_cache(_KEPT_TILES)(self._read_tile)

    def node(self, level: int, index: int) -> Hash:
        """See `merkle.ReadNode`.

        Raises:
            LedgerError: the tile cannot be had, or has another length.
        """
        tile_level, above = divmod(level, HEIGHT)
        start = index << above
        hashes = self._tile(tile_level, start // WIDTH)
        first = start % WIDTH
        if first + (1 << above) > len(hashes):
            raise LedgerError(f"there is no node {index} of level {level} in a tree of {self.size}")
        return root_of(hashes[first : first + (1 << above)])

    def entries(self, number: int) -> list[bytes]:
        """The entries of a bundle.

        Raises:
            LedgerError: it cannot be had, or has another number of entries.
        """
        width = min(WIDTH, self.size - number * WIDTH)
        if width <= 0:
            raise LedgerError(f"there is no bundle {number} in a tree of {self.size}")
        path = entries_path(number, width)
        found = unpack_entries(self._read_file(path), path)
        if len(found) != width:
            raise LedgerError(f"the bundle has {len(found)} entries, and {width} belong in it", where=path)
        return found

    def entry(self, index: int) -> bytes:
        """One entry. See `entries`."""
        return self.entries(index // WIDTH)[index % WIDTH]

    def _read_tile(self, level: int, number: int) -> list[Hash]:
        width = min(WIDTH, (self.size >> level * HEIGHT) - number * WIDTH)
        if width <= 0:
            raise LedgerError(f"there is no tile {number} of level {level} in a tree of {self.size}")
        path = tile_path(level, number, width)
        data = self._read_file(path)
        if len(data) != width * HASH_BYTES:
            raise LedgerError(f"the tile has {len(data)} bytes, and needs {width * HASH_BYTES}", where=path)
        return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def files_in(folder: Path) -> ReadFile:
    """Reads files of a log that lies in a folder. A partial one may since have become whole."""

    def read(path: str) -> bytes:
        try:
            return _prefix(folder, path)
        except OSError as error:
            raise LedgerError(f"a file of the ledger cannot be read: {error.strerror}", where=path) from error

    return read


def _prefix(folder: Path, path: str) -> bytes:
    try:
        return (folder / path).read_bytes()
    except FileNotFoundError:
        whole, is_partial, width = path.partition(".p/")
        if not is_partial:
            raise
    data = (folder / whole).read_bytes()
    if not path.startswith("tile/entries/"):
        return data[: int(width) * HASH_BYTES]
    return pack_entries(unpack_entries(data, whole)[: int(width)])
