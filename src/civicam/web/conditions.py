"""How a camera's picture is: from how old its newest one is, and from what its health events say.

Each condition has a code, for whoever says it in a language of their own, and English words.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.redaction.redacted import FullCover
from civicam.vision.health import HealthEvent, HealthKind

_OLD_NS = 15_000_000_000


def _slug(name: str) -> str:
    return name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the newest picture of a camera is like.

    Attributes:
        wall_ns: when the camera saw it.
        reason: why all of it is covered, None where it is not.
    """

    wall_ns: int
    reason: FullCover | None


class Health(Protocol):
    """What is known of the cameras' pictures."""

    def lasting(self, camera: CameraId) -> list[HealthEvent]:
        """What is wrong now. Must not block."""
        ...

    async def events(self, camera: CameraId, window: Span) -> list[HealthEvent]:
        """What touches `window`, by when it began.

        Raises:
            CatalogueError: it cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is so.

    Attributes:
        code: what: `live`, `unseen`, `silent`, `full-` with why all is covered, `health-` with what is wrong.
        since_ns: since when; None where that is not known.
    """

    code: str
    since_ns: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """How a camera is now.

    Attributes:
        words: for people.
        is_bad: somebody should look after it.
        conditions: the same, one by one.
    """

    words: str
    is_bad: bool
    conditions: tuple[Condition, ...]


CODES: Final = (
    "live",
    "unseen",
    "silent",
    *(f"full-{_slug(one.name)}" for one in FullCover),
    *(f"health-{_slug(one.name)}" for one in HealthKind),
)
"""All that a condition may say."""


def state_of(seen: Seen | None, lasting: list[HealthEvent], now_ns: int) -> State:
    """How a camera is.

    Args:
        seen: its newest picture, None if there is none.
        lasting: health events that last.
        now_ns: the time.
    """
    if seen is None:
        return State("No picture yet", is_bad=False, conditions=(Condition("unseen"),))
    if now_ns - seen.wall_ns > _OLD_NS:
        words = f"No picture for {_span(now_ns - seen.wall_ns)}"
        return State(words, is_bad=True, conditions=(Condition("silent", seen.wall_ns),))
    if lasting:
        words = "; ".join(words_of(event.kind) for event in lasting)
        conditions = tuple(Condition(code_of(event.kind), event.began_wall_ns) for event in lasting)
        return State(words[:1].upper() + words[1:], is_bad=True, conditions=conditions)
    if seen.reason is not None:
        covered = Condition(f"full-{_slug(seen.reason.name)}")
        return State(f"All of it covered: {seen.reason.value}", is_bad=False, conditions=(covered,))
    return State("Live", is_bad=False, conditions=(Condition("live"),))


def code_of(kind: HealthKind) -> str:
    """The code of what is wrong with a picture."""
    return f"health-{_slug(kind.name)}"


def words_of(kind: HealthKind) -> str:
    """What is wrong with a picture, as a clause."""
    return "the camera was moved" if kind is HealthKind.MOVED else f"the picture is {kind.value}"


def _span(length_ns: int) -> str:
    seconds = length_ns // 1_000_000_000
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
