"""What a decision gives: stills, live views, playback. Every way to pictures is here, and takes a `Decision`."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from civicam.core.errors import BusyError, NotAllowedError, NotFoundError, PlayerError
from civicam.core.ids import CameraId, StreamKey
from civicam.player.stills import Still
from civicam.player.viewer import Viewer
from civicam.web.authorise import Decision, Purpose
from civicam.web.conditions import Seen
from civicam.web.directory import Directory


class LiveViews(Protocol):
    """Where live views come from; `player.live.LiveHub` is one."""

    def watch(self, key: StreamKey) -> Viewer:
        """Opens a view; may raise PlayerError."""
        ...


class Stills(Protocol):
    """Where stills come from; `player.stills.StillShelf` is one."""

    def newest(self, camera: CameraId) -> Still | None:
        """The camera's newest still; None when there is none."""
        ...


class Media:
    """Gives out pictures to those that were allowed to see them.

    Args:
        directory: which cameras there are.
        live: opens live views.
        stills: the newest still of each camera.
        prepare: called before a live view of a stream is opened.
    """

    def __init__(
        self, directory: Directory, live: LiveViews, stills: Stills, prepare: Callable[[StreamKey], Awaitable[None]]
    ) -> None:
        self._directory = directory
        self._live = live
        self._stills = stills
        self._prepare = prepare

    def seen(self, decision: Decision, camera: CameraId) -> Seen | None:
        """What the camera's newest picture is like, and not the picture; None while there is none.

        Raises:
            NotAllowedError: the decision is for something else.
        """
        _check(decision, Purpose.LIST)
        still = self._stills.newest(camera)
        return Seen(still.wall_ns, still.reason) if still else None

    async def still(self, decision: Decision) -> Still:
        """The camera's newest still.

        Raises:
            NotAllowedError: the decision is for something else.
            NotFoundError: there is no such camera, or no still of it yet.
            CatalogueError: the cameras cannot be read.
        """
        _check(decision, Purpose.STILL)
        await self._directory.watched_stream(decision.camera)
        still = self._stills.newest(decision.camera)
        if still is None:
            raise NotFoundError("there is no picture of this camera yet", fix="ask again in some seconds")
        return still

    async def live(self, decision: Decision) -> Viewer:
        """A live view of the camera; close it.

        Raises:
            NotAllowedError: the decision is for something else.
            NotFoundError: there is no such camera.
            BusyError: as many views are open as may be.
            CatalogueError: the cameras cannot be read.
        """
        _check(decision, Purpose.LIVE)
        key = await self._directory.watched_stream(decision.camera)
        await self._prepare(key)
        try:
            return self._live.watch(key)
        except PlayerError as error:
            raise BusyError(error.what, where=error.where, fix=error.fix) from error


def _check(decision: Decision, purpose: Purpose) -> None:
    if decision.purpose is not purpose:
        raise NotAllowedError(f"what was allowed is {decision.purpose}, and not {purpose}")
