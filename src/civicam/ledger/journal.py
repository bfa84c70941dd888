"""Entries that are durable and not yet in tiles: one file, appended and synced batch by batch.

The file is `CIVJRNL1`, the place of its first entry (8 bytes, big-endian), and then records: length of the entry and of
its parts (4 bytes each), CRC-32 of both, the entry, the parts. A record that is cut off, or whose CRC is wrong, ends
it: nobody was told that it was durable.
"""

import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from civicam.core.errors import LedgerError
from civicam.ledger.durable import explained, write_whole

_MAGIC: Final = b"CIVJRNL1"
_START: Final = struct.Struct(">8sQ")
_RECORD: Final = struct.Struct(">III")
_MOST_RECORD_BYTES: Final = 1 << 20


class Record(NamedTuple):
    """One entry as it is kept until it is in tiles.

    Attributes:
        entry: its bytes.
        parts: its sealed parts.
    """

    entry: bytes
    parts: bytes


class Journal:
    """The journal at a path. One process, one thread.

    Args:
        path: where it is; it is made if it is not there.
        size: how many entries are in tiles: where a new one begins.

    Attributes:
        first: the place of its first entry.
        records: its entries.

    Raises:
        LedgerError: it cannot be read or made, or is no journal.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        with explained("the ledger's journal was opened", path):
            if not path.exists():
                write_whole(path, _START.pack(_MAGIC, size), 0o600)
            self.first, self.records, self._end = _read(path.read_bytes(), path)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            os.ftruncate(self._descriptor, self._end)
        self._is_broken = False

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        return self._end

    def append(self, records: Sequence[Record]) -> None:
        """Adds entries; they are durable when it returns, and none of them is there when it raises.

        Raises:
            LedgerError: they cannot be written.
        """
        data = b"".join(_packed(record) for record in records)
        with explained("the ledger was written", self._path):
            if self._is_broken:
                self._mend()
            try:
                written = 0
                while written < len(data):
                    written += os.pwrite(self._descriptor, data[written:], self._end + written)
                os.fdatasync(self._descriptor)
            except OSError:
                self._is_broken = True
                raise
        self._end += len(data)
        self.records.extend(records)

    def begin(self, first: int) -> None:
        """Starts anew: everything before `first` is in tiles.

        Raises:
            LedgerError: it cannot be written; the old one goes on.
        """
        with explained("the ledger's journal was begun anew", self._path):
            kept = self.records[first - self.first :]
            write_whole(self._path, _START.pack(_MAGIC, first) + b"".join(map(_packed, kept)), 0o600)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        os.close(self._descriptor)
        self._descriptor, self.first, self.records, self._is_broken = descriptor, first, kept, False
        self._end = _START.size + sum(len(_packed(record)) for record in kept)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)

    def _mend(self) -> None:
        """Cuts off what an append that failed may have left."""
        os.ftruncate(self._descriptor, self._end)
        os.fdatasync(self._descriptor)
        self._is_broken = False


def _packed(record: Record) -> bytes:
    body = record.entry + record.parts
    return _RECORD.pack(len(record.entry), len(record.parts), zlib.crc32(body)) + body


def _read(data: bytes, path: Path) -> tuple[int, list[Record], int]:
    """The first entry's place, the whole records, and where they end."""
    if len(data) < _START.size or data[: len(_MAGIC)] != _MAGIC:
        raise LedgerError("this is no journal", where=str(path), fix="restore it from a backup, with the whole ledger")
    _, first = _START.unpack_from(data)
    records: list[Record] = []
    at = _START.size
    while at + _RECORD.size <= len(data):
        entry_bytes, parts_bytes, crc = _RECORD.unpack_from(data, at)
        start, end = at + _RECORD.size, at + _RECORD.size + entry_bytes + parts_bytes
        body = data[start:end]
        is_whole = 0 < entry_bytes + parts_bytes <= _MOST_RECORD_BYTES and len(body) == entry_bytes + parts_bytes
        if not is_whole or zlib.crc32(body) != crc:
            break
        records.append(Record(body[:entry_bytes], body[entry_bytes:]))
        at = end
    return first, records, at
