"""How the control room feels on the machine that also simulates and records: a wall of 16, and the timeline of 9.

`python -m bench.wall --json`. Simulated cameras, the whole recorder and its web process, and headless Chromium, all on
this machine. Long tasks are the browser's own (`PerformanceObserver`); a still's age is this machine's clock less the
moment that the still says it was seen; how far the focused tile is behind is told by each live frame (`prft`). The
timeline is asked for nine cameras over 30 days, of a catalogue with a row a minute.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import uvloop
from playwright.async_api import async_playwright

from bench.browser import _ARGUMENTS, CHROMIUM, shown_city
from bench.live import _busy_s
from bench.measure import machine
from bench.simulator import WORK
from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Camera, RegisterEntry, Segment
from civicam.catalogue.rollup import DAY_NS
from civicam.core.ids import CameraId, StreamKey, StreamName

_SETTLES_S = 20.0
_SAMPLE_S = 0.25
_T0_NS = 1_772_323_200_000_000_000
_MINUTE_NS = 60_000_000_000

_OBSERVE = """
window.tasks = [];
new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((one) => one.duration)))
    .observe({ type: 'longtask', buffered: true });
"""
_AGES = """() => {
    const now = Date.now();
    return [...document.querySelectorAll('#wall time')].filter((one) => one.dateTime)
        .map((one) => now - Date.parse(one.dateTime));
}"""
_BEHIND = """() => {
    const video = document.querySelector('#wall video');
    const end = video?.buffered.length ? video.buffered.end(video.buffered.length - 1) : null;
    return end === null ? null : (end - video.currentTime) * 1000;
}"""


@dataclass(frozen=True, slots=True)
class Wall:
    """What a wall costs its viewer. Times in milliseconds.

    Attributes:
        tiles: shown.
        seconds: measured.
        long_tasks: tasks of the page of over 50 ms.
        long_task_p95: their 95th percentile, 0 where there is none.
        still_age_median: of the stills that are shown, from the moment the camera saw them.
        still_age_p95: the same.
        live_buffer_median: what the focused tile has still to show: with the 100 ms that redaction takes, how far it is
            behind.
        machine_busy: share of all cores in use: simulator, recorder, web process and browser.
    """

    tiles: int
    seconds: float
    long_tasks: int
    long_task_p95: float
    still_age_median: float
    still_age_p95: float
    live_buffer_median: float
    machine_busy: float


def wall(tiles: int, seconds: float, folder: Path) -> Wall:
    """Runs a simulated city, the whole recorder, and the browser."""
    with shown_city(tiles, folder) as (address, _, _):
        return uvloop.run(_watched(address, tiles, seconds))


async def _watched(address: str, tiles: int, seconds: float) -> Wall:
    ages: list[float] = []
    behind: list[float] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1920, "height": 1400})
        await page.add_init_script(_OBSERVE)
        await page.goto(address)
        await page.locator("#wall time[datetime]").nth(tiles - 1).wait_for(timeout=90_000)
        await page.locator("#wall button").first.focus()
        await asyncio.sleep(_SETTLES_S)
        await page.evaluate("window.tasks.length = 0")
        busy, began = _busy_s(), time.monotonic()
        while time.monotonic() - began < seconds:
            ages += await page.evaluate(_AGES)
            left = await page.evaluate(_BEHIND)
            behind += [] if left is None else [left]
            await asyncio.sleep(_SAMPLE_S)
        took = time.monotonic() - began
        share = (_busy_s() - busy) / took / (os.cpu_count() or 1)
        tasks = await page.evaluate("window.tasks")
        await browser.close()
    return Wall(
        tiles,
        round(took, 1),
        len(tasks),
        round(float(np.quantile(tasks, 0.95)), 1) if tasks else 0.0,
        round(float(np.median(ages)), 1),
        round(float(np.quantile(ages, 0.95)), 1),
        round(float(np.median(behind)), 1) if behind else -1.0,
        round(share, 3),
    )


@dataclass(frozen=True, slots=True)
class Timeline:
    """The hours of nine cameras over a month. Times in milliseconds.

    Attributes:
        cameras: asked for.
        days: asked for.
        median: to read all of them, as nine requests do, one after the other.
        worst: the same.
    """

    cameras: int
    days: int
    median: float
    worst: float


def timeline(cameras: int, days: int, folder: Path) -> Timeline:
    """Reads the hours of all cameras of a catalogue with a row a minute, ten times."""
    path = folder / "timeline.sqlite"
    path.unlink(missing_ok=True)
    window = _T0_NS, _T0_NS + days * DAY_NS
    took = []
    with Catalogue.open(path, create=True) as catalogue:
        keys = [_recorded(catalogue, number, days) for number in range(cameras)]
        for _ in range(10):
            began = time.perf_counter()
            for key in keys:
                catalogue.hours(key, window)
            took.append(1000 * (time.perf_counter() - began))
    path.unlink()
    return Timeline(cameras, days, round(float(np.median(took)), 1), round(max(took), 1))


def _recorded(catalogue: Catalogue, number: int, days: int) -> StreamKey:
    key = StreamKey(CameraId(f"cam-{number}"), StreamName.MAIN)
    entry = RegisterEntry("bench", "bench", float(days), "bench")
    urls = {StreamName.MAIN: "rtsp://127.0.0.1/1"}
    catalogue.add_camera(Camera(key.camera, "", urls, None, "bench", _T0_NS, None, entry))
    for day in range(days):
        starts = [_T0_NS + day * DAY_NS + minute * _MINUTE_NS for minute in range(1440)]
        catalogue.record([Segment(key, at, at + _MINUTE_NS, 1, "main", 1000, 1, 15, b"d" * 32) for at in starts])
    return key


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.wall", description=__doc__)
    parser.add_argument("--tiles", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--folder", type=Path, default=WORK)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    where = machine(options.folder)
    found = {
        "wall": asdict(wall(options.tiles, options.seconds, options.folder / "streams")),
        "timeline": asdict(timeline(9, 30, options.folder)),
    }
    if options.json:
        print(json.dumps({"command": sys.argv[1:], "machine": where.as_json(), **found}, indent=1))
    else:
        print(f"{found}\n{where}")


if __name__ == "__main__":
    main()
