"""Finds out what holds of redacted films: that they are what the city made, of what the ledger had committed to.

They were coded anew, so nothing of them can be computed from what was recorded. What binds them is that the manifest
names the recorded segments: whoever has the original export of these can hold both side by side.
"""

from hashlib import sha256
from itertools import pairwise

from civicam.core.errors import EvidenceError
from civicam.core.spans import Span, intersect, subtract, union
from civicam.evidence import mp4
from civicam.evidence.certificate import check_signature
from civicam.evidence.manifest import (
    MOST_PIECE_BYTES,
    AreaModel,
    RedactedManifest,
    RedactedModel,
    labels_of,
    parse_moment,
)
from civicam.evidence.members import Members, decoded, decoded_hash
from civicam.evidence.proven import Proven, Recorded
from civicam.evidence.verdict import Verdict


def check_redacted(
    members: Members, manifest: RedactedManifest, certificate: bytes, proven: Proven, verdict: Verdict
) -> None:
    """Finds out what there is of each camera, and what is missing.

    Raises:
        EvidenceError: something does not hold.
        OSError: the package cannot be read.
    """
    recorded = proven.segments(manifest.segments)
    cameras = {one.id for one in manifest.cameras}
    streams = {one.camera: one.stream for one in manifest.files}
    for name in (one.header.name for one in recorded):
        if name.camera not in cameras or streams.get(name.camera, name.stream) != name.stream:
            raise EvidenceError("a segment is of a camera that is not listed, or of another picture of it")
    asked = parse_moment(manifest.asked_from), parse_moment(manifest.asked_to)
    for area in manifest.shown:
        _check_area(area, cameras, asked)
    for camera in sorted(cameras):
        films = [one for one in manifest.files if one.camera == camera]
        spans = [_span_of(one, recorded) for one in films]
        if any(before[1] > after[0] for before, after in pairwise(spans)):
            raise EvidenceError(f"the films of {camera} are not in order")
        for one in films:
            _check_film(members, manifest, certificate, one)
        own = [one for one in recorded if one.header.name.camera == camera]
        for segment in own:
            verdict.footage[segment.leaf] = [part for span in spans for part in intersect([span], segment.span)]
        verdict.holes[camera] = _holes(camera, spans, own, manifest)


def _check_area(area: AreaModel, cameras: set[str], asked: Span) -> None:
    is_within = asked[0] <= int(area.start_ns) < int(area.end_ns) <= asked[1]
    if area.camera not in cameras or not (is_within and area.left < area.right and area.top < area.bottom):
        raise EvidenceError("a place that is shown is none, or beyond what was asked for")


def _span_of(one: RedactedModel, recorded: list[Recorded]) -> Span:
    """What a film is of; raises EvidenceError: the ledger committed to no footage of then."""
    span = int(one.start_ns), int(one.end_ns)
    found = _committed(one.camera, one.stream, recorded)
    within = intersect(found, span) if span[0] < span[1] else []
    if not within or within[0][0] != span[0] or within[-1][1] != span[1]:
        raise EvidenceError(f"{one.name} is of a time of which the ledger committed to nothing")
    return span


def _committed(camera: str, stream: str, recorded: list[Recorded]) -> list[Span]:
    names = [(one.header.name, one.span) for one in recorded]
    return union([span for name, span in names if (name.camera, name.stream) == (camera, stream)])


def _check_film(members: Members, manifest: RedactedManifest, certificate: bytes, one: RedactedModel) -> None:
    """Every byte of a film is what the manifest says, and its own signature is over all of it."""
    at, digest = members.film(one), sha256()
    left = one.size
    for size, wanted in one.pieces:
        if not 0 < size <= min(left, MOST_PIECE_BYTES):
            raise EvidenceError(f"a piece of {one.name} is longer than the film, or than pieces are")
        data = members.read(at, size)
        if sha256(data).digest() != decoded_hash(wanted):
            raise EvidenceError(f"a piece of {one.name} is not what was exported")
        digest.update(data)
        at, left = at + size, left - size
    labels, signature = labels_of(manifest, one, int(one.start_ns)), decoded(one.signature)
    ending = mp4.seal(labels, certificate, signature)
    if left != len(ending) or members.read(at, left) != ending:
        raise EvidenceError(f"{one.name} ends with something else than exports do")
    digest.update(mp4.seal(labels, certificate, bytes(len(signature))))
    check_signature(certificate, digest.digest(), signature)


def _holes(
    camera: str, spans: list[Span], recorded: list[Recorded], manifest: RedactedManifest
) -> list[tuple[Span, str]]:
    """What of the asked stretch no film shows, of which nothing was recorded, or which is covered, each with why."""
    asked = parse_moment(manifest.asked_from), parse_moment(manifest.asked_to)
    missing = union([*subtract([asked], spans), *subtract([asked], union(one.span for one in recorded))])
    absent = [((int(one.start_ns), int(one.end_ns)), one.why) for one in manifest.absent if one.camera == camera]
    told = [(part, f"by the city: {why}") for span, why in absent for part in intersect([span], asked)]
    rest = subtract(missing, union([span for span, _ in absent]))
    return sorted([*told, *((part, "nothing of it is in the package") for part in rest)])
