"""What an export says to people: who exported what for whom, what is missing why, and how anybody checks it."""

from hashlib import sha256
from importlib.resources import files
from typing import Final

from civicam.evidence.manifest import Manifest
from civicam.ledger.encoding import moment

_WIDTH: Final = 78
VERIFIER: Final = "verify.html"


def verifier_page() -> bytes:
    """The page that checks exports in a browser, one file of HTML. Blocks."""
    return files("civicam.evidence").joinpath("page", VERIFIER).read_bytes()


def statement(manifest: Manifest, certificate: bytes) -> str:
    """The statement of an export, plain text.

    Args:
        manifest: what the export says of itself.
        certificate: of who signed it, DER.
    """
    original = manifest.kind == "original"
    cameras = [
        line
        for one in manifest.cameras
        for line in (f"  {one.title} ({one.id})", f"    there for: {one.purpose}", f"    answers for it: {one.owner}")
    ]
    files = [
        f"  {one.name}: {one.camera}, picture '{one.stream}', {len(one.fragments)} pieces, {one.size} bytes"
        for one in manifest.files
    ]
    absent = [
        f"  {one.camera}, {moment(int(one.start_ns))} to {moment(int(one.end_ns))}: {one.why}"
        for one in manifest.absent
    ] or ["  nothing"]
    return "\n".join(
        (
            f"EXPORT {manifest.number} OF {manifest.city.upper()}",
            "=" * _WIDTH,
            f"Exported  {manifest.exported} (UTC) by {manifest.operator}",
            f"For       {manifest.recipient}, case {manifest.case}",
            f"Asked     {manifest.asked_from} to {manifest.asked_to} (UTC)",
            f"Footage   {'as it was recorded, nothing re-encoded' if original else 'people covered: see redaction'}",
            "",
            "Cameras",
            *cameras,
            "",
            "Files",
            *files,
            "",
            "Recorded, and could not be exported",
            *absent,
            "",
            "How to check it",
            f"  Open {VERIFIER} in a browser, without a network, and give it this package; or run",
            "  civicam verify PACKAGE. Both say what holds and what does not. If you do not trust who handed you",
            f"  this, take {VERIFIER} from somebody whom you do trust: the city gives it out at /public/{VERIFIER}.",
            "  The footage begins with the piece (a group of pictures) in which the asked stretch begins, and ends",
            "  with the one in which that ends.",
            f"  The ledger's key is {manifest.ledger}",
            f"  The certificate's SHA-256 is {sha256(certificate).hexdigest()}",
            "  Compare both with what the city publishes at /public/checkpoint.",
            "",
        )
    )
