"""One stream of one camera, for ever: connect, stream, and when it breaks, try again after a while."""

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import dataclass

from civicam.camera.counters import SourceCounters, SourceState
from civicam.camera.rtsp import RtspSession
from civicam.camera.sample import H264Setup, SampleSink
from civicam.camera.track import VideoTrack
from civicam.camera.url import CameraUrl, Credentials
from civicam.camera.watchdog import Watchdog
from civicam.core.citykey import Entropy
from civicam.core.clock import Clock
from civicam.core.errors import CameraError, ConnectError, StallError, UnauthorisedError
from civicam.core.ids import GapCause

StateListener = Callable[[SourceState, str], None]
"""Called with the new state and the last error."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """How patient a source is.

    Attributes:
        answer_timeout_s: for the connection and for each answer.
        start_timeout_s: for all of it, from connecting to the answer to PLAY.
        stall_s: without a sample for so long, a connection is given up.
        start_spread_s: the first attempt comes at a random moment within so long.
        first_backoff_s: the wait before the second attempt is at most so long; it doubles with each failure.
        most_backoff_s: and grows to this.
        refused_backoff_s: the same after a refused password, which many cameras punish with a lock.
        most_refused_backoff_s: and grows to this.
        healthy_s: a stream that lasted so long starts the count anew.
        goodbye_s: how long a camera may take to answer TEARDOWN.
    """

    answer_timeout_s: float = 10.0
    start_timeout_s: float = 20.0
    stall_s: float = 10.0
    start_spread_s: float = 1.0
    first_backoff_s: float = 0.5
    most_backoff_s: float = 30.0
    refused_backoff_s: float = 10.0
    most_refused_backoff_s: float = 300.0
    healthy_s: float = 60.0
    goodbye_s: float = 1.0


class ConnectLimiter:
    """How many cameras may be connecting at once.

    Those that failed the last times have places of their own, so that many that are dead do not hold up one that is
    back.

    Args:
        at_once: places of either kind.
    """

    def __init__(self, at_once: int) -> None:
        self._likely = asyncio.Semaphore(at_once)
        self._unlikely = asyncio.Semaphore(at_once)

    @property
    def is_idle(self) -> bool:
        """Nobody waits for a place."""
        return not self._likely.locked() and not self._unlikely.locked()

    def place(self, failures: int) -> asyncio.Semaphore:
        """Where a camera that failed so many times in a row waits for its turn."""
        return self._unlikely if failures > 1 else self._likely


class CameraSource:
    """Keeps a camera's samples coming.

    Args:
        url: where the camera is.
        credentials: None for a camera that asks for none.
        sink: where samples go. After a break it hears `broken`, and before the first sample of a new connection
            `discontinuity`, because presentation times start anew.
        clock: this machine's.
        rng: for waits.
        watchdog: the process's.
        connect_limiter: so many cameras may be connecting at once, shared by all.
        on_state: told when the state changes.
        settings: how patient it is.
        entropy: for nonces.

    Attributes:
        counters: how it is going.
    """

    def __init__(
        self,
        url: CameraUrl,
        credentials: Credentials | None,
        sink: SampleSink,
        *,
        clock: Clock,
        rng: random.Random,
        watchdog: Watchdog,
        connect_limiter: ConnectLimiter,
        on_state: StateListener | None = None,
        settings: SourceSettings | None = None,
        entropy: Entropy = os.urandom,
    ) -> None:
        self.counters = SourceCounters()
        self._url = url
        self._credentials = credentials
        self._sink = sink
        self._clock = clock
        self._rng = rng
        self._watchdog = watchdog
        self._limiter = connect_limiter
        self._on_state = on_state
        self._settings = settings or SourceSettings()
        self._entropy = entropy
        self._session: RtspSession | None = None
        self._track: VideoTrack | None = None
        self._setup: H264Setup | None = None
        self._playing_since_ns = 0
        self._failures = 0
        self._is_attended = False

    def attend(self, attended: bool) -> None:
        """Whether packets are taken the moment they come, for a stream that is watched. Costs more; not so at first."""
        self._is_attended = attended
        if self._session is not None:
            self._session.attend(attended)

    async def run(self) -> None:
        """Runs until cancelled; then says goodbye to the camera, for `goodbye_s` at most."""
        self._watchdog.add(self._tick)
        try:
            await self._clock.sleep(self._rng.uniform(0, self._settings.start_spread_s))
            while True:
                error = await self._stream()
                self.counters.last_error = str(error)
                self._become(SourceState.WAITING)
                self._sink.broken(GapCause.CAMERA_SILENT, str(error))
                await self._clock.sleep(self._backoff_s(error))
                self.counters.reconnects += 1
        finally:
            self._watchdog.remove(self._tick)
            self._become(SourceState.STOPPED)

    async def _stream(self) -> CameraError:
        """One connection, from beginning to end; returns why it ended."""
        session = RtspSession(
            self._url,
            self._credentials,
            clock=self._clock,
            entropy=self._entropy,
            answer_timeout_s=self._settings.answer_timeout_s,
        )
        try:
            async with self._limiter.place(self._failures):
                self._become(SourceState.CONNECTING)
                await self._start_in_time(session)
            self._become(SourceState.STREAMING)
            await session.ended()
        except CameraError as error:
            return error
        finally:
            await session.close(self._settings.goodbye_s)
            self._settle()
        raise AssertionError("a session ended without an error")

    async def _start_in_time(self, session: RtspSession) -> None:
        timeout_s = self._settings.start_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await self._start(session)
        except TimeoutError:
            raise ConnectError(f"no stream within {timeout_s:g} s", where=self._url.redacted) from None

    async def _start(self, session: RtspSession) -> None:
        await session.open()
        offer = await session.offer()
        track = VideoTrack(offer, self._sink, self.counters, self._clock, self._setup)
        self._playing_since_ns = self._clock.monotonic_ns()
        self._track = track
        await session.play(offer, track)
        session.attend(self._is_attended)
        self._session = session

    def _settle(self) -> None:
        """What remains of a connection: its numbers, and how long it was healthy."""
        if self._track is not None:
            self._track.count()
            self._setup = self._track.setup
            if self.counters.last_sample_ns - self._playing_since_ns > self._settings.healthy_s * 1e9:
                self._failures = 0
        self._session = self._track = None

    def _tick(self) -> None:
        session, track = self._session, self._track
        if session is None or track is None:
            return
        session.tick()
        track.count()
        last_ns = self.counters.last_sample_ns
        if last_ns >= self._playing_since_ns:
            self.counters.last_error = ""
        if self._clock.monotonic_ns() - max(last_ns, self._playing_since_ns) > self._settings.stall_s * 1e9:
            session.end(StallError(f"no picture for {self._settings.stall_s:g} s", fix="look at the camera's load"))

    def _backoff_s(self, error: CameraError) -> float:
        settings = self._settings
        first, most = settings.first_backoff_s, settings.most_backoff_s
        if isinstance(error, UnauthorisedError):
            first, most = settings.refused_backoff_s, settings.most_refused_backoff_s
        bound = min(most, first * 2 ** min(self._failures, 30))
        self._failures += 1
        # Anywhere up to the bound ("full jitter"), so that cameras that went together do not come back together.
        wait = self._rng.uniform(0, bound)
        return max(wait, first) if isinstance(error, UnauthorisedError) else wait

    def _become(self, state: SourceState) -> None:
        if state is not self.counters.state:
            self.counters.state = state
            if self._on_state is not None:
                self._on_state(state, self.counters.last_error)
