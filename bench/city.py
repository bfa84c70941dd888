"""A whole city on this machine: what recording 50 to 800 cameras costs, the simulator running beside it.

`python -m bench.city --cameras 50,100,200,400,800 --seconds 60 --plot docs/pictures/city-scale.png`. Each size is a
city of its own: simulator and recorder start, warm up, are measured for the given seconds and stop; then every frame
sent is looked for in the files, and every moment of the window in the catalogue.
"""

import argparse
import json
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measure import cpu_s, folder_bytes, machine, memory, tree
from bench.ours import Civicam
from bench.simulator import WORK, CityProcess, CitySpec, prepare, settled

_WARM_UP_S = 15.0
_NOT_YET_DURABLE_NS = 5_000_000_000
"""The window's end is this much before the recorder is stopped, so that all of it is durable."""

_COLUMNS = (
    *("cameras", "recording, cores", "ms a camera-s", "private MB", "simulator, cores", "frames sent", "recorded"),
    *("completeness", "unexplained s", "MB/s", "write ms", "sync ms"),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """One size of city.

    Attributes:
        cameras: how many.
        seconds: the measured window.
        cores: share of a core that recording took, supervisor and workers, user and system.
        city_cores: the same of the simulator.
        private_mb: private memory of supervisor and workers, MB (10^6 bytes), at the end.
        proportional_mb: the same with shared pages counted by share.
        sent: frames sent from the first to the last.
        recorded: frames in the files.
        completeness: playable time of the time due in the window, by the catalogue.
        unexplained_s: time due in the window that is neither playable nor in a gap.
        opened: fragments of the first cameras that were opened and authenticated afterwards.
        bytes_mb_s: what the footage grew by.
        write_ms: mean time to seal and write a fragment.
        sync_ms: mean time to sync a file.
        dropped: fragments dropped because the disk was slow.
        late_max_ms: the longest that the simulator was behind its own pace.
    """

    cameras: int
    seconds: float
    cores: float
    city_cores: float
    private_mb: float
    proportional_mb: float
    sent: int
    recorded: int
    completeness: float
    unexplained_s: float
    opened: int
    bytes_mb_s: float
    write_ms: float
    sync_ms: float
    dropped: int
    late_max_ms: float


def measure(spec: CitySpec, seconds: float, folder: Path) -> Scale:
    """Runs one city, and counts what it recorded."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    recorder = Civicam()
    with CityProcess(spec) as city:
        recorder.start(city.urls, folder)
        try:
            city.wait_until_all_play(120)
            time.sleep(_WARM_UP_S)
            start_ns, bytes_before = time.time_ns(), folder_bytes(folder)
            ours, theirs, began = cpu_s(tree(recorder.pids())), cpu_s([city.pid]), time.monotonic()
            time.sleep(seconds)
            lasted = time.monotonic() - began
            pids = tree(recorder.pids())
            ours, theirs, held = cpu_s(pids) - ours, cpu_s([city.pid]) - theirs, memory(pids)
            end_ns, grown = time.time_ns(), folder_bytes(folder) - bytes_before
            time.sleep(_NOT_YET_DURABLE_NS / 1e9)
            reports = recorder.status().reports
        finally:
            recorder.stop()
        sent = settled(city)
    found = recorder.recorded(spec.frame_90k)
    total, _ = recorder.completeness((start_ns, end_ns))
    writes, syncs = [report.write for report in reports], [report.sync for report in reports]
    scale = Scale(
        cameras=spec.cameras, seconds=lasted, cores=ours / lasted, city_cores=theirs / lasted,
        private_mb=held.private_bytes / 1e6, proportional_mb=held.proportional_bytes / 1e6,
        sent=sum(sent.frames.values()), recorded=sum(one.samples for one in found.values()),
        completeness=total.playable_ns / total.due_ns, unexplained_s=total.unexplained_ns / 1e9,
        opened=recorder.opened(8), bytes_mb_s=grown / 1e6 / lasted,
        write_ms=1000 * sum(one.sum_s for one in writes) / sum(sum(one.counts) for one in writes),
        sync_ms=1000 * sum(one.sum_s for one in syncs) / sum(sum(one.counts) for one in syncs),
        dropped=sum(report.dropped_fragments for report in reports), late_max_ms=sent.late_max_ms,
    )  # fmt: skip
    shutil.rmtree(folder)
    return scale


def table(scales: list[Scale], title: str) -> Table:
    """The sizes side by side."""
    shown = Table(title=title)
    for column in _COLUMNS:
        shown.add_column(column, justify="right")
    for one in scales:
        shown.add_row(
            str(one.cameras), f"{one.cores:.3f}", f"{1000 * one.cores / one.cameras:.3f}", f"{one.private_mb:.0f}",
            f"{one.city_cores:.3f}", f"{one.sent:,}", f"{one.recorded:,}", f"{one.completeness:.4%}",
            f"{one.unexplained_s:.3f}", f"{one.bytes_mb_s:.1f}", f"{one.write_ms:.2f}", f"{one.sync_ms:.2f}",
        )  # fmt: skip
    return shown


def plot(scales: list[Scale], path: Path, title: str) -> None:
    """Draws cores and memory over the number of cameras."""
    import matplotlib as mpl  # noqa: PLC0415 - takes a second, and most runs do not draw

    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    cameras = [one.cameras for one in scales]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.plot(cameras, [one.cores for one in scales], "o-", color="#1b6ca8", label="recording")
    left.plot(cameras, [one.city_cores for one in scales], "s--", color="#a85c1b", label="simulated cameras")
    left.axhline(0.5, color="#777777", linewidth=1, linestyle=":", label="limit for recording")
    left.set(xlabel="cameras", ylabel="cores", ylim=(0, None))
    right.plot(cameras, [one.private_mb for one in scales], "o-", color="#1b6ca8", label="recording, private")
    right.axhline(600, color="#777777", linewidth=1, linestyle=":", label="limit")
    right.set(xlabel="cameras", ylabel="memory, MB", ylim=(0, None))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=110)


def main(arguments: list[str]) -> None:
    """Runs every size and tells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", default="50,100,200,400,800", help="sizes, separated by commas")
    parser.add_argument("--seconds", type=float, default=60, help="the measured window")
    parser.add_argument("--bitrate", type=int, default=500, help="kbit/s of each camera")
    parser.add_argument("--folder", default=f"{WORK}/city", help="where to record; emptied")
    parser.add_argument("--plot", help="a PNG file to draw")
    parser.add_argument("--json", action="store_true", help="tell it as JSON")
    options = parser.parse_args(arguments)
    sizes = [int(size) for size in options.cameras.split(",")]
    folder = Path(options.folder)
    prepare(CitySpec(sizes[0], bitrate_kbit_s=options.bitrate))
    folder.mkdir(parents=True, exist_ok=True)
    where = machine(folder)
    scales = []
    for size in sizes:
        scales.append(measure(CitySpec(size, bitrate_kbit_s=options.bitrate), options.seconds, folder))
        print(f"{size} cameras: {scales[-1]}", file=sys.stderr, flush=True)
    title = f"{options.bitrate / 1000:g} Mbit/s, 640x360, 15 frames/s, {options.seconds:g} s each"
    if options.plot:
        plot(scales, Path(options.plot), title)
    if options.json:
        print(json.dumps({"machine": where.as_json(), "scales": [asdict(one) for one in scales]}, indent=1))
    else:
        Console(width=150).print(table(scales, title))
        print(where)


if __name__ == "__main__":
    main(sys.argv[1:])
