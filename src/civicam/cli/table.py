"""The live table: every camera on one page, or the worst of them, with totals and what needs a person."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from civicam.cli.console import rate, share, size, span
from civicam.recorder.report import StreamReport, StreamState
from civicam.recorder.status import Rate, RecorderStatus, completeness

_NONE = Rate(0.0, 0.0)
_COLOURS = {
    StreamState.RECORDING: "green",
    StreamState.CONNECTING: "yellow",
    StreamState.WAITING: "red",
    StreamState.STOPPED: "dim",
}
_MOST_ALARMS = 4
_ADDRESS = re.compile(r"^rtsp://\S+: ")  # the row says which camera it is
_NARROW = 100
_SOUND_GAP_NS = 50_000_000
"""Gaps up to a frame or so are rounding, and not worth a colour."""


class Frame(NamedTuple):
    """What stands around the table.

    Attributes:
        city: its name.
        address: where the metrics are, empty for nowhere.
        notes: lines below the table: what happens, what to try next.
    """

    city: str
    address: str
    notes: Sequence[str] = ()


def render(status: RecorderStatus, frame: Frame, width: int, height: int) -> Group:
    """The page for a terminal of `width` by `height` characters."""
    streams = status.streams
    alarms = status.all_alarms
    above = [_headline(status, frame)]
    below = [*_totals(status, streams), *_alarms(alarms), *(Text(note, style="dim") for note in frame.notes)]
    room = max(1, height - len(above) - len(below) - 3)  # a line of column names, one of what is left out, one free
    shown = in_order(streams, room)
    table = _table(shown, status.rates, width)
    left = len(streams) - len(shown)
    more = [Text(f"… and {left} more; those that need attention are on top", style="dim")] if left else []
    return Group(*above, table, *more, *below)


def in_order(streams: Sequence[StreamReport], room: int) -> list[StreamReport]:
    """The streams to show: by name if there is room for all, else the worst first."""
    if len(streams) <= room:
        return sorted(streams, key=lambda stream: stream.key)
    return sorted(streams, key=_badness)[:room]


def _badness(stream: StreamReport) -> tuple[bool, int, int, str]:
    return stream.state is StreamState.RECORDING, -sum(stream.gap_ns.values()), -stream.packets_lost, stream.key


def _headline(status: RecorderStatus, frame: Frame) -> Text:
    streams = status.streams
    states = Counter(stream.state for stream in streams)
    text = Text.assemble((frame.city, "bold"), f" · recording for {span(status.wall_ns - status.started_ns)} · ")
    if not streams:
        text.append("starting" if not status.all_alarms else "nothing is recorded", "yellow")
    else:
        whole = states[StreamState.RECORDING] == len(streams)
        text.append(f"{states[StreamState.RECORDING]} of {len(streams)} streams", "green" if whole else "yellow")
    if frame.address:
        text.append(f" · {frame.address}/status", "dim")
    text.truncate(400)
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text


def _table(streams: Sequence[StreamReport], rates: dict[str, Rate], width: int) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, expand=False, padding=(0, 2, 0, 0))
    wide = width >= _NARROW
    table.add_column("stream", no_wrap=True)
    table.add_column("state", no_wrap=True)
    if wide:
        table.add_column("picture", justify="right", no_wrap=True)
    for name in ("fps", "bitrate", "complete", "missing"):
        table.add_column(name, justify="right", no_wrap=True)
    if wide:
        table.add_column("lost", justify="right", no_wrap=True)
        table.add_column("last trouble", no_wrap=True, overflow="ellipsis", ratio=1)
    for stream in streams:
        _row(table, stream, rates.get(stream.key, _NONE), wide)
    return table


def _row(table: Table, stream: StreamReport, now: Rate, wide: bool) -> None:
    gap_ns = sum(stream.gap_ns.values())
    is_live = stream.state is StreamState.RECORDING
    cells = [escape(stream.key.removesuffix("/main")), f"[{_COLOURS[stream.state]}]{stream.state}[/]"]
    if wide:
        cells.append(f"{stream.width}x{stream.height}" if stream.width else "")
    cells += [f"{now.samples_per_s:.1f}" if is_live else "", rate(now.bits_per_s) if is_live else ""]
    cells += [_complete([stream]), f"[yellow]{span(gap_ns)}[/]" if gap_ns > _SOUND_GAP_NS else "-"]
    if wide:
        cells += [str(stream.packets_lost or "-"), escape(_trouble(stream))]
    table.add_row(*cells)


def _complete(streams: Sequence[StreamReport]) -> str:
    if not any(stream.playable_ns or stream.gap_ns for stream in streams):
        return "-"
    value = completeness(streams)
    return f"[{'green' if value > 0.999 else 'yellow' if value > 0.9 else 'red'}]{share(value)}[/]"


def _trouble(stream: StreamReport) -> str:
    """The last error while it lasts, then what is missing by cause."""
    if stream.state is not StreamState.RECORDING and stream.detail:
        return _ADDRESS.sub("", stream.detail)
    gaps = [f"{span(gap_ns)} {cause}" for cause, gap_ns in stream.gap_ns.items() if gap_ns > _SOUND_GAP_NS]
    return ", ".join(gaps)


def _totals(status: RecorderStatus, streams: Sequence[StreamReport]) -> list[Text]:
    rates = list(status.rates.values())
    gaps: Counter[str] = Counter()
    for stream in streams:
        gaps.update(stream.gap_ns)
    missing = ", ".join(f"{span(gap_ns)} {cause}" for cause, gap_ns in gaps.most_common() if gap_ns > _SOUND_GAP_NS)
    backlog = sum(report.backlog_bytes for report in status.reports)
    all_in_all = Text.from_markup(
        f"[bold]all[/]  {sum(r.samples_per_s for r in rates):.0f} frames/s  {rate(sum(r.bits_per_s for r in rates))}"
        f"  complete {_complete(streams)}  missing {missing or 'nothing'}"
        f"  on its way to disk {size(backlog)}"
    )
    disks = Text.from_markup("[bold]disk[/]  " + "  ".join(
        f"{escape(v.name)}: {size(v.footage_bytes)} footage, "
        f"[{'green' if v.level == 'ok' else 'red'}]{size(v.free_bytes)} free[/]"
        for v in status.volumes
    ))  # fmt: skip
    for text in (all_in_all, disks):
        text.no_wrap, text.overflow = True, "ellipsis"
    return [all_in_all, disks]


def _alarms(alarms: Sequence[str]) -> list[Text]:
    shown = [Text(f"ALARM {alarm}", style="bold red", no_wrap=True, overflow="ellipsis") for alarm in alarms]
    left = len(shown) - _MOST_ALARMS
    return shown if left <= 0 else [*shown[:_MOST_ALARMS], Text(f"… and {left} more alarms", style="bold red")]
