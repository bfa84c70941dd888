"""Live over a WebSocket: what comes, who gets it, and what ends it."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from civicam.core.ids import CameraId
from civicam.core.spans import Span
from civicam.player.live import LiveLimits
from civicam.player.viewer import FragmentMessage, StateMessage
from civicam.redaction.redacted import FullCover
from civicam.web import live
from civicam.web.authorise import LocalOnly, Purpose, Viewer
from civicam.web.live import reference_time, state_text
from tests.fakes.odd_camera import until
from tests.fakes.pictures import LeftHalf, luma, played
from tests.fakes.samples import FRAME_NS
from tests.web.served import CAMERA, Served, served

PATH = f"api/cameras/{CAMERA}/live"


@asynccontextmanager
async def watching(web: Served, path: str = PATH, origin: str = "") -> AsyncIterator[ClientConnection]:
    address = web.address.replace("http", "ws") + path
    async with connect(address, origin=origin or web.address.rstrip("/")) as socket:  # type: ignore[arg-type]
        yield socket


async def refused(web: Served, path: str = PATH, origin: str = "") -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with watching(web, path, origin):
            pass
    return caught.value.response.status_code


async def until_closed(socket: ClientConnection) -> tuple[int, str]:
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code or 0, socket.close_reason or ""


async def test_a_viewer_gets_redacted_frames_that_a_player_plays(city: Path) -> None:
    async with served(city) as web, watching(web) as socket:
        assert socket.protocol.extensions == []
        texts, binaries = list[str](), list[bytes]()
        while len(binaries) < 31:
            match await socket.recv():
                case str() as text:
                    texts.append(text)
                case binary:
                    binaries.append(binary)
        init, state = (json.loads(text) for text in texts)
        assert (init["type"], init["width"], init["height"]) == ("init", 160, 96)
        assert init["mime"].startswith('video/mp4; codecs="avc')
        assert state == {"type": "state", "reason": None, "text": "Live.", "is_bad": False, "lost": 0}
        frames = played(binaries[0], binaries[1:])
        assert len(frames) == 30
        assert all(abs(int(luma(frame)[:, :72].max()) - LeftHalf.COVER) < 9 for frame in frames)


async def test_each_frame_says_when_the_camera_saw_it(city: Path) -> None:
    async with served(city) as web, watching(web) as socket:
        frames: list[bytes] = []
        while len(frames) < 4:
            if isinstance(message := await socket.recv(), bytes):
                frames.append(message)
        times = []
        for frame in frames[1:]:  # the first one is `ftyp` and `moov`
            size, kind, head, track, ntp, media_90k = struct.unpack_from(">I4sIIQQ", frame)
            assert (size, kind, head, track, frame[36:40]) == (32, b"prft", 1 << 24, 1, b"moof")
            assert media_90k == int.from_bytes(frame[frame.index(b"tfdt") + 8 :][:8], "big")
            times.append(((ntp * 1_000_000_000) >> 32) - 2_208_988_800 * 1_000_000_000)
        # The source's frames are so far apart, from 1970 on; a part of NTP's second is a quarter of a nanosecond.
        assert all(min(at % FRAME_NS, -at % FRAME_NS) <= 1 for at in times)
        assert times == sorted(set(times))


def test_the_time_of_a_frame_survives_to_the_nanosecond() -> None:
    for wall_ns in (0, 1, 999_999_999, 1_772_323_200_123_456_789):
        message = FragmentMessage(b"", 7, wall_ns, is_key=False, reason=None)
        ntp, start_90k = struct.unpack_from(">QQ", reference_time(message), 16)
        assert (round(ntp * 1_000_000_000 / Fraction(1 << 32)) - 2_208_988_800 * 10**9, start_90k) == (wall_ns, 7)


async def test_many_viewers_share_one_redaction_which_goes_on_when_one_leaves(city: Path) -> None:
    async with served(city) as web, watching(web) as first:
        await first.recv()
        async with watching(web) as second:
            await second.recv()
            assert (web.hub.streams, web.hub.viewers) == (1, 2)
        await until(lambda: web.hub.viewers == 1)
        await first.recv()
        assert web.hub.streams == 1


async def test_who_may_not_look_is_refused_before_the_socket_opens(city: Path) -> None:
    async with served(city) as web:
        assert await refused(web, "api/cameras/nobody-9/live") == 404
        assert await refused(web, "api/cameras/No_Name/live") == 400
        assert await refused(web, PATH + "?" + "a" * 2000) == 403
        assert web.hub.viewers == 0


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"]
)
async def test_a_page_of_another_site_cannot_watch(city: Path, origin: str) -> None:
    async with served(city) as web:
        assert await refused(web, origin=origin) == 403


async def test_a_program_that_does_not_say_whose_page_asks_cannot_watch(city: Path) -> None:
    async with served(city) as web:
        with pytest.raises(InvalidStatus):
            async with connect(web.address.replace("http", "ws") + PATH):
                pass


async def test_when_as_many_watch_as_may_the_next_is_asked_to_wait(city: Path) -> None:
    async with served(city, limits=LiveLimits(viewers=1)) as web, watching(web) as first:
        await first.recv()
        assert await refused(web) == 503


async def test_a_viewer_that_talks_is_hung_up_on(city: Path) -> None:
    async with served(city) as web, watching(web) as socket:
        await socket.send("hello")
        code, reason = await until_closed(socket)
        assert (code, reason) == (1008, "nothing is to be said here")
        await until(lambda: web.hub.viewers == 0)


async def test_a_viewer_that_sends_too_much_is_hung_up_on(city: Path) -> None:
    async with served(city) as web, watching(web) as socket:
        await socket.send(b"0" * 5000)
        await until_closed(socket)
        await until(lambda: web.hub.viewers == 0)


async def test_a_view_ends_when_the_policy_no_longer_allows_it(city: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Changing(LocalOnly):
        over = False

        def refusal(
            self, viewer: Viewer, camera: CameraId | None, window: Span, purpose: Purpose, grant: int | None = None
        ) -> str | None:
            return "the time is over" if self.over else None

    monkeypatch.setattr(live, "ASK_AGAIN_S", 0.05)
    policy = Changing()
    async with served(city, policy) as web, watching(web) as socket:
        await socket.recv()
        policy.over = True
        assert await until_closed(socket) == (1008, "the time is over")
        await until(lambda: web.hub.viewers == 0)


async def test_a_viewer_is_told_when_the_hub_ends(city: Path) -> None:
    async with served(city) as web, watching(web) as socket:
        await socket.recv()
        await web.hub.close()
        assert await until_closed(socket) == (1013, "the view has ended")


@pytest.mark.parametrize("reason", FullCover)
def test_every_full_cover_is_said_in_words(reason: FullCover) -> None:
    told = json.loads(state_text(StateMessage(reason, 3)))
    assert reason.value in told["text"]
    assert "3 pictures were left out" in told["text"]
    assert told["is_bad"] is (reason in {FullCover.ERROR, FullCover.OVERLOAD, FullCover.NO_PICTURE})
