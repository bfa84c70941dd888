"""What the web process is to serve, and what it says: plain data over its pipes, never in arguments."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from civicam.core.errors import WorkerError
from civicam.recorder.plan import VolumePlan


@dataclass(frozen=True, slots=True)
class MaskPlan:
    """A part of one camera's picture that is never shown.

    Attributes:
        camera: whose picture.
        polygon: corners (x, y), as shares of width and height from the left and top.
        kind: `mask` or `always`.
    """

    camera: str
    polygon: tuple[tuple[float, float], ...]
    kind: str


@dataclass(frozen=True, slots=True)
class PeoplePlan:
    """Where people and what they may are kept.

    Attributes:
        database: the database's path.
        zone: the city's time zone.
        purposes: what cases are opened for.
        grant_hours: a grant lasts so long at most.
        provider: issuer, client id, client secret and level of where people sign in elsewhere; empty for none.
    """

    database: str
    zone: str = "UTC"
    purposes: tuple[str, ...] = ()
    grant_hours: float = 24.0
    provider: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WebPlan:
    """What a web process starts with.

    Attributes:
        city: the city's name.
        ledger: the ledger's socket.
        feed: the folder of the workers' sockets for live samples.
        scenes: the folder of what was learned of the cameras' scenes.
        usual: the folder of what their pictures usually look like.
        catalogue: the database's path.
        city_key: the key file's path.
        volumes: where footage is.
        host: the address to listen at.
        port: the TCP port, 0 takes a free one.
        ledger_folder: where the ledger lies, whose public part everybody may have.
        allow: the policy: who may look.
        people: where people and what they may are kept.
        certificate: the file of the certificate for https, empty for http.
        certificate_key: the file of its private key.
        cover: what covered parts are filled with: `flat` or `pixelate`.
        bootstrap_s: how long a scene must have been seen before any of it is shown.
        save_every_s: how often what is known of a scene is kept.
        keep_s: for how long: as long as footage.
        masks: what is never shown.
        status: where the recorder says how it is; empty if it does not.
        map: the path of the city's own map.
        exports: the folder in which exports are made.
    """

    city: str
    ledger: str
    feed: str
    scenes: str
    usual: str
    catalogue: str
    city_key: str
    volumes: tuple[VolumePlan, ...]
    host: str = "127.0.0.1"
    port: int = 0
    ledger_folder: str = ""
    allow: str = "nobody"
    people: PeoplePlan | None = None
    certificate: str = ""
    certificate_key: str = ""
    cover: str = "flat"
    bootstrap_s: float = 600.0
    save_every_s: int = 600
    keep_s: int = 31 * 86_400
    masks: tuple[MaskPlan, ...] = ()
    status: str = ""
    map: str = ""
    exports: str = ""

    def to_json(self) -> str:
        """The plan as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "WebPlan":
        """The plan that `to_json` wrote.

        Raises:
            WorkerError: the line is something else.
        """
        try:
            raw: dict[str, Any] = json.loads(line)
            raw["volumes"] = tuple(VolumePlan(**volume) for volume in raw["volumes"])
            raw["masks"] = tuple(
                MaskPlan(str(mask["camera"]), tuple((x, y) for x, y in mask["polygon"]), str(mask["kind"]))
                for mask in raw.get("masks", ())
            )
            if raw.get("people"):
                people = raw["people"]
                lists = {name: tuple(people[name]) for name in ("purposes", "provider")}
                raw["people"] = PeoplePlan(**people | lists)
            return cls(**raw)
        except (ValueError, TypeError, KeyError) as error:
            raise WorkerError(
                "the first line to the web process is no plan", fix="start it through `civicam run`"
            ) from error


@dataclass(frozen=True, slots=True)
class WebReport:
    """What the web process says once a second.

    Attributes:
        address: where the page is.
        streams: live views that are redacted.
        viewers: who watches them.
        alarms: what an engineer must look at now.
    """

    address: str
    streams: int = 0
    viewers: int = 0
    alarms: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """The report as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "WebReport":
        """The report that `to_json` wrote.

        Raises:
            ValueError, TypeError, KeyError: the line is something else.
        """
        raw: dict[str, Any] = json.loads(line)
        return cls(str(raw["address"]), int(raw["streams"]), int(raw["viewers"]), [str(one) for one in raw["alarms"]])
