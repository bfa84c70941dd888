"""What the ledger says of footage: a commitment to all that was closed, what was deleted, and with which settings.

A commitment is a Merkle root (RFC 6962) over segments in the order of camera, stream and start. A leaf is the canonical
JSON of stream, start, end, size and digest: whoever has a segment and its proof can show when it was there, unaltered.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Final

from civicam.catalogue.models import Segment
from civicam.ledger.encoding import canonical, moment
from civicam.ledger.entry import Draft, Kind
from civicam.ledger.merkle import Hash, leaf_hash, root_of

MOST_SEGMENTS: Final = 10_000
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


def footage_root(segments: Sequence[Segment]) -> Hash:
    """The root over closed segments."""
    ordered = sorted(segments, key=lambda one: (one.key, one.start_wall_ns))
    return root_of([leaf_hash(footage_leaf(one)) for one in ordered])


def footage_draft(segments: Sequence[Segment]) -> Draft:
    """The entry that commits to closed segments; there is at least one."""
    return Draft(
        Kind.FOOTAGE,
        {
            "segments": len(segments),
            "root": base64.b64encode(footage_root(segments)).decode(),
            "from": moment(min(one.start_wall_ns for one in segments)),
            "to": moment(max(one.end_wall_ns for one in segments)),
        },
    )


def deletion_draft(deleted: Sequence[Segment]) -> Draft:
    """The entry that says what retention deleted; there is at least one."""
    cameras = {one.key.camera for one in deleted}
    return Draft(
        Kind.DELETION,
        {
            "segments": len(deleted),
            "cameras": len(cameras),
            "bytes": sum(one.size_bytes for one in deleted),
            "from": moment(min(one.start_wall_ns for one in deleted)),
            "to": moment(max(one.end_wall_ns for one in deleted)),
            "rule": "retention",
        },
    )


def setting_draft(settings: bytes) -> Draft:
    """The entry that says with which settings the city runs from now on, by their SHA-256."""
    return Draft(Kind.SETTING, {"sha256": hashlib.sha256(settings).hexdigest()})
