"""Routes to residents' requests: to take one in, to answer or refuse it, to take longer, to have it received."""

import sys
from datetime import date
from typing import Annotated

from fastapi import Depends, FastAPI

from civicam.access import deadline, requests
from civicam.access.change import Change
from civicam.access.decide import RULES, Action
from civicam.access.models import Request, Role
from civicam.access.office import Make, Name
from civicam.access.state import State
from civicam.core.errors import AccessError, CivicamError, RequestError
from civicam.core.ids import parse_camera_id
from civicam.ledger.entry import PersonId
from civicam.web.bearer import Caller
from civicam.web.export_store import ExportState
from civicam.web.exports import Exports
from civicam.web.gate import moment, parse_moment
from civicam.web.people_api import NumberPath
from civicam.web.people_models import (
    Numbered,
    RequestAnswer,
    RequestDelay,
    RequestModel,
    RequestRefusal,
    RequestWanted,
)
from civicam.web.people_services import PeopleServices, moment_or_none, named, ruled
from civicam.web.requesting import Opened, Told
from civicam.web.sign_in_api import NO_CONTENT


def add_requests(api: FastAPI, services: PeopleServices) -> None:
    """Adds the routes to residents' requests. Each is for cameras, so that the change itself decides who may."""
    office, requesting = services.office, services.requesting
    somebody = Annotated[Caller, Depends(services.caller)]

    @api.get(
        "/api/requests",
        summary="Requests of residents, with what they told",
        description="Auditors see all, others those for cameras of theirs.",
        operation_id="requests",
        **ruled(Action.REQUESTS_READ),
    )
    async def listed(caller: Annotated[Caller, Depends(services.may(Action.REQUESTS_READ))]) -> list[RequestModel]:
        shown = [one for one in services.state.requests.values() if _is_told(services.state, caller, one)]
        names, opened = await office.names(), await requesting.opened(shown)
        return [_model(one, names, opened[one.id], services) for one in sorted(shown, key=lambda one: -one.id)]

    @api.post("/api/requests", summary="Take a request in", operation_id="take_request", **ruled(Action.REQUEST_TAKE))
    async def take(caller: somebody, said: RequestWanted) -> Numbered:
        cameras = frozenset(parse_camera_id(name) for name in said.cameras)
        window = (parse_moment(said.start, "from"), parse_moment(said.end, "to"))
        received_ns = deadline.begins_ns(_day(said.received), services.zone)
        await services.holding.check(cameras)
        subject, sealed = await requesting.newcomer(Told(said.name, said.contact, said.told, said.identity))
        wanted = requests.Wanted(subject, said.name, sealed, cameras, window, received_ns, said.legal_reference)
        try:
            change = await office.carry_out(
                lambda state, at_ns: requests.take(state, caller.who, caller.where, wanted, at_ns, zone=services.zone)
            )
        except BaseException:
            await requesting.drop(subject)
            raise
        await _held(services)
        row = change.rows[0]
        if not isinstance(row, Request):
            raise AccessError("that made no request")
        return Numbered(id=row.id)

    @api.post(
        "/api/requests/{number}/answer",
        summary="Answer it with an export of its case",
        operation_id="answer_request",
        status_code=NO_CONTENT,
        **ruled(Action.REQUEST_EDIT),
    )
    async def answer(caller: somebody, number: NumberPath, said: RequestAnswer) -> None:
        await office.carry_out(_answered(services.exports, caller, number, said.export))

    @api.post(
        "/api/requests/{number}/refuse",
        summary="Refuse it, for a reason that the resident is told",
        operation_id="refuse_request",
        status_code=NO_CONTENT,
        **ruled(Action.REQUEST_EDIT),
    )
    async def refuse(caller: somebody, number: NumberPath, said: RequestRefusal) -> None:
        found = requests.open_request(services.state, caller.who, number, office.clock.wall_ns())
        told = await requesting.refusal(found.subject, said.words)
        await office.carry_out(
            lambda state, at_ns: requests.refuse(state, caller.who, number, told, at_ns, reason=said.reason)
        )

    @api.post(
        "/api/requests/{number}/extend",
        summary="Take two months more, once, as the resident was told",
        operation_id="extend_request",
        status_code=NO_CONTENT,
        **ruled(Action.REQUEST_EDIT),
    )
    async def extend(caller: somebody, number: NumberPath, said: RequestDelay) -> None:
        found = requests.open_request(services.state, caller.who, number, office.clock.wall_ns())
        told = await requesting.delay(found.subject, said.words)
        await office.carry_out(
            lambda state, at_ns: requests.extend(state, caller.who, number, told, at_ns, zone=services.zone)
        )
        await _held(services)

    @api.post(
        "/api/requests/{number}/received",
        summary="Say that the answer was handed over",
        operation_id="request_received",
        status_code=NO_CONTENT,
        **ruled(Action.REQUEST_EDIT),
    )
    async def received(caller: somebody, number: NumberPath) -> None:
        await office.carry_out(lambda state, at_ns: requests.received(state, caller.who, number, at_ns))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RequestError("'received' is no day", fix="write it as 2026-03-01") from None


async def _held(services: PeopleServices) -> None:
    """Has the catalogue keep the footage now; where that fails it is tried again soon, and the request is taken in."""
    try:
        await services.holding.apply()
    except CivicamError as error:
        sys.stderr.write(f"civicam web: holds: {error}\n")


def _answered(exports: Exports, caller: Caller, number: int, export: int) -> Make:
    """Answers a request, if that export may answer it at that moment."""

    def make(state: State, at_ns: int) -> Change:
        found = requests.answerable(state, caller.who, number, at_ns)
        if export not in _ready(exports, found):
            raise AccessError(
                f"export {export} is no redacted one of case {found.case} whose link holds, or is not ready",
                fix="order one under a grant for it",
            )
        return requests.answer(state, caller.who, number, export, at_ns)

    return make


def _is_told(state: State, caller: Caller, one: Request) -> bool:
    """What residents tell is for those who answer and decide about these cameras, and for auditors."""
    rights = [right for right in state.rights_of(caller.who.person) if right.role in RULES[Action.REQUESTS_READ].roles]
    return any(
        right.role is Role.AUDITOR or any(state.has_camera(right, camera) for camera in one.cameras) for right in rights
    )


def _ready(exports: Exports, one: Request) -> list[int]:
    """The exports that may answer it, by number: redacted ones, since others may appear beside who asked."""
    return [
        made.number
        for made in exports.listed()
        if made.order.case == one.case
        and made.order.is_redacted
        and made.state is ExportState.READY
        and exports.may_leave(made)
    ]


def _model(one: Request, names: dict[PersonId, Name], opened: Opened, services: PeopleServices) -> RequestModel:
    return RequestModel(
        id=one.id,
        case=one.case,
        name=opened.told.name,
        contact=opened.told.contact,
        told=opened.told.told,
        identity=opened.told.identity,
        cameras=sorted(one.cameras),
        start=moment(one.window[0]),
        end=moment(one.window[1]),
        received=moment(one.received_ns),
        due=moment(one.due_ns),
        due_day=deadline.last_day(one.due_ns, services.zone).isoformat(),
        is_held=requests.is_held(services.state, one),
        taken_by=named(names, one.taken_by),
        state=one.state.value,
        extended=moment_or_none(one.extended_ns),
        delay=opened.delay,
        decided_by=named(names, one.decided_by) or None,
        decided=moment_or_none(one.decided_ns),
        export=one.export,
        exports=_ready(services.exports, one),
        reason=one.reason,
        refusal=opened.refusal,
        received_answer=moment_or_none(one.received_answer_ns),
        is_forgotten=one.forgotten_ns is not None,
    )
