"""`civicam ledger`: what was looked at and done, and whether the record of it is whole."""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from civicam.cli.console import DEFAULT_DATA, DataOption, JsonOption, console, folder, say, say_json
from civicam.core.errors import LedgerError

if TYPE_CHECKING:
    from civicam.ledger.tiles import TileReader

app = typer.Typer(help="Read the ledger, and check that it is whole.", no_args_is_help=True)


@app.command("verify")
def verify_(
    data: DataOption = DEFAULT_DATA,
    earlier: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint kept from before; the log must have grown from it.")
    ] = None,
    quorum: Annotated[int | None, typer.Option(help="So many witnesses must have signed; as a rule all.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Read the whole ledger, and say whether anything in it was changed, left out or taken back.

    Ends with 1 if anything does not hold. tools/verify_ledger.py does the same without civicam, for auditors.

    Example: civicam ledger verify --earlier checkpoint-of-last-month
    """
    from civicam.config import load_settings
    from civicam.ledger.log import LedgerFolder, read_verifier
    from civicam.ledger.note import Note, VerifierKey
    from civicam.ledger.tiles import files_in
    from civicam.ledger.verify import Trust, verify

    where = LedgerFolder(folder(data).ledger)
    witnesses = [VerifierKey.parse(one.key) for one in load_settings(folder(data)).witness]
    notes = [Note.parse(_read(path)) for path in earlier or []]
    needed = len(witnesses) if quorum is None else quorum
    found = verify(files_in(where.public), Trust(read_verifier(where), witnesses, needed, notes))
    size = found.checkpoint.size if found.checkpoint else 0
    if as_json:
        say_json({"size": size, "witnesses": found.witnesses, "problems": found.problems})
    else:
        say(f"{size} entries; witnesses: {', '.join(found.witnesses) or 'none'}")
        for problem in found.problems:
            say(f"WRONG: {problem}")
        say("It does NOT hold." if found.problems else "All of it holds.")
    if found.problems:
        raise typer.Exit(1)


@app.command("list")
def list_(
    data: DataOption = DEFAULT_DATA,
    last: Annotated[int, typer.Option(min=1, max=10_000, help="So many of the newest entries.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the newest entries, as the public sees them."""
    reader = _reader(data)
    entries = [(index, _entry(reader, index)) for index in range(max(0, reader.size - last), reader.size)]
    if as_json:
        say_json([{"index": index, **entry} for index, entry in entries])
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table("entry", "when (UTC)", "what", "says", box=None, header_style="bold")
    for index, entry in entries:
        said = {name: value for name, value in entry.items() if name not in {"v", "kind", "at", "parts"}}
        words = ", ".join(f"{name} {value}" for name, value in said.items())
        table.add_row(str(index), str(entry["at"]), str(entry["kind"]), escape(words))
    console().print(table)


@app.command("explain")
def explain(
    number: Annotated[int, typer.Argument(metavar="N", help="The entry's number.")],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Show an entry with what it says about people, for whoever holds the city's key.

    What was said of somebody who is erased cannot be opened any more, and the entry still stands.
    """
    from civicam.core.citykey import load_city_key
    from civicam.core.errors import KeyMissingError
    from civicam.ledger.log import LedgerFolder, read_parts
    from civicam.ledger.parts import open_part
    from civicam.ledger.people_keys import PeopleKeys

    where, keys_of = LedgerFolder(folder(data).ledger), load_city_key(folder(data).city_key)
    entry, keys = _entry(_reader(data), number), PeopleKeys(where.people, keys_of)
    parts: dict[str, Any] = {}
    for role, sealed in read_parts(where, number).items():
        try:
            part = open_part(role, sealed, entry.get("parts", {}).get(role, ""), keys)
            parts[role] = {"person": part.person, **part.facts}
        except KeyMissingError:
            parts[role] = None
    if as_json:
        say_json({"entry": entry, "parts": parts})
        return
    say(json.dumps(entry, indent=2, ensure_ascii=False))
    for role, facts in parts.items():
        said = ", ".join(f"{name} {value}" for name, value in facts.items()) if facts else "erased"
        say(f"{role}: {said}")


@app.command("key")
def key(data: DataOption = DEFAULT_DATA) -> None:
    """Print the public key that the ledger is known by, and where the files are that may be published."""
    from civicam.ledger.log import LedgerFolder, read_verifier

    where = LedgerFolder(folder(data).ledger)
    say(str(read_verifier(where)))
    say(str(where.public))


def _reader(data: Path) -> "TileReader":
    from civicam.ledger.log import LedgerFolder
    from civicam.ledger.published import read_published

    return read_published(LedgerFolder(folder(data).ledger)).reader


def _entry(reader: "TileReader", index: int) -> dict[str, Any]:
    from civicam.ledger.encoding import decode

    if not 0 <= index < reader.size:
        raise LedgerError(f"there is no entry {index}", fix=f"there are {reader.size}, from 0 on")
    return decode(reader.entry(index))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LedgerError(f"the checkpoint cannot be read: {error.strerror}", where=str(path)) from error
