"""What redaction leaves clear and what it covers needlessly, on pictures with known ground truth, beside MOG2 and KNN.

`python -m bench.redaction --json results.json`. The scenes are drawn, coded as H.264 at 0.5 Mbit/s and decoded again.
MOG2 and KNN run in a process and an environment of their own (`uv run --no-project`), since their library is not, and
must not become, one of civicam's. On real clips there is no ground truth; there what each pixel is most often stands in
for it.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.measure import machine
from bench.redaction_scenes import CASES, FPS, Case, Shot, clip, shots
from bench.subtractors import Subtractor, is_available
from civicam.redaction.redacted import CELL_PX
from civicam.redaction.redactor import Redactor
from civicam.redaction.settings import RedactionSettings

Pixels = NDArray[np.bool_]

SEEDS = (11, 12)
_LEAST_PX = 40
"""Objects of fewer visible pixels of 640x360 are counted by their pixels only."""
_CLIPS = Path("../shared/footage")


@dataclass(slots=True)
class Score:
    """The figures of one way of covering in one case.

    Attributes:
        moving_clear: share of pixels of who or what moves that were left clear.
        standing_clear: the same of those who stand.
        clear: the same of both.
        poor_objects: share of objects (one in one picture) of which less than 90 % was covered.
        longest_poor_s: the longest time for which one object was so in each picture.
        background: share of the background that was covered.
        whole: share of pictures that were covered as a whole.
        ms: milliseconds of a core a picture.
    """

    moving_clear: float = 0.0
    standing_clear: float = 0.0
    clear: float = 0.0
    poor_objects: float = 0.0
    longest_poor_s: float = 0.0
    background: float = 0.0
    whole: float = 0.0
    ms: float = 0.0


@dataclass(slots=True)
class Tally:
    """Counts what was covered, picture by picture."""

    pixels: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    poor_run: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    longest: int = 0
    seconds: float = 0.0

    def add(self, shot: Shot, covered: Pixels, *, whole: bool) -> None:
        """A viewed picture and what of it was covered."""
        assert shot.truth is not None
        ids, count = shot.truth.ids, self.pixels
        size = int(ids.max()) + 1
        seen = np.bincount(ids.ravel(), minlength=size)
        clear = np.bincount(ids[~covered], minlength=size)
        count["pictures"] += 1
        count["whole"] += whole
        count["background"] += int(seen[0])
        count["background covered"] += int(seen[0] - clear[0])
        poor: set[int] = set()
        for one in (np.flatnonzero(seen[1:]) + 1).tolist():
            what = "moving" if one in shot.truth.moving else "standing"
            count[what] += int(seen[one])
            count[f"{what} clear"] += int(clear[one])
            if seen[one] >= _LEAST_PX:
                count["objects"] += 1
                if clear[one] > 0.1 * seen[one]:
                    count["poor"] += 1
                    poor.add(one)
        for one in poor:
            self.poor_run[one] += 1
            self.longest = max(self.longest, self.poor_run[one])
        for one in set(self.poor_run) - poor:
            del self.poor_run[one]

    def score(self) -> Score:
        """The shares."""
        count = self.pixels

        def share(part: int, whole: int) -> float:
            return part / whole if whole else 0.0

        return Score(
            moving_clear=share(count["moving clear"], count["moving"]),
            standing_clear=share(count["standing clear"], count["standing"]),
            clear=share(count["moving clear"] + count["standing clear"], count["moving"] + count["standing"]),
            poor_objects=share(count["poor"], count["objects"]),
            longest_poor_s=self.longest / FPS,
            background=share(count["background covered"], count["background"]),
            whole=share(count["whole"], count["pictures"]),
            ms=1000 * share_s(self.seconds, count["pictures"]),
        )


def share_s(seconds: float, pictures: int) -> float:
    return seconds / pictures if pictures else 0.0


def ours(pictures: Iterable[Shot], settings: RedactionSettings) -> tuple[Score, Tally]:
    """Runs the redactor over a case. What counts as covered is what was covered, by the cells that it names."""
    redactor, tally = Redactor(settings), Tally()
    for shot in pictures:
        if shot.truth is None:
            redactor.learn(shot.picture)
            continue
        began = time.process_time()
        redacted = redactor.redact(shot.picture)
        tally.seconds += time.process_time() - began
        tally.add(shot, as_pixels(redacted.covered, shot.picture.size), whole=redacted.reason is not None)
    return tally.score(), tally


def theirs(name: str, pictures: Iterable[Shot]) -> tuple[Score, Tally]:
    """Runs a subtractor with its own defaults over the same pictures; what it calls foreground is covered."""
    tally = Tally()
    with Subtractor(name) as subtractor:
        for shot in pictures:
            mask = subtractor.apply(shot.picture)
            if shot.truth is not None:
                tally.add(shot, mask, whole=False)
    return tally.score(), tally


def as_pixels(cells: Pixels, size: tuple[int, int]) -> Pixels:
    """The cells' pixels."""
    width, height = size
    return np.repeat(np.repeat(cells, CELL_PX, 0)[:height], CELL_PX, 1)[:, :width]


def all_scores(cases: Iterable[Case], seeds: list[int], ways: list[str]) -> Iterator[dict[str, object]]:
    """Yields a row for each case and way of covering, all seeds together."""
    settings = RedactionSettings()
    for case in cases:
        for way in ways:
            tallies = []
            for seed in seeds:
                pictures = shots(case, seed)
                tallies.append((ours(pictures, settings) if way == "civicam" else theirs(way, pictures))[1])
            score = merged(tallies).score()
            yield {"case": case.name, "by": way, "most_background": case.most_background} | asdict(score)


def merged(tallies: list[Tally]) -> Tally:
    """One tally of several."""
    whole = Tally()
    for tally in tallies:
        whole.seconds += tally.seconds
        whole.longest = max(whole.longest, tally.longest)
        for name, value in tally.pixels.items():
            whole.pixels[name] += value
    return whole


def clip_score(path: Path) -> dict[str, object]:
    """A clip's figures.

    In place of truth: pixels that differ by over 30 steps of luma from what they are most often, the light of the whole
    picture apart.
    """
    redactor = Redactor(RedactionSettings())
    learned, viewed = clip(path, lead_s=redactor.settings.bootstrap_s + 60)
    usual = most_frequent(np.stack([one.y for one in viewed[:: max(1, len(viewed) // 100)]]))
    for picture in learned:
        redactor.learn(picture)
    counts: dict[str, int] = defaultdict(int)
    for picture in viewed:
        redacted = redactor.redact(picture)
        covered = as_pixels(redacted.covered, picture.size)
        away = picture.y.astype(np.int16) - usual
        differs = np.abs(away - np.median(away)) > 30  # the light of all of it apart
        counts["clear"] += int(np.count_nonzero(differs & ~covered))
        counts["differs"] += int(np.count_nonzero(differs))
        counts["covered"] += int(np.count_nonzero(covered & ~differs))
        counts["rest"] += int(np.count_nonzero(~differs))
        counts["whole"] += redacted.reason is not None
    return {
        "clip": path.name,
        "pictures": len(viewed),
        "whole": counts["whole"] / len(viewed),
        "differing_clear": counts["clear"] / max(1, counts["differs"]),
        "rest_covered": counts["covered"] / max(1, counts["rest"]),
    }


def most_frequent(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The luma that each pixel has most often, to 16 steps. A median would show who stands half of the time."""
    bins = pictures >> 4
    counts = np.stack([(bins == number).sum(axis=0) for number in range(16)])
    usual = bins == counts.argmax(axis=0)
    return np.asarray((pictures * usual).sum(axis=0) / usual.sum(axis=0))


def table(rows: list[dict[str, object]]) -> Table:
    """The rows, for reading."""
    shown = Table(title="Left clear, and covered needlessly (%)")
    names = ("moving_clear", "standing_clear", "clear", "poor_objects", "longest_poor_s", "background", "whole", "ms")
    for column in ("case", "by", *names):
        shown.add_column(column, justify="left" if column in ("case", "by") else "right")
    for row in rows:
        cells = [
            f"{float(str(row[name])):.2f}" if name in ("longest_poor_s", "ms") else f"{100 * float(str(row[name])):.3f}"
            for name in names
        ]
        shown.add_row(str(row["case"]), str(row["by"]), *cells)
    return shown


def main(arguments: list[str]) -> None:
    """Runs what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="where the results go, with the machine they were read on")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    parser.add_argument("--cases", default="", help="only those whose names contain this")
    parser.add_argument("--by", default="civicam,MOG2,KNN", help="which of these cover")
    chosen = parser.parse_args(arguments)
    seeds = [int(seed) for seed in chosen.seeds.split(",")]
    cases = [case for case in CASES if chosen.cases in case.name]
    ways = [way for way in chosen.by.split(",") if way == "civicam" or is_available()]
    rows, console = [], Console(width=150)
    for row in all_scores(cases, seeds, ways):
        rows.append(row)
        console.print({key: round(value, 5) if isinstance(value, float) else value for key, value in row.items()})
    console.print(table(rows))
    clips = (
        [clip_score(path) for path in sorted(_CLIPS.glob("*.mp4"))] if not chosen.cases and "civicam" in ways else []
    )
    for one in clips:
        console.print(one)
    if chosen.json:
        result = {"machine": asdict(machine(Path())), "seeds": seeds, "rows": rows, "clips": clips}
        chosen.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
