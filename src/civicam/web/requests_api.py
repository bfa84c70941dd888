"""Routes to residents' requests: to take one in, to answer or refuse it, to take longer, to have it received."""

from typing import Annotated

from fastapi import Depends, FastAPI

from civicam.access import requests
from civicam.access.decide import Action
from civicam.access.models import Request, Role
from civicam.access.office import Name
from civicam.access.state import State
from civicam.core.errors import AccessError, CivicamError
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
        return [
            _model(one, names, opened[one.id], _ready(services.exports, one))
            for one in sorted(shown, key=lambda one: -one.id)
        ]

    @api.post("/api/requests", summary="Take a request in", operation_id="take_request", **ruled(Action.REQUEST_TAKE))
    async def take(caller: somebody, said: RequestWanted) -> Numbered:
        cameras = frozenset(parse_camera_id(name) for name in said.cameras)
        window = (parse_moment(said.start, "from"), parse_moment(said.end, "to"))
        received_ns = parse_moment(said.received, "received")
        await services.holding.check(cameras)
        subject, sealed = await requesting.newcomer(Told(said.name, said.contact, said.told, said.identity))
        wanted = requests.Wanted(subject, said.name, sealed, cameras, window, received_ns, said.legal_reference)
        try:
            change = await office.carry_out(
                lambda state, at_ns: requests.take(state, caller.who, caller.where, wanted, at_ns, zone=services.zone)
            )
        except CivicamError:
            await requesting.drop(subject)
            raise
        await services.holding.apply()
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
        found = requests.open_request(services.state, caller.who, number, office.clock.wall_ns())
        if said.export not in _ready(services.exports, found):
            raise AccessError(
                f"export {said.export} is no redacted one of case {found.case}, or is not ready",
                fix="order one under a grant for it",
            )
        await office.carry_out(lambda state, at_ns: requests.answer(state, caller.who, number, said.export, at_ns))

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

    @api.post(
        "/api/requests/{number}/received",
        summary="Say that the answer was handed over",
        operation_id="request_received",
        status_code=NO_CONTENT,
        **ruled(Action.REQUEST_EDIT),
    )
    async def received(caller: somebody, number: NumberPath) -> None:
        await office.carry_out(lambda state, at_ns: requests.received(state, caller.who, number, at_ns))


def _is_told(state: State, caller: Caller, one: Request) -> bool:
    """What residents tell is for those who answer and decide about these cameras, and for auditors."""
    person = caller.who.person
    return Role.AUDITOR in state.roles_of(person) or any(state.has_right_for(person, camera) for camera in one.cameras)


def _ready(exports: Exports, one: Request) -> list[int]:
    """The exports that may answer it, by number: redacted ones, since others may appear beside who asked."""
    return [
        made.number
        for made in exports.listed()
        if made.order.case == one.case and made.order.is_redacted and made.state is ExportState.READY
    ]


def _model(one: Request, names: dict[PersonId, Name], opened: Opened, ready: list[int]) -> RequestModel:
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
        taken_by=named(names, one.taken_by),
        state=one.state.value,
        extended=moment_or_none(one.extended_ns),
        delay=opened.delay,
        decided_by=named(names, one.decided_by) or None,
        decided=moment_or_none(one.decided_ns),
        export=one.export,
        exports=ready,
        reason=one.reason,
        refusal=opened.refusal,
        received_answer=moment_or_none(one.received_answer_ns),
        is_forgotten=one.forgotten_ns is not None,
    )
