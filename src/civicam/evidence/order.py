"""What is ordered for an export, where it is made from, and what was made of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Camera
from civicam.core.errors import EvidenceError
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.core.spans import Span
from civicam.evidence.certificate import Seal
from civicam.evidence.manifest import AnyManifest, CameraModel, permille
from civicam.footage.keys import KeyRing
from civicam.footage.volume import Volume
from civicam.ledger.encoding import moment

if TYPE_CHECKING:  # who verifies need not load what signs
    from civicam.evidence.credentials import Credentials

Progress = Callable[[int], None]
"""Is told of how many bytes more were exported."""

MOST_NS: Final = 100 * 3600 * 1_000_000_000
"""Of all cameras together: so much stays well within what verifiers read."""
STREAMS: Final = "*.stream"
"""What is made of each stream is kept in such files until the package is made."""


class Area(NamedTuple):
    """Where and when a redacted film shows what it would cover, or covers what it would show.

    Attributes:
        camera: in whose picture.
        start_ns: from when on.
        end_ns: until when.
        left: of a rectangle, in thousandths of the picture's width, from its left edge.
        top: in thousandths of its height, from its upper edge.
        right: as `left`.
        bottom: as `top`.
    """

    camera: CameraId
    start_ns: int
    end_ns: int
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported, for whom.

    Attributes:
        number: what it is called, such as `12`.
        city: the city's name.
        ledger: the key with which it signs its ledger.
        operator: who exports it.
        recipient: who will have it.
        case: what for.
        window: the stretch (wall ns).
        cameras: of which cameras.
        stream: which picture of them.
        at_ns: when it was ordered.
        is_redacted: what moves is covered, for people beside whom others appear.
        shown: where a redacted one shows who asked for it.
        covered: where it covers what redaction takes for the scene: somebody who stood still when that was learned.
    """

    number: str
    city: str
    ledger: str
    operator: str
    recipient: str
    case: str
    window: Span
    cameras: tuple[CameraId, ...]
    stream: StreamName
    at_ns: int
    is_redacted: bool = False
    shown: tuple[Area, ...] = ()
    covered: tuple[Area, ...] = ()


def uncovered_permille(order: Order) -> int:
    """How much of its pictures and its time an order shows of who asked, rounded up; see `manifest`."""
    parts = [(one.end_ns - one.start_ns) * (one.right - one.left) * (one.bottom - one.top) for one in order.shown]
    return permille(sum(parts), len(order.cameras) * (order.window[1] - order.window[0]))


class Archive(NamedTuple):
    """Where the footage is.

    Attributes:
        catalogue: what there is.
        volumes: by name.
        keyring: opens it.
    """

    catalogue: Catalogue
    volumes: dict[str, Volume]
    keyring: KeyRing


class Making(NamedTuple):
    """How and where films are made.

    Attributes:
        seal: signs them.
        credentials: sign them for readers that know no civicam.
        folder: where they lie.
        progress: is told how far it is.
    """

    seal: Seal
    credentials: "Credentials"
    folder: Path
    progress: Progress


@dataclass(slots=True)
class Made:
    """What was made of an order.

    Attributes:
        manifest: what it says of itself.
        folder: where its files lie.
        signed: how many messages of ONVIF Media Signing cameras sent, where they did; they are in the films as they
            came.
    """

    manifest: AnyManifest
    folder: Path
    signed: dict[CameraId, int] = field(default_factory=dict)


def bytes_of(order: Order, archive: Archive) -> int:
    """About how many bytes of footage an order is for: those of all segments that it touches."""
    rows = [
        row
        for camera in order.cameras
        for row in archive.catalogue.segments(StreamKey(camera, order.stream), order.window)
    ]
    return sum(row.size_bytes for row in rows)


def check_length(order: Order) -> None:
    """Returns if so much can be exported; raises EvidenceError."""
    if not 0 < order.window[1] - order.window[0] <= MOST_NS // max(1, len(order.cameras)):
        raise EvidenceError("an export is of more than nothing and of 100 hours at most", fix="ask for several")


def said_of(order: Order, catalogue: Catalogue) -> dict[str, Any]:
    """What every manifest says of an order; raises CatalogueError."""
    return {
        "number": order.number,
        "city": order.city,
        "ledger": order.ledger,
        "exported": moment(order.at_ns),
        "operator": order.operator,
        "recipient": order.recipient,
        "case": order.case,
        "asked_from": moment(order.window[0]),
        "asked_to": moment(order.window[1]),
        "cameras": [_camera(catalogue, camera) for camera in sorted(order.cameras)],
        "documents": [],
    }


def _camera(catalogue: Catalogue, camera: CameraId) -> CameraModel:
    found: Camera | None = next((one for one in catalogue.cameras() if one.id == camera), None)
    entry = found.register if found else None
    return CameraModel(
        id=camera,
        title=found.title if found else camera,
        purpose=found.purpose if found else "",
        owner=entry.owner if entry else "",
        legal_basis=entry.legal_basis if entry else "",
    )
