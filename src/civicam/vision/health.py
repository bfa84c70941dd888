"""Whether a camera's picture is usable, told from its keys: covered, defocused, moved, frozen, too dark, blinded.

Every few seconds a key is compared with the long-term scene. A fault must show for about 20 s before it is told, and be
gone for about 20 s before it ends; the time is the pictures' own. What moves through the scene is no fault, and slow
changes of light become the scene.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

import numpy as np

from civicam.core.errors import RedactionError
from civicam.redaction.picture import Picture
from civicam.vision.appearance import Comparison, Look, SceneReference, change_between, look_at

_SECOND_NS = 1_000_000_000
_EVERY_NS = 3_500_000_000
_WINDOW_NS = 20 * _SECOND_NS
_LEAST_LOOKS = 4
_BREAK_NS = 300 * _SECOND_NS
_FORGET_NS = 7200 * _SECOND_NS
"""After so long without usable pictures the light is another: the scene is learned anew."""
_NEW_PLACE_NS = 900 * _SECOND_NS
"""A camera that shows another scene for so long was meant to: that is the scene then."""
_TAU_S = 300.0
_WARM_LOOKS = 10
_MOST_CHANGES = 120
_LEAST_CHANGES = 10
_LEAST_CHANGE = 0.05
_SHIFTS = 5


class HealthKind(StrEnum):
    """What may be wrong with a picture. The value is for people."""

    COVERED = "covered"
    DEFOCUSED = "out of focus"
    MOVED = "moved"
    FROZEN = "frozen"
    TOO_DARK = "too dark"
    BLINDED = "blinded"


@dataclass(frozen=True, slots=True)
class HealthEvent:
    """Something wrong with a camera's picture.

    Attributes:
        kind: what.
        began_wall_ns: the time of the first picture that showed it.
        confidence: how sure that is, 0.5 to 1.
        ended_wall_ns: the time of the first picture that did not, None while it lasts.
    """

    kind: HealthKind
    began_wall_ns: int
    confidence: float
    ended_wall_ns: int | None = None


Scores: TypeAlias = Mapping[HealthKind, float]
"""How much a single picture looks like each fault, 0 to 1; from a half on it does."""


class HealthWatch:
    """Watches one camera. Pictures of any size, in order of time; one thread at a time."""

    def __init__(self) -> None:
        self._conditions = {kind: _Condition(kind) for kind in HealthKind}
        self._scene: SceneReference | None = None
        self._other_place: tuple[int, SceneReference] | None = None
        self._before: Look | None = None
        self._changes: deque[float] = deque(maxlen=_MOST_CHANGES)
        self._shifts: deque[tuple[float, float]] = deque(maxlen=_SHIFTS)
        self._last_ns: int | None = None
        self._usable_ns: int | None = None
        self._match = self._usual_match = 1.0

    def to_bytes(self) -> bytes:
        """What a watch that goes on after a restart must know: the scene, and what is wrong; empty while it is cold."""
        if self._scene is None or not self.is_warm:
            return b""
        lasting = [[event.kind.value, event.began_wall_ns, event.confidence] for event in self.lasting]
        return self._scene.to_bytes(
            {"usual_match": self._usual_match, "usable_ns": self._usable_ns, "lasting": lasting}
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "HealthWatch":
        """A watch that goes on from what `to_bytes` gave.

        Raises:
            RedactionError: the bytes are something else.
        """
        scene, said = SceneReference.from_bytes(data, _TAU_S)
        watch = cls()
        try:
            watch._scene, watch._usual_match = scene, float(said["usual_match"])
            watch._usable_ns = None if said["usable_ns"] is None else int(said["usable_ns"])
            for kind, began_ns, confidence in said["lasting"]:
                condition = watch._conditions[HealthKind(kind)]
                condition.event = HealthEvent(condition.kind, int(began_ns), float(confidence))
        except (KeyError, TypeError, ValueError):
            raise RedactionError("these bytes are no scene of a camera's health") from None
        return watch

    @property
    def lasting(self) -> list[HealthEvent]:
        """What is wrong now."""
        return [one.event for one in self._conditions.values() if one.event is not None]

    @property
    def is_warm(self) -> bool:
        """The scene is known well enough to compare with."""
        return self._scene is not None and self._scene.count >= _WARM_LOOKS

    def see(self, picture: Picture) -> list[HealthEvent]:
        """Takes a key; returns the events that began or ended with it. Most keys are passed over: a few a minute do."""
        now_ns, last_ns = picture.wall_ns, self._last_ns
        if last_ns is not None and 0 <= now_ns - last_ns < _EVERY_NS:
            return []
        look = look_at(picture)
        if look is None:
            return []
        since_ns = 0 if last_ns is None else now_ns - last_ns
        self._last_ns = now_ns
        if not 0 <= since_ns <= _BREAK_NS:
            self._forget_run()
        scores = self._scores(look, now_ns)
        self._before = look
        changed = [event for kind, one in self._conditions.items() if (event := one.add(now_ns, scores[kind]))]
        self._learn(look, scores, max(since_ns, 0) / 1e9, now_ns)
        return changed + self._settle(look, now_ns)

    def _forget_run(self) -> None:
        """Pictures were missing, or the clock was set: what comes does not follow what was."""
        self._before = None
        self._shifts.clear()
        for condition in self._conditions.values():
            condition.forget_run()

    def _scores(self, look: Look, now_ns: int) -> Scores:
        scene = self._scene
        if scene is not None and (
            scene.shape != look.small.shape or (self._usable_ns is not None and now_ns - self._usable_ns > _FORGET_NS)
        ):
            scene = self._scene = self._other_place = None
            self._before = None
        dark = _ramp(-look.bright, -60, -40)
        if scene is None or scene.count < _WARM_LOOKS:
            return _only({HealthKind.TOO_DARK: dark})
        compared = scene.compare(look)
        self._shifts.append(compared.shift)
        self._match = compared.match
        change = self._change(look, compared)
        if dark >= 0.5 and not self._is_shut(compared, scene):
            return _only({HealthKind.TOO_DARK: dark})
        blinded = min(_ramp(compared.whiter, 0.1, 0.3), _ramp(-compared.match, -0.85, -0.65))
        if blinded >= 0.5:
            return _only({HealthKind.BLINDED: blinded})
        moved = max(self._shifted(compared), _another_scene(compared))
        covered = min(
            _ramp(compared.gone, 0.25, 0.45), _ramp(-compared.coarse, -0.8, -0.6), 1 - moved, 1 - _all_soft(compared)
        )
        softened = min(_softened(compared), 1 - moved)
        return _only(
            {
                HealthKind.MOVED: moved,
                HealthKind.COVERED: covered,
                HealthKind.DEFOCUSED: softened,
                HealthKind.FROZEN: min(change, 1 - covered, 1 - softened),  # paint and blur have no noise either
                HealthKind.BLINDED: blinded,
            }
        )

    def _is_shut(self, compared: Comparison, scene: SceneReference) -> bool:
        """A dark picture of a bright scene, of which nothing is left: no light fades so, something is before it."""
        was_dark = self._conditions[HealthKind.TOO_DARK].event is not None
        return not was_dark and scene.bright > 80 and compared.gone > 0.6 and compared.coarse < 0.4

    def _shifted(self, compared: Comparison) -> float:
        """The scene lies off its place, and goes on doing so: a mount that swings has its place between."""
        middle = np.median(np.array(self._shifts), axis=0)
        back = compared.shifted_match
        return min(
            _ramp(float(np.hypot(*middle)), 0.010, 0.018),
            _ramp(back - compared.match, 0.05, 0.2),
            _ramp(back / self._usual_match, 0.45, 0.65),
        )

    def _change(self, look: Look, compared: Comparison) -> float:
        """How much the picture is the one before: a sensor's noise is new each time, a frozen picture's is not."""
        if self._before is None or self._before.raw.shape != look.raw.shape:
            return 0.0
        change = change_between(self._before, look)
        usual = float(np.percentile(self._changes, 20)) if len(self._changes) >= _LEAST_CHANGES else 0.0
        score = 0.0
        if usual > _LEAST_CHANGE:
            score = min(_ramp(-change / usual, -0.6, -0.3), _ramp(compared.match, 0.1, 0.25))
        if score < 0.5:
            self._changes.append(change)
        return score

    def _learn(self, look: Look, scores: Scores, since_s: float, now_ns: int) -> None:
        """What is as it should be becomes the scene, slowly."""
        if self.lasting or max(scores.values()) >= 0.5:
            return
        self._usable_ns = now_ns
        if self._scene is None:
            self._scene = SceneReference(look, _TAU_S)
        else:
            if self.is_warm:
                self._usual_match += 0.05 * (max(self._match, 0.2) - self._usual_match)
            self._scene.learn(look, since_s)

    def _settle(self, look: Look, now_ns: int) -> list[HealthEvent]:
        """A camera that was turned, and stays so, watches another place from now on."""
        moved = self._conditions[HealthKind.MOVED]
        if moved.event is None:
            self._other_place = None
            return []
        if self._other_place is None or self._other_place[1].compare(look).match < 0.4:
            self._other_place = now_ns, SceneReference(look, _TAU_S)
            return []
        since_ns, place = self._other_place
        place.learn(look, _EVERY_NS / 1e9)
        if now_ns - since_ns < _NEW_PLACE_NS:
            return []
        self._scene, self._other_place, self._usable_ns = place, None, now_ns
        self._shifts.clear()
        return [moved.end(now_ns)]


@dataclass(slots=True)
class _Condition:
    """One fault's run of scores: begins when most of the last ones show it, ends when hardly any does."""

    kind: HealthKind
    event: HealthEvent | None = None
    _run: deque[tuple[int, float]] = field(default_factory=deque)

    def add(self, now_ns: int, score: float) -> HealthEvent | None:
        """Takes a picture's score; returns the event if it begins or ends."""
        run = self._run
        run.append((now_ns, score))
        while len(run) > _LEAST_LOOKS and now_ns - run[1][0] >= _WINDOW_NS:
            run.popleft()
        if len(run) < _LEAST_LOOKS or now_ns - run[0][0] < _WINDOW_NS * 3 // 4:
            return None
        if self.event is None:
            return self._begin()
        showing = [one for _, one in run if one >= 0.3]
        if len(showing) * 4 <= len(run):
            return self.end(next(at for at, one in run if one < 0.3))
        if len(showing) == len(run):
            self.event = replace(self.event, confidence=self._confidence())
        return None

    def end(self, at_ns: int) -> HealthEvent:
        """The event, which ends at `at_ns`."""
        assert self.event is not None
        ended = replace(self.event, ended_wall_ns=max(at_ns, self.event.began_wall_ns))
        self.event = None
        self._run.clear()
        return ended

    def forget_run(self) -> None:
        """What comes does not follow what was; an event that lasts does."""
        self._run.clear()

    def _begin(self) -> HealthEvent | None:
        showing = [at for at, one in self._run if one >= 0.5]
        if len(showing) * 4 < len(self._run) * 3:
            return None
        self.event = HealthEvent(self.kind, showing[0], self._confidence())
        return self.event

    def _confidence(self) -> float:
        return min(1.0, max(0.5, sum(score for _, score in self._run) / len(self._run)))


def _another_scene(compared: Comparison) -> float:
    """There are edges, and none where the scene's are."""
    return min(
        _ramp(-compared.match, -0.35, -0.2),
        _ramp(compared.busy, 0.3, 0.5),
        _ramp(-compared.gone, -0.55, -0.4),
        _ramp(-compared.coarse, -0.8, -0.6),
    )


def _softened(compared: Comparison) -> float:
    """Fine detail is gone nearly everywhere, and the large shapes are as ever."""
    shapes = min(_ramp(compared.coarse, 0.5, 0.7), _ramp(-compared.gone, -0.45, -0.35))
    return min(
        _ramp(-compared.sharpness, -0.8, -0.55),
        _ramp(compared.softened, 0.45, 0.65),
        max(shapes, _all_soft(compared)),
    )


def _all_soft(compared: Comparison) -> float:
    """No place is sharp any more, and the outlines of the large shapes are still there: paint leaves no outlines."""
    return min(_ramp(compared.softened, 0.75, 0.9), _ramp(compared.outlines, 0.25, 0.45))


def _ramp(value: float, none: float, full: float) -> float:
    """0 up to `none`, 1 from `full` on, and straight between."""
    return min(1.0, max(0.0, (value - none) / (full - none)))


def _only(scores: Scores) -> Scores:
    return dict.fromkeys(HealthKind, 0.0) | dict(scores)
