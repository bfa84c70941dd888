"""Sessions of people and tokens of programs: how they begin and end."""

from dataclasses import replace
from typing import Final

from civicam.access.change import Change
from civicam.access.decide import TOKEN_ACTIONS, Action, Ask, Who, require
from civicam.access.models import PersonState, Session, SessionId, Token, TokenId
from civicam.access.state import State
from civicam.core.errors import AccessError, SignInError
from civicam.ledger.entry import Draft, Kind, Part, Value

LONGEST_TOKEN_NS: Final = 366 * 86_400_000_000_000
_NAME: Final = 80


def begin(state: State, session: Session, how: str) -> Change:
    """Somebody signs in, and has shown who they are.

    Args:
        state: the state.
        session: it is new.
        how: they showed it, such as `password and code`.

    Raises:
        SignInError: they are not here.
    """
    person = state.people.get(session.person)
    if person is None or person.state is not PersonState.ACTIVE:
        raise SignInError("nobody here signs in like that")
    return Change((session,), (Draft(Kind.SIGN_IN, {"how": how}, {"person": Part(session.person)}),))


def end(state: State, who: Who, session: SessionId, at_ns: int) -> Change:
    """Signs out; a person may end another session of theirs so.

    Raises:
        NotAllowedError: they are not signed in.
        AccessError: it is no session of theirs.
    """
    require(state, Ask(who, Action.ACCOUNT, at_ns))
    found = state.sessions.get(session)
    if found is None or found.person != who.person or found.ended_ns is not None:
        raise AccessError("there is no such session of yours")
    ended = replace(found, ended_ns=at_ns)
    return Change((ended,), (Draft(Kind.SIGN_OUT, {}, {"person": Part(who.person)}),))


def make_token(state: State, who: Who, token: Token, at_ns: int) -> Change:
    """A token for a program, which may less than the person.

    Raises:
        NotAllowedError: they are not signed in.
        AccessError: it is for nothing, for what tokens are not for, or for too long.
    """
    require(state, Ask(who, Action.ACCOUNT, at_ns))
    if not token.actions or not token.actions <= {action.value for action in TOKEN_ACTIONS}:
        raise AccessError("a token is for something", fix=f"choose from {', '.join(sorted(TOKEN_ACTIONS))}")
    if not 0 < len(token.name.strip()) <= _NAME:
        raise AccessError("a token has a name", fix=f"write 1 to {_NAME} letters")
    if not 0 < token.expires_ns - at_ns <= LONGEST_TOKEN_NS or token.person != who.person:
        raise AccessError("a token ends within a year, and is one's own")
    facts: dict[str, Value] = {"what": "made", "for": [*sorted(token.actions)], "cameras": [*sorted(token.cameras)]}
    return Change((token,), (Draft(Kind.TOKEN, facts, {"person": Part(who.person, {"name": token.name})}),))


def end_token(state: State, who: Who, token: TokenId, at_ns: int) -> Change:
    """Takes a token back.

    Raises:
        NotAllowedError: they are not signed in, and may not edit people.
        AccessError: there is no such token.
    """
    found = state.tokens.get(token)
    is_own = found is not None and found.person == who.person
    require(state, Ask(who, Action.ACCOUNT if is_own else Action.PEOPLE_EDIT, at_ns))
    if found is None or found.ended_ns is not None:
        raise AccessError("there is no such token")
    parts = {"person": Part(found.person, {"name": found.name}), "by": Part(who.person)}
    return Change((replace(found, ended_ns=at_ns),), (Draft(Kind.TOKEN, {"what": "taken back"}, parts),))
