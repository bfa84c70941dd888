"""The web process: `python -m civicam.web.process`, started by `civicam run` and spoken to over its pipes.

One line of plan comes in on standard input; reports go out on standard output, a line a second. It ends when its input
does, whoever closed it. What takes time is on threads; the event loop takes in, hands on and serves.
"""

import asyncio
import random
from pathlib import Path
from typing import Final

from civicam.core.clock import Clock, SystemClock
from civicam.core.parent import Parent, parent, run_child
from civicam.ledger.client import LedgerClient
from civicam.web.api import Application, Services
from civicam.web.authorise import Authoriser, policy_named
from civicam.web.parts import Parts, running_parts
from civicam.web.plan import WebPlan, WebReport
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
    policy = policy_named(plan.allow)
    with listen(plan.host, plan.port) as listening:
        async with running_parts(plan, clock=clock, rng=rng) as parts:
            ledger = LedgerClient(Path(plan.ledger))
            services = Services(
                plan.city, Authoriser(clock, policy), ledger, parts.directory, parts.media, parts.health, clock
            )
            server = WebServer(Application(services).app)
            telling = asyncio.create_task(_tell(parts, address_of(listening), told, clock))
            try:
                await server.run_until(told.stop, listening)
            finally:
                telling.cancel()
                await ledger.close()


async def _tell(parts: Parts, address: str, told: Parent, clock: Clock) -> None:
    while True:
        told.report(WebReport(address, parts.hub.streams, parts.hub.viewers, parts.alarms()).to_json())
        await clock.sleep(_REPORT_EVERY_S)


async def _main() -> None:
    async with parent() as told:
        await serve(WebPlan.from_json(told.plan), told, clock=SystemClock(), rng=random.Random())


if __name__ == "__main__":
    run_child("web", _main)
