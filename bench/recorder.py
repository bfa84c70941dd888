"""What recording costs: civicam, ffmpeg and GStreamer on the same streams, one after the other, on this machine.

`python -m bench.recorder --cameras 100 --bitrate 500 --seconds 60`. The simulated city runs in a process of its own
that is not counted. Each recorder is started, given time to warm up, measured for the given seconds and stopped; then
its files are counted. With `--rounds` all take turns several times, and the median is told beside the range.
"""

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

import psutil
from rich.console import Console
from rich.table import Table

from bench.contender import Contender
from bench.measure import Machine, cpu_s, folder_bytes, machine, memory, tree
from bench.ours import Civicam
from bench.rivals import Ffmpeg, Gstreamer
from bench.simulator import WORK, CityProcess, CitySpec, prepare, settled

CONTENDERS: dict[str, Callable[[], Contender]] = {"civicam": Civicam, "ffmpeg": Ffmpeg, "gstreamer": Gstreamer}


@dataclass(frozen=True, slots=True)
class Result:
    """One recorder, one round.

    Attributes:
        name: which recorder.
        seconds: the measured window.
        processes: how many processes it took.
        cpu_ms: milliseconds of a core a second of one camera, user and system, all its processes.
        private_mb: private memory a camera, MB (10^6 bytes), at the end of the window.
        proportional_mb: the same with shared pages counted by share.
        bytes_mb_s: MB a second that its files grew by.
        sent: frames that the city sent it from start to stop.
        recorded: frames in its files.
        missing: frames missing between each camera's first and last.
        at_edges: frames sent and not recorded before a camera's first frame or after its last (start and stop).
        city_cpu_ms: what the simulator took meanwhile, for the same unit.
        machine_busy: share of all cores in use during the window, whoever used them.
    """

    name: str
    seconds: float
    processes: int
    cpu_ms: float
    private_mb: float
    proportional_mb: float
    bytes_mb_s: float
    sent: int
    recorded: int
    missing: int
    at_edges: int
    city_cpu_ms: float
    machine_busy: float


def measure(contender: Contender, city: CityProcess, spec: CitySpec, options: argparse.Namespace) -> Result:
    """Runs one recorder once."""
    folder = Path(options.folder) / contender.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    before = city.sent()
    contender.start(city.urls, folder)
    try:
        city.wait_until_all_play(options.start_timeout)
        time.sleep(options.warm_up)
        window = _Window(contender, city, folder)
        time.sleep(options.seconds)
        costs = window.end()
    finally:
        contender.stop()
    after = settled(city)
    found = contender.recorded(spec.frame_90k)
    sent = sum(after.frames.values()) - sum(before.frames.values())
    recorded = sum(one.samples for one in found.values())
    missing = sum(one.missing for one in found.values())
    shutil.rmtree(folder)
    return Result(
        name=contender.name, **costs, sent=sent, recorded=recorded, missing=missing,
        at_edges=sent - recorded - missing,
    )  # fmt: skip


class _Costs(TypedDict):
    """What a window measures of `Result`."""

    seconds: float
    processes: int
    cpu_ms: float
    private_mb: float
    proportional_mb: float
    bytes_mb_s: float
    city_cpu_ms: float
    machine_busy: float


class _Window:
    """The measured time."""

    def __init__(self, contender: Contender, city: CityProcess, folder: Path) -> None:
        self._contender, self._city, self._folder = contender, city, folder
        psutil.cpu_percent()
        self._bytes = folder_bytes(folder)
        self._city_cpu_s = cpu_s([city.pid])
        self._cpu_s = cpu_s(tree(contender.pids()))
        self._began = time.monotonic()

    def end(self) -> "_Costs":
        pids = tree(self._contender.pids())
        seconds = time.monotonic() - self._began
        used_s, city_s = cpu_s(pids) - self._cpu_s, cpu_s([self._city.pid]) - self._city_cpu_s
        busy = psutil.cpu_percent() / 100
        written = folder_bytes(self._folder) - self._bytes
        held = memory(pids)
        cameras = len(self._city.urls)
        return _Costs(
            seconds=seconds,
            processes=len(pids),
            cpu_ms=used_s * 1000 / seconds / cameras,
            private_mb=held.private_bytes / 1e6 / cameras,
            proportional_mb=held.proportional_bytes / 1e6 / cameras,
            bytes_mb_s=written / 1e6 / seconds,
            city_cpu_ms=city_s * 1000 / seconds / cameras,
            machine_busy=busy,
        )


def ratios(results: list[Result], of: str = "civicam") -> dict[str, dict[str, float]]:
    """The medians of `of` over those of each other recorder."""
    own = {key: _median(results, of, key) for key in ("cpu_ms", "private_mb")}
    others = dict.fromkeys(result.name for result in results if result.name != of)
    return {other: {key: value / _median(results, other, key) for key, value in own.items()} for other in others}


def _median(results: list[Result], name: str, key: str) -> float:
    return statistics.median(float(getattr(result, key)) for result in results if result.name == name)


def show(results: list[Result], where: Machine, spec: CitySpec) -> None:
    """Prints a table: medians, and the range where there was more than one round."""
    table = Table(
        "recorder", "processes", "CPU ms / camera s", "private MB / camera", "PSS MB / camera", "written MB/s",
        "frames sent", "recorded", "missing", "start/stop", "machine busy",
        title=f"{spec.cameras} cameras, {spec.width}x{spec.height}, {spec.fps} fps, {spec.bitrate_kbit_s} kbit/s",
    )  # fmt: skip
    for name in dict.fromkeys(result.name for result in results):
        runs = [result for result in results if result.name == name]
        spread = {
            key: f"{_median(runs, name, key):.2f}"
            + (f" ({min(getattr(r, key) for r in runs):.2f}-{max(getattr(r, key) for r in runs):.2f})"
               if len(runs) > 1 else "")
            for key in ("cpu_ms", "private_mb", "proportional_mb", "bytes_mb_s")
        }  # fmt: skip
        totals = [str(sum(getattr(r, key) for r in runs)) for key in ("sent", "recorded", "missing", "at_edges")]
        busy = f"{max(r.machine_busy for r in runs):.0%}"
        table.add_row(name, str(runs[-1].processes), *spread.values(), *totals, busy)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    for name in dict.fromkeys(result.name for result in results):
        console.print(f"{name}: {CONTENDERS[name]().how}", highlight=False)
    if any(result.name == "civicam" for result in results):
        for other, ratio in ratios(results).items():
            console.print(
                f"civicam / {other}: CPU {ratio['cpu_ms']:.3f}, private memory {ratio['private_mb']:.3f}", style="bold"
            )
    console.print(str(where), highlight=False)


def arguments() -> argparse.ArgumentParser:
    """The command line's."""
    parser = argparse.ArgumentParser(prog="python -m bench.recorder", description=__doc__)
    parser.add_argument("--cameras", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60, help="the measured window of each recorder")
    parser.add_argument("--bitrate", type=int, default=500, help="kbit/s")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--only", default=",".join(CONTENDERS), help="which, by comma: " + ", ".join(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=1, help="how often all take their turn")
    parser.add_argument("--warm-up", type=float, default=10, help="seconds from the last camera's first frame on")
    parser.add_argument("--start-timeout", type=float, default=180)
    parser.add_argument("--folder", default=f"{WORK}/recordings", help="where to record; emptied")
    parser.add_argument("--json", action="store_true")
    return parser


def main() -> None:
    options = arguments().parse_args()
    names = options.only.split(",")
    unknown = set(names) - CONTENDERS.keys()
    if unknown:
        sys.exit(f"unknown recorder {', '.join(unknown)}; there are {', '.join(CONTENDERS)}")
    width, height = map(int, options.size.split("x"))
    spec = CitySpec(options.cameras, width, height, options.fps, options.bitrate)
    prepare(spec)
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    where = machine(folder)
    results: list[Result] = []
    with CityProcess(spec) as city:
        for number in range(options.rounds):
            for name in names:
                results.append(measure(CONTENDERS[name](), city, spec, options))
                sys.stderr.write(f"round {number + 1}: {results[-1]}\n")
    if options.json:
        report = {
            "command": sys.argv[1:],
            "machine": where.as_json(),
            "city": asdict(spec),
            "results": [asdict(result) for result in results],
            "ratios": ratios(results) if "civicam" in names else {},
        }
        print(json.dumps(report, indent=1))
    else:
        show(results, where, spec)


if __name__ == "__main__":
    main()
