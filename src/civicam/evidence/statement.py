"""What an export says to people: who exported what for whom, what is missing why, and how anybody checks it."""

from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import as_file, files
from typing import Final

from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos

from civicam.evidence.manifest import AnyManifest, RedactedManifest
from civicam.evidence.order import Made
from civicam.ledger.encoding import moment

_WIDTH: Final = 78
_POINTS: Final = 9
_LINE_MM: Final = 4.5
VERIFIER: Final = "verify.html"


def verifier_page() -> bytes:
    """The page that checks exports in a browser, one file of HTML. Blocks."""
    return files("civicam.evidence").joinpath("page", VERIFIER).read_bytes()


def statement_pdf(words: str, title: str, at_ns: int) -> bytes:
    """The same statement as a PDF, for a file that is printed. Blocks.

    Args:
        words: the statement, plain text.
        title: what it is called.
        at_ns: when it was made.
    """
    pdf = FPDF(format="A4")
    pdf.set_creation_date(datetime.fromtimestamp(at_ns // 1_000_000_000, UTC))
    pdf.set_title(title)
    pdf.set_lang("en")
    with as_file(files("civicam.evidence").joinpath("fonts", "DejaVuSans.ttf")) as font:
        pdf.add_font("statement", fname=font)
    pdf.set_font("statement", size=_POINTS)
    pdf.set_auto_page_break(auto=True, margin=15)
    pdf.add_page()
    for line in words.splitlines():
        pdf.multi_cell(0, _LINE_MM, line or " ", new_x=XPos.LMARGIN, new_y=YPos.NEXT, align=Align.L)
    return bytes(pdf.output())


def statement(made: Made, certificate: bytes) -> str:
    """The statement of an export, plain text.

    Args:
        made: the export.
        certificate: of who signed it, DER.
    """
    manifest = made.manifest
    cameras = [
        line
        for one in manifest.cameras
        for line in (f"  {one.title} ({one.id})", f"    there for: {one.purpose}", f"    answers for it: {one.owner}")
    ]
    films = [f"  {one.name}: {one.camera}, picture '{one.stream}', {one.size} bytes" for one in manifest.files]
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
            *_kind(manifest),
            "",
            "Cameras",
            *cameras,
            "",
            "Files",
            *films,
            "",
            *_signed(made),
            "Recorded, and could not be exported",
            *absent,
            "",
            "How to check it",
            f"  Open {VERIFIER} in a browser, without a network, and give it this package; or run",
            "  civicam verify PACKAGE. Both say what holds and what does not. If you do not trust who handed you",
            f"  this, take {VERIFIER} from somebody whom you do trust: the city gives it out at /public/{VERIFIER}.",
            *_bounds(manifest),
            f"  The ledger's key is {manifest.ledger}",
            "  Each film also has Content Credentials (C2PA), which other programs read.",
            f"  The certificate's SHA-256 is {sha256(certificate).hexdigest()}",
            "  Compare both with what the city publishes at /public/checkpoint.",
            "",
        )
    )


def _kind(manifest: AnyManifest) -> list[str]:
    """What the footage is."""
    if not isinstance(manifest, RedactedManifest):
        return ["Footage   as it was recorded, nothing re-encoded"]
    shown = [
        f"  {one.camera}, {moment(int(one.start_ns))} to {moment(int(one.end_ns))}: {one.left / 10:g} to"
        f" {one.right / 10:g} % from the left, {one.top / 10:g} to {one.bottom / 10:g} % from the top"
        for one in manifest.shown
    ] or ["  nowhere"]
    return [
        "Footage   redacted: coded anew, with what moves or newly appeared covered",
        "",
        "Where it is not covered, for whoever asked for footage of themselves",
        *shown,
    ]


def _bounds(manifest: AnyManifest) -> list[str]:
    if isinstance(manifest, RedactedManifest):
        return [
            "  The manifest names the recorded segments that it was made of, to which the ledger committed when they",
            "  were recorded. Who has the original export of these can hold both side by side.",
        ]
    return [
        "  The footage begins with the piece (a group of pictures) in which the asked stretch begins, and ends",
        "  with the one in which that ends.",
    ]


def _signed(made: Made) -> list[str]:
    """Which cameras signed their own pictures; in a redacted film nothing is left of that."""
    if isinstance(made.manifest, RedactedManifest):
        return []
    rows = [
        f"  {camera}: {count}, in its films as it sent them; ONVIF's own validator checks them"
        for camera, count in sorted(made.signed.items())
    ]
    return ["Messages of ONVIF Media Signing, with which cameras sign their own pictures", *(rows or ["  none"]), ""]
