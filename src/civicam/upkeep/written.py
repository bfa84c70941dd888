"""What the ledger says of footage: a commitment to all that was closed, what was deleted, and with which settings.

A commitment is a Merkle root (RFC 6962) over segments in the order of camera, stream and start. A leaf is the canonical
JSON of stream, start, end, size and digest: whoever has a segment and its proof can show when it was there, unaltered.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from civicam.catalogue.coverage import Completeness
from civicam.catalogue.models import Camera, Deletion, Segment
from civicam.core.ids import GapCause, StreamKey
from civicam.core.spans import Span
from civicam.ledger.encoding import canonical, moment
from civicam.ledger.entry import Draft, Kind, Part, PersonId, Value
from civicam.ledger.merkle import Hash, leaf_hash, root_of

MOST_SEGMENTS: Final = 10_000
S_NS: Final = 1_000_000_000
"""In one commitment; more are committed to by the next one, at once."""


def footage_leaf(segment: Segment) -> bytes:
    """What a commitment says of a closed segment."""
    assert segment.digest is not None
    return canonical(
        {
            "stream": str(segment.key),
            "start_ns": str(segment.start_wall_ns),  # beyond what JSON's numbers say exactly
            "end_ns": str(segment.end_wall_ns),
            "size": segment.size_bytes,
            "digest": segment.digest.hex(),
        }
    )


def footage_leaves(segments: Sequence[Segment]) -> list[Hash]:
    """The leaves of a commitment to closed segments, in order."""
    ordered = sorted(segments, key=lambda one: (one.key, one.start_wall_ns))
    return [leaf_hash(footage_leaf(one)) for one in ordered]


def footage_draft(segments: Sequence[Segment]) -> Draft:
    """The entry that commits to closed segments; there is at least one."""
    return Draft(
        Kind.FOOTAGE,
        {
            "segments": len(segments),
            "root": base64.b64encode(root_of(footage_leaves(segments))).decode(),
            "from": moment(min(one.start_wall_ns for one in segments)),
            "to": moment(max(one.end_wall_ns for one in segments)),
        },
    )


def camera_draft(camera: Camera, what: str, by: PersonId | None = None) -> Draft:
    """The entry that says that a camera was added, described, placed or removed, and what the public is told of it.

    Args:
        camera: as it then is.
        what: happened.
        by: who did it; None at the machine itself.
    """
    facts: dict[str, Value] = {"what": what, "camera": camera.id, "purpose": camera.purpose}
    entry = camera.register
    if entry is not None:
        facts |= {
            "owner": entry.owner,
            "legal-basis": entry.legal_basis,
            "keep-days": f"{entry.keep_days:g}",
            "description": entry.description,
        }
    if by is None:
        return Draft(Kind.CAMERA, facts | {"at-machine": "yes"})
    return Draft(Kind.CAMERA, facts, {"by": Part(by)})


def deletion_root(rows: Sequence[Deletion]) -> str:
    """The root over what was deleted, base64: of the leaves with which the ledger committed to it before."""
    return base64.b64encode(root_of(footage_leaves([row.segment for row in rows]))).decode()


def deletion_draft(rows: Sequence[Deletion], rule: str) -> Draft:
    """The receipt of deletions by one rule; there is at least one."""
    segments = [row.segment for row in rows]
    return Draft(
        Kind.DELETION,
        {
            "segments": len(segments),
            "cameras": len({one.key.camera for one in segments}),
            "bytes": sum(one.size_bytes for one in segments),
            "from": moment(min(one.start_wall_ns for one in segments)),
            "to": moment(max(one.end_wall_ns for one in segments)),
            "rule": rule,
            "root": deletion_root(rows),
        },
    )


def hold_draft(hold: int, what: str, window: Span | None = None) -> Draft:
    """The entry that says that a hold was placed or released. Of whose footage and why, the catalogue says."""
    facts: dict[str, Value] = {"what": what, "hold": hold}
    if window is not None:
        facts |= {"from": moment(window[0]), "to": moment(window[1])}
    return Draft(Kind.HOLD, facts)


def day_draft(day_ns: int, streams: Mapping[StreamKey, Completeness]) -> Draft:
    """The entry that says how completely a day was recorded, in seconds over all streams, by what was missing why."""
    missing = {cause: sum(one.gap_ns[cause] for one in streams.values()) for cause in GapCause}
    facts: dict[str, Value] = {
        "day": moment(day_ns)[:10],
        "cameras": len({key.camera for key in streams}),
        "due-s": sum(one.due_ns for one in streams.values()) // S_NS,
        "recorded-s": sum(one.playable_ns for one in streams.values()) // S_NS,
        "unexplained-s": sum(one.unexplained_ns for one in streams.values()) // S_NS,
    }
    return Draft(
        Kind.DAY, facts | {f"{cause.label.replace(' ', '-')}-s": ns // S_NS for cause, ns in missing.items() if ns}
    )


def setting_draft(settings: bytes) -> Draft:
    """The entry that says with which settings the city runs from now on, by their SHA-256."""
    return Draft(Kind.SETTING, {"sha256": hashlib.sha256(settings).hexdigest()})
