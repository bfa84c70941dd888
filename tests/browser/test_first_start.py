"""A city's first start, in the browser: its first two administrators are named, come, and one invites the next."""

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from civicam.access.sign_in.codes import Codes
from civicam.app import City
from civicam.config import DataFolder
from tests.browser.conftest import PATIENCE_S, until
from tests.browser.test_room import is_accessible
from tests.cli.test_run import free_port

pytestmark = pytest.mark.timeout(2 * PATIENCE_S)
PASSWORD = "seven quiet herons over the weir"


@pytest.fixture
def link(tmp_path: Path) -> Iterator[str]:
    """What `civicam run` says at the first start of a city without people."""
    web = {"CIVICAM_WEB__PORT": str(free_port()), "CIVICAM_WEB__ALLOW": "people", "CIVICAM_METRICS__PORT": "0"}
    City.create(DataFolder(tmp_path / "city"), "Khujand", web)
    said = tmp_path / "said.txt"
    with said.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "civicam.cli", "run", "--data", str(tmp_path / "city")],
            env=os.environ | web, stdout=subprocess.DEVNULL, stderr=output, start_new_session=True,
        )  # fmt: skip

    def told() -> str:
        assert process.poll() is None, said.read_text()
        found = re.search(r"First start: open (http://\S+#first-start=\S+)", said.read_text())
        return found[1] if found else ""

    try:
        until(told, "the city tells its first link")
        yield told()
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(PATIENCE_S)


def opened(browser: Browser, address: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB").new_page()
    page.set_default_timeout(PATIENCE_S * 1000)

    def answers() -> bool:
        try:
            page.goto(address)
        except Exception:  # noqa: BLE001 - the city's page is not up yet
            return False
        return True

    until(answers, "the page is there")
    return page


def comes(page: Page) -> None:
    """Accepts an invitation, with an authenticator that was given the secret."""
    until(lambda: page.locator("#welcome-secret").count() and page.inner_text("#welcome-secret"), "the secret")
    secret = base64.b32decode(re.sub(r"\s", "", page.inner_text("#welcome-secret")))
    page.fill("#new-password", PASSWORD)
    page.fill("#again-password", PASSWORD)
    page.fill("#new-code", Codes(secret).code(time.time_ns()))
    page.click("#come button")
    page.click("#recovery-done")
    page.wait_for_selector("#who-name:not(:empty)")


def test_two_administrators_are_named_and_come_and_the_link_is_of_no_use_any_more(browser: Browser, link: str) -> None:
    page = opened(browser, link)
    page.wait_for_selector("#first-names")
    is_accessible(page, "first-start")
    for number, login in ((1, "zarina"), (2, "rustam")):
        page.fill(f"[name=name-{number}]", login.title())
        page.fill(f"[name=login-{number}]", login)
    page.click("#first-names button")
    page.wait_for_selector("#first-links")
    links = page.eval_on_selector_all("#first-links input", "(all) => all.map((one) => one.value)")
    assert len(links) == 2
    for one, name in zip(links, ("Zarina", "Rustam"), strict=True):
        theirs = opened(browser, one)
        comes(theirs)
        assert theirs.inner_text("#who-name") == f"{name} (administrator)"
        theirs.context.close()
    page.click("#first-done")
    page.wait_for_selector("#sign-in[open]")
    assert page.locator("#not-founded").count() == 0
    page.context.close()
    late = opened(browser, link)
    late.fill("[name=name-1]", "Third")
    late.fill("[name=login-1]", "third")
    late.fill("[name=name-2]", "Fourth")
    late.fill("[name=login-2]", "fourth")
    late.click("#first-names button")
    until(lambda: "two first administrators" in late.inner_text("#first-start [role=alert]"), "it is refused")
    late.context.close()
