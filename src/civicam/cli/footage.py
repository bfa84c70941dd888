"""`civicam footage`: what there is and what is missing. Facts about footage, never footage."""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from civicam.cli.console import (
    DEFAULT_DATA,
    DataOption,
    JsonOption,
    console,
    folder,
    parse_when,
    say,
    say_json,
    share,
    size,
    span,
    when,
)
from civicam.core.errors import ConfigError
from civicam.core.ids import parse_camera_id

if TYPE_CHECKING:
    from civicam.catalogue.models import GapRow, Segment

app = typer.Typer(
    help="List what is recorded and what is missing. No command here gives out pictures.", no_args_is_help=True
)


@app.command("list")
def list_(
    camera: Annotated[str, typer.Argument(help="Only this camera.")] = "",
    from_: Annotated[str, typer.Option("--from", help="2026-03-01T12:00:05 (UTC), or -2h.")] = "-24h",
    to: Annotated[str, typer.Option("--to", help="The same; by default now.")] = "-0s",
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List segments and gaps, with the share of what was due that is playable.

    For example:

      civicam footage list rudaki-07 --from -2h
      civicam footage list --from 2026-03-01T08:00 --to 2026-03-01T09:00 --json
    """
    from civicam.app import City
    from civicam.core.clock import SystemClock

    now_ns = SystemClock().wall_ns()
    window = (parse_when(from_, now_ns, "--from"), parse_when(to, now_ns, "--to"))
    if window[0] >= window[1]:
        raise ConfigError("--from is not before --to", fix="both are UTC unless they say otherwise")
    with City.open(folder(data)).catalogue() as catalogue:
        streams = catalogue.streams()
        if camera:
            streams = [key for key in streams if key.camera == parse_camera_id(camera)]
            if not streams:
                raise ConfigError(f"the city never had a camera {camera}", fix="see `civicam camera list --removed`")
        found = [(key, catalogue.segments(key, window), catalogue.coverage(key, window)) for key in streams]
    if as_json:
        for key, segments, coverage in found:
            say_json(
                {
                    "stream": str(key),
                    "due_ns": coverage.due_ns,
                    "playable_ns": coverage.playable_due_ns,
                    "not_due_ns": coverage.playable_ns - coverage.playable_due_ns,
                    "unexplained_ns": coverage.unexplained_ns,
                    "segments": [_segment(segment) for segment in segments],
                    "gaps": [_gap(gap) for gap in coverage.gaps],
                }
            )
        return
    for key, segments, coverage in found:
        playable_ns = coverage.playable_due_ns
        part = playable_ns / coverage.due_ns if coverage.due_ns else 1.0
        say(f"{key}: {span(playable_ns)} playable, {share(part)} of what was due")
        if coverage.playable_ns > playable_ns:
            say(f"{key}: {span(coverage.playable_ns - playable_ns)} more is there and was not due")
        _show(segments, coverage.gaps)


def _show(segments: "list[Segment]", gaps: "list[GapRow]") -> None:
    from rich.table import Table

    from civicam.catalogue.models import GapRow

    table = Table("", "from", "to", "length", "size", "pictures", box=None, header_style="bold", padding=(0, 2, 0, 0))
    rows: list[Segment | GapRow] = sorted([*segments, *gaps], key=lambda row: row.start_wall_ns)
    for row in rows:
        length = span(row.end_wall_ns - row.start_wall_ns)
        ends = (when(row.start_wall_ns), when(row.end_wall_ns), length)
        if isinstance(row, GapRow):
            table.add_row(f"[red]gap[/], {row.cause.label}", *ends)
        else:
            state = "segment" if row.digest else "segment, being written"
            table.add_row(state, *ends, size(row.size_bytes), str(row.sample_count))
    console().print(table)


def _segment(row: "Segment") -> dict[str, object]:
    digest = row.digest.hex() if row.digest else None
    return {name: value for name, value in asdict(row).items() if name != "key"} | {"digest": digest}


def _gap(row: "GapRow") -> dict[str, object]:
    return {"start_wall_ns": row.start_wall_ns, "end_wall_ns": row.end_wall_ns, "cause": row.cause.label}
