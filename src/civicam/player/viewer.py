"""One viewer of a live view: the messages it gets, and the bounded queue that they wait in."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias

from civicam.core.errors import PlayerError
from civicam.redaction.redacted import FullCover


@dataclass(frozen=True, slots=True)
class InitMessage:
    """How the fragments that follow are coded: first of all, and again when the picture's size changes.

    Attributes:
        codec: RFC 6381 name, such as `avc3.42c016`.
        width: luma pixels.
        height: luma pixels.
        data: `ftyp` and `moov`.
    """

    codec: str
    width: int
    height: int
    data: bytes


@dataclass(frozen=True, slots=True)
class FragmentMessage:
    """One frame.

    Attributes:
        data: `moof` and `mdat`.
        start_90k: its decoding and presentation time on the view's own timeline, which has no holes and never goes
            back; a viewer that lost frames sees a hole, and goes on at its end.
        wall_ns: when the camera saw it, on this machine's wall clock.
        is_key: decoding can start here.
        reason: why all of it is covered, None where it is not.
    """

    data: bytes
    start_90k: int
    wall_ns: int
    is_key: bool
    reason: FullCover | None


@dataclass(frozen=True, slots=True)
class StateMessage:
    """What the fragments that follow show; sent when that changes.

    Attributes:
        reason: why all of the picture is covered, None where it is not.
        lost: frames that this viewer was too slow for, since it came.
    """

    reason: FullCover | None
    lost: int


ViewMessage: TypeAlias = InitMessage | FragmentMessage | StateMessage


@dataclass(frozen=True, slots=True)
class ViewerLimits:
    """How much waits for a viewer before it loses frames.

    Attributes:
        frames: messages; about three seconds.
        size_bytes: of media.
    """

    frames: int = 45
    size_bytes: int = 4 << 20


class Viewer:
    """What one viewer has still to get: an async context manager and iterator of messages, on the event loop.

    When the queue is full, all that waits in it is dropped, and what comes too, up to the next key; one is asked for at
    once. So a viewer that is too slow goes on with what is live, and takes no memory.

    Args:
        limits: of the queue.
        want_key: called when only a key helps.
        left: called once, when the viewer has closed.
    """

    def __init__(self, limits: ViewerLimits, want_key: Callable[[], None], left: Callable[["Viewer"], None]) -> None:
        self._limits, self._want_key, self._left = limits, want_key, left
        self._waiting: deque[ViewMessage] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._init: InitMessage | None = None
        self._told: StateMessage | None = None
        self._needs_key = True
        self._has_begun = self._is_closed = False
        self.lost = 0

    async def __aenter__(self) -> "Viewer":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> "Viewer":
        return self

    async def __anext__(self) -> ViewMessage:
        try:
            return await self.next()
        except PlayerError:
            raise StopAsyncIteration from None

    async def next(self) -> ViewMessage:
        """The next message.

        Raises:
            PlayerError: the view has ended.
        """
        while not self._waiting:
            if self._is_closed:
                raise PlayerError("the view has ended", fix="open it again")
            self._arrived.clear()
            await self._arrived.wait()
        message = self._waiting.popleft()
        if isinstance(message, FragmentMessage):
            self._bytes -= len(message.data)
        return message

    @property
    def is_closed(self) -> bool:
        """It gets nothing more."""
        return self._is_closed

    @property
    def waiting_bytes(self) -> int:
        """Media that waits for it."""
        return self._bytes

    def close(self) -> None:
        """Ends the view; may be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self._clear()
        self._arrived.set()
        self._left(self)

    def start(self, init: InitMessage) -> None:
        """The fragments that follow are coded so; they begin with a key."""
        if self._is_closed:
            return
        # What waits was coded otherwise and is older: not worth setting up a decoder twice.
        self._clear()
        self._init, self._needs_key = init, True
        self._add(init)

    def fragment(self, message: FragmentMessage) -> None:
        """Takes the next frame, or drops it."""
        if self._is_closed or self._init is None:
            return
        if self._needs_key and not message.is_key:
            self.lost += self._has_begun  # what came before its first key it did not lose
        elif len(self._waiting) >= self._limits.frames or self._bytes + len(message.data) > self._limits.size_bytes:
            self.lost += 1
            self._overflow(self._init)
        else:
            self._needs_key, self._has_begun = False, True
            self._tell(StateMessage(message.reason, self.lost))
            self._add(message)

    def _overflow(self, init: InitMessage) -> None:
        is_set_up = not any(isinstance(message, InitMessage) for message in self._waiting)
        self._clear()
        if not is_set_up:
            self._add(init)
        self._needs_key = True
        self._want_key()

    def _clear(self) -> None:
        self.lost += sum(isinstance(message, FragmentMessage) for message in self._waiting)
        self._waiting.clear()
        self._bytes = 0
        self._told = None  # what was told may have been among it

    def _tell(self, state: StateMessage) -> None:
        if state != self._told:
            self._told = state
            self._add(state)

    def _add(self, message: ViewMessage) -> None:
        self._waiting.append(message)
        if isinstance(message, FragmentMessage):
            self._bytes += len(message.data)
        self._arrived.set()
