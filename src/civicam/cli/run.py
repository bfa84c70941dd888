"""`civicam run`: the recorder, and how it is shown."""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

import asyncio
import random
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from civicam.cli.console import DEFAULT_DATA, DataOption, console, folder, say, share, span, warn

if TYPE_CHECKING:
    from civicam.app import City
    from civicam.recorder.status import RecorderStatus

_HARD = 130


def run(
    data: DataOption = DEFAULT_DATA,
    seconds: Annotated[float, typer.Option(min=0, help="Stop by itself after so long; 0: never.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON line a second, also on a terminal.")] = False,
) -> None:
    """Record every camera until stopped (^C or SIGTERM: cleanly; ^C twice: at once).

    On a terminal it shows a live table: all cameras if they fit, else the worst first. Elsewhere it prints a JSON line
    a second; whether anybody reads them or not, it records on. Cameras that are added or removed meanwhile are taken
    up within seconds.

    Example: civicam run --data /srv/civicam
    """
    from civicam.app import City

    city = City.open(folder(data))
    if link := city.first_start():
        warn(f"First start: open {link} in a browser of this machine to name the first two administrators.")
    last = record(city, seconds, as_json=as_json)
    if not as_json and sys.stdout.isatty():
        say(summary(last))


def summary(last: "RecorderStatus") -> str:
    """How a run went, in one line."""
    from civicam.recorder.status import completeness

    streams = last.streams
    return (
        f"recorded {len(streams)} streams for {span(last.wall_ns - last.started_ns)}:"
        f" {share(completeness(streams))} of it is playable"
    )


def record(
    city: "City", seconds: float, *, as_json: bool, notes: Callable[[], Sequence[str]] = lambda: ()
) -> "RecorderStatus":
    """Runs the recorder and shows it, as a table on a terminal and as JSON lines elsewhere."""
    if as_json or not sys.stdout.isatty():
        return _record_in_lines(city, seconds)
    from rich.live import Live

    from civicam.cli.table import Frame, render

    screen = console()
    metrics = city.settings.metrics
    address = f"http://{metrics.host}:{metrics.port}" if metrics.port else ""
    with Live(console=screen, auto_refresh=False, vertical_overflow="crop") as live:

        def show(status: "RecorderStatus") -> None:
            frame = Frame(city.settings.city.name, address, notes())
            live.update(render(status, frame, screen.width, screen.height), refresh=True)

        return asyncio.run(_record(city, seconds, show))


def _record_in_lines(city: "City", seconds: float) -> "RecorderStatus":
    from civicam.cli.lines import LineWriter

    sys.stdout.flush()
    writer = LineWriter(sys.stdout.fileno())

    def show(status: "RecorderStatus") -> None:
        writer.say(status.to_json())

    try:
        return asyncio.run(_record(city, seconds, show))
    finally:
        writer.close()


async def _record(city: "City", seconds: float, show: Callable[["RecorderStatus"], None]) -> "RecorderStatus":
    from civicam.app import run_recorder
    from civicam.core.clock import SystemClock

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    recording = asyncio.current_task()
    assert recording is not None

    def interrupt() -> None:
        if stop.is_set():
            recording.cancel()
        stop.set()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    timer = loop.call_later(seconds, stop.set) if seconds else None
    try:
        return await run_recorder(city, stop, clock=SystemClock(), rng=random.Random(), on_update=show)
    except asyncio.CancelledError:
        warn("civicam: stopped at once; what was not on disk yet is lost, and the next start says which")
        raise typer.Exit(_HARD) from None
    finally:
        if timer is not None:
            timer.cancel()
