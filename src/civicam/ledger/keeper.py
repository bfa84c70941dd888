"""The ledger's process, kept running; while it is down nothing is shown, and recording goes on."""

import asyncio
import random
from typing import Final

from civicam.core.child import Child, ChildKind
from civicam.core.clock import Clock
from civicam.ledger.plan import LedgerPlan, LedgerReport

KIND: Final = ChildKind("civicam.ledger.process", LedgerReport.from_json, silent_after_s=15.0, restart_s=(0.2, 10.0))
_STARTS_WITHIN_S: Final = 15.0


class LedgerKeeper:
    """Keeps the ledger's process of `plan` running.

    Args:
        plan: what it writes.
        clock: the time.
        rng: jitter between two starts.
        kind: how much patience there is with it.
    """

    def __init__(
        self, plan: LedgerPlan, *, clock: Clock, rng: random.Random, kind: ChildKind[LedgerReport] = KIND
    ) -> None:
        self._child = Child(kind, lambda: [plan.to_json()], clock=clock, rng=rng)

    @property
    def report(self) -> LedgerReport | None:
        """The newest report of the process that runs, None while none has reported."""
        return self._child.report

    @property
    def restarts(self) -> int:
        """How often it was started anew."""
        return self._child.restarts

    @property
    def pid(self) -> int | None:
        """The process's id, None while there is none."""
        return self._child.pid

    def alarms(self) -> list[str]:
        """What an engineer must look at now; a process that just began is given the time to report."""
        if self.report is not None:
            return [f"ledger: {alarm}" for alarm in self.report.alarms]
        if self._child.lives_s < _STARTS_WITHIN_S and not self.restarts:
            return []
        return ["the ledger is down: nothing can be written down, so nothing is shown; recording goes on"]

    async def run(self, stop: asyncio.Event) -> None:
        """Starts the process again and again until `stop` is set."""
        await self._child.run(stop)
