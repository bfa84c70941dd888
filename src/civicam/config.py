"""Settings: `<data>/civicam.toml`, then `CIVICAM_SECTION__KEY` from the environment; every mistake told at once.

The types here are plain dataclasses, so that worker processes carry them without the validator: pydantic is imported
only while a file is read.
"""

import difflib
import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from annotated_types import Interval, Len

from civicam.core.errors import ConfigError
from civicam.core.ids import parse_camera_id

GIB = 1024**3
MIB = 1024**2

_PREFIX = "CIVICAM_"


@dataclass(frozen=True, slots=True)
class CitySettings:
    """The city.

    Attributes:
        name: what people call it.
        zone: its time zone, in which people's hours are meant (IANA).
        owner: who answers for its cameras, unless a camera says another.
        legal_basis: the provision that allows them, unless a camera says another.
    """

    name: Annotated[str, Len(1, 80)] = "A city"
    zone: Annotated[str, Len(1, 60)] = "UTC"
    owner: Annotated[str, Len(0, 200)] = ""
    legal_basis: Annotated[str, Len(0, 400)] = ""


@dataclass(frozen=True, slots=True)
class VolumeSettings:
    """A folder that footage is written to.

    Attributes:
        name: what the catalogue and the metrics call it; never change it once there is footage.
        path: the folder; relative to the data folder unless it is absolute.
        limit_gb: gibibytes of footage at most, 0 for no limit but the disk's.
        reserve_gb: gibibytes of the disk that are always left free.
    """

    name: Annotated[str, Len(1, 40)] = "main"
    path: Annotated[str, Len(1)] = "footage"
    limit_gb: Annotated[float, Interval(ge=0)] = 0.0
    reserve_gb: Annotated[float, Interval(ge=0)] = 2.0

    @property
    def limit_bytes(self) -> int:
        """`limit_gb` in bytes, 0 for no limit."""
        return int(self.limit_gb * GIB)

    @property
    def reserve_bytes(self) -> int:
        """`reserve_gb` in bytes."""
        return int(self.reserve_gb * GIB)


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """How footage is recorded.

    Attributes:
        workers: recorder processes; 0 for one per 400 streams, at most one a core.
        segment_s: seconds of footage in a file.
        sync_interval_s: seconds of footage that a power cut may cost.
        backlog_mb: mebibytes a worker holds while the disk is slow, before it drops whole fragments.
        max_fragment_s: a fragment is cut at this length, if the camera sends no key frame.
        max_fragment_mb: the same in mebibytes.
        stall_s: a camera that sends nothing for so long is connected anew.
        connect_at_once: attempts to connect that a worker makes at the same time.
    """

    workers: Annotated[int, Interval(ge=0, le=64)] = 0
    segment_s: Annotated[int, Interval(ge=1, le=3600)] = 60
    sync_interval_s: Annotated[float, Interval(ge=0.1, le=60)] = 2.0
    backlog_mb: Annotated[int, Interval(ge=1, le=65536)] = 64
    max_fragment_s: Annotated[float, Interval(ge=0.5, le=60)] = 10.0
    max_fragment_mb: Annotated[int, Interval(ge=1, le=48)] = 16
    stall_s: Annotated[float, Interval(ge=1, le=300)] = 10.0
    connect_at_once: Annotated[int, Interval(ge=1, le=1000)] = 32


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long footage is kept.

    Attributes:
        days: after so many days footage is deleted, 0 for never.
    """

    days: Annotated[float, Interval(ge=0)] = 30.0


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where the recorder tells how it is doing.

    Attributes:
        host: the address to listen at; it shows the names of cameras and no footage.
        port: the TCP port, 0 for no metrics.
    """

    host: Annotated[str, Len(1)] = "127.0.0.1"
    port: Annotated[int, Interval(ge=0, le=65535)] = 9464


WEB_ALLOWS = ("nobody", "local", "people")
"""Who may look, as `web.allow` says it: nobody at all, whoever sits at this machine, or people who sign in."""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The page with redacted pictures.

    Attributes:
        host: the address to listen at.
        port: the TCP port, 0 for no page.
        allow: who may look: one of `WEB_ALLOWS`.
        certificate: the file of the certificate for https, with those above it; empty for http, which is for this
            machine alone: nobody signs in over a network that others read.
        certificate_key: the file of its private key.
    """

    host: Annotated[str, Len(1)] = "127.0.0.1"
    port: Annotated[int, Interval(ge=0, le=65535)] = 0
    allow: Annotated[str, Len(1)] = WEB_ALLOWS[0]
    certificate: Annotated[str, Len(0, 400)] = ""
    certificate_key: Annotated[str, Len(0, 400)] = ""

    @property
    def address(self) -> str:
        """Where the page is on this machine; empty without one."""
        return f"{'https' if self.certificate else 'http'}://{self.host}:{self.port}" if self.port else ""


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """What people may.

    Attributes:
        grant_hours: a grant to see clear video lasts so long at most.
        purposes: what cases are opened for, with commas between them.
    """

    grant_hours: Annotated[float, Interval(gt=0, le=168)] = 24.0
    purposes: Annotated[str, Len(1, 1000)] = (
        "crime, missing person, accident, danger to life, damage to property, request of a resident"
    )

    @property
    def purpose_list(self) -> tuple[str, ...]:
        """The purposes, each by itself."""
        return tuple(name for part in self.purposes.split(",") if (name := part.strip()))


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """The public log of what was looked at and done.

    Attributes:
        origin: the name that witnesses and everybody know it by; empty: made of the city's name. What it is when the
            ledger is made, it stays.
    """

    origin: Annotated[str, Len(0, 200)] = ""


@dataclass(frozen=True, slots=True)
class WitnessSettings:
    """Who confirms what the ledger says, so that nobody can be shown another one.

    Attributes:
        url: where the witness is asked (C2SP tlog-witness).
        key: its verifier key, `NAME+ID+KEY`.
    """

    url: Annotated[str, Len(1, 400)] = ""
    key: Annotated[str, Len(1, 400)] = ""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Where people may sign in elsewhere (OpenID Connect).

    Attributes:
        issuer: its address, as its tokens say it; empty for none.
        client_id: what it knows this city as.
        client_secret: the city's secret there; better in CIVICAM_PROVIDER__CLIENT_SECRET.
        acr: the level of certainty that it must vouch for; empty for none.
    """

    issuer: Annotated[str, Len(0, 400)] = ""
    client_id: Annotated[str, Len(0, 400)] = ""
    client_secret: Annotated[str, Len(0, 400)] = ""
    acr: Annotated[str, Len(0, 200)] = ""


COVERS = ("flat", "pixelate")
"""What covered parts of a picture are filled with; the second keeps rough colours, those of clothing too."""


@dataclass(frozen=True, slots=True)
class RedactionSettings:
    """How pictures are redacted before anyone sees them.

    Attributes:
        cover: one of `COVERS`.
        bootstrap_s: how long a camera's scene must have been seen before any of its picture is shown.
        save_every_s: how often what is known of a scene is kept, for playback and for a restart.
    """

    cover: Annotated[str, Len(1)] = COVERS[0]
    bootstrap_s: Annotated[float, Interval(ge=10, le=86400)] = 600.0
    save_every_s: Annotated[int, Interval(ge=10, le=3600)] = 600


MASK_KINDS = ("mask", "always")
"""A mask is filled with one colour, whatever covers the rest; what is always covered is covered like the rest."""


@dataclass(frozen=True, slots=True)
class MaskSettings:
    """A part of one camera's picture that is never shown.

    Attributes:
        camera: whose picture.
        corners: of a polygon, as shares of the width and height from the left and top: `0.1 0.2, 0.4 0.2, 0.4 0.9`.
        kind: one of `MASK_KINDS`.
    """

    camera: Annotated[str, Len(1, 63)] = ""
    corners: Annotated[str, Len(1, 4000)] = ""
    kind: Annotated[str, Len(1)] = MASK_KINDS[0]

    @property
    def polygon(self) -> tuple[tuple[float, float], ...]:
        """The corners as pairs (x, y).

        Raises:
            ValueError: they are no three or more pairs of numbers from 0 to 1.
        """
        corners = tuple((float(x), float(y)) for x, y in (pair.split() for pair in self.corners.split(",")))
        if len(corners) < 3 or not all(0 <= value <= 1 for corner in corners for value in corner):
            raise ValueError(self.corners)
        return corners


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, by section of the file."""

    city: CitySettings = CitySettings()
    volume: tuple[VolumeSettings, ...] = (VolumeSettings(),)
    recorder: RecorderSettings = RecorderSettings()
    retention: RetentionSettings = RetentionSettings()
    metrics: MetricsSettings = MetricsSettings()
    web: WebSettings = WebSettings()
    access: AccessSettings = AccessSettings()
    provider: ProviderSettings = ProviderSettings()
    redaction: RedactionSettings = RedactionSettings()
    mask: tuple[MaskSettings, ...] = ()
    ledger: LedgerSettings = LedgerSettings()
    witness: tuple[WitnessSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The folder that holds everything of one city, and what is where in it."""

    root: Path

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.root / "civicam.toml"

    @property
    def city_key(self) -> Path:
        """The key that wraps every other secret."""
        return self.root / "city.key"

    @property
    def map(self) -> Path:
        """The city's own map, as GeoJSON, where it has one: streets, water, borders."""
        return self.root / "map.geojson"

    @property
    def catalogue(self) -> Path:
        """The database of what exists."""
        return self.root / "catalogue.sqlite"

    @property
    def access(self) -> Path:
        """The database of people and of what they may."""
        return self.root / "access.sqlite"

    @property
    def lock(self) -> Path:
        """Held by the recorder that runs; says where its metrics are."""
        return self.root / "recorder.lock"

    @property
    def feed(self) -> Path:
        """Where the recorder's workers have their sockets for live samples."""
        return self.root / "feed"

    @property
    def usual(self) -> Path:
        """The folder of what cameras' pictures usually look like, which their health is told from after a restart."""
        return self.root / "usual"

    @property
    def scenes(self) -> Path:
        """The folder of what was learned of the cameras' scenes, so that a restart does not begin anew."""
        return self.root / "scenes"

    @property
    def ledger(self) -> Path:
        """The ledger's folder."""
        return self.root / "ledger"

    @property
    def exports(self) -> Path:
        """Where exports are made, and lie until their links lapse."""
        return self.root / "exports"

    @property
    def ledger_socket(self) -> Path:
        """Where the ledger's process is asked to write."""
        return self.root / "ledger" / "socket" / "ledger.sock"

    def volume_root(self, volume: VolumeSettings) -> Path:
        """Where `volume` lies."""
        return self.root / volume.path


# --- reading ----------------------------------------------------------------------------------------------------------

_Path = tuple[str | int, ...]
_T = TypeVar("_T")


def load_settings(data: DataFolder, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `data`, with what `environment` overrides.

    Raises:
        ConfigError: the folder has no settings, or they hold mistakes; the message lists all of them.
    """
    try:
        text = data.settings.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            "there is no city here", where=str(data.root), fix=f"make one: civicam init --data {data.root}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the settings cannot be read: {error}", where=str(data.settings)) from error
    return parse_settings(text, str(data.settings), environment)


def parse_settings(text: str, name: str, environment: Mapping[str, str]) -> Settings:
    """The settings in `text`, which came from the file `name`.

    Raises:
        ConfigError: they hold mistakes; the message lists all of them, each with its place.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}", where=name, fix="mend that line; see https://toml.io") from error
    lines = locate_keys(text)

    def place(path: _Path) -> str:
        known = (lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines)
        return f"{name}:{next(known, 1)}"

    reader = _Reader(place)
    reader.merge_environment(raw, environment)
    settings = reader.settings(raw)
    if reader.mistakes:
        count = len(reader.mistakes)
        heading = "1 mistake" if count == 1 else f"{count} mistakes"
        raise ConfigError("\n  ".join([f"{heading} in the settings:", *reader.mistakes]))
    return settings


def locate_keys(text: str) -> dict[_Path, int]:
    """The line (from 1) of every table and key in `text`, which must be TOML.

    A statement is the shortest run of lines that is TOML by itself, so that tomllib does all of the parsing.
    """
    found: dict[_Path, int] = {}
    table: _Path = ()
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        end, statement = _statement(lines, at)
        is_header = lines[at].lstrip().startswith("[")
        paths = list(_paths(statement))
        if is_header and paths:
            table = _resolve(paths[-1], lines[at].lstrip().startswith("[["), found)
            paths = [table[:depth] for depth in range(1, len(table) + 1)]
        else:
            paths = [table + path for path in paths]
        for path in paths:
            found.setdefault(path, at + 1)
        at = end
    return found


def _statement(lines: list[str], start: int) -> tuple[int, dict[str, Any]]:
    for end in range(start + 1, len(lines) + 1):
        try:
            return end, tomllib.loads("\n".join(lines[start:end]))
        except tomllib.TOMLDecodeError:
            continue
    return len(lines), {}


def _paths(value: object, path: _Path = ()) -> Iterator[_Path]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*path, index))


def _resolve(path: _Path, is_array: bool, found: Mapping[_Path, int]) -> _Path:
    """The path of a header within the whole file: what is in an array gets the number of its last table."""
    names = [part for part in path if isinstance(part, str)]
    resolved: _Path = ()
    for depth, part in enumerate(names):
        resolved = (*resolved, part)
        count = sum(1 for other in found if other[:-1] == resolved and isinstance(other[-1], int))
        if is_array and depth == len(names) - 1:
            resolved = (*resolved, count)
        elif count:
            resolved = (*resolved, count - 1)
    return resolved


class _Reader:
    """Turns raw tables into settings, and collects what is wrong with them."""

    def __init__(self, place: Callable[[_Path], str]) -> None:
        self.mistakes: list[str] = []
        self._file_place = place
        self._from_environment: dict[_Path, str] = {}

    def place(self, path: _Path) -> str:
        return self._from_environment.get(path) or self._file_place(path)

    def merge_environment(self, raw: dict[str, Any], environment: Mapping[str, str]) -> None:
        """Lays `CIVICAM_SECTION__KEY=value` over `raw`."""
        for variable, text in sorted(environment.items()):
            section, separator, key = variable.removeprefix(_PREFIX).lower().partition("__")
            if not variable.startswith(_PREFIX) or not separator:
                continue
            self._from_environment[(section, key)] = self._from_environment[(section,)] = variable
            if section in {"volume", "mask", "witness"}:
                self._add((section, key), f"{section}s are set in the file only")
                continue
            table = raw.setdefault(section, {})
            if isinstance(table, dict):
                table[key] = _from_text(text, section, key)

    def settings(self, raw: dict[str, Any]) -> Settings:
        hints = get_type_hints(Settings)
        self._refuse_unknown(raw, hints, ())
        values: dict[str, Any] = {}
        for name, hint in hints.items():
            if name not in raw:
                continue
            if get_origin(hint) is tuple:
                values[name] = self._tables(raw[name], get_args(hint)[0], (name,))
            else:
                values[name] = self._table(raw[name], hint, (name,))
        settings = Settings(**values)
        if not self.mistakes:
            self._check_together(settings)
        return settings

    def _tables(self, raw: object, kind: type[_T], path: _Path) -> tuple[_T, ...]:
        if not isinstance(raw, list) or not raw:
            self._add(path, f"{path[0]} is written as [[{path[0]}]], once for each")
            return ()
        return tuple(self._table(table, kind, (*path, index)) for index, table in enumerate(raw))

    def _table(self, raw: object, kind: type[_T], path: _Path) -> _T:
        if not isinstance(raw, dict):
            header = f"[{path[0]}]" if len(path) == 1 else f"[[{path[0]}]]"
            self._add(path, f"{_dotted(path)} = {raw!r}: this is a section, written as {header}")
            return kind()
        hints = get_type_hints(kind, include_extras=True)
        self._refuse_unknown(raw, hints, path)
        values = {name: raw[name] for name in hints if name in raw}
        for name, value in list(values.items()):
            try:
                values[name] = _validate(value, hints[name])
            except ValueError:
                self._add((*path, name), f"{_dotted((*path, name))} = {value!r}: must be {allowed(hints[name])}")
                del values[name]
        return kind(**values)

    def _refuse_unknown(self, raw: Mapping[str, object], known: Mapping[str, object], path: _Path) -> None:
        for name in raw:
            if name in known:
                continue
            close = difflib.get_close_matches(name, known, 1)
            advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            kind = "key" if path else "section"
            self._add((*path, name), f"{_dotted((*path, name))}: no such {kind}; {advice}")

    def _check_together(self, settings: Settings) -> None:
        """What is wrong only in company."""
        seen: dict[str, int] = {}
        for index, volume in enumerate(settings.volume):
            for key, value in (("name", volume.name), ("path", volume.path)):
                if seen.setdefault(f"{key} {os.path.normpath(value)}", index) != index:
                    self._add(("volume", index, key), f"volume.{key} = {value!r}: another volume has it already")
            if not volume.name.replace("-", "").replace("_", "").isalnum():
                self._add(("volume", index, "name"), f"volume.name = {volume.name!r}: use letters, digits, '-' and '_'")
        choices = (
            (("web", "allow"), settings.web.allow, WEB_ALLOWS),
            (("redaction", "cover"), settings.redaction.cover, COVERS),
        )
        for place, chosen, known in choices:
            if chosen not in known:
                self._add(place, f"{_dotted(place)} = {chosen!r}: must be one of {', '.join(known)}")
        self._check_masks(settings.mask)
        self._check_ledger(settings)
        self._check_people(settings)
        recorder = settings.recorder
        if recorder.max_fragment_mb > recorder.backlog_mb:
            self._add(
                ("recorder", "max_fragment_mb"),
                f"recorder.max_fragment_mb = {recorder.max_fragment_mb}: "
                f"must fit into recorder.backlog_mb = {recorder.backlog_mb}",
            )

    def _check_people(self, settings: Settings) -> None:
        zone, web = settings.city.zone, settings.web
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError):
            self._add(("city", "zone"), f"city.zone = {zone!r}: must be one of IANA's, such as Asia/Dushanbe")
        if bool(web.certificate) != bool(web.certificate_key):
            self._add(("web", "certificate"), "web.certificate and web.certificate_key go together")
        provider = settings.provider
        if provider.issuer and not (
            provider.issuer.startswith(("https://", "http://localhost")) and provider.client_id
        ):
            self._add(("provider", "issuer"), "provider.issuer: must be https://…, and provider.client_id beside it")
        if not settings.access.purpose_list:
            self._add(("access", "purposes"), "access.purposes: a case is opened for something")

    def _check_ledger(self, settings: Settings) -> None:
        origin = settings.ledger.origin
        if "+" in origin or any(one.isspace() or not one.isprintable() for one in origin):
            self._add(("ledger", "origin"), f"ledger.origin = {origin!r}: use no spaces and no plus sign")
        for index, one in enumerate(settings.witness):
            if not one.url.startswith(("https://", "http://")):
                self._add(("witness", index, "url"), f"witness.url = {one.url!r}: write https://...")
            if len(one.key.split("+")) != 3:
                self._add(("witness", index, "key"), f"witness.key = {one.key!r}: write NAME+ID+KEY")

    def _check_masks(self, masks: tuple[MaskSettings, ...]) -> None:
        for index, mask in enumerate(masks):
            try:
                _ = parse_camera_id(mask.camera), mask.polygon
            except ConfigError as error:
                self._add(("mask", index, "camera"), f"mask.camera: {error}")
            except ValueError:
                self._add(
                    ("mask", index, "corners"),
                    f"mask.corners = {mask.corners!r}: must be pairs from 0 to 1, three or more, as 0.1 0.2, 0.4 0",
                )
            if mask.kind not in MASK_KINDS:
                self._add(("mask", index, "kind"), f"mask.kind = {mask.kind!r}: must be one of {', '.join(MASK_KINDS)}")

    def _add(self, path: _Path, text: str) -> None:
        self.mistakes.append(f"{self.place(path)}: {text}")


def allowed(annotation: object) -> str:
    """What a setting may be, in words: `a whole number from 1 to 3600`."""
    kind, *limits = get_args(annotation)
    words = {int: "a whole number", float: "a number", str: "text"}[kind]
    for limit in limits:
        if isinstance(limit, Len):
            return f"{words} of 1 to {limit.max_length} characters" if limit.max_length else f"{words}, not empty"
        if isinstance(limit, Interval):
            return f"{words} from {limit.ge} to {limit.le}" if limit.le is not None else f"{words}, {limit.ge} or more"
    return words


def _validate(value: object, annotation: Any) -> object:
    """`value` as its field wants it; raises ValueError (pydantic's) if it is anything else."""
    from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415 - worker processes carry settings without it

    return TypeAdapter(annotation, config=ConfigDict(strict=True, allow_inf_nan=False)).validate_python(value)


def _from_text(text: str, section: str, key: str) -> object:
    """An environment variable's value: text where the setting is text, else as TOML would read it."""
    kind = get_type_hints(Settings).get(section)
    if kind is not None and get_type_hints(kind).get(key) is str:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _dotted(path: _Path) -> str:
    return ".".join(str(part) for part in path if isinstance(part, str))


def render_default(city: str) -> str:
    """The settings file that a new city starts with: every setting, what it means, and its default."""
    return _DEFAULT.format(city=json.dumps(city, ensure_ascii=False))


_DEFAULT = """\
# The settings of this city. Each can be overridden by the environment: CIVICAM_RECORDER__SEGMENT_S=30.
# A restart of the recorder makes a change here count.

[city]
name = {city}
zone = "UTC"           # in which people's hours are meant, such as "Asia/Dushanbe"
owner = ""             # who answers for the cameras, and what allows them, unless a camera says otherwise:
legal_basis = ""       # no camera records without

# Where footage is written. One [[volume]] for each disk. Never rename one that holds footage.
[[volume]]
name = "main"
path = "footage"       # relative to this folder, or absolute
limit_gb = 0           # oldest footage goes when there is more; 0: no limit but the disk's
reserve_gb = 2         # always left free on the disk

[recorder]
workers = 0            # processes; 0: one per 400 streams, at most one a core
segment_s = 60         # seconds of footage in a file
sync_interval_s = 2    # seconds of footage that a power cut may cost
backlog_mb = 64        # what a worker holds while the disk is slow, before it drops whole fragments
max_fragment_s = 10    # a camera that sends no key frame for so long is cut here
max_fragment_mb = 16
stall_s = 10           # a camera that sends nothing for so long is connected anew
connect_at_once = 32   # attempts to connect that a worker makes at the same time

[retention]
days = 30              # footage is deleted after so many days; 0: never

[ledger]
origin = ""            # what witnesses know it by, such as "ledger.city.example"; empty: made of the city's name

# Who confirms what the ledger says, once for each.
# [[witness]]
# url = "https://witness.example"
# key = "witness.example+0123abcd+..."

[metrics]
host = "127.0.0.1"     # who may read them: this machine only; they name cameras and hold no footage
port = 9464            # http://127.0.0.1:9464/metrics and /status; 0: off

[web]
host = "127.0.0.1"     # where the page with redacted pictures is
port = 0               # such as 9465 for http://127.0.0.1:9465; 0: off
allow = "nobody"       # who may look: "nobody", "local" for whoever sits at this machine, "people" who sign in
certificate = ""       # a file, for https: over a network nobody signs in without
certificate_key = ""

[access]
grant_hours = 24       # a grant to see clear video lasts so long at most
purposes = "crime, missing person, accident, danger to life, damage to property, request of a resident"

[provider]               # where people may sign in elsewhere (OpenID Connect); both factors are then the provider's
issuer = ""            # such as "https://sso.example/"; empty: nowhere
client_id = ""         # what it knows this city as
client_secret = ""     # better in the environment: CIVICAM_PROVIDER__CLIENT_SECRET
acr = ""               # the level that it must vouch for

[redaction]
cover = "flat"         # what moves or newly appeared gets one colour; "pixelate" keeps the rough colour of clothing
bootstrap_s = 600      # seconds a scene must be seen before any of it is shown; who stands still through them is scene
save_every_s = 600     # how often what is known of a scene is kept, for playback and for a restart

# What is never shown of a camera's picture, such as a window: one [[mask]] for each part.
# [[mask]]
# camera = "rudaki-07"
# corners = "0.1 0.2, 0.4 0.2, 0.4 0.9"   # x y of each, as shares of width and height from the left and top
# kind = "mask"        # filled with one colour; "always": covered like what moves
"""
