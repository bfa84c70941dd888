"""Everybody is called once a round."""

import asyncio
from collections import Counter
from functools import partial

from civicam.camera.watchdog import Watchdog
from tests.fakes.clock import ManualClock


def test_everybody_who_asked_is_called_once_a_round_and_nobody_who_left() -> None:
    async def main() -> None:
        clock = ManualClock()
        watchdog = Watchdog(clock, interval_s=0.5)
        called: Counter[str] = Counter()
        first, second = partial(called.update, ("first",)), partial(called.update, ("second",))
        watchdog.add(first)
        watchdog.add(second)
        task = asyncio.create_task(watchdog.run())
        await asyncio.sleep(0)
        for _ in range(3):
            clock.advance(0.5)
            await asyncio.sleep(0)
        watchdog.remove(first)
        clock.advance(0.5)
        await asyncio.sleep(0)
        task.cancel()
        assert called == {"first": 3, "second": 4}

    asyncio.run(main())
