"""`civicam demo`: a simulated city, recorded, on one screen."""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from civicam.cli.console import command_name, say
from civicam.config import DataFolder, MetricsSettings
from civicam.core.errors import CityError
from civicam.core.ids import StreamName, parse_camera_id

if TYPE_CHECKING:
    from civicam.app import City
    from civicam.cli.demo_people import DemoPerson
    from civicam.core.clock import Clock

_USERNAME = "civicam"
_WEB_PORT = 9465
_STOP_WITHIN_S = 10

# What goes wrong on purpose, so that there is something to see: each fault becomes a gap with its cause.
_SCENARIO = """\
[[fault]]
cameras = ["cam-003"]
kind = "off"
at_s = 20
duration_s = 15
every_s = 120

[[fault]]
cameras = ["cam-007"]
kind = "loss"
at_s = 30
duration_s = 20
rate = 0.01
every_s = 90
"""


def demo(
    cameras: Annotated[int, typer.Option(min=1, max=2000, help="How many.")] = 24,
    seconds: Annotated[
        float, typer.Option(min=0, help="Stop by itself after so long and check it all; 0: at ^C.")
    ] = 0.0,
    folder: Annotated[Path, typer.Option(help="Where the demo lives; it may be deleted at any time.")] = Path(".demo"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="The page's, if nobody else has it.")] = _WEB_PORT,
) -> None:
    """See it work: start a simulated city, record it, show every camera, then check every picture.

    Some cameras fail on purpose: their gaps and causes are told, and nothing else is missing. It can be run again, and
    goes on where it was.

    Example: civicam demo --cameras 100 --seconds 60
    """
    from civicam.cli.demo_people import prepare
    from civicam.cli.run import record, summary
    from civicam.core.clock import SystemClock

    folder.mkdir(parents=True, exist_ok=True)
    data = DataFolder(folder / "data")
    city = _open(data, port)
    say(f"Starting {cameras} simulated cameras; their streets are drawn once, which takes some seconds the first time.")
    with _simulated(folder, cameras, _camera_password(city)) as listed:
        clock = SystemClock()
        known = prepare(city, folder / "people.json", clock, parse_camera_id(listed[0]["id"]))
        _install(city, listed)
        say(
            f"Open {city.settings.web.address}/ in a browser of this machine:"
            " every camera, live and recorded, redacted."
        )
        for line in _sign_in_notes(known, clock):
            say(line)
        last = record(
            city, seconds, as_json=False, notes=lambda: (*_notes(city, cameras), *_sign_in_notes(known, clock))
        )
    say(summary(last))
    _check(city, data)


def _open(data: DataFolder, port: int) -> "City":
    """The demo's city, made if it is not there, with its metrics and its page on free ports."""
    from civicam.app import City

    environment = dict(os.environ) | {
        "CIVICAM_METRICS__PORT": str(_free_port(MetricsSettings().port)),
        "CIVICAM_RECORDER__SEGMENT_S": "15",
        "CIVICAM_RETENTION__DAYS": "1",
        "CIVICAM_WEB__PORT": str(_free_port(port)),
        "CIVICAM_WEB__ALLOW": "people",
        "CIVICAM_REDACTION__BOOTSTRAP_S": "60",
        "CIVICAM_REDACTION__SAVE_EVERY_S": "30",
    }
    if data.settings.exists():
        return City.open(data, environment)
    return City.create(data, "Demo city", environment)


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(trial.getsockname()[1])
    return 0


def _camera_password(city: "City") -> str:
    """The simulated cameras' password: new each time, for nothing but to show that passwords are sealed."""
    return os.urandom(12).hex()


@contextmanager
def _simulated(folder: Path, cameras: int, password: str) -> Iterator[list[dict[str, str]]]:
    """The city in a process of its own; gives the cameras it has, password included."""
    from civicam.cli.city import PASSWORD_VARIABLE

    (folder / "scenario.toml").write_text(_scenario(cameras), "utf-8")
    command = [
        sys.executable, "-m", "civicam.cli", "city", "--cameras", str(cameras), "--port", "0", "--json",
        "--with-parent", "--scenario", str(folder / "scenario.toml"), "--username", _USERNAME,
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {PASSWORD_VARIABLE: password},
        start_new_session=True,  # ^C is for the recorder; the cameras stay until it has finished
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise CityError("the simulated city did not start", fix="see what it said above")
        yield [camera | {"password": password} for camera in json.loads(line)]
    finally:
        process.stdin.close()
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _scenario(cameras: int) -> str:
    """The faults of the cameras that there are."""
    faults = _SCENARIO.split("\n\n")
    return "\n\n".join(fault for fault, least in zip(faults, (3, 7), strict=True) if cameras >= least)


def _install(city: "City", listed: Sequence[dict[str, str]]) -> None:
    """Makes the city's cameras those of the simulation: new addresses and passwords for old ones."""
    from civicam.camera.url import Credentials
    from civicam.catalogue.models import Camera, Place, RegisterEntry
    from civicam.city.places import street_map
    from civicam.core.clock import SystemClock

    clock = SystemClock()
    city.data.map.write_text(json.dumps(street_map(len(listed))), "utf-8")
    with city.catalogue() as catalogue:
        known = {camera.id for camera in catalogue.cameras()}
        for row in listed:
            camera_id = parse_camera_id(row["id"])
            urls = {StreamName.MAIN: row["url"]}
            sealed = city.seal(camera_id, Credentials(row["username"], row["password"]))
            if camera_id in known:
                known.remove(camera_id)
                catalogue.set_urls(camera_id, urls, now_ns=clock.wall_ns())
                catalogue.set_credentials(camera_id, sealed)
            else:
                register = RegisterEntry(row["owner"], row["legal_basis"], float(row["keep_days"]), row["description"])
                camera = Camera(camera_id, row["title"], urls, sealed, row["purpose"], clock.wall_ns(), None, register)
                catalogue.add_camera(camera)
            place = Place(float(row["latitude"]), float(row["longitude"]), float(row["direction"]))
            catalogue.place_camera(camera_id, place)
        for camera_id in known:
            catalogue.remove_camera(camera_id, now_ns=clock.wall_ns())


def _notes(city: "City", cameras: int) -> Sequence[str]:
    root = city.data.root
    faulty = "cam-003 switches off and cam-007 loses packets now and then, on purpose. " if cameras >= 7 else ""
    return (
        "",
        f"Open {city.settings.web.address}/ on this machine to see every camera:"
        " what moves or newly appeared is covered.",
        "It learns a scene in one minute, a city in ten or more: who stood still through it counts as scene and shows.",
        f"{faulty}Footage is sealed; nothing here can show it clear.",
        f"In another terminal: {command_name()} status --data {root}   {command_name()} check --deep --data {root}",
        "^C stops, and checks what was recorded.",
    )


def _sign_in_notes(known: "Sequence[DemoPerson]", clock: "Clock") -> Sequence[str]:
    """What to sign in with now: codes change every half minute, and each is good once."""
    from civicam.cli.demo_people import PASSWORD

    codes = [f"{person.login} {person.code(clock.wall_ns())}" for person in known]
    return (
        f"Sign in with the password '{PASSWORD}', as one of these, each with the code of their authenticator:",
        *("   ".join(codes[at : at + 4]) for at in range(0, len(codes), 4)),
    )


def _check(city: "City", data: DataFolder) -> None:
    from civicam.cli.check import look, show

    say("Checking: every fragment is opened, every picture decoded …")
    found = look(city, deep=True, quiet=False)
    show(found)
    name, root = command_name(), data.root
    say(f"Next: {name} status --data {root}   {name} footage list cam-001 --data {root}")
    raise typer.Exit(found.exit_status)
