"""`civicam access`: who may look, and why."""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from civicam.cli.console import DEFAULT_DATA, DataOption, JsonOption, console, folder, parse_when, say_json
from civicam.core.ids import parse_camera_id

if TYPE_CHECKING:
    from civicam.access.decide import Ask
    from civicam.access.state import State
    from civicam.app import City

app = typer.Typer(help="See who may look, and why.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """See who may look, and why."""


@app.command("explain")
def explain(
    person: Annotated[str, typer.Argument(help="A login.")],
    camera: Annotated[str, typer.Argument(help="A camera's id.")],
    time: Annotated[str, typer.Argument(help="A moment: 2026-03-01T12:00:05 (UTC); now by default.")] = "",
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Say what somebody may do with a camera at a time, each with the reason, in the words of the decision itself.

    It is asked as if they were signed in, and as if they looked at that very moment of the camera.

    Example: civicam access explain dilshod rudaki-07 2026-03-01T12:00
    """
    from civicam.app import City

    rows = asyncio.run(_explained(City.open(folder(data)), person, camera, time))
    if as_json:
        say_json([{"action": action, "allowed": is_allowed, "why": why} for action, is_allowed, why in rows])
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table("what", "may they", "why", box=None, header_style="bold")
    for action, is_allowed, why in rows:
        table.add_row(action, "yes" if is_allowed else "no", escape(why))
    console().print(table)


async def _explained(city: "City", login: str, camera: str, time: str) -> list[tuple[str, bool, str]]:
    from civicam.access.decide import Action, Ask, Who, decide
    from civicam.app import open_office
    from civicam.core.clock import SystemClock
    from civicam.core.errors import AccessError

    clock = SystemClock()
    at_ns = parse_when(time, clock.wall_ns(), "TIME") if time else clock.wall_ns()
    async with open_office(city, clock) as office:
        person = office.person_of(login)
        if person is None:
            raise AccessError(f"nobody signs in as {login!r}", fix="see `civicam person list`")
        asks = [Ask(Who(person.id), action, at_ns, parse_camera_id(camera), (at_ns, at_ns + 1)) for action in Action]
        answers = [decide(_as_signed_in(office.state, ask), _signed(ask)) for ask in asks]
        return [(ask.action.value, answer.is_allowed, answer.why) for ask, answer in zip(asks, answers, strict=True)]


def _as_signed_in(state: "State", ask: "Ask") -> "State":
    from civicam.access.models import Session, SessionId

    return state.put([Session(SessionId("explained"), ask.who.person, "", ask.at_ns, ask.at_ns)])


def _signed(ask: "Ask") -> "Ask":
    from dataclasses import replace

    from civicam.access.models import SessionId

    return replace(ask, who=replace(ask.who, session=SessionId("explained")))
