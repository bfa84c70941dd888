"""`civicam camera`: which cameras there are."""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

import asyncio
import csv
import io
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from civicam.cli.console import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    command_name,
    console,
    folder,
    rate,
    say,
    say_json,
    warn,
)
from civicam.core.errors import ConfigError
from civicam.core.ids import StreamName, parse_camera_id

if TYPE_CHECKING:
    from civicam.app import City
    from civicam.camera.url import CameraUrl, Credentials
    from civicam.catalogue.catalogue import Catalogue
    from civicam.catalogue.models import Camera, Place, RegisterEntry

app = typer.Typer(help="Add, list, test and remove cameras.", no_args_is_help=True)

PASSWORD_VARIABLE = "CIVICAM_CAMERA_PASSWORD"  # noqa: S105 - a variable's name
_MOST_TEXT = 200
_SEEN = (
    "note: the address held a password, which other users may see in the list of processes and in the shell's"
    " history; next time use --username with --password-stdin"
)
_REGISTER = ("owner", "legal_basis", "keep_days", "description")
_PLACE = ("latitude", "longitude", "direction")
_COLUMNS = ("id", "url", "sub", "title", "purpose", "username", "password", *_REGISTER, *_PLACE)

Username = Annotated[str, typer.Option(help="Who to sign in as.")]
Owner = Annotated[str, typer.Option(help="Who answers for it; as a rule as the settings say.")]
LegalBasis = Annotated[str, typer.Option(help="The provision that allows it; as a rule as the settings say.")]
KeepDays = Annotated[float, typer.Option(min=0, help="How long its footage is kept; 0: as the settings say.")]
Description = Annotated[str, typer.Option(help="What residents should know: what it sees, and what for.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help=f"Read the password from stdin (or set {PASSWORD_VARIABLE}).")
]


class _Entry(NamedTuple):
    """A camera as someone wrote it down."""

    id: str
    url: str
    purpose: str
    sub: str = ""
    title: str = ""
    login: "Credentials | None" = None
    owner: str = ""
    legal_basis: str = ""
    keep_days: str = ""
    description: str = ""
    latitude: str = ""
    longitude: str = ""
    direction: str = ""


@app.command("add")
def add(
    camera_id: Annotated[str, typer.Argument(metavar="ID", help="Lower-case letters, digits and hyphens.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="rtsp://HOST[:PORT]/PATH of the full picture.")],
    *,
    purpose: Annotated[str, typer.Option(help="Why the camera is there; residents may ask.")],
    sub: Annotated[str, typer.Option(help="The small picture's address.")] = "",
    title: Annotated[str, typer.Option(help="What people call it.")] = "",
    owner: Owner = "",
    legal_basis: LegalBasis = "",
    keep_days: KeepDays = 0.0,
    description: Description = "",
    username: Username = "",
    password_stdin: PasswordStdin = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Add a camera. A recorder that runs takes it up within seconds.

    It records once it is said whose it is, what allows it, how long footage is kept and what residents should know:
    here, or later with `civicam camera describe`. What was said stands in the ledger.

    Name and password are sealed with the city's key. The address may hold them (rtsp://name:password@host/path), but
    then they show in the list of processes. Better (on a terminal it asks for the password, and does not show it):

      civicam camera add gate-1 rtsp://10.0.3.7/s1 --purpose "gate" --username op --password-stdin < password.txt
    """
    from civicam.camera.url import CameraUrl

    login = _login(username, password_stdin)
    if CameraUrl.parse(url)[1] is not None:
        warn(_SEEN)
    days = f"{keep_days:g}" if keep_days else ""
    _store(data, [_Entry(camera_id, url, purpose, sub, title, login, owner, legal_basis, days, description)])
    say(f"camera {camera_id} is added; look at it with: {command_name()} camera test {camera_id}")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV with a header line, or JSON lines; - for stdin.")],
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Add many cameras: all of them or, if one is wrong, none.

    Columns: id, url and purpose; owner, legal_basis, keep_days and description, without which it does not record; if
    you like sub, title, username, password, latitude, longitude, direction (degrees). `civicam city --list` writes
    such a file.

    Example: civicam camera import cameras.csv
    """
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the list cannot be read: {error}", where=str(file)) from error
    count = _store(data, parse_list(text, str(file)))
    say(f"{count} cameras are added")


def parse_list(text: str, name: str) -> list[_Entry]:
    """The cameras in CSV or JSON lines.

    Raises:
        ConfigError: the list holds mistakes; all are told, each with its line.
    """
    from civicam.camera.url import Credentials

    entries: list[_Entry] = []
    mistakes: list[str] = []
    for line, row in _rows(text, name):
        where = f"{name}:{line}"
        unknown = [str(key) for key in row if key not in _COLUMNS]
        missing = [key for key in ("id", "url", "purpose") if not row.get(key)]
        if unknown or missing:
            mistakes += [f"{where}: no such column {key!r}; there are {', '.join(_COLUMNS)}" for key in unknown]
            mistakes += [f"{where}: {key} is missing" for key in missing]
            continue
        login = Credentials(row.get("username", ""), row.get("password", ""))
        entries.append(
            _Entry(
                row["id"],
                row["url"],
                row["purpose"],
                row.get("sub", ""),
                row.get("title", ""),
                login if login.user or login.password else None,
                *(row.get(name, "") for name in (*_REGISTER, *_PLACE)),
            )
        )
    if mistakes:
        raise ConfigError("\n  ".join([f"the list of cameras has {len(mistakes)} mistakes:", *mistakes[:50]]))
    return entries


def _rows(text: str, name: str) -> Iterable[tuple[int, dict[str, str]]]:
    if text.lstrip().startswith("{"):
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise ConfigError("this line is no JSON object", where=f"{name}:{number}")
            yield number, {str(key): str(value) for key, value in row.items() if value is not None}
        return
    reader = csv.DictReader(io.StringIO(text), restkey="(too many columns)")
    try:
        for row in reader:
            yield (
                reader.line_num,
                {key: str(value) if key == "password" else str(value).strip() for key, value in row.items() if value},
            )
    except csv.Error as error:
        raise ConfigError(f"not CSV: {error}", where=f"{name}:{reader.line_num}") from error


@app.command("list")
def list_(
    data: DataOption = DEFAULT_DATA,
    removed: Annotated[bool, typer.Option("--removed", help="Also those that were removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the cameras; passwords are never shown."""
    from civicam.app import City

    with City.open(folder(data)).catalogue() as catalogue:
        cameras = catalogue.cameras(removed=removed)
    if as_json:
        say_json([_plain(camera) for camera in cameras])
        return
    from rich.markup import escape
    from rich.table import Table

    from civicam.camera.url import redact

    table = Table("camera", "title", "address", "signs in", "purpose", box=None, header_style="bold")
    for camera in cameras:
        urls = "\n".join(redact(url) for url in camera.urls.values())
        gone = " (removed)" if camera.removed_ns else "" if camera.register else " (not described: not recorded)"
        signs_in = "yes" if camera.credentials else "no"
        table.add_row(camera.id + gone, escape(camera.title), escape(urls), signs_in, escape(camera.purpose))
    console().print(table)
    say(f"{len(cameras)} cameras")


@app.command("describe")
def describe(
    camera_id: Annotated[str, typer.Argument(metavar="ID")],
    *,
    owner: Owner = "",
    legal_basis: LegalBasis = "",
    keep_days: KeepDays = 0.0,
    description: Description = "",
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Say what the public is told of a camera; it records once all of it is said. What is left out stays as it was.

    Example: civicam camera describe gate-1 --description "the gate of the depot, against theft of buses"
    """
    from dataclasses import replace

    from civicam.app import City, open_ledger
    from civicam.core.clock import SystemClock
    from civicam.upkeep.written import camera_draft

    city, clock = City.open(folder(data)), SystemClock()
    with city.catalogue() as catalogue:
        known = _present(catalogue, camera_id)
        if known is None:
            raise ConfigError("the city has no such camera", where=camera_id, fix="see `civicam camera list`")
        said = _Entry(known.id, "", "", "", "", None, owner, legal_basis, f"{keep_days:g}", description)
        entry = _register(city, said, known.register)
        if entry is None:
            raise ConfigError(
                "something is not said of this camera", where=camera_id, fix="give owner, legal basis and description"
            )
        with open_ledger(city, clock) as ledger:
            ledger.append(camera_draft(replace(known, register=entry), "described"))
        catalogue.describe_camera(known.id, entry, clock.wall_ns())
    say(f"camera {known.id} is described, and records")


@app.command("place")
def place(
    camera_id: Annotated[str, typer.Argument(metavar="ID")],
    latitude: Annotated[float, typer.Argument(help="Degrees north.")],
    longitude: Annotated[float, typer.Argument(help="Degrees east.")],
    *,
    direction: Annotated[float | None, typer.Option(help="Where it looks: degrees clockwise from north.")] = None,
    view: Annotated[float, typer.Option(help="How wide it sees, in degrees.")] = 60.0,
    reach: Annotated[float, typer.Option(help="How far it sees, in metres.")] = 40.0,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Say where a camera stands, for the map.

    Example: civicam camera place gate-1 38.5737 68.7864 --direction 90 --reach 30
    """
    from civicam.app import City
    from civicam.catalogue.models import Place

    with City.open(folder(data)).catalogue() as catalogue:
        catalogue.place_camera(parse_camera_id(camera_id), Place(latitude, longitude, direction, view, reach))
    say(f"camera {camera_id} is on the map")


def _present(catalogue: "Catalogue", camera_id: str) -> "Camera | None":
    """A camera that the city has now."""
    found = catalogue.camera(parse_camera_id(camera_id))
    return None if found is None or found.removed_ns is not None else found


def _register(city: "City", said: _Entry, before: "RegisterEntry | None" = None) -> "RegisterEntry | None":
    """What the public is told of a camera: as said, else as before, else as the settings say; None if not all is."""
    from civicam.catalogue.models import RegisterEntry

    try:
        keep_days = float(said.keep_days or 0)
    except ValueError:
        keep_days = -1.0
    if not 0 <= keep_days < float("inf"):
        raise ConfigError(f"keep_days = {said.keep_days!r}: no number of days", fix="write a number, such as 30")
    settings = city.settings
    owner = said.owner.strip() or (before.owner if before else settings.city.owner)
    legal_basis = said.legal_basis.strip() or (before.legal_basis if before else settings.city.legal_basis)
    description = said.description.strip() or (before.description if before else "")
    keep_days = keep_days or (before.keep_days if before else settings.retention.days)
    is_whole = owner and legal_basis and description and keep_days > 0
    return RegisterEntry(owner, legal_basis, keep_days, description) if is_whole else None


@app.command("remove")
def remove(camera_id: Annotated[str, typer.Argument(metavar="ID")], data: DataOption = DEFAULT_DATA) -> None:
    """Stop recording a camera for good. What it recorded stays until retention deletes it."""
    from civicam.app import City, open_ledger
    from civicam.core.clock import SystemClock
    from civicam.upkeep.written import camera_draft

    city, clock = City.open(folder(data)), SystemClock()
    with city.catalogue() as catalogue:
        known = _present(catalogue, camera_id)
        if known is not None:
            with open_ledger(city, clock) as ledger:
                ledger.append(camera_draft(known, "removed"))
        catalogue.remove_camera(parse_camera_id(camera_id), now_ns=clock.wall_ns())
    say(f"camera {camera_id} is removed; its footage stays until it is old")


@app.command("test")
def look_at(
    target: Annotated[str, typer.Argument(metavar="ID|URL", help="One of the city's cameras, or an address.")],
    *,
    seconds: Annotated[float, typer.Option(min=1, max=120, help="How long to look.")] = 5.0,
    stream: Annotated[StreamName, typer.Option(help="Which of the camera's streams.")] = StreamName.MAIN,
    username: Username = "",
    password_stdin: PasswordStdin = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Look at a camera for some seconds and say what it is. No picture is kept.

    Example: civicam camera test rtsp://10.0.3.7/stream1 --username op --password-stdin < password.txt
    """
    from civicam.camera.probe import probe
    from civicam.core.clock import SystemClock

    url, login = _target(target, stream, data)
    login = _login(username, password_stdin) or login
    found = asyncio.run(probe(url, login, clock=SystemClock(), watch_s=seconds))
    if as_json:
        say_json({"url": url.redacted, **asdict(found)})
        return
    offset = "unknown" if found.clock_offset_ns is None else f"{found.clock_offset_ns / 1e9:+.3f} s from this machine"
    keys = "fewer than two seen" if found.key_interval_s is None else f"one every {found.key_interval_s:.1f} s"
    for label, value in (
        ("address", url.redacted),
        ("camera", found.server or "does not say"),
        ("signs in by", found.auth),
        ("offers", ", ".join(found.offers)),
        ("picture", f"{found.width}x{found.height}, {found.fps:.1f} frames a second, {found.codec}"),
        ("bitrate", rate(found.bitrate_bps)),
        ("key frames", keys),
        ("its clock", offset),
        ("lost packets", str(found.packets_lost)),
        *(("fault", fault) for fault in found.faults),
    ):
        say(f"{label:14}{value}")


def _target(text: str, stream: StreamName, data: Path) -> "tuple[CameraUrl, Credentials | None]":
    from civicam.app import City
    from civicam.camera.url import CameraUrl

    if "://" in text:
        url, login = CameraUrl.parse(text)
        if login is not None:
            warn(_SEEN)
        return url, login
    city = City.open(folder(data))
    with city.catalogue() as catalogue:
        camera = catalogue.camera(parse_camera_id(text))
    if camera is None or stream not in camera.urls:
        raise ConfigError(f"the city has no {stream} stream of {text}", fix="see `civicam camera list`")
    return CameraUrl.parse(camera.urls[stream])[0], city.credentials(camera)


def _login(username: str, from_stdin: bool) -> "Credentials | None":
    from civicam.camera.url import Credentials

    if from_stdin and not username:
        raise ConfigError("a password needs a name", fix="add --username NAME")
    if not username:
        return None
    password = None if from_stdin else os.environ.get(PASSWORD_VARIABLE)
    if password is None and sys.stdin.isatty():
        password = str(typer.prompt("password", hide_input=True))
    elif from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    if password is None:
        raise ConfigError("the password is missing", fix=f"use --password-stdin, or set {PASSWORD_VARIABLE}")
    if not password:
        raise ConfigError("the password is empty", fix="if the camera's is, write rtsp://NAME:@HOST/PATH")
    return Credentials(username, password)


def _store(data: Path, entries: list[_Entry]) -> int:
    """Adds all of `entries`, or none and tells every mistake."""
    from civicam.app import City, open_ledger
    from civicam.core.clock import SystemClock
    from civicam.upkeep.written import camera_draft

    city, clock = City.open(folder(data)), SystemClock()
    cameras: list[Camera] = []
    mistakes: list[str] = []
    now_ns = clock.wall_ns()
    with city.catalogue() as catalogue:
        known = {camera.id for camera in catalogue.cameras()}
        gone = {camera.id for camera in catalogue.cameras(removed=True)} - known
        for entry in entries:
            try:
                camera = _camera(city, entry, now_ns)
            except ConfigError as error:
                mistakes.append(f"camera {entry.id}: {error}")
                continue
            if camera.id in known:
                mistakes.append(f"camera {camera.id}: the city has it already (remove it first)")
            if camera.id in gone and camera.register is None:
                mistakes.append(f"camera {camera.id}: it was here before, and is described at once when it comes back")
            known.add(camera.id)
            cameras.append(camera)
        if mistakes:
            raise ConfigError(mistakes[0] if len(mistakes) == 1 else "\n  ".join(["no camera was added:", *mistakes]))
        with open_ledger(city, clock) as ledger:
            for camera in cameras:
                ledger.append(camera_draft(camera, "added"))
        catalogue.add_cameras(cameras)
    _warn_of_unsealed(cameras)
    _warn_of_undescribed(cameras)
    return len(cameras)


def _warn_of_undescribed(cameras: "list[Camera]") -> None:
    silent = [camera.id for camera in cameras if camera.register is None]
    if silent:
        warn(
            f"note: {len(silent)} of them do not record yet ({', '.join(silent[:5])}{' …' if len(silent) > 5 else ''}):"
            f" say whose they are, what allows them and what residents should know: {command_name()} camera describe"
        )


def _warn_of_unsealed(cameras: "list[Camera]") -> None:
    from civicam.camera.url import redact

    for camera in cameras:
        if any(redact(url) != url for url in camera.urls.values()):
            warn(
                f"note: camera {camera.id} seems to have a password within the path of its address; the catalogue"
                " keeps addresses unsealed: guard it and its copies as you would the password"
            )


def _camera(city: "City", entry: _Entry, now_ns: int) -> "Camera":
    from civicam.camera.streams import stream_addresses
    from civicam.catalogue.models import Camera

    camera_id = parse_camera_id(entry.id)
    urls, login = stream_addresses(entry.url, entry.sub, entry.login)
    sealed = city.seal(camera_id, login)
    for name, text in (("purpose", entry.purpose), ("title", entry.title or entry.id)):
        if not 1 <= len(text.strip()) <= _MOST_TEXT:
            raise ConfigError(f"its {name} has {len(text.strip())} characters", fix=f"write 1 to {_MOST_TEXT}")
    register, stands = _register(city, entry), _place(entry)
    return Camera(camera_id, entry.title or entry.id, urls, sealed, entry.purpose, now_ns, None, register, stands)


def _place(entry: _Entry) -> "Place | None":
    """Where a list says that a camera stands."""
    from civicam.catalogue.models import Place

    if not entry.latitude and not entry.longitude:
        return None
    try:
        direction = float(entry.direction) if entry.direction else None
        return Place(float(entry.latitude), float(entry.longitude), direction)
    except ValueError as error:
        raise ConfigError("its place is no number of degrees", fix="write latitude, longitude and direction") from error


def _plain(camera: "Camera") -> dict[str, object]:
    from civicam.camera.url import redact

    return {
        "id": camera.id,
        "title": camera.title,
        "urls": {str(name): redact(url) for name, url in camera.urls.items()},
        "signs_in": camera.credentials is not None,
        "purpose": camera.purpose,
        "place": asdict(camera.place) if camera.place else None,
        "register_entry": asdict(camera.register) if camera.register else None,
        "added_ns": camera.added_ns,
        "removed_ns": camera.removed_ns,
    }
