"""Routes to cases and grants, and to break the glass."""

from functools import partial
from typing import Annotated

from fastapi import Depends, FastAPI

from civicam.access import cases
from civicam.access.change import Change
from civicam.access.decide import HOUR_NS, Action
from civicam.access.models import Case, Grant, Role
from civicam.access.office import Name
from civicam.access.state import State
from civicam.core.errors import AccessError, KeyMissingError, RequestError
from civicam.core.ids import parse_camera_id
from civicam.core.spans import Span
from civicam.ledger.entry import PersonId
from civicam.web.bearer import Caller
from civicam.web.gate import moment, parse_moment
from civicam.web.people_api import NumberPath
from civicam.web.people_models import (
    Cameras,
    CaseModel,
    CaseRef,
    CasesModel,
    CaseWanted,
    GrantModel,
    GrantWanted,
    NarrowWanted,
    Numbered,
)
from civicam.web.people_services import PeopleServices, moment_or_none, named, ruled
from civicam.web.sign_in_api import NO_CONTENT

_REASON = "reason"


def add_cases(api: FastAPI, services: PeopleServices) -> None:
    """Adds the routes to cases."""
    office = services.office
    reads = Annotated[Caller, Depends(services.may(Action.CASES_READ))]
    opens = Annotated[Caller, Depends(services.may(Action.CASE_OPEN))]

    @api.get("/api/cases", summary="Cases and grants", operation_id="cases", **ruled(Action.CASES_READ))
    async def list_cases(caller: reads) -> CasesModel:
        names = await office.names()
        reasons = await office.in_thread(lambda: _reasons(services))
        state = services.state
        is_operator = state.roles_of(caller.who.person) == {Role.OPERATOR}
        grants = [one for one in state.grants.values() if not is_operator or one.person == caller.who.person]
        return CasesModel(
            purposes=[*services.purposes],
            cases=[] if is_operator else [_case(one, names) for one in state.cases.values()],
            grants=[_grant(one, names, reasons, caller) for one in grants],
        )

    @api.post(
        "/api/cases", summary="Open a case", operation_id="open_case", status_code=NO_CONTENT, **ruled(Action.CASE_OPEN)
    )
    async def open_case(caller: opens, said: CaseWanted) -> None:
        def make(state: State, at_ns: int) -> Change:
            case = Case(said.number, said.purpose, said.legal_reference, caller.who.person, at_ns)
            return cases.open_case(state, caller.who, case, services.purposes, at_ns)

        await office.carry_out(make)

    @api.post(
        "/api/cases/close",
        summary="Close a case",
        operation_id="close_case",
        status_code=NO_CONTENT,
        **ruled(Action.CASE_OPEN),
    )
    async def close_case(caller: opens, said: CaseRef) -> None:
        await office.carry_out(lambda state, at_ns: cases.close_case(state, caller.who, said.number, at_ns))


def add_grants(api: FastAPI, services: PeopleServices) -> None:
    """Adds the routes to grants. Each is for cameras, so that the change itself decides who may."""
    office = services.office
    somebody = Annotated[Caller, Depends(services.caller)]

    @api.post("/api/grants", summary="Ask for clear video", operation_id="ask_grant", **ruled(Action.GRANT_ASK))
    async def ask(caller: somebody, said: GrantWanted) -> Numbered:
        wanted = await _wanted(services, caller, said, said.case, round(said.hours * HOUR_NS))
        change = await office.carry_out(
            lambda state, at_ns: cases.ask(state, caller.who, caller.where, wanted, at_ns, most_ns=services.most_ns)
        )
        return _numbered(change.rows[0])

    @api.post(
        "/api/break-glass", summary="See clear video at once", operation_id="break_glass", **ruled(Action.BREAK_GLASS)
    )
    async def break_glass(caller: somebody, said: Cameras) -> Numbered:
        wanted = await _wanted(services, caller, said)
        change = await office.carry_out(
            lambda state, at_ns: cases.break_glass(state, caller.who, caller.where, wanted, at_ns)
        )
        return _numbered(change.rows[0])

    @api.post(
        "/api/grants/{number}/approve",
        summary="Approve what somebody else asked for",
        operation_id="approve_grant",
        status_code=NO_CONTENT,
        **ruled(Action.GRANT_DECIDE),
    )
    async def approve(caller: somebody, number: NumberPath) -> None:
        await office.carry_out(lambda state, at_ns: cases.approve(state, caller.who, caller.where, number, at_ns))

    @api.post(
        "/api/grants/{number}/refuse",
        summary="Refuse it",
        operation_id="refuse_grant",
        status_code=NO_CONTENT,
        **ruled(Action.GRANT_DECIDE),
    )
    async def refuse(caller: somebody, number: NumberPath) -> None:
        await office.carry_out(lambda state, at_ns: cases.refuse(state, caller.who, number, at_ns))

    @api.post(
        "/api/grants/{number}/revoke",
        summary="End a grant at once",
        description="Whoever has it may give it up.",
        operation_id="revoke_grant",
        status_code=NO_CONTENT,
        **ruled(Action.GRANT_END),
    )
    async def revoke(caller: somebody, number: NumberPath) -> None:
        await office.carry_out(lambda state, at_ns: cases.revoke(state, caller.who, number, at_ns))

    @api.post(
        "/api/grants/{number}/narrow",
        summary="Take something away from a grant",
        operation_id="narrow_grant",
        status_code=NO_CONTENT,
        **ruled(Action.GRANT_END),
    )
    async def narrow(caller: somebody, number: NumberPath, said: NarrowWanted) -> None:
        left = _narrower(said)
        await office.carry_out(lambda state, at_ns: cases.narrow(state, caller.who, number, left, at_ns))

    @api.get(
        "/api/break-glass",
        summary="Who broke the glass",
        description="Whoever has oversight is told.",
        operation_id="glass_broken",
        **ruled(Action.OVERSEE),
    )
    async def glass_broken(caller: Annotated[Caller, Depends(services.may(Action.OVERSEE))]) -> list[GrantModel]:
        names = await office.names()
        reasons = await office.in_thread(lambda: _reasons(services))
        return [_grant(one, names, reasons, caller) for one in services.state.grants.values() if one.is_break_glass]


async def _wanted(
    services: PeopleServices, caller: Caller, said: Cameras, case: str = "", lasts_ns: int = cases.BREAK_GLASS_NS
) -> cases.Wanted:
    window = _window(said.start, said.end)
    cameras = frozenset(parse_camera_id(name) for name in said.cameras)
    seal = partial(services.office.keys.seal, caller.who.person, said.reason.encode(), _REASON)
    return cases.Wanted(cameras, window, said.reason, await services.office.in_thread(seal), case, lasts_ns)


def _window(start: str, end: str) -> Span:
    return parse_moment(start, "from"), parse_moment(end, "to")


def _narrower(said: NarrowWanted) -> cases.Narrower:
    if (said.start is None) != (said.end is None):
        raise RequestError("a stretch has 'from' and 'to'", fix="give both, or neither")
    window = None if said.start is None or said.end is None else _window(said.start, said.end)
    cameras = None if said.cameras is None else frozenset(parse_camera_id(name) for name in said.cameras)
    return cases.Narrower(cameras, window, None if said.until is None else parse_moment(said.until, "until"))


def _reasons(services: PeopleServices) -> dict[int, str]:
    """Why grants were asked for; empty where who asked was erased. Blocks."""
    found = {}
    for grant in services.state.grants.values():
        try:
            found[grant.id] = services.office.keys.open(grant.person, grant.sealed_reason, _REASON).decode()
        except KeyMissingError:
            found[grant.id] = ""
    return found


def _case(one: Case, names: dict[PersonId, Name]) -> CaseModel:
    return CaseModel(
        number=one.number,
        purpose=one.purpose,
        legal_reference=one.legal_reference,
        opened_by=named(names, one.opened_by),
        opened=moment(one.opened_ns),
        closed=moment_or_none(one.closed_ns),
    )


def _grant(one: Grant, names: dict[PersonId, Name], reasons: dict[int, str], caller: Caller) -> GrantModel:
    return GrantModel(
        id=one.id,
        case=one.case,
        person=one.person,
        name=named(names, one.person),
        cameras=sorted(one.cameras),
        start=moment(one.window[0]),
        end=moment(one.window[1]),
        reason=reasons.get(one.id, ""),
        state=one.state.value,
        is_break_glass=one.is_break_glass,
        asked=moment(one.asked_ns),
        decided_by=named(names, one.decided_by) or None,
        until=moment_or_none(one.expires_ns),
        hours=one.lasts_ns / HOUR_NS,
        is_own=one.person == caller.who.person,
    )


def _numbered(row: object) -> Numbered:
    if not isinstance(row, Grant):
        raise AccessError("that made no grant")
    return Numbered(id=row.id)
