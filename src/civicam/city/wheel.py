"""A timing wheel: one task that calls thousands of things when they are due, instead of thousands of sleeping tasks."""

from collections.abc import Callable

from civicam.core.clock import Clock

Due = Callable[[int], None]
"""What is called when it is due, with the clock's monotonic nanoseconds."""


class Wheel:
    """Calls what is due, in ticks.

    A call is never early, and late by at most a tick plus what the loop was busy for.

    Args:
        clock: time.
        tick_ms: the wheel's step, milliseconds: longer costs less, shorter paces better.
    """

    def __init__(self, clock: Clock, tick_ms: int = 5) -> None:
        self._clock = clock
        self._tick_ns = tick_ms * 1_000_000
        self._slots: dict[int, list[Due]] = {}
        self._done = clock.monotonic_ns() // self._tick_ns
        self.late_max_ns = 0
        """The longest that the wheel itself woke up behind its tick."""

    def call_at(self, due_ns: int, call: Due) -> None:
        """Has `call` called at the first tick at or after `due_ns` (monotonic); at the next one when that is past."""
        tick = -(-due_ns // self._tick_ns)
        if tick <= self._done:
            tick = self._done + 1
        slot = self._slots.get(tick)
        if slot is None:
            self._slots[tick] = [call]
        else:
            slot.append(call)

    def advance(self, now_ns: int) -> None:
        """Calls everything that is due by `now_ns`, in order of time."""
        last = now_ns // self._tick_ns
        while self._done < last:
            self._done += 1
            slot = self._slots.pop(self._done, None)
            if slot is not None:
                for call in slot:
                    call(now_ns)

    async def run(self) -> None:
        """Turns until cancelled. What a call raises ends it: a fault of the simulator must not pass unseen."""
        while True:
            next_ns = (self._done + 1) * self._tick_ns
            await self._clock.sleep(max(0, next_ns - self._clock.monotonic_ns()) / 1e9)
            now_ns = self._clock.monotonic_ns()
            self.late_max_ns = max(self.late_max_ns, now_ns - next_ns)
            self.advance(now_ns)
