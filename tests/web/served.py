"""The web with everything real behind it but the cameras: a catalogue, footage, a live hub, stills, a server."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from civicam.access.cases import MOST_NS, PURPOSES
from civicam.access.sign_in.founding import Founding, first_secret
from civicam.access.sign_in.provider import Provider, ProviderSettings
from civicam.camera.sample import SampleSink
from civicam.core.citykey import KEY_BYTES, CityKey
from civicam.core.errors import LedgerError
from civicam.core.ids import CameraId, StreamKey
from civicam.core.spans import Span
from civicam.footage.keys import KeyRing
from civicam.footage.volume import Volume
from civicam.ledger.entry import Draft, Receipt
from civicam.ledger.log import LedgerFolder
from civicam.player.archive_reader import ArchiveReader
from civicam.player.live import LiveHub, LiveLimits, LiveParts
from civicam.player.playback import Playback, PlaybackRedactors
from civicam.player.stills import StillMaker, StillShelf
from civicam.redaction.redactor import Redactor
from civicam.redaction.settings import RedactionSettings
from civicam.vision.decoder import Decoder
from civicam.vision.health import HealthEvent
from civicam.web.api import Application, Services
from civicam.web.authorise import Authoriser, LocalOnly, Policy
from civicam.web.bearer import Bearers
from civicam.web.clear_media import ClearMedia
from civicam.web.directory import Directory
from civicam.web.exports import Exports, Places
from civicam.web.holding import Holding
from civicam.web.ledger_api import LedgerFiles
from civicam.web.media import Media
from civicam.web.people_services import PeopleServices
from civicam.web.policies import PeoplePolicy
from civicam.web.requesting import Requesting
from civicam.web.server import WebServer, address_of, listen
from tests.access.house import PeopleHouse
from tests.fakes.clock import LateClock
from tests.fakes.pictures import LeftHalf, drawn
from tests.fakes.recorded import Recorded
from tests.fakes.samples import FRAME_90K, FRAME_NS, encoded
from tests.ledger.house import LedgerHouse

SETUP, SAMPLES = encoded(count=90, gop=30, size=(160, 96))
CAMERA = CameraId("rudaki-07")


NOWHERE = ProviderSettings("https://127.0.0.1:9/", "civicam", "")


class Endless:
    """A source that repeats real samples, as fast as `every_s` says."""

    def __init__(self, every_s: float = 0.01) -> None:
        self.every_s = every_s

    async def run(self, key: StreamKey, sink: SampleSink) -> None:
        sink.setup(SETUP)
        number = 0
        while True:
            sample = SAMPLES[number % len(SAMPLES)]
            sink.sample(replace(sample, pts_90k=number * FRAME_90K, wall_ns=number * FRAME_NS))
            number += 1
            await asyncio.sleep(self.every_s)


def places_of(
    folder: Path, volumes: dict[str, Volume], ledger: LedgerFolder, exports: str = "exports", reserve_bytes: int = 0
) -> Places:
    """Where the exports of a city in that folder are made, and from what."""
    return Places(
        folder.parent / exports,
        folder / "catalogue.sqlite",
        volumes,
        ledger,
        "Khujand",
        CityKey(b"k" * 32),
        folder.parent / "scenes",
        lambda _: RedactionSettings(),
        reserve_bytes,
    )


@dataclass
class KnownHealth:
    """Health events that a test put there."""

    known: dict[CameraId, list[HealthEvent]] = field(default_factory=dict)

    def lasting(self, camera: CameraId) -> list[HealthEvent]:
        return [event for event in self.known.get(camera, []) if event.ended_wall_ns is None]

    async def events(self, camera: CameraId, window: Span) -> list[HealthEvent]:
        return [
            event
            for event in self.known.get(camera, [])
            if event.began_wall_ns < window[1] and (event.ended_wall_ns is None or event.ended_wall_ns > window[0])
        ]


class KnownLedger:
    """A real ledger in this process, and what was written to it; it can be told to fail."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.log = LedgerHouse.build(folder).open()
        self.drafts: list[Draft] = []
        self.fails = False

    async def append(self, draft: Draft) -> Receipt:
        if self.fails:
            raise LedgerError("the disk is full")
        (receipt,) = self.log.append([draft], time.time_ns())
        self.log.integrate()
        self.log.publish(self.log.note())
        self.drafts.append(draft)
        return receipt


@dataclass
class Served:
    """A web that runs.

    Attributes:
        address: where.
        application: its routes.
        client: asks it.
        shelf: its stills.
        hub: its live views.
        health: what is known of its cameras.
        clock: its time.
        ledger: where its looks are written down.
        people: who may sign in, if it asks for people.
    """

    address: str
    application: Application
    client: httpx.AsyncClient
    shelf: StillShelf
    hub: LiveHub
    health: KnownHealth
    clock: LateClock
    ledger: KnownLedger
    people: PeopleHouse | None = None

    @property
    def house(self) -> PeopleHouse:
        """Its people."""
        assert self.people is not None
        return self.people

    def put_still(self, number: int = 0, wall_ns: int | None = None, camera: CameraId = CAMERA) -> None:
        """Makes the camera's newest still, from a picture of which half is covered."""
        redacted = LeftHalf().redact(replace(drawn(number), wall_ns=wall_ns or self.clock.wall_ns()))
        self.shelf.put(camera, StillMaker().make(redacted))


class Unknown:
    """A city that knew no scene of any time."""

    def begin(self, key: StreamKey, wall_ns: int) -> Redactor:
        return Redactor()


async def _prepared(key: StreamKey) -> None:
    """The redactors of these views know their scene."""


@asynccontextmanager
async def served(
    folder: Path,
    policy: Policy | None = None,
    *,
    limits: LiveLimits | None = None,
    every_s: float = 0.01,
    scenes: PlaybackRedactors | None = None,
    asks_people: bool = False,
    elsewhere: ProviderSettings | None = None,
) -> AsyncIterator[Served]:
    """Serves the city in `folder`, made if it is not there. Unless `policy` says otherwise, this machine may look.

    Where it `asks_people`, whoever signs in may look.
    """
    clock, shelf, health = LateClock(), StillShelf(), KnownHealth()
    ledger = KnownLedger(folder.parent / f"{folder.name}-ledger")
    if not (folder / "catalogue.sqlite").exists():
        Recorded.make(folder)
    directory = Directory(folder / "catalogue.sqlite", clock)
    async with AsyncExitStack() as held:
        pool = held.enter_context(ThreadPoolExecutor(2))
        parts = LiveParts(Endless(every_s), Decoder, lambda _: LeftHalf(), pool, clock)
        hub = LiveHub(parts, limits or LiveLimits())
        volumes = {"main": Volume("main", folder / "main", 0)}
        archive = ArchiveReader(folder / "catalogue.sqlite", volumes, KeyRing(CityKey(b"k" * 32)))
        playback = Playback(archive, scenes or Unknown())
        media = Media(directory, hub, shelf, (archive, playback), _prepared)
        people, services, clear = None, None, None
        if asks_people:
            people = PeopleHouse.build(folder.parent / f"{folder.name}-access.sqlite", ledger, clock)
            office, door = people.office, people.door
            policy = PeoplePolicy(office)
            bearers, lies = Bearers(door), ledger.log.folder
            provider = Provider(elsewhere or NOWHERE, office, door)
            founding = Founding(office, door, first_secret(office.store, CityKey(bytes(range(KEY_BYTES)))))
            places = places_of(folder, volumes, lies)
            exports = await held.enter_async_context(Exports(places, office).running())
            holding = Holding(folder / "catalogue.sqlite", office)
            services = PeopleServices(
                "Khujand",
                office,
                door,
                bearers,
                "UTC",
                PURPOSES,
                MOST_NS,
                lies,
                founding,
                exports,
                holding,
                Requesting(office),
                provider,
            )
            clear = ClearMedia(office, directory, archive, pool)
        authoriser = Authoriser(clock, policy or LocalOnly())
        application = Application(
            Services(
                "Khujand",
                authoriser,
                ledger,
                directory,
                media,
                health,
                clock,
                LedgerFiles(ledger.log.folder),
                services,
                clear,
                city_key=CityKey(bytes(range(KEY_BYTES))),
            )
        )
        stop = asyncio.Event()
        listening = listen("127.0.0.1", 0)
        address = address_of(listening)
        serving = asyncio.create_task(WebServer(application.app).run_until(stop, listening))
        try:
            async with httpx.AsyncClient(base_url=address, timeout=20) as client:
                yield Served(address, application, client, shelf, hub, health, clock, ledger, people)
        finally:
            stop.set()
            await serving
            await hub.close()
            if people is not None:
                await people.office.close()
        media.close()
    archive.close()
    directory.close()
    ledger.log.close()
