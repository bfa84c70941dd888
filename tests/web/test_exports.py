"""Exports over HTTP: ordered under a grant, made, fetched by a link that lapses; each step stands in the ledger."""

import asyncio
import io
import shutil
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from civicam.access.models import Role
from civicam.catalogue.catalogue import Catalogue
from civicam.evidence.manifest import RedactedManifest
from civicam.evidence.verify import verify
from civicam.ledger.counts import LedgerCounts
from civicam.ledger.entry import Kind
from civicam.ledger.published import read_published
from civicam.upkeep.written import footage_draft, footage_leaves
from civicam.web.bearer import Caller
from civicam.web.export_wanted import Wanted
from civicam.web.exports import Exports
from civicam.web.gate import moment
from tests.access.house import Somebody
from tests.fakes.recorded import START_NS, S
from tests.web.served import CAMERA, Served, places_of
from tests.web.test_people import CASE, get, people, post

WINDOW = {"from": moment(START_NS), "to": moment(START_NS + 30 * S)}


@asynccontextmanager
async def granted(folder: Path) -> AsyncIterator[tuple[Served, Somebody, Somebody, int]]:
    """A city whose footage is committed to, and somebody with a grant for half a minute of it."""
    async with people(folder / "city") as web:
        with Catalogue.open(folder / "city" / "catalogue.sqlite") as catalogue:
            rows = catalogue.uncommitted_segments(1000)
            receipt = await web.ledger.append(footage_draft(rows))
            catalogue.commit_segments(rows, receipt.index, footage_leaves(rows))
        investigator = await web.house.person("firuza", Role.INVESTIGATOR)
        approver = await web.house.person("anvar", Role.APPROVER)
        assert (await post(web, "/api/cases", investigator, CASE)).status_code == 204
        body = WINDOW | {"cameras": [CAMERA], "reason": "a collision", "case": CASE["number"]}
        number = (await post(web, "/api/grants", investigator, body)).json()["id"]
        assert (await post(web, f"/api/grants/{number}/approve", approver)).status_code == 204
        yield web, investigator, approver, number


def wanted(grant: int, /, **changes: Any) -> dict[str, Any]:
    return {"grant": grant, "cameras": [CAMERA], "recipient": "the court", "days": 1} | WINDOW | changes


async def ready(web: Served, by: Somebody) -> dict[str, Any]:
    """The newest export, once it is made or has failed."""
    for _ in range(200):
        found: dict[str, Any] = (await get(web, "/api/exports", by)).json()[0]
        if found["state"] != "making":
            return found
        await asyncio.sleep(0.1)
    raise AssertionError("the export is not ready")


async def test_an_export_is_made_fetched_by_its_link_and_holds(tmp_path: Path) -> None:
    async with granted(tmp_path) as (web, investigator, approver, grant):
        ordered = await post(web, "/api/exports", investigator, wanted(grant))
        assert ordered.status_code == 200, ordered.text
        link = ordered.json()["link"]
        assert (await web.client.get(f"{link}/package")).status_code in {200, 404}  # not before it is whole
        found = await ready(web, investigator)
        assert (found["state"], found["share"], found["recipient"]) == ("ready", 1.0, "the court")
        page = await web.client.get(link)
        assert (page.status_code, "the court" in page.text, f"{link}/package" in page.text) == (200, True, True)
        package = await web.client.get(f"{link}/package")
        assert package.headers["content-type"] == "application/zip"
        path = tmp_path / "package.zip"
        path.write_bytes(package.content)
        verdict = verify(path)
        assert verdict.manifest is not None
        assert (verdict.manifest.recipient, verdict.manifest.case) == ("the court", CASE["number"])
        assert "verify.html" in zipfile.ZipFile(io.BytesIO(package.content)).namelist()
        drafts = [one for one in web.ledger.drafts if one.kind is Kind.EXPORT]
        assert [one.facts["what"] for one in drafts] == ["made", "opened", "given out"]
        assert all("court" not in str(one.facts) for one in drafts)  # for whom, the exporter's part says alone
        assert (await get(web, "/api/exports", approver)).json()[0]["received"] >= 1
        assert "Exports" in (await web.client.get("/public/counts?lang=en")).text


PLACE = {"camera": CAMERA, "left": 100, "top": 100, "right": 500, "bottom": 500} | WINDOW


async def test_a_redacted_export_holds_and_says_where_it_shows_somebody(tmp_path: Path) -> None:
    async with granted(tmp_path) as (web, investigator, _, grant):
        body = wanted(grant, redacted=True, shown=[PLACE])
        link = (await post(web, "/api/exports", investigator, body)).json()["link"]
        found = await ready(web, investigator)
        assert (found["state"], found["redacted"], found["case"]) == ("ready", True, CASE["number"]), found["why"]
        path = tmp_path / "package.zip"
        path.write_bytes((await web.client.get(f"{link}/package")).content)
        manifest = verify(path).manifest
        assert isinstance(manifest, RedactedManifest)
        assert [(one.left, one.bottom) for one in manifest.shown] == [(100, 500)]
        made = next(one for one in web.ledger.drafts if one.kind is Kind.EXPORT)
        assert (made.facts["media"], made.facts["shown"]) == ("redacted", 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"redacted": False},
        {"shown": [PLACE | {"left": 500}]},
        {"shown": [PLACE | {"right": 800, "bottom": 800}]},
        {"covered": [PLACE | {"left": 500}]},
        {"shown": [PLACE | {"camera": "somoni-01"}]},
        {"shown": [PLACE | {"to": moment(START_NS + 31 * S)}]},
        {"shown": [PLACE | {"right": 1001}]},
        {"shown": [PLACE | {"from": "soon"}]},
    ],
)
async def test_a_place_that_is_none_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    async with granted(tmp_path) as (web, investigator, _, grant):
        body = wanted(grant, redacted=True, shown=[PLACE]) | changes
        answer = await post(web, "/api/exports", investigator, body)
        assert answer.status_code in {400, 422}, answer.text
        assert (await get(web, "/api/exports", investigator)).json() == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"grant": 99}, 403),
        ({"cameras": ["somoni-01"]}, 403),
        ({"to": moment(START_NS + 60 * S)}, 403),
        ({"recipient": "  "}, 400),
        ({"days": 15}, 400),
        ({"cameras": []}, 400),
    ],
)
async def test_nothing_is_exported_that_no_grant_is_for(tmp_path: Path, changes: dict[str, Any], status: int) -> None:
    async with granted(tmp_path) as (web, investigator, approver, grant):
        answer = await post(web, "/api/exports", investigator, wanted(grant, **changes))
        assert answer.status_code == status, answer.text
        assert (await post(web, "/api/exports", approver, wanted(grant))).status_code == 403
        assert (await post(web, "/api/exports", None, wanted(grant))).status_code == 401


async def test_what_was_seen_through_broken_glass_does_not_leave(tmp_path: Path) -> None:
    async with granted(tmp_path) as (web, investigator, _, _grant):
        body = WINDOW | {"cameras": [CAMERA], "reason": "a fire"}
        glass = (await post(web, "/api/break-glass", investigator, body)).json()["id"]
        answer = await post(web, "/api/exports", investigator, wanted(glass))
        assert (answer.status_code, "does not leave" in answer.text) == (403, True)


async def test_a_link_that_lapsed_gives_nothing_and_the_package_is_gone(tmp_path: Path) -> None:
    async with granted(tmp_path) as (web, investigator, _, grant):
        link = (await post(web, "/api/exports", investigator, wanted(grant))).json()["link"]
        await ready(web, investigator)
        web.clock.late_ns += 2 * 24 * 3600 * S
        for path in (link, f"{link}/package", f"{link[:-1]}x"):
            assert (await web.client.get(path)).status_code == 404


async def test_nothing_is_given_out_that_cannot_be_written_down(tmp_path: Path) -> None:
    async with granted(tmp_path) as (web, investigator, _, grant):
        link = (await post(web, "/api/exports", investigator, wanted(grant))).json()["link"]
        await ready(web, investigator)
        web.ledger.fails = True
        for path in (link, f"{link}/package"):
            assert (await web.client.get(path)).status_code == 503


async def test_a_grant_that_was_ended_meanwhile_lets_nothing_leave(tmp_path: Path) -> None:
    async with granted(tmp_path) as (web, investigator, approver, grant):
        assert (await post(web, f"/api/grants/{grant}/revoke", approver)).status_code == 204
        assert (await post(web, "/api/exports", investigator, wanted(grant))).status_code == 403


async def test_orders_at_the_same_moment_have_numbers_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:  # one that were ready meanwhile would make room for another
        await asyncio.Event().wait()

    monkeypatch.setattr(Exports, "_make", never)
    async with granted(tmp_path) as (web, investigator, _, grant):
        answers = await asyncio.gather(*(post(web, "/api/exports", investigator, wanted(grant)) for _ in range(20)))
        made = [answer.json()["id"] for answer in answers if answer.status_code == 200]
        assert len(made) == len(set(made)) == 16
        assert {answer.status_code for answer in answers} == {200, 503}


async def test_a_link_is_of_no_use_once_the_grant_was_taken_back(tmp_path: Path) -> None:
    async with granted(tmp_path) as (web, investigator, approver, grant):
        link = (await post(web, "/api/exports", investigator, wanted(grant))).json()["link"]
        await ready(web, investigator)
        assert (await web.client.get(link)).status_code == 200
        assert (await post(web, f"/api/grants/{grant}/revoke", approver)).status_code == 204
        for path in (link, f"{link}/package"):
            assert (await web.client.get(path)).status_code == 404


async def test_a_package_that_is_fetched_in_parts_is_received_once(tmp_path: Path) -> None:
    async with granted(tmp_path) as (web, investigator, _, grant):
        link = (await post(web, "/api/exports", investigator, wanted(grant))).json()["link"]
        await ready(web, investigator)
        for first in (0, 1000, 2000):
            part = await web.client.get(f"{link}/package", headers={"Range": f"bytes={first}-{first + 999}"})
            assert (part.status_code, len(part.content)) == (206, 1000)
        assert (await get(web, "/api/exports", investigator)).json()[0]["received"] == 1
        given = [one for one in web.ledger.drafts if one.facts.get("what") == "given out"]
        assert len(given) == 1


async def test_an_export_goes_on_in_the_next_run_and_numbers_are_never_used_again(tmp_path: Path) -> None:
    async with granted(tmp_path) as (web, investigator, _, grant):
        await post(web, "/api/exports", investigator, wanted(grant))
        first = await ready(web, investigator)
        assert first["id"] == 1
        assert web.application is not None
        office, folder = web.house.office, tmp_path / "exports"
        shutil.rmtree(folder / "1")
        (folder / "7").mkdir()  # what a crash left, and nobody ordered
        places = places_of(tmp_path / "city", {}, web.ledger.log.folder)
        async with Exports(places, office).running() as again:
            assert again.listed() == []
            assert not (folder / "7").exists()
            caller = Caller(investigator.who, investigator.where)
            order = Wanted(grant, frozenset({CAMERA}), (START_NS, START_NS + S), "the court", 2 * 3600 * S)
            made, _ = await again.order(caller, order)
            assert made.number == 8


async def test_an_export_is_taken_back_by_who_ordered_it_or_an_approver_and_nobody_else(tmp_path: Path) -> None:
    async with granted(tmp_path) as (web, investigator, approver, grant):
        operator = await web.house.person("dilshod", Role.OPERATOR)
        for by in (investigator, approver):
            ordered = (await post(web, "/api/exports", investigator, wanted(grant))).json()
            await ready(web, investigator)
            path = f"/api/exports/{ordered['id']}/withdraw"
            assert (await post(web, path, operator)).status_code == 403
            assert (await post(web, path, by)).status_code == 204
            assert (await web.client.get(ordered["link"])).status_code == 404
            assert (await get(web, "/api/exports", investigator)).json() == []
            assert not (tmp_path / "exports" / str(ordered["id"])).exists()
        assert [one.facts["what"] for one in web.ledger.drafts if one.kind is Kind.EXPORT] == ["made", "withdrawn"] * 2


async def test_the_public_counts_an_export_once_however_often_it_is_fetched(tmp_path: Path) -> None:
    async with granted(tmp_path) as (web, investigator, _, grant):
        link = (await post(web, "/api/exports", investigator, wanted(grant))).json()["link"]
        await ready(web, investigator)
        assert (await web.client.get(f"{link}/package")).status_code == 200
        counts = LedgerCounts().read(read_published(web.ledger.log.folder).reader)
        assert sum(count for one, count in counts.items() if one.kind == "export") == 1
        checkpoint = (await web.client.get("/public/checkpoint?lang=en")).text
        assert "signs packages of footage" in checkpoint
        assert "authority.pem" in checkpoint
        assert (await web.client.get("/public/authority.pem")).text.startswith("-----BEGIN CERTIFICATE-----")


async def test_before_the_first_export_there_is_no_authority(tmp_path: Path) -> None:
    async with granted(tmp_path) as (web, *_):
        assert (await web.client.get("/public/authority.pem")).status_code == 404


async def test_an_export_that_the_disk_has_no_room_for_fails_and_leaves_nothing(tmp_path: Path) -> None:
    async with granted(tmp_path) as (web, investigator, _, grant):
        places = places_of(tmp_path / "city", {}, web.ledger.log.folder, "small", 1 << 60)
        async with Exports(places, web.house.office).running() as exports:
            caller = Caller(investigator.who, investigator.where)
            order = Wanted(grant, frozenset({CAMERA}), (START_NS, START_NS + S), "the court", 2 * 3600 * S)
            made, _ = await exports.order(caller, order)
            for _ in range(100):
                if made.why:
                    break
                await asyncio.sleep(0.05)
            assert made.why == "the disk has no room for this export"
            assert [path.name for path in (tmp_path / "small" / "1").iterdir()] == ["order.sealed"]
