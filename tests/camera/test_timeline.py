"""A camera's time put on ours: jitter, drift, frames out of order, clocks that are set."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.camera.timeline import Moment, Timeline
from tests.fakes.clock import ManualClock

FRAME_90K = 6000
FRAME_NS = FRAME_90K * 100_000 // 9
GOP = 30


class Camera:
    """Sends frames with jitter, by a clock that may drift, to a timeline that sees only when they arrive."""

    def __init__(self, seed: int = 0, first: int = 1000, drift_ppm: float = 0, jitter_ms: float = 0) -> None:
        self.clock = ManualClock()
        self.start_wall_ns = self.clock.wall_ns()
        self.start_ns = self.clock.monotonic_ns()
        self.timeline = Timeline(self.clock)
        self.rng = random.Random(seed)
        self.first = first
        self.drift = drift_ppm / 1e6
        self.jitter_ms = jitter_ms
        self.moments: list[Moment] = []

    def true_ns(self, index: int) -> float:
        """When frame `index` is taken, since the start, by a perfect clock."""
        return index * FRAME_NS * (1 + self.drift)

    def send(self, index: int, *, shown: int | None = None, jump_90k: int = 0, is_key: bool | None = None) -> Moment:
        delay_ns = 2e6 + self.rng.expovariate(1 / (self.jitter_ms * 1e6)) if self.jitter_ms else 2e6
        arrival_ns = self.start_ns + round(self.true_ns(index) + delay_ns)
        if arrival_ns > self.clock.monotonic_ns():
            self.clock.advance_ns(arrival_ns - self.clock.monotonic_ns())
        timestamp = (self.first + (index if shown is None else shown) * FRAME_90K + jump_90k) & 0xFFFFFFFF
        is_key = index % GOP == 0 if is_key is None else is_key
        moment = self.timeline.place(timestamp, self.clock.monotonic_ns(), is_key)
        self.moments.append(moment)
        return moment

    def error_ms(self, moment: Moment, index: int) -> float:
        return (moment.wall_ns - self.start_wall_ns - self.true_ns(index)) / 1e6


def assert_strictly_increasing(moments: Sequence[Moment]) -> None:
    shown = sorted(moments, key=lambda moment: moment.pts_90k)
    for before, after in pairwise(shown):
        assert before.pts_90k < after.pts_90k
        assert before.wall_ns < after.wall_ns


@given(
    st.integers(0, 1 << 16),
    st.integers(0, (1 << 32) - 1),
    st.floats(-100, 100),
    st.floats(0, 40),
)
def test_a_steady_stream_s_wall_time_follows_its_media_time(
    seed: int, first: int, drift_ppm: float, jitter_ms: float
) -> None:
    camera = Camera(seed, first, drift_ppm, jitter_ms)
    moments = [camera.send(index) for index in range(40 * GOP)]
    assert not any(moment.jump for moment in moments)
    assert_strictly_increasing(moments)
    gops = [moments[at : at + GOP + 1] for at in range(10 * GOP, len(moments) - GOP, GOP)]
    for gop in gops:
        # From GOP to GOP, wall time moves against media time by a few milliseconds at most.
        # The timeline steers by a tenth of its error in two seconds. The first sample's delay is the largest error
        # that there can be, and one delay in twenty thousand is over ten times the mean.
        assert abs(gop[-1].wall_ns - gop[0].wall_ns - GOP * FRAME_NS) < 1e6 + jitter_ms * 1e6


@given(st.integers(0, 1 << 16), st.sampled_from([-100.0, -30.0, 0.0, 30.0, 100.0]))
def test_a_clock_that_drifts_is_followed_for_an_hour(seed: int, drift_ppm: float) -> None:
    camera = Camera(seed, drift_ppm=drift_ppm, jitter_ms=20)
    index = 0
    for index in range(0, 54_000, 5):
        moment = camera.send(index, is_key=False)
        assert not moment.jump
    # 100 ppm are 360 ms in an hour; what remains is the delay and how far the window lies behind.
    assert abs(camera.error_ms(camera.moments[-1], index)) < 15


@given(st.permutations(range(1, 8)), st.integers(1, 400))
def test_frames_out_of_order_keep_their_order_in_wall_time(order: list[int], groups: int) -> None:
    camera = Camera(jitter_ms=30)
    camera.send(0, is_key=True)
    for group in range(groups):
        for number, shown in enumerate(order, 1):
            camera.send(group * 7 + number, shown=group * 7 + shown, is_key=False)
    assert not any(moment.jump for moment in camera.moments)
    assert_strictly_increasing(camera.moments)


def test_timestamps_that_come_round_go_on() -> None:
    camera = Camera(first=(1 << 32) - 10 * FRAME_90K)
    moments = [camera.send(index) for index in range(60)]
    assert [moment.pts_90k - moments[0].pts_90k for moment in moments] == [n * FRAME_90K for n in range(60)]
    assert all(
        moment.pts_90k & 0xFFFFFFFF == (camera.first + n * FRAME_90K) & 0xFFFFFFFF for n, moment in enumerate(moments)
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(3600, "went ahead by 3600"), (-3600, "went back by 3599"), (15, "went ahead"), (-6, "went back")],
)
def test_a_jump_of_the_camera_s_clock_starts_the_timeline_anew(seconds: int, said: str) -> None:
    camera = Camera(first=1 << 31)
    before = [camera.send(index) for index in range(45)][-1]
    after = camera.send(45, jump_90k=seconds * 90_000, is_key=False)
    assert said in after.jump
    assert abs(after.wall_ns - before.wall_ns - FRAME_NS) < 5e6
    assert not camera.send(46, jump_90k=seconds * 90_000).jump


def test_a_small_step_back_is_told_at_the_next_key_frame() -> None:
    camera = Camera()
    moments = [camera.send(index) for index in range(29)]
    moments += [camera.send(index, jump_90k=-90_000) for index in range(29, 31)]
    assert [bool(moment.jump) for moment in moments] == [False] * 30 + [True]


def test_a_step_ahead_of_a_few_seconds_is_seen_once_the_stream_is_settled() -> None:
    camera = Camera()
    for index in range(200):
        camera.send(index)
    assert "went ahead by 3.0" in camera.send(200, jump_90k=270_000).jump


def test_what_a_camera_held_back_at_the_start_is_no_jump() -> None:
    camera = Camera()
    for shown in range(60):
        camera.moments.append(camera.timeline.place(1000 + shown * FRAME_90K, camera.clock.monotonic_ns(), shown == 0))
    assert not any(moment.jump for moment in camera.moments)
    assert_strictly_increasing(camera.moments)


def test_a_network_that_held_packets_back_moves_nothing() -> None:
    camera = Camera()
    for index in range(300):
        camera.send(index)
    held = range(300, 400)
    camera.clock.advance_ns(len(held) * FRAME_NS)
    late = [camera.timeline.place(1000 + n * FRAME_90K, camera.clock.monotonic_ns(), n % GOP == 0) for n in held]
    assert not any(moment.jump for moment in late)
    assert abs(camera.error_ms(late[-1], 399)) < 5
    assert_strictly_increasing([*camera.moments, *late])


def test_our_own_clock_being_set_starts_the_timeline_anew_on_the_new_time() -> None:
    camera = Camera()
    for index in range(100):
        camera.send(index)
    camera.clock.set_wall(camera.clock.wall_ns() + 3600 * 10**9)
    moments = [camera.send(index) for index in range(100, 300)]
    jumps = [moment.jump for moment in moments if moment.jump]
    assert jumps == ["this machine's clock was set by +3600.000 s"]
    assert abs(camera.error_ms(moments[-1], 299) - 3_600_000) < 5


def test_a_slewed_clock_is_followed_without_a_jump() -> None:
    camera = Camera()
    for index in range(0, 5000):
        camera.clock.set_wall(camera.clock.wall_ns() + FRAME_NS // 2000)  # 500 ppm, as fast as NTP slews
        camera.send(index)
    assert not any(moment.jump for moment in camera.moments)
    assert_strictly_increasing(camera.moments)
    gained_ms = 5000 * (FRAME_NS // 2000) / 1e6
    assert abs(camera.error_ms(camera.moments[-1], 4999) - gained_ms) < 30


def test_the_camera_s_own_time_comes_from_sender_reports() -> None:
    camera = Camera(first=(1 << 32) - 3 * FRAME_90K)
    assert camera.send(0).camera_wall_ns is None
    camera.timeline.sender_report((1 << 32) - 3 * FRAME_90K, 5_000_000_000)
    assert camera.send(1).camera_wall_ns == 5_000_000_000 + FRAME_NS
    later_ns = camera.send(9).camera_wall_ns
    assert later_ns is not None
    assert abs(later_ns - (5_000_000_000 + 9 * FRAME_90K * 100_000 // 9)) <= 1  # a tick is 11,111.1 ns
    camera.timeline.sender_report(0, None)
    assert camera.send(10).camera_wall_ns is None


def test_a_restart_places_the_next_sample_by_its_arrival() -> None:
    camera = Camera()
    before = camera.send(0)
    camera.timeline.restart()
    after = camera.send(1, jump_90k=123_456_789)
    assert not after.jump
    assert 0 < after.wall_ns - before.wall_ns < 2 * FRAME_NS
