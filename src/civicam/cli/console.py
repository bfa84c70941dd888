"""What commands share: options, and how they speak."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from civicam.config import DataFolder
from civicam.core.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

DataOption = Annotated[
    Path, typer.Option("--data", envvar="CIVICAM_DATA", help="The city's folder.", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
DEFAULT_DATA = Path("civicam-data")


def folder(data: Path) -> DataFolder:
    """The city's folder."""
    return DataFolder(data)


def command_name() -> str:
    """How this program can be called again from here: `civicam`, or its path where the shell does not find it."""
    called = Path(sys.argv[0])
    if called.name != "civicam":
        return f"{sys.executable} -m civicam.cli"
    found = shutil.which("civicam")
    return "civicam" if found and called.exists() and Path(found).samefile(called) else str(called)


def say(text: str = "") -> None:
    """Prints a line."""
    sys.stdout.write(text + "\n")


def printable(text: str) -> str:
    """A line with what a terminal would act upon written out: what comes from a file must not write on the screen."""
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)


def warn(text: str) -> None:
    """Prints a line to stderr."""
    sys.stderr.write(text + "\n")


def say_json(value: object) -> None:
    """Prints one JSON document on one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def console(*, stderr: bool = False) -> "Console":
    """For tables and colours; plain text where the output is no terminal."""
    from rich.console import Console  # noqa: PLC0415 - not needed for --help and --json

    made = Console(stderr=stderr, highlight=False)
    if not made.is_terminal:
        made.width = max(made.width, 160)
    return made


def size(count: float) -> str:
    """Bytes for people: `3.2 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def rate(bits_per_s: float) -> str:
    """Bits a second for people: `512 kbit/s`."""
    return f"{bits_per_s / 1e6:.2f} Mbit/s" if bits_per_s >= 1e6 else f"{bits_per_s / 1e3:.0f} kbit/s"


def share(value: float) -> str:
    """A part of one as per cent. Never rounded up to 100 %: that is said only of what is whole."""
    shown = int(value * 10_000) / 100
    return "100 %" if value >= 1 else f"{shown:.2f} %"


def span(ns: float) -> str:
    """A duration for people: `0.4 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    seconds = ns / 1e9
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = timedelta(seconds=round(seconds))
    minutes, rest = divmod(whole.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if whole.days:
        return f"{whole.days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def when(wall_ns: int) -> str:
    """A moment in UTC: `2026-03-01 12:00:05Z`."""
    return datetime.fromtimestamp(wall_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def parse_when(text: str, now_ns: int, option: str) -> int:
    """A moment that a person typed: `2026-03-01T12:00:05`, `2026-03-01`, or `-2h` (that long ago); UTC unless it says.

    Raises:
        ConfigError: it is none of these.
    """
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    try:
        if text.startswith("-") and text[-1] in units:
            return now_ns - int(float(text[1:-1]) * units[text[-1]] * 1e9)
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e9)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{text!r} is no moment", where=option, fix="write 2026-03-01T12:00:05 (UTC), or -2h for two hours ago"
        ) from None


@contextmanager
def progress_bar(what: str, *, quiet: bool, unit: str = "files") -> Iterator[Callable[[int, int | None], None]]:
    """A bar on stderr, on a terminal; gives what is told of how much is done, and of how much there is."""
    out = console(stderr=True)
    if quiet or not out.is_terminal:
        yield lambda _done, _total: None
        return
    from rich.progress import (  # noqa: PLC0415 - see above
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    counted = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), counted, TextColumn(unit), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
