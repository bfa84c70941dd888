"""One task that looks after all cameras of a process, so that none needs a timer of its own."""

from collections.abc import Callable

from civicam.core.clock import Clock

Tick = Callable[[], None]
"""Must not block or raise."""


class Watchdog:
    """Calls everybody who asked for it, again and again, one after the other: waking up costs more than many calls.

    Args:
        clock: this machine's.
        interval_s: seconds between two rounds.
    """

    def __init__(self, clock: Clock, interval_s: float = 0.25) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._ticks: dict[Tick, None] = {}

    def add(self, tick: Tick) -> None:
        """`tick` is called in every round from now on."""
        self._ticks[tick] = None

    def remove(self, tick: Tick) -> None:
        """`tick` is not called any more."""
        self._ticks.pop(tick, None)

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._clock.sleep(self._interval_s)
            for tick in tuple(self._ticks):
                tick()
