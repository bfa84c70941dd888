"""What the routes about people work with, and what they have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request

from civicam.access.decide import Action, Ask, require
from civicam.access.models import Right
from civicam.access.office import Name, Office
from civicam.access.sign_in.door import Door
from civicam.access.sign_in.founding import Founding
from civicam.access.sign_in.provider import Provider
from civicam.access.state import State
from civicam.ledger.entry import PersonId
from civicam.ledger.log import LedgerFolder
from civicam.web.bearer import Bearers, Caller
from civicam.web.exports import Exports
from civicam.web.gate import moment
from civicam.web.holding import Holding
from civicam.web.people_models import RightModel
from civicam.web.requesting import Requesting

ANYBODY: Final = "anybody"
SIGNED_IN: Final = "anybody who is signed in"


@dataclass(frozen=True, slots=True)
class PeopleServices:
    """What requests about people are answered with.

    Attributes:
        city: the city's name.
        office: knows people and what they may.
        door: lets them in.
        bearers: find out who asks.
        zone: the city's time zone.
        purposes: what cases are opened for.
        most_ns: how long a grant lasts at most.
        ledger: where the ledger lies.
        founding: makes the first two administrators.
        exports: makes packages of footage, and gives them out.
        holding: has the catalogue keep what is held.
        requesting: keeps what residents tell.
        provider: where the city's people sign in elsewhere, if it has one.
    """

    city: str
    office: Office
    door: Door
    bearers: Bearers
    zone: str
    purposes: tuple[str, ...]
    most_ns: int
    ledger: LedgerFolder
    founding: Founding
    exports: Exports
    holding: Holding
    requesting: Requesting
    provider: Provider | None = None

    @property
    def state(self) -> State:
        """All that decisions depend on, now."""
        return self.office.state

    def caller(self, request: Request) -> Caller:
        """Who asks; raises SignInError."""
        return self.bearers.caller(request)

    def may(self, action: Action) -> Callable[[Request], Caller]:
        """What gives the caller of a request, if they may do that; it raises SignInError or NotAllowedError."""

        def check(request: Request) -> Caller:
            caller = self.caller(request)
            require(self.state, Ask(caller.who, action, self.office.clock.wall_ns()))
            return caller

        return check


def ruled(rule: str) -> dict[str, Any]:
    """What a route says of who may use it; every route about people says it, and a test reads it."""
    return {"openapi_extra": {"x-who": rule}}


def right_model(right: Right) -> RightModel:
    """A right as the API tells it."""
    schedule = right.schedule
    return RightModel(id=right.id, role=right.role, group=right.group, hours=schedule.text, zone=schedule.zone)


def named(names: dict[PersonId, Name], person: PersonId | None) -> str:
    """What somebody is called; empty for nobody."""
    return "" if person is None or person not in names else names[person].name


def moment_or_none(wall_ns: int | None) -> str | None:
    """A moment as the API writes it."""
    return None if wall_ns is None else moment(wall_ns)
