"""`civicam verify`: what holds of an export, for anybody who has the file."""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from civicam.cli.console import JsonOption, printable, progress_bar, say, say_json

if TYPE_CHECKING:
    from civicam.evidence.verdict import Verdict


_TOLD: Final = (
    "kind", "number", "city", "ledger", "exported", "operator", "recipient", "case", "asked_from", "asked_to",
)  # fmt: skip


def verify(
    file: Annotated[Path, typer.Argument(help="An export, or an MP4 out of one.", exists=True, dir_okay=False)],
    key: Annotated[
        str, typer.Option(help="The key that the city publishes for its ledger: an export under another is refused.")
    ] = "",
    witness: Annotated[
        list[str] | None, typer.Option(help="The key of a witness that must have signed the ledger, too; repeatable.")
    ] = None,
    original: Annotated[
        Path | None,
        typer.Option(
            help="The original export of the same stretch: a redacted one is held against it.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what holds of an export: who recorded it, when, that nothing was cut, added or put in another order.

    It needs nothing but the file: no city, no network. The page verify.html in the package does the same in a browser.

    Exit status: 0 it holds, 1 something does not, 2 it could not be looked at.

    Example: civicam verify export.zip --key "ledger.khujand.tj+c1d2…"

    Example: civicam verify redacted.zip --original export.zip
    """
    from civicam.core.errors import EvidenceError
    from civicam.evidence import verify as verifier
    from civicam.ledger.note import VerifierKey

    witnesses = [VerifierKey.parse(one) for one in witness or ()]
    files = [file, *([original] if original else [])]
    total = sum(one.stat().st_size for one in files)
    done = 0
    try:
        with progress_bar("verifying", quiet=as_json, unit="bytes") as tell:

            def progress(more: int) -> None:
                nonlocal done
                done += more
                tell(done, total)

            found, *others = [verifier.verify(one, witnesses, progress) for one in files]
        if (key or witnesses) and found.manifest is None:
            raise EvidenceError("an MP4 alone is bound to no ledger: verify the whole package")
        for one in (found, *others):
            if key and one.manifest is not None and one.manifest.ledger != key.strip():
                raise EvidenceError(f"the ledger is not that of the key you gave, but of {one.manifest.ledger}")
        for one in others:
            verifier.check_made_of(found, one)
    except EvidenceError as error:
        if as_json:
            say_json({"holds": False, "why": error.what})
        else:
            say(printable(f"IT DOES NOT HOLD: {error.what}."))
        raise typer.Exit(1) from None
    if as_json:
        say_json({"holds": True, **_told(found)})
    else:
        _show(found)


def _told(found: "Verdict") -> dict[str, object]:
    told = asdict(found)
    told["footage"] = {leaf.hex(): spans for leaf, spans in found.footage.items()}
    manifest = found.manifest
    if manifest is not None:
        told["manifest"] = {name: getattr(manifest, name) for name in _TOLD}
    return told


def _show(found: "Verdict") -> None:
    from civicam.ledger.encoding import moment

    say("IT HOLDS." if found.manifest else "IT WAS NOT CHANGED SINCE IT WAS SIGNED, by whoever that was.")
    for words in found.holds:
        say(printable(f"  + {words}"))
    holes = [(camera, *hole) for camera, holes in found.holes.items() for hole in holes]
    if holes:
        say("Within what was asked for there is no footage:")
    for camera, (start_ns, end_ns), why in holes:
        say(printable(f"  . {camera}, {moment(start_ns)} to {moment(end_ns)}: {why}"))
    say("It is not proven:")
    for words in found.unproven:
        say(printable(f"  ? {words}"))
