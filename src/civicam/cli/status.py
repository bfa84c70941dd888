"""`civicam status`: how the city is, whether or not its recorder runs."""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

import http.client
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from civicam.cli.console import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    console,
    folder,
    say,
    say_json,
    share,
    size,
    span,
    when,
)

if TYPE_CHECKING:
    from civicam.catalogue.coverage import Completeness
    from civicam.core.ids import StreamKey
    from civicam.recorder.status import RecorderStatus

_Found = dict[str, Any]
"""What `--json` prints."""

_HOUR_NS = 3_600_000_000_000
_SETTLED_NS = 10_000_000_000
"""What came in the last seconds is still on its way to the disk."""


def status(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Say how complete the footage of the last hour and day is, how full the disks are, and what needs a person.

    It reads the catalogue and, if the recorder runs, asks it.

    Example: civicam status --json | jq .alarms
    """
    from civicam.app import City, lock_holder, measure
    from civicam.core.clock import SystemClock

    city = City.open(folder(data))
    end_ns = SystemClock().wall_ns() - _SETTLED_NS
    holder = lock_holder(city.data)
    address = holder.address if holder else ""
    live = ask(address) if address else None
    with city.catalogue() as catalogue:
        hour = catalogue.completeness((end_ns - _HOUR_NS, end_ns))
        day = catalogue.completeness((end_ns - 24 * _HOUR_NS, end_ns))
        totals = catalogue.totals()
        volumes = measure(city, city.volumes(), catalogue)
    found: _Found = {
        "city": city.settings.city.name,
        "recorder": "stopped" if holder is None else "stopped for a repair" if holder.is_repair else "running",
        "address": address,
        "alarms": live.all_alarms if live else [f"volume {v.name} is {v.level}" for v in volumes if v.level != "ok"],
        "volumes": [asdict(volume) for volume in volumes],
        "streams": {
            str(key): {"hour": _plain(hour.get(key)), "day": _plain(day[key]), "oldest_ns": totals.oldest_ns.get(key)}
            for key in day
        },
        "total": {"hour": _plain(_sum(hour)), "day": _plain(_sum(day)), "segments": totals.segment_count},
        "oldest_ns": min(totals.oldest_ns.values(), default=None),
    }
    if as_json:
        say_json(found | {"live": [asdict(stream) for stream in live.streams] if live else []})
        return
    _show(found, live, hour, day)


def ask(address: str) -> "RecorderStatus | None":
    """What the running recorder says of itself, None if it does not answer."""
    from civicam.recorder.status import RecorderStatus

    place = urlsplit(address)
    try:
        with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=5)) as connection:
            connection.request("GET", "/status")
            return RecorderStatus.from_json(connection.getresponse().read().decode())
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        return None


def _sum(parts: "dict[StreamKey, Completeness]") -> "Completeness":
    from civicam.catalogue.coverage import Completeness

    total = Completeness()
    for part in parts.values():
        total.add(part.due_ns, part.playable_ns, part.gap_ns)
    return total


def _plain(part: "Completeness | None") -> dict[str, object] | None:
    if part is None:
        return None
    return {
        "completeness": part.share,
        "due_ns": part.due_ns,
        "playable_ns": part.playable_ns,
        "gap_ns": {cause.label: gap_ns for cause, gap_ns in part.gap_ns.items() if gap_ns},
        "unexplained_ns": part.unexplained_ns,
    }


def _show(
    found: _Found,
    live: "RecorderStatus | None",
    hour: "dict[StreamKey, Completeness]",
    day: "dict[StreamKey, Completeness]",
) -> None:
    from rich.markup import escape
    from rich.table import Table

    states = {stream.key: stream for stream in live.streams} if live else {}
    table = Table("stream", "now", box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("last hour", "last day", "missing (day)", "oldest footage"):
        table.add_column(name, justify="right")
    table.add_column("why")
    nothing = _sum({})
    for key in sorted(day, key=lambda one: (day[one].share, one)):
        stream = states.get(str(key))
        oldest_ns = found["streams"][str(key)]["oldest_ns"]
        table.add_row(
            str(key).removesuffix("/main"),
            str(stream.state) if stream else ("not recorded" if live else "-"),
            share(hour.get(key, nothing).share),
            *_day_cells(day[key]),
            when(oldest_ns) if oldest_ns else "none",
            escape((stream.detail if stream else "") or _causes(day[key], found["recorder"])),
        )
    out = console()
    running = f"runs: {found['address']}/status" if found["address"] else f"is {found['recorder']}"
    out.print(f"[bold]{escape(found['city'])}[/]: the recorder {escape(running)}")
    out.print(table)
    total = _sum(day)
    say(f"all: {share(_sum(hour).share)} of the last hour, {share(total.share)} of the last day")
    say(f"missing in the last day: {_causes(total, found['recorder']) or 'nothing'}")
    for volume in found["volumes"]:
        limit = f" of {size(volume['limit_bytes'])}" if volume["limit_bytes"] else ""
        held, free = size(volume["footage_bytes"]), size(volume["free_bytes"])
        say(f"volume {volume['name']}: {held}{limit} footage, {free} free")
    for alarm in found["alarms"]:
        out.print(f"[bold red]ALARM[/] {escape(alarm)}")


def _day_cells(part: "Completeness") -> tuple[str, str]:
    missing = part.due_ns - part.playable_ns
    return share(part.share), span(missing) if missing else "-"


def _causes(part: "Completeness", recorder: str) -> str:
    told = [f"{span(gap_ns)} {cause.label}" for cause, gap_ns in part.gap_ns.items() if gap_ns]
    if part.unexplained_ns > 0:
        why = "not told yet" if recorder == "running" else "since the recorder stopped"
        told.append(f"{span(part.unexplained_ns)} {why}")
    return ", ".join(told)
