"""Exports on their way: ordered under a grant, made on a thread, handed out by a link, gone when that lapses.

Each lies in a folder of its own. What was ordered is sealed with the key of who ordered it: it can be forgotten.
The ledger's entry is durable before the package exists, and one more before the first byte of it leaves.
"""

import asyncio
import secrets
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
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
    NotAllowedError,
    NotFoundError,
    NotWrittenYetError,
)
from civicam.core.ids import CameraId, StreamName
from civicam.evidence import export, original, redacted
from civicam.evidence.certificate import fingerprint_in, open_seal
from civicam.evidence.credentials import authority_in, open_credentials
from civicam.evidence.export import PACKAGE
from civicam.evidence.manifest import PRINTED, STATEMENT, AnyManifest, export_facts
from civicam.evidence.order import Archive, Made, Making, Order, bytes_of
from civicam.evidence.statement import VERIFIER, statement, statement_pdf, verifier_page
from civicam.evidence.verify import verify
from civicam.footage.keys import KeyRing
from civicam.footage.volume import Volume
from civicam.ledger.entry import Draft, Kind, Part, Value
from civicam.ledger.log import LedgerFolder, read_verifier
from civicam.ledger.published import read_published
from civicam.player.archive_reader import ArchiveReader
from civicam.player.redacted_film import RedactedFilms
from civicam.redaction.settings import RedactionSettings
from civicam.vision.model_store import ModelStore
from civicam.web.bearer import Caller
from civicam.web.export_store import Export, ExportState, ExportStore
from civicam.web.export_wanted import Wanted, check_wanted

_T = TypeVar("_T")
_MOST_WAITING: Final = 16
_ONE_STEP_NS: Final = HOUR_NS
_POLL_S: Final = 2.0
_WRITTEN_WITHIN_NS: Final = 900_000_000_000
"""The longest that a segment may be open, and the ledger behind."""
_LAPSE_EVERY_S: Final = 60.0
_SECRET_BYTES: Final = 32


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
        scenes: what redaction learned.
        settings_of: how a camera's pictures are redacted.
        reserve_bytes: so much of the disk stays free: catalogue and ledger need it.
    """

    folder: Path
    catalogue: Path
    volumes: dict[str, Volume]
    ledger: LedgerFolder
    city: str
    city_key: CityKey
    scenes: Path
    settings_of: Callable[[CameraId], RedactionSettings]
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
        self._ordering = asyncio.Lock()
        self._steps_ns: dict[tuple[int, str], int] = {}
        self._ends = threading.Event()
        self._making = ThreadPoolExecutor(1, "export")
        self._small = ThreadPoolExecutor(1, "export-order")
        self._store = ExportStore(places.folder, office.keys)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Exports"]:
        """Makes what was ordered, and what was left by a run before, until the block ends."""
        for one in await self._on(self._store.load):
            self._known[one.number] = one
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

    @property
    def trouble(self) -> str:
        """What an engineer must look at; empty if it is nothing."""
        return self._store.trouble

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
        check_wanted(wanted, self._office.state.cases[grant.case].purpose)
        async with self._ordering:
            return await self._ordered(caller, wanted, grant)

    async def _ordered(self, caller: Caller, wanted: Wanted, grant: Grant) -> tuple[Export, str]:
        if sum(one.state is ExportState.MAKING for one in self._known.values()) >= _MOST_WAITING:
            raise BusyError("too many exports are being made", fix="try again when one is ready")
        now_ns = self._office.clock.wall_ns()
        number, secret = self._store.last + 1, secrets.token_urlsafe(_SECRET_BYTES)
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
                is_redacted=wanted.is_redacted,
                shown=wanted.shown,
                covered=wanted.covered,
            ),
            now_ns + wanted.lasts_ns,
            sha256(secret.encode()).hexdigest(),
        )
        await self._on(lambda: self._store.add(made))
        self._known[number] = made
        self._waiting.put_nowait(number)
        return made, secret

    def find(self, secret: str) -> Export:
        """The export that a link is for; raises NotFoundError where there is none that holds."""
        digest = sha256(secret.encode()).hexdigest()
        for one in self._known.values():
            if secrets.compare_digest(one.secret, digest) and self.may_leave(one):
                return one
        raise NotFoundError("there is no such link, or it has lapsed", fix="ask whoever sent it for a new one")

    async def found(self, secret: str) -> tuple[Export, Path]:
        """The package that a link is for, of which nothing is given out; raises NotFoundError as `take` does."""
        one = self.find(secret)
        return one, await self._ready(one)

    async def opened(self, secret: str) -> Export:
        """The export that a link is for, once it is written down that the link was opened.

        Raises:
            NotFoundError: there is no such link, or it has lapsed.
            LedgerError: it cannot be written down.
        """
        found = self.find(secret)
        await self._step(found, "opened")
        return found

    async def look(self, caller: Caller, number: int) -> tuple[Export, Path]:
        """The package for whoever ordered it, to look at it before its link is handed on: nobody has received it so.

        Raises:
            NotAllowedError: they did not order it.
            NotFoundError: the package is not ready, or may not leave any more.
            LedgerError: it cannot be written down.
        """
        one = self._known.get(number)
        if one is None or not self.may_leave(one):
            raise NotFoundError("there is no such export, or its link has ended, and so has the package")
        if one.person != caller.who.person:
            raise NotAllowedError("who ordered an export looks at it")
        path = await self._ready(one)
        await self._step(one, "looked at")
        return one, path

    async def _ready(self, one: Export) -> Path:
        """Where its package lies; raises NotFoundError where it is not ready."""
        path = self._store.folder(one.number) / PACKAGE
        if one.state is not ExportState.READY or not await self._on(path.exists):
            raise NotFoundError("the package is not ready", fix="try again in a while")
        return path

    async def take(self, secret: str) -> tuple[Export, Path]:
        """The package that a link is for, once it is written down that it was given out, and which request it answers.

        Raises:
            NotFoundError: there is no such link, it has lapsed, or the package is not ready.
            LedgerError: it cannot be written down.
        """
        found = self.find(secret)
        path = await self._ready(found)
        is_new = await self._step(found, "given out")
        if self._known.get(found.number) is not found:
            raise NotFoundError("it was taken back just now", fix="ask whoever sent the link")
        if is_new:
            found.received += 1
            await self._on(lambda: self._store.save(found))
        if fetched(self._office.state, found.number, self._office.clock.wall_ns()).rows:
            await self._office.carry_out(lambda state, at_ns: fetched(state, found.number, at_ns))
        return found, path

    async def _step(self, one: Export, what: str) -> bool:
        """Writes down a step that a package goes; returns whether it is one.

        Browsers and download programs ask for the same in parts, and again: that is one step an hour.
        """
        now_ns = self._office.clock.monotonic_ns()
        before_ns = self._steps_ns.get((one.number, what))
        if before_ns is not None and now_ns - before_ns <= _ONE_STEP_NS:
            return False
        facts: dict[str, Value] = {"what": what, "export": str(one.number)}
        await self._office.write(Draft(Kind.EXPORT, facts, {"exported-by": Part(one.person)}))
        self._steps_ns[one.number, what] = now_ns
        return True

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
        self._known.pop(number, None)  # nobody fetches it while that is written down
        try:
            await self._office.write(Draft(Kind.EXPORT, facts, parts))
        except BaseException:
            self._known[number] = one
            raise
        await self._on(partial(self._store.remove, number))

    def certificate(self) -> str:
        """SHA-256 of the certificate with which exports are signed; empty before the first one. Blocks."""
        return fingerprint_in(self._places.folder)

    def authority(self) -> bytes:
        """The certificate with which readers trust the Content Credentials of films (PEM). Blocks.

        Raises:
            NotFoundError: there is none before the first export.
        """
        found = authority_in(self._places.folder)
        if not found:
            raise NotFoundError("nothing was exported yet, and there is no such certificate")
        return found

    def may_leave(self, one: Export) -> bool:
        """Whether an export's link holds: its time is not over, nobody took it or its grant back, and its case is open.

        A grant that has run out ends no link: it was live when the export was ordered.
        """
        state = self._office.state
        grant, person, case = (
            state.grants.get(one.grant), state.people.get(one.person), state.cases.get(one.order.case)
        )  # fmt: skip
        is_here = person is not None and person.state is PersonState.ACTIVE
        is_open = case is not None and case.closed_ns is None
        is_granted = grant is not None and grant.state is not GrantState.REVOKED
        return is_here and is_open and is_granted and one.until_ns > self._office.clock.wall_ns()

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
                await self._on(partial(self._store.clear, one))

    async def _make(self, one: Export) -> None:
        """All of it. Whoever lost the grant meanwhile gets nothing."""
        folder = self._store.folder(one.number)
        # A package that is there is whole, and its entry was durable before.
        if one.entry is None or not await self._on((folder / PACKAGE).exists):
            await self._packed(one, folder)
        one.state, one.done_bytes = ExportState.READY, one.total_bytes
        await self._on(lambda: self._store.save(one))

    async def _packed(self, one: Export, folder: Path) -> None:
        """Films it, writes it down, and packs it with what the ledger says."""
        made, digest, fingerprint = await self._filmed(one, folder)
        self._check_leave(one)
        if one.entry is None or one.manifest != digest.hex():
            receipt = await self._office.write(_made_draft(one, made.manifest, digest, fingerprint))
            one.entry, one.manifest = receipt.index, digest.hex()
            await self._on(lambda: self._store.save(one))
        index = one.entry
        while True:
            published = await self._on(lambda: read_published(self._places.ledger))
            if published.reader.size > index:
                break
            await self._office.clock.sleep(_POLL_S)
        entries = export.entries_of(made.manifest)
        proof = await self._on(lambda: export.prove(published, index, entries))
        path = await self._on_making(lambda: export.package(made, proof))
        # Nothing in a redacted one follows from the footage: it is looked at as its recipient will.
        if one.order.is_redacted:
            await self._on_making(lambda: verify(path))

    async def _filmed(self, one: Export, folder: Path) -> tuple[Made, bytes, str]:
        """The files and the manifest, once all of the stretch is closed and written down."""
        begun_ns = self._office.clock.monotonic_ns()
        while True:
            try:
                return await self._on_making(lambda: self._film(one, folder))
            except NotWrittenYetError:
                if self._office.clock.monotonic_ns() - begun_ns > _WRITTEN_WITHIN_NS:
                    raise
            await self._office.clock.sleep(_POLL_S)

    def _film(self, one: Export, folder: Path) -> tuple[Made, bytes, str]:
        """The files and the manifest. Blocks."""
        places, now_ns = self._places, self._office.clock.wall_ns()
        seal = open_seal(places.folder, places.city, places.city_key, now_ns)
        credentials = open_credentials(places.folder, places.city, places.city_key, now_ns)

        def progress(more: int) -> None:
            if self._ends.is_set():
                raise BusyError("the city stops; the export goes on when it runs again")
            self._check_leave(one)
            one.done_bytes = min(one.done_bytes + more, one.total_bytes)

        with Catalogue.open(places.catalogue) as catalogue:
            archive = Archive(catalogue, places.volumes, KeyRing(places.city_key))
            one.total_bytes, one.done_bytes = bytes_of(one.order, archive), 0
            # Films and the package stand beside each other for a while.
            if shutil.disk_usage(places.folder).free < 2 * one.total_bytes + places.reserve_bytes:
                raise DiskFullError("the disk has no room for this export", fix="export less, or make room")
            made = self._films(one.order, archive, Making(seal, credentials, folder, progress))
        page = verifier_page()
        words = statement(made, seal.certificate)
        pdf = statement_pdf(words, f"Export {one.order.number} of {places.city}", one.order.at_ns)
        digest = export.finish(made, seal, {STATEMENT: words.encode(), PRINTED: pdf, VERIFIER: page})
        return made, digest, seal.fingerprint

    def _check_leave(self, one: Export) -> None:
        if not self.may_leave(one):
            raise NotAllowedError("its grant, its case or its time ended before the export was made")

    def _films(self, order: Order, archive: Archive, making: Making) -> Made:
        """As they were recorded, or redacted. Blocks."""
        if not order.is_redacted:
            return original.make(order, archive, making)
        places = self._places
        with closing(ArchiveReader(places.catalogue, places.volumes, archive.keyring)) as reader:
            source = RedactedFilms(reader, ModelStore(places.scenes, places.city_key), places.settings_of)
            return redacted.make(order, archive, source, making)

    async def _keep_lapsing(self) -> None:
        """Takes away what nobody may have any more."""
        while True:
            now_ns = self._office.clock.wall_ns()
            for one in list(self._known.values()):
                # What failed says why until its link would have lapsed.
                has_failed = one.state is ExportState.FAILED and one.until_ns > now_ns
                is_over = not (has_failed or self.may_leave(one)) or not self._office.keys.is_known(one.person)
                if is_over and one.state is not ExportState.MAKING and one.number in self._known:
                    self._known.pop(one.number)
                    await self._on(partial(self._store.remove, one.number))
            await self._office.clock.sleep(_LAPSE_EVERY_S)

    async def _on(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._small, work)

    async def _on_making(self, work: Callable[[], _T]) -> _T:
        """What takes long, one export after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._making, work)


def _made_draft(one: Export, manifest: AnyManifest, digest: bytes, fingerprint: str) -> Draft:
    """The entry that says what was exported; for whom and what for, the exporter's part says."""
    order = one.order
    facts = export_facts(manifest, digest, fingerprint) | {"grant": one.grant}
    return Draft(
        Kind.EXPORT, facts, {"exported-by": Part(one.person, {"recipient": order.recipient, "case": order.case})}
    )
