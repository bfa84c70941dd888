"""The MP4 file of an export (ISO/IEC 14496-12), after the ONVIF Export File Format, version 26.06.

`ftyp`, `meta`, `moov`, then a `moof` and `mdat` for each fragment as it was recorded, then `mfra`. The `meta` box says
who exported what (`suep`), when the first frame was seen (`cstb`), and holds certificate and signature (`ipro`): an
RSASSA-PSS signature over the whole file, its own bytes taken as zero. Of a recorded fragment only its decoding time is
changed: it is counted from the file's first frame, so that a gap is as long in the file as it was.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO, Final, NamedTuple

from civicam.core.errors import EvidenceError

TIMESCALE: Final = 90_000
TRACK: Final = 1
_TFDT: Final = struct.Struct(">Q")
_TFDT_AT: Final = 60
"""Where a recorded fragment's decoding time stands: `moof`, `mfhd` and `tfhd` have one length always."""
_HEAD: Final = struct.Struct(">I4s")
_SCHEME_VERSION: Final = 0x00010000
_FROM_1904_S: Final = 2_082_844_800
_FROM_1601_S: Final = 11_644_473_600
_MOST_HEAD_BYTES: Final = 1 << 20
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Labels:
    """What an export's file says of itself (ONVIF Export File Format, 5.3).

    Attributes:
        unit: the system that exported.
        operator: who did.
        at_ns: when that began.
        source: the camera's name.
        line: which of its streams.
        start_ns: when the first frame was seen.
    """

    unit: str
    operator: str
    at_ns: int
    source: str
    line: str
    start_ns: int


class Head(NamedTuple):
    """A file's bytes before its first fragment.

    Attributes:
        data: the bytes, with zeros for the signature.
        signature_at: where that begins.
    """

    data: bytes
    signature_at: int


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of that type."""
    body = b"".join(parts)
    return _HEAD.pack(_HEAD.size + len(body), kind) + body


def full_box(kind: bytes, version: int, *parts: bytes) -> bytes:
    """A box with a version and no flags."""
    return box(kind, bytes((version, 0, 0, 0)), *parts)


def head(init: bytes, labels: Labels, certificate: bytes, signature_bytes: int) -> Head:
    """The file's beginning.

    Args:
        init: the recording's `ftyp` and `moov`.
        labels: what the file says of itself.
        certificate: of who signs it, DER.
        signature_bytes: how long the signature will be.
    """
    file_type = box(b"ftyp", b"isom", bytes(4), b"isom", b"iso6", b"mp41")
    signature = box(b"sibo", bytes(signature_bytes))
    scheme = full_box(b"schm", 0, b"oeff", struct.pack(">I", _SCHEME_VERSION))
    information = box(b"schi", signature, box(b"cert", certificate))
    protection = full_box(b"ipro", 0, struct.pack(">H", 1), box(b"sinf", scheme, information))
    handler = full_box(b"hdlr", 0, bytes(4), b"null", bytes(12), b"\0")
    meta = full_box(b"meta", 0, handler, _export_box(labels), _start_box(labels.start_ns), protection)
    at = len(file_type) + meta.index(signature) + _HEAD.size
    return Head(file_type + meta + _moov_of(init), at)


def _export_box(labels: Labels) -> bytes:
    track = (struct.pack(">H", TRACK), *(_text(one) for one in (labels.source, "", "", labels.line)))
    exported_s = labels.at_ns // 1_000_000_000 + _FROM_1904_S
    return full_box(
        b"suep", 1, _text(labels.unit), _text(""), _text(""), struct.pack(">Q", exported_s), _text(labels.operator),
        struct.pack(">I", 1), *track,
    )  # fmt: skip


def _start_box(start_ns: int) -> bytes:
    ticks = start_ns // 100 + _FROM_1601_S * 10_000_000
    return box(b"cstb", struct.pack(">IIQ", 1, TRACK, ticks))


def _text(words: str) -> bytes:
    return words.replace("\0", "").encode() + b"\0"


def _moov_of(init: bytes) -> bytes:
    for kind, at, size in boxes(init):
        if kind == b"moov":
            return init[at : at + size]
    raise EvidenceError("the recording has no moov box", fix="run civicam check --deep")


def boxes(data: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """The boxes in `data`: their type, where they begin and their size.

    Raises:
        EvidenceError: a box is cut off, or longer than what holds it.
    """
    end = len(data) if end is None else end
    while at < end:
        if end - at < _HEAD.size:
            raise EvidenceError(f"a box is cut off at byte {at}")
        size, kind = _HEAD.unpack_from(data, at)
        if not _HEAD.size <= size <= end - at:
            raise EvidenceError(f"the box at byte {at} has the size {size}, which cannot be")
        yield kind, at, size
        at += size


def place_of(wall_ns: int, start_ns: int) -> int:
    """The decoding time, in 90 kHz from the file's first frame, of what was seen at a wall time."""
    return (wall_ns - start_ns) * 9 // 100_000


def placed(payload: bytes, place_90k: int) -> bytes:
    """A recorded fragment with its decoding time set: what the file holds of it, or, back again, what was recorded.

    Raises:
        EvidenceError: it is no fragment of a recording.
    """
    if payload[4:8] != b"moof" or payload[_TFDT_AT - 8 : _TFDT_AT - 4] != b"tfdt":
        raise EvidenceError("a fragment is not laid out as recordings are")
    return payload[:_TFDT_AT] + _TFDT.pack(place_90k) + payload[_TFDT_AT + _TFDT.size :]


def tail(fragments: Sequence[tuple[int, int]]) -> bytes:
    """The `mfra` box (8.8.9) of fragments at these places (decoding time, byte offset)."""
    rows = b"".join(struct.pack(">QQBBB", place, offset, 1, 1, 1) for place, offset in fragments)
    table = full_box(b"tfra", 1, struct.pack(">III", TRACK, 0, len(fragments)), rows)
    size = _HEAD.size + len(table) + 16
    return box(b"mfra", table, full_box(b"mfro", 0, struct.pack(">I", size)))


class Signed(NamedTuple):
    """What a file's own signature is over, and with what.

    Attributes:
        digest: SHA-256 of the file with zeros for the signature.
        signature: RSASSA-PSS, SHA-256, a salt of 20 bytes.
        certificate: DER.
        operator: who exported it, as it says.
        unit: the system that did.
    """

    digest: bytes
    signature: bytes
    certificate: bytes
    operator: str
    unit: str


class _Seal(NamedTuple):
    """Where a file's head has its signature and its certificate, and who exported it by what it says."""

    signature: tuple[int, int]
    certificate: tuple[int, int]
    unit: str
    operator: str


def _seal_in(start: bytes) -> _Seal:
    found = next(((at, size) for kind, at, size in _outer(start) if kind == b"meta"), None)
    inner = {kind: (at, at + size) for kind, at, size in boxes(start, found[0] + 12, sum(found))} if found else {}
    if b"suep" not in inner or b"ipro" not in inner:
        raise EvidenceError("this MP4 has no signature of the ONVIF Export File Format")
    at, end = inner[b"ipro"]
    scheme = _only(start, at + 14, end, b"sinf")
    information = _only(start, *scheme, b"schi")
    at, end = inner[b"suep"]
    unit, operator = _labels(start[at + 12 : end])
    return _Seal(_only(start, *information, b"sibo"), _only(start, *information, b"cert"), unit, operator)


def signature_in(start: bytes) -> tuple[int, int]:
    """Where a file's first bytes have its signature: its beginning and its end.

    Raises:
        EvidenceError: they have none.
    """
    return _seal_in(start).signature


def read_signed(file: BinaryIO, size_bytes: int) -> Signed:
    """Reads the ONVIF signature of the file of that size.

    Raises:
        EvidenceError: it is no such file, or says what cannot be.
        OSError: it cannot be read.
    """
    file.seek(0)
    start = file.read(min(size_bytes, _MOST_HEAD_BYTES))
    seal = _seal_in(start)
    at, end = seal.signature
    digest = sha256(start[:at] + bytes(end - at) + start[end:])
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    certificate = start[slice(*seal.certificate)]
    return Signed(digest.digest(), start[at:end], certificate, seal.operator, seal.unit)


def _outer(start: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The boxes that are whole in a file's first bytes."""
    at = 0
    while at + _HEAD.size <= len(start):
        size, kind = _HEAD.unpack_from(start, at)
        if size < _HEAD.size or at + size > len(start):
            return
        yield kind, at, size
        at += size


def _only(data: bytes, at: int, end: int, kind: bytes) -> tuple[int, int]:
    """Where the contents of the one box of that type begin and end."""
    found = [(where + 8, where + size) for name, where, size in boxes(data, at, end) if name == kind]
    if len(found) != 1:
        raise EvidenceError(f"the file has {len(found)} boxes {kind.decode()} where one must be")
    return found[0]


def _labels(data: bytes) -> tuple[str, str]:
    """Unit and operator of a `suep` box's contents."""
    texts, at = [], 0
    for _ in range(3):
        end = data.find(b"\0", at)
        if end < 0:
            raise EvidenceError("the file's suep box is cut off")
        texts.append(data[at:end])
        at = end + 1
    end = data.find(b"\0", at + 8)
    if end < 0:
        raise EvidenceError("the file's suep box is cut off")
    return texts[0].decode("utf-8", "replace"), data[at + 8 : end].decode("utf-8", "replace")
