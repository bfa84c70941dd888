"""The web process: `python -m civicam.web.process`, started by `civicam run` and spoken to over its pipes.

One line of plan comes in on standard input; reports go out on standard output, a line a second. It ends when its input
does, whoever closed it. What takes time is on threads; the event loop takes in, hands on and serves.
"""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp

from civicam.access.decide import HOUR_NS
from civicam.access.models import GrantState
from civicam.access.office import Office
from civicam.access.sign_in.door import Door
from civicam.access.sign_in.founding import Founding, first_secret
from civicam.access.sign_in.provider import Provider, ProviderSettings
from civicam.access.store import AccessStore
from civicam.core.citykey import load_city_key
from civicam.core.clock import Clock, SystemClock
from civicam.core.errors import ConfigError
from civicam.core.parent import Parent, parent, run_child
from civicam.ledger.client import LedgerClient
from civicam.ledger.log import LedgerFolder
from civicam.ledger.people_keys import PeopleKeys
from civicam.web.api import Application, Services
from civicam.web.authorise import Authoriser
from civicam.web.bearer import Bearers
from civicam.web.exports import Exports, Places
from civicam.web.holding import Holding
from civicam.web.ledger_api import LedgerFiles
from civicam.web.parts import Parts, running_parts, settings_of
from civicam.web.people_services import PeopleServices
from civicam.web.plan import WebPlan, WebReport
from civicam.web.policies import policy_named
from civicam.web.requesting import Requesting
from civicam.web.server import WebServer, address_of, listen

_REPORT_EVERY_S: Final = 1.0


async def serve(plan: WebPlan, told: Parent, *, clock: Clock, rng: random.Random) -> None:
    """Serves what `plan` says until the parent wants it no longer.

    Args:
        plan: what to serve.
        told: the parent.
        clock: the time.
        rng: jitter.

    Raises:
        ConfigError: the address cannot be listened at, or there is no such policy.
        CatalogueError: there is no catalogue.
    """
    certificate = (plan.certificate, plan.certificate_key) if plan.certificate else None
    ledger = LedgerClient(Path(plan.ledger))
    with listen(plan.host, plan.port) as listening:
        async with running_parts(plan, clock=clock, rng=rng) as parts, _people(plan, ledger, clock) as people:
            policy = policy_named(plan.allow, people.office if people else None)
            services = Services(
                plan.city,
                Authoriser(clock, policy),
                ledger,
                parts.directory,
                parts.media,
                parts.health,
                clock,
                LedgerFiles(LedgerFolder(Path(plan.ledger_folder))),
                people,
                parts.clear(people.office) if people else None,
                plan.status,
                Path(plan.map) if plan.map else None,
                load_city_key(Path(plan.city_key)),
            )
            server = _server(Application(services).app, certificate)
            address = address_of(listening, "https" if certificate else "http")
            telling = asyncio.create_task(_tell(parts, people, address, told, clock))
            try:
                await server.run_until(told.stop, listening)
            finally:
                telling.cancel()
                await ledger.close()


def _server(app: ASGIApp, certificate: tuple[str, str] | None) -> WebServer:
    try:
        return WebServer(app, certificate)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the certificate cannot be used: {error}",
            where=certificate[0] if certificate else "",
            fix="check web.certificate and web.certificate_key",
        ) from error


@asynccontextmanager
async def _people(plan: WebPlan, ledger: LedgerClient, clock: Clock) -> AsyncIterator[PeopleServices | None]:
    """Who may sign in, where the city's rule asks for people."""
    if plan.people is None:
        yield None
        return
    folder, city_key = LedgerFolder(Path(plan.ledger_folder)), load_city_key(Path(plan.city_key))
    keys = PeopleKeys(folder.people, city_key)
    store = AccessStore(Path(plan.people.database))
    office = Office(store, keys, city_key, ledger, clock=clock)
    door = Door(office, plan.city)
    most_ns = round(plan.people.grant_hours * HOUR_NS)
    volumes = {one.name: one.volume for one in plan.volumes}
    places = Places(
        Path(plan.exports),
        Path(plan.catalogue),
        volumes,
        folder,
        plan.city,
        city_key,
        Path(plan.scenes),
        lambda camera: settings_of(plan, camera),
    )
    holding = Holding(Path(plan.catalogue), office)
    requesting = Requesting(office)
    keeping = [asyncio.create_task(one.keep()) for one in (office, holding, requesting)]
    try:
        async with Exports(places, office).running() as exports:
            yield PeopleServices(
                plan.city,
                office,
                door,
                Bearers(door),
                plan.people.zone,
                plan.people.purposes,
                most_ns,
                folder,
                Founding(office, door, first_secret(store, city_key)),
                exports,
                holding,
                requesting,
                Provider(ProviderSettings(*plan.people.provider), office, door) if plan.people.provider else None,
            )
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.wait(keeping)
        await office.close()


def _people_alarms(people: PeopleServices | None) -> list[str]:
    """Glass that is broken now, and rights that do not hold yet: whoever looks at this machine is told, too."""
    if people is None:
        return []
    told = (("people and rights", people.office.trouble), ("exports", people.exports.trouble))
    glass = [
        f"grant {grant.id}: somebody broke the glass, and sees clear video now"
        for grant in people.state.grants.values()
        if grant.is_break_glass and grant.state is GrantState.APPROVED
    ]
    return [
        *(f"{what}: {words}" for what, words in told if words),
        *people.holding.alarms(),
        *people.requesting.alarms(),
        *glass,
    ]


async def _tell(parts: Parts, people: PeopleServices | None, address: str, told: Parent, clock: Clock) -> None:
    while True:
        alarms = [*parts.alarms(), *_people_alarms(people)]
        told.report(WebReport(address, parts.hub.streams, parts.hub.viewers, alarms).to_json())
        await clock.sleep(_REPORT_EVERY_S)


async def _main() -> None:
    async with parent() as told:
        await serve(WebPlan.from_json(told.plan), told, clock=SystemClock(), rng=random.Random())


if __name__ == "__main__":
    run_child("web", _main)
