"""What an export says of itself: `manifest.json`, and what the ledger says of it: `ledger.json`.

Both are canonical JSON (RFC 8785), so that each has one way to be written. The manifest holds, for each recorded
segment that footage was taken from, its header, its index and its key: whoever has those seals the footage again, as
the recorder did, and arrives at the digest that the ledger committed to when it was recorded.
"""

import base64
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from civicam.core.errors import EvidenceError, LedgerError
from civicam.evidence.mp4 import Labels
from civicam.ledger.encoding import canonical, moment
from civicam.ledger.entry import Value

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
CERTIFICATE: Final = "certificate.der"
LEDGER: Final = "ledger.json"
STATEMENT: Final = "statement.txt"
PRINTED: Final = "statement.pdf"
FOOTAGE: Final = "footage/"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2262, 1, 1, tzinfo=UTC)
"""Later ones are beyond nanoseconds in 63 bits."""
MOST_PIECE_BYTES: Final = 64 << 20
MOST_BYTES: Final = 64 << 20
_NANOSECONDS: Final = "^(?:0|[1-9][0-9]{0,18})$"
_MOST_ABSENT: Final = 10_000
_MOST_SHOWN: Final = 1000


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ProofModel(_Model):
    """That a segment is in a commitment of the ledger (RFC 9162, 2.1.3)."""

    entry: int = Field(ge=0, description="The ledger's entry that commits to it.")
    index: int = Field(ge=0, description="Its leaf's place in that commitment.")
    size: int = Field(gt=0, description="How many leaves that has.")
    hashes: list[str] = Field(description="The inclusion proof, base64.")


class CommittedModel(_Model):
    """A recorded file, as the ledger committed to it."""

    header: str = Field(description="Its header, base64.")
    index: str = Field(description="Its index, base64: the SHA-256 of each sealed fragment.")
    size: int = Field(gt=0, description="Its length, bytes.")
    end_ns: str = Field(pattern=_NANOSECONDS, description="When it ends, ns since 1970.")
    proof: ProofModel


class SegmentModel(CommittedModel):
    """A recorded file that footage was taken from."""

    key: str = Field(description="The key that seals it alone, base64.")


class FilmModel(_Model):
    """A film, whatever is in it."""

    name: str
    camera: str
    stream: str
    size: int = Field(gt=0)
    crc32: int = Field(ge=0, lt=1 << 32)
    signature: str = Field(description="Its own signature (ONVIF Export File Format), base64.")


class FileModel(FilmModel):
    """A film as it was recorded."""

    opening: str = Field(description="SHA-256 of all before its first fragment, base64: its credentials are in there.")
    fragments: list[tuple[int, str]] = Field(
        min_length=1, description="For each: its segment's place in `segments`, and its sealed fields, base64."
    )


class RedactedModel(FilmModel):
    """A film that was coded anew, with what moves covered."""

    start_ns: str = Field(pattern=_NANOSECONDS, description="When its first picture was seen, ns since 1970.")
    end_ns: str = Field(pattern=_NANOSECONDS, description="When it ends.")
    pieces: list[tuple[int, str]] = Field(
        min_length=1, description="What it is made of, in order, but for its seal: bytes, and their SHA-256, base64."
    )


class AreaModel(_Model):
    """Where and when a redacted film shows what it would cover: a rectangle, in thousandths of the picture."""

    camera: str
    start_ns: str = Field(pattern=_NANOSECONDS)
    end_ns: str = Field(pattern=_NANOSECONDS)
    left: int = Field(ge=0, le=1000)
    top: int = Field(ge=0, le=1000)
    right: int = Field(ge=0, le=1000)
    bottom: int = Field(ge=0, le=1000)


class AbsentModel(_Model):
    """A stretch that was recorded, by the catalogue, and could not be exported."""

    camera: str
    stream: str
    start_ns: str = Field(pattern=_NANOSECONDS)
    end_ns: str = Field(pattern=_NANOSECONDS)
    why: str


class CameraModel(_Model):
    """A camera of which there is footage, as the city's register has it."""

    id: str = Field(pattern="^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")
    title: str
    purpose: str
    owner: str
    legal_basis: str


class DocumentModel(_Model):
    """Another file in the package."""

    name: str
    sha256: str


class _Said(_Model):
    """What every export says of itself."""

    v: Literal[1] = 1
    number: str
    city: str
    ledger: str = Field(description="The key with which the city signs its ledger (C2SP signed-note).")
    exported: str
    operator: str
    recipient: str
    case: str
    asked_from: str
    asked_to: str
    cameras: list[CameraModel] = Field(min_length=1)
    absent: list[AbsentModel] = Field(max_length=_MOST_ABSENT)
    documents: list[DocumentModel]


class Manifest(_Said):
    """What an export of footage as it was recorded says of itself: with the keys of the segments that it is of."""

    kind: Literal["original"]
    segments: list[SegmentModel] = Field(min_length=1)
    files: list[FileModel] = Field(min_length=1)


class RedactedManifest(_Said):
    """What a redacted export says of itself: which segments it was made of, without their keys."""

    kind: Literal["redacted"]
    segments: list[CommittedModel] = Field(min_length=1)
    files: list[RedactedModel] = Field(min_length=1)
    shown: list[AreaModel] = Field(max_length=_MOST_SHOWN)


AnyManifest: TypeAlias = Manifest | RedactedManifest


class EntryModel(_Model):
    """An entry of the ledger, and that it is in the tree."""

    index: int = Field(ge=0)
    data: str = Field(description="The entry, base64.")
    proof: list[str] = Field(description="The inclusion proof, base64.")


class LedgerProof(_Model):
    """What the ledger says."""

    v: Literal[1] = 1
    checkpoint: str = Field(description="A signed note (C2SP tlog-checkpoint), with the witnesses' signatures.")
    export: int = Field(ge=0, description="The entry that says that this was exported.")
    entries: list[EntryModel]


_T = TypeVar("_T", bound=AnyManifest | LedgerProof)
_KINDS: Final[TypeAdapter[AnyManifest]] = TypeAdapter(Annotated[AnyManifest, Field(discriminator="kind")])
_PROOFS: Final = TypeAdapter(LedgerProof)


def to_bytes(model: AnyManifest | LedgerProof) -> bytes:
    """The one way to write it."""
    return canonical(_plain(model.model_dump()))


def parse_moment(text: str) -> int:
    """A moment that `civicam.ledger.encoding.moment` wrote, in ns since 1970.

    Raises:
        EvidenceError: it is none.
    """
    try:
        found = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        raise EvidenceError("the package says a moment that is none") from None
    if not _EPOCH <= found < _LAST:
        raise EvidenceError("the package says a moment that no export is of")
    wall_ns = ((found - _EPOCH) // timedelta(milliseconds=1)) * 1_000_000
    if moment(wall_ns) != text:
        raise EvidenceError("the package says a moment in another way than exports do")
    return wall_ns


def reading_order(name: str) -> tuple[bool, str]:
    """What people read comes first in a package."""
    return name != STATEMENT, name


def unit_of(city: str) -> str:
    """What exported a film, as it says itself."""
    return f"civicam, {city}"


def uncovered_permille(manifest: RedactedManifest) -> int:
    """How much of its pictures and its time a redacted export's areas uncover, rounded up.

    What two areas share counts twice.

    Raises:
        EvidenceError: what was asked for is no stretch.
    """
    window_ns = parse_moment(manifest.asked_to) - parse_moment(manifest.asked_from)
    if window_ns <= 0:
        raise EvidenceError("the stretch that was asked for is none")
    parts = [
        (int(one.end_ns) - int(one.start_ns)) * (one.right - one.left) * (one.bottom - one.top)
        for one in manifest.shown
    ]
    return permille(sum(parts), len(manifest.cameras) * window_ns)


def permille(shown: int, whole_ns: int) -> int:
    """What share of pictures and time is shown: in millionths of a picture times nanoseconds, of nanoseconds."""
    return min(1000, -(-shown // (1000 * whole_ns)))


def export_facts(manifest: AnyManifest, digest: bytes, certificate: str) -> dict[str, Value]:
    """What the ledger's entry says of an export.

    Args:
        manifest: what it says of itself.
        digest: SHA-256 of that.
        certificate: SHA-256 of the one that it is signed with.
    """
    cameras: list[Value] = [*sorted(one.id for one in manifest.cameras)]
    facts: dict[str, Value] = {
        "what": "made",
        "export": manifest.number,
        "media": manifest.kind,
        "manifest": digest.hex(),
        "certificate": certificate,
        "cameras": cameras,
        "from": manifest.asked_from,
        "to": manifest.asked_to,
    }
    if isinstance(manifest, RedactedManifest):
        facts |= {"shown": len(manifest.shown), "uncovered-permille": uncovered_permille(manifest)}
    return facts


def labels_of(manifest: AnyManifest, film: FilmModel, start_ns: int) -> Labels:
    """What a film of an export says of itself, whose first picture was seen at `start_ns`."""
    return Labels(
        unit=unit_of(manifest.city),
        operator=manifest.operator,
        at_ns=parse_moment(manifest.exported),
        source=film.camera,
        line=film.stream,
        start_ns=start_ns,
    )


def read_manifest(data: bytes) -> AnyManifest:
    """A manifest; raises EvidenceError: it is none, or written in another way."""
    return _read(_KINDS, data, MANIFEST)


def read_ledger(data: bytes) -> LedgerProof:
    """What the ledger says; raises EvidenceError: it is none, or written in another way."""
    return _read(_PROOFS, data, LEDGER)


def as_base64(data: bytes) -> str:
    """Bytes as manifests hold them."""
    return base64.b64encode(data).decode()


def _read(kind: TypeAdapter[_T], data: bytes, name: str) -> _T:
    try:
        found = kind.validate_json(data)
        if to_bytes(found) != data:
            raise EvidenceError(f"{name} is not written as exports write it")
    except (ValidationError, LedgerError, ValueError) as error:
        raise EvidenceError(f"{name} is not what an export has") from error
    return found


def _plain(value: Any) -> Any:
    """Without tuples, which JSON has not."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
