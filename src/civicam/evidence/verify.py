"""Finds out what holds of an export, from its file alone: no city, no network, no key but those that stand in it.

Each recorded fragment is sealed again with its segment's key, and must come out as what the ledger committed to when it
was recorded (`docs/design/evidence.md`). Whatever the file holds, only EvidenceError and OSError come out of here.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from civicam.core.errors import EvidenceError
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
    read_ledger,
    read_manifest,
    reading_order,
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
    """Adds to what holds of a redacted export that it was made of what an original one holds.

    Raises:
        EvidenceError: one of them is of the other kind, or they have no segment in common.
    """
    if not isinstance(redacted.manifest, RedactedManifest) or not isinstance(original.manifest, Manifest):
        raise EvidenceError("a redacted export is held against an original one", fix="give the original as --original")
    common, count = redacted.leaves & original.leaves, len(redacted.leaves)
    if not common:
        raise EvidenceError("the redacted export was made of other footage than that original")
    redacted.holds.append(
        f"{len(common)} of the {count} recorded segments that this was made of are those of the original export"
        f" {original.manifest.number}: look at both side by side."
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
            "When it was recorded, and that nothing was cut: only the whole package tells, with the ledger's proofs.",
        ],
    )


def _verify_package(members: Members, witnesses: Sequence[VerifierKey]) -> Verdict:
    data, certificate = members.small(MANIFEST, MOST_BYTES), members.small(CERTIFICATE)
    digest = sha256(data).digest()
    check_signature(certificate, digest, members.small(SIGNATURE))
    manifest = read_manifest(data)
    _check_members(members, manifest)
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
    return f"up to {late_ns / (1440 * _MINUTE_NS):.1f} days after its end"


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
            f"{camera} signed its own pictures (ONVIF Media Signing): {count} signatures are in its films as it sent"
            " them. Whether they hold was not looked at here: ONVIF's own validator tells."
            for camera, count in sorted(verdict.signed.items())
        ),
    ]


def _redacted_holds(manifest: RedactedManifest, verdict: Verdict) -> list[str]:
    shown = (
        f" In {len(manifest.shown)} places, which the manifest lists, it shows the person who asked for it."
        if manifest.shown else ""
    )  # fmt: skip
    return [
        f"{manifest.city} made this of what it recorded with {_cameras(manifest)}: coded anew, with what moves covered."
        f"{shown}",
        f"It is bound to {len(manifest.segments)} recorded segments, to each of which the city's ledger committed"
        f" {_when(verdict.late_ns)}. Whoever has the original export can hold it against this one (--original).",
        "No byte of its films was changed since.",
    ]


_ORIGINAL_UNPROVEN: Final = (
    "Whose key that is: compare it with what the city publishes, and ask a witness whether it saw the same ledger.",
    "That the camera's clock and the city's were right, and that the camera filmed what it seems to.",
    "That the city did not write false footage down when it was recorded.",
    "That nothing was there that the recording itself tells as missing: what came damaged may have been left out.",
)
_REDACTED_UNPROVEN: Final = (
    "That its pictures show what was recorded: they were coded anew. The original export of the same stretch tells.",
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
