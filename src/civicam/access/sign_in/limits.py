"""How often signing in may be tried, and how much may be begun. What is refused here is not written down."""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final, Generic, TypeVar

from civicam.core.clock import Clock
from civicam.core.errors import TooSoonError

_SECOND_NS: Final = 1_000_000_000
_FORGET_NS: Final = 900 * _SECOND_NS
_MOST_KEPT: Final = 20_000
_MOST_BEGUN: Final = 20
_T = TypeVar("_T")


def network_of(peer: str) -> str:
    """What counts as one place: an IPv4 address, or the 64 bits of an IPv6 address that a subscriber is given."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


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


class Waiting(Generic[_T]):
    """What was begun and waits for an answer. Whoever begins too much loses what they began themselves, first.

    Args:
        clock: the time.
        lasts_ns: it waits so long.
    """

    def __init__(self, clock: Clock, lasts_ns: int) -> None:
        self._clock = clock
        self._lasts_ns = lasts_ns
        self._kept: OrderedDict[str, tuple[str, int, _T]] = OrderedDict()
        self._by: dict[str, OrderedDict[str, None]] = {}

    def put(self, by: str, name: str, value: _T) -> None:
        """Keeps what somebody began."""
        theirs = self._by.setdefault(by, OrderedDict())
        theirs[name] = None
        self._kept[name] = by, self._clock.monotonic_ns() + self._lasts_ns, value
        if len(theirs) > _MOST_BEGUN:
            self._drop(next(iter(theirs)))
        if len(self._kept) > _MOST_KEPT:
            self._drop(next(iter(self._kept)))

    def take(self, name: str) -> _T | None:
        """What was begun, once; None where there is no such thing, or it waited too long."""
        found = self._drop(name)
        return None if found is None or self._clock.monotonic_ns() >= found[0] else found[1]

    def _drop(self, name: str) -> tuple[int, _T] | None:
        found = self._kept.pop(name, None)
        if found is None:
            return None
        by, until_ns, value = found
        theirs = self._by[by]
        del theirs[name]
        if not theirs:
            del self._by[by]
        return until_ns, value
