"""One task that looks after all cameras of a process, so that none needs a timer of its own."""

from collections.abc import Callable

from civicam.core.clock import Clock

Tick = Callable[[], None]
"""Must not block or raise."""


class Watchdog:
    """Calls everybody who asked for it once a round, a group after the other.

    Few large groups, because each time the process wakes up it pays for having slept; more than one, so that no group
    keeps the event loop for long.

    Args:
        clock: this machine's.
        round_s: seconds in which everybody is called once.
        groups: how many groups there are in a round.
    """

    def __init__(self, clock: Clock, round_s: float = 0.5, groups: int = 2) -> None:
        self._clock = clock
        self._pause_s = round_s / groups
        self._groups: list[dict[Tick, None]] = [{} for _ in range(groups)]

    def add(self, tick: Tick) -> None:
        """`tick` is called in every round from now on."""
        min(self._groups, key=len)[tick] = None

    def remove(self, tick: Tick) -> None:
        """`tick` is not called any more."""
        for group in self._groups:
            group.pop(tick, None)

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            for group in self._groups:
                await self._clock.sleep(self._pause_s)
                for tick in tuple(group):
                    tick()
