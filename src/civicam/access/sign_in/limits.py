"""How often signing in may be tried. What is refused here costs nothing more, and is not written down."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from civicam.core.clock import Clock
from civicam.core.errors import TooSoonError

_SECOND_NS: Final = 1_000_000_000
_FORGET_NS: Final = 900 * _SECOND_NS
_MOST_KEPT: Final = 20_000


@dataclass(slots=True)
class _Failures:
    count: int
    last_ns: int


class Limits:
    """Counts what failed, by login and by address. In memory: a restart forgets it.

    Args:
        clock: the time.
        free: so many failures cost nothing; each one more doubles the wait, from a second to a quarter of an hour.
    """

    def __init__(self, clock: Clock, free: int) -> None:
        self._clock = clock
        self._free = free
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def check(self, name: str) -> None:
        """Returns if it may be tried now.

        Raises:
            TooSoonError: it failed too often just now.
        """
        found = self._failures.get(name)
        if found is None:
            return
        past_ns = self._clock.monotonic_ns() - found.last_ns
        if past_ns >= _FORGET_NS:
            del self._failures[name]
            return
        over = found.count - self._free
        wait_ns = min(_FORGET_NS, _SECOND_NS << min(over, 20)) if over >= 0 else 0
        if past_ns < wait_ns:
            seconds = -(-(wait_ns - past_ns) // _SECOND_NS)
            raise TooSoonError("this was tried too often", fix=f"try again in {seconds} s")

    def failed(self, name: str) -> None:
        """It failed."""
        found = self._failures.setdefault(name, _Failures(0, 0))
        found.count += 1
        found.last_ns = self._clock.monotonic_ns()
        self._failures.move_to_end(name)
        while len(self._failures) > _MOST_KEPT:
            self._failures.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """It went well: what failed before is forgotten."""
        self._failures.pop(name, None)
