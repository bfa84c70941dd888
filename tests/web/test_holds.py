"""Holds over HTTP: asked for by one, decided by another; the footage is kept from the asking on, until the review."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from civicam.access.holds import WAITS_NS
from civicam.access.models import Role
from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Hold
from civicam.ledger.entry import Kind
from civicam.web.gate import moment
from civicam.web.holding import Holding
from tests.access.house import Somebody
from tests.fakes.recorded import START_NS, S
from tests.web.served import CAMERA, Served
from tests.web.test_people import CASE, get, people, post

DAY = 24 * 3600 * S
WINDOW = {"from": moment(START_NS + 2 * S), "to": moment(START_NS + 20 * S)}


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Served, Somebody, Somebody]]:
    """A city with a case, whose investigator and approver are signed in."""
    async with people(folder / "city") as web:
        investigator = await web.house.person("firuza", Role.INVESTIGATOR)
        approver = await web.house.person("anvar", Role.APPROVER)
        assert (await post(web, "/api/cases", investigator, CASE)).status_code == 204
        yield web, investigator, approver


def wanted(web: Served, days: float = 30, **changes: Any) -> dict[str, Any]:
    review = moment(web.clock.wall_ns() + round(days * DAY))
    return {"case": CASE["number"], "cameras": [CAMERA], "review": review} | WINDOW | changes


def held(folder: Path) -> list[Hold]:
    with Catalogue.open(folder / "city" / "catalogue.sqlite") as catalogue:
        return catalogue.holds()


async def test_what_is_asked_for_is_kept_at_once_and_what_is_approved_stays_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        asked = await post(web, "/api/holds", investigator, wanted(web))
        assert asked.status_code == 200, asked.text
        (row,) = held(tmp_path)
        assert (row.camera, row.start_wall_ns, row.end_wall_ns) == (CAMERA, START_NS + 2 * S, START_NS + 20 * S)
        number = asked.json()["id"]
        assert (await post(web, f"/api/holds/{number}/approve", approver)).status_code == 204
        (told,) = (await get(web, "/api/holds", approver)).json()
        assert (told["state"], told["case"], told["decided_by"]) == ("active", CASE["number"], "Anvar Example")
        assert len(held(tmp_path)) == 1
        assert (await post(web, f"/api/holds/{number}/release", approver)).status_code == 204
        assert held(tmp_path) == []
        said = [one.facts["what"] for one in web.ledger.drafts if one.kind is Kind.HOLD]
        assert said == ["asked", "placed", "released"]


async def test_what_is_refused_is_not_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        number = (await post(web, "/api/holds", investigator, wanted(web))).json()["id"]
        assert (await post(web, f"/api/holds/{number}/refuse", approver)).status_code == 204
        assert held(tmp_path) == []
        assert (await post(web, f"/api/holds/{number}/approve", approver)).status_code == 400


async def test_nobody_decides_about_what_they_asked_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, _):
        number = (await post(web, "/api/holds", investigator, wanted(web))).json()["id"]
        for what in ("approve", "refuse", "release"):
            assert (await post(web, f"/api/holds/{number}/{what}", investigator)).status_code == 403


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"case": "none"}, 400),
        ({"cameras": []}, 400),
        ({"cameras": ["nobody-9"]}, 400),
        ({"to": WINDOW["from"]}, 400),
        ({"days": 0.1}, 400),
        ({"days": 400}, 400),
        ({"review": "soon"}, 400),
    ],
)
async def test_what_cannot_be_held_is_said(tmp_path: Path, changes: dict[str, Any], status: int) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        answer = await post(web, "/api/holds", investigator, wanted(web, **changes))
        assert answer.status_code == status, answer.text
        assert (await post(web, "/api/holds", approver, wanted(web))).status_code == 403
        assert held(tmp_path) == []


@pytest.mark.parametrize(("is_approved", "days"), [(True, 30), (False, WAITS_NS / DAY)])
async def test_a_hold_warns_before_its_review_and_lapses_then(tmp_path: Path, is_approved: bool, days: float) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        number = (await post(web, "/api/holds", investigator, wanted(web))).json()["id"]
        if is_approved:
            assert (await post(web, f"/api/holds/{number}/approve", approver)).status_code == 204
        holding = Holding(tmp_path / "city" / "catalogue.sqlite", web.house.office)
        web.clock.late_ns = round((days - 3.5) * DAY)
        assert f"hold {number} for case {CASE['number']} lapses in 3 days" in holding.alarms()[0]
        assert len(held(tmp_path)) == 1
        web.clock.late_ns = round((days + 0.1) * DAY)
        keeping = asyncio.create_task(holding.keep())
        for _ in range(100):
            if not held(tmp_path):
                break
            await asyncio.sleep(0.05)
        keeping.cancel()
        assert held(tmp_path) == []
        assert [one.facts["what"] for one in web.ledger.drafts if one.kind is Kind.HOLD][-1] == "lapsed"


async def test_a_hold_that_was_placed_at_the_machine_is_left_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        with Catalogue.open(tmp_path / "city" / "catalogue.sqlite") as catalogue:
            catalogue.add_hold(CAMERA, (START_NS, START_NS + S), "by hand", now_ns=START_NS)
        number = (await post(web, "/api/holds", investigator, wanted(web))).json()["id"]
        assert (await post(web, f"/api/holds/{number}/refuse", approver)).status_code == 204
        assert [one.reason for one in held(tmp_path)] == ["by hand"]
