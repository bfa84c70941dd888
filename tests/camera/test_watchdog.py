"""Everybody is called once a round, in few groups."""

import asyncio
from collections import Counter

from civicam.camera.watchdog import Watchdog
from tests.fakes.clock import ManualClock


def test_everybody_is_called_once_a_round_in_groups_of_like_size() -> None:
    async def main() -> None:
        clock = ManualClock()
        watchdog = Watchdog(clock, round_s=1, groups=4)
        called: Counter[int] = Counter()
        ticks = [lambda number=number: called.update((number,)) for number in range(10)]
        for tick in ticks:
            watchdog.add(tick)
        task = asyncio.create_task(watchdog.run())
        sizes = []
        for _ in range(8):
            await asyncio.sleep(0)
            before = called.total()
            clock.advance(0.25)
            await asyncio.sleep(0)
            sizes.append(called.total() - before)
        assert sorted(sizes[:4]) == sorted(sizes[4:]) == [2, 2, 3, 3]
        assert set(called.values()) == {2}
        watchdog.remove(ticks[0])
        clock.advance(1)
        await asyncio.sleep(0)
        assert called[0] == 2
        task.cancel()

    asyncio.run(main())
