"""The MP4 file of an export (ISO/IEC 14496-12), after the ONVIF Export File Format, version 26.06.

`ftyp` and `moov`, then a `moof` and `mdat` for each fragment as it was recorded, then `mfra`, and last `meta`, which
says who exported what (`suep`), when the first frame was seen (`cstb`), and holds signature and certificate (`ipro`):
an RSASSA-PSS one over the whole file, its own bytes taken as zero. `meta` is last because ONVIF's own signer appends to
it, and ONVIF's own player verifies rightly only where little or nothing stands behind it. Of a recorded fragment only
its decoding time is changed: it is counted from the file's first frame, so that a gap is as long in the file as it was.
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
_MOST_SEAL_BYTES: Final = 1 << 20
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


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of that type."""
    body = b"".join(parts)
    return _HEAD.pack(_HEAD.size + len(body), kind) + body


def full_box(kind: bytes, version: int, *parts: bytes) -> bytes:
    """A box with a version and no flags."""
    return box(kind, bytes((version, 0, 0, 0)), *parts)


def opening(init: bytes) -> bytes:
    """The file's beginning, from the recording's `ftyp` and `moov`."""
    return box(b"ftyp", b"isom", bytes(4), b"isom", b"iso6", b"mp41") + _moov_of(init)


def seal(labels: Labels, certificate: bytes, signature: bytes) -> bytes:
    """The file's end: the `meta` box.

    Args:
        labels: what the file says of itself.
        certificate: of who signs it, DER.
        signature: over the whole file with zeros for it; so many zeros, to find out what is to be signed.
    """
    scheme = full_box(b"schm", 0, b"oeff", struct.pack(">I", _SCHEME_VERSION))
    information = box(b"schi", box(b"sibo", signature), box(b"cert", certificate))
    protection = full_box(b"ipro", 0, struct.pack(">H", 1), box(b"sinf", scheme, information))
    handler = full_box(b"hdlr", 0, bytes(4), b"null", bytes(12), b"\0")
    return full_box(b"meta", 0, handler, _export_box(labels), _start_box(labels.start_ns), protection)


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


def place_in(fragment: bytes) -> int:
    """The decoding time that a fragment says; see `placed`."""
    return int(_TFDT.unpack_from(fragment, _TFDT_AT)[0])


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


def read_signed(file: BinaryIO, size_bytes: int) -> Signed:
    """Reads the ONVIF signature of the file of that size.

    Raises:
        EvidenceError: it is no such file, or says what cannot be.
        OSError: it cannot be read.
    """
    at, meta, inner = _seal_in(file, size_bytes)
    signature, certificate = _held(meta, inner, b"sibo"), _held(meta, inner, b"cert")
    unit, operator = _labels(meta[inner[b"suep"][0] + 12 : inner[b"suep"][1]])
    digest, left = sha256(), at
    file.seek(0)
    while left:
        chunk = file.read(min(left, _CHUNK))
        if not chunk:
            raise EvidenceError("the file became shorter while it was read")
        digest.update(chunk)
        left -= len(chunk)
    digest.update(meta[: signature[0]] + bytes(signature[1] - signature[0]) + meta[signature[1] :])
    return Signed(digest.digest(), meta[slice(*signature)], meta[slice(*certificate)], operator, unit)


def signature_in(file: BinaryIO, size_bytes: int) -> tuple[int, int]:
    """Where the ONVIF signature of the file of that size begins and ends, whatever stands there.

    Raises:
        EvidenceError: it is no such file.
        OSError: it cannot be read.
    """
    at, meta, inner = _seal_in(file, size_bytes)
    start, end = _held(meta, inner, b"sibo")
    return at + start, at + end


def _seal_in(file: BinaryIO, size_bytes: int) -> tuple[int, bytes, dict[bytes, tuple[int, int]]]:
    """Where the file's `meta` begins, its bytes, and where in them each box is."""
    at = _last_box(file, size_bytes)
    file.seek(at)
    meta = file.read(size_bytes - at) if size_bytes - at <= _MOST_SEAL_BYTES else b""
    inner = {kind: (where, where + size) for kind, where, size in boxes(meta, 12)} if meta[4:8] == b"meta" else {}
    if b"suep" not in inner or b"ipro" not in inner:
        raise EvidenceError("this MP4 has no signature of the ONVIF Export File Format")
    return at, meta, inner


def _held(meta: bytes, inner: dict[bytes, tuple[int, int]], kind: bytes) -> tuple[int, int]:
    """Where in `meta` the contents of a box of the `schi` are: `sibo` is the signature, `cert` the certificate."""
    where, end = inner[b"ipro"]
    if sum(name == b"sinf" for name, _, _ in boxes(meta, where + 14, end)) > 1:
        raise EvidenceError(
            "somebody signed this film again, and the first signature is not looked at beneath theirs",
            fix="verify the film as it lies in the package",
        )
    return _only(meta, *_only(meta, *_only(meta, where + 14, end, b"sinf"), b"schi"), kind)


def _last_box(file: BinaryIO, size_bytes: int) -> int:
    """Where the file's last box begins."""
    at = last = 0
    while at < size_bytes:
        file.seek(at)
        start = file.read(_HEAD.size)
        size = _HEAD.unpack(start)[0] if len(start) == _HEAD.size else 0
        if not _HEAD.size <= size <= size_bytes - at:
            raise EvidenceError(f"the box at byte {at} of this MP4 is cut off, or has a size that exports do not use")
        last, at = at, at + size
    return last


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
