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
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
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
_ENDED_WITHIN_NS = 5_000_000_000
_ON_THE_WAY_NS = 500_000_000
"""How long a frame may be on its way to a recorder that is asked to stop, on a machine that has much to do."""


class Victim(StrEnum):
    """What is killed."""

    WORKER = "a worker"
    EVERYTHING = "everything"
    """supervisor and workers at once"""
    SUPERVISOR = "the supervisor"
    """alone: its workers notice, finish what they have, and end"""


_VICTIMS = (Victim.WORKER,) * 5 + (Victim.EVERYTHING,) * 4 + (Victim.SUPERVISOR,)


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill.

    Attributes:
        number: from 1.
        what: what was killed.
        worker: which worker, if one was.
        wall_ns: when.
    """

    number: int
    what: Victim
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
            "of": dict(Counter(kill.what for kill in self.kills)),
            "cameras cut off": len(self.losses),
            "by fragments lost": dict(sorted(Counter(loss.fragments for loss in self.losses).items())),
            "most frames lost": max((loss.frames for loss in self.losses), default=0),
            "most seconds lost": round(max((loss.seconds for loss in self.losses), default=0), 3),
            "longest complete and unwritten, s": round(max((loss.late_s for loss in self.losses), default=0), 3),
            "segments": self.proof.segments,
            "samples compared": self.proof.samples,
            "problems": len(self.problems),
        }


def wait_until_recorded(house: House, cameras: Iterable[CameraId], within_s: float = 60) -> None:
    """Waits until every camera has durable footage that was taken after this moment."""
    since_ns, deadline = time.time_ns(), time.monotonic() + within_s
    while True:
        with house.catalogue as catalogue:
            ends = [catalogue.last_segment_end(main_stream(camera)) or 0 for camera in cameras]
        if min(ends) > since_ns:
            return
        assert time.monotonic() < deadline, "not every camera is recorded again"
        time.sleep(0.3)


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

    def run(self, kills: int, look_every: int, say: Callable[[str], object]) -> Outcome:
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
            what, worker = self._rng.choice(_VICTIMS), self._rng.randrange(_WORKERS)
            # A good part of the kills comes while a recorder starts, and finishes what the one before left.
            is_starting = self._rng.random() < _STARTING_SHARE
            time.sleep(self._rng.uniform(0.05, 1.5) if is_starting else self._rng.uniform(1.5, 6))
            system = self._kill(system, what, worker)
        wait_until_recorded(self._house, self._city.urls)
        self._stops_ns.append(system.stop())

    def _kill(self, system: SystemProcess, what: Victim, worker: int) -> SystemProcess:
        """Kills, and returns the recorder that runs then."""
        if what is Victim.WORKER:
            at_ns = system.kill_worker(worker)
        elif what is Victim.EVERYTHING:
            at_ns = system.kill()
        else:
            at_ns = system.kill_supervisor()
        number = len(self.outcome.kills) + 1
        self.outcome.kills.append(Kill(number, what, worker if what is Victim.WORKER else None, at_ns))
        return system if what is Victim.WORKER else SystemProcess(self._plan, self._folder)

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
            self._missing(camera, [frame for _, frame in sent], [frame for _, frame in missing])

    def _missing(self, camera: CameraId, sent: list[SentFrame], missing: list[SentFrame]) -> None:
        """Finds out what ended a connection; `missing` are its last frames."""
        ends = [kill for kill in self.outcome.kills if kill.hits(camera)] + self._stops_ns
        first_ns = sent[0].wall_ns
        end = min((end for end in ends if _when(end) >= first_ns), key=_when)
        if isinstance(end, Kill) and end.what is not Victim.SUPERVISOR:
            self._lost(end, [frame for frame in missing if frame.wall_ns <= end.wall_ns])
            return
        early = [frame for frame in missing if frame.wall_ns < _when(end) - _ON_THE_WAY_NS]
        if early:
            self._problem(f"{camera}: {len(early)} frames are missing without a kill, from {early[0]}")

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
            # A worker that loses its supervisor records a moment longer.
            until_ns = kill.wall_ns + (_ENDED_WITHIN_NS if kill.what is Victim.SUPERVISOR else 0)
            around = [gap for gap in gaps if gap.start_wall_ns <= until_ns and kill.wall_ns <= gap.end_wall_ns]
            # Killed before anything was recorded since a clean stop, or ever: nothing was cut off.
            is_still_stopped = all(gap.cause is GapCause.SHUT_DOWN for gap in around)
            if not around or not (is_still_stopped or any(gap.cause is GapCause.CRASH for gap in around)):
                self._problem(f"{camera}: {kill} is not told as a crash: {around}")

    def _problem(self, text: str) -> None:
        if text not in self.outcome.problems:
            self.outcome.problems.append(text)


def _when(end: Kill | int) -> int:
    return end.wall_ns if isinstance(end, Kill) else end


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
