"""What the catalogue says of the city's cameras, read on a thread of its own so that no request waits in the loop."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.coverage import Completeness, Coverage
from civicam.catalogue.models import Camera
from civicam.core.clock import Clock
from civicam.core.errors import NotFoundError
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.core.spans import Span

_FRESH_NS = 2_000_000_000
_JITTER_NS = 100_000_000
_T = TypeVar("_T")


class Directory:
    """The cameras, and what of them is playable.

    Args:
        path: the catalogue.
        clock: the time.

    Raises:
        CatalogueError: it cannot be opened.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "directory")
        # SQLite ties a connection to no thread here: it is used from this one alone once it is open.
        self._catalogue = Catalogue.open(path)
        self._cameras: dict[CameraId, Camera] = {}
        self._read_ns: int | None = None
        self._reading = asyncio.Lock()

    def close(self) -> None:
        """Closes the catalogue."""
        self._thread.shutdown()
        self._catalogue.close()

    async def cameras(self) -> dict[CameraId, Camera]:
        """The cameras that the city has now, by id; at most two seconds old.

        Raises:
            CatalogueError: they cannot be read.
        """
        async with self._reading:
            if self._read_ns is None or self._clock.monotonic_ns() - self._read_ns > _FRESH_NS:
                cameras = await self._ask(lambda catalogue: catalogue.cameras())
                self._cameras = {camera.id: camera for camera in cameras}
                self._read_ns = self._clock.monotonic_ns()
        return self._cameras

    async def watched_streams(self) -> dict[CameraId, StreamKey]:
        """The stream that is shown of each camera of which anything is recorded.

        Raises:
            CatalogueError: the cameras cannot be read.
        """
        return {camera.id: _shown(camera) for camera in (await self.cameras()).values() if camera.urls}

    async def watched_stream(self, camera: CameraId) -> StreamKey:
        """The stream that is shown of a camera: the small picture where it is recorded, else the full one.

        Raises:
            NotFoundError: the city has no such camera, or nothing of it is recorded.
            CatalogueError: the cameras cannot be read.
        """
        found = (await self.cameras()).get(camera)
        if found is None or not found.urls:
            raise NotFoundError("the city has no such camera", where=camera, fix="see /api/cameras")
        return _shown(found)

    async def played_stream(self, camera: CameraId) -> StreamKey:
        """The stream that is played back of a camera, one that the city had included.

        It is the one that is shown live: scenes are learned of that size, and a picture without its scene is covered.

        Raises:
            NotFoundError: the city never had such a camera.
            CatalogueError: the cameras cannot be read.
        """
        streams = await self._ask(lambda catalogue: [key for key in catalogue.streams() if key.camera == camera])
        if not streams:
            raise NotFoundError("the city never had such a camera", where=camera, fix="see /api/cameras")
        return max(streams)  # `sub` stands behind `main`

    async def coverage(self, key: StreamKey, window: Span) -> Coverage:
        """What the stream has of `window`.

        Raises:
            CatalogueError: it cannot be read.
        """
        return await self._ask(lambda catalogue: catalogue.coverage(key, window, tolerance_ns=_JITTER_NS))

    async def hours(self, key: StreamKey, window: Span) -> list[tuple[int, Completeness]]:
        """Each hour that `window` touches, and how much of what was due of the stream is there.

        Raises:
            CatalogueError: it cannot be read.
        """
        return await self._ask(lambda catalogue: catalogue.hours(key, window))

    async def completeness(self, windows: Sequence[Span]) -> list[dict[CameraId, Completeness]]:
        """How much of what was due is there, in each of `windows`, by camera: all its streams together.

        Raises:
            CatalogueError: it cannot be read.
        """
        return [by_camera(await self._ask(partial(Catalogue.completeness, window=window))) for window in windows]

    async def change(self, work: Callable[[Catalogue], None]) -> None:
        """Changes the catalogue; the recorder takes it up within seconds.

        Raises:
            CatalogueError: it cannot be changed.
        """
        await self._ask(work)
        self._read_ns = None

    async def _ask(self, question: Callable[[Catalogue], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: question(self._catalogue))


def by_camera(streams: Mapping[StreamKey, Completeness]) -> dict[CameraId, Completeness]:
    """What the streams of each camera have, together."""
    found: dict[CameraId, Completeness] = {}
    for key, one in streams.items():
        found.setdefault(key.camera, Completeness()).add(one.due_ns, one.playable_ns, one.gap_ns)
    return found


def _shown(camera: Camera) -> StreamKey:
    return StreamKey(camera.id, StreamName.SUB if StreamName.SUB in camera.urls else StreamName.MAIN)
