"""What a view has still to decode, decided on before it costs anything: the bounded queue in front of a thread."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

from civicam.camera.sample import H264Setup, Sample
from civicam.core.ids import GapCause
from civicam.redaction.redacted import FullCover


@dataclass(frozen=True, slots=True)
class Hole:
    """Samples are missing here; those up to the next key are of no use.

    Attributes:
        reason: what is drawn in their place.
        wall_ns: when the first one of them was, None where that is not known.
    """

    reason: FullCover
    wall_ns: int | None


@dataclass(frozen=True, slots=True)
class Jump:
    """The camera's clock jumps here."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing came for a while: what is shown says so.

    Attributes:
        wall_ns: now.
    """

    wall_ns: int


Item: TypeAlias = H264Setup | Sample | Hole | Jump | Quiet


@dataclass(frozen=True, slots=True)
class InboxLimits:
    """How much waits before samples are dropped.

    Attributes:
        items: a long GOP, since all samples from the last key on come at once when a view begins.
        size_bytes: of samples; a single larger one is taken where nothing else waits.
    """

    items: int = 300
    size_bytes: int = 8 << 20


class Inbox:
    """A `SampleSink` that one task takes from, both on the event loop.

    When it is full, all samples in it are dropped, and what comes too, up to the next key; a `Hole` stands for them,
    and another one whenever the last one was taken, so that there is a covered frame to show meanwhile. Parameter
    sets are never lost.

    Attributes:
        dropped: samples dropped because the queue was full, or a key was missing after that.
    """

    def __init__(self, limits: InboxLimits) -> None:
        self._limits = limits
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._needs_key = False
        self.dropped = 0

    async def take(self) -> list[Item]:
        """All that waits, at least one item."""
        while not self._items:
            self._arrived.clear()
            await self._arrived.wait()
        items = list(self._items)
        self._items.clear()
        self._bytes = 0
        return items

    def setup(self, setup: H264Setup) -> None:
        """See `SampleSink`."""
        if self._items and isinstance(self._items[-1], H264Setup):
            self._items.pop()  # only the newest counts
        self._make_room(None)
        self._add(setup)

    def sample(self, sample: Sample) -> None:
        """See `SampleSink`."""
        if sample.is_key or not self._needs_key:
            self._make_room(sample.wall_ns, len(sample.data))
        if sample.is_key:
            self._needs_key = False
        if self._needs_key:
            self.dropped += 1
            self._mark(Hole(FullCover.OVERLOAD, sample.wall_ns))
        else:
            self._bytes += len(sample.data)
            self._add(sample)

    def broken(self, cause: GapCause, detail: str) -> None:
        """See `SampleSink`."""
        self._make_room(None)
        self._mark(Hole(FullCover.NO_PICTURE, None))

    def discontinuity(self, detail: str) -> None:
        """See `SampleSink`."""
        self._make_room(None)
        self._mark(Jump())

    def quiet(self, wall_ns: int) -> None:
        """Asks for a frame that says that nothing came."""
        if not self._items:
            self._add(Quiet(wall_ns))

    def _make_room(self, wall_ns: int | None, size_bytes: int = 0) -> None:
        """Drops what waits when one more item would be too much."""
        if len(self._items) < self._limits.items and self._bytes + size_bytes <= self._limits.size_bytes:
            return
        if not self._items:
            return
        setups = [item for item in self._items if isinstance(item, H264Setup)]
        samples = [item for item in self._items if isinstance(item, Sample)]
        self.dropped += len(samples)
        self._items.clear()
        self._bytes = 0
        if setups:
            self._add(setups[-1])
        self._needs_key = True
        self._add(Hole(FullCover.OVERLOAD, samples[0].wall_ns if samples else wall_ns))

    def _mark(self, mark: Hole | Jump) -> None:
        if not self._items or type(self._items[-1]) is not type(mark):
            self._add(mark)

    def _add(self, item: Item) -> None:
        self._items.append(item)
        self._arrived.set()
