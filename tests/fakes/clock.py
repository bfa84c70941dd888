"""A clock that stands still until it is told to move."""

import asyncio
import heapq
import itertools

from civicam.core.clock import SystemClock


class LateClock(SystemClock):
    """The machine's clock, and so much later on the wall.

    Attributes:
        late_ns: so much.
    """

    late_ns = 0

    def wall_ns(self) -> int:
        return super().wall_ns() + self.late_ns


class ManualClock:
    """See `core.clock.Clock`. Time passes by `advance` only; the wall clock can be set apart from it."""

    def __init__(self, wall_ns: int = 1_800_000_000_000_000_000, monotonic_ns: int = 1_000_000_000) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def wall_ns(self) -> int:
        return self._wall_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    @property
    def sleepers(self) -> int:
        """How many wait for this clock now."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        until_ns = self._monotonic_ns + round(seconds * 1e9)
        heapq.heappush(self._sleepers, (until_ns, next(self._numbers), future))
        await future

    def advance(self, seconds: float) -> None:
        """Lets time pass and wakes those whose time has come; they run when the caller next awaits."""
        self.advance_ns(round(seconds * 1e9))

    def advance_ns(self, nanoseconds: int) -> None:
        self._wall_ns += nanoseconds
        self._monotonic_ns += nanoseconds
        while self._sleepers and self._sleepers[0][0] <= self._monotonic_ns:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    def set_wall(self, wall_ns: int) -> None:
        """Sets the wall clock, as an engineer or NTP would."""
        self._wall_ns = wall_ns
