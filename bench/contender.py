"""What the recorders that are compared have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one camera's files hold.

    Attributes:
        samples: coded frames.
        missing: frames that are missing between the first and the last one, by the files' own timestamps.
    """

    samples: int
    missing: int


class Contender(Protocol):
    """A recorder that can be started, watched and stopped."""

    name: str
    how: str

    def start(self, urls: dict[str, str], folder: Path) -> None:
        """Begins to record every camera into `folder`, which is empty."""
        ...

    def pids(self) -> list[int]:
        """Its processes, without their children."""
        ...

    def stop(self) -> None:
        """Ends it in the way it is meant to be ended, and waits."""
        ...

    def recorded(self, frame_90k: int) -> dict[str, Recorded]:
        """What the files hold, by camera; `frame_90k` ticks lie between two frames."""
        ...
