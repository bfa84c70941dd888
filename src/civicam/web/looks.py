"""Each look, written down before it happens. Whatever gives out pictures takes a `Look`, and only `Looks` makes one.

A view is one entry, and not each request of it: a live view from its beginning to its end, a stretch of the archive
however it is sought through, a camera's stills for ten minutes.
"""

from collections import OrderedDict
from typing import Final, NamedTuple, Protocol

from civicam.core.clock import Clock
from civicam.core.errors import NotAllowedError
from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.ledger.encoding import moment
from civicam.ledger.entry import Draft, Kind, Part, Receipt, Value
from civicam.web.authorise import Decision, Purpose, Viewer

_SECOND_NS: Final = 1_000_000_000
STILLS_NS: Final = 600 * _SECOND_NS
"""Stills of one camera for so long are one view."""
PLAYBACK_NS: Final = 3600 * _SECOND_NS
"""Who plays the same stretch for longer looks again."""
_MOST_KEPT: Final = 4096
_SHORT_NS: Final = 2 * _SECOND_NS
_HOUR_NS: Final = 3600 * _SECOND_NS


class Ledger(Protocol):
    """Where looks are written down; `ledger.client.LedgerClient` is one."""

    async def append(self, draft: Draft) -> Receipt:
        """Writes `draft` down, and returns when it is durable; raises LedgerError."""
        ...


class _Seal:
    """Kept in this file: without it there is no `Look`."""


_SEAL: Final = _Seal()


class Look:
    """A look that was allowed and is written down.

    Attributes:
        decision: what was allowed.
        receipt: where it is written.
    """

    __slots__ = ("decision", "receipt")

    def __init__(self, decision: Decision, receipt: Receipt, *, made_by: _Seal) -> None:
        if made_by is not _SEAL:
            raise NotAllowedError("a look is made by writing it down")
        self.decision: Final = decision
        self.receipt: Final = receipt


_Key = tuple[Viewer, CameraId, Purpose, int | None]


class _Written(NamedTuple):
    """An entry that covers more than the request it was written for."""

    window: Span
    until_ns: int
    receipt: Receipt


class Looks:
    """Writes looks down.

    Args:
        ledger: where.
        clock: the time.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._kept: OrderedDict[_Key, _Written] = OrderedDict()

    async def written(self, decision: Decision) -> Look:
        """The look that `decision` allows, once it is durable in the ledger; an entry that covers it may be there.

        Raises:
            NotAllowedError: the decision allows no camera.
            LedgerError: it cannot be written down, so nothing may be shown.
        """
        now_ns = self._clock.wall_ns()
        key = decision.viewer, decision.camera, decision.purpose, decision.grant
        kept = self._kept.get(key)
        if kept is not None and now_ns < kept.until_ns and _covers(kept.window, decision.window):
            return Look(decision, kept.receipt, made_by=_SEAL)
        window, until_ns = _extent(decision, now_ns)
        receipt = await self._ledger.append(Draft(Kind.VIEW, _facts(decision, window), _parts(decision)))
        if until_ns > now_ns:
            self._keep(key, _Written(window, until_ns, receipt))
        return Look(decision, receipt, made_by=_SEAL)

    async def ended(self, look: Look) -> None:
        """Writes down that a live view ended, and when it had begun.

        Raises:
            LedgerError: it cannot be written down; that it began is.
        """
        facts: dict[str, Value] = {"camera": look.decision.camera, "view": look.receipt.index}
        facts["from"] = moment(look.receipt.wall_ns)
        await self._ledger.append(Draft(Kind.VIEW_END, facts, _parts(look.decision)))

    def _keep(self, key: _Key, written: _Written) -> None:
        self._kept[key] = written
        self._kept.move_to_end(key)
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)


def _covers(outer: Span, inner: Span) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _extent(decision: Decision, now_ns: int) -> tuple[Span, int]:
    """The stretch that an entry for `decision` covers, and until when further requests belong to it."""
    match decision.purpose:
        case Purpose.STILL:
            return (decision.window[0], now_ns + STILLS_NS), now_ns + STILLS_NS
        case Purpose.PLAYBACK | Purpose.CLEAR:
            return _or_its_hour(decision.window), now_ns + PLAYBACK_NS
        case _:
            return decision.window, now_ns


def _or_its_hour(window: Span) -> Span:
    """Previews of single moments along a timeline are one view of the hour that they are in."""
    if window[1] - window[0] > _SHORT_NS:
        return window
    start_ns = window[0] - window[0] % _HOUR_NS
    return start_ns, max(start_ns + _HOUR_NS, window[1])


def _facts(decision: Decision, window: Span) -> dict[str, Value]:
    facts: dict[str, Value] = {
        "camera": decision.camera,
        "purpose": decision.purpose.value,
        "media": "redacted" if decision.grant is None else "clear",
        "from": moment(window[0]),
    }
    if decision.grant is not None:
        facts["grant"] = decision.grant
    return facts if decision.purpose is Purpose.LIVE else facts | {"to": moment(window[1])}


def _parts(decision: Decision) -> dict[str, Part]:
    """Who looks; nobody knows where a city has no people."""
    who = decision.viewer.who
    return {} if who is None else {"viewer": Part(who.person)}
