"""Routes by which engineers add cameras, say what the public is told of them, place and remove them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, TypeVar

from fastapi import Depends, FastAPI

from civicam.access.decide import Action
from civicam.camera.sealing import seal_credentials
from civicam.camera.streams import stream_addresses
from civicam.camera.url import Credentials
from civicam.catalogue.models import Camera, Place, RegisterEntry
from civicam.core.citykey import CityKey
from civicam.core.errors import CatalogueError, ConfigError, NotFoundError, RequestError
from civicam.core.ids import CameraId, parse_camera_id
from civicam.upkeep.written import camera_draft
from civicam.web.bearer import Caller
from civicam.web.directory import Directory
from civicam.web.models import CameraWanted, PlaceModel, RegisterModel
from civicam.web.people_services import PeopleServices, ruled
from civicam.web.sign_in_api import NO_CONTENT

_T = TypeVar("_T")


def add_cameras(api: FastAPI, services: PeopleServices, directory: Directory, key: CityKey) -> None:
    """Adds the routes.

    Args:
        api: to it.
        services: who may, and where it is written down.
        directory: which cameras there are.
        key: seals their passwords.
    """
    edits = Annotated[Caller, Depends(services.may(Action.CAMERA_EDIT))]
    rule = ruled(Action.CAMERA_EDIT)

    async def written(camera: Camera, what: str, caller: Caller) -> None:
        await services.office.write(camera_draft(camera, what, caller.who.person))

    @api.post("/api/cameras", summary="Add a camera", operation_id="add_camera", status_code=NO_CONTENT, **rule)
    async def add(caller: edits, said: CameraWanted) -> None:
        camera = _valid(lambda: _camera(said, key, services.office.clock.wall_ns()))
        if camera.id in await directory.cameras():
            raise RequestError("the city has this camera already", fix="choose another name")
        await written(camera, "added", caller)
        await directory.change(lambda catalogue: catalogue.add_camera(camera))

    @api.post(
        "/api/cameras/{camera}/describe",
        summary="Say what the public is told of it",
        operation_id="describe_camera",
        status_code=NO_CONTENT,
        **rule,
    )
    async def describe(caller: edits, camera: str, said: RegisterModel) -> None:
        known = await _known(directory, camera)
        entry = _valid(lambda: _entry(said))
        await written(replace(known, register=entry), "described", caller)
        now_ns = services.office.clock.wall_ns()
        await directory.change(lambda catalogue: catalogue.describe_camera(known.id, entry, now_ns))

    @api.post(
        "/api/cameras/{camera}/place",
        summary="Say where it stands",
        operation_id="place_camera",
        status_code=NO_CONTENT,
        **rule,
    )
    async def place(caller: edits, camera: str, said: PlaceModel) -> None:
        known = await _known(directory, camera)
        stands = _valid(lambda: Place(**said.model_dump()))
        await written(replace(known, place=stands), "placed", caller)
        await directory.change(lambda catalogue: catalogue.place_camera(known.id, stands))

    @api.post(
        "/api/cameras/{camera}/remove",
        summary="Stop recording it for good; what it recorded stays until it is old",
        operation_id="remove_camera",
        status_code=NO_CONTENT,
        **rule,
    )
    async def remove(caller: edits, camera: str) -> None:
        known = await _known(directory, camera)
        await written(known, "removed", caller)
        now_ns = services.office.clock.wall_ns()
        await directory.change(lambda catalogue: catalogue.remove_camera(known.id, now_ns=now_ns))


async def _known(directory: Directory, name: str) -> Camera:
    found = (await directory.cameras()).get(CameraId(name))
    if found is None:
        raise NotFoundError("the city has no such camera", fix="see /api/cameras")
    return found


def _valid(make: Callable[[], _T]) -> _T:
    """What `make` gives; what it finds wrong is wrong in the request."""
    try:
        return make()
    except (CatalogueError, ConfigError) as error:
        raise RequestError(str(error)) from error


def _camera(said: CameraWanted, key: CityKey, now_ns: int) -> Camera:
    name = parse_camera_id(said.id)
    typed = Credentials(said.username, said.password) if said.username or said.password else None
    urls, login = stream_addresses(said.url, said.sub, typed)
    sealed = seal_credentials(key, name, login)
    entry = _entry(said.register_entry) if said.register_entry else None
    place = Place(**said.place.model_dump()) if said.place else None
    return Camera(name, said.title.strip() or name, urls, sealed, said.purpose.strip(), now_ns, None, entry, place)


def _entry(said: RegisterModel) -> RegisterEntry:
    return RegisterEntry(said.owner.strip(), said.legal_basis.strip(), said.keep_days, said.description.strip())
