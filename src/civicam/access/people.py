"""People come, leave and are forgotten."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from civicam.access.change import Change
from civicam.access.decide import HOUR_NS, Action, Ask, Who, require
from civicam.access.models import ChangeState, GrantState, Person, PersonState, Right, Role
from civicam.access.state import Row, State
from civicam.core.errors import AccessError, NotAllowedError
from civicam.ledger.entry import Draft, Kind, Part, PersonId, Value

LEAST_ADMINISTRATORS: Final = 2
"""One alone can change no role, so a city that has two keeps two."""
ERASED_AFTER_NS: Final = 30 * 24 * HOUR_NS


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody who is to be added.

    Attributes:
        id: a random name.
        login: what they sign in with.
        name: what people call them.
        login_hash: a keyed hash of the login.
        sealed: login and name.
    """

    id: PersonId
    login: str
    name: str
    login_hash: str
    sealed: bytes

    @property
    def part(self) -> Part:
        """What the ledger keeps of them."""
        return Part(self.id, {"login": self.login, "name": self.name})


def found(state: State, newcomer: Newcomer, at_ns: int) -> Change:
    """One of the first two administrators, made at the machine itself.

    Raises:
        NotAllowedError: there are two already.
        AccessError: the login is taken.
    """
    if len(state.people_with(Role.ADMINISTRATOR)) >= LEAST_ADMINISTRATORS:
        raise NotAllowedError(
            "this city has its two first administrators", fix="the next ones are made by these two, signed in"
        )
    right = Right(state.next_id("rights"), newcomer.id, Role.ADMINISTRATOR)
    drafts = (
        Draft(Kind.PERSON, {"what": "invited", "at-machine": "yes"}, {"person": newcomer.part}),
        Draft(Kind.ROLE, {"what": "given", "role": right.role.value, "at-machine": "yes"}, {"person": newcomer.part}),
    )
    return Change((_row(state, newcomer, at_ns), right), drafts)


def invite(state: State, who: Who, newcomer: Newcomer, at_ns: int) -> Change:
    """Somebody new, who may nothing yet.

    Raises:
        NotAllowedError: they may not invite.
        AccessError: the login is taken.
    """
    require(state, Ask(who, Action.PEOPLE_EDIT, at_ns))
    parts = {"person": newcomer.part, "by": Part(who.person)}
    return Change((_row(state, newcomer, at_ns),), (Draft(Kind.PERSON, {"what": "invited"}, parts),))


def _row(state: State, newcomer: Newcomer, at_ns: int) -> Person:
    if any(one.login_hash == newcomer.login_hash for one in state.people.values()):
        raise AccessError("somebody has this login already", fix="choose another one")
    return Person(newcomer.id, PersonState.INVITED, newcomer.login_hash, newcomer.sealed, at_ns)


def invite_again(state: State, who: Who | None, person: PersonId, at_ns: int) -> Change:
    """A new invitation; an older one is of no use any more.

    Args:
        state: the state.
        who: the administrator who hands it on; None at the machine itself.
        person: who is invited.
        at_ns: now.

    Raises:
        NotAllowedError: they may not invite.
        AccessError: the person was not added, or has come already.
    """
    if who is not None:
        require(state, Ask(who, Action.PEOPLE_EDIT, at_ns))
    _check_invited(state, person)
    facts: dict[str, Value] = {"what": "invitation made"}
    if who is None:
        facts["at-machine"] = "yes"
    parts = {"person": Part(person)} | ({"by": Part(who.person)} if who else {})
    return Change((), (Draft(Kind.PERSON, facts, parts),))


def tell_invitation_code(state: State, who: Who, person: PersonId, at_ns: int) -> Change:
    """An administrator is told the code without which the invitation that another one has does not open.

    Raises:
        NotAllowedError: they may not invite.
        AccessError: the person was not added, or has come already.
    """
    require(state, Ask(who, Action.PEOPLE_EDIT, at_ns))
    _check_invited(state, person)
    parts = {"person": Part(person), "by": Part(who.person)}
    return Change((), (Draft(Kind.PERSON, {"what": "invitation code told"}, parts),))


def _check_invited(state: State, person: PersonId) -> None:
    if _known(state, person).state is not PersonState.INVITED:
        raise AccessError("this person has come already")


def activate(state: State, person: PersonId) -> Change:
    """Somebody who was invited has chosen how they sign in.

    Raises:
        AccessError: they were not waiting for it.
    """
    row = _known(state, person)
    if row.state is not PersonState.INVITED:
        raise AccessError("this invitation was used already")
    draft = Draft(Kind.PERSON, {"what": "came"}, {"person": Part(person)})
    return Change((replace(row, state=PersonState.ACTIVE),), (draft,))


def leave(state: State, who: Who, person: PersonId, at_ns: int) -> Change:
    """Ends all that somebody may, at once: one administrator is enough to take, and never to give.

    Raises:
        NotAllowedError: they may not, or the city would be left with fewer than two administrators.
        AccessError: there is no such person here.
    """
    require(state, Ask(who, Action.PEOPLE_EDIT, at_ns))
    row = _known(state, person)
    if row.state not in {PersonState.ACTIVE, PersonState.INVITED}:
        raise AccessError("this person has left already")
    check_administrators_stay(state, person)
    draft = Draft(Kind.PERSON, {"what": "left"}, {"person": Part(person), "by": Part(who.person)})
    gone = replace(row, state=PersonState.LEFT, until_ns=at_ns)
    ended = (*_rights_ended(state, person, at_ns), *bearers_ended(state, person, at_ns))
    return Change((gone, *ended, *_changes_refused(state, who, person, at_ns)), (draft,))


def erased(state: State, person: PersonId | None, at_ns: int) -> tuple[Row, ...]:
    """The rows that forget somebody who left; two administrators have them put in place, then their key is destroyed.

    Raises:
        AccessError: the person has not left, or not long enough ago, or is erased already.
    """
    row = _known(state, person)
    if row.state is not PersonState.LEFT or row.until_ns is None:
        raise AccessError("this person has not left", fix="have them leave first")
    if at_ns < row.until_ns + ERASED_AFTER_NS:
        days = ERASED_AFTER_NS // (24 * HOUR_NS)
        raise AccessError(
            f"nobody is forgotten within {days} days after they left: somebody may ask what they looked at"
        )
    gone = replace(row, state=PersonState.ERASED, login_hash="", sealed=b"")
    grants = (replace(one, sealed_reason=b"") for one in state.grants.values() if one.person == person)
    tokens = (replace(one, name="") for one in state.tokens.values() if one.person == person)
    return gone, *grants, *tokens


def check_administrators_stay(state: State, without: PersonId) -> None:
    """Returns if the city can do without that administrator.

    Raises:
        NotAllowedError: fewer than two would be left.
    """
    administrators = state.active_with(Role.ADMINISTRATOR)
    if without in administrators and len(administrators - {without}) < LEAST_ADMINISTRATORS:
        raise NotAllowedError("fewer than two administrators would be left", fix="make another one first")


def bearers_ended(state: State, person: PersonId, at_ns: int) -> Iterator[Row]:
    """A person's sessions, tokens and grants, ended."""
    for session in state.sessions.values():
        if session.person == person and session.ended_ns is None:
            yield replace(session, ended_ns=at_ns)
    for token in state.tokens.values():
        if token.person == person and token.ended_ns is None:
            yield replace(token, ended_ns=at_ns)
    for grant in state.grants.values():
        if grant.person == person and grant.state in {GrantState.ASKED, GrantState.APPROVED}:
            yield replace(grant, state=GrantState.REVOKED, ended_ns=at_ns)


def _rights_ended(state: State, person: PersonId, at_ns: int) -> Iterator[Row]:
    return (replace(right, ended_ns=at_ns) for right in state.rights_of(person))


def _changes_refused(state: State, who: Who, person: PersonId, at_ns: int) -> Iterator[Row]:
    for change in state.changes.values():
        if change.state is ChangeState.ASKED and person in {change.asked_by, change.person}:
            yield replace(change, state=ChangeState.REFUSED, decided_by=who.person, decided_ns=at_ns)


def _known(state: State, person: PersonId | None) -> Person:
    row = None if person is None else state.people.get(person)
    if row is None:
        raise AccessError("there is no such person")
    return row
