"""The web process, kept running; recording goes on whatever happens to it."""

import asyncio
import random
from typing import Final

from civicam.core.child import Child, ChildKind
from civicam.core.clock import Clock
from civicam.web.plan import WebPlan, WebReport

KIND: Final = ChildKind("civicam.web.process", WebReport.from_json, environment={"MALLOC_ARENA_MAX": "2"})
_STARTS_WITHIN_S: Final = 30.0


class WebKeeper:
    """Keeps the web process of `plan` running.

    Args:
        plan: what it serves.
        clock: the time.
        rng: jitter between two starts.
        kind: how much patience there is with it.
    """

    def __init__(self, plan: WebPlan, *, clock: Clock, rng: random.Random, kind: ChildKind[WebReport] = KIND) -> None:
        self._child = Child(kind, lambda: [plan.to_json()], clock=clock, rng=rng)

    @property
    def report(self) -> WebReport | None:
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
            return [f"web: {alarm}" for alarm in self.report.alarms]
        if self._child.lives_s < _STARTS_WITHIN_S and not self.restarts:
            return []
        return ["the web process is down: nobody can look now; recording goes on"]

    async def run(self, stop: asyncio.Event) -> None:
        """Starts the process again and again until `stop` is set."""
        await self._child.run(stop)
