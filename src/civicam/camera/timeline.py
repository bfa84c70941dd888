"""A camera's time: its 90 kHz clock unwrapped, and put on this machine's wall clock and on the camera's own.

The network only ever delays, so the sample that came with the least delay says best how the camera's clock lies to
ours. The least delay of the last ten to twenty seconds is what the timeline steers towards, slowly (`_STEER_S`), so
that jitter does not move it and a clock that drifts is followed. It steers by no more than `_MOST_STEER` of the media
time that passed, which keeps wall time strictly increasing in presentation time, frames out of order (B-frames)
included.

Our wall clock is read against the monotonic one every window. While the two drift, as they do when NTP slews, the
timeline follows in the same slow way; where the wall clock was set (by more than `WALL_STEP_NS`), it starts anew on the
new time and says so, like for a jump of the camera's clock.
"""

from dataclasses import dataclass

from civicam.core.clock import Clock

TICKS_A_SECOND = 90_000
WALL_STEP_NS = 1_000_000_000
REORDER_90K = 5 * TICKS_A_SECOND
LEAD_AT_START_NS = 10_000_000_000
"""Cameras send what they hold since the last key frame in one go; that far ahead is no jump while the stream is new."""
LEAD_NS = 2_000_000_000

_WINDOW_NS = 10_000_000_000
_STEER_S = 20
_MOST_STEER = 0.04
_ROUND = 1 << 32
_FAR_NS = 1 << 62


@dataclass(slots=True)
class Moment:
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
    """

    __slots__ = (
        "_clock",
        "_high_90k",
        "_last_least_ns",
        "_lead_ns",
        "_least_ns",
        "_offset_ns",
        "_report",
        "_wall_offset_ns",
        "_window_end_ns",
    )

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._high_90k = -1  # highest presentation time so far; -1 before the first sample
        self._offset_ns = 0  # add to media time for wall time
        self._least_ns = self._last_least_ns = 0  # least arrival minus media time, this window and the one before
        self._wall_offset_ns = 0
        self._window_end_ns = 0
        self._lead_ns = LEAD_AT_START_NS
        self._report: tuple[int, int] | None = None  # RTP timestamp, camera's wall clock

    def restart(self) -> None:
        """The next sample is of another clock."""
        self._high_90k = -1
        self._report = None

    def sender_report(self, timestamp: int, camera_wall_ns: int | None) -> None:
        """What the camera says its wall clock showed at an RTP timestamp."""
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
        delay_ns = arrival_ns - pts * 100_000 // 9
        jump = self._jump(step, delay_ns, is_key)
        if not jump and arrival_ns >= self._window_end_ns:
            jump = self._turn(arrival_ns)
        if jump:
            return self._start(timestamp, arrival_ns, jump)
        self._least_ns = min(self._least_ns, delay_ns)
        if step > 0:
            self._steer(step)
            self._high_90k = pts
        return self._moment(pts)

    def _start(self, timestamp: int, arrival_ns: int, jump: str = "") -> Moment:
        # One round up, so that a frame shown before the first one never has a negative time.
        self._high_90k = timestamp + _ROUND
        self._least_ns = self._last_least_ns = arrival_ns - self._high_90k * 100_000 // 9
        self._wall_offset_ns = self._wall_ahead_ns()
        self._offset_ns = self._least_ns + self._wall_offset_ns
        self._window_end_ns = arrival_ns + _WINDOW_NS
        self._lead_ns = LEAD_AT_START_NS
        return self._moment(self._high_90k, jump)

    def _jump(self, step_90k: int, delay_ns: int, is_key: bool) -> str:
        if step_90k < 0 and (is_key or step_90k < -REORDER_90K):
            return f"the camera's clock went back by {-step_90k / TICKS_A_SECOND:.3f} s"
        lead_ns = min(self._least_ns, self._last_least_ns) - delay_ns
        if lead_ns > self._lead_ns:
            return f"the camera's clock went ahead by {lead_ns / 1e9:.3f} s"
        return ""

    def _turn(self, arrival_ns: int) -> str:
        """Ends a window; says whether our wall clock was set."""
        self._window_end_ns = arrival_ns + _WINDOW_NS
        self._last_least_ns, self._least_ns = self._least_ns, _FAR_NS
        self._lead_ns = LEAD_NS
        ahead_ns = self._wall_ahead_ns()
        set_by_ns = ahead_ns - self._wall_offset_ns
        self._wall_offset_ns = ahead_ns
        if abs(set_by_ns) > WALL_STEP_NS:
            return f"this machine's clock was set by {set_by_ns / 1e9:+.3f} s"
        return ""

    def _wall_ahead_ns(self) -> int:
        return self._clock.wall_ns() - self._clock.monotonic_ns()

    def _steer(self, step_90k: int) -> None:
        error_ns = min(self._least_ns, self._last_least_ns) + self._wall_offset_ns - self._offset_ns
        most_ns = int(step_90k * 100_000 * _MOST_STEER) // 9
        wanted_ns = error_ns * step_90k // (_STEER_S * TICKS_A_SECOND)
        self._offset_ns += max(-most_ns, min(most_ns, wanted_ns))

    def _moment(self, pts_90k: int, jump: str = "") -> Moment:
        camera_wall_ns = None
        if self._report is not None:
            timestamp, at_ns = self._report
            since = (pts_90k - timestamp + (_ROUND >> 1)) % _ROUND - (_ROUND >> 1)
            camera_wall_ns = at_ns + since * 100_000 // 9
        return Moment(pts_90k, pts_90k * 100_000 // 9 + self._offset_ns, camera_wall_ns, jump)
