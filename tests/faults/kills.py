"""Kills workers and the whole recorder at random moments, under load, and proves after it what was lost and what not.

    python -m tests.faults.kills --kills 200 --seed 7 --cameras 8

The same seed gives the same kills at the same moments after each start.
"""

import argparse
import json
import random
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from civicam.catalogue.catalogue import Catalogue
from civicam.city.sent import SentFrame
from civicam.core.ids import CameraId, GapCause
from tests.fakes.house import CLOCK, House, main_stream
from tests.faults.city_process import CityProcess
from tests.faults.proof import Proof, prove
from tests.faults.system_process import SystemProcess

_WORKERS = 2
_STARTING_SHARE = 0.3
_ON_THE_WAY_NS = 500_000_000
"""How long a frame may be on its way to a recorder that is asked to stop, on a machine that has much to do."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill.

    Attributes:
        number: from 1.
        worker: which worker; None for supervisor and workers at once.
        wall_ns: when.
    """

    number: int
    worker: int | None
    wall_ns: int

    def hits(self, camera: CameraId) -> bool:
        """Whether it is the camera's recorder that dies."""
        return self.worker is None or zlib.crc32(camera.encode()) % _WORKERS == self.worker


@dataclass(frozen=True, slots=True)
class Loss:
    """What one camera lost by one kill.

    Attributes:
        frames: frames sent until the kill, on a connection that the recorder had, and not recorded.
        fragments: fragments that these belong to: 1 is the one in hand.
        seconds: from the first such frame to the kill.
        late_s: with more than one fragment, from the last one's key frame to the kill: how long the one before had
            been complete and was not in a file.
    """

    frames: int
    fragments: int
    seconds: float
    late_s: float


@dataclass(slots=True)
class Outcome:
    """What came of it.

    Attributes:
        kills: in order.
        losses: what each kill cost each camera that was being recorded.
        problems: what must not be.
        proof: the last look at everything.
    """

    kills: list[Kill] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    proof: Proof = field(default_factory=Proof)

    def summary(self) -> dict[str, object]:
        """The figures."""
        return {
            "kills": len(self.kills),
            "of a worker": sum(kill.worker is not None for kill in self.kills),
            "of everything": sum(kill.worker is None for kill in self.kills),
            "cameras cut off": len(self.losses),
            "by fragments lost": dict(sorted(Counter(loss.fragments for loss in self.losses).items())),
            "most frames lost": max((loss.frames for loss in self.losses), default=0),
            "most seconds lost": round(max((loss.seconds for loss in self.losses), default=0), 3),
            "longest complete and unwritten, s": round(max((loss.late_s for loss in self.losses), default=0), 3),
            "segments": self.proof.segments,
            "samples compared": self.proof.samples,
            "problems": len(self.problems),
        }


class Trial:
    """A city, a recorder, and a seed."""

    def __init__(self, folder: Path, seed: int, cameras: int) -> None:
        self._rng = random.Random(seed)
        self._folder = folder
        self._city = CityProcess(folder / "sent.jsonl", cameras, seed)
        self._house = House.build(folder / "house", segment_s=3, sync_interval_s=0.3)
        self._house.add(self._city.urls)
        self._plan = self._house.plan(_WORKERS)
        self._stops_ns: list[int] = []
        self.outcome = Outcome()

    def run(self, kills: int, look_every: int, say: Callable[[str], None]) -> Outcome:
        """Kills, with a clean stop and a look at everything after each `look_every` kills and at the end."""
        with self._city:
            while len(self.outcome.kills) < kills:
                self._round(min(look_every, kills - len(self.outcome.kills)))
                self._look()
                say(f"{json.dumps(self.outcome.summary())}\n")
        return self.outcome

    def _round(self, kills: int) -> None:
        system = SystemProcess(self._plan, self._folder)
        for _ in range(kills):
            worker = self._rng.choice((None, self._rng.randrange(_WORKERS)))
            # A good part of the kills comes while a recorder starts, and finishes what the one before left.
            is_starting = self._rng.random() < _STARTING_SHARE
            time.sleep(self._rng.uniform(0.05, 1.5) if is_starting else self._rng.uniform(1.5, 6))
            at_ns = system.kill() if worker is None else system.kill_worker(worker)
            self.outcome.kills.append(Kill(len(self.outcome.kills) + 1, worker, at_ns))
            if worker is None:
                system = SystemProcess(self._plan, self._folder)
        self._wait_until_all_are_recorded(system)
        self._stops_ns.append(system.stop())

    def _wait_until_all_are_recorded(self, system: SystemProcess, within_s: float = 60) -> None:
        since_ns, deadline = time.time_ns(), time.monotonic() + within_s
        while True:
            with self._house.catalogue as catalogue:
                ends = [catalogue.last_segment_end(main_stream(camera)) or 0 for camera in self._city.urls]
            if min(ends) > since_ns:
                return
            assert time.monotonic() < deadline, "not every camera is recorded again"
            time.sleep(0.3)

    def _look(self) -> None:
        time.sleep(1.5)  # the city writes its log once a second
        self._city.read()
        house = self._house
        proof = prove(
            house.root / "catalogue.sqlite", [house.volume], house.keyring, self._city.sent, now_ns=CLOCK.wall_ns()
        )
        outcome = self.outcome
        outcome.proof, outcome.losses = proof, []
        outcome.problems += [problem for problem in proof.problems if problem not in outcome.problems]
        with house.catalogue as catalogue:
            for camera, frames in self._city.sent.items():
                self._plays(camera, frames, proof.recorded[camera])
                self._gaps(catalogue, camera)

    def _plays(self, camera: CameraId, frames: list[SentFrame], recorded: set[int]) -> None:
        """Of each connection everything is there up to some frame, and nothing of what follows."""
        numbered = enumerate(frames)
        for _, play in groupby(numbered, lambda pair: pair[1].ssrc):
            sent = list(play)
            missing = [(number, frame) for number, frame in sent if number not in recorded]
            if not missing:
                continue
            if any(number in recorded for number, _ in sent if number > missing[0][0]):
                self._problem(f"{camera}: frames are missing within what was recorded, from {missing[0][1]}")
            kill = next(
                (kill for kill in self.outcome.kills if kill.hits(camera) and kill.wall_ns >= sent[0][1].wall_ns), None
            )
            if kill is None or any(sent[0][1].wall_ns <= stop < kill.wall_ns for stop in self._stops_ns):
                stop_ns = next((stop for stop in self._stops_ns if stop >= sent[0][1].wall_ns), 0)
                early = [frame for _, frame in missing if frame.wall_ns < stop_ns - _ON_THE_WAY_NS]
                if early:
                    self._problem(f"{camera}: {len(early)} frames are missing without a kill, from {early[0]}")
                continue
            self._lost(kill, [frame for _, frame in missing if frame.wall_ns <= kill.wall_ns])

    def _lost(self, kill: Kill, lost: list[SentFrame]) -> None:
        if not lost:
            return
        keys = [frame for frame in lost if frame.is_key]
        late_s = (kill.wall_ns - keys[-1].wall_ns) / 1e9 if len(keys) > 1 else 0.0
        loss = Loss(len(lost), len(keys), (kill.wall_ns - lost[0].wall_ns) / 1e9, late_s)
        self.outcome.losses.append(loss)

    def _gaps(self, catalogue: Catalogue, camera: CameraId) -> None:
        """Every kill stands in a gap that says so."""
        gaps = catalogue.gaps(main_stream(camera))
        for kill in self.outcome.kills:
            if not kill.hits(camera):
                continue
            around = [gap for gap in gaps if gap.start_wall_ns <= kill.wall_ns <= gap.end_wall_ns]
            # Killed before anything was recorded since a clean stop, or ever: nothing was cut off.
            is_still_stopped = all(gap.cause is GapCause.SHUT_DOWN for gap in around)
            if not around or not (is_still_stopped or any(gap.cause is GapCause.CRASH for gap in around)):
                self._problem(f"{camera}: kill {kill} is not told as a crash: {around}")

    def _problem(self, text: str) -> None:
        if text not in self.outcome.problems:
            self.outcome.problems.append(text)


def main() -> int:
    """Runs a trial; 1 if something was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--look-every", type=int, default=25)
    parser.add_argument("--folder", type=Path, help="kept afterwards; a temporary one otherwise")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        trial = Trial(folder, given.seed, given.cameras)
        outcome = trial.run(given.kills, given.look_every, sys.stderr.write)
    sys.stdout.write(json.dumps({"seed": given.seed, **outcome.summary()}, indent=1) + "\n")
    sys.stdout.writelines(f"{problem}\n" for problem in outcome.problems)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
