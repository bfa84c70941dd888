"""Routes to exports: to order one, to see how far they are, and for whoever has a link to fetch one."""

from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from civicam.access.decide import HOUR_NS, Action
from civicam.access.models import Role
from civicam.access.office import Name
from civicam.core.ids import parse_camera_id
from civicam.evidence.order import Area, uncovered_permille
from civicam.ledger.entry import PersonId
from civicam.web.bearer import Caller
from civicam.web.export_store import Export, ExportState
from civicam.web.export_wanted import Wanted
from civicam.web.exports import Exports
from civicam.web.gate import moment, parse_moment
from civicam.web.people_api import NumberPath
from civicam.web.people_models import AreaWanted, ExportLink, ExportModel, ExportWanted
from civicam.web.people_services import SIGNED_IN, PeopleServices, named, ruled
from civicam.web.sign_in_api import NO_CONTENT

LINK = "/public/export/"


def add_exports(api: FastAPI, services: PeopleServices) -> None:
    """Adds the routes to exports."""
    exports, office = services.exports, services.office

    @api.post("/api/exports", summary="Order an export", operation_id="order_export", **ruled(Action.CLEAR))
    async def order(caller: Annotated[Caller, Depends(services.caller)], said: ExportWanted) -> ExportLink:
        wanted = Wanted(
            said.grant,
            frozenset(parse_camera_id(name) for name in said.cameras),
            (parse_moment(said.start, "from"), parse_moment(said.end, "to")),
            said.recipient,
            round(said.days * 24 * HOUR_NS),
            said.redacted,
            tuple(_area(one) for one in said.shown),
            tuple(_area(one) for one in said.covered),
        )
        made, secret = await exports.order(caller, wanted)
        return ExportLink(id=made.number, link=f"{LINK}{secret}")

    @api.get(
        "/api/exports",
        summary="Exports, and how far they are",
        description="Whoever has oversight sees all, others their own.",
        operation_id="exports",
        **ruled(Action.CASES_READ),
    )
    async def listed(caller: Annotated[Caller, Depends(services.may(Action.CASES_READ))]) -> list[ExportModel]:
        names = await office.names()
        roles = services.state.roles_of(caller.who.person)
        sees_all = bool(roles & {Role.APPROVER, Role.AUDITOR})
        shown = [one for one in exports.listed() if sees_all or one.person == caller.who.person]
        return [_model(one, names, caller, exports) for one in shown]

    @api.get(
        "/api/exports/{number}/package",
        summary="The package, for whoever ordered it: nobody has received it so",
        operation_id="look_at_export",
        response_class=FileResponse,
        **ruled(SIGNED_IN),
    )
    async def look(caller: Annotated[Caller, Depends(services.caller)], number: NumberPath) -> FileResponse:
        return _file(*await exports.look(caller, number))

    @api.post(
        "/api/exports/{number}/withdraw",
        summary="Take an export back: its link ends, and the package is deleted",
        operation_id="withdraw_export",
        status_code=NO_CONTENT,
        **ruled(SIGNED_IN),
    )
    async def withdraw(caller: Annotated[Caller, Depends(services.caller)], number: NumberPath) -> None:
        await exports.withdraw(caller, number)


async def fetch(exports: Exports, request: Request) -> Response:
    """The package that a link is for.

    Raises:
        NotFoundError: there is no such link, or it has lapsed.
        LedgerError: it cannot be written down, and nothing is given out.
    """
    if request.method == "HEAD":  # programs ask first how long it is: nobody has received it so
        return _file(*await exports.found(request.path_params["secret"]))
    return _file(*await exports.take(request.path_params["secret"]))


def _file(found: Export, path: Path) -> FileResponse:
    return FileResponse(path, media_type="application/zip", filename=f"civicam-export-{found.number}.zip")


def _area(said: AreaWanted) -> Area:
    start_ns, end_ns = parse_moment(said.start, "from"), parse_moment(said.end, "to")
    return Area(parse_camera_id(said.camera), start_ns, end_ns, said.left, said.top, said.right, said.bottom)


def _model(one: Export, names: dict[PersonId, Name], caller: Caller, exports: Exports) -> ExportModel:
    order = one.order
    has_ended = one.state is ExportState.READY and not exports.may_leave(one)
    return ExportModel(
        id=one.number,
        grant=one.grant,
        name=named(names, one.person),
        case=order.case,
        redacted=order.is_redacted,
        shown=len(order.shown),
        uncovered=uncovered_permille(order) / 1000,
        recipient=order.recipient,
        cameras=list(order.cameras),
        start=moment(order.window[0]),
        end=moment(order.window[1]),
        state="ended" if has_ended else one.state.value,
        share=one.done_bytes / one.total_bytes if one.total_bytes else 0.0,
        why=one.why,
        until=moment(one.until_ns),
        received=one.received,
        is_own=one.person == caller.who.person,
    )
