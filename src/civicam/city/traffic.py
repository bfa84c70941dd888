"""Who moves where and when: movers on lanes, which keep their distance, stop at lights and go on.

Vehicles follow the Intelligent Driver Model (Treiber, Hennecke, Helbing, Physical Review E 62, 2000). Arrivals and
signals repeat with the loop; the simulation runs until one round looks like the one before and gives that one out, so
a scene loops without a jump, but for vehicles that a long queue keeps differently from round to round.
"""

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np


class Kind(StrEnum):
    """What an object is."""

    CAR = "car"
    BUS = "bus"
    CYCLIST = "cyclist"
    PEDESTRIAN = "pedestrian"


LENGTH_M = {Kind.CAR: 4.5, Kind.BUS: 10.8, Kind.CYCLIST: 1.8, Kind.PEDESTRIAN: 0.5}
_SPEED_FACTOR = {Kind.CAR: 1.0, Kind.BUS: 0.85, Kind.CYCLIST: 1.0, Kind.PEDESTRIAN: 1.0}
_AMBER = 0.07  # of the cycle, after green
_CYCLE_S = 30.0
_DRIVES_OFF_M_S, _DRIVES_OFF_M_S2 = 8.0, 1.8
_WALKS_M_S = 1.3
STANDING_M_S = 0.2
"""Slower than this is standing."""


@dataclass(frozen=True, slots=True)
class Signals:
    """The lights of a scene.

    Attributes:
        green: for each group of lights, from when to when it is green, as fractions of the cycle.
    """

    green: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def colour(self, group: str, phase: float) -> str:
        """Returns `green`, `amber` or `red` for a group at a phase (0 to 1) of the cycle."""
        start, end = self.green[group]
        if start <= phase < end:
            return "green"
        return "amber" if end <= phase < end + _AMBER else "red"


@dataclass(frozen=True, slots=True)
class Stop:
    """A place on a lane where movers wait.

    Attributes:
        at_m: where, along the lane; fronts stop before it.
        signal: the group of lights they wait for, empty for none.
        dwell_s: how long who stops here stays.
        chance: which share of movers stops here (for a dwell).
        kinds: who stops here, everyone when empty.
    """

    at_m: float
    signal: str = ""
    dwell_s: float = 0.0
    chance: float = 1.0
    kinds: tuple[Kind, ...] = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """A line in the world that movers follow.

    Attributes:
        points_m: its corners (x, y).
        kinds: who uses it, with weights.
        a_minute: arrivals a minute.
        speed_m_s: how fast they want to be.
        spread_m: how far to either side of the line each may keep.
        stops: where they wait.
        queues: they keep their distance from one another (people do not: they pass).
    """

    points_m: tuple[tuple[float, float], ...]
    kinds: Mapping[Kind, float]
    a_minute: float
    speed_m_s: float
    spread_m: float = 0.0
    stops: tuple[Stop, ...] = ()
    queues: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """Someone or something that stays where it is for the whole loop, or for a part of it.

    Attributes:
        kind: what it is.
        x_m: where its middle is.
        y_m: where its middle is.
        heading_deg: clockwise from the y axis.
        look: a seed for its shape and colours.
        leaves_s: when it goes off straight ahead, on the loop's clock; None: it stays. It is back, all at once, when
            the loop begins anew.
        comes_s: when somebody on foot has come here, straight from behind; None: they are there from the beginning.
    """

    kind: Kind
    x_m: float
    y_m: float
    heading_deg: float
    look: int
    leaves_s: float | None = None
    comes_s: float | None = None

    def state(self, identity: int, time_s: float, loop_s: float) -> "State":
        """What it does at a time on the loop's clock."""
        since = -loop_s if self.comes_s is None else self.comes_s
        if self.comes_s is not None and time_s < self.comes_s:
            return self._gone((time_s - self.comes_s) * _WALKS_M_S, _WALKS_M_S, identity)
        if self.leaves_s is None or time_s <= self.leaves_s:
            x, y = self.x_m, self.y_m
            return State(identity, self.kind, self.look, x, y, self.heading_deg, standing_since_s=since)
        if self.kind is Kind.PEDESTRIAN:
            return self._gone((time_s - self.leaves_s) * _WALKS_M_S, _WALKS_M_S, identity)
        speed = min(_DRIVES_OFF_M_S2 * (time_s - self.leaves_s), _DRIVES_OFF_M_S)
        rising_s = min(time_s - self.leaves_s, _DRIVES_OFF_M_S / _DRIVES_OFF_M_S2)
        way = _DRIVES_OFF_M_S2 * rising_s**2 / 2 + _DRIVES_OFF_M_S * (time_s - self.leaves_s - rising_s)
        return self._gone(way, speed, identity)

    def _gone(self, way_m: float, speed_m_s: float, identity: int) -> "State":
        """On its way, so far from its place: before it, or beyond it."""
        heading = math.radians(self.heading_deg)
        x, y = self.x_m + way_m * math.sin(heading), self.y_m + way_m * math.cos(heading)
        return State(identity, self.kind, self.look, x, y, self.heading_deg, speed_m_s, way_m)


@dataclass(frozen=True, slots=True)
class State:
    """One object at one moment.

    Attributes:
        id: its number, unique within the loop.
        kind: what it is.
        look: a seed for its shape and colours.
        x_m: where its middle is.
        y_m: where its middle is.
        heading_deg: clockwise from the y axis.
        speed_m_s: how fast it goes.
        travelled_m: how far it has come, for legs and wheels.
        standing_since_s: when it came to stand, on the loop's clock and never more than a loop ago; None: it moves.
    """

    id: int
    kind: Kind
    look: int
    x_m: float
    y_m: float
    heading_deg: float
    speed_m_s: float = 0.0
    travelled_m: float = 0.0
    standing_since_s: float | None = None


@dataclass(slots=True)
class _Slot:
    """One arrival that repeats every round."""

    number: int
    lane: int
    start_s: float
    kind: Kind
    look: int
    speed_m_s: float
    offset_m: float
    dwells: dict[int, float]


@dataclass(slots=True, eq=False)
class _Mover:
    slot: _Slot
    born_round: int
    at_m: float
    speed_m_s: float
    next_stop: int = 0
    waited_s: float = 0.0
    stood_since_s: float | None = None

    @property
    def half_m(self) -> float:
        return LENGTH_M[self.slot.kind] / 2


def simulate(
    lanes: Sequence[Lane],
    signals: Signals,
    standing: Sequence[Standing],
    *,
    fps: float,
    frames: int,
    rng: random.Random,
) -> list[list[State]]:
    """Returns the states of every object for each of `frames` frames of a loop."""
    moving = _Simulation(lanes, signals, frames / fps, rng, first_id=1 + len(standing))
    return [
        [item.state(1 + index, number / fps, frames / fps) for index, item in enumerate(standing)] + states
        for number, states in enumerate(moving.record(fps, frames))
    ]


class _Simulation:
    def __init__(
        self, lanes: Sequence[Lane], signals: Signals, loop_s: float, rng: random.Random, first_id: int
    ) -> None:
        self._lanes = [_Path(lane) for lane in lanes]
        self._signals = signals
        self._loop_s = loop_s
        self._cycle_s = loop_s / max(1, round(loop_s / _CYCLE_S))
        self._first_id = first_id
        self._movers: list[list[_Mover]] = [[] for _ in lanes]
        self._waiting: list[list[_Mover]] = [[] for _ in lanes]
        numbers = itertools.count()
        self._slots = [
            slot for index, lane in enumerate(lanes) for slot in _arrivals(lane, index, loop_s, numbers, rng)
        ]

    def record(self, fps: float, frames: int) -> list[list[State]]:
        """Runs enough rounds for the first arrivals to be gone and the queues to have settled; gives out the last."""
        slowest = max((path.length_m / path.lane.speed_m_s for path in self._lanes), default=0.0)
        rounds = min(12, 3 + math.ceil(1.6 * slowest / self._loop_s))
        substeps = max(1, math.ceil(10 / fps))
        step_s = 1 / fps / substeps
        recorded: list[list[State]] = []
        for number in range(rounds):
            for frame in range(frames):
                if number == rounds - 1:
                    recorded.append(self._states(number))
                for substep in range(substeps):
                    self._step(number, (frame * substeps + substep) * step_s, step_s)
        return recorded

    def _step(self, round_number: int, time_s: float, step_s: float) -> None:
        for slot in self._slots:
            if time_s <= slot.start_s < time_s + step_s:
                self._waiting[slot.lane].append(_Mover(slot, round_number, 0.0, slot.speed_m_s))
        now_s = round_number * self._loop_s + time_s
        phase = time_s / self._cycle_s % 1
        for path, movers, waiting in zip(self._lanes, self._movers, self._waiting, strict=True):
            _enter(path.lane, movers, waiting)
            ahead: _Mover | None = None
            for mover in movers:
                self._advance(mover, path.lane, ahead if path.lane.queues else None, phase, step_s)
                if mover.speed_m_s >= STANDING_M_S:
                    mover.stood_since_s = None
                elif mover.stood_since_s is None:
                    mover.stood_since_s = now_s
                ahead = mover
            movers[:] = [mover for mover in movers if mover.at_m < path.length_m]

    def _advance(self, mover: _Mover, lane: Lane, ahead: _Mover | None, phase: float, step_s: float) -> None:
        gap, closing, keep = math.inf, 0.0, 2.0
        if ahead is not None:
            gap = ahead.at_m - ahead.half_m - mover.at_m - mover.half_m
            closing = mover.speed_m_s - ahead.speed_m_s
        line_gap = self._line_gap(mover, lane, phase, step_s)
        if line_gap < gap:
            gap, closing, keep = line_gap, mover.speed_m_s, 0.4
        if not lane.queues:
            mover.speed_m_s = _walk(mover.speed_m_s, mover.slot.speed_m_s, gap, step_s)
        else:
            mover.speed_m_s = _drive(
                mover.speed_m_s, mover.slot.speed_m_s, gap, closing=closing, keep=keep, step_s=step_s
            )
        mover.at_m += mover.speed_m_s * step_s

    def _line_gap(self, mover: _Mover, lane: Lane, phase: float, step_s: float) -> float:
        """How far the next place to stop at is; infinite when there is none."""
        front = mover.at_m + mover.half_m
        while mover.next_stop < len(lane.stops):
            stop = lane.stops[mover.next_stop]
            gap = stop.at_m - front
            if stop.signal:
                if gap < -1.0 or not _must_stop(self._signals.colour(stop.signal, phase), gap, mover.speed_m_s):
                    if gap >= -1.0:
                        return math.inf  # it may still turn red
                    mover.next_stop += 1
                    continue
                return gap
            dwell = mover.slot.dwells.get(mover.next_stop, 0.0)
            if mover.waited_s < dwell:
                if gap < 1.5 and mover.speed_m_s < STANDING_M_S:
                    mover.waited_s += step_s
                return gap
            mover.next_stop += 1
            mover.waited_s = 0.0
        return math.inf

    def _states(self, round_number: int) -> list[State]:
        return [
            self._state(mover, path, round_number)
            for path, movers in zip(self._lanes, self._movers, strict=True)
            for mover in movers
        ]

    def _state(self, mover: _Mover, path: "_Path", round_number: int) -> State:
        slot = mover.slot
        x, y, heading = path.at(mover.at_m, slot.offset_m)
        since = mover.stood_since_s
        if since is not None:
            since = max(since - round_number * self._loop_s, -self._loop_s)
        age = round_number - mover.born_round
        number = self._first_id + slot.number + age * len(self._slots)
        return State(number, slot.kind, slot.look, x, y, heading, mover.speed_m_s, mover.at_m, since)


class _Path:
    """A lane with its lengths worked out."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        points = np.asarray(lane.points_m, float)
        legs = np.diff(points, axis=0)
        self._points = points.tolist()
        lengths = np.hypot(legs[:, 0], legs[:, 1])
        self._starts = [0.0, *np.cumsum(lengths).tolist()]
        self._ways = (legs / lengths[:, None]).tolist()
        self.length_m = self._starts[-1]

    def at(self, at_m: float, offset_m: float) -> tuple[float, float, float]:
        """Returns x, y and heading at a distance along the lane, `offset_m` to its right; corners are rounded."""
        way_x, way_y = self._way(at_m)
        index = self._leg(at_m)
        along = at_m - self._starts[index]
        x, y = self._points[index]
        leg_x, leg_y = self._ways[index]
        x, y = x + leg_x * along + way_y * offset_m, y + leg_y * along - way_x * offset_m
        return x, y, math.degrees(math.atan2(way_x, way_y)) % 360

    def _leg(self, at_m: float) -> int:
        index = 0
        while index + 1 < len(self._ways) and at_m >= self._starts[index + 1]:
            index += 1
        return index

    def _way(self, at_m: float) -> tuple[float, float]:
        """The direction, turned gradually over the two metres around a corner."""
        before, after = self._ways[self._leg(at_m - 1.0)], self._ways[self._leg(at_m + 1.0)]
        if before is after:
            return before[0], before[1]
        corner = self._starts[self._leg(at_m + 1.0)]
        share = (at_m + 1.0 - corner) / 2
        x, y = (before[0] * (1 - share) + after[0] * share, before[1] * (1 - share) + after[1] * share)
        length = math.hypot(x, y) or 1.0
        return x / length, y / length


def _arrivals(
    lane: Lane, index: int, loop_s: float, numbers: "itertools.count[int]", rng: random.Random
) -> list[_Slot]:
    count = max(1, round(lane.a_minute * loop_s / 60)) if lane.a_minute > 0 else 0
    kinds = list(lane.kinds)
    slots = []
    for turn in range(count):
        kind = rng.choices(kinds, [lane.kinds[kind] for kind in kinds])[0]
        dwells = {
            number: stop.dwell_s * rng.uniform(0.8, 1.2)
            for number, stop in enumerate(lane.stops)
            if not stop.signal and (not stop.kinds or kind in stop.kinds) and rng.random() < stop.chance
        }
        slots.append(
            _Slot(
                number=next(numbers),
                lane=index,
                start_s=(turn + rng.uniform(0.05, 0.75)) * loop_s / count,
                kind=kind,
                look=rng.getrandbits(31),
                speed_m_s=lane.speed_m_s * _SPEED_FACTOR[kind] * rng.uniform(0.85, 1.15),
                offset_m=rng.uniform(-lane.spread_m, lane.spread_m),
                dwells=dwells,
            )
        )
    return slots


def _enter(lane: Lane, movers: list[_Mover], waiting: list[_Mover]) -> None:
    """Lets the first who waits in, once there is room."""
    if not waiting:
        return
    if lane.queues and movers:
        room = movers[-1].at_m - movers[-1].half_m - waiting[0].half_m
        if room < 4.0:
            return
        waiting[0].speed_m_s = min(waiting[0].speed_m_s, max(0.0, room - 2.0))
    movers.append(waiting.pop(0))


def _must_stop(colour: str, gap_m: float, speed_m_s: float) -> bool:
    """Red stops everyone who has not passed; amber those who can still brake gently."""
    if colour == "green":
        return False
    braking_m = speed_m_s**2 / (2 * 3.0)
    return gap_m >= braking_m - 0.5 if colour == "amber" else gap_m >= min(braking_m * 0.5, 3.0) - 0.8


def _drive(speed: float, wanted: float, gap: float, *, closing: float, keep: float, step_s: float) -> float:
    """The Intelligent Driver Model: 1.8 m/s2 up, 2.6 m/s2 down, 1.1 s behind."""
    free = 1 - (speed / wanted) ** 4
    near = 0.0
    if gap < math.inf:
        hoped = keep + max(0.0, speed * 1.1 + speed * closing / (2 * math.sqrt(1.8 * 2.6)))
        near = (hoped / max(gap, 0.1)) ** 2
    acceleration = max(-6.0, 1.8 * (free - near))
    if speed < STANDING_M_S and acceleration < 0.4:
        return 0.0
    return max(0.0, speed + acceleration * step_s)


def _walk(speed: float, wanted: float, gap: float, step_s: float) -> float:
    if gap < 0.15:
        return 0.0
    hoped = min(wanted, gap * 2 + 0.25)
    return speed + max(-3.0, min(1.5, (hoped - speed) / 0.3)) * step_s
