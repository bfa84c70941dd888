"""What everybody may see, and what engineers see of the machine."""

from collections import Counter
from pathlib import Path

import pytest

from civicam.access.models import Role
from civicam.ledger.counts import LedgerCounts
from civicam.ledger.encoding import decode
from civicam.web.page_files import page_files
from civicam.web.public_pages import LANGUAGES, PAGES, words_of
from tests.web.served import CAMERA, served
from tests.web.test_people import CASE, granted, people, post

PATH = f"/api/cameras/{CAMERA}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PAGES)
async def test_public_pages_need_nobody_to_be_signed_in(city: Path, name: str, language: str) -> None:
    async with people(city) as web:
        answer = await web.client.get(f"/public/{name}", params={"lang": language})
        assert (answer.status_code, answer.headers["content-language"]) == (200, language)
        assert words_of(language)[f"page.{name}"] in answer.text
        assert "<script" not in answer.text


async def test_the_register_says_of_each_camera_what_residents_may_ask(city: Path) -> None:
    async with people(city) as web:
        page = (await web.client.get("/public")).text
        for words in ("Rudaki", "traffic", "the city&#39;s traffic office", "Law on Roads, 12", "30"):
            assert words in page
        told = (await web.client.get("/api/register")).json()
        assert told["cameras"][0]["register_entry"]["legal_basis"] == "Law on Roads, 12"
        assert "rtsp" not in page + str(told)


async def test_looks_grants_and_broken_glass_are_counted_for_everybody(city: Path) -> None:
    async with people(city) as web:
        investigator = await web.house.person("firuz", Role.INVESTIGATOR)
        approver = await web.house.person("malika", Role.APPROVER)
        assert CASE["number"]
        await granted(web, investigator, approver)
        body = {"cameras": [CAMERA], "from": "2026-03-01T00:00:00Z", "to": "2026-03-01T00:01:00Z", "reason": "danger"}
        assert (await post(web, "/api/break-glass", investigator, body)).status_code == 200
        await post(web, "/api/break-glass", investigator, body)
        page = (await web.client.get("/public/counts")).text
        (total,) = [line for line in page.splitlines() if line.startswith("<tfoot")]
        assert "<td>0</td><td>0</td><td>1</td><td>1</td><td>0</td><td>0</td>" in total


async def test_everybody_may_have_the_checkpoint_and_its_key(city: Path) -> None:
    async with people(city) as web:
        page = (await web.client.get("/public/checkpoint")).text
        checkpoint = (await web.client.get("/ledger/checkpoint")).text
        assert checkpoint.splitlines()[0] in page


async def test_a_ledger_that_cannot_be_read_is_said(city: Path) -> None:
    async with people(city) as web:
        web.ledger.log.folder.checkpoint.write_bytes(b"broken")
        page = await web.client.get("/public/counts")
        assert page.status_code == 200
        assert "cannot be read now" in page.text


async def test_entries_are_counted_once(city: Path) -> None:
    async with people(city) as web:
        counts = LedgerCounts()
        first = dict(counts.read(web.ledger.log.reader()))
        await web.house.person("dilshod", Role.OPERATOR)
        reader = web.ledger.log.reader()
        second = counts.read(reader)
        assert sum(second.values()) > sum(first.values())
        kinds = Counter(str(decode(reader.entry(index))["kind"]) for index in range(reader.size))
        assert {key.kind: number for key, number in second.items()} == dict(kinds)
        assert {len(key.month) for key in second} == {7}


async def test_an_engineer_sees_each_camera_s_days_and_no_other_role_does(city: Path) -> None:
    async with people(city) as web:
        engineer = await web.house.person("behruz", Role.ENGINEER)
        operator = await web.house.person("dilshod", Role.OPERATOR)
        answer = await web.client.get("/api/completeness", params={"days": 3}, headers=engineer.cookies)
        assert answer.status_code == 200
        assert [len(one["days"]) for one in answer.json()] == [3, 3]
        assert (await web.client.get("/api/completeness", headers=operator.cookies)).status_code == 403
        assert (await web.client.get("/api/machine", headers=engineer.cookies)).status_code == 503


async def test_an_operator_reads_of_nobody_s_glass_but_their_own(city: Path) -> None:
    async with people(city) as web:
        one, other = [await web.house.person(name, Role.OPERATOR) for name in ("one", "other")]
        body = {"cameras": [CAMERA], "from": "2026-03-01T00:00:00Z", "to": "2026-03-01T00:01:00Z", "reason": "danger"}
        assert (await post(web, "/api/break-glass", one, body)).status_code == 200
        seen = [(await web.client.get("/api/cases", headers=by.cookies)).json() for by in (one, other)]
        assert [len(found["grants"]) for found in seen] == [1, 0]
        assert seen[0]["cases"] == []


async def test_a_link_from_anywhere_leads_to_the_public_pages(city: Path) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    async with served(city) as web:
        assert (await web.client.get("/public/cameras", headers=link)).status_code == 200


def test_languages_have_the_same_messages() -> None:
    english = words_of("en")
    for language in LANGUAGES:
        assert words_of(language).keys() == english.keys()
        assert all(words_of(language).values())


def test_the_room_and_the_public_pages_are_small() -> None:
    """300 KB and 60 KB at most, as they go over the wire."""
    import gzip
    from importlib.resources import files

    room = sum(len(one.gzipped) for one in page_files().values())
    public = [files("civicam.web").joinpath("public", name) for name in ("public.css", "layout.html", "cameras.html")]
    assert room < 300_000
    assert sum(len(gzip.compress(one.read_bytes())) for one in public) < 60_000
