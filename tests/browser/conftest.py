"""The demo as a newcomer starts it, and a browser that looks at it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, StorageState, sync_playwright
from playwright.sync_api import TimeoutError as PatienceOverError

from civicam.catalogue.catalogue import Catalogue
from civicam.cli.demo_people import PASSWORD, DemoPerson
from civicam.core.errors import CatalogueError
from civicam.core.ids import CameraId, StreamKey, StreamName
from tests.cli.test_run import free_port

CAMERAS = 4
CAMERA = "cam-001"
CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_S = 90.0
_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
_RECORDED_NS = 25_000_000_000
_USED: dict[str, int] = {}
"""The step of the newest code that somebody used: each is good once."""


@dataclass
class Demo:
    """A demo that runs.

    Attributes:
        address: its page.
        data: its data folder.
        pid: its process group.
    """

    address: str
    data: Path
    pid: int

    def code(self, login: str) -> str:
        """What somebody's authenticator shows; the one of half a minute ahead, if that one was used."""
        found = json.loads((self.data.parent / "people.json").read_text("utf-8"))
        (person,) = [DemoPerson(*row) for row in found if row[0] == login]
        number = _USED.setdefault(login, time.time_ns() // 30_000_000_000 - 2) + 1
        _USED[login] = max(number, time.time_ns() // 30_000_000_000 - 1)
        until(lambda: time.time_ns() // 30_000_000_000 >= _USED[login] - 1, "a code that was not used")
        return person.code(_USED[login] * 30_000_000_000)

    @staticmethod
    def moment(wall_ns: int) -> str:
        """A moment as a field for dates takes it, in UTC."""
        return datetime.fromtimestamp(wall_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")

    def recorded(self, camera: str = CAMERA) -> tuple[int, int]:
        """From when until when footage of a camera is durable, in wall nanoseconds."""
        try:
            with Catalogue.open(self.data / "catalogue.sqlite") as catalogue:
                rows = catalogue.segments(StreamKey(CameraId(camera), StreamName.MAIN))
        except CatalogueError:
            return 0, 0
        return (rows[0].start_wall_ns, rows[-1].end_wall_ns) if rows else (0, 0)


def until(condition: Callable[[], object], what: str) -> None:
    """Waits for it, and no longer than anybody would."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_S} s"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """`civicam demo`, once some seconds of it are on the disk."""
    folder = tmp_path_factory.mktemp("demo")
    said = folder / "said.txt"
    with said.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "civicam.cli", "demo", "--cameras", str(CAMERAS), "--folder", str(folder),
             "--port", str(free_port())],
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def address() -> str:
        assert process.poll() is None, said.read_text()
        found = re.search(r"^Open (http://\S+) in a browser", said.read_text(), re.MULTILINE)
        return found[1] if found else ""

    try:
        until(address, "the demo says where its page is")
        running = Demo(address(), folder / "data", process.pid)
        until(lambda: _length_ns(running.recorded()) > _RECORDED_NS, "the demo records")
        yield running
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _length_ns(span: tuple[int, int]) -> int:
    return span[1] - span[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window.

    Its driver's event loop runs for as long as it does, so it ends with the module: other tests run loops of their own.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


def sign_in(page: Page, demo: Demo, login: str) -> None:
    """Signs in as somebody would."""
    page.wait_for_selector("#sign-in[open]")
    for patience_s in (
        35,
        PATIENCE_S,
    ):  # a code that was used just now, or got too old on a busy machine, has a successor
        page.fill("#login", login)
        page.fill("#password", PASSWORD)
        page.fill("#code", demo.code(login))
        page.click("#enter")
        try:
            page.wait_for_selector("#who-name:not(:empty)", timeout=patience_s * 1000)
        except PatienceOverError:
            continue
        return
    raise AssertionError(f"{login} cannot sign in: {page.inner_text('#sign-in')}")


@pytest.fixture(scope="module")
def signed_in(browser: Browser, demo: Demo) -> StorageState:
    """What a browser keeps once an operator has signed in."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(demo.address)
    sign_in(page, demo, "operator")
    kept = context.storage_state()
    context.close()
    return kept


@pytest.fixture
def page(browser: Browser, demo: Demo, signed_in: StorageState) -> Iterator[Page]:
    """The demo's page, signed in; what its scripts complain about, or ask of another host, fails the test."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC", storage_state=signed_in
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on(
        "request",
        lambda request: None if request.url.startswith((demo.address, "blob:")) else complaints.append(request.url),
    )
    page.set_default_timeout(PATIENCE_S * 1000)
    page.goto(demo.address)
    yield page
    context.close()
    # A still that is not there yet is answered with 404, which Chromium writes to its console.
    # One that nobody is signed in for is answered with 401.
    assert [one for one in complaints if "404" not in one and "401" not in one] == []
