"""How late live views are in a real browser: from the camera's clock to the frame that Chromium presents.

`python -m bench.browser --views 8 --json`. Simulated cameras, the whole recorder and its web process run on this
machine, and headless Chromium shows so many live views of the page's own player in one page. Each frame carries the
time that the recorder gave it (`prft`); the feed tells which moment of this machine's clock the camera's sender reports
say for that frame. The browser's `requestVideoFrameCallback` says when it was presented, on the same clock.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import uvloop
from playwright.async_api import Page, async_playwright

from bench.live import TimedFeed, _busy_s, _free_port
from bench.measure import machine
from bench.ours import Civicam
from bench.simulator import WORK, CityProcess, CitySpec, prepare
from civicam.camera.sample import H264Setup, Sample
from civicam.core.clock import SystemClock
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from civicam.recorder.feed_client import FeedClient

CHROMIUM = Path("/usr/bin/chromium")
_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
_SETTLES_S = 15.0
_CLOCK = SystemClock()

# Each view is the page's own player. What is noted of a shown frame: its view, its wall time, and when it is presented.
_OPEN_VIEWS = """async (cameras) => {
    const { Live } = await import('/page/live.js');
    document.body.replaceChildren(document.createElement('main'));
    window.shown = [];
    window.views = cameras.map((camera) => {
        const video = document.createElement('video');
        video.muted = video.playsInline = true;
        document.querySelector('main').append(video);
        const url = `ws://${location.host}/api/cameras/${camera}/live`;
        const live = new Live(video, url, () => {});
        const next = (now, frame) => {
            const wall = live.wallOf(frame.mediaTime);
            const at = performance.timeOrigin + frame.presentationTime;
            const { buffered } = video;
            const ahead = buffered.length ? buffered.end(buffered.length - 1) - frame.mediaTime : 0;
            if (wall !== null) window.shown.push([camera, wall, at, ahead, frame.presentedFrames]);
            video.requestVideoFrameCallback(next);
        };
        video.requestVideoFrameCallback(next);
        return { live, video };
    });
}"""


@dataclass(frozen=True, slots=True)
class BrowserLatency:
    """From the camera's clock to the frame that the browser presents, milliseconds.

    Attributes:
        views: open at the same time, each of a camera of its own.
        seconds: measured.
        frames: measured.
        frames_a_second: presented, each view, on average; cameras send 15.
        median: of all.
        p95: of all.
        worst: of all.
        ahead_median: of that, what the browser has still to show (its buffer).
        machine_busy: share of all cores in use meanwhile: simulator, recorder, web process and browser.
        load: of the machine at the end, over a minute.
    """

    views: int
    seconds: float
    frames: int
    frames_a_second: float
    median: float
    p95: float
    worst: float
    ahead_median: float
    machine_busy: float
    load: float


class Heard:
    """A `SampleSink` that keeps nothing of what it is given."""

    def setup(self, setup: H264Setup) -> None:
        """See `SampleSink`."""

    def sample(self, sample: Sample) -> None:
        """See `SampleSink`."""

    def broken(self, cause: GapCause, detail: str) -> None:
        """See `SampleSink`."""

    def discontinuity(self, detail: str) -> None:
        """See `SampleSink`."""


@contextmanager
def shown_city(cameras: int, folder: Path) -> Iterator[tuple[str, Civicam, list[StreamKey]]]:
    """A simulated city, the whole recorder, and its page for this machine's own browsers.

    Yields:
        the page's address, the recorder, and the cameras' streams.
    """
    spec = CitySpec(cameras, cache=str(folder))
    prepare(spec)
    system, data = Civicam(), folder.parent / "browser"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    port = _free_port()
    os.environ.update(CIVICAM_WEB__PORT=str(port), CIVICAM_WEB__ALLOW="local", CIVICAM_REDACTION__BOOTSTRAP_S="10")
    with CityProcess(spec) as city:
        system.start(city.urls, data)
        try:
            city.wait_until_all_play(60)
            address = f"http://127.0.0.1:{port}/"
            _wait_for(address, 60)
            yield address, system, [StreamKey(CameraId(camera), StreamName.MAIN) for camera in city.urls]
        finally:
            system.stop()
            shutil.rmtree(data)


def browser_latency(views: int, seconds: float, folder: Path) -> BrowserLatency:
    """Measures live views of so many cameras in one page."""
    with shown_city(views, folder) as (address, system, keys):
        return uvloop.run(_measured(keys, system.city.data.feed, address, seconds))


def _wait_for(address: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            httpx.get(address, timeout=5).raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


async def _measured(keys: Sequence[StreamKey], feed: Path, address: str, seconds: float) -> BrowserLatency:
    client = FeedClient(feed, clock=_CLOCK, rng=random.Random(1))
    source = TimedFeed(client)
    tasks = [asyncio.create_task(client.keep_connected())]
    tasks += [asyncio.create_task(source.run(key, Heard())) for key in keys]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        await page.goto(address)
        await page.evaluate(_OPEN_VIEWS, [key.camera for key in keys])
        await asyncio.sleep(_SETTLES_S)
        await page.evaluate("window.shown.length = 0")
        busy, began = _busy_s(), time.monotonic()
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        share = (_busy_s() - busy) / took / (os.cpu_count() or 1)
        shown = await _shown(page)
        await browser.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return _summary(shown, source, took, share)


async def _shown(page: Page) -> list[tuple[str, float, float, float]]:
    """Of each presented frame: camera, its wall time and when it was presented (ms since 1970), seconds of buffer."""
    found = await page.evaluate("window.shown")
    return [(str(camera), float(wall), float(at), float(ahead)) for camera, wall, at, ahead, _ in found]


def _summary(
    shown: Sequence[tuple[str, float, float, float]], source: TimedFeed, seconds: float, busy: float
) -> BrowserLatency:
    late_ms, aheads = [], []
    sent = {key.camera: _by_ms(sink.sent_ns) for key, sink in source.sinks.items()}
    for camera, wall_ms, at_ms, ahead_s in shown:
        sent_ns = sent[CameraId(camera)].get(round(wall_ms * 10))
        if sent_ns is not None:
            late_ms.append(at_ms - sent_ns / 1e6)
            aheads.append(ahead_s * 1000)
    if not late_ms:
        raise RuntimeError("no frame that was shown is one that was sent")
    late_ms.sort()
    return BrowserLatency(
        views=len(source.sinks),
        seconds=seconds,
        frames=len(late_ms),
        frames_a_second=len(late_ms) / seconds / len(source.sinks),
        median=statistics.median(late_ms),
        p95=late_ms[min(len(late_ms) - 1, len(late_ms) * 95 // 100)],
        worst=late_ms[-1],
        ahead_median=statistics.median(aheads),
        machine_busy=busy,
        load=os.getloadavg()[0],
    )


def _by_ms(sent_ns: dict[int, int]) -> dict[int, int]:
    """By tenths of a millisecond of wall time, as near as the browser's numbers keep it; and the ones beside."""
    found: dict[int, int] = {}
    for wall_ns, sent in sent_ns.items():
        at = round(wall_ns / 100_000)
        for near in (at - 1, at + 1, at):
            found[near] = sent
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.browser", description=__doc__)
    parser.add_argument("--views", type=int, default=8, help="open at the same time")
    parser.add_argument("--seconds", type=float, default=30, help="measured")
    parser.add_argument("--folder", default=f"{WORK}/streams", help="where scenes are kept")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    where = machine(folder)
    found = browser_latency(options.views, options.seconds, folder)
    if options.json:
        print(json.dumps({"command": sys.argv[1:], "machine": where.as_json(), "latency_ms": asdict(found)}, indent=1))
    else:
        print(f"{found}\n{where}")


if __name__ == "__main__":
    main()
