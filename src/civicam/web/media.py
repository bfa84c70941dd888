"""What a look gives: stills, live views, playback. Every way to pictures is here, and takes a `Look`."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

from civicam.core.errors import BusyError, NotAllowedError, NotFoundError, PlayerError
from civicam.core.ids import CameraId, StreamKey
from civicam.player import hls
from civicam.player.archive_reader import ArchiveReader
from civicam.player.playback import Playback, Request, initialisation, media_90k
from civicam.player.stills import Still
from civicam.player.viewer import Viewer
from civicam.web.authorise import Decision, Purpose
from civicam.web.conditions import Seen
from civicam.web.directory import Directory
from civicam.web.looks import Look

_THREADS: Final = 2
_MOST_WAITING: Final = 64
_MOST_PREVIEWS: Final = 4
PREVIEW_PX: Final = 320
_T = TypeVar("_T")


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
        recorded: the archive, and what plays it.
        prepare: called before a live view of a stream is opened.
    """

    def __init__(
        self,
        directory: Directory,
        live: LiveViews,
        stills: Stills,
        recorded: tuple[ArchiveReader, Playback],
        prepare: Callable[[StreamKey], Awaitable[None]],
    ) -> None:
        self._directory = directory
        self._live = live
        self._stills = stills
        self._prepare = prepare
        self._archive, self._playback = recorded
        # Of their own: who seeks through footage takes nothing from who looks live.
        self._pool = ThreadPoolExecutor(_THREADS, "playback")
        self._waiting = self._previews = 0

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(cancel_futures=True)

    def seen(self, decision: Decision, camera: CameraId) -> Seen | None:
        """What the camera's newest picture is like, and not the picture; None while there is none.

        Raises:
            NotAllowedError: the decision is for something else.
        """
        _check(decision, Purpose.LIST)
        still = self._stills.newest(camera)
        return Seen(still.wall_ns, still.reason) if still else None

    async def still(self, look: Look) -> Still:
        """The camera's newest still.

        Raises:
            NotAllowedError: the look is for something else.
            NotFoundError: there is no such camera, or no still of it yet.
            CatalogueError: the cameras cannot be read.
        """
        return await self._newest(_checked(look, Purpose.STILL))

    async def test_still(self, look: Look) -> Still:
        """The same, for who sees whether a camera works, and nothing else.

        Raises:
            NotAllowedError: the look is for something else.
            NotFoundError: there is no such camera, or no still of it yet.
            CatalogueError: the cameras cannot be read.
        """
        return await self._newest(_checked(look, Purpose.TEST_STILL))

    async def _newest(self, decision: Decision) -> Still:
        await self._directory.watched_stream(decision.camera)
        still = self._stills.newest(decision.camera)
        if still is None:
            raise NotFoundError("there is no picture of this camera yet", fix="ask again in some seconds")
        return still

    async def playlist(self, look: Look, speed: float) -> tuple[str, str]:
        """A playlist of the stretch that was allowed (RFC 8216), and its codec's name (RFC 6381).

        Raises:
            NotAllowedError: the look is for something else.
            NotFoundError: the city never had such a camera, or nothing was recorded then.
            BusyError: as much is being asked for as may wait.
            CatalogueError: the catalogue cannot be read.
            PlayerError: nothing is played at that speed.
        """
        decision = _checked(look, Purpose.PLAYBACK)
        key = await self._directory.played_stream(decision.camera)
        segments = await self._in_thread(lambda: hls.slots(self._archive, key, decision.window, speed))
        if all(one.is_gap for one in segments):
            raise NotFoundError("nothing was recorded then", fix="see the camera's coverage")
        codec = initialisation(segments[0].size).codec
        return hls.playlist(segments, speed), codec

    async def stretch(self, look: Look, zero_ns: int, speed: float, size: tuple[int, int]) -> bytes:
        """The stretch that was allowed, redacted, as one media segment of a playlist.

        Args:
            look: at the stretch; it is written down.
            zero_ns: where the playlist's media time begins, in wall nanoseconds.
            speed: wall time over media time.
            size: width and height that the player was told.

        Raises:
            NotAllowedError: the look is for something else.
            NotFoundError: the city never had such a camera.
            BusyError: as much is being made as may wait.
            CatalogueError: the catalogue cannot be read.
            PlayerError, EncodeError: it cannot be had.
        """
        decision = _checked(look, Purpose.PLAYBACK)
        key = await self._directory.played_stream(decision.camera)
        asked = Request(key, decision.window, speed, size)
        made = await self._in_thread(lambda: self._playback.stretch(asked))
        return made.media_segment(media_90k(decision.window[0] - zero_ns, speed))

    async def initialisation(self, decision: Decision, size: tuple[int, int]) -> bytes:
        """What a player needs before stretches of `size`.

        Raises:
            NotAllowedError: the decision is for something else.
            BusyError: as much is being made as may wait.
            EncodeError: the size cannot be coded.
        """
        _check(decision, Purpose.PLAYBACK)
        return (await self._in_thread(lambda: initialisation(size))).data

    async def past_still(self, look: Look) -> Still:
        """What was shown when the stretch that was allowed begins, redacted and small; covered where nothing was.

        Raises:
            NotAllowedError: the look is for something else.
            NotFoundError: the city never had such a camera.
            BusyError: as many of them are being made as may be; playback is not to wait for them.
            CatalogueError: the catalogue cannot be read.
            EncodeError: it cannot be coded.
        """
        decision = _checked(look, Purpose.PLAYBACK)
        key = await self._directory.played_stream(decision.camera)
        if self._previews >= _MOST_PREVIEWS:
            raise BusyError("too many past stills are asked for at once", fix="ask again in some seconds")
        self._previews += 1
        try:
            return await self._in_thread(lambda: self._playback.still(key, decision.window[0], PREVIEW_PX))
        finally:
            self._previews -= 1

    async def beside(self, decision: Decision, *, forward: bool) -> int | None:
        """When the picture after, or before, the one that was shown when the allowed stretch begins was seen.

        Returns:
            Wall nanoseconds; None where there is none within some seconds.

        Raises:
            NotAllowedError: the decision is for something else.
            NotFoundError: the city never had such a camera.
            BusyError: as much is being asked for as may wait.
            CatalogueError: the catalogue cannot be read.
        """
        _check(decision, Purpose.PLAYBACK)
        key = await self._directory.played_stream(decision.camera)
        return await self._in_thread(lambda: self._playback.beside(key, decision.window[0], forward=forward))

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        if self._waiting >= _MOST_WAITING:
            raise BusyError("too much recorded is asked for at once", fix="ask again in some seconds")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    async def live(self, look: Look) -> Viewer:
        """A live view of the camera; close it.

        Raises:
            NotAllowedError: the look is for something else.
            NotFoundError: there is no such camera.
            BusyError: as many views are open as may be.
            CatalogueError: the cameras cannot be read.
        """
        decision = _checked(look, Purpose.LIVE)
        key = await self._directory.watched_stream(decision.camera)
        await self._prepare(key)
        try:
            return self._live.watch(key)
        except PlayerError as error:
            raise BusyError(error.what, where=error.where, fix=error.fix) from error


def _checked(look: Look, purpose: Purpose) -> Decision:
    _check(look.decision, purpose)
    return look.decision


def _check(decision: Decision, purpose: Purpose) -> None:
    if decision.purpose is not purpose:
        raise NotAllowedError(f"what was allowed is {decision.purpose}, and not {purpose}")
