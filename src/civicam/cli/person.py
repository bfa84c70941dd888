"""`civicam person`: the first two administrators, and who there is."""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

import asyncio
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from civicam.cli.console import DEFAULT_DATA, DataOption, JsonOption, console, folder, say, say_json, when

if TYPE_CHECKING:
    from civicam.app import City

app = typer.Typer(help="Make the first two administrators, and list people.", no_args_is_help=True)


class _Listed(NamedTuple):
    """A person, for a list."""

    login: str
    name: str
    state: str
    roles: list[str]
    since_ns: int


@app.command("found")
def found(
    login: Annotated[str, typer.Argument(help="What they sign in with.")],
    name: Annotated[str, typer.Argument(help="What people call them.")],
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Invite one of the first two administrators; whoever opens the link chooses password and authenticator.

    All others are invited by these two, on the page. Called again for somebody who has not come yet, it prints a new
    link, and the old one is of no use any more.

    Example: civicam person found zarina "Zarina Q."
    """
    from civicam.app import City

    city = City.open(folder(data))
    invitation = asyncio.run(_found(city, login, name))
    web = city.settings.web
    say(f"{web.address or 'ADDRESS-OF-THE-PAGE'}/#invitation={invitation}")
    if not web.port or web.allow != "people":
        say('The page asks for people once [web] has a port and allow = "people" in civicam.toml.')


async def _found(city: "City", login: str, name: str) -> str:
    from civicam.access.sign_in.door import Door
    from civicam.access.sign_in.founding import Founding
    from civicam.app import open_office
    from civicam.core.clock import SystemClock

    async with open_office(city, SystemClock()) as office:
        return await Founding(office, Door(office, city.settings.city.name)).found(login, name)


@app.command("list")
def list_(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """List everybody, with their roles."""
    from civicam.app import City

    rows = asyncio.run(_listed(City.open(folder(data))))
    if as_json:
        say_json([row._asdict() for row in rows])
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table("login", "name", "state", "roles", "since", box=None, header_style="bold")
    for row in rows:
        table.add_row(escape(row.login), escape(row.name), row.state, ", ".join(row.roles), when(row.since_ns))
    console().print(table)


async def _listed(city: "City") -> list[_Listed]:
    from civicam.app import open_office
    from civicam.core.clock import SystemClock

    async with open_office(city, SystemClock()) as office:
        names = await office.names()
        return [
            _Listed(
                names[one.id].login,
                names[one.id].name,
                one.state.value,
                sorted(office.state.roles_of(one.id)),
                one.since_ns,
            )
            for one in office.state.people.values()
        ]
