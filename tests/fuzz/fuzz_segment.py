"""Segment files: whatever a file holds, only what was sealed comes out of it."""

import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from civicam.core.errors import KeyMissingError, SealError, SegmentError
from civicam.footage.layout import SegmentName
from civicam.footage.reader import SegmentReader
from civicam.footage.segment_format import INDEX_ENTRY_BYTES, TRAILER_BYTES
from civicam.footage.verify import verify
from tests.fakes.segments import SECOND_NS, START_NS, Place, fragment
from tests.fuzz import harness

_FOLDER = tempfile.TemporaryDirectory(prefix="civicam-fuzz-")
_PLACE = Place.make(Path(_FOLDER.name))
_FILE = _PLACE.volume.root / "open" / "fuzz.civ"
_COUNT = 4
_SEALED = {fragment(number, start).payload for start in (START_NS, START_NS + SECOND_NS) for number in range(_COUNT)}


def _seeds() -> list[bytes]:
    closed = [_PLACE.closed(_COUNT, start).read_bytes() for start in (START_NS, START_NS + SECOND_NS)]
    unclosed = closed[0][: -TRAILER_BYTES - INDEX_ENTRY_BYTES]
    return [*closed, unclosed]


SEEDS = _seeds()


def _with_digest(data: bytes) -> bytes:
    """The same file with the digest that its header and index now have, as an attacker would leave it."""
    if len(data) < TRAILER_BYTES + 12:
        return data
    header_bytes = 12 + int.from_bytes(data[8:12], "big")
    index_offset = int.from_bytes(data[-TRAILER_BYTES : 8 - TRAILER_BYTES], "big")
    digest = sha256(data[:header_bytes] + data[index_offset:-TRAILER_BYTES]).digest()
    return data[: 8 - TRAILER_BYTES] + digest + data[-8:]


def one(data: bytes) -> None:
    _look(data)
    _look(_with_digest(data))


def _look(data: bytes) -> None:
    _FILE.write_bytes(data)
    verdicts = [verify(_FILE, _PLACE.keyring, deep=deep) for deep in (False, True)]
    for verdict in verdicts:
        assert 0 <= verdict.good_count <= verdict.fragment_count <= len(data) // 85
        assert all(0 <= problem.offset <= len(data) for problem in verdict.problems)
    try:
        reader = SegmentReader.open(_FILE)
    except SegmentError:
        return
    with reader:
        opened = 0
        for number in range(len(reader)):
            try:
                opened += reader.read(number, _PLACE.keyring).payload in _SEALED
            except (SegmentError, SealError, KeyMissingError):
                continue
        assert opened == (verdicts[-1].good_count if verdicts[-1].is_authenticated else 0)
        assert SegmentName.parse(str(reader.header.name)) == reader.header.name


if __name__ == "__main__":
    raise SystemExit(harness.run(one, SEEDS, sys.argv))
