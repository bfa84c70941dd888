"""Requests of residents over HTTP: taken in, found, answered with an export or refused, received, forgotten."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from civicam.access import roles
from civicam.access.deadline import due_ns
from civicam.access.models import ChangeKind, Role
from civicam.access.requests import FORGOTTEN_NS
from civicam.catalogue.catalogue import Catalogue
from civicam.core.ids import CameraId
from civicam.ledger.counts import LedgerCounts
from civicam.ledger.entry import Kind
from civicam.ledger.log import read_parts
from civicam.ledger.published import read_published
from civicam.upkeep.written import footage_draft, footage_leaves
from civicam.web.gate import moment
from civicam.web.requesting import Requesting
from tests.access.house import Somebody
from tests.fakes.recorded import START_NS, S
from tests.web.served import CAMERA, Served
from tests.web.test_exports import ready
from tests.web.test_people import get, people, post

DAY = 24 * 3600 * S
WINDOW = {"from": moment(START_NS), "to": moment(START_NS + 30 * S)}
NIGORA = {
    "name": "Nigora Saidova",
    "contact": "nigora@example.org",
    "told": "I crossed the road in a green coat",
    "identity": "passport, seen by Firuza",
}
WORDS = {"words": "It was deleted after its 30 days"}


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Served, Somebody, Somebody]]:
    """A city whose footage is committed to, and whose investigator and approver are signed in."""
    async with people(folder / "city") as web:
        with Catalogue.open(folder / "city" / "catalogue.sqlite") as catalogue:
            rows = catalogue.uncommitted_segments(1000)
            receipt = await web.ledger.append(footage_draft(rows))
            catalogue.commit_segments(rows, receipt.index, footage_leaves(rows))
        investigator = await web.house.person("firuza", Role.INVESTIGATOR)
        yield web, investigator, await web.house.person("anvar", Role.APPROVER)


def wanted(web: Served, **changes: Any) -> dict[str, Any]:
    received = {"received": moment(web.clock.wall_ns() - DAY)[:10], "legal_reference": "GDPR, Art. 15"}
    return NIGORA | WINDOW | {"cameras": [CAMERA]} | received | changes


async def taken(web: Served, by: Somebody, **changes: Any) -> int:
    answer = await post(web, "/api/requests", by, wanted(web, **changes))
    assert answer.status_code == 200, answer.text
    number: int = answer.json()["id"]
    return number


async def listed(web: Served, by: Somebody) -> list[dict[str, Any]]:
    answer = await get(web, "/api/requests", by)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


async def exported(
    web: Served, investigator: Somebody, approver: Somebody, case: str, *, is_redacted: bool = True
) -> tuple[int, str]:
    """The number of a ready export for that case, and its link."""
    body = WINDOW | {"cameras": [CAMERA], "reason": "a resident asks for it", "case": case}
    grant = (await post(web, "/api/grants", investigator, body)).json()["id"]
    assert (await post(web, f"/api/grants/{grant}/approve", approver)).status_code == 204
    order = WINDOW | {"grant": grant, "cameras": [CAMERA], "recipient": f"the resident of {case}", "days": 1}
    order |= {"redacted": is_redacted}
    made = (await post(web, "/api/exports", investigator, order)).json()
    assert (await ready(web, investigator))["state"] == "ready"
    return made["id"], made["link"]


def said(web: Served) -> list[str]:
    return [str(one.facts["what"]) for one in web.ledger.drafts if one.kind is Kind.REQUEST]


def keys(web: Served) -> set[str]:
    return {path.stem for path in web.ledger.log.folder.people.glob("*.key")}


async def test_a_request_is_answered_with_an_export_of_its_case_and_received_by_its_link(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        number = await taken(web, investigator)
        (told,) = await listed(web, investigator)
        assert {key: told[key] for key in NIGORA} == NIGORA
        assert (told["case"], told["state"], told["taken_by"], told["exports"]) == (
            f"R-{number}", "open", "Firuza Example", [],
        )  # fmt: skip
        export, link = await exported(web, investigator, approver, told["case"])
        assert (await listed(web, approver))[0]["exports"] == [export]
        assert (await web.client.get(f"{link}/package")).status_code == 200  # whoever answers looks at it first
        answer = await post(web, f"/api/requests/{number}/answer", investigator, {"export": export})
        assert answer.status_code == 204, answer.text
        (told,) = await listed(web, approver)
        assert (told["state"], told["export"], told["decided_by"], told["received_answer"]) == (
            "answered", export, "Firuza Example", None,
        )  # fmt: skip
        packages = await asyncio.gather(*(web.client.get(f"{link}/package") for _ in range(3)))
        assert {one.status_code for one in packages} == {200}
        assert (await listed(web, approver))[0]["received_answer"] is not None
        assert said(web) == ["taken in", "answered", "received"]
        assert (await post(web, f"/api/requests/{number}/received", investigator)).status_code == 400


async def test_nothing_but_a_ready_redacted_export_of_its_own_case_answers_a_request(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        first, second = await taken(web, investigator), await taken(web, investigator)
        export, _ = await exported(web, investigator, approver, f"R-{first}")
        for number, of in ((second, export), (first, export + 1)):
            answer = await post(web, f"/api/requests/{number}/answer", investigator, {"export": of})
            assert (answer.status_code, f"R-{number}" in answer.text) == (400, True)
        assert said(web) == ["taken in", "taken in"]


async def test_a_resident_gets_no_footage_in_which_others_are_seen(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        number = await taken(web, investigator)
        body = WINDOW | {"cameras": [CAMERA], "reason": "a resident asks for it", "case": f"R-{number}"}
        grant = (await post(web, "/api/grants", investigator, body)).json()["id"]
        assert (await post(web, f"/api/grants/{grant}/approve", approver)).status_code == 204
        order = WINDOW | {"grant": grant, "cameras": [CAMERA], "recipient": "whoever asked", "days": 1}
        answer = await post(web, "/api/exports", investigator, order)
        assert (answer.status_code, "others are covered" in answer.text) == (400, True)


async def test_an_export_that_is_gone_is_no_answer_and_another_one_takes_its_place(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        number = await taken(web, investigator)
        path = f"/api/requests/{number}/answer"
        first, link = await exported(web, investigator, approver, f"R-{number}")
        assert (await post(web, path, investigator, {"export": first})).status_code == 204
        assert (await post(web, f"/api/exports/{first}/withdraw", investigator)).status_code == 204
        assert (await web.client.get(f"{link}/package")).status_code == 404
        (told,) = await listed(web, investigator)
        assert (told["state"], told["export"], told["exports"]) == ("answered", first, [])
        assert (await post(web, path, investigator, {"export": first})).status_code == 400
        second, link = await exported(web, investigator, approver, f"R-{number}")
        assert (await post(web, path, investigator, {"export": second})).status_code == 204
        assert (await web.client.get(f"{link}/package")).status_code == 200
        assert (await listed(web, investigator))[0]["received_answer"] is not None


async def test_who_looks_at_the_package_before_it_is_handed_on_has_not_received_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        number = await taken(web, investigator)
        export, link = await exported(web, investigator, approver, f"R-{number}")
        await post(web, f"/api/requests/{number}/answer", investigator, {"export": export})
        look = await get(web, f"/api/exports/{export}/package", investigator)
        assert (look.status_code, look.content[:2]) == (200, b"PK")
        assert (await get(web, f"/api/exports/{export}/package", approver)).status_code == 403
        head = await web.client.head(f"{link}/package")
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(look.content)))
        assert (await listed(web, investigator))[0]["received_answer"] is None
        assert (await get(web, "/api/exports", investigator)).json()[0]["received"] == 0
        steps = [one.facts["what"] for one in web.ledger.drafts if one.kind is Kind.EXPORT]
        assert steps == ["made", "looked at"]


async def test_closing_the_case_ends_the_link_and_takes_the_package_away(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        number = await taken(web, investigator)
        _, link = await exported(web, investigator, approver, f"R-{number}")
        refusal = WORDS | {"reason": "rights-of-others"}
        assert (await post(web, f"/api/requests/{number}/refuse", investigator, refusal)).status_code == 204
        for path in (link, f"{link}/package"):
            assert (await web.client.get(path)).status_code == 404
        assert (await get(web, "/api/exports", investigator)).json()[0]["state"] == "ended"


async def test_the_day_on_which_it_came_in_is_the_citys(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, _):
        day = moment(web.clock.wall_ns() - 2 * DAY)[:10]
        await taken(web, investigator, received=day)
        (told,) = await listed(web, investigator)
        assert told["received"][:10] == day  # the city of the tests is in UTC
        assert told["due_day"][8:] == day[8:]


async def test_a_refusal_states_its_reason_in_words_and_is_handed_over(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        number = await taken(web, investigator)
        path = f"/api/requests/{number}"
        for wrong in (WORDS, WORDS | {"reason": "no time"}, {"reason": "no-footage"}):
            assert (await post(web, f"{path}/refuse", investigator, wrong)).status_code == 400
        assert (
            await post(web, f"{path}/refuse", investigator, {"reason": "excessive", "words": " "})
        ).status_code == 400
        assert (await post(web, f"{path}/received", investigator)).status_code == 400
        refusal = WORDS | {"reason": "no-footage"}
        assert (await post(web, f"{path}/refuse", approver, refusal)).status_code == 403
        assert (await post(web, f"{path}/refuse", investigator, refusal)).status_code == 204
        (told,) = await listed(web, approver)
        assert (told["state"], told["reason"], told["refusal"]) == ("refused", "no-footage", WORDS["words"])
        (case,) = (await get(web, "/api/cases", approver)).json()["cases"]
        assert (case["number"], case["closed"] is None) == (f"R-{number}", False)
        assert (await post(web, f"{path}/received", investigator)).status_code == 204
        assert said(web) == ["taken in", "refused", "received"]
        counts = LedgerCounts().read(read_published(web.ledger.log.folder).reader)
        found = {one.kind: count for one, count in counts.items() if one.kind.startswith("request")}
        assert found == {"request": 1, "request-refused": 1}
        page = (await web.client.get("/public/counts?lang=en")).text
        (total,) = [line for line in page.splitlines() if line.startswith("<tfoot")]
        assert "<td>1</td><td>0</td><td>1</td></tr>" in total


async def test_it_takes_longer_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, _):
        number = await taken(web, investigator)
        before = (await listed(web, investigator))[0]
        assert (await post(web, f"/api/requests/{number}/extend", investigator, WORDS)).status_code == 204
        (told,) = await listed(web, investigator)
        assert (told["delay"], told["extended"] is None, told["due"] > before["due"]) == (WORDS["words"], False, True)
        assert (await post(web, f"/api/requests/{number}/extend", investigator, WORDS)).status_code == 400


async def test_the_footage_is_held_from_the_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        number = await taken(web, investigator)
        with Catalogue.open(tmp_path / "city" / "catalogue.sqlite") as catalogue:
            (row,) = catalogue.holds()
        assert (row.camera, row.start_wall_ns, row.end_wall_ns) == (CAMERA, START_NS, START_NS + 30 * S)
        (hold,) = (await get(web, "/api/holds", approver)).json()
        assert (hold["case"], hold["state"]) == (f"R-{number}", "asked")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": " "},
        {"contact": ""},
        {"told": "x" * 1001},
        {"identity": ""},
        {"cameras": []},
        {"cameras": ["nobody-9"]},
        {"to": WINDOW["from"]},
        {"received": "yesterday"},
        {"received": "2026-02-30"},
        {"received": moment(START_NS + 400 * 365 * DAY)[:10]},
        {"legal_reference": ""},
    ],
)
async def test_what_cannot_be_asked_for_is_said_and_leaves_nothing(tmp_path: Path, changes: dict[str, Any]) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        before = keys(web)
        answer = await post(web, "/api/requests", investigator, wanted(web, **changes))
        assert answer.status_code == 400, answer.text
        assert (await post(web, "/api/requests", approver, wanted(web))).status_code == 403
        web.ledger.fails = True
        assert (await post(web, "/api/requests", investigator, wanted(web))).status_code == 503
        assert await listed(web, investigator) == []
        assert keys(web) == before


async def test_what_residents_told_is_read_by_those_who_answer_for_the_cameras_and_by_auditors(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        await web.house.group("elsewhere", CameraId("somoni-01"))
        other = await web.house.person("shirin", Role.INVESTIGATOR, "elsewhere")
        auditor = await web.house.person("malika", Role.AUDITOR)
        operator = await web.house.person("dilshod", Role.OPERATOR)
        both = await web.house.person("gulnora", Role.INVESTIGATOR, "elsewhere")
        await web.house.agree(roles.Wanted(ChangeKind.GIVE, both.id, Role.OPERATOR))
        both = await web.house.opens(both)
        number = await taken(web, investigator)
        for reader in (investigator, approver, auditor):
            assert [one["name"] for one in await listed(web, reader)] == [NIGORA["name"]]
        assert await listed(web, other) == []
        assert await listed(web, both) == []  # who may see that camera for another reason answers for it in nothing
        assert (await get(web, "/api/requests", operator)).status_code == 403
        for somebody in (other, approver, auditor, operator):
            refused = await post(web, f"/api/requests/{number}/refuse", somebody, WORDS | {"reason": "excessive"})
            assert refused.status_code == 403


async def test_what_a_resident_told_is_forgotten_a_year_later_and_oversight_reads_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, approver):
        auditor = await web.house.person("malika", Role.AUDITOR)
        before = keys(web)
        number = await taken(web, investigator)
        refusal = WORDS | {"reason": "no-footage"}
        assert (await post(web, f"/api/requests/{number}/refuse", investigator, refusal)).status_code == 204
        (entry, _) = await entries(web, auditor)
        assert entry["parts"]["resident"]["name"] == NIGORA["name"]
        assert entry["parts"]["by"]["person"] == investigator.id
        requesting = Requesting(web.house.office)
        await requesting.forget()
        assert keys(web) == before | {entry["parts"]["resident"]["person"]}
        web.clock.late_ns = FORGOTTEN_NS + DAY
        for _ in range(2):
            await requesting.forget()
        assert keys(web) == before
        for one in (approver, auditor):
            await web.house.opens(one)
        (told,) = await listed(web, approver)
        assert (told["is_forgotten"], told["name"], told["refusal"], told["reason"]) == (True, "", "", "no-footage")
        taken_in, refused, forgotten = await entries(web, auditor)
        assert taken_in["parts"]["resident"] is refused["parts"]["resident"] is None
        assert (forgotten["facts"]["what"], forgotten["parts"]) == ("forgotten", {})
        assert [path for path in files_below(tmp_path) if b"Nigora" in path.read_bytes()] == []


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def entries(web: Served, by: Somebody) -> list[dict[str, Any]]:
    answer: httpx.Response = await get(web, "/api/ledger", by, last="500")
    return [one for one in answer.json()["entries"] if one["kind"] == "request"]


async def test_a_key_that_outlived_its_request_goes_at_the_next_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, _):
        number = await taken(web, investigator)
        refusal = WORDS | {"reason": "no-footage"}
        assert (await post(web, f"/api/requests/{number}/refuse", investigator, refusal)).status_code == 204
        office = web.house.office
        web.clock.late_ns = FORGOTTEN_NS + DAY
        await Requesting(office).forget()
        subject = office.state.requests[number].subject
        office.keys.create(subject)  # as if the power had failed before it was destroyed
        keeping = asyncio.create_task(Requesting(office).keep())
        for _ in range(100):
            if not office.keys.is_known(subject):
                break
            await asyncio.sleep(0.05)
        keeping.cancel()
        assert not office.keys.is_known(subject)
        assert said(web).count("forgotten") == 1


async def test_a_request_that_is_due_soon_or_overdue_is_an_alarm_that_names_nobody(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, _):
        number, requesting = await taken(web, investigator), Requesting(web.house.office)
        due = due_ns(web.clock.wall_ns() - DAY, 1, "UTC")
        for days, words in ((8, None), (6.5, "is due in 6 days"), (-2.5, "is overdue by 2 days")):
            web.clock.late_ns += round(due - days * DAY) - web.clock.wall_ns()
            found = requesting.alarms()
            assert found == [] if words is None else words in found[0]
            assert "Nigora" not in str(found)
        await web.house.opens(investigator)
        refusal = WORDS | {"reason": "no-footage"}
        assert (await post(web, f"/api/requests/{number}/refuse", investigator, refusal)).status_code == 204
        assert requesting.alarms() == []


async def test_a_residents_entry_lies_sealed_beside_the_ledger(tmp_path: Path) -> None:
    async with opened(tmp_path) as (web, investigator, _):
        await taken(web, investigator)
        log = web.ledger.log
        place = next(index for index, one in enumerate(reversed(web.ledger.drafts)) if one.kind is Kind.REQUEST)
        sealed = read_parts(log.folder, log.size - 1 - place)
        assert set(sealed) == {"resident", "by"}
        assert sealed["resident"].person not in web.house.office.state.people
