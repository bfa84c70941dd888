"""What the web process is made of, put together: the feed, the watch of all cameras, live views, stills, playback."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import local
from typing import Final

from civicam.access.office import Office
from civicam.core.citykey import load_city_key
from civicam.core.clock import Clock
from civicam.core.errors import CatalogueError, EncodeError
from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.footage.keys import KeyRing
from civicam.player.archive_reader import ArchiveReader
from civicam.player.live import LiveHub, LiveParts
from civicam.player.playback import Playback, StoredScenes
from civicam.player.stills import StillMaker, StillShelf
from civicam.recorder.feed_client import FeedClient
from civicam.redaction.background import BackgroundModel
from civicam.redaction.redacted import RedactedPicture
from civicam.redaction.redactor import Redactor
from civicam.redaction.settings import Cover, RedactionSettings
from civicam.vision.decoder import Decoder
from civicam.vision.health import HealthEvent
from civicam.vision.health_log import HealthLog
from civicam.vision.model_store import ModelStore
from civicam.vision.watch import Watch, WatchParts, WatchSettings
from civicam.web.clear_media import ClearMedia
from civicam.web.directory import Directory
from civicam.web.media import Media
from civicam.web.plan import WebPlan
from civicam.web.scenes import Scenes

_CLEAR_THREADS: Final = 2
_CAMERAS_EVERY_S: Final = 2.0


def settings_of(plan: WebPlan, camera: CameraId) -> RedactionSettings:
    """How a camera's pictures are redacted.

    Raises:
        RedactionError: the plan asks for something that redaction does not know.
    """
    polygons = [(mask.kind, mask.polygon) for mask in plan.masks if mask.camera == camera]
    return RedactionSettings(
        cover=Cover(plan.cover),
        bootstrap_s=plan.bootstrap_s,
        masks=tuple(polygon for kind, polygon in polygons if kind == "mask"),
        always=tuple(polygon for kind, polygon in polygons if kind == "always"),
    )


@dataclass(frozen=True, slots=True)
class KnownHealth:
    """See `conditions.Health`: what lasts is with the watch, what was is written down."""

    watch: Watch
    log: HealthLog

    def lasting(self, camera: CameraId) -> list[HealthEvent]:
        """See `Health`."""
        return self.watch.lasting().get(camera, [])

    async def events(self, camera: CameraId, window: Span) -> list[HealthEvent]:
        """See `Health`."""
        return await self.log.events(camera, window)


class Parts:
    """What runs behind the routes.

    Args:
        plan: what is served.
        clock: the time.
        rng: jitter.

    Attributes:
        directory: which cameras there are.
        media: gives pictures.
        watch: looks at every camera's keys; knows of their health now.
        health: knows of their health, now and before.
        hub: the live views.
    """

    def __init__(self, plan: WebPlan, *, clock: Clock, rng: random.Random) -> None:
        self._plan = plan
        self._clock = clock
        self._alarms: list[str] = []
        self._makers = local()
        self._shelf = StillShelf()
        self._feed = FeedClient(Path(plan.feed), clock=clock, rng=rng)
        self._pool = ThreadPoolExecutor(max(2, os.cpu_count() or 1), "view")
        self._clear_pool = ThreadPoolExecutor(_CLEAR_THREADS, "clear")
        city_key = load_city_key(Path(plan.city_key))
        self._store = ModelStore(Path(plan.scenes), city_key)
        self.directory = Directory(Path(plan.catalogue), clock)
        log = HealthLog(Path(plan.catalogue), plan.keep_s)
        self.watch = Watch(
            WatchParts(
                self._feed,
                self._redactor,
                self._store,
                self._put_still,
                event=log.event,
                health_store=ModelStore(Path(plan.usual), city_key),
                first_seen=log.first_seen,
            ),
            WatchSettings(save_every_s=plan.save_every_s, keep_s=plan.keep_s),
        )
        self.health = KnownHealth(self.watch, log)
        self._scenes = Scenes(self.watch, lambda camera: settings_of(plan, camera), clock)
        self.hub = LiveHub(LiveParts(self._feed, Decoder, self._scenes.redactor, self._pool, clock))
        volumes = {one.name: one.volume for one in plan.volumes}
        self._archive = ArchiveReader(Path(plan.catalogue), volumes, KeyRing(city_key))
        playback = Playback(self._archive, StoredScenes(self._store, lambda camera: settings_of(plan, camera)))
        self.media = Media(self.directory, self.hub, self._shelf, (self._archive, playback), self._scenes.prepare)

    def clear(self, office: Office) -> ClearMedia:
        """Gives clear video to who has a grant that `office` knows."""
        return ClearMedia(office, self.directory, self._archive, self._clear_pool)

    def alarms(self) -> list[str]:
        """What an engineer must look at now."""
        return [*self._alarms, *self.watch.alarms(), *self.health.log.alarms()]

    async def run(self) -> None:
        """Keeps everything going, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._feed.keep_connected())
            tasks.create_task(self._scenes.keep_offering())
            tasks.create_task(self._keep_cameras())

    async def close(self) -> None:
        """Ends live views, keeps what was learned, and closes everything."""
        await self.hub.close()
        await self.watch.close()
        await self.health.log.close()
        self._pool.shutdown()
        self._clear_pool.shutdown(cancel_futures=True)
        self.media.close()
        self._archive.close()
        self.directory.close()

    async def _keep_cameras(self) -> None:
        """Watches the cameras that the city has, and no others."""
        while True:
            try:
                streams = await self.directory.watched_streams()
            except CatalogueError as error:
                sys.stderr.write(f"civicam web: {error}\n")
                self._alarms = ["the cameras cannot be read"]
            else:
                self._alarms = []
                self.watch.apply(streams)
            await self._clock.sleep(_CAMERAS_EVERY_S)

    def _redactor(self, camera: CameraId, model: bytes | None) -> Redactor:
        settings = settings_of(self._plan, camera)
        redactor = Redactor(settings)
        if model is not None:
            redactor.adopt(BackgroundModel.from_bytes(model, settings))
        return redactor

    def _put_still(self, camera: CameraId, redacted: RedactedPicture) -> None:
        """Called on the watch's threads; each has a maker of its own."""
        if not hasattr(self._makers, "maker"):
            self._makers.maker = StillMaker()
        maker: StillMaker = self._makers.maker
        try:
            self._shelf.put(camera, maker.make(redacted))
        except EncodeError as error:
            sys.stderr.write(f"civicam web: {camera}: {error}\n")


@asynccontextmanager
async def running_parts(plan: WebPlan, *, clock: Clock, rng: random.Random) -> AsyncIterator[Parts]:
    """The parts, running until the block ends."""
    parts = Parts(plan, clock=clock, rng=rng)
    running = asyncio.create_task(parts.run())
    try:
        yield parts
    finally:
        running.cancel()
        await asyncio.wait({running})
        await parts.close()
