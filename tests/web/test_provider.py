"""Single sign-on, against a real provider: Canaille, which is started here, over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from civicam.access.models import Role
from civicam.access.sign_in.provider import ProviderSettings, check_issuer
from civicam.core.errors import ConfigError
from civicam.ledger.entry import Kind
from tests.access.house import Somebody
from tests.web.served import Served, served

SECRET = "the-city's-secret-there"


@pytest.fixture
def known_there(iam_server: Any) -> Any:
    """A city that the provider knows, and somebody who is signed in there and agrees."""
    client = iam_server.models.Client(
        client_id="civicam",
        client_secret=SECRET,
        client_name="civicam",
        client_uri="http://localhost",
        redirect_uris=["http://127.0.0.1/"],
        scope=["openid"],
        grant_types=["authorization_code"],
        response_types=["code"],
        token_endpoint_auth_method="client_secret_basic",
    )
    iam_server.backend.save(client)
    client.audience = [client]
    iam_server.backend.save(client)
    user = iam_server.random_user()
    iam_server.login(user)
    iam_server.consent(user, client)
    yield client
    iam_server.logout()
    iam_server.backend.delete(client)
    iam_server.backend.delete(user)


@asynccontextmanager
async def city_with(folder: Path, iam_server: Any, client: Any, secret: str = SECRET) -> AsyncIterator[Served]:
    async with httpx.AsyncClient() as browser:
        about = await browser.get(f"{iam_server.url}.well-known/openid-configuration")
    issuer = about.json()["issuer"]
    async with served(folder, asks_people=True, elsewhere=ProviderSettings(issuer, "civicam", secret)) as web:
        await web.house.begin()
        client.redirect_uris = [f"{web.address}api/provider/end"]
        iam_server.backend.save(client)
        yield web


async def goes(web: Served, path: str, by: Somebody | None = None) -> tuple[httpx.Response, dict[str, str]]:
    """Goes to the provider and comes back: how this server answers then, and what the browser kept for it."""
    begun = await web.client.post(path, json={}, headers=by.cookies if by else {})
    assert begun.status_code == 200, begun.text
    kept = {"Cookie": begun.headers["set-cookie"].partition(";")[0]}
    assert "SameSite=lax" in begun.headers["set-cookie"]
    async with httpx.AsyncClient(timeout=30) as browser:
        there = await browser.get(begun.json()["address"])
    back = there.headers["location"]
    assert back.startswith(f"{web.address}api/provider/end?"), back
    from_elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    return await web.client.get(back, headers=kept | from_elsewhere), {"back": back, **kept}


async def test_who_linked_their_account_signs_in_with_it(city: Path, iam_server: Any, known_there: Any) -> None:
    async with city_with(city, iam_server, known_there) as web:
        somebody = await web.house.person("dilshod", Role.OPERATOR)
        unknown, _ = await goes(web, "/api/provider/begin")
        assert (unknown.status_code, "linked to nobody" in unknown.json()["detail"]) == (401, True)
        linked, _ = await goes(web, "/api/account/provider/begin", somebody)
        assert (linked.status_code, linked.headers["location"]) == (303, "/")
        entered, _ = await goes(web, "/api/provider/begin")
        assert entered.status_code == 303
        session = entered.headers.get_list("set-cookie")[0].partition(";")[0]
        me = (await web.client.get("/api/session", headers={"Cookie": session})).json()
        assert me["login"] == "dilshod"
        hows = [draft.facts.get("how") for draft in web.ledger.drafts if draft.kind is Kind.SIGN_IN]
        assert hows[-1] == "single sign-on"


async def test_what_somebody_else_began_is_not_ended(city: Path, iam_server: Any, known_there: Any) -> None:
    """A stranger's link back from the provider signs nobody in as the stranger (login CSRF)."""
    async with city_with(city, iam_server, known_there) as web:
        begun = await web.client.post("/api/provider/begin", json={})
        async with httpx.AsyncClient(timeout=30) as browser:
            back = (await browser.get(begun.json()["address"])).headers["location"]
        for cookies in ({}, {"Cookie": "civicam-return=planted"}):
            answer = await web.client.get(back, headers=cookies)
            assert answer.status_code == 401


async def test_a_way_back_is_good_once(city: Path, iam_server: Any, known_there: Any) -> None:
    async with city_with(city, iam_server, known_there) as web:
        await goes(web, "/api/account/provider/begin", await web.house.person("dilshod"))
        entered, kept = await goes(web, "/api/provider/begin")
        assert entered.status_code == 303
        again = await web.client.get(kept.pop("back"), headers=kept)
        assert again.status_code == 401


async def test_a_session_that_ended_links_nothing(city: Path, iam_server: Any, known_there: Any) -> None:
    async with city_with(city, iam_server, known_there) as web:
        somebody = await web.house.person("dilshod")
        begun = await web.client.post("/api/account/provider/begin", json={}, headers=somebody.cookies)
        kept = {"Cookie": begun.headers["set-cookie"].partition(";")[0]}
        await web.client.post("/api/session/end", json={}, headers=somebody.cookies)
        async with httpx.AsyncClient(timeout=30) as browser:
            back = (await browser.get(begun.json()["address"])).headers["location"]
        assert (await web.client.get(back, headers=kept)).status_code == 403
        unknown, _ = await goes(web, "/api/provider/begin")
        assert unknown.status_code == 401


async def test_a_wrong_secret_lets_nobody_in(city: Path, iam_server: Any, known_there: Any) -> None:
    async with city_with(city, iam_server, known_there, "another") as web:
        refused, _ = await goes(web, "/api/provider/begin")
        assert (refused.status_code, "provider refuses" in refused.json()["detail"]) == (401, True)


async def test_each_request_is_bound_to_its_browser_and_its_token(
    city: Path, iam_server: Any, known_there: Any
) -> None:
    async with city_with(city, iam_server, known_there) as web:
        queries = [
            parse_qs(urlsplit((await web.client.post("/api/provider/begin", json={})).json()["address"]).query)
            for _ in range(2)
        ]
        for name in ("state", "nonce", "code_challenge"):
            assert queries[0][name] != queries[1][name]
        assert queries[0]["code_challenge_method"] == ["S256"]


async def test_a_provider_that_does_not_answer_is_said(city: Path) -> None:
    async with served(city, asks_people=True) as web:
        answer = await web.client.post("/api/provider/begin", json={})
        assert (answer.status_code, "does not answer" in answer.json()["detail"]) == (503, True)


@pytest.mark.parametrize(
    "address", ["http://sso.example/", "https://a@sso.example/", "file:///etc/passwd", "", "https//x", "http://[::1"]
)
def test_what_is_no_providers_address_is_said(address: str) -> None:
    with pytest.raises(ConfigError):
        check_issuer(address)
