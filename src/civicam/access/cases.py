"""Cases, and grants to see clear video for them: asked by one, decided by another, narrowed, revoked, expired.

A grant is never widened. Breaking the glass is the one thing that somebody does alone; it lasts a quarter of an hour.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from civicam.access.change import Change, check_apart
from civicam.access.decide import HOUR_NS, MINUTE_NS, Action, Ask, Who, decide, require
from civicam.access.models import Case, Grant, GrantState, RequestState, Where
from civicam.access.state import State
from civicam.core.errors import AccessError, NotAllowedError
from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.ledger.encoding import moment
from civicam.ledger.entry import Draft, Kind, Part, PersonId, Value

PURPOSES: Final = (
    "crime",
    "missing person",
    "accident",
    "danger to life",
    "damage to property",
    "request of a resident",
)
"""What a city opens cases for, unless its settings say otherwise."""
MOST_NS: Final = 24 * HOUR_NS
"""A grant lasts so long at most, unless the city's settings say otherwise."""
BREAK_GLASS_NS: Final = 15 * MINUTE_NS
REST_NS: Final = HOUR_NS
"""After a broken glass its holder breaks no other for so long,"""
REVOKED_REST_NS: Final = 12 * HOUR_NS
"""and for so long if it was revoked."""
WAITS_NS: Final = 7 * 24 * HOUR_NS
"""What nobody decides for so long has lapsed."""
_WINDOW_NS: Final = 31 * 24 * HOUR_NS
_CAMERAS: Final = 64
_TEXT: Final = 200
_REASON: Final = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """The clear video that somebody wants to see.

    Attributes:
        cameras: through which.
        window: which stretch, wall nanoseconds.
        reason: why, in their words.
        sealed_reason: the same, sealed with their key.
        case: for which case; empty to break the glass.
        lasts_ns: for how long, from its approval on.
    """

    cameras: frozenset[CameraId]
    window: Span
    reason: str
    sealed_reason: bytes
    case: str = ""
    lasts_ns: int = MOST_NS


def open_case(state: State, who: Who, case: Case, purposes: Iterable[str], at_ns: int) -> Change:
    """Opens a case.

    Raises:
        NotAllowedError: they may not.
        AccessError: the city has no such purpose, a text is missing or too long, or there is the case already.
    """
    require(state, Ask(who, Action.CASE_OPEN, at_ns))
    listed = tuple(purposes)
    if case.purpose not in listed:
        raise AccessError(f"'{case.purpose}' is no purpose of this city", fix=f"choose one of {', '.join(listed)}")
    for name, text in (("number", case.number), ("legal reference", case.legal_reference)):
        if not 0 < len(text.strip()) <= _TEXT:
            raise AccessError(f"a case has a {name}", fix=f"write 1 to {_TEXT} letters")
    if case.number in state.cases:
        raise AccessError("there is a case of this number already")
    facts: dict[str, Value] = {
        "what": "opened",
        "purpose": case.purpose,
        "legal-reference": case.legal_reference,
    }
    return Change((case,), (Draft(Kind.CASE, facts, {"by": Part(who.person, {"case": case.number})}),))


def close_case(state: State, who: Who, number: str, at_ns: int) -> Change:
    """Closes a case: nothing is shown for it any more.

    Raises:
        NotAllowedError: they may not.
        AccessError: there is no such case, it is closed, or a resident waits for an answer in it.
    """
    require(state, Ask(who, Action.CASE_OPEN, at_ns))
    case = open_case_of(state, number)
    if any(one.case == number and one.state is RequestState.OPEN for one in state.requests.values()):
        raise AccessError("a resident waits for an answer in this case", fix="answer or refuse the request")
    ended = (
        replace(grant, state=GrantState.REVOKED, ended_ns=at_ns)
        for grant in state.grants.values()
        if grant.case == number and grant.state in {GrantState.ASKED, GrantState.APPROVED}
    )
    draft = Draft(
        Kind.CASE, {"what": "closed", "purpose": case.purpose}, {"by": Part(who.person, {"case": case.number})}
    )
    return Change((replace(case, closed_ns=at_ns), *ended), (draft,))


def ask(state: State, who: Who, where: Where, wanted: Wanted, at_ns: int, *, most_ns: int = MOST_NS) -> Change:
    """Asks for a grant.

    Raises:
        NotAllowedError: they may not ask for one of these cameras.
        AccessError: it is for no open case, or the cameras, the stretch, the reason or the time cannot be granted.
    """
    _check(state, who, wanted, Action.GRANT_ASK, at_ns)
    if not MINUTE_NS <= wanted.lasts_ns <= most_ns:
        raise AccessError(f"a grant lasts a minute to {most_ns / HOUR_NS:g} hours")
    case = open_case_of(state, wanted.case)
    grant = _grant(state, who, where, wanted, at_ns)
    facts = _facts(grant) | {"purpose": case.purpose, "minutes": wanted.lasts_ns // MINUTE_NS}
    return Change((grant,), (Draft(Kind.GRANT_ASKED, facts, {"asked-by": _why(who.person, wanted)}),))


def approve(state: State, who: Who, where: Where, number: int, at_ns: int) -> Change:
    """Approves what somebody else asked for; its time begins now.

    Raises:
        NotAllowedError: they may not, or it was they who asked, or the same session or device.
        AccessError: no such grant waits.
    """
    grant = _waiting(state, who, number, at_ns)
    if grant.person == who.person:
        raise NotAllowedError("who asks for a grant does not approve it", fix="another person does")
    check_apart(grant.asked_from, where)
    open_case_of(state, grant.case)
    approved = replace(
        grant,
        state=GrantState.APPROVED,
        decided_by=who.person,
        decided_ns=at_ns,
        expires_ns=at_ns + grant.lasts_ns,
    )
    facts = _facts(approved) | {"until": moment(at_ns + grant.lasts_ns)}
    parts = {"asked-by": Part(grant.person), "approved-by": Part(who.person)}
    return Change((approved,), (Draft(Kind.GRANT_APPROVED, facts, parts),))


def refuse(state: State, who: Who, number: int, at_ns: int) -> Change:
    """Refuses it.

    Raises:
        NotAllowedError: they may not.
        AccessError: no such grant waits.
    """
    grant = _waiting(state, who, number, at_ns)
    if grant.person == who.person:
        raise NotAllowedError("who asks for a grant does not decide it", fix="another person does")
    refused = replace(grant, state=GrantState.REFUSED, decided_by=who.person, decided_ns=at_ns)
    parts = {"asked-by": Part(grant.person), "refused-by": Part(who.person)}
    return Change((refused,), (Draft(Kind.GRANT_REFUSED, {"grant": number}, parts),))


@dataclass(frozen=True, slots=True)
class Narrower:
    """What is left of a grant; None leaves it as it is.

    Attributes:
        cameras: these only.
        window: this stretch only.
        expires_ns: only until then.
    """

    cameras: frozenset[CameraId] | None = None
    window: Span | None = None
    expires_ns: int | None = None


def narrow(state: State, who: Who, number: int, left: Narrower, at_ns: int) -> Change:
    """Takes something away from a grant that holds.

    Raises:
        NotAllowedError: they may not, or something would be more than before.
        AccessError: no such grant holds.
    """
    grant = _held(state, who, number, at_ns)
    assert grant.expires_ns is not None
    cameras = grant.cameras if left.cameras is None else left.cameras
    window = grant.window if left.window is None else left.window
    expires_ns = grant.expires_ns if left.expires_ns is None else left.expires_ns
    is_within = grant.window[0] <= window[0] < window[1] <= grant.window[1]
    if not (cameras and cameras <= grant.cameras and is_within and expires_ns <= grant.expires_ns):
        raise NotAllowedError("a grant is never widened, and something of it is left", fix="ask for another one")
    narrowed = replace(grant, cameras=cameras, window=window, expires_ns=expires_ns)
    facts = _facts(narrowed) | {"until": moment(expires_ns)}
    return Change((narrowed,), (Draft(Kind.GRANT_NARROWED, facts, {"by": Part(who.person)}),))


def revoke(state: State, who: Who, number: int, at_ns: int) -> Change:
    """Ends a grant at once; its holder may give it up so.

    Raises:
        NotAllowedError: they may not.
        AccessError: no such grant holds.
    """
    grant = _held(state, who, number, at_ns)
    revoked = replace(grant, state=GrantState.REVOKED, ended_ns=at_ns)
    return Change((revoked,), (Draft(Kind.GRANT_REVOKED, {"grant": number}, {"by": Part(who.person)}),))


def break_glass(state: State, who: Who, where: Where, wanted: Wanted, at_ns: int) -> Change:
    """Clear video at once, for a quarter of an hour, by one person; everybody with oversight is told.

    Raises:
        NotAllowedError: they may not see these cameras, or have broken the glass just now: more takes an approver.
        AccessError: the cameras, the stretch or the reason are none.
    """
    _check(state, who, wanted, Action.BREAK_GLASS, at_ns)
    _check_rest(state, who, at_ns)
    grant = replace(
        _grant(state, who, where, wanted, at_ns),
        case="",
        state=GrantState.APPROVED,
        is_break_glass=True,
        decided_ns=at_ns,
        lasts_ns=BREAK_GLASS_NS,
        expires_ns=at_ns + BREAK_GLASS_NS,
    )
    facts = _facts(grant) | {"until": moment(at_ns + BREAK_GLASS_NS)}
    return Change((grant,), (Draft(Kind.BREAK_GLASS, facts, {"by": _why(who.person, wanted)}),))


def expired(state: State, at_ns: int) -> Change:
    """What has run out by now: grants, and requests that nobody decided."""
    gone = [grant for grant in state.grants.values() if _has_run_out(grant, at_ns)]
    rows = tuple(replace(grant, state=GrantState.EXPIRED, ended_ns=at_ns) for grant in gone)
    return Change(rows, tuple(Draft(Kind.GRANT_EXPIRED, {"grant": grant.id}) for grant in gone))


def _has_run_out(grant: Grant, at_ns: int) -> bool:
    if grant.state is GrantState.ASKED:
        return at_ns >= grant.asked_ns + WAITS_NS
    return grant.state is GrantState.APPROVED and grant.expires_ns is not None and at_ns >= grant.expires_ns


def _check(state: State, who: Who, wanted: Wanted, action: Action, at_ns: int) -> None:
    if not 0 < len(wanted.cameras) <= _CAMERAS:
        raise AccessError(f"clear video is of 1 to {_CAMERAS} cameras")
    _all_allow(wanted.cameras, lambda camera: require(state, Ask(who, action, at_ns, camera)))
    if not 0 <= wanted.window[0] < wanted.window[1] <= wanted.window[0] + _WINDOW_NS:
        raise AccessError("clear video is of a stretch of at most 31 days")
    if not 0 < len(wanted.reason.strip()) <= _REASON:
        raise AccessError("clear video is seen for a reason", fix=f"write 1 to {_REASON} letters")


def _check_rest(state: State, who: Who, at_ns: int) -> None:
    """A quarter of an hour alone is not to become a day of them."""
    for grant in state.grants.values():
        if not grant.is_break_glass or grant.person != who.person or grant.expires_ns is None:
            continue
        ended_ns = grant.expires_ns if grant.ended_ns is None else min(grant.ended_ns, grant.expires_ns)
        rest_ns = REVOKED_REST_NS if grant.state is GrantState.REVOKED else REST_NS
        if at_ns < ended_ns + rest_ns:
            raise NotAllowedError(
                f"the glass was broken by grant {grant.id} just now", fix="ask for a grant: an approver decides at once"
            )


def _all_allow(cameras: Iterable[CameraId], check: Callable[[CameraId], object]) -> None:
    for camera in sorted(cameras):
        check(camera)


def _grant(state: State, who: Who, where: Where, wanted: Wanted, at_ns: int) -> Grant:
    return Grant(
        state.next_id("grants"),
        wanted.case,
        who.person,
        wanted.cameras,
        wanted.window,
        wanted.sealed_reason,
        at_ns,
        where,
        wanted.lasts_ns,
    )


def open_case_of(state: State, number: str) -> Case:
    """The case of that number; raises AccessError where there is none, or it is closed."""
    case = state.cases.get(number)
    if case is None or case.closed_ns is not None:
        raise AccessError("there is no such open case", fix="open one first")
    return case


def _waiting(state: State, who: Who, number: int, at_ns: int) -> Grant:
    grant = state.grants.get(number)
    _all_allow(
        grant.cameras if grant else [CameraId("")],
        lambda camera: require(state, Ask(who, Action.GRANT_DECIDE, at_ns, camera)),
    )
    if grant is None or grant.state is not GrantState.ASKED or _has_run_out(grant, at_ns):
        raise AccessError(f"no grant {number} waits to be decided")
    return grant


def _held(state: State, who: Who, number: int, at_ns: int) -> Grant:
    grant = state.grants.get(number)
    if grant is not None and grant.person == who.person and who.session is not None:
        require(state, Ask(who, Action.ACCOUNT, at_ns))
    else:
        _any_allows(state, who, grant, at_ns)
    if grant is None or grant.state is not GrantState.APPROVED or _has_run_out(grant, at_ns):
        raise AccessError(f"no grant {number} holds")
    return grant


def _any_allows(state: State, who: Who, grant: Grant | None, at_ns: int) -> None:
    """To take something away, a right for any one of the cameras is enough: none more shields the others."""
    asks = [Ask(who, Action.GRANT_END, at_ns, camera) for camera in sorted(grant.cameras if grant else [CameraId("")])]
    if not any(decide(state, ask).is_allowed for ask in asks):
        require(state, asks[0])


def _facts(grant: Grant) -> dict[str, Value]:
    return {
        "grant": grant.id,
        "cameras": [*sorted(grant.cameras)],
        "from": moment(grant.window[0]),
        "to": moment(grant.window[1]),
    }


def _why(person: PersonId, wanted: Wanted) -> Part:
    return Part(person, {"reason": wanted.reason} | ({"case": wanted.case} if wanted.case else {}))
