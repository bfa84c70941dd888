"""Exports on their way: ordered under a grant, made on a thread, handed out by a link, gone when that lapses.

Each lies in a folder of its own. What was ordered is sealed with the key of who ordered it: it can be forgotten.
The ledger's entry is durable before the package exists, and one more before the first byte of it leaves.
"""

import asyncio
import base64
import json
import os
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

from civicam.access.decide import HOUR_NS, Action, Ask, live_grant
from civicam.access.models import Grant, GrantState
from civicam.access.office import Office
from civicam.catalogue.catalogue import Catalogue
from civicam.core.citykey import CityKey
from civicam.core.errors import (
    BusyError,
    CivicamError,
    KeyMissingError,
    NotAllowedError,
    NotFoundError,
    NotWrittenYetError,
    RequestError,
)
from civicam.core.ids import CameraId, StreamName
from civicam.core.spans import Span
from civicam.evidence import export
from civicam.evidence.certificate import open_seal
from civicam.evidence.export import PACKAGE, Archive, Order
from civicam.evidence.statement import VERIFIER, statement, verifier_page
from civicam.footage.keys import KeyRing
from civicam.footage.volume import Volume
from civicam.ledger.encoding import moment
from civicam.ledger.entry import Draft, Kind, Part, PersonId, Value
from civicam.ledger.log import LedgerFolder, read_verifier
from civicam.ledger.published import read_published
from civicam.web.bearer import Caller

_T = TypeVar("_T")
LONGEST_LINK_NS: Final = 14 * 24 * HOUR_NS
_MOST_WAITING: Final = 16
_ORDER: Final = "order.json"
_CONTEXT: Final = "export"
_POLL_S: Final = 2.0
_WRITTEN_WITHIN_NS: Final = 900_000_000_000
"""The longest that a segment may be open, and the ledger behind."""
_LAPSE_EVERY_S: Final = 60.0
_SECRET_BYTES: Final = 32


class ExportState(StrEnum):
    """How far an export is."""

    MAKING = "making"
    READY = "ready"
    FAILED = "failed"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants exported.

    Attributes:
        grant: under which grant.
        cameras: of which of its cameras.
        window: which stretch of it.
        recipient: who will have it.
        lasts_ns: how long the link holds.
    """

    grant: int
    cameras: frozenset[CameraId]
    window: Span
    recipient: str
    lasts_ns: int


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


@dataclass(frozen=True, slots=True)
class Places:
    """Where exports are made from, and where they lie.

    Attributes:
        folder: where they lie.
        catalogue: the catalogue's file.
        volumes: where footage is, by name.
        ledger: the ledger.
        city: the city's name.
        city_key: opens footage and the key for exports.
    """

    folder: Path
    catalogue: Path
    volumes: dict[str, Volume]
    ledger: LedgerFolder
    city: str
    city_key: CityKey


class Exports:
    """Takes orders, makes exports one after the other, and gives them out.

    Args:
        places: where.
        office: knows people and grants, and writes down.
    """

    def __init__(self, places: Places, office: Office) -> None:
        self._places, self._office = places, office
        self._known: dict[int, Export] = {}
        self._waiting: asyncio.Queue[int] = asyncio.Queue(_MOST_WAITING)
        self._thread = ThreadPoolExecutor(1, "export")
        self.trouble = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Exports"]:
        """Makes what was ordered, and what was left by a run before, until the block ends."""
        await self._on(lambda: self._places.folder.mkdir(mode=0o700, parents=True, exist_ok=True))
        await self._on(self._load)
        for one in self._known.values():
            if one.state is ExportState.MAKING and not self._waiting.full():
                self._waiting.put_nowait(one.number)
        tasks = [asyncio.create_task(self._keep_making()), asyncio.create_task(self._keep_lapsing())]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._thread.shutdown(cancel_futures=True)

    def listed(self) -> list[Export]:
        """All that are known, the newest first."""
        return sorted(self._known.values(), key=lambda one: -one.number)

    async def order(self, caller: Caller, wanted: Wanted) -> tuple[Export, str]:
        """Takes an order; returns it with what its link carries, which is told this once.

        Raises:
            NotAllowedError: there is no live grant for all of that, or it is broken glass.
            RequestError: the recipient is not named, or the link would hold too long.
            BusyError: too many wait already.
            CivicamError: it cannot be kept.
        """
        grant = self._granted(caller, wanted)
        if not wanted.recipient.strip():
            raise RequestError("an export is for somebody", fix="say who will have it")
        if not HOUR_NS <= wanted.lasts_ns <= LONGEST_LINK_NS:
            raise RequestError("a link holds for an hour to 14 days")
        if self._waiting.full():
            raise BusyError("too many exports are being made", fix="try again when one is ready")
        now_ns = self._office.clock.wall_ns()
        number, secret = max(self._known, default=0) + 1, secrets.token_urlsafe(_SECRET_BYTES)
        name = await self._office.in_thread(lambda: self._office.name_of(caller.who.person))
        verifier = str(await self._on(lambda: read_verifier(self._places.ledger)))
        made = Export(
            number,
            caller.who.person,
            wanted.grant,
            Order(
                number=str(number),
                city=self._places.city,
                ledger=verifier,
                operator=name.name,
                recipient=wanted.recipient.strip(),
                case=grant.case,
                window=wanted.window,
                cameras=tuple(sorted(wanted.cameras)),
                stream=StreamName.MAIN,
                at_ns=now_ns,
            ),
            now_ns + wanted.lasts_ns,
            sha256(secret.encode()).hexdigest(),
        )
        self._known[number] = made
        await self._on(lambda: self._save(made))
        self._waiting.put_nowait(number)
        return made, secret

    def find(self, secret: str) -> Export:
        """The export that a link is for; raises NotFoundError where there is none that holds."""
        digest = sha256(secret.encode()).hexdigest()
        now_ns = self._office.clock.wall_ns()
        for one in self._known.values():
            if secrets.compare_digest(one.secret, digest) and one.until_ns > now_ns:
                return one
        raise NotFoundError("there is no such link, or it has lapsed", fix="ask whoever sent it for a new one")

    async def take(self, secret: str) -> tuple[Export, Path]:
        """The package that a link is for, once it is written down that it was given out.

        Raises:
            NotFoundError: there is no such link, it has lapsed, or the package is not ready.
            LedgerError: it cannot be written down.
        """
        found = self.find(secret)
        path = self._folder(found.number) / PACKAGE
        if found.state is not ExportState.READY or not path.exists():
            raise NotFoundError("the package is not ready", fix="try again in a while")
        facts: dict[str, Value] = {"what": "given out", "export": found.number}
        await self._office.write(Draft(Kind.EXPORT, facts, {"exported-by": Part(found.person)}))
        found.received += 1
        await self._on(lambda: self._save(found))
        return found, path

    def _granted(self, caller: Caller, wanted: Wanted) -> Grant:
        """The grant, once it is decided that it holds for all that is wanted."""
        state, now_ns = self._office.state, self._office.clock.wall_ns()
        grant = state.grants.get(wanted.grant)
        if grant is None or not wanted.cameras:
            raise NotAllowedError("there is no such grant, or no camera is named")
        if grant.is_break_glass:
            raise NotAllowedError("what was seen through broken glass does not leave", fix="ask for a grant for a case")
        for camera in wanted.cameras:
            live_grant(state, Ask(caller.who, Action.CLEAR, now_ns, camera, wanted.window, wanted.grant))
        return grant

    async def _keep_making(self) -> None:
        while True:
            number = await self._waiting.get()
            one = self._known[number]
            try:
                await self._make(one)
            except (CivicamError, OSError) as error:
                sys.stderr.write(f"civicam web: export {number}: {error}\n")
                one.state = ExportState.FAILED
                one.why = error.what if isinstance(error, CivicamError) else "a file cannot be written"
                await self._on(lambda one=one: self._clear(one))  # type: ignore[misc]

    async def _make(self, one: Export) -> None:
        """All of it. Whoever lost the grant meanwhile gets nothing."""
        folder = self._folder(one.number)
        made, digest, fingerprint = await self._filmed(one, folder)
        if self._office.state.grants[one.grant].state is GrantState.REVOKED:
            raise NotAllowedError("the grant was ended before the export was made")
        receipt = await self._office.write(_made_draft(one, digest, fingerprint))
        while True:
            published = await self._on(lambda: read_published(self._places.ledger))
            if published.reader.size > receipt.index:
                break
            await self._office.clock.sleep(_POLL_S)
        entries = export.entries_of(made.manifest)
        proof = await self._on(lambda: export.prove(published, receipt.index, entries))
        await self._on(lambda: export.package(made, proof, _ignore))
        one.state, one.done_bytes = ExportState.READY, one.total_bytes
        await self._on(lambda: self._save(one))

    async def _filmed(self, one: Export, folder: Path) -> tuple[export.Made, bytes, str]:
        """The files and the manifest, once all of the stretch is closed and written down."""
        begun_ns = self._office.clock.monotonic_ns()
        while True:
            try:
                return await self._on(lambda: self._film(one, folder))
            except NotWrittenYetError:
                if self._office.clock.monotonic_ns() - begun_ns > _WRITTEN_WITHIN_NS:
                    raise
            await self._office.clock.sleep(_POLL_S)

    def _film(self, one: Export, folder: Path) -> tuple[export.Made, bytes, str]:
        """The files and the manifest. Blocks."""
        places, now_ns = self._places, self._office.clock.wall_ns()
        seal = open_seal(places.folder, places.city, places.city_key, now_ns)

        def progress(more: int) -> None:
            one.done_bytes = min(one.done_bytes + more, one.total_bytes)

        with Catalogue.open(places.catalogue) as catalogue:
            archive = Archive(catalogue, places.volumes, KeyRing(places.city_key))
            one.total_bytes, one.done_bytes = export.bytes_of(one.order, archive), 0
            made = export.make(one.order, archive, seal, folder, progress)
        page = verifier_page()
        words = statement(made.manifest, seal.certificate)
        digest = export.finish(made, seal, {"statement.txt": words.encode(), VERIFIER: page})
        return made, digest, seal.fingerprint

    async def _keep_lapsing(self) -> None:
        """Takes away what nobody may have any more."""
        while True:
            now_ns = self._office.clock.wall_ns()
            for one in list(self._known.values()):
                if one.until_ns <= now_ns and one.state in {ExportState.READY, ExportState.FAILED}:
                    one.state = ExportState.LAPSED
                    try:
                        await self._on(lambda one=one: shutil.rmtree(self._folder(one.number), ignore_errors=True))  # type: ignore[misc]
                    except OSError as error:
                        self.trouble = f"a lapsed export cannot be deleted: {error.strerror}"
                    self._known.pop(one.number)
            await self._office.clock.sleep(_LAPSE_EVERY_S)

    # Files

    def _folder(self, number: int) -> Path:
        return self._places.folder / str(number)

    def _save(self, one: Export) -> None:
        folder = self._folder(one.number)
        folder.mkdir(parents=True, exist_ok=True)
        plain = json.dumps(
            {"order": asdict(one.order), "grant": one.grant, "until_ns": one.until_ns, "secret": one.secret,
             "state": one.state, "received": one.received, "total_bytes": one.total_bytes, "why": one.why}
        ).encode()  # fmt: skip
        sealed = self._office.keys.seal(one.person, plain, f"{_CONTEXT}:{one.number}")
        draft = folder / f".{_ORDER}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"person": one.person, "sealed": base64.b64encode(sealed).decode()}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / _ORDER)

    def _clear(self, one: Export) -> None:
        """Takes away what was made of an export that failed, and keeps that it did."""
        shutil.rmtree(self._folder(one.number), ignore_errors=True)
        self._save(one)

    def _load(self) -> None:
        """Finds what a run before left; what was ordered by somebody who was forgotten goes."""
        for path in sorted(self._places.folder.glob(f"*/{_ORDER}")):
            try:
                raw = json.loads(path.read_text("utf-8"))
                number, person = int(path.parent.name), PersonId(raw["person"])
                sealed = base64.b64decode(raw["sealed"])
                found = json.loads(self._office.keys.open(person, sealed, f"{_CONTEXT}:{number}"))
            except KeyMissingError:
                shutil.rmtree(path.parent, ignore_errors=True)
                continue
            except (CivicamError, OSError, ValueError, KeyError) as error:
                self.trouble = f"an order for an export cannot be read: {error}"
                continue
            order = found["order"]
            self._known[number] = Export(
                number,
                person,
                found["grant"],
                Order(
                    **order
                    | {
                        "window": tuple(order["window"]),
                        "cameras": tuple(CameraId(one) for one in order["cameras"]),
                        "stream": StreamName(order["stream"]),
                    }
                ),
                found["until_ns"],
                found["secret"],
                ExportState(found["state"]),
                found["total_bytes"],
                found["total_bytes"] if found["state"] == ExportState.READY else 0,
                found["why"],
                found["received"],
            )

    async def _on(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _made_draft(one: Export, digest: bytes, fingerprint: str) -> Draft:
    """The entry that says what was exported; for whom and what for, the exporter's part says."""
    order = one.order
    facts: dict[str, Value] = {
        "what": "made",
        "export": one.number,
        "manifest": digest.hex(),
        "certificate": fingerprint,
        "grant": one.grant,
        "cameras": list(order.cameras),
        "from": moment(order.window[0]),
        "to": moment(order.window[1]),
    }
    return Draft(
        Kind.EXPORT, facts, {"exported-by": Part(one.person, {"recipient": order.recipient, "case": order.case})}
    )


def _ignore(_: int) -> None:
    """Packing is quick."""
