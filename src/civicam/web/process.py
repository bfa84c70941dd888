"""The web process: `python -m civicam.web.process`, started by `civicam run` and spoken to over its pipes.

One line of plan comes in on standard input; reports go out on standard output, a line a second. It ends when its input
does, whoever closed it. What takes time is on threads; the event loop takes in, hands on and serves.
"""

import asyncio
import logging
import os
import random
import signal
import sys
from typing import Final

import uvloop

from civicam.core.clock import Clock, SystemClock
from civicam.core.errors import CivicamError
from civicam.web.api import Application, Services
from civicam.web.authorise import Authoriser, policy_named
from civicam.web.parts import Parts, running_parts
from civicam.web.plan import WebPlan, WebReport
from civicam.web.server import WebServer, address_of, listen

_REPORT_EVERY_S: Final = 1.0


async def serve(
    plan: WebPlan, stop: asyncio.Event, reports: asyncio.WriteTransport, *, clock: Clock, rng: random.Random
) -> None:
    """Serves what `plan` says until `stop` is set.

    Args:
        plan: what to serve.
        stop: ends it.
        reports: where reports go.
        clock: the time.
        rng: jitter.

    Raises:
        ConfigError: the address cannot be listened at, or there is no such policy.
        CatalogueError: there is no catalogue.
    """
    policy = policy_named(plan.allow)
    with listen(plan.host, plan.port) as listening:
        async with running_parts(plan, clock=clock, rng=rng) as parts:
            services = Services(plan.city, Authoriser(clock, policy), parts.directory, parts.media, parts.health, clock)
            server = WebServer(Application(services).app)
            telling = asyncio.create_task(_tell(parts, address_of(listening), reports, clock))
            try:
                await server.run_until(stop, listening)
            finally:
                telling.cancel()


async def _tell(parts: Parts, address: str, reports: asyncio.WriteTransport, clock: Clock) -> None:
    """Reports once a second, to whoever listens."""
    while True:
        report = WebReport(address, parts.hub.streams, parts.hub.viewers, parts.alarms())
        if not reports.is_closing() and not reports.get_write_buffer_size():
            reports.write(report.to_json().encode() + b"\n")
        await clock.sleep(_REPORT_EVERY_S)


async def _main() -> None:
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    plan = WebPlan.from_json((await commands.readline()).decode())
    reports, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout)
    stop = asyncio.Event()
    waiting = asyncio.create_task(_until_end(commands, stop))
    try:
        await serve(plan, stop, reports, clock=SystemClock(), rng=random.Random())
    finally:
        waiting.cancel()


async def _until_end(commands: asyncio.StreamReader, stop: asyncio.Event) -> None:
    """Nothing more is to be said to this process; an end means that it is no longer wanted."""
    while await commands.readline():
        continue
    stop.set()


def main() -> None:
    """Runs the web process on this process's standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the recorder says when; ^C reaches the whole group
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="civicam web: %(message)s", stream=sys.stderr)
    try:
        uvloop.run(_main())
    except CivicamError as error:
        sys.stderr.write(f"civicam web: {error}\n")
        os._exit(1)


if __name__ == "__main__":
    main()
