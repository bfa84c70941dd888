"""Redactors for live views that know the scene from the first frame on: they take over what the watch has learned."""

import logging
from collections.abc import Callable
from typing import Final, Protocol
from weakref import WeakValueDictionary

from civicam.core.clock import Clock
from civicam.core.errors import RedactionError
from civicam.core.ids import CameraId, StreamKey
from civicam.redaction.background import BackgroundModel
from civicam.redaction.picture import Picture
from civicam.redaction.redacted import FullCover, RedactedPicture
from civicam.redaction.redactor import Redactor
from civicam.redaction.settings import RedactionSettings

_log = logging.getLogger(__name__)

_OFFER_EVERY_S: Final = 5.0


class LearnedModels(Protocol):
    """Where models are learned; `vision.watch.Watch` is one."""

    async def model_of(self, camera: CameraId) -> bytes | None:
        """A copy of what is known of a camera's scene; None while it is cold."""
        ...


class LiveRedactor:
    """A live view's redactor; see `Redactor`. One thread at a time, but for `offer`.

    Args:
        settings: the camera's.
        model: what is known of its scene, if anything.
    """

    def __init__(self, settings: RedactionSettings, model: bytes | None) -> None:
        self._redactor = Redactor(settings)
        self._offered = model

    @property
    def is_warm(self) -> bool:
        """It knows the scene."""
        return self._redactor.is_warm

    def offer(self, model: bytes) -> None:
        """Gives it what is known of the scene, which it takes if it knows none itself. Any thread may call it."""
        self._offered = model

    def redact(self, picture: Picture) -> RedactedPicture:
        """The picture as it may be shown. Never raises."""
        self._take()
        return self._redactor.redact(picture)

    def cover_all(self, size: tuple[int, int], reason: FullCover, pts_90k: int, wall_ns: int) -> RedactedPicture:
        """A picture of that size of which nothing is shown but the reason."""
        return self._redactor.cover_all(size, reason, pts_90k, wall_ns)

    def _take(self) -> None:
        offered, self._offered = self._offered, None
        if offered is None or self._redactor.is_warm:
            return
        try:
            self._redactor.adopt(BackgroundModel.from_bytes(offered, self._redactor.settings))
        except RedactionError as error:
            _log.warning("a model that was learned cannot be used: %s", error)


class Scenes:
    """Gives live views their redactors. Called on the event loop.

    Args:
        models: where models are learned.
        settings_of: how a camera's pictures are redacted.
        clock: the time.
    """

    def __init__(
        self, models: LearnedModels, settings_of: Callable[[CameraId], RedactionSettings], clock: Clock
    ) -> None:
        self._models = models
        self._settings_of = settings_of
        self._clock = clock
        self._prepared: dict[StreamKey, bytes | None] = {}
        self._live: WeakValueDictionary[StreamKey, LiveRedactor] = WeakValueDictionary()

    async def prepare(self, key: StreamKey) -> None:
        """Has a model ready for a view of `key` that is about to begin, so that it shows something at once."""
        if key not in self._live:
            self._prepared[key] = await self._models.model_of(key.camera)

    def redactor(self, key: StreamKey) -> LiveRedactor:
        """A redactor for a view of `key` that begins now."""
        made = LiveRedactor(self._settings_of(key.camera), self._prepared.pop(key, None))
        self._live[key] = made
        return made

    async def keep_offering(self) -> None:
        """Gives views that began cold what has been learned since, until cancelled."""
        while True:
            await self._clock.sleep(_OFFER_EVERY_S)
            for key, redactor in list(self._live.items()):
                if not redactor.is_warm and (model := await self._models.model_of(key.camera)) is not None:
                    redactor.offer(model)
