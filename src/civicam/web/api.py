"""Every route there is: JSON by FastAPI, pictures and the page by Starlette alone (half the work a request).

Each asks `Gate` for a decision first; whatever gives out pictures takes that decision (`Media`), and cannot be called
without one.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from civicam.catalogue.coverage import Coverage
from civicam.catalogue.models import Camera
from civicam.core.citykey import CityKey
from civicam.core.clock import Clock
from civicam.core.errors import CivicamError, NotFoundError, RequestError
from civicam.core.spans import Span
from civicam.evidence.statement import verifier_page
from civicam.player import hls
from civicam.player.playback import FASTEST, LONGEST_NS, SLOWEST
from civicam.vision.health import HealthEvent
from civicam.web import live
from civicam.web.authorise import Authoriser, Decision, Purpose
from civicam.web.cameras_api import add_cameras
from civicam.web.cases_api import add_cases, add_grants
from civicam.web.clear_media import ClearMedia
from civicam.web.conditions import Health, State, code_of, state_of, words_of
from civicam.web.directory import Directory
from civicam.web.exports_api import LINK, add_exports, fetch
from civicam.web.gate import Gate, moment, parse_moment, parse_window
from civicam.web.guard import Guard
from civicam.web.holds_api import add_holds
from civicam.web.ledger_api import LedgerFiles, add_ledger
from civicam.web.looks import Ledger, Looks
from civicam.web.machine_api import add_machine
from civicam.web.media import Media
from civicam.web.models import (
    CameraModel,
    CityModel,
    ConditionModel,
    CoverageModel,
    FrameModel,
    GapModel,
    HealthModel,
    HoursModel,
    PlaceModel,
    ProblemModel,
    RegisteredModel,
    RegisterList,
    RegisterModel,
    SpanModel,
)
from civicam.web.page_files import PageFile, page_files, public_style
from civicam.web.passkey_api import add_passkeys
from civicam.web.people_api import add_people, add_roles
from civicam.web.people_services import PeopleServices
from civicam.web.problem import as_problem, problem
from civicam.web.provider_api import add_provider
from civicam.web.public_map import MAP_BYTES
from civicam.web.public_pages import PAGES, PublicPages
from civicam.web.requests_api import add_requests
from civicam.web.sign_in_api import add_account, add_sign_in

SHOWN: Final = "What moves or newly appeared is covered, in every picture, live and recorded."
COVERAGE_MOST_S: Final = 86_400.0
HOURS_MOST_S: Final = 32 * 86_400.0
PLAYBACK_MOST_S: Final = 14_400.0
_LEAST_SIDE_PX: Final = 32
_MOST_SIDE_PX: Final = 4096
_NUMBER_BYTES: Final = 12
_MOMENT: Final = "RFC 3339, such as 2026-03-01T12:00:05Z."
_PATH: Final = "/api/cameras/{camera}"
_CAMERA_PARAMETER: Final = {
    "name": "camera",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "maxLength": 63},
}
_WINDOW_PARAMETERS: Final = [
    {"name": name, "in": "query", "required": True, "schema": {"type": "string", "format": "date-time"}}
    for name in ("from", "to")
]

_PEOPLE_ROUTES: Final = (
    add_sign_in, add_account, add_passkeys, add_provider, add_people, add_roles, add_cases, add_grants,
    add_exports, add_holds, add_requests, add_ledger,
)  # fmt: skip

Operation: TypeAlias = dict[str, Any]
Window: TypeAlias = Callable[[Request], Span]
Answer: TypeAlias = Callable[[Request, Decision], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Services:
    """What requests are answered with.

    Attributes:
        city: the city's name.
        authoriser: decides who may look.
        ledger: where looks are written down.
        directory: which cameras there are.
        media: gives pictures.
        health: what is known of the cameras' pictures.
        clock: the time.
        public: what everybody may have of the ledger.
        people: who may sign in, and what they may; None where the city's rule asks for nobody.
        clear: gives clear video to who has a grant.
        status: where the recorder says how it is; empty if it does not.
        map: the city's own map, which it may have.
        city_key: seals cameras' passwords, where engineers may add cameras.
    """

    city: str
    authoriser: Authoriser
    ledger: Ledger
    directory: Directory
    media: Media
    health: Health
    clock: Clock
    public: LedgerFiles
    people: PeopleServices | None = None
    clear: ClearMedia | None = None
    status: str = ""
    map: Path | None = None
    city_key: CityKey | None = None


class Application:
    """All routes, behind the guard.

    Args:
        services: what they answer with.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._gate = Gate(services.authoriser, services.people.bearers if services.people else None)
        self._looks = Looks(services.ledger, services.clock)
        self._described: dict[str, Operation] = {}
        self._purposes: dict[str, Purpose] = {
            "/api/cameras": Purpose.LIST,
            "/api/register": Purpose.PUBLIC,
            f"{_PATH}/coverage": Purpose.COVERAGE,
            f"{_PATH}/hours": Purpose.COVERAGE,
            f"{_PATH}/frame": Purpose.PLAYBACK,
        }
        self._description: dict[str, Any] | None = None
        self.routes: Sequence[BaseRoute] = [
            *self._page_routes(),
            self._route("/api/openapi.json", Purpose.PAGE, self._openapi),
            self._described_route(f"{_PATH}/still.webp", Purpose.STILL, self._still, _STILL),
            self._described_route(f"{_PATH}/past.webp", Purpose.PLAYBACK, self._past_still, _PAST_STILL, _asked_moment),
            self._described_route(f"{_PATH}/playback.m3u8", Purpose.PLAYBACK, self._playlist, _PLAYLIST, _asked_window),
            self._described_route(f"{_PATH}/playback.m4s", Purpose.PLAYBACK, self._stretch, _STRETCH, _stretch_window),
            self._described_route(f"{_PATH}/playback.mp4", Purpose.PLAYBACK, self._init, _INIT),
            self._described_route(f"{_PATH}/test.webp", Purpose.TEST_STILL, self._test_still, _TEST_STILL),
            *self._clear_routes(),
            self._route("/ledger/{name:path}", Purpose.PUBLIC, self._public),
            *self._public_routes(),
            self._described_route("/api/map", Purpose.PUBLIC, self._map, _MAP),
            self._ruled(
                WebSocketRoute(
                    f"{_PATH}/live", live.LiveSocket(self._gate, self._looks, services.media, services.clock).serve
                ),
                Purpose.LIVE,
            ),
        ]
        self._described[f"{_PATH}/live"] = _operation(live.DESCRIPTION)
        self.api = self._json_api()
        self.app: ASGIApp = Guard(self.api)

    def description(self) -> dict[str, Any]:
        """What the API offers, as OpenAPI 3.1."""
        if self._description is None:
            self._description = self.api.openapi()
            for path, operation in self._described.items():
                self._description["paths"][path] = {"get": operation}
        return self._description

    # Pictures and the page

    def _route(self, path: str, purpose: Purpose, answer: Answer, window: Window | None = None) -> BaseRoute:
        """A route that wants a decision for `purpose`, over the stretch that `window` finds, else for now."""

        async def decided(request: Request) -> Response:
            stretch = window(request) if window else None
            decision = self._gate.decide(request, purpose, request.path_params.get("camera"), stretch)
            return await answer(request, decision)

        return self._ruled(Route(path, decided, methods=["GET"]), purpose)

    def _ruled(self, route: BaseRoute, purpose: Purpose) -> BaseRoute:
        """A route, whose rule is kept: `rules` tells what holds for every one."""
        self._purposes[getattr(route, "path", "")] = purpose
        return route

    def rules(self) -> dict[tuple[str, str], str]:
        """Who may use each route: the action or purpose that it is decided as, by method and path."""
        found: dict[tuple[str, str], str] = {}
        for route in self.api.routes:
            path = getattr(route, "path", "")
            if isinstance(route, APIRoute):
                rule = (route.openapi_extra or {}).get("x-who") or self._purposes.get(path)
                found |= {(method, path): str(rule) for method in route.methods or () if rule}
            elif path in self._purposes:
                found["GET", path] = str(self._purposes[path])
        return found

    def _described_route(
        self, path: str, purpose: Purpose, answer: Answer, operation: Operation, window: Window | None = None
    ) -> BaseRoute:
        self._described[path] = operation
        return self._route(path, purpose, answer, window)

    def _clear_routes(self) -> list[BaseRoute]:
        media = self._services.clear
        if media is None:
            return []

        async def clear(request: Request) -> Response:
            window, query = _asked_window(request), request.query_params
            at_ns = parse_moment(query.get("at", query.get("from", "")), "at")
            camera, grant = request.path_params["camera"], _number(query.get("grant", ""), "grant")
            decision = self._gate.decide(request, Purpose.CLEAR, camera, window, grant=grant)
            found = await media.stretch(await self._looks.written(decision), at_ns)
            headers = {"X-Start": hls.moment(found.start_ns), "X-Codec": found.initialisation.codec}
            return Response(found.initialisation.data + found.coded.media_segment(0), 200, headers, "video/mp4")

        path = f"{_PATH}/clear.mp4"
        self._described[path] = _CLEAR
        return [self._ruled(Route(path, clear, methods=["GET"]), Purpose.CLEAR)]

    def _page_routes(self) -> list[BaseRoute]:
        page = page_files()
        routes = [self._route(f"/page/{name}", Purpose.PAGE, _answer_with(file)) for name, file in page.items()]
        return [*routes, self._route("/", Purpose.PAGE, _answer_with(page["index.html"]))]

    def _public_routes(self) -> list[BaseRoute]:
        services = self._services
        certificate = services.people.exports.certificate if services.people else lambda: ""
        pages = PublicPages(services.city, services.directory, services.public.folder, services.map, certificate)

        async def page(request: Request, decision: Decision) -> Response:
            return await pages.page(request)

        named = [self._route(f"/public/{name}", Purpose.PUBLIC, _named(page, name)) for name in PAGES]
        first = self._route("/public", Purpose.PUBLIC, _named(page, PAGES[0]))
        named += self._export_routes(pages)
        return [first, *named, self._route("/public/style.css", Purpose.PUBLIC, _answer_with(public_style()))]

    def _export_routes(self, pages: PublicPages) -> list[BaseRoute]:
        """Where the recipients of exports fetch them, and what checks them."""
        people = self._services.people
        if people is None:
            return []

        async def handed(request: Request, decision: Decision) -> Response:
            try:
                found = await people.exports.opened(request.path_params["secret"])
            except NotFoundError:
                return await pages.gone(request)
            return await pages.export(request, found)

        async def package(request: Request, decision: Decision) -> Response:
            return await fetch(people.exports, request)

        async def authority(request: Request, decision: Decision) -> Response:
            return Response(await asyncio.to_thread(people.exports.authority), media_type="application/x-pem-file")

        return [
            self._route(f"{LINK}{{secret}}", Purpose.PUBLIC, handed),
            self._route("/public/authority.pem", Purpose.PUBLIC, authority),
            self._route(f"{LINK}{{secret}}/package", Purpose.PUBLIC, package),
            self._route("/public/verify.html", Purpose.PUBLIC, _verifier),
        ]

    async def _map(self, request: Request, decision: Decision) -> Response:
        path = self._services.map
        if path is None or not path.is_file():
            raise NotFoundError("the city has no map of its own", fix="put map.geojson into its folder")
        if path.stat().st_size > MAP_BYTES:
            raise NotFoundError("the city's map is too large", fix=f"make it smaller than {MAP_BYTES >> 20} MiB")
        return FileResponse(path, media_type="application/geo+json", headers={"Cache-Control": "no-cache"})

    async def _openapi(self, request: Request, decision: Decision) -> Response:
        return JSONResponse(self.description())

    async def _still(self, request: Request, decision: Decision) -> Response:
        still = await self._services.media.still(await self._looks.written(decision))
        answer = _cached(request, still.data, "image/webp", f'"{still.version}"', "no-store")
        answer.headers["X-Seen"] = hls.moment(still.wall_ns)
        return answer

    async def _test_still(self, request: Request, decision: Decision) -> Response:
        still = await self._services.media.test_still(await self._looks.written(decision))
        return Response(still.data, media_type="image/webp")

    async def _public(self, request: Request, decision: Decision) -> Response:
        return await self._services.public.answer(request)

    async def _past_still(self, request: Request, decision: Decision) -> Response:
        still = await self._services.media.past_still(await self._looks.written(decision))
        return _cached(request, still.data, "image/webp", f'"{still.version}"', "no-store")

    async def _playlist(self, request: Request, decision: Decision) -> Response:
        text, codec = await self._services.media.playlist(await self._looks.written(decision), _speed(request))
        headers = {"X-Media-Type": f'video/mp4; codecs="{codec}"'}
        return Response(text, media_type=hls.CONTENT_TYPE, headers=headers)

    async def _stretch(self, request: Request, decision: Decision) -> Response:
        zero_ns = parse_moment(request.query_params.get("zero", ""), "zero")
        if not zero_ns <= decision.window[0] <= zero_ns + PLAYBACK_MOST_S * 1e9:
            raise RequestError("'zero' is not the start of a playlist of that stretch", fix="ask for the playlist")
        look = await self._looks.written(decision)
        data = await self._services.media.stretch(look, zero_ns, _speed(request), _size(request))
        return Response(data, media_type="video/iso.segment")

    async def _init(self, request: Request, decision: Decision) -> Response:
        data = await self._services.media.initialisation(decision, _size(request))
        return Response(data, media_type="video/mp4")

    # JSON

    def _json_api(self) -> FastAPI:
        api = FastAPI(
            title="civicam",
            version=version("civicam"),
            summary=SHOWN,
            description="Every request passes one decision; a city without a rule lets nobody look.",
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            routes=list(self.routes),
            responses={code: {"model": ProblemModel, "description": words} for code, words in _PROBLEMS.items()},
        )
        api.add_exception_handler(CivicamError, _on_civicam_error)
        api.add_exception_handler(RequestValidationError, _on_invalid)
        api.add_exception_handler(HTTPException, _on_http_error)
        api.add_exception_handler(Exception, _on_fault)
        self._add_cameras(api)
        self._add_coverage(api)
        self._add_hours(api)
        self._add_frames(api)
        if self._services.people is not None:
            for add in _PEOPLE_ROUTES:
                add(api, self._services.people)
            add_machine(api, self._services.people, self._services.directory, self._services.status)
            if self._services.city_key is not None:
                add_cameras(api, self._services.people, self._services.directory, self._services.city_key)
        return api

    def _add_cameras(self, api: FastAPI) -> None:
        def may_list(request: Request) -> Decision:
            return self._gate.decide(request, Purpose.LIST)

        def may_know(request: Request) -> Decision:
            return self._gate.decide(request, Purpose.PUBLIC)

        @api.get("/api/register", summary="What everybody may know of the cameras", operation_id="register")
        async def register(decision: Annotated[Decision, Depends(may_know)]) -> RegisterList:
            found = await self._services.directory.cameras()
            cameras = [
                RegisteredModel(
                    id=camera.id,
                    title=camera.title,
                    purpose=camera.purpose,
                    register_entry=_register_entry(camera),
                    place=_place(camera),
                )
                for camera in found.values()
            ]
            return RegisterList(city=self._services.city, cameras=cameras)

        @api.get("/api/cameras", summary="The cameras, and how each is", operation_id="cameras")
        async def cameras(decision: Annotated[Decision, Depends(may_list)]) -> CityModel:
            found = await self._services.directory.cameras()
            return CityModel(
                name=self._services.city,
                shown=SHOWN,
                cameras=[
                    self._camera(decision, camera) for camera in found.values() if self._may_know(decision, camera)
                ],
            )

    def _may_know(self, decision: Decision, camera: Camera) -> bool:
        """Of which cameras somebody knows how they are: those that they have a right for."""
        people, who = self._services.people, decision.viewer.who
        if people is None or who is None:
            return True
        state = people.state
        token = state.tokens.get(who.token) if who.token else None
        is_meant = token is None or not token.cameras or camera.id in token.cameras
        return is_meant and state.has_right_for(who.person, camera.id)

    def _camera(self, decision: Decision, camera: Camera) -> CameraModel:
        path = _PATH.replace("{camera}", camera.id)
        state = self._state(decision, camera)
        return CameraModel(
            id=camera.id,
            title=camera.title,
            purpose=camera.purpose,
            register_entry=_register_entry(camera),
            place=_place(camera),
            state=state.words,
            conditions=[
                ConditionModel(code=one.code, since=None if one.since_ns is None else moment(one.since_ns))
                for one in state.conditions
            ],
            is_bad=state.is_bad,
            still=f"{path}/still.webp",
            live=f"{path}/live",
            playback=f"{path}/playback.m3u8",
            past=f"{path}/past.webp",
            beside=f"{path}/frame",
            coverage=f"{path}/coverage",
        )

    def _state(self, decision: Decision, camera: Camera) -> State:
        services = self._services
        now_ns = services.clock.wall_ns()
        lasting = services.health.lasting(camera.id)
        return state_of(services.media.seen(decision, camera.id), lasting, now_ns)

    def _may_know_of(self, most_s: float) -> Callable[..., Decision]:
        """What decides whether somebody may know what there is of a camera's stretch of at most `most_s`."""

        def may_know(
            request: Request,
            camera: str,
            start: Annotated[str, Query(alias="from", max_length=40, description=_MOMENT)],
            end: Annotated[str, Query(alias="to", max_length=40, description=_MOMENT)],
        ) -> Decision:
            return self._gate.decide(request, Purpose.COVERAGE, camera, parse_window(start, end, most_s))

        return may_know

    def _add_coverage(self, api: FastAPI) -> None:
        may_know = self._may_know_of(COVERAGE_MOST_S)

        @api.get(f"{_PATH}/coverage", summary="What is playable, and what is missing why", operation_id="coverage")
        async def coverage(decision: Annotated[Decision, Depends(may_know)]) -> CoverageModel:
            directory = self._services.directory
            key = await directory.played_stream(decision.camera)
            found = await directory.coverage(key, decision.window)
            events = await self._services.health.events(decision.camera, decision.window)
            return _coverage(decision, found, events)

    def _add_hours(self, api: FastAPI) -> None:
        may_know = self._may_know_of(HOURS_MOST_S)

        @api.get(f"{_PATH}/hours", summary="How completely each hour was recorded", operation_id="hours")
        async def hours(decision: Annotated[Decision, Depends(may_know)]) -> HoursModel:
            directory = self._services.directory
            found = await directory.hours(await directory.played_stream(decision.camera), decision.window)
            share = [round(min(1.0, one.share), 4) if one.due_ns else None for _, one in found]
            return HoursModel(camera=decision.camera, start=moment(found[0][0]), share=share)

    def _add_frames(self, api: FastAPI) -> None:
        def may_step(
            request: Request, camera: str, at: Annotated[str, Query(max_length=40, description=_MOMENT)]
        ) -> Decision:
            return self._gate.decide(request, Purpose.PLAYBACK, camera, _instant(parse_moment(at, "at")))

        @api.get(f"{_PATH}/frame", summary="The frame after or before a moment's", operation_id="frame")
        async def frame(
            request: Request,
            decision: Annotated[Decision, Depends(may_step)],
            go: Annotated[Literal["forward", "back"], Query(description="Which way.")],
        ) -> FrameModel:
            found_ns = await self._services.media.beside(decision, forward=go == "forward")
            if found_ns is None:
                return FrameModel(at=None)
            # Up to the next microsecond: what is shown at that moment is then this frame, and not the one before it.
            at_ns = -(-found_ns // 1000) * 1000
            self._gate.decide(request, Purpose.PLAYBACK, decision.camera, _instant(at_ns))
            return FrameModel(at=hls.moment(at_ns))


async def _verifier(request: Request, decision: Decision) -> Response:
    """The page that checks exports; it is for the disk, where no rule of this server holds it back."""
    data = await asyncio.to_thread(verifier_page)
    return Response(data, media_type="text/html", headers={"Content-Disposition": 'attachment; filename="verify.html"'})


def _instant(wall_ns: int) -> Span:
    return wall_ns, wall_ns + 1


def _asked_moment(request: Request) -> Span:
    return _instant(parse_moment(request.query_params.get("at", ""), "at"))


def _register_entry(camera: Camera) -> RegisterModel | None:
    return RegisterModel(**asdict(camera.register)) if camera.register else None


def _registered(camera: Camera) -> RegisteredModel:
    return RegisteredModel(
        id=camera.id,
        title=camera.title,
        purpose=camera.purpose,
        register_entry=_register_entry(camera),
        place=_place(camera),
    )


def _place(camera: Camera) -> PlaceModel | None:
    return PlaceModel(**asdict(camera.place)) if camera.place else None


def _named(answer: Answer, name: str) -> Answer:
    """An answer for a path that is a name."""

    async def named(request: Request, decision: Decision) -> Response:
        request.path_params["name"] = name
        return await answer(request, decision)

    return named


def _asked_window(request: Request) -> Span:
    query = request.query_params
    return parse_window(query.get("from", ""), query.get("to", ""), PLAYBACK_MOST_S)


def _stretch_window(request: Request) -> Span:
    query = request.query_params
    return parse_window(query.get("from", ""), query.get("to", ""), LONGEST_NS / 1e9 * _speed(request))


def _speed(request: Request) -> float:
    text = request.query_params.get("speed", "1")
    try:
        speed = float(text[:_NUMBER_BYTES])
    except ValueError:
        speed = 0.0
    if not SLOWEST <= speed <= FASTEST:
        raise RequestError("nothing is played at that 'speed'", fix=f"choose {SLOWEST:g} to {FASTEST:g}")
    return speed


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _NUMBER_BYTES):
        raise RequestError(f"'{name}' is no number")
    return int(text)


def _size(request: Request) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,4})x([0-9]{1,4})", request.query_params.get("size", ""))
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(_LEAST_SIDE_PX <= side <= _MOST_SIDE_PX and side % 2 == 0 for side in size):
        raise RequestError("'size' is no picture's", fix="take it from the playlist, such as 640x360")
    return size


def _answer_with(file: PageFile) -> Answer:
    async def answer(request: Request, decision: Decision) -> Response:
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return _cached(request, file.data, file.media_type, file.etag, "no-cache")
        etag = f'{file.etag[:-1]}-gzip"'
        packed = _cached(request, file.gzipped, file.media_type, etag, "no-cache")
        packed.headers.update({"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
        return packed

    return answer


def _cached(request: Request, data: bytes, media_type: str, etag: str, cache_control: str) -> Response:
    """The bytes, or 304 for who has them already (RFC 9110, 13.1.2)."""
    headers = {"ETag": etag, "Cache-Control": cache_control}
    asked = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if etag in asked:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(data, media_type=media_type, headers=headers)


def _coverage(decision: Decision, found: Coverage, events: list[HealthEvent]) -> CoverageModel:
    return CoverageModel(
        camera=decision.camera,
        start=moment(decision.window[0]),
        end=moment(decision.window[1]),
        completeness=min(1.0, found.playable_ns / found.due_ns) if found.due_ns else 1.0,
        playable=[_span(span) for span in found.playable],
        gaps=[
            GapModel(start=moment(gap.start_wall_ns), end=moment(gap.end_wall_ns), cause=gap.cause.label)
            for gap in found.gaps
        ],
        unexplained=[_span(span) for span in found.unexplained],
        health=[_health(event) for event in events],
    )


def _span(span: Span) -> SpanModel:
    return SpanModel(start=moment(span[0]), end=moment(span[1]))


def _health(event: HealthEvent) -> HealthModel:
    end = None if event.ended_wall_ns is None else moment(event.ended_wall_ns)
    return HealthModel(
        start=moment(event.began_wall_ns),
        end=end,
        what=words_of(event.kind),
        code=code_of(event.kind),
        certainty=event.confidence,
    )


# Errors


async def _on_civicam_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, CivicamError)
    return as_problem(error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    places = sorted({".".join(str(part) for part in found["loc"][1:]) for found in error.errors()})
    return problem(HTTPStatus.BAD_REQUEST, f"{', '.join(places)}: missing, or not as /api/openapi.json says")


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(HTTPStatus(error.status_code), "see /api/openapi.json for what there is")


async def _on_fault(request: Request, error: Exception) -> Response:
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "it is written to this machine's log")


# Descriptions

_PROBLEMS: Final[dict[int | str, str]] = {
    400: "The request cannot be understood.",
    401: "Nobody is signed in.",
    403: "Nobody allowed this.",
    404: "There is no such thing.",
    429: "It was tried too often.",
    503: "This machine cannot do that now.",
}


def _operation(operation: Operation | dict[str, object], parameters: Sequence[Operation] = ()) -> Operation:
    """`operation` with what holds for all of them."""
    reference = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemModel"}}}
    problems = {str(code): {"description": words, "content": reference} for code, words in _PROBLEMS.items()}
    responses = operation["responses"]
    assert isinstance(responses, dict)
    return {**operation, "parameters": [_CAMERA_PARAMETER, *parameters], "responses": {**responses, **problems}}


def _parameter(name: str, schema: Operation, words: str, *, required: bool = True) -> Operation:
    return {"name": name, "in": "query", "required": required, "description": words, "schema": schema}


_SPEED: Final = _parameter(
    "speed",
    {"type": "number", "minimum": SLOWEST, "maximum": FASTEST, "default": 1},
    "Wall time over the player's time.",
    required=False,
)
_SIZE: Final = _parameter("size", {"type": "string", "pattern": "^[0-9]{1,4}x[0-9]{1,4}$"}, "As the playlist says.")
_ZERO: Final = _parameter("zero", {"type": "string", "format": "date-time"}, "Where the player's time begins.")
_STILL: Final = _operation(
    {
        "summary": "The newest still, redacted",
        "description": "Small, one a key frame at most. `If-None-Match` with the last `ETag` answers 304 for the same."
        " `X-Seen` is when the camera saw it.",
        "responses": {
            "200": {"description": "The still.", "content": {"image/webp": {}}},
            "304": {"description": "Still the same."},
        },
    }
)
_PAST_STILL: Final = _operation(
    {
        "summary": "A still of a moment in the past, redacted",
        "description": "What was shown then, small; covered where nothing was. Few are made at once: 503 for the rest.",
        "responses": {
            "200": {"description": "The still.", "content": {"image/webp": {}}},
            "304": {"description": "Still the same."},
        },
    },
    [_parameter("at", {"type": "string", "format": "date-time"}, _MOMENT)],
)
_PLAYLIST: Final = _operation(
    {
        "summary": "A playlist of what was recorded, redacted",
        "description": "HLS (RFC 8216), at most four hours. `X-Media-Type` is for Media Source Extensions.",
        "responses": {"200": {"description": "The playlist.", "content": {"application/vnd.apple.mpegurl": {}}}},
    },
    [*_WINDOW_PARAMETERS, _SPEED],
)
_STRETCH: Final = _operation(
    {
        "summary": "A segment of a playlist, redacted",
        "description": "Its address is taken from the playlist.",
        "responses": {"200": {"description": "`moof` and `mdat`.", "content": {"video/iso.segment": {}}}},
    },
    [*_WINDOW_PARAMETERS, _ZERO, _SPEED, _SIZE],
)
_INIT: Final = _operation(
    {
        "summary": "What a player needs before segments of a size",
        "responses": {"200": {"description": "`ftyp` and `moov`.", "content": {"video/mp4": {}}}},
    },
    [_SIZE],
)
_MAP: Final = _operation(
    {
        "summary": "The city's own map",
        "responses": {"200": {"description": "GeoJSON (RFC 7946).", "content": {"application/geo+json": {}}}},
    },
)
_TEST_STILL: Final = _operation(
    {
        "summary": "One redacted picture, to see whether the camera works",
        "responses": {"200": {"description": "WebP.", "content": {"image/webp": {}}}},
    },
)
_CLEAR: Final = _operation(
    {
        "summary": "Recorded pictures as they are, under a grant",
        "description": (
            "Some seconds from `at` on, as a whole fragmented MP4. `from` and `to` are the stretch that is being seen,"
            " of which one entry is made; `X-Start` says when the first picture was seen, `X-Codec` how it is coded."
        ),
        "responses": {"200": {"description": "`ftyp`, `moov`, `moof`, `mdat`.", "content": {"video/mp4": {}}}},
    },
    [
        *_WINDOW_PARAMETERS,
        _parameter("grant", {"type": "integer", "minimum": 0}, "The grant's number."),
        _parameter("at", {"type": "string", "format": "date-time"}, "From when on.", required=False),
    ],
)
