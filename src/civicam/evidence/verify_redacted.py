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
from civicam.evidence.manifest import AreaModel, RedactedManifest, RedactedModel, labels_of, parse_moment
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
    if not {one.header.name.camera for one in recorded} <= cameras:
        raise EvidenceError("a segment is of a camera that is not listed")
    for area in manifest.shown:
        _check_area(area, cameras)
    for camera in sorted(cameras):
        films = [one for one in manifest.files if one.camera == camera]
        spans = [_span_of(one, recorded) for one in films]
        if any(before[1] > after[0] for before, after in pairwise(spans)):
            raise EvidenceError(f"the films of {camera} are not in order")
        for one in films:
            _check_film(members, manifest, certificate, one)
        verdict.holes[camera] = _holes(camera, spans, recorded, manifest)


def _check_area(area: AreaModel, cameras: set[str]) -> None:
    is_one = area.left < area.right and area.top < area.bottom and int(area.start_ns) < int(area.end_ns)
    if area.camera not in cameras or not is_one:
        raise EvidenceError("a place that is shown is none, or of a camera that is not listed")


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
        if not 0 < size <= left:
            raise EvidenceError(f"a piece of {one.name} is longer than the film")
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
    """What of the asked stretch no film shows, or of which nothing was recorded, each with why."""
    asked = parse_moment(manifest.asked_from), parse_moment(manifest.asked_to)
    footage = [one.span for one in recorded if one.header.name.camera == camera]
    missing = union([*subtract([asked], spans), *subtract([asked], union(footage))])
    absent = [((int(one.start_ns), int(one.end_ns)), one.why) for one in manifest.absent if one.camera == camera]
    told = [(part, f"by the city: {why}") for span, why in absent for part in intersect(missing, span)]
    rest = subtract(missing, union([span for span, _ in absent]))
    return sorted([*told, *((part, "nothing of it is in the package") for part in rest)])
