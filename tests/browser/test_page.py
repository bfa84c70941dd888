"""Chromium shows the demo: stills, live and recorded pictures, with the keyboard too."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, Route

from tests.browser.conftest import CAMERA, CAMERAS, PATIENCE_S, Demo, until

pytestmark = pytest.mark.timeout(2 * PATIENCE_S)

FRAMES = "document.querySelector('#video').getVideoPlaybackQuality().totalVideoFrames"
COUNT_SHOWN = """() => {
    const video = document.querySelector('#video');
    window.shown = [];
    const next = (now, frame) => { window.shown.push(frame.mediaTime); video.requestVideoFrameCallback(next); };
    video.requestVideoFrameCallback(next);
}"""


def holds(page: Page, expression: str) -> None:
    """Waits until it is true. Playwright's own wait evaluates text within the page, which the page forbids."""
    until(lambda: page.evaluate(expression), expression)


def frames_move(page: Page, count: int = 20) -> None:
    """Waits until so many more pictures have been decoded, and shown."""
    page.evaluate(COUNT_SHOWN)
    before = page.evaluate(FRAMES)
    holds(page, f"{FRAMES} >= {before + count} && new Set(window.shown).size >= {count // 2}")


def open_first(page: Page) -> None:
    page.locator("#wall li").nth(0).get_by_role("button").click()
    page.wait_for_selector("#view[open]")


def play_from(page: Page, wall_ns: int) -> None:
    moment = datetime.fromtimestamp(wall_ns // 1_000_000_000 + 1, UTC)
    page.fill("#moment", moment.strftime("%Y-%m-%dT%H:%M:%S"))
    page.click("#play")
    holds(page, "document.querySelector('#view-state').textContent === 'Recorded'")


def test_the_wall_shows_a_still_of_every_camera_and_says_what_is_covered(page: Page) -> None:
    holds(page, f"[...document.querySelectorAll('#wall img')].filter(i => i.naturalWidth).length == {CAMERAS}")
    assert page.title() == "Demo city - civicam"
    assert "What moves or newly appeared is covered" in page.inner_text("body")
    assert page.locator("#wall li").count() == CAMERAS


def test_stills_are_renewed(page: Page) -> None:
    image = "document.querySelector('#wall img')"
    holds(page, f"{image} && {image}.naturalWidth")
    first = page.evaluate(f"{image}.src")
    holds(page, f"{image}.src !== '{first}'")


def test_live_plays(page: Page) -> None:
    open_first(page)
    frames_move(page)
    holds(page, "document.querySelector('#view-state').textContent.startsWith('Live')")
    assert page.evaluate("document.querySelector('#video').videoWidth") > 0


def test_a_second_window_watches_the_same_camera(page: Page, demo: Demo) -> None:
    open_first(page)
    frames_move(page)
    other = page.context.new_page()
    other.set_default_timeout(PATIENCE_S * 1000)
    other.goto(demo.address)
    other.wait_for_selector("#wall button")
    open_first(other)
    frames_move(other)
    frames_move(page)
    other.close()


def test_playback_plays_and_seeks(page: Page, demo: Demo) -> None:
    start_ns, _ = demo.recorded()
    open_first(page)
    play_from(page, start_ns)
    frames_move(page)
    duration = page.evaluate("document.querySelector('#video').duration")
    assert duration > 5
    page.evaluate(f"document.querySelector('#video').currentTime = {duration / 2}")
    holds(page, "!document.querySelector('#video').seeking")
    assert page.evaluate("document.querySelector('#video').currentTime") >= duration / 2 - 0.5
    page.evaluate("document.querySelector('#video').currentTime = 0.5")
    holds(page, "!document.querySelector('#video').seeking")
    frames_move(page)
    assert page.inner_text("#clock")


def test_playback_goes_faster(page: Page, demo: Demo) -> None:
    open_first(page)
    play_from(page, demo.recorded()[0])
    frames_move(page)
    usual = page.evaluate("document.querySelector('#video').duration")
    page.select_option("#speed", "4")
    holds(page, f"document.querySelector('#video').duration < {usual / 2}")
    frames_move(page, 10)


def test_a_player_of_the_browsers_own_plays_the_playlist(page: Page, demo: Demo) -> None:
    """The page has a player of its own; the playlist is for any that knows HLS."""
    start_ns, end_ns = demo.recorded()
    start, end = (
        datetime.fromtimestamp(at // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (start_ns, end_ns)
    )
    open_first(page)
    page.evaluate(f"""() => {{
        const video = document.createElement('video');
        video.id = 'own';
        video.muted = true;
        video.src = '/api/cameras/{CAMERA}/playback.m3u8?from={start}&to={end}';
        document.querySelector('#view').append(video);
        video.play();
    }}""")
    holds(page, "document.querySelector('#own').getVideoPlaybackQuality().totalVideoFrames > 20")


def test_from_live_to_recorded_and_back(page: Page, demo: Demo) -> None:
    open_first(page)
    frames_move(page)
    play_from(page, demo.recorded()[0])
    frames_move(page)
    page.click("#live")
    holds(page, "document.querySelector('#view-state').textContent.startsWith('Live')")
    frames_move(page)


def test_the_keyboard_suffices(page: Page) -> None:
    page.wait_for_selector("#wall button")
    for _ in range(20):  # past what is around the page
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('#wall button')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#view[open]")
    frames_move(page)
    page.keyboard.press("Escape")
    page.wait_for_selector("#view:not([open])", state="attached")
    holds(page, "!document.querySelector('#video')")


def test_a_time_without_footage_says_so(page: Page, demo: Demo) -> None:
    open_first(page)
    page.fill("#moment", "2020-01-01T00:00:00")
    page.click("#play")
    holds(page, "document.querySelector('#view-state').classList.contains('bad')")


def test_the_last_hours_story_is_told(page: Page) -> None:
    open_first(page)
    page.click("#story summary")
    holds(page, "document.querySelector('#gaps').textContent.includes('playable')")


# --- frame by frame, gaps, several in step


def paused_at(page: Page, demo: Demo, after_s: float = 3) -> float:
    """Plays what was recorded, pauses it, and goes to a moment of it that is loaded."""
    open_first(page)
    play_from(page, demo.recorded()[0])
    frames_move(page)
    page.evaluate("document.querySelector('#video').pause()")
    page.evaluate(f"document.querySelector('#video').currentTime = {after_s}")
    return settled_time(page)


def settled_time(page: Page) -> float:
    holds(page, "!document.querySelector('#video').seeking && document.querySelector('#video').readyState >= 2")
    return float(page.evaluate("document.querySelector('#video').currentTime"))


def stepped(page: Page, before: float, act: Callable[[], None]) -> float:
    act()
    holds(page, f"document.querySelector('#video').currentTime !== {before}")
    return settled_time(page)


def test_a_paused_recording_is_stepped_frame_by_frame_with_keys_and_buttons(page: Page, demo: Demo) -> None:
    start = paused_at(page, demo)
    page.locator("#video").focus()
    first = stepped(page, start, lambda: page.keyboard.press("."))
    second = stepped(page, first, lambda: page.get_by_role("button", name="One frame on").click())
    third = stepped(page, second, lambda: page.keyboard.press("."))
    frame_s = third - second
    assert 0 < frame_s < 0.2
    assert abs(second - first - frame_s) < frame_s / 2
    back = stepped(page, third, lambda: page.get_by_role("button", name="One frame back").click())
    assert abs(back - second) < 0.002
    again = stepped(page, back, lambda: page.keyboard.press(","))
    assert abs(again - first) < 0.002
    assert page.evaluate("document.querySelector('#video').paused")


def test_a_comma_that_is_typed_into_a_field_is_no_step(page: Page, demo: Demo) -> None:
    start = paused_at(page, demo)
    page.locator("#moment").focus()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.keyboard.press(",")
    page.locator("#video").focus()
    stepped(page, start, lambda: page.keyboard.press("."))
    assert sum("/frame?" in url for url in asked) == 1


def test_the_timeline_shows_stills_of_the_past_and_seeks(page: Page, demo: Demo) -> None:
    paused_at(page, demo)
    slider, still = page.locator("#timeline"), "document.querySelector('#preview img')"
    slider.hover()
    holds(page, f"{still}.naturalWidth > 0 && !document.querySelector('#preview').hidden")
    assert page.evaluate(f"{still}.naturalWidth") <= 320
    page.mouse.move(5, 5)
    holds(page, "document.querySelector('#preview').hidden")
    page.locator("#video").focus()
    while page.evaluate("document.activeElement.id") != "timeline":
        page.keyboard.press("Tab")
    holds(page, "!document.querySelector('#preview').hidden")
    page.keyboard.press("Home")
    holds(page, "document.querySelector('#video').currentTime === 0")
    assert page.get_attribute("#timeline", "aria-valuetext")


WALLS = "[...document.querySelectorAll('#screens video')].map((video) => video.shownTime)"


def play_together(page: Page, count: int, wall_ns: int) -> None:
    boxes = page.get_by_role("checkbox")
    boxes.nth(count - 1).wait_for()
    for number in range(count):
        boxes.nth(number).check()
    page.click("#open-together")
    page.fill(
        "#together-moment", datetime.fromtimestamp(wall_ns // 1_000_000_000 + 1, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    )
    page.click("#together-play")
    page.evaluate("""() => {
        for (const video of document.querySelectorAll('#screens video')) {
            const next = (now, frame) => { video.shownTime = frame.mediaTime; video.requestVideoFrameCallback(next); };
            video.requestVideoFrameCallback(next);
        }
    }""")


PLAYED = "[...document.querySelectorAll('#screens video')].map((video) => video.currentTime)"


def are_in_step(page: Page) -> None:
    """Waits until the videos play within a tenth of a second of each other for ten looks in a row.

    On a machine that has no time for them they fall apart for moments, and must find together again.
    """
    run = 0
    deadline = time.monotonic() + PATIENCE_S
    while run < 10:
        assert time.monotonic() < deadline, "they never are in step"
        times = page.evaluate(PLAYED)
        run = run + 1 if max(times) - min(times) <= 0.1 else 0
        page.wait_for_timeout(100)


def test_two_cameras_play_in_step_and_seek_together(page: Page, demo: Demo) -> None:
    play_together(page, 2, demo.recorded()[0])
    holds(page, f"{WALLS}.every((time) => time > 2)")
    are_in_step(page)
    before = page.evaluate(WALLS)
    page.locator("#together-timeline").evaluate(
        "slider => { slider.value = 12; slider.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    holds(page, f"{WALLS}.every((time) => time > 13)")
    assert max(before) < 12
    page.get_by_role("button", name="Pause").click()
    are_in_step(page)
    stood = page.evaluate(PLAYED)
    page.wait_for_timeout(500)
    assert page.evaluate(PLAYED) == stood
    walls = [min(page.evaluate(PLAYED))]
    for name in ("One frame on", "One frame on", "One frame back"):
        page.get_by_role("button", name=name).click()
        holds(page, f"Math.abs(Math.min(...{PLAYED}) - {walls[-1]}) > 0.002")
        page.wait_for_timeout(300)
        times = page.evaluate(PLAYED)
        assert max(times) - min(times) < 0.001  # all stand at one moment
        walls.append(min(times))
    assert walls[0] < walls[1] < walls[2] < walls[0] + 0.4
    assert walls[3] < walls[2]


def test_four_cameras_go_faster_together_and_a_fifth_is_not_taken(page: Page, demo: Demo) -> None:
    play_together(page, 4, demo.recorded()[0])
    page.select_option("#together-speed", "4")
    holds(page, "[...document.querySelectorAll('#screens video')].every((video) => video.currentTime > 1)")
    assert page.locator("#screens figure").count() == 4
    page.keyboard.press("Escape")
    page.wait_for_selector("#together:not([open])", state="attached")


GAP = "document.querySelector('#gap')"


def with_a_gap(page: Page, camera: str = "*") -> None:
    """The playlist's segments from the third to the fifth are a gap, and the coverage says why."""
    found: dict[str, str] = {}

    def playlist(route: Route) -> None:
        answer = route.fetch()
        lines, number = [], 0
        for line in answer.text().splitlines():
            if line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
                found["from" if number < 3 else "to"] = line.partition(":")[2] if number < 6 else found["to"]
            if line.startswith("#EXTINF"):
                number += 1
                lines += ["#EXT-X-GAP"] if 3 <= number <= 5 else []
            lines.append(line)
        route.fulfill(response=answer, body="\n".join(lines))

    def coverage(route: Route) -> None:
        answer = route.fetch()
        gap = {"from": found["from"], "to": found["to"], "cause": "camera silent"}
        route.fulfill(response=answer, json=answer.json() | {"gaps": [gap]})

    page.route(f"**/api/cameras/{camera}/playback.m3u8*", playlist)
    page.route(f"**/api/cameras/{camera}/coverage*", coverage)


def test_a_gap_is_told_with_its_cause_and_passed_over(page: Page, demo: Demo) -> None:
    with_a_gap(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_first(page)
    play_from(page, demo.recorded()[0])
    holds(page, f"!{GAP}.hidden && {GAP}.textContent.startsWith('Missing from')")
    assert page.inner_text("#gap").endswith(": camera silent.")
    before = page.evaluate("document.querySelector('#video').currentTime")
    # Where the scene was not known yet all is covered, a frame a second: a video waits a second before the gap.
    for further in (8, 15):
        holds(page, f"{GAP}.hidden && document.querySelector('#video').currentTime > {before} + {further}")
    starts = [url for url in asked if "/playback.m4s?" in url]
    assert len(starts) == len(set(starts)) >= 3


def test_of_cameras_in_step_one_shows_its_gap_and_the_others_go_on(page: Page, demo: Demo) -> None:
    with_a_gap(page, CAMERA)
    play_together(page, 2, demo.recorded()[0])
    gaps = "[...document.querySelectorAll('#screens .gap')]"
    holds(page, f"!{gaps}[0].hidden && {gaps}[0].textContent.endsWith('camera silent.')")
    assert page.evaluate(f"{gaps}[1].hidden")
    first, second = page.evaluate(WALLS)
    holds(page, f"{WALLS}[1] > {second} + 2")
    assert page.evaluate(WALLS)[0] <= first + 0.2
    holds(page, f"{gaps}[0].hidden")
    holds(page, f"{WALLS}[0] > {first} + 10")
    are_in_step(page)


def test_a_live_view_knows_when_its_frames_were_seen(page: Page) -> None:
    open_first(page)
    frames_move(page)
    holds(page, "document.querySelector('#clock').textContent !== ''")
