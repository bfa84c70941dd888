"""The page that lies in each export: opened from a disk, without a network, it says the same as the command."""

import base64
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Playwright, sync_playwright

from civicam.core.errors import EvidenceError
from civicam.evidence.manifest import MANIFEST
from civicam.evidence.order import Area
from civicam.evidence.verify import verify
from tests.evidence.alterations import (
    ALTERATIONS,
    CHROMIUM,
    Alteration,
    Finds,
    Truth,
    build,
    members_of,
    page_finds,
    walking,
)
from tests.evidence.house import PAGE, Exporting
from tests.evidence.test_dishonest import handed_out
from tests.fakes.recorded import KEYS, START_NS, S

AXE = Path(__file__).parents[2] / "control-room" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = 60_000


@pytest.fixture(scope="module", params=[False, True], ids=["original", "redacted"])
def truth(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Truth:
    return build(tmp_path_factory.mktemp("exports"), is_redacted=request.param)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Exporting:
    made = walking(tmp_path_factory.mktemp("walking"))
    made.has_page = False
    return made


@pytest.fixture(scope="module")
def finds(playwright: Playwright) -> Iterator[Finds]:
    with page_finds(playwright) as found:
        yield found


@pytest.fixture
def page(playwright: Playwright) -> Iterator[Page]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
    found = browser.new_context(offline=True, bypass_csp=True, locale="en-GB", timezone_id="UTC").new_page()
    found.set_default_timeout(PATIENCE_MS)
    found.goto(PAGE.as_uri())
    yield found
    browser.close()


def test_an_untouched_export_holds_and_plays(page: Page, truth: Truth, tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(truth.data)
    page.set_input_files("#package", path)
    page.wait_for_selector("#holds")
    assert page.inner_text("#verdict h2") == "✓ It holds."
    is_redacted = page.locator("#shown").count() == 1
    assert ("coded anew" if is_redacted else "byte for byte") in page.inner_text("#holds")
    page.evaluate("document.querySelector('video').play()")
    page.wait_for_function("document.querySelector('video').currentTime > 1")
    assert page.evaluate("document.querySelector('video').videoWidth") == (320 if is_redacted else 64)
    assert "Mar 1, 2026" in page.inner_text("figcaption")
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("async () => (await axe.run()).violations.map((one) => one.id)")
    assert found == []


def test_a_key_that_is_known_from_elsewhere_is_compared(page: Page, truth: Truth, tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    path.write_bytes(truth.data)
    page.set_input_files("#package", path)
    page.wait_for_selector("#known-key")
    key = page.inner_text("#holds li:last-child").split("signed by ")[1].removesuffix(".")
    for given, told in ((key, "This key signed it."), (key[:-3] + "abc", "This key did not sign it.")):
        page.fill("#known-key", given)
        page.keyboard.press("Tab")
        page.wait_for_selector(f"text={told}")
        assert page.locator("#verdict.bad").count() == (given != key)


def test_an_altered_export_is_told_to_be(page: Page, truth: Truth, tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    data = bytearray(truth.data)
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    page.set_input_files("#package", path)
    page.wait_for_selector("#verdict.bad")
    assert page.inner_text("#verdict h2") == "✗ It does not hold."
    assert page.locator("#holds").count() == 0


def test_an_untouched_export_gives_no_alarm(truth: Truth, finds: Finds) -> None:
    assert not finds(truth.data)
    assert not finds(truth.other)


@pytest.mark.parametrize("alter", ALTERATIONS, ids=lambda one: one.__name__)
def test_every_alteration_is_found_by_the_page_too(alter: Alteration, truth: Truth, finds: Finds) -> None:
    rng = random.Random(7)
    for _ in range(2 if alter.__name__ == "remuxed" else 15):
        data = alter(truth, rng)
        assert data == truth.data or finds(data)


Change = Callable[[dict[str, Any]], None]


def _header(raw: dict[str, Any]) -> None:
    header = base64.b64decode(raw["segments"][0]["header"])
    body = header[12:].replace(b'"epoch"', b'"epoch":1,"epoch"')
    header = header[:8] + len(body).to_bytes(4, "big") + body
    raw["segments"][0]["header"] = base64.b64encode(header).decode()


def _index(data: bytes) -> Change:
    def change(raw: dict[str, Any]) -> None:
        index = base64.b64decode(raw["segments"][0]["index"])
        raw["segments"][0]["index"] = base64.b64encode(data + index[len(data) :]).decode()

    return change


DISHONEST: dict[str, Change] = {
    "no piece": lambda raw: raw["files"][0].update(pieces=[]),
    "a film of another time": lambda raw: raw["files"][0].update(end_ns=str(START_NS + 90 * S)),
    "a moment that is none": lambda raw: raw.update(exported="2026-02-30T00:00:00.000Z"),
    "midnight at 24 o'clock": lambda raw: raw.update(exported="2026-03-01T24:00:00.000Z"),
    "before there was a city": lambda raw: raw.update(exported="1900-01-01T00:00:00.000Z"),
    "nothing was asked for": lambda raw: raw.update(asked_to=raw["asked_from"]),
    "absent backwards": lambda raw: raw["absent"].append(
        {"camera": KEYS[0].camera, "stream": "main", "start_ns": "2", "end_ns": "1", "why": ""}
    ),
    "a header with a name twice": _header,
    "an index of another kind": _index(b"INDY"),
    "an index of nothing": lambda raw: raw["segments"][0].update(index=base64.b64encode(b"INDX" + bytes(4)).decode()),
    "a place beyond the stretch": lambda raw: raw["shown"][0].update(end_ns=str(START_NS + 99 * S)),
    "a segment of another picture": lambda raw: raw["files"][0].update(stream="sub"),
}


@pytest.mark.parametrize("name", DISHONEST)
def test_the_page_and_the_command_refuse_the_same_of_a_dishonest_city(
    name: str, finds: Finds, city: Exporting, tmp_path: Path
) -> None:
    shown = Area(KEYS[0].camera, START_NS + 8 * S, START_NS + 11 * S, 200, 200, 700, 800)
    window = (START_NS + 3 * S, START_NS + 15 * S)
    path = city.export(tmp_path.name, window=window, cameras=(KEYS[0].camera,), is_redacted=True, shown=(shown,))
    files = members_of(path.read_bytes())
    raw = json.loads(files[MANIFEST])
    honest = handed_out(city, files, raw, "honest.zip")
    assert not finds(honest.read_bytes())
    DISHONEST[name](raw)
    other = handed_out(city, files, raw, "dishonest.zip")
    with pytest.raises(EvidenceError):
        verify(other)
    assert finds(other.read_bytes())
