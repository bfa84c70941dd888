"""What the web process is made of, put together: the feed, what watches it, live views, stills, playback."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from civicam.core.clock import Clock
from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.player.live import LiveHub, LiveParts
from civicam.player.stills import StillShelf
from civicam.recorder.feed_client import FeedClient
from civicam.redaction.redactor import Redactor
from civicam.redaction.settings import Cover, RedactionSettings
from civicam.vision.decoder import Decoder
from civicam.web.conditions import Health, HealthEvent
from civicam.web.directory import Directory
from civicam.web.media import Media
from civicam.web.plan import WebPlan

_CAMERAS_EVERY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs behind the routes.

    Attributes:
        directory: which cameras there are.
        media: gives pictures.
        health: what is known of the cameras' pictures.
        hub: the live views.
        alarms: what an engineer must look at now.
    """

    directory: Directory
    media: Media
    health: Health
    hub: LiveHub
    alarms: Callable[[], list[str]]


class _H:
    def events(self, camera: CameraId, window: Span) -> list[HealthEvent]:
        return []


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


@asynccontextmanager
async def running_parts(plan: WebPlan, *, clock: Clock, rng: random.Random) -> AsyncIterator[Parts]:
    """The parts, running until the block ends."""
    async with AsyncExitStack() as resources, asyncio.TaskGroup() as tasks:
        directory = Directory(Path(plan.catalogue), clock)
        resources.callback(directory.close)
        feed = FeedClient(Path(plan.feed), clock=clock, rng=rng)
        pool = resources.enter_context(ThreadPoolExecutor(max(2, os.cpu_count() or 1), "view"))
        hub = LiveHub(LiveParts(feed, Decoder, lambda key: Redactor(settings_of(plan, key.camera)), pool, clock))
        shelf = StillShelf()
        background = [tasks.create_task(feed.keep_connected())]
        try:
            yield Parts(directory, Media(directory, hub, shelf), _H(), hub, lambda: [])
        finally:
            await hub.close()
            for task in background:
                task.cancel()
