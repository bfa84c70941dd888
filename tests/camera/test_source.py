"""A camera's stream for ever: reconnecting, backing off, watched."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from civicam.camera.counters import SourceState
from civicam.camera.probe import probe
from civicam.camera.source import CameraSource, ConnectLimiter, SourceSettings
from civicam.camera.url import CameraUrl, Credentials
from civicam.camera.watchdog import Watchdog
from civicam.core.clock import SystemClock
from civicam.core.errors import CameraError, ConnectError, StallError, UnauthorisedError
from tests.camera.test_rtsp import GOOD, PICTURES, WHOLE, sdp
from tests.fakes.clock import ManualClock
from tests.fakes.heard import Heard
from tests.fakes.odd_camera import PASSWORD, OddCamera, stream_of, until
from tests.fakes.packets import interleaved, sender_report

SETTINGS = SourceSettings(goodbye_s=0.3, answer_timeout_s=5)
DIGEST = ('Digest realm="c", nonce="{nonce}", qop="auth"',)


class Running:
    """A source with its watchdog, on a clock that a test moves."""

    def __init__(self, address: str, credentials: Credentials | None, settings: SourceSettings) -> None:
        self.clock = ManualClock()
        self.heard = Heard()
        self.states: list[tuple[SourceState, str]] = []
        self.times_ns: list[int] = []
        self._looked_at = 0
        self.watchdog = Watchdog(self.clock)
        self.limiter = ConnectLimiter(2)
        self.source = CameraSource(
            CameraUrl.parse(address)[0],
            credentials,
            self.heard,
            clock=self.clock,
            rng=random.Random(1),
            watchdog=self.watchdog,
            connect_limiter=self.limiter,
            on_state=self._note,
            settings=settings,
        )
        self.tasks = [asyncio.create_task(self.watchdog.run()), asyncio.create_task(self.source.run())]

    @property
    def counters_state(self) -> SourceState:
        return self.source.counters.state

    def _note(self, state: SourceState, detail: str) -> None:
        self.states.append((state, detail))
        self.times_ns.append(self.clock.monotonic_ns())

    async def pass_until(self, state: SourceState, step_s: float = 0.1) -> None:
        """Lets the clock run until the source came to `state`, after the state that was last asked for."""
        while state not in (seen := [seen for seen, _ in self.states[self._looked_at :]]):
            self.clock.advance(step_s)
            await asyncio.sleep(0.001)
        self._looked_at += seen.index(state) + 1

    async def until(self, condition: Callable[[], bool]) -> None:
        """Lets the clock run until `condition` holds: reads are gathered, and made once a round of the watchdog."""
        while not condition():
            self.clock.advance(0.1)
            await asyncio.sleep(0.001)

    async def waits_s(self, count: int) -> list[float]:
        """How long each of the first waits between two attempts took, by the clock."""
        for _ in range(count):
            await self.pass_until(SourceState.WAITING)
        await self.pass_until(SourceState.CONNECTING)
        steps = zip(self.states, self.times_ns, self.times_ns[1:], strict=False)
        return [(after - before) / 1e9 for (state, _), before, after in steps if state is SourceState.WAITING]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@asynccontextmanager
async def running(
    camera: OddCamera, credentials: Credentials | None = None, settings: SourceSettings = SETTINGS
) -> AsyncIterator[Running]:
    async with camera:
        run = Running(camera.address, credentials, settings)
        try:
            async with asyncio.timeout(30):
                yield run
        finally:
            await run.stop()


def test_a_stream_that_breaks_comes_back_and_says_so() -> None:
    async def main() -> None:
        camera = OddCamera(sdp(), stream_of(PICTURES), hangs_up=True)
        async with running(camera) as run:
            await run.pass_until(SourceState.STREAMING)
            await run.pass_until(SourceState.WAITING)
            counters = run.source.counters
            assert "closed the connection" in counters.last_error
            assert (counters.samples, counters.packets, counters.packets_lost) == (21, 23, 0)
            assert counters.media_bytes == sum(map(len, WHOLE))
            camera.hangs_up = False
            await run.pass_until(SourceState.STREAMING)
            await run.until(lambda: len(run.heard.samples) == 2 * len(PICTURES) and not counters.last_error)
            assert counters.reconnects == 1
        first = ["setup", *["sample"] * 21, "camera silent"]
        assert run.heard.events == [*first, "discontinuity", *["sample"] * 21]
        assert camera.methods[-1] == "TEARDOWN"
        assert [state for state, _ in run.states] == [
            SourceState.CONNECTING,
            SourceState.STREAMING,
            SourceState.WAITING,
            SourceState.CONNECTING,
            SourceState.STREAMING,
            SourceState.STOPPED,
        ]

    asyncio.run(main())


def test_a_stream_without_pictures_is_given_up_though_bytes_come() -> None:
    async def main() -> None:
        report = interleaved(sender_report(0, 1), 1)
        camera = OddCamera(sdp(), [*stream_of(PICTURES), *[report] * 2000], pause_s=0.002)
        async with running(camera) as run:
            await run.pass_until(SourceState.STREAMING)
            await run.until(lambda: len(run.heard.samples) == len(PICTURES))
            last_picture_ns = run.clock.monotonic_ns()
            await run.pass_until(SourceState.WAITING)
            assert 9.5 <= (run.times_ns[-1] - last_picture_ns) / 1e9 <= 13
            assert "no picture for 10 s" in run.source.counters.last_error
            assert camera.methods[-1] == "TEARDOWN"  # so that the camera forgets the session too
            assert run.heard.events[-1] == "camera silent"

    asyncio.run(main())


def test_waits_grow_and_are_spread_and_end_when_the_camera_answers() -> None:
    async def main() -> None:
        camera = OddCamera(answers={"OPTIONS": "HTTP/1.1 400 Bad Request\r\n\r\n"})
        async with running(camera) as run:
            waits = await run.waits_s(9)
            assert len(waits) == 9
            assert all(wait <= min(30, 0.5 * 2**n) + 0.5 for n, wait in enumerate(waits))
            assert max(waits) > 3
            assert run.source.counters.reconnects == 9

    asyncio.run(main())


def test_a_refused_password_is_tried_again_slowly_and_never_told() -> None:
    async def main() -> None:
        camera = OddCamera(sdp(), stream_of(PICTURES), auth=DIGEST)
        wrong = Credentials("operator", "Zq9-wrong#phrase")
        async with running(camera, wrong) as run:
            assert min(await run.waits_s(3)) >= 9.9
        told = [*run.heard.details, *(detail for _, detail in run.states)]
        assert "refuses the name and password" in told[0]
        assert not any("Zq9" in text or "operator" in text for text in told)

    asyncio.run(main())


def test_only_so_many_cameras_connect_at_once() -> None:
    async def main() -> None:
        async with OddCamera(answers={"OPTIONS": None}) as camera:
            settings = replace(SETTINGS, answer_timeout_s=1)
            runs = [Running(camera.address, None, settings) for _ in range(4)]
            for run in runs[1:]:
                run.source._limiter = runs[0].limiter
            await asyncio.sleep(0)
            for run in runs:
                run.clock.advance(1)
            await until(lambda: camera.connections == 2)
            await asyncio.sleep(0.1)
            assert camera.connections == 2
            assert sum(run.counters_state is SourceState.CONNECTING for run in runs) == 2
            await until(lambda: camera.connections == 4)
            for run in runs:
                await run.stop()

    asyncio.run(main())


def test_stopping_is_quick_even_when_the_camera_does_not_answer() -> None:
    async def main() -> None:
        camera = OddCamera(sdp(), stream_of(PICTURES), answers={"TEARDOWN": None})
        async with running(camera) as run:
            await run.pass_until(SourceState.STREAMING)
            await run.until(lambda: len(run.heard.samples) == len(PICTURES))
            async with asyncio.timeout(5):
                await run.stop()
            assert run.tasks[1].cancelled()
            assert run.counters_state is SourceState.STOPPED
            assert camera.methods[-1] == "TEARDOWN"
            assert "camera silent" not in run.heard.events

    asyncio.run(main())


@pytest.mark.parametrize("when", range(1, 31, 3))
def test_a_source_can_be_stopped_at_any_moment(when: int) -> None:
    async def main() -> None:
        camera = OddCamera(sdp(), stream_of(PICTURES), auth=DIGEST)
        async with running(camera, GOOD) as run:
            run.clock.advance(1)
            for _ in range(when):
                await asyncio.sleep(0)
            await run.stop()
            assert run.tasks[1].cancelled()
            assert run.counters_state is SourceState.STOPPED
            assert run.limiter.is_idle

    asyncio.run(main())


def look(camera: OddCamera, credentials: Credentials | None = None, watch_s: float = 0.5) -> object:
    async def main() -> object:
        async with camera:
            url = CameraUrl.parse(camera.address)[0]
            return await probe(url, credentials, clock=SystemClock(), watch_s=watch_s, timeout_s=5)

    return asyncio.run(main())


def test_a_probe_tells_what_a_camera_is() -> None:
    async def main() -> None:
        chunks = [interleaved(sender_report(0xEA000000 << 32, 0), 1), *stream_of(PICTURES)]
        async with OddCamera(sdp(), chunks, auth=DIGEST) as camera:
            url = CameraUrl.parse(camera.address)[0]
            result = await probe(url, GOOD, clock=SystemClock(), watch_s=0.5)
        assert (result.auth, result.width, result.height) == ("Digest MD5", 160, 96)
        assert result.offers == ("audio ?", "video H264/90000")
        assert result.codec.startswith("avc1.")
        assert result.fps == pytest.approx(15)
        assert result.bitrate_bps == pytest.approx(8 * sum(map(len, WHOLE)) / len(WHOLE) * 15)
        assert result.samples == len(PICTURES)
        assert result.clock_offset_ns is not None
        assert "GET_PARAMETER" in result.methods
        assert not result.faults

    asyncio.run(main())


@pytest.mark.parametrize(
    ("camera", "kind"),
    [(OddCamera(sdp()), StallError), (OddCamera(auth=DIGEST), UnauthorisedError), (OddCamera(b"m="), CameraError)],
)
def test_a_probe_says_why_a_camera_cannot_be_used(camera: OddCamera, kind: type[CameraError]) -> None:
    with pytest.raises(kind) as caught:
        look(camera, Credentials("operator", "Zq9-wrong#phrase"), watch_s=0.2)
    assert "Zq9" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_probe_of_a_camera_that_hangs_up_says_so_at_once() -> None:
    with pytest.raises(ConnectError, match="closed the connection"):
        look(OddCamera(sdp(), [], hangs_up=True), None, watch_s=25)


def test_many_dead_cameras_do_not_hold_up_one_that_is_back() -> None:
    async def main() -> None:
        limiter = ConnectLimiter(2)
        async with limiter.place(5), limiter.place(9):
            assert limiter.place(2).locked()
            async with asyncio.timeout(5), limiter.place(0), limiter.place(1):
                assert not limiter.is_idle

    asyncio.run(main())


def test_a_camera_that_answers_each_step_late_gets_no_more_time_than_a_start_may_take() -> None:
    async def main() -> None:
        camera = OddCamera(sdp(), stream_of(PICTURES), answers={"SETUP": None})
        async with running(camera, settings=replace(SETTINGS, start_timeout_s=0.2)) as run:
            await run.pass_until(SourceState.WAITING)
            assert "no stream within 0.2 s" in run.source.counters.last_error

    asyncio.run(main())
