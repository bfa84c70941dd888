"""The simulator's cameras, seen by libav and by a bare client."""

import asyncio
import contextlib
import json
import random
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import av
import pytest
import uvloop

from civicam.city.auth import AuthScheme
from civicam.city.faults import Drop
from civicam.city.loop import LoopedStream
from civicam.city.packets import digest
from civicam.city.sent import FrameFate, SentLog
from civicam.city.server import CityServer, plan_cameras
from civicam.city.simulated import CityCamera
from civicam.core.clock import SystemClock
from civicam.core.errors import CityError
from civicam.core.ids import CameraId, StreamName
from tests.fakes.loop import looped_stream, number_in
from tests.fakes.rtsp_client import Rtcp, RtspClient, digest_answer, md5_hex, nals_of, sha256_hex

CAM = CameraId("cam-001")
PASSWORD = "o'clock: 5%/@"


@asynccontextmanager
async def serving(server: CityServer) -> AsyncIterator[CityServer]:
    await server.start()
    try:
        yield server
    finally:
        await server.close()


def city(*cameras: CityCamera, sent: SentLog | None = None, **settings: float) -> CityServer:
    return CityServer(
        cameras,
        clock=SystemClock(),
        rng=random.Random(7),
        sent=sent,
        timeout_s=settings.get("timeout_s", 60),
        max_pending_bytes=int(settings.get("max_pending_bytes", 512 * 1024)),
        send_buffer_bytes=int(settings["send_buffer_bytes"]) if "send_buffer_bytes" in settings else None,
        totals_every_s=settings.get("totals_every_s", 1),
    )


def watch(url: str, count: int) -> list[tuple[int | None, int]]:
    """Decodes frames with libav: each one's presentation time and drawn number."""
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=20) as container:
        found = []
        for frame in container.decode(video=0):
            found.append((frame.pts, number_in(frame)))
            if len(found) == count:
                break
        return found


def assert_counts_on(seen: list[tuple[int | None, int]], stream: LoopedStream) -> None:
    numbers = [number for _, number in seen]
    first = numbers[0]
    assert numbers == [(first + at) % len(stream.units) for at in range(len(numbers))]
    # libav knows the first time only after the first sender report.
    times = [time for time, _ in seen[1:] if time is not None]
    assert {after - before for before, after in pairwise(times)} == {90_000 / stream.fps}


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("in_band", [False, True])
def test_libav_decodes_every_frame_through_the_loops_end(b_frames: int, in_band: bool) -> None:
    stream = looped_stream(b_frames=b_frames)

    async def main() -> None:
        async with serving(city(CityCamera(CAM, stream, in_band=in_band))) as server:
            assert_counts_on(await asyncio.to_thread(watch, server.url(CAM), 35), stream)

    asyncio.run(main())


@pytest.mark.parametrize("auth", [AuthScheme.BASIC, AuthScheme.DIGEST_MD5])
def test_libav_comes_in_with_the_password_and_not_without(auth: AuthScheme) -> None:
    stream = looped_stream()

    async def main() -> None:
        async with serving(city(CityCamera(CAM, stream, password=PASSWORD, auth=auth))) as server:
            seen = await asyncio.to_thread(watch, server.url(CAM, credentials=True), 3)
            assert_counts_on(seen, stream)
            with pytest.raises(av.HTTPUnauthorizedError):
                await asyncio.to_thread(watch, server.url(CAM), 1)
            assert server.stats(CAM).refused >= 2

    asyncio.run(main())


def test_what_arrives_is_what_was_logged_byte_for_byte() -> None:
    # Key frames of several packets: single NAL, FU-A and in-band STAP-A are all there.
    stream = looped_stream("big", bit_rate=2_000_000, noisy=True)
    sent = SentLog(frames=True)

    async def main() -> None:
        async with serving(city(CityCamera(CAM, stream, in_band=True), sent=sent)) as server:
            client = await RtspClient.open(server.url(CAM))
            played = await client.play()
            frames = await client.frames(33)
            assert f"seq={frames[0][0].sequence};rtptime={frames[0][0].timestamp}" in played.headers["rtp-info"]
            await client.close()

        numbers = [packet.sequence for frame in frames for packet in frame]
        assert numbers == [(numbers[0] + at) & 0xFFFF for at in range(len(numbers))]
        assert len({packet.ssrc for frame in frames for packet in frame}) == 1
        assert max(len(frame) for frame in frames) > 1
        kinds = {packet.payload[0] & 31 for frame in frames for packet in frame}
        assert kinds >= {24, 28}
        assert min(kinds) < 24
        digests = {digest(unit): unit.is_key for unit in stream.units}
        for frame, logged in zip(frames, sent.frames, strict=False):
            nals = nals_of(frame)
            if logged.is_key:
                assert nals[:2] == [stream.sps, stream.pps]
                nals = nals[2:]
            unit = next(unit for unit in stream.units if digest(unit) == logged.sha256)
            assert nals == list(unit.nals)
            assert {packet.timestamp for packet in frame} == {logged.timestamp}
            assert (frame[0].sequence, len(frame)) == (logged.sequence & 0xFFFF, logged.packets)
            assert logged.fate is FrameFate.WHOLE
            assert digests[logged.sha256] == logged.is_key
        assert sent.frames[0].is_key

    asyncio.run(main())


def test_it_serves_drops_and_closes_on_uvloop_too() -> None:
    stream = looped_stream(b_frames=2)

    async def main() -> None:
        async with serving(city(CityCamera(CAM, stream))) as server:
            assert_counts_on(await asyncio.to_thread(watch, server.url(CAM), 20), stream)
            client = await RtspClient.open(server.url(CAM))
            await client.play()
            await client.frames(3)
            server.inject(CAM, Drop(reset=True))
            with pytest.raises(ConnectionResetError):
                await client.at_end()
            stays = await RtspClient.open(server.url(CAM))
            await stays.play()
            await stays.frames(3)
        # Closing says BYE.
        assert (await stays.at_end())[-7] == 203

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_totals_add_up_with_what_was_received() -> None:
    async def main() -> None:
        async with serving(city(CityCamera(CAM, looped_stream()))) as server:
            first, second = await RtspClient.open(server.url(CAM)), await RtspClient.open(server.url(CAM))
            await first.play()
            await second.play("4-5")
            received = await first.rtp(10)
            await second.rtp(5)
            assert server.stats(CAM).connections_open == 2
            last = (await first.ask("TEARDOWN"), await second.ask("TEARDOWN"))
            assert [reply.status for reply in last] == [200, 200]
            more = [block for client in (first, second) for block in client.before_reply]
            stats = server.stats(CAM)
            await first.close()
            await second.close()
        rtp = 15 + sum(not isinstance(block, Rtcp) for block in more)
        assert (stats.packets, stats.plays, stats.frames_dropped, stats.packets_lost) == (rtp, 2, 0, 0)
        play = next(play for play in stats.recent if play.ssrc == received[0].ssrc)
        assert play.first_sequence == received[0].sequence
        assert play.last_sequence - play.first_sequence + 1 == play.packets
        assert sum(play.packets for play in stats.recent) == stats.packets
        ended = [block.data for block in more if isinstance(block, Rtcp) and block.data[-7] == 203]
        assert len(ended) == 2

    asyncio.run(main())


def test_two_plays_share_frames_and_nothing_else() -> None:
    async def main() -> None:
        async with serving(city(CityCamera(CAM, looped_stream()))) as server:
            clients = [await RtspClient.open(server.url(CAM)) for _ in range(2)]
            for client in clients:
                await client.play()
            one, two = [(await client.frames(2)) for client in clients]
            for client in clients:
                await client.close()
        assert nals_of(one[0])[-1][0] & 31 == nals_of(two[0])[-1][0] & 31 == 5
        assert one[0][0].ssrc != two[0][0].ssrc
        assert one[0][0].sequence != two[0][0].sequence
        assert one[0][0].timestamp != two[0][0].timestamp
        assert one[1][0].timestamp - one[0][0].timestamp == two[1][0].timestamp - two[0][0].timestamp

    asyncio.run(main())


def test_a_sender_report_ties_rtp_time_to_the_cameras_clock() -> None:
    clock = SystemClock()

    async def main() -> None:
        camera = CityCamera(CAM, looped_stream(), clock_offset_s=3600)
        async with serving(city(camera)) as server:
            client = await RtspClient.open(server.url(CAM))
            await client.play()
            block = await client.block()
            while not isinstance(block, Rtcp):
                block = await client.block()
            (packet,) = await client.rtp(1)
            now_ns = clock.wall_ns()
            # A receiver report comes back, and is counted.
            client.writer.write(b"$\1\0\x08" + bytes.fromhex("80c90001") + bytes(4))
            assert (await client.ask("GET_PARAMETER")).status == 200
            assert server.stats(CAM).receiver_reports == 1
            await client.close()
        data = block.data
        assert (data[1], data[29]) == (200, 202)
        ntp_s = int.from_bytes(data[8:12]) + int.from_bytes(data[12:16]) / 2**32 - 2_208_988_800
        rtp = int.from_bytes(data[16:20])
        frame_s = ntp_s + ((packet.timestamp - rtp + 2**31) % 2**32 - 2**31) / 90_000
        # The frame was made before it was read, and not long before.
        assert -5 < frame_s - 3600 - now_ns / 1e9 <= 0.0

    asyncio.run(main())


@pytest.mark.parametrize(("auth", "hashed"), [(AuthScheme.DIGEST_MD5, md5_hex), (AuthScheme.DIGEST_SHA256, sha256_hex)])
def test_digest_takes_a_right_answer_once(auth: AuthScheme, hashed: Callable[[str], str]) -> None:
    async def main() -> None:
        async with serving(city(CityCamera(CAM, looped_stream(), password=PASSWORD, auth=auth))) as server:
            client = await RtspClient.open(server.url(CAM))
            challenge = (await client.ask("DESCRIBE")).headers["www-authenticate"]
            login = ("civicam", PASSWORD)
            answer = digest_answer(hashed, challenge, "DESCRIBE", client.url, login=login)
            assert (await client.ask("DESCRIBE", Authorization=answer)).status == 200
            again = await client.ask("DESCRIBE", Authorization=answer)
            assert again.status == 401
            assert "stale=true" in again.headers["www-authenticate"]
            wrong = digest_answer(
                hashed, again.headers["www-authenticate"], "DESCRIBE", client.url, login=("civicam", "x")
            )
            refused = await client.ask("DESCRIBE", Authorization=wrong)
            assert refused.status == 401
            assert "stale" not in refused.headers["www-authenticate"]
            other = digest_answer(hashed, refused.headers["www-authenticate"], "SETUP", client.url, login=login)
            assert (await client.ask("DESCRIBE", Authorization=other)).status == 401
            await client.close()

    asyncio.run(main())


def test_basic_takes_the_right_password_only() -> None:
    async def main() -> None:
        camera = CityCamera(CAM, looped_stream(), password=PASSWORD, auth=AuthScheme.BASIC)
        async with serving(city(camera)) as server:
            client = await RtspClient.open(server.url(CAM))
            right = b64encode(f"civicam:{PASSWORD}".encode()).decode()
            for token, status in ((right, 200), (right[:-4], 401), ("~~~", 401), ("", 401)):
                assert (await client.ask("DESCRIBE", Authorization=f"Basic {token}")).status == status
            assert (await client.ask("OPTIONS")).status == 200
            await client.close()
        assert PASSWORD not in repr(camera)

    asyncio.run(main())


def test_a_camera_has_a_main_and_where_planned_a_sub_stream() -> None:
    small = looped_stream("small", width=96, height=48)

    async def main() -> None:
        cameras = (CityCamera(CAM, looped_stream(), sub=small), CityCamera(CameraId("lone"), looped_stream()))
        async with serving(city(*cameras)) as server:
            client = await RtspClient.open(server.url(CAM, StreamName.SUB))
            described = await client.ask("DESCRIBE")
            await client.close()
            text = described.body.decode()
            assert b64encode(small.sps).decode() in text
            assert "packetization-mode=1" in text
            assert "a=framerate:50\r\n" in text
            lone = await RtspClient.open(server.url("lone", StreamName.SUB))
            assert (await lone.ask("DESCRIBE")).status == 404
            assert (await lone.ask("DESCRIBE", server.url("lone").removesuffix("/main"))).status == 200
            await lone.close()

    asyncio.run(main())


def test_methods_in_the_wrong_state_get_the_status_that_says_so() -> None:
    async def main() -> None:
        async with serving(city(CityCamera(CAM, looped_stream()))) as server:
            client = await RtspClient.open(server.url(CAM))
            assert "PLAY" in (await client.ask("OPTIONS", "*")).headers["public"]
            assert (await client.ask("PLAY")).status == 455
            for transport in ("RTP/AVP;unicast;client_port=5000-5001", "", "RTP/AVP/TCP;interleaved=400-401"):
                assert (await client.ask("SETUP", Transport=transport)).status == 461
            offers = "RTP/AVP;unicast;client_port=5000-5001,RTP/AVP/TCP;unicast"
            setup = await client.ask("SETUP", Transport=offers)
            assert "interleaved=0-1" in setup.headers["transport"]
            assert setup.headers["session"].endswith(";timeout=60")
            assert (await client.ask("SETUP", Transport=offers)).status == 459
            assert (await client.ask("PLAY")).status == 454
            client.session = "0badc0de"
            assert (await client.ask("PLAY")).status == 454
            assert (await client.ask("PAUSE")).status == 405
            assert (await client.ask("FLY")).status == 501
            client.session = setup.headers["session"].partition(";")[0]
            assert (await client.ask("SET_PARAMETER")).status == 200
            assert (await client.ask("TEARDOWN")).status == 200
            assert (await client.ask("GET_PARAMETER")).status == 454
            await client.close()

    asyncio.run(main())


def test_a_session_ends_when_its_client_says_nothing() -> None:
    async def main() -> None:
        async with serving(city(CityCamera(CAM, looped_stream()), timeout_s=1.5)) as server:
            quiet, alive = await RtspClient.open(server.url(CAM)), await RtspClient.open(server.url(CAM))
            await quiet.play()
            await alive.play()
            ended = asyncio.create_task(quiet.at_end())
            while not ended.done():
                assert (await alive.ask("GET_PARAMETER")).status == 200
                await asyncio.sleep(0.2)
            # The last words are a BYE.
            assert (await ended)[-7] == 203
            assert server.stats(CAM).connections_open == 1
            await alive.close()

    asyncio.run(main())


def test_a_reader_that_stops_loses_whole_frames_and_no_more_than_that() -> None:
    stream = looped_stream("heavy", bit_rate=8_000_000, noisy=True)
    sent = SentLog(frames=True)

    async def main() -> None:
        server = city(CityCamera(CAM, stream), sent=sent, max_pending_bytes=100_000, send_buffer_bytes=16_384)
        async with serving(server):
            client = await RtspClient.open(server.url(CAM))
            await client.play()
            client.reader._transport.pause_reading()  # type: ignore[attr-defined]  # a reader that stops
            while server.stats(CAM).frames_dropped < 3:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.1)
            client.reader._transport.resume_reading()  # type: ignore[attr-defined]
            frames = await client.frames(1)
            gaps = 0
            while not gaps:
                frames += await client.frames(1)
                gaps += frames[-1][0].sequence != (frames[-2][-1].sequence + 1) & 0xFFFF
            await client.close()
        whole = [frame for frame in sent.frames if frame.fate is FrameFate.WHOLE]
        for frame, logged in zip(frames, whole, strict=False):
            assert [p.sequence for p in frame] == [(logged.sequence + at) & 0xFFFF for at in range(logged.packets)]

    asyncio.run(main())


@pytest.mark.parametrize(
    "words",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\1\2\3\r\n\r\n",
        b"DESCRIBE rtsp://x/cam-001/main RTSP/1.0\r\nno colon\r\n\r\n",
        b"DESCRIBE rtsp://x/cam-001/main RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n",
        b"DESCRIBE rtsp://x/cam-001/main RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -5\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\n" + b"X: y\r\n" * 2000,
        b"A" * 100_000,
        b"DESCRIBE rtsp://x/\xff RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    ],
)
def test_what_is_no_request_gets_a_400_and_the_door(words: bytes) -> None:
    async def main() -> None:
        async with serving(city(CityCamera(CAM, looped_stream()))) as server:
            client = await RtspClient.open(server.url(CAM))
            client.writer.write(words)
            assert (await client.reply()).status == 400
            # What was not read any more is answered with a reset.
            with contextlib.suppress(ConnectionResetError):
                assert await client.at_end() == b""
            other = await RtspClient.open(server.url(CAM))
            assert (await other.ask("DESCRIBE")).status == 200
            await other.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (b"DESCRIBE rtsp://x/cam-001/main RTSP/2.0\r\nCSeq: 1\r\n\r\n", 505),
        (b"DESCRIBE rtsp://x/cam-001/main RTSP/1.0\r\n\r\n", 400),
        (b"DESCRIBE rtsp://x/cam-001/../../etc RTSP/1.0\r\nCSeq: 1\r\n\r\n", 404),
        (b"DESCRIBE rtsp://[x/cam-001 RTSP/1.0\r\nCSeq: 1\r\n\r\n", 404),
        (b"DESCRIBE * RTSP/1.0\r\nCSeq: 1\r\n\r\n", 404),
        (b"SETUP rtsp://x/nobody/main RTSP/1.0\r\nCSeq: 1\r\n\r\n", 404),
        (b"TEARDOWN rtsp://x/nobody/main RTSP/1.0\r\nCSeq: 1\r\n\r\n", 455),
    ],
)
def test_a_wrong_request_gets_an_answer_and_the_connection_goes_on(words: bytes, status: int) -> None:
    async def main() -> None:
        async with serving(city(CityCamera(CAM, looped_stream()))) as server:
            client = await RtspClient.open(server.url(CAM))
            client.writer.write(b"$\7\0\3abc" + words)
            assert (await client.reply()).status == status
            assert (await client.ask("OPTIONS")).status == 200
            await client.close()

    asyncio.run(main())


def test_a_request_may_come_byte_by_byte_and_many_at_once() -> None:
    async def main() -> None:
        async with serving(city(CityCamera(CAM, looped_stream()))) as server:
            client = await RtspClient.open(server.url(CAM))
            one = f"OPTIONS {client.url} RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 4\r\n\r\nbody".encode()
            for byte in one:
                client.writer.write(bytes((byte,)))
                await asyncio.sleep(0)
            client.writer.write(one * 50)
            for _ in range(51):
                assert (await client.reply()).status == 200
            await client.close()

    asyncio.run(main())


def test_who_asks_and_never_reads_is_cut_off() -> None:
    async def main() -> None:
        server = city(CityCamera(CAM, looped_stream()), max_pending_bytes=50_000, send_buffer_bytes=16_384)
        async with serving(server):
            client = await RtspClient.open(server.url(CAM))
            client.reader._transport.pause_reading()  # type: ignore[attr-defined]  # a reader that stops
            with pytest.raises(ConnectionError):  # noqa: PT012
                while True:
                    client.send("DESCRIBE")
                    await client.writer.drain()
                    await asyncio.sleep(0)
            assert server.stats(CAM).connections_open == 0
            await client.close()

    asyncio.run(main())


def test_totals_and_frames_are_written_where_another_process_can_read_them(tmp_path: Path) -> None:
    path = tmp_path / "sent.jsonl"
    sent = SentLog(path, frames=True)

    async def main() -> None:
        async with serving(city(CityCamera(CAM, looped_stream()), sent=sent, totals_every_s=0.1)) as server:
            client = await RtspClient.open(server.url(CAM))
            await client.play()
            await client.frames(5)
            await client.close()
        sent.close()

    asyncio.run(main())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    frames = [line for line in lines if line["kind"] == "frame"]
    totals = [line for line in lines if line["kind"] == "totals"]
    assert lines[-1]["kind"] == "totals"
    assert len(totals) > 1
    assert totals[-1]["camera"] == "cam-001"
    assert totals[-1]["frames"] == len(frames) >= 5
    assert totals[-1]["packets"] == sum(frame["packets"] for frame in frames)
    assert {frame["fate"] for frame in frames} == {"whole"}
    assert sent.frames == []


def test_planned_cameras_differ_in_name_and_phase() -> None:
    streams = [looped_stream(), looped_stream("small", width=96, height=48)]
    cameras = plan_cameras(5, streams, random.Random(3), prefix="rudaki", password="secret")
    assert [camera.id for camera in cameras] == [f"rudaki-00{number}" for number in range(1, 6)]
    assert len({camera.phase_s for camera in cameras}) == 5
    assert [camera.stream.name for camera in cameras] == ["bars", "small", "bars", "small", "bars"]
    with pytest.raises(CityError):
        plan_cameras(0, streams, random.Random(3))
    with pytest.raises(CityError, match="two cameras"):
        city(cameras[0], cameras[0])


def test_a_port_that_is_taken_is_an_error_that_says_so() -> None:
    async def main() -> None:
        async with serving(city(CityCamera(CAM, looped_stream()))) as server:
            port = int(server.url(CAM).split(":")[2].split("/")[0])
            with pytest.raises(CityError, match=f"127.0.0.1:{port}: cannot listen"):
                await city(CityCamera(CAM, looped_stream())).start(port=port)

    asyncio.run(main())
