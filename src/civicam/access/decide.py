"""The one decision: may they, and why. Pure: what it says follows from its arguments alone.

Whatever anybody does in civicam asks here first, and nothing else decides: what shows pictures, what changes rights,
what a command explains.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from civicam.access.models import Grant, GrantState, PersonState, Right, Role, SessionId, TokenId
from civicam.access.state import State
from civicam.core.errors import NotAllowedError
from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.ledger.entry import PersonId

SECOND_NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * SECOND_NS
HOUR_NS: Final = 60 * MINUTE_NS
SESSION_NS: Final = 12 * HOUR_NS
"""A session lasts so long at most,"""
IDLE_NS: Final = 30 * MINUTE_NS
"""and so long without a request."""


class Action(StrEnum):
    """Whatever somebody may want to do."""

    ACCOUNT = "account"
    """one's own sessions, tokens and second factors"""
    CAMERAS = "cameras"
    """which cameras there are, and how each is"""
    COVERAGE = "coverage"
    STILL = "still"
    LIVE = "live"
    PLAYBACK = "playback"
    TEST_STILL = "test-still"
    """one redacted picture, to see whether a camera works"""
    CLEAR = "clear"
    """clear video, under a grant"""
    CASE_OPEN = "case-open"
    CASES_READ = "cases-read"
    """cases, grants, and how they stand; an operator reads of their own broken glass alone"""
    GRANT_ASK = "grant-ask"
    GRANT_DECIDE = "grant-decide"
    GRANT_END = "grant-end"
    """to revoke a grant, or narrow it"""
    HOLD_ASK = "hold-ask"
    HOLD_DECIDE = "hold-decide"
    """to approve or refuse a hold, and to release it"""
    REQUEST_TAKE = "request-take"
    """to take in what a resident asks for"""
    REQUEST_EDIT = "request-edit"
    """to answer it, refuse it, take longer, or say that the answer was received"""
    REQUESTS_READ = "requests-read"
    """with what residents told"""
    BREAK_GLASS = "break-glass"
    OVERSEE = "oversee"
    """to be told who broke the glass"""
    LEDGER_READ = "ledger-read"
    """with what it says about people"""
    PEOPLE_READ = "people-read"
    PEOPLE_EDIT = "people-edit"
    """to invite somebody, and to end all that somebody may"""
    CAMERA_EDIT = "camera-edit"
    """to add cameras, and to say what the public is told of them"""
    MACHINE = "machine"
    """what was recorded by day, storage, workers and alarms"""
    ROLE_ASK = "role-ask"
    ROLE_DECIDE = "role-decide"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may do something.

    Attributes:
        roles: those that may; anybody who is signed in, if it is empty.
        is_of_a_camera: only for cameras that the right is for.
        is_in_hours: only while the right's hours last, and only pictures of these hours.
        for_tokens: a token may be for it.
    """

    roles: frozenset[Role]
    is_of_a_camera: bool = False
    is_in_hours: bool = False
    for_tokens: bool = False


_VIEWERS: Final = frozenset({Role.OPERATOR, Role.INVESTIGATOR})
_VIEW: Final = Rule(_VIEWERS, is_of_a_camera=True, is_in_hours=True, for_tokens=True)
_OVERSIGHT: Final = frozenset({Role.APPROVER, Role.AUDITOR})
RULES: Final[Mapping[Action, Rule]] = {
    Action.ACCOUNT: Rule(frozenset()),
    Action.CAMERAS: Rule(frozenset(Role), for_tokens=True),
    Action.COVERAGE: Rule(_VIEWERS | {Role.ENGINEER, Role.AUDITOR}, is_of_a_camera=True, for_tokens=True),
    Action.STILL: _VIEW,
    Action.LIVE: _VIEW,
    Action.PLAYBACK: _VIEW,
    Action.TEST_STILL: Rule(frozenset({Role.ENGINEER}), is_of_a_camera=True),
    Action.CLEAR: Rule(_VIEWERS, is_of_a_camera=True),
    Action.CASE_OPEN: Rule(frozenset({Role.INVESTIGATOR})),
    Action.CASES_READ: Rule(_OVERSIGHT | _VIEWERS),
    Action.GRANT_ASK: Rule(frozenset({Role.INVESTIGATOR}), is_of_a_camera=True),
    Action.GRANT_DECIDE: Rule(frozenset({Role.APPROVER}), is_of_a_camera=True),
    Action.GRANT_END: Rule(frozenset({Role.APPROVER}), is_of_a_camera=True),
    Action.HOLD_ASK: Rule(frozenset({Role.INVESTIGATOR}), is_of_a_camera=True),
    Action.HOLD_DECIDE: Rule(frozenset({Role.APPROVER}), is_of_a_camera=True),
    Action.REQUEST_TAKE: Rule(frozenset({Role.INVESTIGATOR}), is_of_a_camera=True),
    Action.REQUEST_EDIT: Rule(frozenset({Role.INVESTIGATOR}), is_of_a_camera=True),
    Action.REQUESTS_READ: Rule(_OVERSIGHT | {Role.INVESTIGATOR}),
    Action.BREAK_GLASS: Rule(_VIEWERS, is_of_a_camera=True),
    Action.OVERSEE: Rule(_OVERSIGHT | {Role.ADMINISTRATOR}),
    Action.LEDGER_READ: Rule(frozenset({Role.AUDITOR})),
    Action.PEOPLE_READ: Rule(frozenset({Role.ADMINISTRATOR, Role.AUDITOR})),
    Action.PEOPLE_EDIT: Rule(frozenset({Role.ADMINISTRATOR})),
    Action.CAMERA_EDIT: Rule(frozenset({Role.ENGINEER})),
    Action.MACHINE: Rule(frozenset({Role.ENGINEER})),
    Action.ROLE_ASK: Rule(frozenset({Role.ADMINISTRATOR})),
    Action.ROLE_DECIDE: Rule(frozenset({Role.ADMINISTRATOR})),
}
TOKEN_ACTIONS: Final = frozenset(action for action, rule in RULES.items() if rule.for_tokens)


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks, and by what it is known: a session or a token, never both.

    Attributes:
        person: who.
        session: of which session.
        token: with which token.
    """

    person: PersonId
    session: SessionId | None = None
    token: TokenId | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody wants.

    Attributes:
        who: they.
        action: what they want to do.
        at_ns: now.
        camera: with which camera, where it is about one.
        window: which stretch of wall time they want to see; now, if it is None.
        grant: under which grant, for clear video.
    """

    who: Who
    action: Action
    at_ns: int
    camera: CameraId | None = None
    window: Span | None = None
    grant: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision.

    Attributes:
        is_allowed: they may.
        why: by which right; or why not. A clause.
        until_ns: the decision holds until then at most; something else may end it sooner.
        is_clear: what they see is not redacted.
    """

    is_allowed: bool
    why: str
    until_ns: int | None = None
    is_clear: bool = False


def decide(state: State, ask: Ask) -> Answer:
    """Whether they may, and why."""
    refusal = _bearer_refusal(state, ask) or _token_refusal(state, ask)
    if refusal:
        return Answer(False, refusal)
    rule = RULES[ask.action]
    if not rule.roles:
        return Answer(True, "they are signed in", _bearer_ends_ns(state, ask))
    by_right = _by_right(state, ask, rule)
    if not by_right.is_allowed or ask.action is not Action.CLEAR:
        return by_right
    return _by_grant(state, ask, by_right)


def require(state: State, ask: Ask) -> Answer:
    """The answer that allows it.

    Raises:
        NotAllowedError: they may not.
    """
    answer = decide(state, ask)
    if not answer.is_allowed:
        raise NotAllowedError(answer.why)
    return answer


class _Seal:
    """Kept in this file: without it there is no `LiveGrant`."""


_SEAL: Final = _Seal()


class LiveGrant:
    """That somebody may see clear video now: what gives it out takes one, and only `live_grant` makes it.

    Attributes:
        number: the grant.
        camera: through which camera.
        window: which stretch of wall time.
        at_ns: when it was decided; it holds for this one look.
        until_ns: it may not be used later than that.
        is_break_glass: one person took it by themselves.
    """

    __slots__ = ("at_ns", "camera", "is_break_glass", "number", "until_ns", "window")

    def __init__(self, grant: Grant, camera: CameraId, window: Span, at_ns: int, *, made_by: _Seal) -> None:
        if made_by is not _SEAL or grant.expires_ns is None:
            raise NotAllowedError("only a decision makes a grant live")
        self.number: Final = grant.id
        self.camera: Final = camera
        self.window: Final = window
        self.at_ns: Final = at_ns
        self.until_ns: Final = grant.expires_ns
        self.is_break_glass: Final = grant.is_break_glass


def live_grant(state: State, ask: Ask) -> LiveGrant:
    """The grant that `ask` names, once it is decided that it holds.

    Raises:
        NotAllowedError: they may not see clear video of that, now.
    """
    if ask.action is not Action.CLEAR or ask.grant is None or ask.camera is None or ask.window is None:
        raise NotAllowedError("a grant is for clear video of a camera and a stretch")
    require(state, ask)
    return LiveGrant(state.grants[ask.grant], ask.camera, ask.window, ask.at_ns, made_by=_SEAL)


def session_refusal(state: State, session: SessionId, at_ns: int) -> str | None:
    """Why a session does not hold any more, None if it does."""
    found = state.sessions.get(session)
    if found is None or found.ended_ns is not None:
        return "this session has ended; sign in again"
    if state.people[found.person].state is not PersonState.ACTIVE:
        return "this person has left"
    if at_ns - found.begun_ns >= SESSION_NS:
        return "this session has lasted 12 hours; sign in again"
    if at_ns - found.seen_ns >= IDLE_NS:
        return "nothing was done in this session for 30 minutes; sign in again"
    return None


def token_refusal(state: State, token: TokenId, at_ns: int) -> str | None:
    """Why a token does not hold any more, None if it does."""
    found = state.tokens.get(token)
    if found is None or found.ended_ns is not None:
        return "this token was taken back"
    if state.people[found.person].state is not PersonState.ACTIVE:
        return "this person has left"
    return "this token has expired" if at_ns >= found.expires_ns else None


def _bearer_refusal(state: State, ask: Ask) -> str | None:
    person = state.people.get(ask.who.person)
    if person is None or person.state is not PersonState.ACTIVE:
        return "nobody here is this person, or they have left"
    if ask.who.session is not None:
        found = state.sessions.get(ask.who.session)
        if found is not None and found.person != person.id:
            return "this session is somebody else's"
        return session_refusal(state, ask.who.session, ask.at_ns)
    return None


def _token_refusal(state: State, ask: Ask) -> str | None:
    if ask.who.token is None:
        return None
    refusal = token_refusal(state, ask.who.token, ask.at_ns)
    if refusal is not None:
        return refusal
    token = state.tokens[ask.who.token]
    if token.person != ask.who.person:
        return "this token is somebody else's"
    if ask.action not in TOKEN_ACTIONS or ask.action.value not in token.actions:
        return f"this token is not for {ask.action}"
    if token.cameras and ask.camera is not None and ask.camera not in token.cameras:
        return f"this token is not for {ask.camera}"
    return None


def _bearer_ends_ns(state: State, ask: Ask) -> int | None:
    if ask.who.token is not None:
        return state.tokens[ask.who.token].expires_ns
    if ask.who.session is not None:
        return state.sessions[ask.who.session].begun_ns + SESSION_NS
    return None


def _by_right(state: State, ask: Ask, rule: Rule) -> Answer:
    reasons: list[str] = []
    for right in state.rights_of(ask.who.person):
        refusal = _right_refusal(state, ask, rule, right)
        if refusal is None:
            ends = [right.schedule.ends_ns(ask.at_ns) if rule.is_in_hours else None, _bearer_ends_ns(state, ask)]
            return Answer(True, _words(right), _earliest(ends))
        reasons.append(refusal)
    if reasons:
        return Answer(False, "; ".join(dict.fromkeys(reasons)))
    return Answer(False, f"this takes the role {_any_of(rule.roles)}, and they have none")


def _right_refusal(state: State, ask: Ask, rule: Rule, right: Right) -> str | None:
    if right.role not in rule.roles:
        return f"the role {right.role} is not for {ask.action}; that takes {_any_of(rule.roles)}"
    refusal = _camera_refusal(state, ask, right) if rule.is_of_a_camera else None
    return refusal or (_hours_refusal(ask, right) if rule.is_in_hours else None)


def _camera_refusal(state: State, ask: Ask, right: Right) -> str | None:
    if ask.camera is None:
        return f"{ask.action} is about a camera, and none is named"
    return None if state.has_camera(right, ask.camera) else f"{_words(right)} has no camera {ask.camera}"


def _hours_refusal(ask: Ask, right: Right) -> str | None:
    if not right.schedule.holds((ask.at_ns, ask.at_ns + 1)):
        return f"{_words(right)} does not hold at this hour"
    if ask.window is not None and not right.schedule.holds(ask.window):
        return f"{_words(right)} does not hold for pictures of those hours"
    return None


def _by_grant(state: State, ask: Ask, by_right: Answer) -> Answer:
    reasons: list[str] = []
    for grant in state.grants_of(ask.who.person) if ask.grant is None else _one(state, ask.grant):
        refusal = _grant_refusal(state, ask, grant)
        if refusal is None:
            words = f"{by_right.why}, and grant {grant.id}" + (" by breaking glass" if grant.is_break_glass else "")
            return Answer(True, words, _earliest([grant.expires_ns, by_right.until_ns]), is_clear=True)
        reasons.append(f"grant {grant.id} {refusal}")
    return Answer(False, "; ".join(reasons) or "clear video takes a grant, and there is none")


def _grant_refusal(state: State, ask: Ask, grant: Grant) -> str | None:
    if ask.who.session is None:
        return "is used by a person who is signed in, and by nothing else"
    refusal = grant_ended(state, grant, ask.at_ns)
    if refusal is not None:
        return refusal
    if grant.person != ask.who.person:
        return "is somebody else's"
    if ask.camera not in grant.cameras:
        return f"is not for camera {ask.camera}"
    if ask.window is None or not grant.window[0] <= ask.window[0] < ask.window[1] <= grant.window[1]:
        return "is not for this stretch"
    return None


def grant_ended(state: State, grant: Grant, at_ns: int) -> str | None:
    """Why nothing clear is shown under a grant, as the rest of a sentence; None if it holds."""
    if grant.state is not GrantState.APPROVED or grant.expires_ns is None:
        return f"is {'not decided' if grant.state is GrantState.ASKED else grant.state}"
    if at_ns >= grant.expires_ns:
        return "has expired"
    if grant.is_break_glass:
        return None
    if grant.decided_by in {None, grant.person}:
        return "was not approved by somebody else"
    if state.cases[grant.case].closed_ns is not None:
        return "is for a case that is closed"
    return None


def _one(state: State, grant: int) -> Iterator[Grant]:
    found = state.grants.get(grant)
    return iter(() if found is None else (found,))


def _words(right: Right) -> str:
    cameras = f"the cameras of '{right.group}'" if right.group else "every camera"
    return f"the role {right.role} for {cameras}, {right.schedule.text or 'at any hour'}"


def _any_of(roles: Iterable[Role]) -> str:
    return " or ".join(role for role in Role if role in roles)


def _earliest(times: Iterable[int | None]) -> int | None:
    return min((time for time in times if time is not None), default=None)
