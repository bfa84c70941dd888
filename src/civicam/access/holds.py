"""Holds: footage that is kept for a case, whatever its days are. Asked for by one, decided by another, like a grant.

It is kept from the asking on, and until its review: then it lapses, unless somebody asked for another one. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from civicam.access.cases import open_case_of
from civicam.access.change import Change, check_apart
from civicam.access.decide import HOUR_NS, Action, Ask, Who, require
from civicam.access.models import Hold, HoldState, Where
from civicam.access.state import State
from civicam.core.errors import AccessError, NotAllowedError
from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.ledger.encoding import moment
from civicam.ledger.entry import Draft, Kind, Part, Value

DAY_NS: Final = 24 * HOUR_NS
WAITS_NS: Final = 7 * DAY_NS
"""So long footage is kept that nobody decided about."""
LONGEST_NS: Final = 366 * DAY_NS
WARNED_NS: Final = 14 * DAY_NS
"""So long before its review a hold is an alarm."""
_CAMERAS: Final = 200
_WINDOW_NS: Final = 31 * DAY_NS
KEEPS: Final = frozenset({HoldState.ASKED, HoldState.ACTIVE})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be kept.

    Attributes:
        case: for which case.
        cameras: footage of which cameras.
        window: of which stretch; it may lie in the future.
        review_ns: until when at most.
    """

    case: str
    cameras: frozenset[CameraId]
    window: Span
    review_ns: int


def ask(state: State, who: Who, where: Where, wanted: Wanted, at_ns: int) -> Change:
    """Asks for a hold; what it is for is kept from now on.

    Raises:
        NotAllowedError: they may not ask for one of these cameras.
        AccessError: it is for no open case, or the cameras, the stretch or the review cannot be.
    """
    if not 0 < len(wanted.cameras) <= _CAMERAS:
        raise AccessError(f"a hold is of 1 to {_CAMERAS} cameras")
    for camera in sorted(wanted.cameras):
        require(state, Ask(who, Action.HOLD_ASK, at_ns, camera))
    if not 0 <= wanted.window[0] < wanted.window[1] <= wanted.window[0] + _WINDOW_NS:
        raise AccessError("a hold is of a stretch of at most 31 days")
    if not at_ns + DAY_NS <= wanted.review_ns <= at_ns + LONGEST_NS:
        raise AccessError("a hold is reviewed in a day to a year")
    open_case_of(state, wanted.case)
    hold = Hold(
        state.next_id("holds"), wanted.case, who.person, wanted.cameras, wanted.window, wanted.review_ns, at_ns, where
    )
    part = Part(who.person, {"case": wanted.case})
    return Change((hold,), (Draft(Kind.HOLD, _facts(hold, "asked"), {"asked-by": part}),))


def approve(state: State, who: Who, where: Where, number: int, at_ns: int) -> Change:
    """Approves what somebody else asked for.

    Raises:
        NotAllowedError: they may not, or it was they who asked, or the same session or device.
        AccessError: no such hold waits.
    """
    hold = _found(state, who, number, at_ns, {HoldState.ASKED})
    if hold.person == who.person:
        raise NotAllowedError("who asks for a hold does not approve it", fix="another person does")
    check_apart(hold.asked_from, where)
    approved = replace(hold, state=HoldState.ACTIVE, decided_by=who.person, decided_ns=at_ns)
    parts = {"asked-by": Part(hold.person), "approved-by": Part(who.person)}
    return Change((approved,), (Draft(Kind.HOLD, _facts(approved, "placed"), parts),))


def refuse(state: State, who: Who, number: int, at_ns: int) -> Change:
    """Refuses it: the footage is kept no longer than its days.

    Raises:
        NotAllowedError: they may not, or it was they who asked.
        AccessError: no such hold waits.
    """
    hold = _found(state, who, number, at_ns, {HoldState.ASKED})
    if hold.person == who.person:
        raise NotAllowedError("who asks for a hold does not decide it", fix="another person does")
    refused = replace(hold, state=HoldState.REFUSED, decided_by=who.person, decided_ns=at_ns, ended_ns=at_ns)
    parts = {"asked-by": Part(hold.person), "refused-by": Part(who.person)}
    return Change((refused,), (Draft(Kind.HOLD, _facts(refused, "refused"), parts),))


def release(state: State, who: Who, number: int, at_ns: int) -> Change:
    """Gives held footage back to its days.

    Raises:
        NotAllowedError: they may not.
        AccessError: no such hold is active.
    """
    hold = _found(state, who, number, at_ns, {HoldState.ACTIVE})
    released = replace(hold, state=HoldState.RELEASED, ended_ns=at_ns)
    return Change((released,), (Draft(Kind.HOLD, _facts(released, "released"), {"by": Part(who.person)}),))


def prolonged(state: State, case: str, review_ns: int) -> Change:
    """Moves the review of what is kept for a case, where it would come sooner: its footage is needed for longer."""
    rows = tuple(
        replace(hold, review_ns=review_ns)
        for hold in kept(state.holds.values())
        if hold.case == case and hold.review_ns < review_ns
    )
    return Change(rows, tuple(Draft(Kind.HOLD, _facts(hold, "prolonged")) for hold in rows))


def lapsed(state: State, at_ns: int) -> Change:
    """What has lapsed by now: holds whose review has come, and those that nobody decided about."""
    gone = [hold for hold in state.holds.values() if hold.state in KEEPS and at_ns >= ends_ns(hold)]
    rows = tuple(replace(hold, state=HoldState.LAPSED, ended_ns=at_ns) for hold in gone)
    return Change(rows, tuple(Draft(Kind.HOLD, _facts(hold, "lapsed")) for hold in gone))


def ends_ns(hold: Hold) -> int:
    """When a hold that keeps something lapses."""
    return hold.asked_ns + WAITS_NS if hold.state is HoldState.ASKED else hold.review_ns


def kept(holds: Iterable[Hold]) -> list[Hold]:
    """Those whose footage is kept."""
    return [hold for hold in holds if hold.state in KEEPS]


def _found(state: State, who: Who, number: int, at_ns: int, states: set[HoldState]) -> Hold:
    hold = state.holds.get(number)
    for camera in sorted(hold.cameras) if hold else [CameraId("")]:
        require(state, Ask(who, Action.HOLD_DECIDE, at_ns, camera))
    if hold is None or hold.state not in states or at_ns >= ends_ns(hold):
        raise AccessError(f"hold {number} is not {' or '.join(sorted(states))}")
    return hold


def _facts(hold: Hold, what: str) -> dict[str, Value]:
    return {
        "what": what,
        "hold": hold.id,
        "cameras": [*sorted(hold.cameras)],
        "from": moment(hold.window[0]),
        "to": moment(hold.window[1]),
        "review": moment(hold.review_ns),
    }
