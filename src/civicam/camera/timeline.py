"""A camera's time: its 90 kHz clock unwrapped, and put on this machine's wall clock and on the camera's own.

The network only ever delays, so the sample that came with the least delay says best how the camera's clock lies to
ours. Every ten seconds (a window) the timeline sees how far it is off the least delay of the last two windows, and in
the next one it steers towards that by half, a little with each sample: jitter does not move it, and a clock that drifts
is followed. It steers by no more than `_MOST_STEER` of the media time that passed, which keeps wall time strictly
increasing in presentation time, frames out of order (B-frames) included.

Our wall clock is read against the monotonic one every window. While the two drift, as they do when NTP slews, the
timeline follows in the same slow way; where the wall clock was set (by more than `WALL_STEP_NS`), it starts anew on the
new time and says so, like for a jump of the camera's clock.
"""

from typing import NamedTuple

from civicam.core.clock import Clock

TICKS_A_SECOND = 90_000
WALL_STEP_NS = 1_000_000_000
REORDER_90K = 5 * TICKS_A_SECOND
LEAD_AT_START_NS = 10_000_000_000
"""Cameras send what they hold since the last key frame in one go; that far ahead is no jump while the stream is new."""
LEAD_NS = 2_000_000_000

_WINDOW_NS = 10_000_000_000
_STEER_90K = 20 * TICKS_A_SECOND
"""In so much media time the timeline would be where it should, if it went on as it steers."""
_MOST_STEER = 0.04
_ROUND = 1 << 32
_FAR_NS = 1 << 62


class Moment(NamedTuple):
    """When a sample was taken.

    Attributes:
        pts_90k: presentation time, unwrapped; its low 32 bits are the RTP timestamp.
        wall_ns: by this machine's wall clock.
        camera_wall_ns: by the camera's clock, None while unknown.
        jump: why the timeline started anew at this sample, empty where it did not.
    """

    pts_90k: int
    wall_ns: int
    camera_wall_ns: int | None
    jump: str = ""


class Timeline:
    """The time of one stream's samples, in decoding order.

    Args:
        clock: this machine's.

    Attributes:
        jitter_ns: how much delays differ from one sample to the next, smoothed (RFC 3550 6.4.1); once a picture, for
            its packets share a timestamp and leave the camera in one go.
    """

    __slots__ = (
        "_camera_offset_ns",
        "_clock",
        "_delay_ns",
        "_earliest_ns",
        "_high_90k",
        "_last_least_ns",
        "_lead_ns",
        "_least_ns",
        "_offset_ns",
        "_report",
        "_steer",
        "_wall_offset_ns",
        "_window_end_ns",
        "jitter_ns",
    )

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._high_90k = -1  # highest presentation time so far; -1 before the first sample
        self._offset_ns = 0  # add to media time for wall time
        self._camera_offset_ns: int | None = None  # the same for the camera's wall time
        self._report: tuple[int, int] | None = None  # RTP timestamp and the camera's wall time, not yet used
        self._steer = 0.0  # nanoseconds that a tick of media time moves the offset by
        self._delay_ns = 0  # arrival less media time of the last sample
        self._least_ns = self._last_least_ns = 0  # the least delay of this window and of the one before
        self._earliest_ns = 0  # less delay than this is no network, but a jump of the camera's clock
        self._wall_offset_ns = 0
        self._window_end_ns = 0
        self._lead_ns = LEAD_AT_START_NS
        self.jitter_ns = 0.0

    def restart(self) -> None:
        """The next sample is of another clock."""
        self._high_90k = -1
        self._camera_offset_ns = self._report = None

    def sender_report(self, timestamp: int, camera_wall_ns: int | None) -> None:
        """What the camera says its wall clock showed at an RTP timestamp."""
        self._camera_offset_ns = None
        self._report = None if camera_wall_ns is None else (timestamp, camera_wall_ns)

    def place(self, timestamp: int, arrival_ns: int, is_key: bool) -> Moment:
        """Says when the sample with this 32-bit RTP timestamp was taken.

        Args:
            timestamp: as received.
            arrival_ns: when it came, on the monotonic clock.
            is_key: it is a key frame, before which no earlier moment can follow.
        """
        high = self._high_90k
        if high < 0:
            return self._start(timestamp, arrival_ns)
        step = (timestamp - high) & 0xFFFFFFFF
        if step >= _ROUND >> 1:
            step -= _ROUND
        pts = high + step
        media_ns = pts * 100_000 // 9
        delay_ns = arrival_ns - media_ns
        if step < 0 or delay_ns < self._earliest_ns or arrival_ns >= self._window_end_ns:
            jump = self._jump(step, delay_ns, is_key)
            if not jump and arrival_ns >= self._window_end_ns:
                jump = self._turn(arrival_ns)
            if jump:
                return self._start(timestamp, arrival_ns, jump)
        if delay_ns < self._least_ns:
            self._least_ns = delay_ns
            self._know_earliest()
        self.jitter_ns += (abs(delay_ns - self._delay_ns) - self.jitter_ns) / 16
        self._delay_ns = delay_ns
        if step > 0:
            self._offset_ns += int(step * self._steer)
            self._high_90k = pts
        if self._report is not None:
            self._use_report(pts, media_ns)
        camera = self._camera_offset_ns
        return Moment(pts, media_ns + self._offset_ns, None if camera is None else media_ns + camera)

    def _start(self, timestamp: int, arrival_ns: int, jump: str = "") -> Moment:
        # One round up, so that a frame shown before the first one never has a negative time.
        self._high_90k = pts = timestamp + _ROUND
        media_ns = pts * 100_000 // 9
        self._delay_ns = self._least_ns = self._last_least_ns = arrival_ns - media_ns
        self._wall_offset_ns = self._wall_ahead_ns()
        self._offset_ns = self._least_ns + self._wall_offset_ns
        self._steer = 0.0
        self._window_end_ns = arrival_ns + _WINDOW_NS
        self._lead_ns = LEAD_AT_START_NS
        self._know_earliest()
        if self._report is not None:
            self._use_report(pts, media_ns)
        camera = self._camera_offset_ns
        return Moment(pts, media_ns + self._offset_ns, None if camera is None else media_ns + camera, jump)

    def _know_earliest(self) -> None:
        self._earliest_ns = min(self._least_ns, self._last_least_ns) - self._lead_ns

    def _use_report(self, pts_90k: int, media_ns: int) -> None:
        """Puts the camera's own time on the media time near which it was reported."""
        assert self._report is not None
        timestamp, at_ns = self._report
        since = (pts_90k - timestamp + (_ROUND >> 1)) % _ROUND - (_ROUND >> 1)
        self._camera_offset_ns = at_ns + since * 100_000 // 9 - media_ns
        self._report = None

    def _jump(self, step_90k: int, delay_ns: int, is_key: bool) -> str:
        if step_90k < 0 and (is_key or step_90k < -REORDER_90K):
            return f"the camera's clock went back by {-step_90k / TICKS_A_SECOND:.3f} s"
        if delay_ns < self._earliest_ns:
            lead_ns = self._earliest_ns + self._lead_ns - delay_ns
            return f"the camera's clock went ahead by {lead_ns / 1e9:.3f} s"
        return ""

    def _turn(self, arrival_ns: int) -> str:
        """Ends a window and says how to steer in the next; tells whether our wall clock was set."""
        ahead_ns = self._wall_ahead_ns()
        set_by_ns = ahead_ns - self._wall_offset_ns
        self._wall_offset_ns = ahead_ns
        if abs(set_by_ns) > WALL_STEP_NS:
            return f"this machine's clock was set by {set_by_ns / 1e9:+.3f} s"
        error_ns = min(self._least_ns, self._last_least_ns) + ahead_ns - self._offset_ns
        most = _MOST_STEER * 1e9 / TICKS_A_SECOND
        self._steer = max(-most, min(most, error_ns / _STEER_90K))
        self._window_end_ns = arrival_ns + _WINDOW_NS
        self._last_least_ns, self._least_ns = self._least_ns, _FAR_NS
        self._lead_ns = LEAD_NS
        self._know_earliest()
        return ""

    def _wall_ahead_ns(self) -> int:
        return self._clock.wall_ns() - self._clock.monotonic_ns()
