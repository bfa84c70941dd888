"""Time, passed in. Nothing in civicam reads the machine's clock except through a `Clock`."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What a part that needs time asks for."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01T00:00:00Z; may step when the machine's clock is set."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary moment; never steps back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after `seconds` of this clock."""
        ...


class SystemClock:
    """The machine's own clock."""

    def wall_ns(self) -> int:
        """See `Clock`."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """See `Clock`."""
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        await asyncio.sleep(seconds)
