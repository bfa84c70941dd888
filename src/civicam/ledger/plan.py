"""What the ledger's process is to do, and what it says: plain data over its pipes."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from civicam.core.errors import WorkerError


@dataclass(frozen=True, slots=True)
class WitnessPlan:
    """A witness that is asked to sign each checkpoint.

    Attributes:
        url: where it is; `/add-checkpoint` is put behind it.
        key: its verifier key.
    """

    url: str
    key: str


@dataclass(frozen=True, slots=True)
class LedgerPlan:
    """What the ledger's process starts with.

    Attributes:
        folder: the ledger's.
        city_key: the key file's path.
        socket: where others ask it to write.
        witnesses: who signs what it says.
    """

    folder: str
    city_key: str
    socket: str
    witnesses: tuple[WitnessPlan, ...] = ()

    def to_json(self) -> str:
        """The plan as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "LedgerPlan":
        """The plan that `to_json` wrote.

        Raises:
            WorkerError: the line is something else.
        """
        try:
            raw: dict[str, Any] = json.loads(line)
            raw["witnesses"] = tuple(WitnessPlan(**one) for one in raw["witnesses"])
            return cls(**raw)
        except (ValueError, TypeError, KeyError) as error:
            raise WorkerError(
                "the first line to the ledger is no plan", fix="start it through `civicam run`"
            ) from error


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What the ledger's process says once a second.

    Attributes:
        size: entries that are durable.
        published: of these, entries under the newest checkpoint.
        alarms: what an engineer must look at now.
    """

    size: int
    published: int
    alarms: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """The report as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "LedgerReport":
        """The report that `to_json` wrote.

        Raises:
            ValueError, TypeError, KeyError: the line is something else.
        """
        raw: dict[str, Any] = json.loads(line)
        return cls(int(raw["size"]), int(raw["published"]), [str(one) for one in raw["alarms"]])
