"""The ledger's process: `python -m civicam.ledger.process`, started by `civicam run` and spoken to over its pipes.

It alone writes the log. A line of plan comes in on standard input; reports go out on standard output, a line a second.
"""

import asyncio
from pathlib import Path
from typing import Final

from civicam.core.citykey import load_city_key
from civicam.core.clock import Clock, SystemClock
from civicam.core.parent import Parent, parent, run_child
from civicam.ledger.log import LedgerFolder, Log
from civicam.ledger.plan import LedgerPlan, LedgerReport
from civicam.ledger.server import LedgerServer
from civicam.ledger.witness_client import WitnessClient

_REPORT_EVERY_S: Final = 1.0


async def serve(plan: LedgerPlan, told: Parent, clock: Clock) -> None:
    """Writes what others ask for until the parent wants it no longer.

    Raises:
        ConfigError: the city's key cannot be used.
        LedgerError: there is no ledger, another process writes it, or what is there does not fit together.
        SealError: the ledger's key does not open with the city's.
    """
    log = Log(LedgerFolder(Path(plan.folder)), load_city_key(Path(plan.city_key)))
    try:
        server = LedgerServer(log, clock, [WitnessClient(one) for one in plan.witnesses])
        running = [
            asyncio.create_task(server.run(Path(plan.socket))),
            asyncio.create_task(_tell(log, server, told, clock)),
        ]
        stopping = asyncio.create_task(told.stop.wait())
        await asyncio.wait({*running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (*running, stopping):
            task.cancel()
        for result in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        log.integrate()
        if not plan.witnesses:
            log.publish(log.note())
    finally:
        log.close()


async def _tell(log: Log, server: LedgerServer, told: Parent, clock: Clock) -> None:
    while True:
        told.report(LedgerReport(log.size, log.checkpoint.size, [*server.alarms.values()]).to_json())
        await clock.sleep(_REPORT_EVERY_S)


async def _main() -> None:
    async with parent() as told:
        await serve(LedgerPlan.from_json(told.plan), told, SystemClock())


if __name__ == "__main__":
    run_child("ledger", _main)
