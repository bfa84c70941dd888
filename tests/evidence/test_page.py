"""The page that lies in each export: opened from a disk, without a network, it says the same as the command."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright, sync_playwright

from tests.evidence.alterations import ALTERATIONS, CHROMIUM, Alteration, Finds, Truth, build, page_finds
from tests.evidence.house import PAGE

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
