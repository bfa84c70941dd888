"""Writes the API's description: `python -m civicam.web.describe > docs/openapi.json`."""

import asyncio
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from civicam.access.cases import MOST_NS, PURPOSES
from civicam.access.office import Office
from civicam.access.sign_in.door import Door
from civicam.access.sign_in.founding import Founding
from civicam.access.sign_in.provider import Provider, ProviderSettings
from civicam.access.store import AccessStore
from civicam.catalogue.catalogue import Catalogue
from civicam.core.citykey import CityKey
from civicam.core.clock import SystemClock
from civicam.core.errors import LedgerError, PlayerError
from civicam.core.ids import CameraId, StreamKey
from civicam.core.spans import Span
from civicam.footage.keys import KeyRing
from civicam.ledger.entry import Draft, Receipt
from civicam.ledger.log import LedgerFolder
from civicam.ledger.people_keys import PeopleKeys
from civicam.player.archive_reader import ArchiveReader
from civicam.player.playback import Playback
from civicam.player.stills import StillShelf
from civicam.player.viewer import Viewer
from civicam.redaction.redactor import Redactor
from civicam.redaction.settings import RedactionSettings
from civicam.vision.health import HealthEvent
from civicam.web.api import Application, Services
from civicam.web.authorise import Authoriser
from civicam.web.bearer import Bearers
from civicam.web.clear_media import ClearMedia
from civicam.web.directory import Directory
from civicam.web.exports import Exports, Places
from civicam.web.holding import Holding
from civicam.web.ledger_api import LedgerFiles
from civicam.web.media import Media
from civicam.web.people_services import PeopleServices
from civicam.web.requesting import Requesting


class _Nothing:
    """A city without cameras: what the API is like does not depend on them."""

    def watch(self, key: StreamKey) -> Viewer:
        raise PlayerError("there is nothing to be seen", where=str(key))

    def begin(self, key: StreamKey, wall_ns: int) -> Redactor:
        return Redactor()

    async def prepare(self, key: StreamKey) -> None:
        pass

    async def append(self, draft: Draft) -> Receipt:
        raise LedgerError("nothing is written down")

    def lasting(self, camera: CameraId) -> list[HealthEvent]:
        return []

    async def events(self, camera: CameraId, window: Span) -> list[HealthEvent]:
        return []


def main() -> None:
    """Writes the description to standard output."""
    clock, nothing = SystemClock(), _Nothing()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "catalogue.sqlite")
        Catalogue.open(path, create=True).close()
        directory = Directory(path, clock)
        archive = ArchiveReader(path, {}, KeyRing(CityKey(bytes(32))))
        media = Media(directory, nothing, StillShelf(), (archive, Playback(archive, nothing)), nothing.prepare)
        ledger, city_key = LedgerFolder(Path(folder)), CityKey(bytes(32))
        office = Office(
            AccessStore(Path(folder, "access.sqlite")),
            PeopleKeys(ledger.people, city_key),
            city_key,
            nothing,
            clock=clock,
        )
        door = Door(office, "a city")
        provider = Provider(ProviderSettings("https://sso.example/", "civicam", ""), office, door)
        scenes = Path(folder, "scenes")
        places = Places(Path(folder), path, {}, ledger, "a city", city_key, scenes, lambda _: RedactionSettings())
        exports = Exports(places, office)
        people = PeopleServices(
            "a city",
            office,
            door,
            Bearers(door),
            "UTC",
            PURPOSES,
            MOST_NS,
            ledger,
            Founding(office, door),
            exports,
            Holding(path, office),
            Requesting(office),
            provider,
        )
        with ThreadPoolExecutor(1) as pool:
            clear = ClearMedia(office, directory, archive, pool)
        public = LedgerFiles(ledger)
        application = Application(
            Services(
                "a city",
                Authoriser(clock),
                nothing,
                directory,
                media,
                nothing,
                clock,
                public,
                people,
                clear,
                city_key=city_key,
            )
        )
        sys.stdout.write(json.dumps(application.description(), indent=1, sort_keys=True) + "\n")
        asyncio.run(office.close())
        media.close()
        archive.close()
        directory.close()


if __name__ == "__main__":
    main()
