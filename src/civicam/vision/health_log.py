"""Health events kept in the catalogue, so that a restart forgets none; only their own thread waits for the database.

What cannot be written is kept, the newest of each event, and tried again; that there is such is an alarm.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import HealthRow
from civicam.core.errors import CatalogueError
from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.vision.health import HealthEvent, HealthKind

_MOST_WAITING = 10_000
_RETRY_S = 2.0
_T = TypeVar("_T")


class HealthLog:
    """Writes events down, and tells of them. Called on one event loop.

    Args:
        path: the catalogue.
        keep_s: events are deleted when they ended so long ago, as footage is.

    Raises:
        CatalogueError: it cannot be opened.
    """

    def __init__(self, path: Path, keep_s: int) -> None:
        self._keep_ns = keep_s * 1_000_000_000
        self._catalogue = Catalogue.open(path)
        self._thread = ThreadPoolExecutor(1, "health")
        self._waiting: dict[tuple[CameraId, str, int], HealthRow] = {}
        self._writing: asyncio.Future[None] | None = None
        self._error = ""
        self._is_closed = False

    def alarms(self) -> list[str]:
        """What an engineer must look at now."""
        return [f"health events are not written down: {self._error}"] if self._error else []

    def event(self, camera: CameraId, event: HealthEvent) -> None:
        """An event began, or ended."""
        row = _row(camera, event)
        self._waiting.pop(key := (camera, row.kind, row.began_wall_ns), None)
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.pop(next(iter(self._waiting)))
        self._waiting[key] = row
        self._begin()

    def first_seen(self, camera: CameraId, lasting: Sequence[HealthEvent], at_ns: int) -> None:
        """A camera is watched (again) from now on: what was left open when watching ended, and does not last, ends."""
        rows = [_row(camera, event) for event in lasting]
        self._run(lambda: self._catalogue.settle_health(camera, rows, at_ns=at_ns))

    async def events(self, camera: CameraId, window: Span) -> list[HealthEvent]:
        """What touches `window`, by when it began.

        Raises:
            CatalogueError: it cannot be read.
        """
        rows = await asyncio.wrap_future(self._thread.submit(self._catalogue.health, camera, window))
        return [HealthEvent(HealthKind(row.kind), row.began_wall_ns, row.confidence, row.ended_wall_ns) for row in rows]

    async def close(self) -> None:
        """Writes what waits, and closes."""
        while self._writing is not None:
            await asyncio.wait({self._writing})
        self._is_closed = True
        self._thread.shutdown()
        self._catalogue.close()

    def _begin(self) -> None:
        """Writes what waits, unless that is going on; what comes meanwhile is written afterwards."""
        if self._writing is not None or not self._waiting or self._is_closed:
            return
        rows = [*self._waiting.values()]
        self._writing = self._run(lambda: self._catalogue.put_health(rows, keep_ns=self._keep_ns))
        self._writing.add_done_callback(lambda done: self._written(rows, done))

    def _written(self, rows: list[HealthRow], done: "asyncio.Future[None]") -> None:
        self._writing = None
        if self._error:
            asyncio.get_running_loop().call_later(_RETRY_S, self._begin)
            return
        for row in rows:
            key = row.camera, row.kind, row.began_wall_ns
            if self._waiting.get(key) is row:
                del self._waiting[key]
        self._begin()

    def _run(self, work: Callable[[], None]) -> "asyncio.Future[None]":
        def told() -> None:
            try:
                work()
            except CatalogueError as error:
                self._error = str(error)
            else:
                self._error = ""

        return asyncio.wrap_future(self._thread.submit(told))


def _row(camera: CameraId, event: HealthEvent) -> HealthRow:
    return HealthRow(camera, event.kind.value, event.began_wall_ns, event.confidence, event.ended_wall_ns)
