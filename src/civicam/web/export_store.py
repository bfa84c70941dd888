"""Orders of exports on disk: each in a folder of its own, sealed with the key of who ordered it.

What was ordered is forgotten with who ordered it: without the key nothing of it can be read.
"""

import base64
import json
import shutil
import sys
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from civicam.core.errors import CivicamError, KeyMissingError
from civicam.core.ids import CameraId, StreamName
from civicam.evidence.order import Area, Order
from civicam.ledger.durable import write_whole
from civicam.ledger.entry import PersonId
from civicam.ledger.people_keys import PeopleKeys

_ORDER: Final = "order.sealed"
_COUNTER: Final = "last"
_CONTEXT: Final = "export"


class ExportState(StrEnum):
    """How far an export is."""

    MAKING = "making"
    READY = "ready"
    FAILED = "failed"


@dataclass(slots=True)
class Export:
    """An export.

    Attributes:
        number: what it is called.
        person: who ordered it.
        grant: under which grant.
        order: what was ordered.
        until_ns: when its link lapses.
        secret: SHA-256 of what the link carries.
        state: how far it is.
        total_bytes: about how much there is to do.
        done_bytes: how much of it is done.
        why: it failed.
        received: how often the link gave it out.
        entry: the ledger's entry that says that it was made, once there is one.
        manifest: of which manifest that is, SHA-256.
    """

    number: int
    person: PersonId
    grant: int
    order: Order
    until_ns: int
    secret: str
    state: ExportState = ExportState.MAKING
    total_bytes: int = 0
    done_bytes: int = 0
    why: str = ""
    received: int = 0
    entry: int | None = None
    manifest: str = ""


class ExportStore:
    """Keeps exports. Blocks; one thread at a time.

    Args:
        root: where they lie.
        keys: seal what was ordered.

    Attributes:
        last: the highest number that was ever given away.
        trouble: what an engineer must look at; empty if it is nothing.
    """

    def __init__(self, root: Path, keys: PeopleKeys) -> None:
        self.last, self.trouble = 0, ""
        self._root, self._keys = root, keys

    def folder(self, number: int) -> Path:
        """Where an export lies."""
        return self._root / str(number)

    def add(self, one: Export) -> None:
        """Keeps a new order; raises what `save` does."""
        self.folder(one.number).mkdir(mode=0o700, parents=True)
        (self._root / _COUNTER).write_text(str(one.number), "utf-8")
        self.last = one.number
        self.save(one)

    def save(self, one: Export) -> None:
        """Keeps what was ordered, and how far it is.

        Raises:
            OSError: it cannot be written, or was deleted meanwhile.
            KeyMissingError: who ordered it was forgotten.
        """
        plain = json.dumps(
            {"order": asdict(one.order), "grant": one.grant, "until_ns": one.until_ns, "secret": one.secret,
             "state": one.state, "received": one.received, "total_bytes": one.total_bytes, "why": one.why,
             "entry": one.entry, "manifest": one.manifest}
        ).encode()  # fmt: skip
        sealed = self._keys.seal(one.person, plain, f"{_CONTEXT}:{one.number}")
        kept = {"person": one.person, "sealed": base64.b64encode(sealed).decode()}
        write_whole(self.folder(one.number) / _ORDER, json.dumps(kept).encode(), 0o600)

    def clear(self, one: Export) -> None:
        """Takes away what was made of an export that failed, and keeps that it did, unless who ordered it is gone."""
        self.remove(one.number)
        try:
            self.folder(one.number).mkdir(mode=0o700)
            self.save(one)
        except (CivicamError, OSError) as error:
            sys.stderr.write(f"civicam web: export {one.number}: {error}\n")

    def remove(self, number: int) -> None:
        """Deletes an export with all that was made of it."""
        try:
            shutil.rmtree(self.folder(number))
        except FileNotFoundError:
            return
        except OSError as error:
            self.trouble = f"an export cannot be deleted: {error.strerror}"

    def load(self) -> list[Export]:
        """What a run before left; what nobody ordered, or somebody who was forgotten, goes.

        Raises:
            OSError: the folder cannot be read or made.
        """
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        numbers = [int(path.name) for path in self._root.iterdir() if path.is_dir() and path.name.isdecimal()]
        # A number that was given away once is never given again: not even if nothing is left but the ledger's entries.
        counter = self._root / _COUNTER
        written = int(counter.read_text("utf-8")) if counter.exists() else 0
        self.last = max([written, *numbers])
        found = [self._loaded(number) for number in sorted(numbers)]
        return [one for one in found if one is not None]

    def _loaded(self, number: int) -> Export | None:
        path = self.folder(number) / _ORDER
        if not path.exists():
            self.remove(number)
            return None
        try:
            raw = json.loads(path.read_text("utf-8"))
            person = PersonId(raw["person"])
            plain = self._keys.open(person, base64.b64decode(raw["sealed"]), f"{_CONTEXT}:{number}")
            return _export(number, person, json.loads(plain))
        except KeyMissingError:
            self.remove(number)
        except (CivicamError, OSError, ValueError, KeyError, TypeError) as error:
            self.trouble = f"an order for an export cannot be read: {error}"
        return None


def _export(number: int, person: PersonId, found: dict[str, Any]) -> Export:
    is_ready = found["state"] == ExportState.READY
    return Export(
        number,
        person,
        found["grant"],
        _order(found["order"]),
        found["until_ns"],
        found["secret"],
        ExportState(found["state"]),
        found["total_bytes"],
        found["total_bytes"] if is_ready else 0,
        found["why"],
        found["received"],
        found["entry"],
        found["manifest"],
    )


def _order(found: dict[str, Any]) -> Order:
    return Order(
        **found
        | {
            "window": tuple(found["window"]),
            "cameras": tuple(CameraId(one) for one in found["cameras"]),
            "stream": StreamName(found["stream"]),
            "shown": tuple(Area(*one) for one in found.get("shown", ())),
            "covered": tuple(Area(*one) for one in found.get("covered", ())),
        }
    )
