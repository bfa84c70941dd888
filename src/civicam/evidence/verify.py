"""Finds out what holds of an export, from its file alone: no city, no network, no key but those that stand in it.

Each recorded fragment is sealed again with its segment's key, and must come out as what the ledger committed to when it
was recorded (`docs/design/evidence.md`). Whatever the file holds, only EvidenceError and OSError come out of here.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from civicam.core.errors import EvidenceError
from civicam.core.spans import intersect, total_ns, union
from civicam.evidence import mp4
from civicam.evidence.certificate import check_signature
from civicam.evidence.manifest import (
    CERTIFICATE,
    FOOTAGE,
    LEDGER,
    MANIFEST,
    MOST_BYTES,
    PRINTED,
    SIGNATURE,
    STATEMENT,
    AnyManifest,
    Manifest,
    RedactedManifest,
    parse_moment,
    read_ledger,
    read_manifest,
    reading_order,
    uncovered_permille,
)
from civicam.evidence.members import Members
from civicam.evidence.proven import Proven
from civicam.evidence.statement import VERIFIER, verifier_page
from civicam.evidence.verdict import Verdict
from civicam.evidence.verify_original import check_original
from civicam.evidence.verify_redacted import check_redacted
from civicam.ledger.note import VerifierKey

Progress = Callable[[int], None]
_MINUTE_NS: Final = 60_000_000_000
_LONG_HOURS: Final = 72
_LATE_NS: Final = 15 * _MINUTE_NS
"""A segment is closed within minutes, and committed to within one more; what is later is told."""


def verify(path: Path, witnesses: Sequence[VerifierKey] = (), progress: Progress = lambda _: None) -> Verdict:
    """What holds of an export, or of an MP4 out of one.

    Args:
        path: the file.
        witnesses: keys of witnesses that must have signed the ledger's tree.
        progress: is told how many bytes more were looked at.

    Raises:
        EvidenceError: something does not hold: it was altered, or is no export.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size_bytes = path.stat().st_size
        if file.read(8)[4:] == b"ftyp":
            return _verify_alone(file, size_bytes)
        return _verify_package(Members(file, size_bytes, progress), witnesses)


def check_made_of(redacted: Verdict, original: Verdict) -> None:
    """Adds to what holds of a redacted export how much of it an original one shows as it was recorded.

    Raises:
        EvidenceError: one of them is of the other kind, or they show no moment in common.
    """
    if not isinstance(redacted.manifest, RedactedManifest) or not isinstance(original.manifest, Manifest):
        raise EvidenceError("a redacted export is held against an original one", fix="give the original as --original")
    whole = sum(total_ns(spans) for spans in redacted.footage.values())
    both = sum(
        total_ns(part for span in union(original.footage.get(leaf, ())) for part in intersect(spans, span))
        for leaf, spans in redacted.footage.items()
    )
    if not both:
        raise EvidenceError("the redacted export was made of other footage than that original")
    redacted.holds.append(
        f"The original export {original.manifest.number} has the recorded footage of {100 * both // whole} % of its"
        " films' time: look at both side by side."
    )


def _verify_alone(file: BinaryIO, size_bytes: int) -> Verdict:
    signed = mp4.read_signed(file, size_bytes)
    name = check_signature(signed.certificate, signed.digest, signed.signature)
    return Verdict(
        holds=[
            f"Nothing in this file was changed since {signed.operator} exported it with {signed.unit}:"
            f" the signature of {name} is over all of it (certificate {sha256(signed.certificate).hexdigest()})."
        ],
        unproven=[
            "Whose certificate that is: compare its SHA-256 with what the city publishes.",
            "When it was recorded, that nothing was cut, and whether it was redacted: what of that is proven, the whole"
            " package tells, with the ledger's proofs.",
        ],
    )


def _verify_package(members: Members, witnesses: Sequence[VerifierKey]) -> Verdict:
    data, certificate = members.small(MANIFEST, MOST_BYTES), members.small(CERTIFICATE)
    digest = sha256(data).digest()
    check_signature(certificate, digest, members.small(SIGNATURE))
    manifest = read_manifest(data)
    _check_members(members, manifest)
    _check_stretches(manifest)
    verdict = Verdict(manifest)
    proven = Proven(read_ledger(members.small(LEDGER, MOST_BYTES)), manifest, verdict, witnesses)
    proven.check_export(digest, certificate)
    if isinstance(manifest, RedactedManifest):
        check_redacted(members, manifest, certificate, proven, verdict)
        verdict.holds, verdict.unproven = _redacted_holds(manifest, verdict), list(_REDACTED_UNPROVEN)
    else:
        check_original(members, manifest, certificate, proven, verdict)
        verdict.holds, verdict.unproven = _original_holds(manifest, verdict), list(_ORIGINAL_UNPROVEN)
    _say_of_ledger(verdict, manifest, proven)
    if any(one.name == VERIFIER for one in manifest.documents) and members.small(VERIFIER) != verifier_page():
        verdict.unproven.append(f"That the page {VERIFIER} in it checks what it says: it is not this civicam's own.")
    return verdict


def _check_members(members: Members, manifest: AnyManifest) -> None:
    """Nothing is in the package that the manifest does not list, and nothing is missing."""
    documents = [one.name for one in manifest.documents]
    if documents != sorted(set(documents)) or not {STATEMENT} <= set(documents) <= {STATEMENT, PRINTED, VERIFIER}:
        raise EvidenceError("the package has other documents than exports have")
    _check_names(manifest)
    small = sorted([MANIFEST, SIGNATURE, CERTIFICATE, LEDGER, *documents], key=reading_order)
    if members.names != [*small, *(one.name for one in manifest.files)]:
        raise EvidenceError("the package does not hold what it should, in the order in which it should")
    for document in manifest.documents:
        if sha256(members.small(document.name)).hexdigest() != document.sha256:
            raise EvidenceError(f"{document.name} was altered")


def _check_stretches(manifest: AnyManifest) -> None:
    """What was asked for is a stretch, and so is what is absent, of a camera that is listed."""
    if parse_moment(manifest.asked_from) >= parse_moment(manifest.asked_to):
        raise EvidenceError("the stretch that was asked for is none")
    cameras = {one.id for one in manifest.cameras}
    if any(int(one.start_ns) >= int(one.end_ns) or one.camera not in cameras for one in manifest.absent):
        raise EvidenceError("what is absent is no stretch, or of a camera that is not listed")


def _check_names(manifest: AnyManifest) -> None:
    """Cameras and films are called as exports call them, and there is one picture of each camera."""
    cameras = [one.id for one in manifest.cameras]
    if len(set(cameras)) != len(cameras):
        raise EvidenceError("a camera is listed twice")
    counts: dict[str, int] = {}
    for one in manifest.files:
        counts[one.camera] = counts.get(one.camera, 0) + 1
        if one.camera not in cameras or one.name != f"{FOOTAGE}{one.camera}-{one.stream}-{counts[one.camera]}.mp4":
            raise EvidenceError("a film is of a camera that is not listed, or is called in another way than exports do")
    if len({(one.camera, one.stream) for one in manifest.files}) != len(counts):
        raise EvidenceError("there are two pictures of one camera in the package")


def _cameras(manifest: AnyManifest) -> str:
    return ", ".join(f"{one.title} ({one.id})" for one in manifest.cameras)


def _when(late_ns: int) -> str:
    if late_ns <= _LATE_NS:
        return f"within {max(1, -(-late_ns // _MINUTE_NS))} minutes of its end"
    hours = -(-late_ns // (60 * _MINUTE_NS))
    return f"up to {hours} hours after its end" if hours < _LONG_HOURS else f"up to {hours // 24} days after its end"


def _original_holds(manifest: Manifest, verdict: Verdict) -> list[str]:
    count = sum(len(one.fragments) for one in manifest.files)
    apart = " apart from what the city says it could not export" if manifest.absent else ""
    return [
        f"{manifest.city} recorded this with {_cameras(manifest)}.",
        f"All {count} pieces of footage are what was recorded, byte for byte, with the times that they were recorded"
        f" with; nothing was added, cut out or put in another order{apart}. Where there is none, the list of holes says"
        " why.",
        f"The city's ledger committed to each piece {_when(verdict.late_ns)}.",
        *(
            f"{count} messages of ONVIF Media Signing are in the films of {camera} as it sent them. Whether they are"
            " signatures, and hold, was not looked at: ONVIF's own validator tells."
            for camera, count in sorted(verdict.signed.items())
        ),
    ]


def _redacted_holds(manifest: RedactedManifest, verdict: Verdict) -> list[str]:
    return [
        f"{manifest.city} signed this, and says that it made it of what it recorded with {_cameras(manifest)}: coded"
        f" anew, with what moves covered{_but_for(manifest)}.",
        "No byte of its films was changed since.",
        f"It is bound to {len(manifest.segments)} recorded segments, to each of which the city's ledger committed"
        f" {_when(verdict.late_ns)}. Whoever has the original export can hold it against this one (--original).",
    ]


def _but_for(manifest: RedactedManifest) -> str:
    """How much of it shows somebody, as the city says."""
    if not manifest.shown:
        return ""
    count, permille = len(manifest.shown), uncovered_permille(manifest)
    places = "a place" if count == 1 else f"{count} places"
    return f" but for {places} in which it shows who asked: {permille / 10:g} % of its pictures and its time"


_ORIGINAL_UNPROVEN: Final = (
    "Whose key that is: compare it with what the city publishes, and ask a witness whether it saw the same ledger.",
    "That the camera's clock and the city's were right, and that the camera filmed what it seems to.",
    "That the city did not write false footage down when it was recorded.",
    "What the films' Content Credentials say, which other programs read: they were not looked at here.",
    "That nothing was there that the recording itself tells as missing: what came damaged may have been left out.",
)
_REDACTED_UNPROVEN: Final = (
    "That its pictures show what was recorded, that what moves is covered in them, and who is shown where it is not:"
    " they were coded anew. The original export of the same stretch tells.",
    *_ORIGINAL_UNPROVEN[:-1],
)


def _say_of_ledger(verdict: Verdict, manifest: AnyManifest, proven: Proven) -> None:
    """What the ledger and its witnesses add to what holds, and what they do not."""
    verdict.holds += [
        f"The ledger says, {len(proven.entries) - 1} entries that commit to footage beside, that {manifest.operator}"
        f" exported exactly this for {manifest.recipient}: entry {verdict.entry}, {verdict.logged}.",
        f"The ledger's tree of {proven.checkpoint.size} entries is signed by {proven.key}"
        + (f" and by {', '.join(verdict.witnesses)}." if verdict.witnesses else "."),
    ]
    if verdict.late_ns > _LATE_NS:
        words = f"That it was recorded when it says: the ledger was told only {_when(verdict.late_ns)}."
        verdict.unproven.insert(0, words)
    if not verdict.witnesses:
        more = f"; {verdict.unchecked} more signatures stand under it, which were not checked" * bool(verdict.unchecked)
        verdict.unproven.append(
            f"That the city has shown everybody the same ledger: no witness that you named signed this tree{more}."
        )
