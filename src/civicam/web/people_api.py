"""Routes to people and to what they may."""

from typing import Annotated

from fastapi import Depends, FastAPI, Path

from civicam.access import people, roles
from civicam.access.decide import Action
from civicam.access.models import Person, PersonState, RoleChange
from civicam.access.office import Name
from civicam.access.schedule import parse_schedule
from civicam.core.errors import NotFoundError
from civicam.core.ids import parse_camera_id
from civicam.ledger.entry import PersonId
from civicam.web.bearer import Caller
from civicam.web.gate import moment
from civicam.web.people_models import (
    ChangeModel,
    ChangeWanted,
    GroupModel,
    InvitationCode,
    Invited,
    Numbered,
    PeopleModel,
    PersonModel,
    PersonWanted,
)
from civicam.web.people_services import PeopleServices, right_model, ruled
from civicam.web.sign_in_api import NO_CONTENT

PersonPath = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
NumberPath = Annotated[int, Path(ge=0, le=2**53 - 1)]


def add_people(api: FastAPI, services: PeopleServices) -> None:
    """Adds the routes to people."""
    office = services.office
    edits = Annotated[Caller, Depends(services.may(Action.PEOPLE_EDIT))]
    reads = Annotated[Caller, Depends(services.may(Action.PEOPLE_READ))]

    @api.get("/api/people", summary="Everybody", operation_id="people", **ruled(Action.PEOPLE_READ))
    async def list_people(caller: reads) -> PeopleModel:
        names, state = await office.names(), services.state
        groups = [GroupModel(name=one.name, cameras=sorted(one.cameras)) for one in state.groups.values()]
        found = [_person(services, names, one) for one in state.people.values() if one.id in names]
        return PeopleModel(people=found, groups=groups)

    @api.post("/api/people", summary="Invite somebody", operation_id="invite", **ruled(Action.PEOPLE_EDIT))
    async def invite(caller: edits, said: PersonWanted) -> Invited:
        newcomer = await office.newcomer(said.login, said.name)
        await office.carry_out(lambda state, at_ns: people.invite(state, caller.who, newcomer, at_ns))
        return Invited(person=newcomer.id, invitation=await services.door.invitation(newcomer.id, caller.who))

    @api.post(
        "/api/people/{person}/invitation",
        summary="Invite them again",
        operation_id="invite_again",
        **ruled(Action.PEOPLE_EDIT),
    )
    async def invite_again(caller: edits, person: PersonPath) -> Invited:
        known = _known(services, person)
        return Invited(person=known, invitation=await services.door.invitation(known, caller.who))

    @api.post(
        "/api/people/{person}/invitation-code",
        summary="What opens their invitation, which another administrator has",
        operation_id="invitation_code",
        **ruled(Action.PEOPLE_EDIT),
    )
    async def invitation_code(caller: edits, person: PersonPath) -> InvitationCode:
        known = _known(services, person)
        return InvitationCode(code=await services.door.invitation_code(known, caller.who))

    @api.post(
        "/api/people/{person}/leave",
        summary="End all that they may, at once",
        operation_id="leave",
        status_code=NO_CONTENT,
        **ruled(Action.PEOPLE_EDIT),
    )
    async def leave(caller: edits, person: PersonPath) -> None:
        known = _known(services, person)
        await office.carry_out(lambda state, at_ns: people.leave(state, caller.who, known, at_ns), forget=known)


def add_roles(api: FastAPI, services: PeopleServices) -> None:
    """Adds the routes to changes of roles and groups."""
    office = services.office
    reads = Annotated[Caller, Depends(services.may(Action.PEOPLE_READ))]
    asks = Annotated[Caller, Depends(services.may(Action.ROLE_ASK))]
    decides = Annotated[Caller, Depends(services.may(Action.ROLE_DECIDE))]

    @api.get("/api/changes", summary="Changes of roles", operation_id="changes", **ruled(Action.PEOPLE_READ))
    async def list_changes(caller: reads) -> list[ChangeModel]:
        return [_change(one) for one in services.state.changes.values()]

    @api.post("/api/changes", summary="Ask for a change of roles", operation_id="ask_change", **ruled(Action.ROLE_ASK))
    async def ask(caller: asks, said: ChangeWanted) -> Numbered:
        wanted = roles.Wanted(
            said.kind,
            PersonId(said.person) if said.person else None,
            said.role,
            said.group,
            parse_schedule(said.hours, services.zone),
            said.right,
            frozenset(parse_camera_id(name) for name in said.cameras),
        )
        change = await office.carry_out(lambda state, at_ns: roles.ask(state, caller.who, caller.where, wanted, at_ns))
        return _numbered(change.rows[0])

    @api.post(
        "/api/changes/{number}/approve",
        summary="Do what another administrator asked for",
        operation_id="approve_change",
        status_code=NO_CONTENT,
        **ruled(Action.ROLE_DECIDE),
    )
    async def approve(caller: decides, number: NumberPath) -> None:
        done = await office.carry_out(
            lambda state, at_ns: roles.approve(state, caller.who, caller.where, number, at_ns)
        )
        for row in done.rows:
            if isinstance(row, Person) and row.state is PersonState.ERASED:
                await office.forgotten(row.id)

    @api.post(
        "/api/changes/{number}/refuse",
        summary="Refuse it",
        operation_id="refuse_change",
        status_code=NO_CONTENT,
        **ruled(Action.ROLE_DECIDE),
    )
    async def refuse(caller: decides, number: NumberPath) -> None:
        await office.carry_out(lambda state, at_ns: roles.refuse(state, caller.who, number, at_ns))


def _known(services: PeopleServices, person: str) -> PersonId:
    found = PersonId(person)
    if found not in services.state.people:
        raise NotFoundError("there is no such person")
    return found


def _person(services: PeopleServices, names: dict[PersonId, Name], one: Person) -> PersonModel:
    rights = [right_model(right) for right in services.state.rights_of(one.id)]
    return PersonModel(
        id=one.id,
        login=names[one.id].login,
        name=names[one.id].name,
        state=one.state.value,
        since=moment(one.since_ns),
        rights=rights,
    )


def _numbered(row: object) -> Numbered:
    assert isinstance(row, RoleChange)
    return Numbered(id=row.id)


def _change(one: RoleChange) -> ChangeModel:
    return ChangeModel(
        id=one.id,
        kind=one.kind,
        person=one.person,
        role=one.role,
        group=one.group,
        hours=one.schedule.text,
        right=one.right,
        cameras=sorted(one.cameras),
        state=one.state.value,
        asked_by=one.asked_by,
        asked=moment(one.asked_ns),
        decided_by=one.decided_by,
    )
