"""The control room, used by people of every role against the real system; axe-core finds nothing on any page."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.browser.conftest import CAMERA, CAMERAS, PATIENCE_S, Demo, sign_in, until
from tests.evidence.house import PAGE

AXE = Path(__file__).parents[2] / "control-room" / "node_modules" / "axe-core" / "axe.min.js"
SCREENS = Path(__file__).parents[2] / "docs" / "screens"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SIZE: Any = {"width": 1280, "height": 800}


@pytest.fixture
def opened(browser: Browser) -> Iterator[list[Any]]:
    contexts: list[Any] = []
    yield contexts
    for context in contexts:
        context.close()


def room(browser: Browser, demo: Demo, opened: list[Any], login: str, page: str) -> Page:
    """The control room of somebody, in a browser of their own."""
    context = browser.new_context(viewport=SIZE, timezone_id="UTC", locale="en-GB")
    opened.append(context)
    found = context.new_page()
    found.set_default_timeout(PATIENCE_S * 1000)
    found.goto(demo.address)
    sign_in(found, demo, login)
    found.goto(f"{demo.address}#/{page}")
    return found


def is_accessible(page: Page, name: str) -> None:
    """axe-core's rules for WCAG 2.2 AA; the page is kept as a picture where that is asked for."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate(
        "async (rules) => (await axe.run(document, { runOnly: rules })).violations"
        ".map((one) => one.id + ': ' + one.nodes.map((node) => node.html).join(' | '))",
        RULES,
    )
    assert found == []
    if os.environ.get("CIVICAM_WRITE_SCREENS"):
        SCREENS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENS / f"{name}.png")


def test_the_wall_is_accessible_and_a_tile_with_the_focus_is_live(
    browser: Browser, demo: Demo, opened: list[Any]
) -> None:
    page = room(browser, demo, opened, "operator", "wall")
    until(
        lambda: (
            page.evaluate("[...document.querySelectorAll('#wall img')].filter(i => i.naturalWidth).length") == CAMERAS
        ),
        "stills",
    )
    is_accessible(page, "wall")
    page.locator("#wall button").first.focus()
    until(lambda: page.evaluate("document.querySelector('#wall video')?.videoWidth > 0"), "live in the tile")
    page.locator("#wall button").first.click()
    page.wait_for_selector("#view[open]")
    until(lambda: page.inner_text("#view-state").startswith("Live"), "live")
    is_accessible(page, "live")


def test_a_layout_is_kept_and_tiles_are_moved_with_keys(browser: Browser, demo: Demo, opened: list[Any]) -> None:
    page = room(browser, demo, opened, "operator", "wall")
    page.wait_for_selector("#wall li")
    names = "[...document.querySelectorAll('#wall li')].map((one) => one.dataset.camera)"
    before = page.evaluate(names)
    moved = [before[1], before[0], *before[2:]]
    page.locator("#wall button").first.focus()
    page.keyboard.press("Shift+ArrowRight")
    until(lambda: page.evaluate(names) == moved, "the tile is moved")
    page.click("#layouts summary")
    page.fill("#layout-name", "evening")
    page.select_option("#columns", "1")
    page.get_by_role("button", name="Keep this layout").click()
    page.reload()
    page.wait_for_selector("#wall li")
    until(lambda: page.evaluate(names) == moved, "the layout is back")
    page.click("#layouts summary")
    page.select_option("#layout", "")
    until(lambda: page.evaluate(names) == before, "all of them again")
    page.fill("#find-camera", before[1])
    until(lambda: page.evaluate(names) == before[1:2], "a camera is found by its name in files")


def test_the_timeline_shows_what_there_is_of_cameras_plays_it_and_is_shared(
    browser: Browser, demo: Demo, opened: list[Any]
) -> None:
    page = room(browser, demo, opened, "operator", "playback")
    boxes = page.locator("#playback-cameras input[type=checkbox]")
    boxes.first.wait_for()
    for number in range(2):
        boxes.nth(number).check()
    page.select_option("#span", label="an hour")
    until(lambda: page.locator(".row svg .heat-4").count() >= 2, "what is playable")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    box = page.locator("#scrub").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] / 2)
    page.mouse.down()
    for step in range(100):
        page.mouse.move(box["x"] + box["width"] * (0.6 + step / 400), box["y"] + box["height"] / 2)
    page.mouse.up()
    page.wait_for_timeout(1000)
    assert len(asked) < 30  # a hundred steps, two cameras: no request a pixel
    start_ns, _ = demo.recorded()
    page.fill("#at", demo.moment(start_ns + 5_000_000_000))
    page.keyboard.press("Tab")
    until(
        lambda: page.evaluate("[...document.querySelectorAll('.stills img')].every((one) => one.naturalWidth)"),
        "stills",
    )
    is_accessible(page, "playback")
    page.wait_for_timeout(1000)  # the address follows when the moment rests
    address = page.evaluate("location.href")
    assert "cameras=" in address
    page.click("#play-here")
    until(
        lambda: page.evaluate("[...document.querySelectorAll('#screens video')].every((one) => one.currentTime > 1)"),
        "both play",
    )
    page.keyboard.press("Escape")
    other = page.context.new_page()
    other.goto(address)
    until(lambda: other.locator(".row svg").count() == 2, "the link leads to the same cameras")
    assert other.input_value("#at") == demo.moment(start_ns + 5_000_000_000)


def test_the_map_shows_where_cameras_are_and_opens_them(browser: Browser, demo: Demo, opened: list[Any]) -> None:
    page = room(browser, demo, opened, "operator", "map")
    until(lambda: page.locator("#map .sign").count() >= 1, "signs")
    until(lambda: page.locator("#map .map-street").count() > 0, "streets")
    while page.locator("#map .sign:not(.many)").count() < CAMERAS:
        page.locator("#map .sign.many").first.click()
        page.wait_for_timeout(500)
    assert page.locator("#map .map-cone").count() == CAMERAS
    page.get_by_role("button", name="All of it").click()
    page.fill("#map-find", CAMERA)
    page.keyboard.press("Enter")
    until(lambda: page.evaluate("document.activeElement.dataset.sign") == CAMERA, "the camera is found")
    page.wait_for_selector("#map-now")
    is_accessible(page, "map")
    page.locator("#map .sign").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#view[open]")


def export_holds(browser: Browser, demo: Demo, asker: Page, grant: Locator, opened: list[Any]) -> None:
    """What was granted is exported, fetched by somebody without any right, checked by them, and counted in public."""
    asker.click("#clear-close")
    grant.get_by_text("Export this").click()
    grant.get_by_label("Who will have it").fill("the court of Khujand")
    grant.get_by_role("button", name="Make the package").click()
    until(lambda: asker.locator("#exports [data-state=ready]").count(), "the package is made")
    is_accessible(asker, "export")
    link = grant.get_by_label("Hand this on").input_value()
    context = browser.new_context(viewport=SIZE, timezone_id="UTC", locale="en-GB", accept_downloads=True)
    opened.append(context)
    recipient = context.new_page()
    recipient.set_default_timeout(PATIENCE_S * 1000)
    recipient.goto(link)
    is_accessible(recipient, "export-fetched")
    with recipient.expect_download() as package:
        recipient.click("#package")
    with recipient.expect_download() as page:
        recipient.get_by_role("link", name="The page that checks packages").click()
    folder = demo.data.parent / "fetched"
    package.value.save_as(folder / "package.zip")
    page.value.save_as(folder / "verify.html")
    context.set_offline(True)
    checking = context.new_page()
    checking.set_default_timeout(PATIENCE_S * 1000)
    checking.goto((folder / "verify.html").as_uri())
    checking.set_input_files("#package", folder / "package.zip")
    checking.wait_for_selector("#holds")
    assert "the court of Khujand" in checking.inner_text("dl")
    checking.evaluate("document.querySelector('video').play()")
    until(lambda: checking.evaluate("document.querySelector('video').currentTime > 1"), "what was fetched plays")
    if os.environ.get("CIVICAM_WRITE_SCREENS"):
        checking.screenshot(path=SCREENS / "verify.png")
    context.set_offline(False)
    recipient.goto(f"{demo.address}public/counts?lang=en")
    assert "Exports" in recipient.inner_text("main")
    asker.get_by_role("button", name="Watch it clear").first.click()
    asker.wait_for_selector("#clear-video")


@pytest.mark.timeout(3 * PATIENCE_S)
def test_a_case_from_asking_to_the_end_of_what_was_granted(browser: Browser, demo: Demo, opened: list[Any]) -> None:
    asker = room(browser, demo, opened, "investigator", "cases")
    asker.wait_for_selector("#open-case")
    asker.click("#open-case summary")
    asker.fill("#open-case [name=number]", "7/26")
    asker.fill("#open-case [name=legal]", "CPC 12")
    asker.get_by_role("button", name="Open it").click()
    asker.get_by_role("heading", name="Case 7/26").wait_for()
    start_ns, _ = demo.recorded()
    asker.click("#ask-grant summary")
    asker.select_option("#ask-grant [name=case]", "7/26")
    asker.fill("#ask-grant [name=from]", demo.moment(start_ns + 2_000_000_000))
    asker.fill("#ask-grant [name=to]", demo.moment(start_ns + 22_000_000_000))
    asker.fill("#ask-grant [name=reason]", "a red lorry")
    asker.locator("#ask-grant [name=camera]").first.check()
    is_accessible(asker, "cases")
    asker.get_by_role("button", name="Ask for it").click()
    mine = asker.locator(".grant", has_text="a red lorry")
    mine.get_by_text("waits for a decision").wait_for()

    approver = room(browser, demo, opened, "approver", "cases")
    waiting = approver.locator(".grant", has_text="a red lorry")
    waiting.get_by_role("button", name="Approve").click()
    waiting.get_by_text("approved").wait_for()

    asker.click("#ask-hold summary")
    asker.select_option("#ask-hold [name=case]", "7/26")
    asker.fill("#ask-hold [name=from]", demo.moment(start_ns))
    asker.fill("#ask-hold [name=to]", demo.moment(start_ns + 30_000_000_000))
    asker.locator("#ask-hold [name=camera]").first.check()
    asker.get_by_role("button", name="Ask to keep it").click()
    asker.get_by_text("waits for a decision, and is kept meanwhile").wait_for()
    approver.get_by_role("button", name="Keep it").click()
    approver.locator("#holds-kept").get_by_text("is kept", exact=True).wait_for()
    is_accessible(approver, "holds")

    mine.get_by_role("button", name="Watch it clear").click()
    until(
        lambda: asker.evaluate(
            "document.querySelector('#clear-video')?.getVideoPlaybackQuality().totalVideoFrames > 30"
        ),
        "clear frames",
    )
    mark = asker.inner_text("#watermark")
    assert "Firuza" in mark
    assert "7/26" in mark
    is_accessible(asker, "clear")
    export_holds(browser, demo, asker, mine, opened)
    waiting.get_by_role("button", name="End it now").click()
    until(lambda: "revoked" in asker.inner_text("#clear-state"), "it ends in mid-view")
    until(lambda: asker.locator("#clear-video").count() == 0, "nothing of it stays")


def taken_in(asker: Page, demo: Demo, start_ns: int) -> Locator:
    """Somebody asks for footage of themselves, and an investigator takes that in."""
    asker.click("#take-request summary")
    form = asker.locator("#take-request")
    for name, words in {
        "name": "Nigora Example", "contact": "nigora@example.tj", "identity": "passport seen at the counter",
        "told": "I crossed the street in a red coat.",
    }.items():  # fmt: skip
        form.locator(f"[name={name}]").fill(words)
    form.locator("[name=from]").fill(demo.moment(start_ns + 2_000_000_000))
    form.locator("[name=to]").fill(demo.moment(start_ns + 14_000_000_000))
    form.locator("[name=camera]").first.check()
    form.get_by_role("button", name="Take it in").click()
    found = asker.locator("#requests li", has_text="Nigora Example")
    found.wait_for()
    return found


def granted(asker: Page, approver: Page, case: str, window: tuple[str, str]) -> Locator:
    """Asks for a grant for that case, which is approved; returns the grant in the room of who asked."""
    asker.click("#ask-grant summary")
    asker.select_option("#ask-grant [name=case]", case)
    for name, at in zip(("from", "to"), window, strict=True):
        asker.fill(f"#ask-grant [name={name}]", at)
    asker.fill("#ask-grant [name=reason]", f"to answer {case}")
    asker.locator("#ask-grant [name=camera]").first.check()
    asker.get_by_role("button", name="Ask for it").click()
    approver.locator(".grant", has_text=f"to answer {case}").get_by_role("button", name="Approve").click()
    mine = asker.locator(".grant", has_text=f"to answer {case}")
    mine.get_by_text("approved").wait_for()
    return mine


def draw_a_place(page: Page, grant: Locator) -> None:
    """Draws where the export shows who asked, on the picture."""
    grant.get_by_role("button", name="Add a place").click()
    picture = grant.locator(".drawn").first
    for one in grant.locator(".drawn img").all():
        until(lambda img=one: img.evaluate("(one) => one.naturalWidth") > 0, "the pictures of that time")  # type: ignore[misc]
    picture.evaluate("(one) => one.scrollIntoView({ block: 'center' })")
    box = picture.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.7, steps=5)
    page.mouse.up()
    edges = [float(grant.get_by_label(name).input_value()) for name in ("Left edge", "Upper edge", "Right edge")]
    assert edges == pytest.approx([20, 30, 50], abs=1)
    grant.get_by_label("Lower edge").fill("70")
    grant.get_by_role("button", name="Add a place").click()
    grant.get_by_label("In it").last.select_option(label="all is covered")


@pytest.mark.timeout(3 * PATIENCE_S)
def test_a_resident_gets_footage_of_themselves_in_which_others_are_covered(
    browser: Browser, demo: Demo, opened: list[Any], tmp_path: Path
) -> None:
    asker = room(browser, demo, opened, "investigator", "cases")
    approver = room(browser, demo, opened, "approver", "cases")
    asker.wait_for_selector("#take-request")
    start_ns, _ = demo.recorded()
    request = taken_in(asker, demo, start_ns)
    case = request.inner_text().split("Case ")[1].split()[0]
    window = (demo.moment(start_ns + 2_000_000_000), demo.moment(start_ns + 14_000_000_000))
    grant = granted(asker, approver, case, window)
    grant.get_by_text("Export this").click()
    assert grant.get_by_label("Who will have it").input_value() == "whoever asked"
    assert grant.get_by_label("Redacted").is_checked()
    draw_a_place(asker, grant)
    is_accessible(asker, "redacted-order")
    grant.get_by_role("button", name="Make the package").click()
    link = grant.get_by_label("Hand this on").input_value()
    made = asker.locator("#exports li", has_text="redacted")
    with asker.expect_download() as looked:
        made.get_by_role("link", name="Look at it").click()
    assert looked.value.path().stat().st_size > 10_000
    assert "Shows who asked in 1 place" in made.inner_text()
    request.get_by_role("button", name="This is the answer").click()
    request.get_by_text("The answer was not received yet.").wait_for()
    is_accessible(asker, "requests")

    context = browser.new_context(viewport=SIZE, timezone_id="UTC", locale="en-GB", accept_downloads=True)
    opened.append(context)
    resident = context.new_page()
    resident.set_default_timeout(PATIENCE_S * 1000)
    resident.goto(link)
    with resident.expect_download() as package:
        resident.click("#package")
    package.value.save_as(tmp_path / "package.zip")
    resident.goto(PAGE.as_uri())
    resident.set_input_files("#package", tmp_path / "package.zip")
    resident.wait_for_selector("#holds")
    assert "coded anew, with what moves covered" in resident.inner_text("#holds")
    assert "20 to 50 % from the left" in resident.inner_text("#shown")
    resident.evaluate("document.querySelector('video').play()")
    until(lambda: resident.evaluate("document.querySelector('video').currentTime > 1"), "it plays")
    request.get_by_text("They received the answer").wait_for()
    resident.goto(f"{demo.address}public/counts?lang=en")
    assert "equests" in resident.inner_text("main")


def test_the_glass_is_broken_and_everybody_with_oversight_sees_it(
    browser: Browser, demo: Demo, opened: list[Any]
) -> None:
    operator = room(browser, demo, opened, "operator", "cases")
    operator.click("#break-glass summary")
    operator.fill("#break-glass [name=reason]", "somebody lies on the tracks")
    operator.locator("#break-glass [name=camera]").first.check()
    operator.get_by_role("button", name="Break the glass", exact=True).click()
    auditor = room(browser, demo, opened, "auditor", "oversight")
    row = auditor.locator("tr[data-kind=break-glass]")
    row.wait_for()
    assert "Dilshod" in row.inner_text()
    assert "somebody lies on the tracks" in row.inner_text()


def test_an_auditor_reads_the_ledger_and_checks_an_entry(browser: Browser, demo: Demo, opened: list[Any]) -> None:
    page = room(browser, demo, opened, "auditor", "oversight")
    page.wait_for_selector("#ledger tbody tr")
    first = page.locator("#ledger tbody tr").last
    first.get_by_role("button").click()
    until(lambda: "Holds" in first.inner_text(), "the proof holds")
    page.click("#patterns summary")
    is_accessible(page, "oversight")
    # The same entry, with one byte of it changed on the way, does not hold.
    page.route(
        "**/ledger/tile/entries/**", lambda route: route.fulfill(body=route.fetch().body().replace(b"kind", b"kinD"))
    )
    last = page.locator("#ledger tbody tr").first
    last.get_by_role("button").click()
    until(lambda: "Does not hold" in last.inner_text() or "Holds" in last.inner_text(), "an answer")
    assert "Does not hold" in last.inner_text()


def test_administrators_invite_and_give_roles_together(browser: Browser, demo: Demo, opened: list[Any]) -> None:
    first = room(browser, demo, opened, "zarina", "people")
    first.click("#invite summary")
    first.fill("#invite [name=name]", "Shahnoza")
    first.fill("#invite [name=login]", "shahnoza")
    first.get_by_role("button", name="Invite").click()
    first.wait_for_selector("#invitation-link")
    first.locator("tr", has_text="Shahnoza").get_by_role("button", name="Tell the code").click()
    until(lambda: "not told" in first.locator("#main [role=alert]").inner_text(), "who invited is not told")
    second = room(browser, demo, opened, "rustam", "people")
    row = second.locator("tr", has_text="Shahnoza")
    row.get_by_role("button", name="Tell the code").click()
    until(lambda: "Tell them: " in row.inner_text(), "the other one is")
    first.click("#give-role summary")
    first.select_option("#give-role [name=person]", label="Behruz (engineer)")
    first.select_option("#give-role [name=role]", "engineer")
    first.fill("#give-role [name=hours]", "sat 08:00-12:00")
    first.get_by_role("button", name="Ask for it").click()
    is_accessible(first, "people")
    change = second.locator(".grant", has_text="Make Behruz engineer")
    change.get_by_role("button", name="Do it").click()
    change.wait_for(state="detached")
    until(lambda: "sat 08:00-12:00" in second.locator("tr", has_text="Behruz").inner_text(), "the right is there")


def test_an_engineer_sees_what_was_recorded_and_how_the_machine_is(
    browser: Browser, demo: Demo, opened: list[Any]
) -> None:
    page = room(browser, demo, opened, "engineer", "engineering")
    until(lambda: page.locator("#heat tbody tr").count() == CAMERAS, "every camera has a row")
    page.wait_for_selector("#volumes tbody tr")
    assert "enough room" in page.inner_text("#volumes")
    page.click("#add-camera summary")
    page.click("#edit-camera summary")
    page.select_option("#edited", index=1)
    page.get_by_role("button", name="Show a test picture").click()
    until(lambda: page.evaluate("document.querySelector('#test-still').naturalWidth > 0"), "a test picture")
    is_accessible(page, "engineering")


def test_an_engineer_adds_a_camera_and_everybody_may_read_of_it(
    browser: Browser, demo: Demo, opened: list[Any]
) -> None:
    page = room(browser, demo, opened, "engineer", "engineering")
    page.click("#add-camera summary")
    for name, words in {
        "id": "bridge-1", "title": "The bridge", "url": "rtsp://127.0.0.1:1/none", "purpose": "traffic",
        "owner": "the traffic office", "legal_basis": "Law on Roads, 12", "description": "the bridge and its lanes",
    }.items():  # fmt: skip
        page.fill(f"#add-camera [name={name}]", words)
    page.get_by_role("button", name="Add it").click()
    page.locator("#heat tr", has_text="The bridge").wait_for()
    page.goto(f"{demo.address}public")
    assert "the bridge and its lanes" in page.inner_text("main")
    page.goto(f"{demo.address}#/engineering")
    page.click("#edit-camera summary")
    page.select_option("#edited", "bridge-1")
    page.get_by_role("button", name="Remove this camera").click()
    page.get_by_role("button", name="Remove it for good").click()
    page.locator("#heat tr", has_text="The bridge").wait_for(state="detached")


@pytest.mark.parametrize("language", ["en", "ru", "tg"])
def test_everybody_sees_the_public_pages_without_signing_in_or_javascript(
    browser: Browser, demo: Demo, opened: list[Any], language: str
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=SIZE)
    opened.append(context)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    page.goto(f"{demo.address}public?lang={language}")
    assert page.locator("tbody tr").count() == CAMERAS
    for name in ("counts", "checkpoint", "request", "cameras"):
        answer = page.goto(f"{demo.address}public/{name}?lang={language}")
        assert answer is not None
        assert answer.status == 200
        assert page.get_attribute("html", "lang") == language


@pytest.mark.parametrize("name", ["cameras", "counts", "checkpoint", "request"])
def test_public_pages_are_accessible(browser: Browser, demo: Demo, opened: list[Any], name: str) -> None:
    context = browser.new_context(viewport=SIZE)
    opened.append(context)
    page = context.new_page()
    page.goto(f"{demo.address}public/{name}")
    is_accessible(page, f"public-{name}")


def test_the_room_speaks_other_languages(browser: Browser, demo: Demo, opened: list[Any]) -> None:
    page = room(browser, demo, opened, "operator", "wall")
    page.wait_for_selector("#wall li")
    english = page.inner_text("nav")
    for language in ("ru", "tg"):
        page.select_option("#language", language)
        until(lambda: page.inner_text("nav") != english, "other words")
        assert page.get_attribute("html", "lang") == language
    page.reload()
    page.wait_for_selector("#wall li")
    assert page.get_attribute("html", "lang") == "tg"


def test_signing_in_is_accessible(browser: Browser, demo: Demo, opened: list[Any]) -> None:
    context = browser.new_context(viewport=SIZE)
    opened.append(context)
    page = context.new_page()
    page.goto(demo.address)
    page.wait_for_selector("#sign-in[open]")
    is_accessible(page, "sign-in")
