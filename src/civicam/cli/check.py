"""`civicam check`: is everything there that was written, and is it what was written?"""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

import json
import os
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from civicam.cli.console import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    console,
    folder,
    progress_bar,
    say,
    say_json,
    share,
    size,
    span,
)

if TYPE_CHECKING:
    from civicam.app import City
    from civicam.upkeep.repair import RepairReport
    from civicam.upkeep.report import Report

_MOST_PROBLEMS = 100


def check(
    data: DataOption = DEFAULT_DATA,
    deep: Annotated[
        bool, typer.Option("--deep", help="Authenticate every fragment and decode every picture: reads all footage.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make the catalogue anew from the footage first; stop the recorder for it.")
    ] = False,
    deleted: Annotated[
        bool,
        typer.Option("--deleted", help="Look for what retention deleted; compare its receipts."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare catalogue and footage, both ways.

    Exit status: 0 all is well, 1 something is wrong, 2 no check was possible.

    A check only reads, and may run while cameras are recorded. What a repair cannot keep goes into quarantine; it never
    deletes footage.

    For example:

      civicam check                    minutes: files, sizes, indexes, the catalogue's story
      civicam check --deep             hours: every fragment opened, every picture decoded
      civicam check --deleted          is what was deleted gone, and does the ledger say so?
      civicam check --deep --repair    after a damaged disk or a lost catalogue
    """
    from civicam.app import City, recorder_lock
    from civicam.upkeep.repair import repair as rebuild

    city = City.open(folder(data))
    if deleted:
        raise typer.Exit(_look_for_deleted(city, as_json=as_json))
    mended: RepairReport | None = None
    with ExitStack() as held:
        if repair:
            held.enter_context(recorder_lock(city.data, is_repair=True))
            with progress_bar("repairing", quiet=as_json) as tell:
                mended = rebuild(
                    city.data.catalogue, city.volumes(), city.keyring(),
                    deep=deep, now_ns=_now_ns(), progress=lambda done: tell(done, None), threads=_threads(),
                )  # fmt: skip
        found = look(city, deep=deep, quiet=as_json)
    if as_json:
        say_json({"report": json.loads(found.to_json()), "repair": asdict(mended) if mended else None})
    else:
        if mended is not None:
            _show_repair(mended)
        show(found)
    raise typer.Exit(found.exit_status)


def _look_for_deleted(city: "City", *, as_json: bool) -> int:
    """Says what is left of what was deleted; returns the exit status."""
    from civicam.ledger.encoding import decode
    from civicam.ledger.log import LedgerFolder
    from civicam.ledger.published import read_published
    from civicam.upkeep.deleted import check_deleted

    reader = read_published(LedgerFolder(city.data.ledger)).reader
    with city.catalogue() as catalogue:
        found = check_deleted(catalogue, city.volumes(), lambda entry: decode(reader.entry(entry)))
    if as_json:
        say_json(asdict(found))
    else:
        for problem in found.problems[:_MOST_PROBLEMS]:
            say(problem)
        say(
            f"{found.deletions} segments were deleted in the last days: {found.receipts} receipts in the ledger,"
            f" {found.waiting} without one yet; {len(found.problems)} problems"
        )
    return 1 if found.problems else 0


def look(city: "City", *, deep: bool, quiet: bool) -> "Report":
    """Checks `city`, with a progress bar."""
    from civicam.upkeep.check import check as compare

    with city.catalogue() as catalogue, progress_bar("checking", quiet=quiet) as tell:
        return compare(
            catalogue, city.volumes(), city.keyring(),
            deep=deep, now_ns=_now_ns(), progress=tell, threads=_threads(),
        )  # fmt: skip


def show(found: "Report") -> None:
    """Prints what a check found."""
    from rich.markup import escape
    from rich.table import Table

    out = console()
    if found.problems:
        table = Table("what", "where", "particulars", "what to do", box=None, header_style="bold", padding=(0, 2, 0, 0))
        for problem in found.problems[:_MOST_PROBLEMS]:
            table.add_row(f"[red]{problem.kind}[/]", escape(problem.where), escape(problem.what), escape(problem.fix))
        out.print(table)
        if len(found.problems) > _MOST_PROBLEMS:
            say(f"… and {len(found.problems) - _MOST_PROBLEMS} more; --json has them all")
    due = sum(stream.due_ns for stream in found.streams)
    playable = sum(stream.playable_ns for stream in found.streams)
    gaps: dict[str, int] = {}
    for stream in found.streams:
        for cause, gap_ns in stream.gap_ns.items():
            gaps[cause] = gaps.get(cause, 0) + gap_ns
    missing = ", ".join(f"{span(gap_ns)} {cause}" for cause, gap_ns in gaps.items() if gap_ns)
    say(
        f"{found.segment_count} segments of {len(found.streams)} streams, {size(found.size_bytes)}"
        f" in {found.file_count} files"
        + (
            f"; {found.fragment_count} fragments opened, {found.decoded_count} pictures decoded"
            if found.is_deep
            else ""
        )
    )
    say(f"{span(playable)} playable of {span(due)} due: {share(min(1.0, playable / due) if due else 1.0)}"
        f" (missing: {missing or 'nothing'})")  # fmt: skip
    verdict = "[green]all is well[/]" if found.is_good else f"[bold red]{len(found.problems)} problems[/]"
    out.print(verdict + (" (cameras are being recorded; their last seconds were left out)" if found.is_live else ""))


def _show_repair(mended: "RepairReport") -> None:
    say(f"the catalogue was made anew: {mended.segment_count} segments")
    for title, names in (
        ("closed what a crash left open", mended.recovered),
        ("in quarantine", mended.quarantined),
        ("left alone, their key is missing", mended.unreadable),
        ("streams known from their footage only; give them an address again", mended.recreated),
        ("could not be read of the old catalogue", mended.losses),
    ):
        if names:
            say(f"{title}: {len(names)}")
            for name in names[:20]:
                say(f"  {name}")
    if mended.kept_as:
        say(f"the old catalogue is kept as {mended.kept_as}")


def _threads() -> int:
    return os.cpu_count() or 1


def _now_ns() -> int:
    from civicam.core.clock import SystemClock

    return SystemClock().wall_ns()
