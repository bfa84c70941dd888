"""Routes to holds: to ask for one, to decide, to give footage back."""

from typing import Annotated

from fastapi import Depends, FastAPI

from civicam.access import holds
from civicam.access.decide import Action
from civicam.access.models import Hold
from civicam.access.office import Name
from civicam.core.errors import AccessError
from civicam.core.ids import parse_camera_id
from civicam.ledger.entry import PersonId
from civicam.web.bearer import Caller
from civicam.web.gate import moment, parse_moment
from civicam.web.people_api import NumberPath
from civicam.web.people_models import HoldModel, HoldWanted, Numbered
from civicam.web.people_services import PeopleServices, named, ruled
from civicam.web.sign_in_api import NO_CONTENT


def add_holds(api: FastAPI, services: PeopleServices) -> None:
    """Adds the routes to holds. Each is for cameras, so that the change itself decides who may."""
    office, holding = services.office, services.holding
    somebody = Annotated[Caller, Depends(services.caller)]

    @api.get("/api/holds", summary="Footage that is kept for cases", operation_id="holds", **ruled(Action.CASES_READ))
    async def listed(caller: Annotated[Caller, Depends(services.may(Action.CASES_READ))]) -> list[HoldModel]:
        names = await office.names()
        return [_model(one, names, caller) for one in sorted(services.state.holds.values(), key=lambda one: -one.id)]

    @api.post("/api/holds", summary="Ask for a hold", operation_id="ask_hold", **ruled(Action.HOLD_ASK))
    async def ask(caller: somebody, said: HoldWanted) -> Numbered:
        wanted = holds.Wanted(
            said.case,
            frozenset(parse_camera_id(name) for name in said.cameras),
            (parse_moment(said.start, "from"), parse_moment(said.end, "to")),
            parse_moment(said.review, "review"),
        )
        await holding.check(wanted.cameras)
        change = await office.carry_out(lambda state, at_ns: holds.ask(state, caller.who, caller.where, wanted, at_ns))
        await holding.apply()
        row = change.rows[0]
        if not isinstance(row, Hold):
            raise AccessError("that made no hold")
        return Numbered(id=row.id)

    @api.post(
        "/api/holds/{number}/approve",
        summary="Approve what somebody else asked for",
        operation_id="approve_hold",
        status_code=NO_CONTENT,
        **ruled(Action.HOLD_DECIDE),
    )
    async def approve(caller: somebody, number: NumberPath) -> None:
        await office.carry_out(lambda state, at_ns: holds.approve(state, caller.who, caller.where, number, at_ns))
        await holding.apply()

    @api.post(
        "/api/holds/{number}/refuse",
        summary="Refuse it",
        operation_id="refuse_hold",
        status_code=NO_CONTENT,
        **ruled(Action.HOLD_DECIDE),
    )
    async def refuse(caller: somebody, number: NumberPath) -> None:
        await office.carry_out(lambda state, at_ns: holds.refuse(state, caller.who, number, at_ns))
        await holding.apply()

    @api.post(
        "/api/holds/{number}/release",
        summary="Give the footage back to its days",
        operation_id="release_hold",
        status_code=NO_CONTENT,
        **ruled(Action.HOLD_DECIDE),
    )
    async def release(caller: somebody, number: NumberPath) -> None:
        await office.carry_out(lambda state, at_ns: holds.release(state, caller.who, number, at_ns))
        await holding.apply()


def _model(one: Hold, names: dict[PersonId, Name], caller: Caller) -> HoldModel:
    return HoldModel(
        id=one.id,
        case=one.case,
        name=named(names, one.person),
        cameras=sorted(one.cameras),
        start=moment(one.window[0]),
        end=moment(one.window[1]),
        review=moment(one.review_ns),
        until=moment(holds.ends_ns(one)),
        state=one.state.value,
        decided_by=named(names, one.decided_by) or None,
        is_own=one.person == caller.who.person,
    )
