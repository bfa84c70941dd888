"""What the routes answer, and that each of them asks first whether it may."""

import json
import re
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.vision.health import HealthEvent, HealthKind
from civicam.web.api import COVERAGE_MOST_S
from civicam.web.authorise import LocalOnly, Purpose, RefuseAll, Viewer
from civicam.web.gate import moment
from civicam.web.guard import PATH_BYTES, QUERY_BYTES
from civicam.web.page_files import page_files
from civicam.web.problem import MEDIA_TYPE
from tests.fakes.recorded import START_NS, S
from tests.web.served import CAMERA, served

DESCRIPTION = Path(__file__).parents[2] / "docs/openapi.json"
WINDOW = {"from": moment(START_NS), "to": moment(START_NS + 60 * S)}
SHORT = WINDOW | {"to": moment(START_NS + 4 * S)}
PATH = f"/api/cameras/{CAMERA}"


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == MEDIA_TYPE
    told = answer.json()
    assert told["status"] == answer.status_code
    return told["status"], told["detail"]


async def handshake(address: str, path: str, origin: str | None = None) -> httpx.Response:
    """What a refused WebSocket is answered with."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(address.replace("http", "ws").rstrip("/") + path, origin=origin):  # type: ignore[arg-type]
            pass
    answer = refused.value.response
    return httpx.Response(answer.status_code, headers=list(answer.headers.raw_items()), content=bytes(answer.body))


async def test_every_route_is_refused_by_default(city: Path) -> None:
    async with served(city, RefuseAll()) as web:
        web.put_still()
        walked = 0
        for route in web.application.api.routes:
            assert isinstance(route, Route | WebSocketRoute | APIRoute), route
            path = re.sub(r"{[^}]*}", CAMERA, route.path)
            if isinstance(route, WebSocketRoute):
                answer = await handshake(web.address, path, web.address.rstrip("/"))
            else:
                answer = await web.client.get(path, params=SHORT | {"at": SHORT["from"], "go": "back"})
            status, detail = problem_of(answer)
            assert (status, "nobody may look" in detail) == (403, True), route.path
            walked += 1
        assert walked > 8


async def test_the_cameras_are_listed_with_how_they_are_and_without_where_they_are(city: Path) -> None:
    async with served(city) as web:
        web.put_still()
        answer = await web.client.get("/api/cameras")
        assert answer.status_code == HTTPStatus.OK
        told = answer.json()
        assert told["name"] == "Khujand"
        assert "covered" in told["shown"]
        first, second = told["cameras"]
        assert first == {
            "id": CAMERA,
            "title": "Rudaki",
            "purpose": "traffic",
            "register_entry": {
                "owner": "the city's traffic office",
                "legal_basis": "Law on Roads, 12",
                "keep_days": 30.0,
                "description": "the crossing, for its lights",
            },
            "place": None,
            "state": "Live",
            "conditions": [{"code": "live", "since": None}],
            "is_bad": False,
            "still": f"{PATH}/still.webp",
            "live": f"{PATH}/live",
            "playback": f"{PATH}/playback.m3u8",
            "past": f"{PATH}/past.webp",
            "beside": f"{PATH}/frame",
            "coverage": f"{PATH}/coverage",
        }
        assert second["state"] == "No picture yet"
        assert not any(secret in answer.text for secret in ("rtsp", "127.0.0.1", "sealed"))


async def test_a_camera_that_is_not_well_says_so(city: Path) -> None:
    async with served(city) as web:
        now_ns = web.clock.wall_ns()
        web.put_still(wall_ns=now_ns - 60 * S)
        web.put_still(camera=CameraId("somoni-01"))
        web.health.known[CameraId("somoni-01")] = [HealthEvent(HealthKind.FROZEN, now_ns - S, 0.9)]
        first, second = (await web.client.get("/api/cameras")).json()["cameras"]
        assert (first["state"][:15], first["is_bad"]) == ("No picture for ", True)
        assert (second["state"], second["is_bad"]) == ("The picture is frozen", True)


async def test_a_still_is_given_once_and_never_kept(city: Path) -> None:
    async with served(city) as web:
        web.put_still(22)
        first = await web.client.get(f"{PATH}/still.webp")
        assert (first.status_code, first.headers["content-type"]) == (200, "image/webp")
        assert first.content[8:12] == b"WEBP"
        assert first.headers["cache-control"] == "no-store"
        again = await web.client.get(f"{PATH}/still.webp", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        web.put_still(30)
        newer = await web.client.get(f"{PATH}/still.webp", headers={"If-None-Match": first.headers["etag"]})
        assert newer.status_code == 200
        assert newer.content != first.content


async def test_a_camera_without_a_picture_and_one_that_is_not_there_are_not_found(city: Path) -> None:
    async with served(city) as web:
        assert problem_of(await web.client.get(f"{PATH}/still.webp")) == (
            404,
            "there is no picture of this camera yet; ask again in some seconds",
        )
        assert problem_of(await web.client.get("/api/cameras/nobody-9/still.webp"))[0] == 404
        assert problem_of(await web.client.get("/api/cameras/nobody-9/coverage", params=WINDOW))[0] == 404
        assert problem_of(await web.client.get("/api/cameras/No_Name/still.webp"))[0] == 400


async def test_coverage_tells_what_is_playable_and_what_is_missing_why(city: Path) -> None:
    async with served(city) as web:
        event = HealthEvent(HealthKind.MOVED, START_NS + 5 * S, 0.75, START_NS + 9 * S)
        web.health.known[CAMERA] = [event, HealthEvent(HealthKind.TOO_DARK, START_NS - 9 * S, 1.0, START_NS - 8 * S)]
        story = (await web.client.get(f"{PATH}/coverage", params=WINDOW)).json()
        assert (story["camera"], story["from"], story["to"]) == (CAMERA, WINDOW["from"], WINDOW["to"])
        assert {gap["cause"] for gap in story["gaps"]} >= {"lost packets", "camera silent"}
        assert 0.8 < story["completeness"] < 0.95
        assert story["playable"][0]["from"] == WINDOW["from"]
        assert story["health"] == [
            {
                "from": moment(event.began_wall_ns),
                "to": moment(START_NS + 9 * S),
                "what": "the camera was moved",
                "code": "health-moved",
                "certainty": 0.75,
            }
        ]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"from": WINDOW["from"]},
        {"from": WINDOW["to"], "to": WINDOW["from"]},
        {"from": WINDOW["from"], "to": WINDOW["from"]},
        {"from": WINDOW["from"], "to": moment(START_NS + int(COVERAGE_MOST_S + 1) * S)},
        {"from": "yesterday", "to": WINDOW["to"]},
        {"from": "0001-01-01T00:00:00+23:59", "to": WINDOW["to"]},
        {"from": "1960-01-01", "to": "1960-01-02"},
        {"from": "2026-03-01T00:00:00Z" + "0" * 90, "to": WINDOW["to"]},
    ],
)
async def test_a_stretch_that_is_none_is_refused(city: Path, asked: dict[str, str]) -> None:
    async with served(city) as web:
        status, detail = problem_of(await web.client.get(f"{PATH}/coverage", params=asked))
        assert status == 400
        assert "from" in detail or "to" in detail


async def test_a_policy_is_asked_about_the_stretch_and_the_camera(city: Path) -> None:
    asked: list[tuple[CameraId | None, Span, Purpose]] = []

    class Listening(LocalOnly):
        def refusal(
            self, viewer: Viewer, camera: CameraId | None, window: Span, purpose: Purpose, grant: int | None = None
        ) -> str | None:
            asked.append((camera, window, purpose))
            return None

    async with served(city, Listening()) as web:
        await web.client.get(f"{PATH}/coverage", params=WINDOW)
        await web.client.get("/api/cameras")
        assert asked[0] == (CAMERA, (START_NS, START_NS + 60 * S), Purpose.COVERAGE)
        assert (asked[1][0], asked[1][2]) == (None, Purpose.LIST)


# --- what holds for every request -------------------------------------------------------------------------------------


async def test_every_answer_says_that_nothing_comes_from_elsewhere_and_nothing_is_kept(city: Path) -> None:
    async with served(city) as web:
        for path in ("/", "/api/cameras", "/nothing", "/api/cameras/No_Name/still.webp"):
            headers = (await web.client.get(path)).headers
            assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert headers["cache-control"] in {"no-store", "no-cache"}
            assert "access-control-allow-origin" not in headers
            assert "server" not in headers


async def test_a_page_of_another_site_gets_nothing_but_the_page(city: Path) -> None:
    async with served(city) as web:
        web.put_still()
        for site in ("cross-site", "same-site"):
            headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
            assert problem_of(await web.client.get(f"{PATH}/still.webp", headers=headers))[0] == 403
            assert (await web.client.get("/", headers=headers)).status_code == 200
        same = await web.client.get(f"{PATH}/still.webp", headers={"Sec-Fetch-Site": "same-origin"})
        assert same.status_code == 200


async def test_a_strangers_name_for_this_machine_is_refused(city: Path) -> None:
    async with served(city) as web:
        assert problem_of(await web.client.get("/api/cameras", headers={"Host": "evil.example"}))[0] == 403
        assert problem_of(await web.client.get("/api/cameras", headers={"X-Forwarded-For": "127.0.0.1"}))[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_nothing_can_be_changed(city: Path, method: str) -> None:
    async with served(city) as web:
        assert problem_of(await web.client.request(method, "/api/cameras", json={}))[0] == 405


async def test_long_requests_are_refused(city: Path) -> None:
    async with served(city) as web:
        assert problem_of(await web.client.get("/" + "a" * PATH_BYTES))[0] == 414
        assert problem_of(await web.client.get(f"/api/cameras?{'a' * (QUERY_BYTES + 1)}"))[0] == 414
        assert (await web.client.get(f"/api/cameras?{'a' * QUERY_BYTES}")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/cameras/", "/page/", "/page/../api.py", "/page/%2e%2e/api.py", "/docs"]
)
async def test_what_is_not_there_is_not_found(city: Path, path: str) -> None:
    async with served(city) as web:
        assert problem_of(await web.client.get(path))[0] in {400, 404}


def _break(folder: Path) -> None:
    (folder / "catalogue.sqlite").write_bytes(b"no database" * 1000)
    for log in folder.glob("catalogue.sqlite-*"):
        log.unlink()


async def test_a_broken_catalogue_is_told_without_saying_where_it_is(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with served(tmp_path) as web:
        _break(tmp_path)
        answer = await web.client.get(f"{PATH}/coverage", params=WINDOW)
        assert problem_of(answer) == (503, "the catalogue cannot be read now")
        assert answer.headers["retry-after"]
        assert "catalogue" in capfd.readouterr().err


async def test_the_page_is_served_with_all_that_it_names(city: Path) -> None:
    async with served(city) as web:
        page = (await web.client.get("/")).text
        assert "What moves or newly appeared is covered" in page
        assert "<script>" not in page
        assert "style=" not in page
        assert " on" + "click" not in page
        named = {f"/page/{name}" for name in page_files() if name != "index.html"}
        assert named > {"/page/room.css", "/page/room.js", "/page/icon.svg"}
        for path in sorted(named):
            first = await web.client.get(path)
            assert first.status_code == 200
            # Leaflet's own name stands in its code, and is shown nowhere; the page's rules forbid to ask it anything.
            assert set(re.findall(r"https://[\w.]+", first.text)) <= {"https://leafletjs.com"}
            again = await web.client.get(path, headers={"If-None-Match": first.headers["etag"]})
            assert again.status_code == 304


async def test_the_description_is_the_one_that_is_kept(city: Path) -> None:
    async with served(city, asks_people=True) as web:
        described = (await web.client.get("/api/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    assert described["info"]["version"] == version("civicam")
    assert DESCRIPTION.exists(), "write it: python -m civicam.web.describe > docs/openapi.json"
    assert described == json.loads(DESCRIPTION.read_text("utf-8")), "python -m civicam.web.describe > docs/openapi.json"


async def test_each_hour_says_how_completely_it_was_recorded(city: Path) -> None:
    async with served(city) as web:
        asked = {"from": moment(START_NS - 2 * 3600 * S), "to": moment(START_NS + 3600 * S)}
        found = (await web.client.get(f"{PATH}/hours", params=asked)).json()
        assert len(found["share"]) == 3
        assert found["share"][:2] == [None, None]
        assert 0 < found["share"][2] <= 1
        too_long = {"from": moment(START_NS), "to": moment(START_NS + 40 * 86_400 * S)}
        assert (await web.client.get(f"{PATH}/hours", params=too_long)).status_code == 400


async def test_every_route_of_the_api_is_described(city: Path) -> None:
    async with served(city) as web:
        paths = {
            route.path
            for route in web.application.api.routes
            if isinstance(route, Route | WebSocketRoute | APIRoute)
            and route.path.startswith(("/api/cameras", "/api/register", "/api/map"))
        }
        assert paths == web.application.description()["paths"].keys()
