"""Routes for engineers: how completely each camera was recorded by day, and how the machine is."""

from typing import Annotated, Final

import httpx
from fastapi import Depends, FastAPI, Query

from civicam.access.decide import Action
from civicam.catalogue.coverage import Completeness
from civicam.catalogue.rollup import DAY_NS
from civicam.core.errors import BusyError
from civicam.core.ids import CameraId
from civicam.recorder.status import RecorderStatus
from civicam.web.bearer import Caller
from civicam.web.directory import Directory
from civicam.web.gate import moment
from civicam.web.models import CameraDays, DayModel, MachineModel, VolumeModel, WorkerModel
from civicam.web.people_services import PeopleServices, ruled

MOST_DAYS: Final = 31
_TIMEOUT_S: Final = 5.0


def add_machine(api: FastAPI, services: PeopleServices, directory: Directory, status: str) -> None:
    """Adds the routes.

    Args:
        api: to it.
        services: who may.
        directory: which cameras there are.
        status: where the recorder says how it is; empty if it does not.
    """
    sees = Annotated[Caller, Depends(services.may(Action.MACHINE))]

    @api.get(
        "/api/completeness", summary="What was recorded, by day", operation_id="completeness", **ruled(Action.MACHINE)
    )
    async def completeness(caller: sees, days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 7) -> list[CameraDays]:
        now_ns = services.office.clock.wall_ns()
        today_ns = now_ns // DAY_NS * DAY_NS
        starts = [today_ns - back * DAY_NS for back in range(days - 1, -1, -1)]
        windows = [(start_ns, min(start_ns + DAY_NS, now_ns)) for start_ns in starts]
        found = await directory.completeness(windows)
        return [
            CameraDays(camera=camera.id, title=camera.title, days=_days(camera.id, starts, found))
            for camera in (await directory.cameras()).values()
        ]

    @api.get("/api/machine", summary="How the machine is", operation_id="machine", **ruled(Action.MACHINE))
    async def machine(caller: sees) -> MachineModel:
        return _machine(await _asked(status))


def _days(camera: CameraId, starts: list[int], found: list[dict[CameraId, Completeness]]) -> list[DayModel]:
    return [_day(start_ns, one.get(camera, Completeness())) for start_ns, one in zip(starts, found, strict=True)]


def _day(start_ns: int, one: Completeness) -> DayModel:
    missing = {cause.label: ns / 1e9 for cause, ns in one.gap_ns.items() if ns}
    return DayModel(day=moment(start_ns)[:10], due_s=one.due_ns / 1e9, share=min(1.0, one.share), missing_s=missing)


async def _asked(status: str) -> RecorderStatus:
    """How the recorder is.

    Raises:
        BusyError: it does not say.
    """
    if not status:
        raise BusyError("the recorder does not say how it is", fix="give [metrics] a port")
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            return RecorderStatus.from_json((await client.get(status)).text)
    except (httpx.HTTPError, ValueError, TypeError, KeyError) as error:
        raise BusyError("the recorder does not say how it is", fix="see whether it runs") from error


def _machine(status: RecorderStatus) -> MachineModel:
    return MachineModel(
        at=moment(status.wall_ns),
        since=moment(status.started_ns),
        alarms=status.all_alarms,
        volumes=[
            VolumeModel(
                name=one.name,
                level=one.level,
                free_bytes=one.free_bytes,
                total_bytes=one.total_bytes,
                footage_bytes=one.footage_bytes,
                limit_bytes=one.limit_bytes,
            )
            for one in status.volumes
        ],
        bits_per_s=sum(rate.bits_per_s for rate in status.rates.values()),
        workers=[
            WorkerModel(
                number=number,
                is_up=status.is_up(number),
                restarts=restarts,
                streams=sum(len(report.streams) for report in status.reports if report.worker == number),
            )
            for number, restarts in sorted(status.restarts.items())
        ],
    )
