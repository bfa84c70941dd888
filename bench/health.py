"""How surely tampering with a camera is found, and how often it is claimed where there is none.

`python -m bench.health --json health.json`. Each simulated camera lives through a day: night, dawn, day, clouds, rain,
a swinging mount, dusk, night again, each an eighth of it; each key is coded and decoded as a camera's small stream is.
A day lasts `--hours`: 24 with a key every 10 s (`--every`) take a quarter of an hour a camera. The shorter day of
40 minutes, with a key every 4 s, is harder on the watch, which learns slow changes as scene: light changes 36 times as
fast as it does. Every event of an untouched day is a false alarm.

Then, from the state that the watch had at the end of each part, every fault is done to the camera for a minute and
mended: found means that the right event, and no other, was there within that minute; ended, that it was gone within a
minute after. The real clips of `../shared/footage` are treated the same way, over and over as they are short.
"""

import argparse
import copy
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.measure import machine
from civicam.city.conditions import DAY, NIGHT, OVERCAST, RAIN, Conditions
from civicam.city.draw import Renderer
from civicam.redaction.picture import Picture, Plane
from civicam.vision.appearance import SceneReference, change_between, look_at
from civicam.vision.health import HealthEvent, HealthKind, HealthWatch
from tests.fakes.altered import (
    CLIPS,
    SECOND_NS,
    START_NS,
    Alter,
    KeyCoder,
    blurred,
    clip,
    darkened,
    frozen,
    has_clip,
    moved,
    overexposed,
    painted,
)

_TRIAL_EVERY_S = 4.0
_CHUNK_S = 300.0
"""Traffic is planned for so long at a time: the plan's cost grows faster than its length."""
_MINUTE_KEYS = 15
_PARTS: tuple[tuple[str, Conditions], ...] = (
    ("night", NIGHT),
    ("dawn", Conditions(light=0.0, light_end=1.0, sun=0.1)),
    ("day", DAY),
    ("overcast", OVERCAST),
    ("rain", RAIN),
    ("swinging mount", Conditions(sun=0.0, shake_px=6)),
    ("dusk", Conditions(light=1.0, light_end=0.0, sun=0.1)),
    ("night again", NIGHT),
)
_FAULTS: tuple[tuple[str, HealthKind, Callable[[], Alter]], ...] = (
    ("painted over", HealthKind.COVERED, lambda: painted(1.0)),
    ("painted black", HealthKind.COVERED, lambda: painted(1.0, 16)),
    ("two thirds painted over", HealthKind.COVERED, lambda: painted(0.66)),
    ("half painted over", HealthKind.COVERED, lambda: painted(0.5)),
    ("blurred, radius 2 px", HealthKind.DEFOCUSED, lambda: blurred(2)),
    ("blurred, radius 4 px", HealthKind.DEFOCUSED, lambda: blurred(4)),
    ("blurred, radius 10 px", HealthKind.DEFOCUSED, lambda: blurred(10)),
    ("moved by 12 px", HealthKind.MOVED, lambda: moved(12)),
    ("moved by 60 px", HealthKind.MOVED, lambda: moved(60, -20)),
    ("moved by 150 px", HealthKind.MOVED, lambda: moved(-150)),
    ("frozen", HealthKind.FROZEN, frozen),
    ("8 % of the light", HealthKind.TOO_DARK, lambda: darkened(0.08)),
    ("overexposed 4 times", HealthKind.BLINDED, lambda: overexposed(4)),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """A fault done to a camera.

    Attributes:
        camera: which.
        part: of the day.
        fault: what was done.
        found_s: from the fault to its event, None if it was not found within a minute, or another was found, too.
        said: all that was found.
        ended: after it was mended, it was gone within a minute.
    """

    camera: str
    part: str
    fault: str
    found_s: float | None
    said: list[str]
    ended: bool


@dataclass(slots=True)
class CameraDay:
    """What came of one camera.

    Attributes:
        camera: which.
        keys: how many it gave, untouched.
        hours: for how long, in its own time.
        false_alarms: events of the untouched camera: what, in which part.
        trials: what was done to it.
        look_ms: what it took to look at a key and compare it, median.
    """

    camera: str
    keys: int = 0
    hours: float = 0.0
    false_alarms: list[tuple[str, str]] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    look_ms: float = 0.0


class _Camera:
    """Gives coded keys, so far apart in its own time."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._coder = KeyCoder(size)
        self.now_ns = START_NS

    def keys(
        self, lumas: Iterable[Plane], alter: Alter | None = None, every_s: float = _TRIAL_EVERY_S
    ) -> Iterator[Picture]:
        for luma in lumas:
            self.now_ns += round(every_s * SECOND_NS)
            yield self._coder.coded(alter(luma) if alter else luma, self.now_ns)


def _seen(watch: HealthWatch, pictures: Iterator[Picture]) -> list[HealthEvent]:
    return [event for picture in pictures for event in watch.see(picture)]


def _trials(camera: _Camera, name: str, part: str, watch: HealthWatch, lumas: list[Plane]) -> Iterator[Trial]:
    """Every fault, each from the same state; `lumas` are two minutes."""
    for fault, kind, make in _FAULTS:
        tampered, start_ns = copy.deepcopy(watch), camera.now_ns
        found_s, said, alter = None, list[str](), make()
        for picture in camera.keys(lumas[:_MINUTE_KEYS], alter):
            for event in tampered.see(picture):
                said.append(event.kind.value)
                if event.kind is kind and found_s is None:
                    found_s = (picture.wall_ns - start_ns) / SECOND_NS
        _seen(tampered, camera.keys(lumas[_MINUTE_KEYS : 2 * _MINUTE_KEYS]))
        is_right = set(said) == {kind.value}
        yield Trial(name, part, fault, found_s if is_right else None, said, ended=not tampered.lasting)
        camera.now_ns = start_ns


@dataclass(frozen=True, slots=True)
class _Day:
    """How long a simulated day lasts, and how far apart its keys are, in seconds."""

    length_s: float
    every_s: float

    @property
    def part_s(self) -> float:
        return self.length_s / len(_PARTS)


def _drawn(kind: str, seed: int, conditions: Conditions, length_s: float, every_s: float) -> Iterator[Plane]:
    """The lumas of one part of a day, drawn as many short loops of the same place with ever new traffic."""
    chunks = max(1, round(length_s / _CHUNK_S))
    count = max(2, round(length_s / chunks / every_s))
    for chunk in range(chunks):
        drawn = Renderer(
            kind,
            seed,
            width=640,
            height=360,
            fps=1 / every_s,
            frames=count,
            conditions=replace(
                conditions,
                light=conditions.light_at(chunk / chunks),
                light_end=conditions.light_at((chunk + 1) / chunks),
            ),
            barcode=False,
            traffic_seed=seed if not chunk else 1000 * seed + chunk,
        )
        for number in range(count):
            yield drawn.frame(number).picture.luma


def _simulated_day(kind: str, seed: int, lasting: _Day) -> CameraDay:
    name = f"{kind} {seed}"
    day, camera, watch = CameraDay(name), _Camera((640, 360)), HealthWatch()
    lumas: list[Plane] = []
    for part, conditions in _PARTS:
        for picture in camera.keys(
            _drawn(kind, seed, conditions, lasting.part_s, lasting.every_s), every_s=lasting.every_s
        ):
            day.keys += 1
            day.false_alarms += [(event.kind.value, part) for event in watch.see(picture)]
        end = conditions.light_at(1.0)
        after = replace(conditions, light=end, light_end=end)
        lumas = list(_drawn(kind, seed, after, 2 * _MINUTE_KEYS * _TRIAL_EVERY_S, _TRIAL_EVERY_S))
        day.trials += _trials(camera, name, part, watch, lumas)
    day.hours = day.keys * lasting.every_s / 3600
    day.look_ms = _cost(lumas)
    return day


def _real_camera(source: str) -> CameraDay:
    lumas = list(clip(source, 1.0))
    height, width = lumas[0].shape
    day, camera, watch = CameraDay(source), _Camera((width, height)), HealthWatch()
    back_and_forth = (lumas + lumas[-2:0:-1]) * 8
    day.false_alarms += [
        (event.kind.value, "real") for event in _seen(watch, camera.keys(back_and_forth[: max(150, len(lumas))]))
    ]
    day.keys = max(150, len(lumas))
    day.hours = day.keys * _TRIAL_EVERY_S / 3600
    day.trials += _trials(camera, source, "real", watch, back_and_forth[day.keys :][: 2 * _MINUTE_KEYS])
    day.look_ms = _cost(lumas)
    return day


def _cost(lumas: list[Plane]) -> float:
    """Milliseconds for one key, median."""
    pictures = list(_Camera((lumas[0].shape[1], lumas[0].shape[0])).keys(lumas[:20]))
    first = look_at(pictures[0])
    assert first is not None
    scene, taken_ms = SceneReference(first, 300.0), []
    for picture in pictures:
        begin = time.process_time()
        look = look_at(picture)
        assert look is not None
        scene.compare(look)
        change_between(first, look)
        scene.learn(look, 4.0)
        taken_ms.append((time.process_time() - begin) * 1000)
    return statistics.median(taken_ms)


def _print(console: Console, days: list[CameraDay]) -> None:
    trials = [trial for day in days for trial in day.trials]
    parts = list(dict.fromkeys(trial.part for trial in trials))
    table = Table("done to the camera", *parts, "found", "after, s (median, most)", "ended", title="Found within 60 s")
    for fault, _, _ in _FAULTS:
        own = [trial for trial in trials if trial.fault == fault]
        found = [trial.found_s for trial in own if trial.found_s is not None]
        by_part = [[trial for trial in own if trial.part == part] for part in parts]
        table.add_row(
            fault,
            *(f"{sum(one.found_s is not None for one in some)}/{len(some)}" for some in by_part),
            f"{len(found)}/{len(own)}",
            f"{statistics.median(found):.0f}, {max(found):.0f}" if found else "-",
            f"{sum(trial.ended for trial in own)}/{len(own)}",
        )
    console.print(table)
    hours = sum(day.hours for day in days)
    alarms = [f"{day.camera}: {what} ({part})" for day in days for what, part in day.false_alarms]
    console.print(f"{len(alarms)} false events in {hours:.1f} camera-hours of {len(days)} cameras", *alarms, sep="\n  ")
    for trial in trials:
        if trial.found_s is None or not trial.ended:
            console.print(f"  {trial.camera}, {trial.part}, {trial.fault}: said {trial.said}, ended {trial.ended}")
    console.print(f"a key takes {statistics.median(day.look_ms for day in days):.2f} ms at 640x360")


def main() -> None:
    options = argparse.ArgumentParser(prog="bench.health", description="Finds tampering with cameras.")
    options.add_argument("--json", type=Path, help="write the results here")
    options.add_argument("--hours", type=float, default=2 / 3, help="how long a simulated day lasts")
    options.add_argument("--every", type=float, default=4.0, help="seconds between two keys of an untouched day")
    options.add_argument("--seeds", type=int, default=2, help="cameras of each kind of place")
    options.add_argument("--processes", type=int, default=2)
    chosen = options.parse_args()
    where = machine(Path.cwd())
    lasting = _Day(chosen.hours * 3600, chosen.every)
    with ProcessPoolExecutor(chosen.processes) as pool:
        jobs = [
            pool.submit(_simulated_day, kind, 3 + seed, lasting)
            for seed in range(chosen.seeds)
            for kind in ("crossroads", "street", "square")
        ]
        jobs += [pool.submit(_real_camera, source) for source in CLIPS if has_clip(source)]
        finished = track(as_completed(jobs), "cameras", len(jobs), console=Console(stderr=True))
        days = sorted((job.result() for job in finished), key=lambda day: day.camera)
    console = Console(width=200)
    console.print(str(where))
    _print(console, days)
    if chosen.json:
        report = {
            "machine": where.as_json(),
            "hours": chosen.hours,
            "every_s": chosen.every,
            "days": [asdict(day) for day in days],
        }
        chosen.json.write_text(json.dumps(report, indent=1))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
