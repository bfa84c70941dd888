import itertools
import math
import random

import pytest

from civicam.city.scene_kinds import KINDS, make_scene, stay_a_while
from civicam.city.traffic import Kind, Lane, Signals, Standing, State, Stop, simulate

CARS = {Kind.CAR: 1.0}


def run(lane: Lane, signals: Signals | None = None, *, frames: int = 300) -> list[list[State]]:
    return simulate([lane], signals or Signals(), [], fps=10, frames=frames, rng=random.Random(1))


def test_cars_wait_at_red_and_go_at_green() -> None:
    lane = Lane(((0, 0), (0, 100)), CARS, 12, 10, stops=(Stop(50, "main"),))
    frames = run(lane, Signals({"main": (0.5, 0.9)}))
    red = [state for states in frames[60:149] for state in states]
    waiting = [state for state in red if state.speed_m_s < 0.2 and 35 < state.y_m < 50]
    assert waiting
    assert all(state.standing_since_s is not None for state in waiting)
    # Nobody crosses the line while it is red (amber is over by 0.97 of the cycle).
    fronts = [{state.id: state.y_m + 2.25 for state in states} for states in frames]
    crossings = [
        number
        for number in range(1, len(frames))
        for identity, front in fronts[number].items()
        if fronts[number - 1].get(identity, front) < 50 <= front
    ]
    assert crossings
    assert all(number >= 149 for number in crossings)


def test_cars_in_a_lane_never_overlap() -> None:
    lane = Lane(((0, 0), (0, 120)), CARS, 20, 12, stops=(Stop(80, "main"),))
    for states in run(lane, Signals({"main": (0.0, 0.4)})):
        places = sorted(state.y_m for state in states)
        assert all(b - a > 4.5 for a, b in itertools.pairwise(places))


def test_who_pauses_says_since_when() -> None:
    lane = Lane(((0, 0), (0, 30)), {Kind.PEDESTRIAN: 1.0}, 4, 1.4, stops=(Stop(15, dwell_s=8),), queues=False)
    frames = run(lane)
    longest = 0.0
    for number, states in enumerate(frames):
        for state in states:
            if state.standing_since_s is not None:
                longest = max(longest, number / 10 - state.standing_since_s)
                assert 13 < state.y_m < 16
    assert 6 < longest < 11


@pytest.mark.parametrize("kind", KINDS)
def test_the_loop_goes_on_where_it_ended(kind: str) -> None:
    """After the last frame everyone who moves freely is, at the first, where their speed takes them."""
    scene = make_scene(kind, random.Random(2))
    frames = simulate(scene.lanes, scene.signals, scene.standing, fps=15, frames=450, rng=random.Random(2))
    first = frames[0]
    jumps = []
    for state in frames[-1]:
        angle = math.radians(state.heading_deg)
        x, y = (
            state.x_m + math.sin(angle) * state.speed_m_s / 15,
            state.y_m + math.cos(angle) * state.speed_m_s / 15,
        )
        jumps.append(min(math.hypot(x - other.x_m, y - other.y_m) for other in first))
    assert sum(jump < 0.3 for jump in jumps) >= 0.9 * len(jumps)


@pytest.mark.parametrize("kind", KINDS)
def test_who_stays_a_while_is_in_their_place_for_less_than_half_of_the_loop(kind: str) -> None:
    scene = make_scene(kind, random.Random(3))
    stay_a_while(scene, 30.0, 3)
    people = [one for one in scene.standing if one.kind is Kind.PEDESTRIAN]
    assert people
    for one in people:
        states = [one.state(1, number / 5, 30.0) for number in range(150)]
        there = [(state.x_m, state.y_m) == (one.x_m, one.y_m) for state in states]
        assert 0.25 < sum(there) / len(there) < 0.35
        ways = [math.dist((a.x_m, a.y_m), (b.x_m, b.y_m)) for a, b in itertools.pairwise(states)]
        assert max(ways) < 0.3  # a step of a walk: nobody jumps


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_has_moving_and_standing_objects_of_all_its_kinds(kind: str) -> None:
    scene = make_scene(kind, random.Random(1))
    frames = simulate(scene.lanes, scene.signals, scene.standing, fps=5, frames=150, rng=random.Random(1))
    kinds = {state.kind for states in frames for state in states}
    assert kinds == set(Kind)
    assert all(len({state.id for state in states}) == len(states) for states in frames)


def test_what_is_parked_drives_off_when_it_should_and_is_back_when_the_loop_begins_anew() -> None:
    parked = Standing(Kind.CAR, 3.0, 20.0, 90.0, 7, leaves_s=2.0)
    frames = simulate([], Signals(), [parked], fps=10, frames=60, rng=random.Random(1))
    states = [states[0] for states in frames]
    assert {(one.x_m, one.y_m, one.speed_m_s, one.standing_since_s) for one in states[:21]} == {(3.0, 20.0, 0.0, -6.0)}
    ways = [one.x_m for one in states[20:]]
    assert all(after > before for before, after in itertools.pairwise(ways))
    assert all(one.standing_since_s is None and one.speed_m_s <= 8.0 for one in states[21:])
    assert abs(ways[-1] - 3.0 - 0.9 * 3.9**2) < 0.1
