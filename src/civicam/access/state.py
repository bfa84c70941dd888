"""All that a decision depends on, at one moment. Never changed: every change gives another state."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from civicam.access.models import (
    Case,
    Grant,
    GrantState,
    Group,
    Hold,
    Person,
    PersonState,
    Request,
    Right,
    Role,
    RoleChange,
    Session,
    SessionId,
    Token,
    TokenId,
)
from civicam.core.ids import CameraId
from civicam.ledger.entry import PersonId

Row: TypeAlias = Person | Group | Right | RoleChange | Case | Grant | Hold | Request | Session | Token
PLACES: Final[Mapping[type[Row], tuple[str, str]]] = {
    Person: ("people", "id"),
    Group: ("groups", "name"),
    Right: ("rights", "id"),
    RoleChange: ("changes", "id"),
    Case: ("cases", "number"),
    Grant: ("grants", "id"),
    Hold: ("holds", "id"),
    Request: ("requests", "id"),
    Session: ("sessions", "id"),
    Token: ("tokens", "id"),
}
"""The mapping that each kind of row is in, and the field that it is found by there."""


def _empty() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class State:
    """People, what they may, and who is signed in.

    Attributes:
        people: by id.
        groups: of cameras, by name.
        rights: by number.
        changes: of roles, by number.
        cases: by number.
        grants: by number.
        holds: by number.
        requests: of residents, by number.
        sessions: by id; those that ended a while ago may be missing.
        tokens: by id.
    """

    people: Mapping[PersonId, Person] = field(default_factory=_empty)
    groups: Mapping[str, Group] = field(default_factory=_empty)
    rights: Mapping[int, Right] = field(default_factory=_empty)
    changes: Mapping[int, RoleChange] = field(default_factory=_empty)
    cases: Mapping[str, Case] = field(default_factory=_empty)
    grants: Mapping[int, Grant] = field(default_factory=_empty)
    holds: Mapping[int, Hold] = field(default_factory=_empty)
    requests: Mapping[int, Request] = field(default_factory=_empty)
    sessions: Mapping[SessionId, Session] = field(default_factory=_empty)
    tokens: Mapping[TokenId, Token] = field(default_factory=_empty)

    def put(self, rows: Iterable[Row]) -> "State":
        """The state with `rows` in place of those that they have the keys of."""
        changed: dict[str, Any] = {}
        for row in rows:
            name, key = place_of(row)
            changed.setdefault(name, dict(getattr(self, name)))[key] = row
        return replace(self, **changed) if changed else self

    def rights_of(self, person: PersonId) -> Iterator[Right]:
        """What `person` may, and has not been taken away."""
        return (one for one in self.rights.values() if one.person == person and one.ended_ns is None)

    def roles_of(self, person: PersonId) -> frozenset[Role]:
        """The roles of these rights."""
        return frozenset(one.role for one in self.rights_of(person))

    def has_camera(self, right: Right, camera: CameraId) -> bool:
        """Whether a right is for that camera."""
        if not right.group:
            return True
        group = self.groups.get(right.group)
        return group is not None and camera in group.cameras

    def has_right_for(self, person: PersonId, camera: CameraId) -> bool:
        """Whether any right of a person is for that camera, at whatever hours."""
        return any(self.has_camera(right, camera) for right in self.rights_of(person))

    def grants_of(self, person: PersonId) -> Iterator[Grant]:
        """Those that somebody approved, or that broke the glass, and nobody took back."""
        return (one for one in self.grants.values() if one.person == person and one.state is GrantState.APPROVED)

    def people_with(self, role: Role) -> frozenset[PersonId]:
        """Who has a role, and has not left."""
        return frozenset(
            one.person
            for one in self.rights.values()
            if one.role is role and one.ended_ns is None and self.people[one.person].until_ns is None
        )

    def active_with(self, role: Role) -> frozenset[PersonId]:
        """Who has a role, and has come: an invitation decides nothing."""
        return frozenset(person for person in self.people_with(role) if self.people[person].state is PersonState.ACTIVE)

    def next_id(self, name: str) -> int:
        """A number that no row of `name` has: `rights`, `changes`, `grants`, `holds` or `requests`."""
        return max(getattr(self, name), default=0) + 1


def place_of(row: Row) -> tuple[str, Any]:
    """Which of a state's mappings a row is in, and under which key."""
    name, key = PLACES[type(row)]
    return name, getattr(row, key)
