"""Rights and camera groups change, and people are forgotten: one administrator asks, another one does it."""

import re
from dataclasses import dataclass, replace
from typing import Final

from civicam.access.change import Change, check_apart
from civicam.access.decide import Action, Ask, Who, require
from civicam.access.models import ChangeKind, ChangeState, Group, PersonState, Right, Role, RoleChange, Session, Where
from civicam.access.people import check_administrators_stay, erased
from civicam.access.schedule import ALWAYS, Schedule
from civicam.access.state import Row, State
from civicam.core.errors import AccessError, NotAllowedError
from civicam.core.ids import CameraId
from civicam.ledger.entry import Draft, Kind, Part, PersonId, Value

_TOGETHER: Final = frozenset({Role.OPERATOR, Role.INVESTIGATOR})
"""The roles that one person may have at a time; who sees video has no other, and who has another sees none."""
_GROUP: Final = re.compile(r"\w[\w .-]{0,39}")
_MOST_CAMERAS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change that somebody wants. See `models.RoleChange`."""

    kind: ChangeKind
    person: PersonId | None = None
    role: Role | None = None
    group: str = ""
    schedule: Schedule = ALWAYS
    right: int | None = None
    cameras: frozenset[CameraId] = frozenset()


def ask(state: State, who: Who, where: Where, wanted: Wanted, at_ns: int) -> Change:
    """Asks for a change; nothing changes yet.

    Raises:
        NotAllowedError: they may not ask.
        AccessError: it cannot be done.
    """
    require(state, Ask(who, Action.ROLE_ASK, at_ns))
    change = RoleChange(
        state.next_id("changes"),
        wanted.kind,
        who.person,
        where,
        at_ns,
        person=wanted.person,
        role=wanted.role,
        group=wanted.group,
        schedule=wanted.schedule,
        right=wanted.right,
        cameras=wanted.cameras,
    )
    _done(state, change, at_ns)  # what cannot be done need not be asked
    return Change((change,), (Draft(Kind.ROLE_ASKED, _facts(state, change), _parts(state, change)),))


def approve(state: State, who: Who, where: Where, number: int, at_ns: int) -> Change:
    """Does what another administrator asked for.

    Raises:
        NotAllowedError: they may not, or it was they who asked.
        AccessError: there is no such change, it is decided, or it cannot be done any more.
    """
    change = _open(state, who, where, number, at_ns)
    decided = replace(change, state=ChangeState.DONE, decided_by=who.person, decided_ns=at_ns)
    kind = Kind.PERSON_ERASED if change.kind is ChangeKind.ERASE else Kind.ROLE
    draft = Draft(kind, _facts(state, decided), _parts(state, decided))
    return Change((decided, *_done(state, change, at_ns)), (draft,))


def refuse(state: State, who: Who, number: int, at_ns: int) -> Change:
    """Refuses a change; who asked for it may take it back so.

    Raises:
        NotAllowedError: they may not.
        AccessError: there is no such change, or it is decided.
    """
    require(state, Ask(who, Action.ROLE_DECIDE, at_ns))
    change = _asked(state, number)
    decided = replace(change, state=ChangeState.REFUSED, decided_by=who.person, decided_ns=at_ns)
    facts: dict[str, Value] = {**_facts(state, change), "what": "refused"}
    return Change((decided,), (Draft(Kind.ROLE, facts, _parts(state, decided)),))


def _asked(state: State, number: int) -> RoleChange:
    change = state.changes.get(number)
    if change is None or change.state is not ChangeState.ASKED:
        raise AccessError(f"no change {number} waits to be decided")
    return change


def _open(state: State, who: Who, where: Where, number: int, at_ns: int) -> RoleChange:
    require(state, Ask(who, Action.ROLE_DECIDE, at_ns))
    change = _asked(state, number)
    if change.asked_by == who.person:
        raise NotAllowedError("who asked for a change does not decide it", fix="another administrator does")
    check_apart(change.asked_from, where)
    return change


def _done(state: State, change: RoleChange, at_ns: int) -> tuple[Row, ...]:
    """The rows that a change puts in place."""
    match change.kind:
        case ChangeKind.GIVE:
            return _given(state, change, at_ns)
        case ChangeKind.TAKE:
            return _taken(state, change, at_ns)
        case ChangeKind.GROUP:
            return (_group(change),)
        case ChangeKind.ERASE:
            return erased(state, change.person, at_ns)


def _given(state: State, change: RoleChange, at_ns: int) -> tuple[Row, ...]:
    person = None if change.person is None else state.people.get(change.person)
    if person is None or change.role is None or person.state is not PersonState.ACTIVE:
        # Who has not come yet may be whoever holds the invitation.
        raise AccessError("a right is a person's who is here, and a role", fix="have them come in first")
    if change.group and change.group not in state.groups:
        raise AccessError(f"there is no group of cameras '{change.group}'", fix="make it first")
    roles = state.roles_of(person.id) | {change.role}
    if len(roles) > 1 and not roles <= _TOGETHER:
        raise AccessError(
            f"nobody is {' and '.join(sorted(roles))} at once",
            fix="who sees video has no other role, and none of others",
        )
    right = Right(state.next_id("rights"), person.id, change.role, change.group, change.schedule)
    return right, *_sessions_ended(state, person.id, at_ns)


def _taken(state: State, change: RoleChange, at_ns: int) -> tuple[Row, ...]:
    right = None if change.right is None else state.rights.get(change.right)
    if right is None or right.ended_ns is not None:
        raise AccessError("there is no such right")
    if right.role is Role.ADMINISTRATOR:
        check_administrators_stay(state, right.person)
    return replace(right, ended_ns=at_ns), *_sessions_ended(state, right.person, at_ns)


def _group(change: RoleChange) -> Group:
    if not _GROUP.fullmatch(change.group) or len(change.cameras) > _MOST_CAMERAS:
        raise AccessError(
            "that is no group of cameras", fix=f"a name of 1 to 40 letters, and {_MOST_CAMERAS} cameras at most"
        )
    return Group(change.group, change.cameras)


def _sessions_ended(state: State, person: PersonId, at_ns: int) -> tuple[Session, ...]:
    """Whose rights change signs in again: no page shows what was allowed before."""
    return tuple(
        replace(one, ended_ns=at_ns) for one in state.sessions.values() if one.person == person and one.ended_ns is None
    )


def _concerned(state: State, change: RoleChange) -> Right | RoleChange:
    return state.rights[change.right] if change.kind is ChangeKind.TAKE and change.right is not None else change


def _facts(state: State, change: RoleChange) -> dict[str, Value]:
    facts: dict[str, Value] = {"change": change.id, "what": change.kind.value}
    if change.kind is ChangeKind.GROUP:
        # The names of ten thousand cameras do not fit into an entry; how many there are does.
        before = state.groups.get(change.group)
        return facts | {
            "group": change.group,
            "cameras": len(change.cameras),
            "cameras-before": len(before.cameras) if before else 0,
        }
    if change.kind is ChangeKind.ERASE:
        return facts
    concerned = _concerned(state, change)
    role = concerned.role.value if concerned.role else ""
    return facts | {"role": role, "group": concerned.group, "hours": concerned.schedule.text}


def _parts(state: State, change: RoleChange) -> dict[str, Part]:
    parts = {"asked-by": Part(change.asked_by)}
    concerned = _concerned(state, change).person
    is_forgotten = change.kind is ChangeKind.ERASE and change.state is ChangeState.DONE
    if concerned is not None and not is_forgotten:
        parts["person"] = Part(concerned)
    if change.decided_by is not None:
        parts["decided-by"] = Part(change.decided_by)
    return parts
