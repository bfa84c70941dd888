"""`civicam verify`: what holds of an export, for anybody who has the file."""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from civicam.cli.console import JsonOption, printable, progress_bar, say, say_json

if TYPE_CHECKING:
    from civicam.evidence.verdict import Verdict


def verify(
    file: Annotated[Path, typer.Argument(help="An export, or an MP4 out of one.", exists=True, dir_okay=False)],
    key: Annotated[
        str, typer.Option(help="The key that the city publishes for its ledger: an export under another is refused.")
    ] = "",
    witness: Annotated[
        list[str] | None, typer.Option(help="The key of a witness that must have signed the ledger, too; repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what holds of an export: who recorded it, when, that nothing was cut, added or put in another order.

    It needs nothing but the file: no city, no network. The page verify.html in the package does the same in a browser.

    Exit status: 0 it holds, 1 something does not, 2 it could not be looked at.

    Example: civicam verify export.zip --key "ledger.khujand.tj+c1d2…"
    """
    from civicam.core.errors import EvidenceError
    from civicam.evidence import verify as verifier
    from civicam.ledger.note import VerifierKey

    witnesses = [VerifierKey.parse(one) for one in witness or ()]
    total = file.stat().st_size
    done = 0
    try:
        with progress_bar("verifying", quiet=as_json, unit="bytes") as tell:

            def progress(more: int) -> None:
                nonlocal done
                done += more
                tell(done, total)

            found = verifier.verify(file, witnesses, progress)
        if (key or witnesses) and found.manifest is None:
            raise EvidenceError("an MP4 alone is bound to no ledger: verify the whole package")
        if key and found.manifest is not None and found.manifest.ledger != key.strip():
            raise EvidenceError(f"the ledger is not that of the key you gave, but of {found.manifest.ledger}")
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
    manifest = found.manifest
    if manifest is not None:
        names = ("number", "city", "ledger", "exported", "operator", "recipient", "case", "asked_from", "asked_to")
        told["manifest"] = {name: getattr(manifest, name) for name in names}
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
