"""`civicam init`."""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

from typing import Annotated

import typer

from civicam.cli.console import DEFAULT_DATA, DataOption, command_name, folder, say


def init(
    name: Annotated[str, typer.Option(help="What people call the city.")] = "A city", data: DataOption = DEFAULT_DATA
) -> None:
    """Make a new city: its folder, settings, key and catalogue.

    Nothing that is there already is ever overwritten.

    Example: civicam init --name "Khujand" --data /srv/civicam
    """
    from civicam.app import City

    place = folder(data)
    City.create(place, name)
    option = "" if data == DEFAULT_DATA else f" --data {data}"
    say(f"{name} is ready in {place.root}/")
    say(f"  settings   {place.settings}")
    say(f"  key        {place.city_key}")
    say(f"  catalogue  {place.catalogue}")
    say()
    say(f"Back up {place.city_key} now, apart from the footage: without it no footage can ever be opened again.")
    say(f'Next: {command_name()} camera add ID rtsp://HOST/PATH --purpose "why it is there"{option}')
    say(f"Then: {command_name()} run{option}")
