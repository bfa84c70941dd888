"""People sign in and do what they may, over HTTP, against the real server; who looks is written down."""

import asyncio
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from websockets.asyncio.client import connect

from civicam.access.models import Role
from civicam.access.people import ERASED_AFTER_NS
from civicam.access.schedule import parse_schedule
from civicam.access.sign_in.founding import first_secret
from civicam.app import City
from civicam.config import DataFolder
from civicam.core.citykey import KEY_BYTES, CityKey
from civicam.core.ids import CameraId
from civicam.ledger.entry import Kind
from civicam.ledger.log import read_parts
from civicam.web.gate import moment
from tests.access.house import PASSWORD, Somebody
from tests.fakes.recorded import START_NS, S
from tests.web.served import CAMERA, Served, served
from tests.web.test_live_socket import until_closed

PATH = f"/api/cameras/{CAMERA}"
CASE = {"number": "114/26", "purpose": "accident", "legal_reference": "CPC 12"}
WINDOW = {"from": moment(START_NS), "to": moment(START_NS + 30 * S)}


@asynccontextmanager
async def people(folder: Path) -> AsyncIterator[Served]:
    """The web of a city with its first two administrators."""
    async with served(folder, asks_people=True) as web:
        await web.house.begin()
        yield web


async def post(web: Served, path: str, by: Somebody | None, body: Any = None, **headers: str) -> httpx.Response:
    cookies = by.cookies if by else {}
    return await web.client.post(path, json=body if body is not None else {}, headers=cookies | headers)


async def get(web: Served, path: str, by: Somebody | None, **query: str) -> httpx.Response:
    return await web.client.get(path, params=query, headers=by.cookies if by else {})


async def granted(web: Served, investigator: Somebody, approver: Somebody) -> int:
    """A grant that was asked for and approved."""
    assert (await post(web, "/api/cases", investigator, CASE)).status_code == 204
    asked = await post(
        web, "/api/grants", investigator, WINDOW | {"cameras": [CAMERA], "reason": "a collision", "case": "114/26"}
    )
    assert asked.status_code == 200, asked.text
    number: int = asked.json()["id"]
    assert (await post(web, f"/api/grants/{number}/approve", approver)).status_code == 204
    return number


async def test_somebody_signs_in_with_password_and_code_and_out_again(city: Path) -> None:
    async with people(city) as web:
        house = web.house
        somebody = await house.person("dilshod", Role.OPERATOR)
        said = {"login": " Dilshod ", "password": PASSWORD}
        needs = await post(web, "/api/session", None, said)
        assert (needs.status_code, "code is needed" in needs.json()["detail"]) == (401, True)
        code = house.code(somebody, ahead=1)
        answer = await post(web, "/api/session", None, said | {"code": code})
        assert answer.status_code == 204
        (session, device) = answer.headers.get_list("set-cookie")
        assert "HttpOnly" in session
        assert "SameSite=strict" in session
        assert "Max-Age" not in session
        assert "Max-Age=34560000" in device
        cookies = {"Cookie": "; ".join(one.partition(";")[0] for one in (session, device))}
        me = (await web.client.get("/api/session", headers=cookies)).json()
        assert (me["login"], me["name"], me["rights"][0]["role"]) == ("dilshod", "Dilshod Example", "operator")
        again = await post(web, "/api/session", None, said | {"code": code})
        assert (again.status_code, "wrong" in again.json()["detail"]) == (401, True)
        assert (await post(web, "/api/session/end", None, {}, **cookies)).status_code == 204
        assert (await web.client.get("/api/session", headers=cookies)).status_code == 401


@pytest.mark.parametrize(
    "said",
    [
        {"login": "nobody", "password": PASSWORD, "code": "000000"},
        {"login": "dilshod", "password": "wrong", "code": "000000"},
        {"login": "dilshod", "password": PASSWORD, "code": "000000"},
        {"login": "dilshod", "password": PASSWORD, "code": "☃" * 6},
        {"login": "\U0001f600 \x00", "password": "\x00", "code": "1"},
    ],
)
async def test_what_is_wrong_is_told_in_one_way_and_written_down(city: Path, said: dict[str, str]) -> None:
    async with people(city) as web:
        await web.house.person("dilshod")
        answer = await post(web, "/api/session", None, said)
        assert answer.status_code == 401
        assert answer.json()["detail"] == "login, password or code are wrong"
        assert web.ledger.drafts[-1].kind is Kind.SIGN_IN_FAILED


async def test_text_that_is_no_unicode_is_refused(city: Path) -> None:
    async with people(city) as web:
        body = b'{"login": "\\ud800", "password": "\\udfff", "code": "\\ud800"}'
        answer = await web.client.post("/api/session", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400


async def test_who_tries_too_often_waits(city: Path) -> None:
    async with people(city) as web:
        await web.house.person("dilshod")
        wrong = {"login": "dilshod", "password": "wrong"}
        found = [(await post(web, "/api/session", None, wrong)).status_code for _ in range(6)]
        assert found == [401] * 5 + [429]
        written = len(web.ledger.drafts)
        told = await post(web, "/api/session", None, wrong)
        assert "try again in" in told.json()["detail"]
        assert len(web.ledger.drafts) == written


async def test_a_session_begins_anew_at_each_sign_in(city: Path) -> None:
    """Nobody can put a session's secret into somebody's browser beforehand (session fixation)."""
    async with people(city) as web:
        somebody = await web.house.person("dilshod")
        planted = {"Cookie": "civicam-session=planted; civicam-device=known"}
        said = {"login": "dilshod", "password": PASSWORD, "code": web.house.code(somebody, ahead=1)}
        answer = await post(web, "/api/session", None, said, **planted)
        assert "civicam-session=planted" not in str(answer.headers)
        assert (await web.client.get("/api/session", headers=planted)).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Origin": "null"}, 403),
    ],
)
async def test_a_page_of_another_site_changes_nothing(city: Path, headers: dict[str, str], status: int) -> None:
    async with people(city) as web:
        administrator = await web.house.opens(web.house.administrators[0])
        before = len(web.house.office.state.people)
        body = {"login": "planted", "name": "Planted"}
        answer = await web.client.post("/api/people", json=body, headers=administrator.cookies | headers)
        assert answer.status_code == status
        assert len(web.house.office.state.people) == before


async def test_nobody_is_remembered_over_a_connection_that_others_read(city: Path) -> None:
    async with people(city) as web:
        answer = await web.client.post(
            "/api/session", json={"login": "a", "password": "b"}, headers={"Host": "cctv.example"}
        )
        assert (answer.status_code, "https" in answer.json()["detail"]) == (401, True)


async def test_an_operator_sees_the_cameras_and_hours_given_and_no_others(city: Path) -> None:
    async with people(city) as web:
        web.put_still()
        web.put_still(camera=CameraId("somoni-01"))
        await web.house.group("centre", CAMERA)
        operator = await web.house.person("dilshod", Role.OPERATOR, "centre")
        listed = (await get(web, "/api/cameras", operator)).json()["cameras"]
        assert [camera["id"] for camera in listed] == [CAMERA]
        assert (await get(web, f"{PATH}/still.webp", operator)).status_code == 200
        other = await get(web, "/api/cameras/somoni-01/still.webp", operator)
        assert (other.status_code, "has no camera somoni-01" in other.json()["detail"]) == (403, True)


async def test_a_right_holds_in_its_hours_only(city: Path) -> None:
    async with people(city) as web:
        web.put_still()
        now_ns = web.clock.wall_ns()
        day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(now_ns // (86_400 * S) + 3 + 3) % 7]
        operator = await web.house.person("dilshod", Role.OPERATOR, schedule=parse_schedule(day, "UTC"))
        answer = await get(web, f"{PATH}/still.webp", operator)
        assert (answer.status_code, "does not hold at this hour" in answer.json()["detail"]) == (403, True)


async def test_each_look_says_who_looked_to_who_may_know_and_to_nobody_else(city: Path) -> None:
    async with people(city) as web:
        web.put_still()
        operator = await web.house.person("dilshod", Role.OPERATOR)
        await get(web, f"{PATH}/still.webp", operator)
        log = web.ledger.log
        entry = log.reader().entry(log.size - 1)
        assert operator.id.encode() not in entry
        assert b"dilshod" not in entry
        (sealed,) = read_parts(log.folder, log.size - 1).values()
        auditor = await web.house.person("shirin", Role.AUDITOR)
        told = (await get(web, "/api/ledger", auditor, last="500")).json()["entries"]
        (view,) = [one for one in told if one["kind"] == "view"]
        assert view["parts"]["viewer"]["person"] == operator.id
        assert sealed.person == operator.id
        assert (await get(web, "/api/ledger", operator)).status_code == 403


async def test_clear_video_takes_a_grant_that_somebody_else_approved(city: Path) -> None:
    async with people(city) as web:
        house = web.house
        investigator = await house.person("firuz", Role.INVESTIGATOR)
        approver = await house.person("malika", Role.APPROVER)
        clear = WINDOW | {"grant": "1"}
        refused = await get(web, f"{PATH}/clear.mp4", investigator, **clear)
        assert refused.status_code == 403
        number = await granted(web, investigator, approver)
        shown = await get(web, f"{PATH}/clear.mp4", investigator, **WINDOW | {"grant": str(number)})
        assert shown.status_code == 200, shown.text
        assert shown.content[4:8] == b"ftyp"
        view = web.ledger.drafts[-1]
        assert (view.kind, view.facts["media"], view.facts["grant"]) == (Kind.VIEW, "clear", number)
        assert view.parts["viewer"].person == investigator.id
        for somebody in (approver, house.administrators[0]):
            await house.opens(somebody)
            other = await get(web, f"{PATH}/clear.mp4", somebody, **WINDOW | {"grant": str(number)})
            assert other.status_code == 403
        outside = {"from": moment(START_NS), "to": moment(START_NS + 31 * S), "grant": str(number)}
        assert (await get(web, f"{PATH}/clear.mp4", investigator, **outside)).status_code == 403


async def test_clear_video_is_what_was_recorded(city: Path) -> None:
    async with people(city) as web:
        investigator = await web.house.person("firuz", Role.INVESTIGATOR)
        number = await granted(web, investigator, await web.house.person("malika", Role.APPROVER))
        found = []
        for second in (0, 8, 16):
            query = WINDOW | {"grant": str(number), "at": moment(START_NS + second * S)}
            answer = await get(web, f"{PATH}/clear.mp4", investigator, **query)
            with av.open(io.BytesIO(answer.content), "r") as opened:
                found.append(len([*opened.decode(video=0)]))
        assert found == [120, 120, 100]  # the footage ends
        views = [one for one in web.ledger.drafts if one.facts.get("media") == "clear"]
        assert len(views) == 1


async def test_who_asked_does_not_approve_nor_does_anybody_at_the_same_device(city: Path) -> None:
    async with people(city) as web:
        house = web.house
        investigator = await house.person("firuz", Role.INVESTIGATOR)
        approver = await house.person("malika", Role.APPROVER)
        await post(web, "/api/cases", investigator, CASE)
        wanted = WINDOW | {"cameras": [CAMERA], "reason": "a collision", "case": "114/26"}
        number = (await post(web, "/api/grants", investigator, wanted)).json()["id"]
        own = await post(web, f"/api/grants/{number}/approve", investigator)
        assert own.status_code == 403
        approver.device = investigator.device
        approver = await house.opens(approver)
        same = await post(web, f"/api/grants/{number}/approve", approver)
        assert (same.status_code, "one device" in same.json()["detail"]) == (403, True)


async def test_a_grant_that_is_revoked_ends_what_is_seen(city: Path) -> None:
    async with people(city) as web:
        investigator = await web.house.person("firuz", Role.INVESTIGATOR)
        approver = await web.house.person("malika", Role.APPROVER)
        number = await granted(web, investigator, approver)
        query = WINDOW | {"grant": str(number)}
        assert (await get(web, f"{PATH}/clear.mp4", investigator, **query)).status_code == 200
        assert (await post(web, f"/api/grants/{number}/revoke", approver)).status_code == 204
        ended = await get(web, f"{PATH}/clear.mp4", investigator, **query)
        assert (ended.status_code, "revoked" in ended.json()["detail"]) == (403, True)


async def test_a_grant_is_narrowed_and_never_widened(city: Path) -> None:
    async with people(city) as web:
        investigator = await web.house.person("firuz", Role.INVESTIGATOR)
        approver = await web.house.person("malika", Role.APPROVER)
        number = await granted(web, investigator, approver)
        wider = await post(web, f"/api/grants/{number}/narrow", approver, {"cameras": [CAMERA, "somoni-01"]})
        assert wider.status_code == 403
        less = {"from": WINDOW["from"], "to": moment(START_NS + 10 * S)}
        assert (await post(web, f"/api/grants/{number}/narrow", approver, less)).status_code == 204
        query = WINDOW | {"grant": str(number)}
        assert (await get(web, f"{PATH}/clear.mp4", investigator, **query)).status_code == 403
        assert (await get(web, f"{PATH}/clear.mp4", investigator, **query | less)).status_code == 200


async def test_glass_that_is_broken_is_told_to_everybody_with_oversight(city: Path) -> None:
    async with people(city) as web:
        operator = await web.house.person("dilshod", Role.OPERATOR)
        wanted = WINDOW | {"cameras": [CAMERA], "reason": "somebody lies on the road"}
        broken = await post(web, "/api/break-glass", operator, wanted)
        assert broken.status_code == 200, broken.text
        query = WINDOW | {"grant": str(broken.json()["id"])}
        assert (await get(web, f"{PATH}/clear.mp4", operator, **query)).status_code == 200
        assert Kind.BREAK_GLASS in {draft.kind for draft in web.ledger.drafts}
        for role in (Role.APPROVER, Role.AUDITOR):
            overseer = await web.house.person(f"the-{role}", role)
            (told,) = (await get(web, "/api/break-glass", overseer)).json()
            assert (told["name"], told["reason"]) == ("Dilshod Example", "somebody lies on the road")
        assert (await get(web, "/api/break-glass", operator)).status_code == 403


async def test_a_live_view_ends_when_its_viewer_leaves(city: Path) -> None:
    async with people(city) as web:
        operator = await web.house.person("dilshod", Role.OPERATOR)
        administrator = await web.house.opens(web.house.administrators[0])
        address = web.address.replace("http", "ws") + PATH[1:] + "/live"
        origin: Any = web.address.rstrip("/")
        async with connect(address, origin=origin, additional_headers=operator.cookies) as socket:
            await socket.recv()
            assert (await post(web, f"/api/people/{operator.id}/leave", administrator)).status_code == 204
            code, reason = await until_closed(socket)
            assert (code, reason) == (1008, "nobody is signed in; sign in first")


async def test_who_left_is_erased_and_the_ledger_still_holds(city: Path) -> None:
    async with people(city) as web:
        web.put_still()
        operator = await web.house.person("dilshod", Role.OPERATOR)
        await get(web, f"{PATH}/still.webp", operator)
        administrator = await web.house.opens(web.house.administrators[0])
        erase = {"kind": "erase", "person": operator.id}
        early = await post(web, "/api/changes", administrator, erase)
        assert (early.status_code, "has not left" in early.json()["detail"]) == (400, True)
        await post(web, f"/api/people/{operator.id}/leave", administrator)
        early = await post(web, "/api/changes", administrator, erase)
        assert (early.status_code, "30 days" in early.json()["detail"]) == (400, True)
        web.clock.late_ns = ERASED_AFTER_NS
        administrator, other = [await web.house.opens(one) for one in web.house.administrators]
        number = (await post(web, "/api/changes", administrator, erase)).json()["id"]
        alone = await post(web, f"/api/changes/{number}/approve", administrator)
        assert (alone.status_code, "another administrator" in alone.text) == (403, True)
        assert (await post(web, f"/api/changes/{number}/approve", other)).status_code == 204
        names = {one["name"] for one in (await get(web, "/api/people", administrator)).json()["people"]}
        assert names == {"Zarina", "Rustam", "erased"}
        auditor = await web.house.person("shirin", Role.AUDITOR)
        told = (await get(web, "/api/ledger", auditor, last="500")).json()["entries"]
        (view,) = [one for one in told if one["kind"] == "view"]
        assert view["parts"] == {"viewer": None}


async def test_a_token_may_less_than_its_person(city: Path) -> None:
    async with people(city) as web:
        web.put_still()
        operator = await web.house.person("dilshod", Role.OPERATOR)
        wanted = {"name": "status board", "actions": ["still"], "cameras": [CAMERA], "days": 1}
        token = (await post(web, "/api/account/tokens", operator, wanted)).json()["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await web.client.get(f"{PATH}/still.webp", headers=bearer)).status_code == 200
        for path in (f"{PATH}/playback.m3u8", "/api/cameras/somoni-01/still.webp", "/api/account/tokens", "/api/cases"):
            refused = await web.client.get(path, params=WINDOW, headers=bearer)
            assert refused.status_code == 403, path
        (listed,) = (await get(web, "/api/account/tokens", operator)).json()
        assert (await post(web, "/api/account/tokens/end", operator, {"id": listed["id"]})).status_code == 204
        assert (await web.client.get(f"{PATH}/still.webp", headers=bearer)).status_code == 401


async def test_a_token_for_some_cameras_lists_no_others(city: Path) -> None:
    async with people(city) as web:
        operator = await web.house.person("dilshod", Role.OPERATOR)
        wanted = {"name": "status board", "actions": ["cameras"], "cameras": [CAMERA], "days": 1}
        token = (await post(web, "/api/account/tokens", operator, wanted)).json()["token"]
        answer = await web.client.get("/api/cameras", headers={"Authorization": f"Bearer {token}"})
        assert [one["id"] for one in answer.json()["cameras"]] == [CAMERA]
        assert len((await get(web, "/api/cameras", operator)).json()["cameras"]) == 2


async def test_a_role_changes_when_a_second_administrator_does_it(city: Path) -> None:
    async with people(city) as web:
        first, second = [await web.house.opens(one) for one in web.house.administrators]
        somebody = await web.house.person("dilshod")
        first = await web.house.opens(first)
        wanted = {"kind": "give", "person": somebody.id, "role": "operator", "hours": "mon-fri 08:00-16:00"}
        number = (await post(web, "/api/changes", first, wanted)).json()["id"]
        alone = await post(web, f"/api/changes/{number}/approve", first)
        assert (alone.status_code, "who asked" in alone.json()["detail"]) == (403, True)
        assert (await post(web, f"/api/changes/{number}/approve", second)).status_code == 204
        (right,) = web.house.office.state.rights_of(somebody.id)
        assert (right.role, right.schedule.text) == (Role.OPERATOR, "mon-fri 08:00-16:00")
        assert (await get(web, "/api/session", somebody)).status_code == 401


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/cases", CASE | {"purpose": "curiosity"}),
        ("/api/cases", CASE | {"number": " "}),
        ("/api/grants", WINDOW | {"cameras": [CAMERA], "reason": "", "case": "114/26"}),
        ("/api/grants", WINDOW | {"cameras": [CAMERA], "reason": "x", "case": "none"}),
        ("/api/grants", WINDOW | {"cameras": ["../../etc"], "reason": "x", "case": "114/26"}),
        ("/api/grants", {"from": WINDOW["to"], "to": WINDOW["from"], "cameras": [CAMERA], "reason": "x", "case": "1"}),
        ("/api/account/tokens", {"name": "x", "actions": ["clear"], "days": 1}),
        ("/api/account/tokens", {"name": "x", "actions": ["still"], "days": 1e300}),
    ],
)
async def test_what_cannot_be_is_a_clear_error(city: Path, path: str, body: dict[str, object]) -> None:
    async with people(city) as web:
        investigator = await web.house.person("firuz", Role.INVESTIGATOR)
        answer = await post(web, path, investigator, body)
        assert answer.status_code == 400
        assert answer.json()["detail"]


async def test_nothing_happens_that_cannot_be_written_down(city: Path) -> None:
    async with people(city) as web:
        investigator = await web.house.person("firuz", Role.INVESTIGATOR)
        web.ledger.fails = True
        assert (await post(web, "/api/cases", investigator, CASE)).status_code == 503
        assert not web.house.office.state.cases
        assert (await post(web, "/api/session/end", investigator)).status_code == 503
        web.ledger.fails = False
        assert (await get(web, "/api/session", investigator)).status_code == 200


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1"])
async def test_the_ledgers_public_files_are_for_everybody(city: Path, name: str) -> None:
    async with people(city) as web:
        size = web.ledger.log.size
        answer = await web.client.get(f"/ledger/{name.replace('.p/1', f'.p/{size}')}")
        assert answer.status_code == 200
        assert answer.content


@pytest.mark.parametrize(
    "name",
    [
        "../log.json",
        "%2e%2e/log.json",
        "tile/../../signing.key",
        "tile/0/..%2f..%2f..%2flog.json",
        "parts",
        "tile/0/999",
    ],
)
async def test_nothing_else_of_the_ledger_is(city: Path, name: str) -> None:
    async with people(city) as web:
        answer = await web.client.get(f"/ledger/{name}")
        assert answer.status_code in {404, 400}
        assert b"origin" not in answer.content


async def test_a_header_cannot_be_put_into_an_answer(city: Path) -> None:
    async with people(city) as web:
        for device in ("a\r\nX-Evil: 1", "a%0d%0aX-Evil: 1", 'a"; Path=/; X="'):
            somebody = web.house.administrators[0]
            said = {"login": somebody.login, "password": PASSWORD, "code": "000000"}
            try:
                answer = await post(web, "/api/session", None, said, Cookie=f"civicam-device={device}")
            except (httpx.TransportError, ValueError):
                continue  # the client itself refuses to send it
            assert "x-evil" not in answer.headers


async def test_two_at_once_do_not_undo_each_other(city: Path) -> None:
    async with people(city) as web:
        investigator = await web.house.person("firuz", Role.INVESTIGATOR)
        answers = await asyncio.gather(
            *(post(web, "/api/cases", investigator, CASE | {"number": f"{number}/26"}) for number in range(20))
        )
        assert {answer.status_code for answer in answers} == {204}
        assert len(web.house.office.state.cases) == 20


async def test_the_link_of_the_first_start_names_two_administrators_and_then_nobody(tmp_path: Path) -> None:
    async with served(tmp_path / "city", asks_people=True) as web:
        office = web.house.office
        secret = first_secret(office.store, CityKey(bytes(range(KEY_BYTES))))

        async def name(login: str, shown: str = secret) -> httpx.Response:
            return await post(web, "/api/first-start", None, {"first_start": shown, "login": login, "name": login})

        assert (await name("zarina", "another")).status_code == 403
        first, again = await name("zarina"), await name("zarina")
        assert (first.status_code, again.status_code) == (200, 200)
        assert first.json()["invitation"] != again.json()["invitation"]  # a lost link is made anew
        assert (await name("rustam")).status_code == 200
        third = await name("third")
        assert (third.status_code, "two first administrators" in third.json()["detail"]) == (403, True)
        for login in ("zarina", "rustam"):
            person = office.person_of(login)
            assert person is not None
            await web.house.comes(person.id, login)
        assert (await get(web, "/api/sign-in", None)).json()["is_founded"] is True
        assert (await name("zarina")).status_code == 403


def test_the_link_of_the_first_start_is_told_until_it_is_not_needed(tmp_path: Path) -> None:
    environment = {"CIVICAM_WEB__PORT": "8443", "CIVICAM_WEB__ALLOW": "people"}
    city = City.create(DataFolder(tmp_path / "city"), "Khujand", environment)
    link = city.first_start()
    assert re.fullmatch(r"http://127\.0\.0\.1:8443/#first-start=[\w-]{43}", link)
    assert City.open(city.data, environment).first_start() == link
    assert City.open(city.data, {}).first_start() == ""
