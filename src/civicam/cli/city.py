"""`civicam city`: a simulated city of RTSP cameras."""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

import asyncio
import csv
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from civicam.cli.console import JsonOption, console, say, say_json
from civicam.core.errors import CityError, ConfigError

if TYPE_CHECKING:
    from civicam.city.library import CachedStream, StreamSpec
    from civicam.city.sent import SentLog
    from civicam.city.server import CityServer
    from civicam.city.simulated import CityCamera

PASSWORD_VARIABLE = "CIVICAM_CITY_PASSWORD"  # noqa: S105 - a variable's name
_PURPOSE = "simulated"
_MOST_SHOWN = 12


def cache_folder() -> Path:
    """Where drawn streams are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "civicam" / "city"


@dataclass(frozen=True, slots=True)
class _Order:
    """What the city is to be."""

    cameras: int
    host: str
    port: int
    size: tuple[int, int]
    fps: float
    kbps: int
    loop_s: float
    scenes: int
    subs: bool
    videos: tuple[Path, ...]
    scenario: Path | None
    seed: int
    truth: Path | None
    truth_frames: bool
    username: str
    password: str
    cache: Path


def city(
    *,
    cameras: Annotated[int, typer.Option(min=1, max=5000, help="How many.")] = 24,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8554,
    size: Annotated[str, typer.Option(help="Pixels, such as 1920x1080.")] = "640x360",
    fps: Annotated[float, typer.Option(min=1, max=60, help="Frames a second.")] = 15.0,
    kbps: Annotated[int, typer.Option(min=50, max=50_000, help="Kilobits a second of each camera.")] = 500,
    loop_seconds: Annotated[float, typer.Option(min=2, max=600, help="How long a scene is before it repeats.")] = 20.0,
    scenes: Annotated[int, typer.Option(min=1, max=100, help="Distinct scenes; cameras share them.")] = 6,
    sub: Annotated[bool, typer.Option("--sub", help="Give each camera a small picture (320x180) too.")] = False,
    video: Annotated[
        list[Path] | None, typer.Option(help="Play this H.264 file instead of a drawn scene; repeatable.")
    ] = None,
    scenario: Annotated[Path | None, typer.Option(help="What goes wrong and when (TOML).")] = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same city.")] = 1,
    truth: Annotated[Path | None, typer.Option(help="Write what is shown and sent into this folder.")] = None,
    truth_frames: Annotated[bool, typer.Option("--truth-frames", help="With --truth: every frame's hash too.")] = False,
    username: Annotated[str, typer.Option(help="Who may play the cameras.")] = "civicam",
    password: Annotated[
        str, typer.Option(envvar=PASSWORD_VARIABLE, help="With what (Digest); none by default.", show_envvar=True)
    ] = "",
    list_: Annotated[
        Path | None, typer.Option("--list", help="Write the cameras' list (CSV) for `camera import`.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Where drawn scenes are kept.")] = None,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a simulated city: RTSP cameras that show drawn streets, whose every frame is known.

    Scenes are drawn once (some seconds each) and kept. ^C ends it.

    For example:

      civicam city --cameras 100 --list cameras.csv
      civicam city --video my-street.mp4 --cameras 10
      civicam city --cameras 800 --kbps 4000 --size 1920x1080 --scenario storm.toml --truth truth/
    """
    order = _Order(
        cameras, host, port, _size(size), fps, kbps, loop_seconds, scenes, sub, tuple(video or ()), scenario, seed,
        truth, truth_frames, username, password, cache or cache_folder(),
    )  # fmt: skip
    asyncio.run(_serve(order, list_, as_json=as_json, with_parent=with_parent))


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ConfigError(f"{text!r} is no size", where="--size", fix="write WIDTHxHEIGHT, such as 1280x720")
    return int(width), int(height)


async def _serve(order: _Order, list_: Path | None, *, as_json: bool, with_parent: bool) -> None:
    from civicam.city.scenario import load_scenario
    from civicam.city.sent import SentLog
    from civicam.city.server import CityServer
    from civicam.core.clock import SystemClock

    scenario = load_scenario(order.scenario) if order.scenario else None  # before drawing, which takes long
    specs, drawn = _cameras(order)
    sent = SentLog()
    if order.truth is not None:
        sent = _write_truth(order.truth, specs, drawn, frames=order.truth_frames)
    server = CityServer(
        specs,
        clock=SystemClock(),
        rng=random.Random(order.seed),
        scenario=scenario,
        sent=sent,
    )
    await server.start(order.host, order.port)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if with_parent:
        await _stop_with_parent(stop)
    try:
        if list_ is not None:
            _write_list(list_, rows(server, specs, order))
        _announce(rows(server, specs, order), list_, as_json=as_json)
        serving = asyncio.create_task(server.serve())
        await asyncio.wait({serving, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
    finally:
        await server.close()
        sent.close()


async def _stop_with_parent(stop: asyncio.Event) -> None:
    """Ends the city when whoever started it is gone, however it went: then stdin ends."""

    class Watch(asyncio.Protocol):
        def connection_lost(self, _error: Exception | None) -> None:
            stop.set()

    await asyncio.get_running_loop().connect_read_pipe(Watch, sys.stdin)


def _cameras(order: _Order) -> "tuple[list[CityCamera], list[CachedStream]]":
    from civicam.city.auth import AuthScheme
    from civicam.city.encode import Encoding
    from civicam.city.library import StreamSpec
    from civicam.city.server import plan_cameras
    from civicam.city.video import load_video

    subs: list[CachedStream] = []
    drawn: list[CachedStream] = []
    if order.videos:
        streams = [load_video(path) for path in order.videos]
    else:
        drawn = _draw(order, StreamSpec(Encoding(*order.size, order.fps, order.kbps), order.loop_s))
        streams = [cached.stream for cached in drawn]
    if order.subs:
        subs = _draw(order, StreamSpec(Encoding(320, 180, order.fps, max(50, order.kbps // 4)), order.loop_s))
    cameras = plan_cameras(
        order.cameras,
        streams,
        random.Random(order.seed),
        subs=[cached.stream for cached in subs],
        username=order.username,
        password=order.password,
        auth=AuthScheme.DIGEST_SHA256 if order.password else AuthScheme.NONE,
    )
    return cameras, drawn


def _draw(order: _Order, spec: "StreamSpec") -> "list[CachedStream]":
    from civicam.city.library import make_library

    count = min(order.cameras, order.scenes)
    out = console(stderr=True)
    if not out.is_terminal:
        return make_library(count, spec, order.seed, order.cache)
    from rich.progress import Progress

    with Progress(console=out, transient=True) as bar:
        task = bar.add_task(f"drawing {count} scenes", total=None)
        return make_library(
            count, spec, order.seed, order.cache, lambda done, total: bar.update(task, completed=done, total=total)
        )


def _write_truth(
    folder: Path, specs: "Sequence[CityCamera]", drawn: "Sequence[CachedStream]", *, frames: bool
) -> "SentLog":
    """Starts `sent.jsonl`, and puts beside it what each scene shows and which camera shows which from where on."""
    from civicam.city.sent import SentLog

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for cached in drawn:
            shutil.copyfile(cached.truth, folder / cached.truth.name)
        lines = [
            {
                "camera": spec.id,
                "stream": spec.stream.name,
                "phase_s": spec.phase_s,
                "clock_offset_s": spec.clock_offset_s,
            }
            for spec in specs
        ]
        (folder / "cameras.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    except OSError as error:
        raise CityError(f"the truth cannot be written: {error.strerror}", where=str(folder)) from error
    return SentLog(folder / "sent.jsonl", frames=frames)


def rows(server: "CityServer", specs: "Sequence[CityCamera]", order: _Order) -> list[dict[str, str]]:
    """The cameras as `camera import` reads them."""
    from civicam.city.places import place_of
    from civicam.core.ids import StreamName

    return [
        {
            "id": spec.id,
            "url": server.url(spec.id),
            "sub": server.url(spec.id, StreamName.SUB) if spec.sub else "",
            "title": spec.stream.name,
            "purpose": _PURPOSE,
            "owner": "nobody",
            "legal_basis": "none is needed: nobody is in these pictures",
            "keep_days": "30",
            "description": "a drawn street with drawn people",
            **place_of(number),
            "username": order.username if order.password else "",
            "password": order.password,
        }
        for number, spec in enumerate(specs)
    ]


def _write_list(path: Path, cameras: list[dict[str, str]]) -> None:
    try:
        # It may hold the password: for its owner only.
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline=""
        ) as file:
            writer = csv.DictWriter(file, cameras[0])
            writer.writeheader()
            writer.writerows(cameras)
    except OSError as error:
        raise ConfigError(f"the list cannot be written: {error.strerror}", where=str(path)) from error


def _announce(cameras: list[dict[str, str]], list_: Path | None, *, as_json: bool) -> None:
    if as_json:
        say_json([{name: value for name, value in camera.items() if name != "password"} for camera in cameras])
        return
    say(f"{len(cameras)} cameras are on air:")
    for camera in cameras[:_MOST_SHOWN]:
        say(f"  {camera['id']}  {camera['url']}  {camera['title']}")
    if len(cameras) > _MOST_SHOWN:
        say(f"  … and {len(cameras) - _MOST_SHOWN} more")
    if list_ is not None:
        say(f"Next, elsewhere: civicam init, then civicam camera import {list_}, then civicam run")
    say("^C ends it.")
    sys.stdout.flush()
