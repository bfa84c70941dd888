"""`civicam hold`: footage that retention may not touch."""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

from dataclasses import asdict
from typing import Annotated

import typer

from civicam.cli.console import DEFAULT_DATA, DataOption, JsonOption, console, folder, parse_when, say, say_json, when
from civicam.core.ids import parse_camera_id

app = typer.Typer(help="Keep footage from being deleted, and give it back.", no_args_is_help=True)


@app.command("add")
def add(
    camera: Annotated[str, typer.Argument(metavar="CAMERA", help="Whose footage.")],
    *,
    from_: Annotated[str, typer.Option("--from", help="2026-03-01T12:00:05 (UTC), or -2h.")],
    to: Annotated[str, typer.Option("--to", help="The same; it may lie in the future.")],
    reason: Annotated[str, typer.Option(help="Why; it is written down.")],
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Keep a camera's footage of a stretch of time until the hold is released.

    Example: civicam hold add rudaki-07 --from 2026-03-01T08:00 --to 2026-03-01T09:00 --reason "case 17"
    """
    from civicam.app import City, open_ledger
    from civicam.core.clock import SystemClock
    from civicam.upkeep.written import hold_draft

    now_ns = SystemClock().wall_ns()
    window = (parse_when(from_, now_ns, "--from"), parse_when(to, now_ns, "--to"))
    city = City.open(folder(data))
    with city.catalogue() as catalogue:
        # Footage is kept even if that cannot be written down.
        hold = catalogue.add_hold(parse_camera_id(camera), window, reason, now_ns=now_ns)
    with open_ledger(city, SystemClock()) as ledger:
        ledger.append(hold_draft(hold.id, "placed", window))
    say(f"hold {hold.id}: {camera} from {when(window[0])} to {when(window[1])}")


@app.command("list")
def list_(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """List the holds that are active."""
    from civicam.app import City

    with City.open(folder(data)).catalogue() as catalogue:
        holds = catalogue.holds()
    if as_json:
        say_json([asdict(hold) for hold in holds])
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table("hold", "camera", "from", "to", "why", box=None, header_style="bold")
    for hold in holds:
        table.add_row(str(hold.id), hold.camera, when(hold.start_wall_ns), when(hold.end_wall_ns), escape(hold.reason))
    console().print(table)


@app.command("release")
def release(
    number: Annotated[int, typer.Argument(metavar="HOLD", help="Its number, as in `civicam hold list`.")],
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Give held footage back to retention; that there was a hold stays written down."""
    from civicam.app import City, open_ledger
    from civicam.core.clock import SystemClock
    from civicam.upkeep.written import hold_draft

    city, clock = City.open(folder(data)), SystemClock()
    with city.catalogue() as catalogue:
        if number in {hold.id for hold in catalogue.holds()}:
            with open_ledger(city, clock) as ledger:
                ledger.append(hold_draft(number, "released"))
        catalogue.release_hold(number, now_ns=clock.wall_ns())
    say(f"hold {number} is released")
