"""The bytes of a segment file (docs/design/storage.md, "The segment file"): values to bytes and back, no files.

Every parser here takes hostile bytes and raises SegmentError only; what it allocates is bounded by what it is given.
"""

import base64
import binascii
import json
import re
import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from civicam.core.errors import ConfigError, SegmentError
from civicam.core.ids import GapCause, StreamKey, StreamName, parse_camera_id
from civicam.footage.fragment import FragmentHeader, Gap
from civicam.footage.layout import MAX_TIME_NS, Day, SegmentName

MAX_HEADER_JSON_BYTES = 256 * 1024
"""Parameter sets are a few hundred bytes; nothing honest comes near."""

MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
"""The largest fragment: twenty seconds of 25 Mbit/s."""

MAX_FRAGMENTS = 65_536
"""The most fragments in a segment."""

SEGMENT_ID_BYTES = 16
TAG_BYTES = 16
DIGEST_BYTES = 32

FRAGMENT_MAGIC = b"FRAG"
INDEX_MAGIC = b"INDX"

_HEADER_MAGIC = b"CIVSEG01"
_TRAILER_MAGIC = b"CIVEND01"
_HEADER_START = struct.Struct(">8sI")
_FIELDS = struct.Struct(">4sIIqqqqqIqBBH")
_INDEX_START = struct.Struct(">4sI")
_INDEX_ENTRY = struct.Struct(f">Q{DIGEST_BYTES}s")
_TRAILER = struct.Struct(f">Q{DIGEST_BYTES}s8s")

HEADER_START_BYTES = _HEADER_START.size
FIELDS_BYTES = _FIELDS.size
"""A fragment's bytes before its ciphertext: the magic and the fields (68)."""
FRAGMENT_OVERHEAD_BYTES = FIELDS_BYTES + TAG_BYTES
INDEX_START_BYTES = _INDEX_START.size
INDEX_ENTRY_BYTES = _INDEX_ENTRY.size
TRAILER_BYTES = _TRAILER.size

_UNKNOWN_TIME = -(2**63)
_SYNC = 1
_DAMAGED = 2
_PIXELS_MAX = 65_535
_CODEC = re.compile(r"[A-Za-z0-9.]{1,64}")
_SEGMENT_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class SegmentSetup:
    """What a player needs before a segment's first fragment.

    Attributes:
        codec: as in a MIME type's `codecs` (RFC 6381), such as `avc3.64001f`.
        width: pixels a row.
        height: rows.
        init: the `ftyp` and `moov` boxes (ISO/IEC 14496-12).
    """

    codec: str
    width: int
    height: int
    init: bytes


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself, in the clear; every fragment's seal vouches for it.

    Attributes:
        name: camera, stream, start and epoch.
        segment_id: 16 random bytes.
        created_wall_ns: when the file was made.
        setup: what a player needs.
        key_day: whose day's key seals it: the day of `name.start_wall_ns`.
    """

    name: SegmentName
    segment_id: bytes
    created_wall_ns: int
    setup: SegmentSetup
    key_day: Day


def encode_header(header: SegmentHeader) -> bytes:
    """The file's first bytes.

    Raises:
        SegmentError: something in it is not storable: `parse_header` would refuse it.
    """
    name, setup = header.name, header.setup
    body = json.dumps(
        {
            "camera": name.camera,
            "stream": name.stream,
            "segment_id": header.segment_id.hex(),
            "epoch": name.epoch,
            "start_wall_ns": name.start_wall_ns,
            "created_wall_ns": header.created_wall_ns,
            "codec": setup.codec,
            "width": setup.width,
            "height": setup.height,
            "init": base64.b64encode(setup.init).decode(),
            "key_day": header.key_day,
        },
        separators=(",", ":"),
    ).encode()
    start = _HEADER_START.pack(_HEADER_MAGIC, len(body))
    header_json_bytes(start)
    parse_header_json(body)
    return start + body


def header_json_bytes(start: bytes) -> int:
    """The length of the JSON that follows `start`, the file's first `HEADER_START_BYTES`.

    Raises:
        SegmentError: they do not begin a segment file, or the length is out of bounds.
    """
    if len(start) < HEADER_START_BYTES:
        raise SegmentError("the file ends before its header")
    magic, length = _HEADER_START.unpack_from(start)
    if magic != _HEADER_MAGIC:
        raise SegmentError("not a segment file: it does not begin with CIVSEG01")
    if not 0 < length <= MAX_HEADER_JSON_BYTES:
        raise SegmentError(f"a header of {length} bytes is outside 1 to {MAX_HEADER_JSON_BYTES}")
    return int(length)


def parse_header_json(body: bytes) -> SegmentHeader:
    """The header that `body` is.

    Raises:
        SegmentError: a field is missing, too many, of a wrong type or out of range.
    """
    try:
        raw = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise SegmentError("the header is not JSON") from None
    if not isinstance(raw, dict) or raw.keys() != _HEADER_TYPES.keys():
        raise SegmentError("the header has not exactly the fields of a segment")
    for field, kind in _HEADER_TYPES.items():
        if type(raw[field]) is not kind:
            raise SegmentError(f"the header's {field} is not of type {kind.__name__}")
    return _checked_header(raw)


_HEADER_TYPES: dict[str, type[int] | type[str]] = {
    "camera": str,
    "stream": str,
    "segment_id": str,
    "epoch": int,
    "start_wall_ns": int,
    "created_wall_ns": int,
    "codec": str,
    "width": int,
    "height": int,
    "init": str,
    "key_day": str,
}


def _checked_header(raw: dict[str, Any]) -> SegmentHeader:
    try:
        key = StreamKey(parse_camera_id(raw["camera"]), StreamName(raw["stream"]))
        init = base64.b64decode(raw["init"], validate=True)
    except (ConfigError, ValueError, binascii.Error):
        raise SegmentError("the header's camera, stream or init is malformed") from None
    name = SegmentName.make(key, raw["start_wall_ns"], raw["epoch"])
    if not _SEGMENT_ID.fullmatch(raw["segment_id"]):
        raise SegmentError("the header's segment_id is not 32 hex digits")
    if not _CODEC.fullmatch(raw["codec"]):
        raise SegmentError("the header's codec is malformed")
    if not (0 < raw["width"] <= _PIXELS_MAX and 0 < raw["height"] <= _PIXELS_MAX):
        raise SegmentError("the header's width or height is out of range")
    if not 0 <= raw["created_wall_ns"] <= MAX_TIME_NS:
        raise SegmentError("the header's created_wall_ns is out of range")
    if raw["key_day"] != name.day:
        raise SegmentError("the header's key_day is not the day of its start_wall_ns")
    setup = SegmentSetup(raw["codec"], raw["width"], raw["height"], init)
    return SegmentHeader(name, bytes.fromhex(raw["segment_id"]), raw["created_wall_ns"], setup, name.day)


class Framed(NamedTuple):
    """A fragment's place in the order and its length, with what it says of itself.

    Attributes:
        sequence: its number within the segment, from 0.
        ciphertext_bytes: how long its payload is.
        header: what is said of it.
    """

    sequence: int
    ciphertext_bytes: int
    header: FragmentHeader

    @property
    def size_bytes(self) -> int:
        """Its length in the file, from "FRAG" to the tag."""
        return FRAGMENT_OVERHEAD_BYTES + self.ciphertext_bytes


def pack_fields(sequence: int, ciphertext_bytes: int, header: FragmentHeader) -> bytes:
    """A fragment's bytes before its ciphertext.

    Raises:
        SegmentError: the header breaks a rule of `FragmentHeader`, or a number does not fit.
    """
    _check(sequence, ciphertext_bytes, header)
    gap = header.gap
    camera_wall_ns = header.camera_wall_ns
    try:
        return _FIELDS.pack(
            FRAGMENT_MAGIC,
            sequence,
            ciphertext_bytes,
            header.start_90k,
            header.duration_90k,
            header.start_wall_ns,
            header.end_wall_ns,
            _UNKNOWN_TIME if camera_wall_ns is None else camera_wall_ns,
            header.sample_count,
            gap.duration_ns if gap else 0,
            gap.cause if gap else 0,
            (_SYNC if header.is_sync else 0) | (_DAMAGED if header.is_damaged else 0),
            0,
        )
    except struct.error:
        raise SegmentError("a number of the fragment does not fit its field") from None


def parse_fields(data: bytes) -> Framed:
    """What `pack_fields` was given, from `FIELDS_BYTES` bytes.

    Raises:
        SegmentError: they are no fragment's fields.
    """
    if len(data) < FIELDS_BYTES:
        raise SegmentError("the file ends within a fragment's fields")
    magic, sequence, ciphertext_bytes, *times, sample_count, gap_ns, gap_cause, flags, zero = _FIELDS.unpack_from(data)
    start_90k, duration_90k, start_wall_ns, end_wall_ns, camera_wall_ns = times
    if magic != FRAGMENT_MAGIC:
        raise SegmentError("no fragment begins here")
    if flags & ~(_SYNC | _DAMAGED) or zero:
        raise SegmentError("the fragment has flags that are not known")
    header = FragmentHeader(
        start_90k=start_90k,
        duration_90k=duration_90k,
        start_wall_ns=start_wall_ns,
        end_wall_ns=end_wall_ns,
        camera_wall_ns=None if camera_wall_ns == _UNKNOWN_TIME else camera_wall_ns,
        sample_count=sample_count,
        is_sync=bool(flags & _SYNC),
        is_damaged=bool(flags & _DAMAGED),
        gap=_gap(gap_ns, gap_cause),
    )
    _check(sequence, ciphertext_bytes, header)
    return Framed(sequence, ciphertext_bytes, header)


def _gap(gap_ns: int, gap_cause: int) -> Gap | None:
    if gap_ns == 0 and gap_cause == 0:
        return None
    try:
        return Gap(gap_ns, GapCause(gap_cause))
    except ValueError:
        raise SegmentError(f"the fragment's gap has the unknown cause {gap_cause}") from None


def _check(sequence: int, ciphertext_bytes: int, header: FragmentHeader) -> None:
    """Holds writer and reader to the same rules, so that what was written can be read."""
    if not 0 < ciphertext_bytes <= MAX_PAYLOAD_BYTES:
        raise SegmentError(f"a fragment of {ciphertext_bytes} bytes is outside 1 to {MAX_PAYLOAD_BYTES}")
    if sequence >= MAX_FRAGMENTS:
        raise SegmentError(f"a segment holds {MAX_FRAGMENTS} fragments at most", fix="close it and begin another")
    if header.duration_90k <= 0 or header.sample_count <= 0:
        raise SegmentError("the fragment has no duration or no samples")
    if header.end_wall_ns < header.start_wall_ns:
        raise SegmentError("the fragment ends before it starts")
    if header.gap is not None and header.gap.duration_ns <= 0:
        raise SegmentError("the fragment's gap has no duration")


def nonce(sequence: int) -> bytes:
    """The 96-bit nonce of the fragment with that number (NIST SP 800-38D, 8.2.1: a deterministic one)."""
    return sequence.to_bytes(12, "big")


class IndexEntry(NamedTuple):
    """Where a fragment lies, and the SHA-256 of its bytes from "FRAG" to the tag."""

    offset: int
    digest: bytes


def pack_entry(entry: IndexEntry) -> bytes:
    """The index's bytes for one fragment."""
    return _INDEX_ENTRY.pack(*entry)


def pack_index(entries: bytes) -> bytes:
    """The index of fragments, of `pack_entry` of each, in order."""
    return _INDEX_START.pack(INDEX_MAGIC, len(entries) // INDEX_ENTRY_BYTES) + entries


def pack_ending(header: bytes, entries: bytes, index_offset: int) -> tuple[bytes, bytes]:
    """The bytes that close a segment (index and trailer), and its digest.

    Args:
        header: the file's header, whole.
        entries: `pack_entry` of each fragment, in order.
        index_offset: where the last fragment ends.
    """
    index = pack_index(entries)
    digest = sha256(header + index).digest()
    return index + _TRAILER.pack(index_offset, digest, _TRAILER_MAGIC), digest


def is_trailer(data: bytes) -> bool:
    """Whether a file's last `TRAILER_BYTES` bytes say that it was closed."""
    return len(data) == TRAILER_BYTES and data.endswith(_TRAILER_MAGIC)


def parse_trailer(data: bytes, size_bytes: int) -> tuple[int, bytes]:
    """The index's offset and the segment's digest, from the last bytes of a closed file of `size_bytes`.

    Raises:
        SegmentError: the offset cannot be right: the index is not in the file or is too long.
    """
    index_offset, digest, _ = _TRAILER.unpack(data)
    index_bytes = size_bytes - TRAILER_BYTES - index_offset
    if not INDEX_START_BYTES <= index_bytes <= INDEX_START_BYTES + MAX_FRAGMENTS * INDEX_ENTRY_BYTES:
        raise SegmentError(f"the trailer places the index at {index_offset}, where it cannot be")
    return index_offset, digest


def parse_index(data: bytes) -> list[IndexEntry]:
    """The entries of an index that is exactly `data`.

    Raises:
        SegmentError: it is no index, or its count is not that of its entries.
    """
    if len(data) < INDEX_START_BYTES:
        raise SegmentError("the index is cut off")
    magic, count = _INDEX_START.unpack_from(data)
    if magic != INDEX_MAGIC or len(data) != INDEX_START_BYTES + count * INDEX_ENTRY_BYTES:
        raise SegmentError("no index where the trailer says, or one of another length")
    return [IndexEntry(*entry) for entry in _INDEX_ENTRY.iter_unpack(data[INDEX_START_BYTES:])]


def segment_digest(header: bytes, index: bytes) -> bytes:
    """SHA-256 over header and index: the segment's digest."""
    return sha256(header + index).digest()
