"""Exports on their way: ordered under a grant, made on a thread, handed out by a link, gone when that lapses.

Each lies in a folder of its own. What was ordered is sealed with the key of who ordered it: it can be forgotten.
The ledger's entry is durable before the package exists, and one more before the first byte of it leaves.
"""

import asyncio
import base64
import json
import secrets
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

from civicam.access.decide import HOUR_NS, Action, Ask, live_grant
from civicam.access.models import Grant, GrantState, PersonState, Role
from civicam.access.office import Office
from civicam.access.requests import fetched
from civicam.catalogue.catalogue import Catalogue
from civicam.core.citykey import CityKey
from civicam.core.errors import (
    BusyError,
    CivicamError,
    DiskFullError,
    KeyMissingError,
    NotAllowedError,
    NotFoundError,
    NotWrittenYetError,
    RequestError,
)
from civicam.core.ids import CameraId, StreamName
from civicam.core.spans import Span
from civicam.evidence import export
from civicam.evidence.certificate import fingerprint_in, open_seal
from civicam.evidence.export import MOST_NS, PACKAGE, Archive, Order
from civicam.evidence.manifest import PRINTED, STATEMENT
from civicam.evidence.statement import VERIFIER, statement, statement_pdf, verifier_page
from civicam.footage.keys import KeyRing
from civicam.footage.volume import Volume
from civicam.ledger.durable import write_whole
from civicam.ledger.encoding import moment
from civicam.ledger.entry import Draft, Kind, Part, PersonId, Value
from civicam.ledger.log import LedgerFolder, read_verifier
from civicam.ledger.published import read_published
from civicam.web.bearer import Caller

_T = TypeVar("_T")
LONGEST_LINK_NS: Final = 14 * 24 * HOUR_NS
_MOST_WAITING: Final = 16
_ORDER: Final = "order.sealed"
_COUNTER: Final = "last"
_ONE_RECEIVING_NS: Final = HOUR_NS
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
        reserve_bytes: so much of the disk stays free: catalogue and ledger need it.
    """

    folder: Path
    catalogue: Path
    volumes: dict[str, Volume]
    ledger: LedgerFolder
    city: str
    city_key: CityKey
    reserve_bytes: int = 2 << 30


class Exports:
    """Takes orders, makes exports one after the other, and gives them out.

    Args:
        places: where.
        office: knows people and grants, and writes down.
    """

    def __init__(self, places: Places, office: Office) -> None:
        self._places, self._office = places, office
        self._known: dict[int, Export] = {}
        self._waiting: asyncio.Queue[int] = asyncio.Queue()
        self._last = 0
        self._ordering = asyncio.Lock()
        self._given_ns: dict[int, int] = {}
        self._ends = threading.Event()
        self._making = ThreadPoolExecutor(1, "export")
        self._small = ThreadPoolExecutor(1, "export-order")
        self.trouble = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Exports"]:
        """Makes what was ordered, and what was left by a run before, until the block ends."""
        await self._on(lambda: self._places.folder.mkdir(mode=0o700, parents=True, exist_ok=True))
        await self._on(self._load)
        for one in self._known.values():
            if one.state is ExportState.MAKING:
                self._waiting.put_nowait(one.number)
        tasks = [asyncio.create_task(self._keep_making()), asyncio.create_task(self._keep_lapsing())]
        try:
            yield self
        finally:
            self._ends.set()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for pool in (self._making, self._small):
                await asyncio.to_thread(pool.shutdown, cancel_futures=True)

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
        if not 0 < wanted.window[1] - wanted.window[0] <= MOST_NS // len(wanted.cameras):
            raise RequestError("an export is of 100 hours at most, all its cameras together", fix="order several")
        async with self._ordering:
            return await self._ordered(caller, wanted, grant)

    async def _ordered(self, caller: Caller, wanted: Wanted, grant: Grant) -> tuple[Export, str]:
        if sum(one.state is ExportState.MAKING for one in self._known.values()) >= _MOST_WAITING:
            raise BusyError("too many exports are being made", fix="try again when one is ready")
        now_ns = self._office.clock.wall_ns()
        number, secret = self._last + 1, secrets.token_urlsafe(_SECRET_BYTES)
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
        await self._on(lambda: self._save(made))
        self._last = number
        self._known[number] = made
        self._waiting.put_nowait(number)
        return made, secret

    def find(self, secret: str) -> Export:
        """The export that a link is for; raises NotFoundError where there is none that holds."""
        digest = sha256(secret.encode()).hexdigest()
        now_ns = self._office.clock.wall_ns()
        for one in self._known.values():
            if secrets.compare_digest(one.secret, digest) and one.until_ns > now_ns and self._may_leave(one):
                return one
        raise NotFoundError("there is no such link, or it has lapsed", fix="ask whoever sent it for a new one")

    async def take(self, secret: str) -> tuple[Export, Path]:
        """The package that a link is for, once it is written down that it was given out, and which request it answers.

        Raises:
            NotFoundError: there is no such link, it has lapsed, or the package is not ready.
            LedgerError: it cannot be written down.
        """
        found = self.find(secret)
        path = self._folder(found.number) / PACKAGE
        if found.state is not ExportState.READY or not path.exists():
            raise NotFoundError("the package is not ready", fix="try again in a while")
        # Browsers and download programs ask for a file in parts, and again: that is one receiving.
        now_ns = self._office.clock.monotonic_ns()
        if found.number not in self._given_ns or now_ns - self._given_ns[found.number] > _ONE_RECEIVING_NS:
            facts: dict[str, Value] = {"what": "given out", "export": str(found.number)}
            await self._office.write(Draft(Kind.EXPORT, facts, {"exported-by": Part(found.person)}))
            self._given_ns[found.number] = now_ns
            found.received += 1
            await self._on(lambda: self._save(found))
        if fetched(self._office.state, found.number, self._office.clock.wall_ns()).rows:
            await self._office.carry_out(lambda state, at_ns: fetched(state, found.number, at_ns))
        return found, path

    async def withdraw(self, caller: Caller, number: int) -> None:
        """Takes an export back: its link ends at once, and the package is deleted.

        Raises:
            NotAllowedError: it is somebody else's, and they decide about no grants.
            NotFoundError: there is no such export, or it is still being made.
            LedgerError: it cannot be written down.
        """
        one = self._known.get(number)
        is_theirs = one is not None and one.person == caller.who.person
        if not is_theirs and Role.APPROVER not in self._office.state.roles_of(caller.who.person):
            raise NotAllowedError("who ordered an export, or an approver, takes it back")
        if one is None or one.state is ExportState.MAKING:
            raise NotFoundError("there is no such export, or it is still being made")
        facts: dict[str, Value] = {"what": "withdrawn", "export": str(number)}
        parts = {"exported-by": Part(one.person), "by": Part(caller.who.person)}
        await self._office.write(Draft(Kind.EXPORT, facts, parts))
        self._known.pop(number, None)
        await self._on(partial(self._remove, self._folder(number)))

    def certificate(self) -> str:
        """SHA-256 of the certificate with which exports are signed; empty before the first one. Blocks."""
        return fingerprint_in(self._places.folder)

    def _may_leave(self, one: Export) -> bool:
        """Whether what an export is of may still leave: nobody took the grant back, and who exported it is here."""
        state = self._office.state
        grant, person = state.grants.get(one.grant), state.people.get(one.person)
        is_here = person is not None and person.state is PersonState.ACTIVE
        return is_here and grant is not None and grant.state is not GrantState.REVOKED

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
            except Exception as error:  # noqa: BLE001 - one export that cannot be made must not end all others
                sys.stderr.write(f"civicam web: export {number}: {error}\n")
                one.state = ExportState.FAILED
                one.why = error.what if isinstance(error, CivicamError) else "it cannot be made; the log says why"
                await self._on(partial(self._clear, one))

    async def _make(self, one: Export) -> None:
        """All of it. Whoever lost the grant meanwhile gets nothing."""
        folder = self._folder(one.number)
        made, digest, fingerprint = await self._filmed(one, folder)
        if not self._may_leave(one):
            raise NotAllowedError("the grant was ended before the export was made")
        if one.entry is None or one.manifest != digest.hex():
            receipt = await self._office.write(_made_draft(one, digest, fingerprint))
            one.entry, one.manifest = receipt.index, digest.hex()
            await self._on(lambda: self._save(one))
        index = one.entry
        while True:
            published = await self._on(lambda: read_published(self._places.ledger))
            if published.reader.size > index:
                break
            await self._office.clock.sleep(_POLL_S)
        entries = export.entries_of(made.manifest)
        proof = await self._on(lambda: export.prove(published, index, entries))
        await self._on_making(lambda: export.package(made, proof))
        one.state, one.done_bytes = ExportState.READY, one.total_bytes
        await self._on(lambda: self._save(one))

    async def _filmed(self, one: Export, folder: Path) -> tuple[export.Made, bytes, str]:
        """The files and the manifest, once all of the stretch is closed and written down."""
        begun_ns = self._office.clock.monotonic_ns()
        while True:
            try:
                return await self._on_making(lambda: self._film(one, folder))
            except NotWrittenYetError:
                if self._office.clock.monotonic_ns() - begun_ns > _WRITTEN_WITHIN_NS:
                    raise
            await self._office.clock.sleep(_POLL_S)

    def _film(self, one: Export, folder: Path) -> tuple[export.Made, bytes, str]:
        """The files and the manifest. Blocks."""
        places, now_ns = self._places, self._office.clock.wall_ns()
        seal = open_seal(places.folder, places.city, places.city_key, now_ns)

        def progress(more: int) -> None:
            if self._ends.is_set():
                raise BusyError("the city stops; the export goes on when it runs again")
            one.done_bytes = min(one.done_bytes + more, one.total_bytes)

        with Catalogue.open(places.catalogue) as catalogue:
            archive = Archive(catalogue, places.volumes, KeyRing(places.city_key))
            one.total_bytes, one.done_bytes = export.bytes_of(one.order, archive), 0
            # Films and the package stand beside each other for a while.
            if shutil.disk_usage(places.folder).free < 2 * one.total_bytes + places.reserve_bytes:
                raise DiskFullError("the disk has no room for this export", fix="export less, or make room")
            made = export.make(one.order, archive, seal, folder, progress)
        page = verifier_page()
        words = statement(made.manifest, seal.certificate)
        pdf = statement_pdf(words, f"Export {one.order.number} of {places.city}", one.order.at_ns)
        digest = export.finish(made, seal, {STATEMENT: words.encode(), PRINTED: pdf, VERIFIER: page})
        return made, digest, seal.fingerprint

    async def _keep_lapsing(self) -> None:
        """Takes away what nobody may have any more."""
        while True:
            now_ns = self._office.clock.wall_ns()
            for one in list(self._known.values()):
                is_over = one.until_ns <= now_ns or not self._office.keys.is_known(one.person)
                if is_over and one.state is not ExportState.MAKING:
                    self._known.pop(one.number)
                    await self._on(partial(self._remove, self._folder(one.number)))
            await self._office.clock.sleep(_LAPSE_EVERY_S)

    # Files

    def _folder(self, number: int) -> Path:
        return self._places.folder / str(number)

    def _save(self, one: Export) -> None:
        folder = self._folder(one.number)
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
            (self._places.folder / _COUNTER).write_text(str(one.number), "utf-8")
        plain = json.dumps(
            {"order": asdict(one.order), "grant": one.grant, "until_ns": one.until_ns, "secret": one.secret,
             "state": one.state, "received": one.received, "total_bytes": one.total_bytes, "why": one.why,
             "entry": one.entry, "manifest": one.manifest}
        ).encode()  # fmt: skip
        sealed = self._office.keys.seal(one.person, plain, f"{_CONTEXT}:{one.number}")
        kept = {"person": one.person, "sealed": base64.b64encode(sealed).decode()}
        write_whole(folder / _ORDER, json.dumps(kept).encode(), 0o600)

    def _clear(self, one: Export) -> None:
        """Takes away what was made of an export that failed, and keeps that it did, unless who ordered it is gone."""
        self._remove(self._folder(one.number))
        try:
            self._save(one)
        except (CivicamError, OSError) as error:
            sys.stderr.write(f"civicam web: export {one.number}: {error}\n")

    def _remove(self, folder: Path) -> None:
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            self.trouble = f"an export cannot be deleted: {error.strerror}"

    def _load(self) -> None:
        """Finds what a run before left; what nobody ordered, or somebody who was forgotten, goes."""
        folders = [path for path in self._places.folder.iterdir() if path.is_dir() and path.name.isdecimal()]
        # A number that was given away once is never given again: not even if nothing is left but the ledger's entries.
        counter = self._places.folder / _COUNTER
        written = int(counter.read_text("utf-8")) if counter.exists() else 0
        self._last = max([written, *(int(path.name) for path in folders)])
        for path in folders:
            if not (path / _ORDER).exists():
                self._remove(path)
        for path in sorted(self._places.folder.glob(f"*/{_ORDER}")):
            try:
                raw = json.loads(path.read_text("utf-8"))
                number, person = int(path.parent.name), PersonId(raw["person"])
                sealed = base64.b64decode(raw["sealed"])
                found = json.loads(self._office.keys.open(person, sealed, f"{_CONTEXT}:{number}"))
            except KeyMissingError:
                self._remove(path.parent)
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
                found["entry"],
                found["manifest"],
            )

    async def _on(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._small, work)

    async def _on_making(self, work: Callable[[], _T]) -> _T:
        """What takes long, one export after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._making, work)


def _made_draft(one: Export, digest: bytes, fingerprint: str) -> Draft:
    """The entry that says what was exported; for whom and what for, the exporter's part says."""
    order = one.order
    facts: dict[str, Value] = {
        "what": "made",
        "export": str(one.number),
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
