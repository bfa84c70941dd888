"""Chromium shows the demo: stills, live and recorded pictures, with the keyboard too."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page

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
    other = page.context.browser.new_page() if page.context.browser else page
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
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#view[open]")
    frames_move(page)
    page.keyboard.press("Escape")
    page.wait_for_selector("#view:not([open])", state="attached")
    assert page.evaluate("document.querySelector('#video').src") == ""


def test_a_time_without_footage_says_so(page: Page, demo: Demo) -> None:
    open_first(page)
    page.fill("#moment", "2020-01-01T00:00:00")
    page.click("#play")
    holds(page, "document.querySelector('#view-state').classList.contains('bad')")


def test_the_last_hours_story_is_told(page: Page) -> None:
    open_first(page)
    page.click("#story summary")
    holds(page, "document.querySelector('#gaps').textContent.includes('playable')")
