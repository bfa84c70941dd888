"""Every fault, seen by a bare client."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from civicam.city.auth import AuthScheme
from civicam.city.faults import (
    ClockJump,
    Drop,
    Fault,
    Garbage,
    Loss,
    Off,
    Reboot,
    Reorder,
    Silence,
    Slow,
    Switch,
    WrongPassword,
    packet_fault,
)
from civicam.city.scenario import Scenario, parse_scenario
from civicam.city.sent import FrameFate, SentLog
from civicam.city.server import CityServer
from civicam.city.simulated import CityCamera
from civicam.core.clock import SystemClock
from civicam.core.errors import CityError
from civicam.core.ids import CameraId
from tests.fakes.loop import looped_stream
from tests.fakes.rtsp_client import Rtcp, Rtp, RtspClient, digest_answer, nals_of, sha256_hex

CAM = CameraId("cam-001")
BIG = looped_stream("big", bit_rate=2_000_000, noisy=True)
OTHER = looped_stream("other", width=96, height=48)


@asynccontextmanager
async def one_camera(
    camera: CityCamera | None = None, scenario: Scenario | None = None, sent: SentLog | None = None
) -> AsyncIterator[CityServer]:
    server = CityServer(
        [camera or CityCamera(CAM, BIG)],
        clock=SystemClock(),
        rng=random.Random(5),
        scenario=scenario,
        streams=[OTHER],
        sent=sent,
    )
    await server.start()
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def playing(server: CityServer) -> AsyncIterator[RtspClient]:
    client = await RtspClient.open(server.url(CAM))
    try:
        await client.play()
        await client.frames(2)
        yield client
    finally:
        await client.close()


async def describe(server: CityServer) -> int | None:
    """The status of a new connection's DESCRIBE; None when the camera closes it."""
    client = await RtspClient.open(server.url(CAM))
    try:
        return (await client.ask("DESCRIBE")).status
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return None
    finally:
        await client.close()


async def until_back(server: CityServer, gone: int | None) -> None:
    assert await describe(server) == gone
    while await describe(server) != 200:
        pass


@pytest.mark.parametrize("reset", [False, True])
def test_drop_ends_the_connection_and_the_next_one_begins_anew(reset: bool) -> None:
    async def main() -> None:
        async with one_camera() as server:
            async with playing(server) as client:
                (before,) = await client.rtp(1)
                assert server.inject("cam-*", Drop(reset=reset)) == 1
                if reset:
                    with pytest.raises(ConnectionResetError):
                        await client.at_end()
                else:
                    await client.at_end()
            assert server.stats(CAM).connections_open == 0
            async with playing(server) as again:
                (after,) = await again.rtp(1)
            assert after.ssrc != before.ssrc

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (Drop(duration_s=0.4), None),
        (Off(duration_s=0.4), None),
        (Off(duration_s=0.4, answer="503"), 503),
        (Reboot(duration_s=0.4, answer="503"), 503),
    ],
)
def test_a_camera_that_is_away_comes_back(fault: Fault, answer: int | None) -> None:
    async def main() -> None:
        async with one_camera() as server:
            async with playing(server) as client:
                server.inject(CAM, fault)
                await client.at_end()
            await until_back(server, answer)
            async with playing(server):
                pass

    asyncio.run(main())


def test_a_rebooted_camera_begins_with_its_loops_first_frame() -> None:
    async def main() -> None:
        async with one_camera(CityCamera(CAM, BIG, phase_s=0.3)) as server:
            server.inject(CAM, Reboot(duration_s=0.1, answer="503"))
            client = await RtspClient.open(server.url(CAM))
            while (await client.ask("DESCRIBE")).status != 200:
                pass
            # Within the first tick of its new life: the frame at once, or one round later.
            await client.play()
            (frame,) = await client.frames(1)
            await client.close()
            assert nals_of(frame) in [list(unit.nals) for unit in BIG.units if unit.is_key]

    asyncio.run(main())


def test_silence_keeps_the_socket_and_goes_on_at_a_key_frame_without_a_gap() -> None:
    async def main() -> None:
        async with one_camera() as server, playing(server) as client:
            server.inject(CAM, Silence())
            assert (await client.ask("GET_PARAMETER")).status == 200
            before = client.before_reply[:]
            client.before_reply.clear()
            await asyncio.sleep(0.2)
            assert (await client.ask("GET_PARAMETER")).status == 200
            assert client.before_reply == []
            sequence = server.stats(CAM).recent[0].last_sequence
            server.clear()
            (frame,) = await client.frames(1)
            assert nals_of(frame)[-1][0] & 31 == 5
            assert frame[0].sequence == (sequence + 1) & 0xFFFF
            assert all(isinstance(block, Rtcp) or block.sequence <= sequence for block in before)

    asyncio.run(main())


def test_silence_may_leave_requests_without_an_answer() -> None:
    async def main() -> None:
        async with one_camera() as server:
            server.inject(CAM, Silence(replies=False))
            client = await RtspClient.open(server.url(CAM))
            client.send("OPTIONS")
            client.send("OPTIONS")
            await asyncio.sleep(0.1)
            server.clear()
            assert (await client.ask("OPTIONS")).headers["cseq"] == "3"
            await client.close()

    asyncio.run(main())


def test_lost_packets_leave_gaps_as_many_as_were_asked_for() -> None:
    sent = SentLog(frames=True)

    async def main() -> None:
        async with one_camera(sent=sent) as server, playing(server) as client:
            (packet,) = await client.rtp(1)
            server.inject(CAM, Loss(count=7))
            missing = 0
            while missing < 7:
                (after,) = await client.rtp(1)
                missing += (after.sequence - packet.sequence - 1) & 0xFFFF
                packet = after
            stats = server.stats(CAM)
            assert (missing, stats.packets_lost) == (7, 7)
            for _ in range(30):
                (after,) = await client.rtp(1)
                assert after.sequence == (packet.sequence + 1) & 0xFFFF
                packet = after
        assert FrameFate.DAMAGED in {frame.fate for frame in sent.frames}

    asyncio.run(main())


def test_reordered_packets_are_all_there() -> None:
    async def main() -> None:
        async with one_camera() as server, playing(server) as client:
            server.inject(CAM, Reorder(count=5))
            sequences = [packet.sequence for packet in await client.rtp(101)][:100]
            # The first one read may be of a pair that changed places.
            numbers = [((sequence - sequences[0] + 0x8000) & 0xFFFF) - 0x8000 for sequence in sequences]
            swapped = sum(after == before - 1 for before, after in pairwise(numbers))
            assert swapped == 5
            assert sorted(numbers) == list(range(min(numbers), min(numbers) + 100))

    asyncio.run(main())


def test_garbage_stands_between_whole_packets() -> None:
    async def main() -> None:
        async with one_camera() as server, playing(server) as client:
            await client.frames(1)
            server.inject(CAM, Garbage(count=1, size_bytes=50))
            data = b""
            while not data or server.stats(CAM).recent[0].frames < 10:
                data += await client.reader.read(65536)
            clean = 0
            at = 0
            while at < len(data) and data[at] == 0x24 and data[at + 1] in (0, 1):
                at += 4 + int.from_bytes(data[at + 2 : at + 4])
                clean += 1
            assert at < len(data)
            # Fifty bytes on, the packets are in step again.
            after = data[at + 50 :]
            assert after[:2] == b"$\0"
            assert after[4:6] in (b"\x80\x60", b"\x80\xe0")

    asyncio.run(main())


def test_garbage_in_the_framing_breaks_the_step() -> None:
    async def main() -> None:
        async with one_camera() as server, playing(server) as client:
            server.inject(CAM, Garbage(where="framing"))
            with pytest.raises(AssertionError):
                await client.rtp(200)

    asyncio.run(main())


def test_garbage_as_payload_leaves_the_step_alone() -> None:
    async def main() -> None:
        async with one_camera() as server, playing(server) as client:
            server.inject(CAM, Garbage(where="payload"))
            frames = await client.frames(10)
            good = {nal for unit in BIG.units for nal in unit.nals}
            assert any(not set(nals_of_or_nothing(frame)) & good for frame in frames)
            sequences = [packet.sequence for frame in frames for packet in frame]
            assert {(b - a) & 0xFFFF for a, b in pairwise(sequences)} == {1}

    asyncio.run(main())


def nals_of_or_nothing(frame: list[Rtp]) -> list[bytes]:
    try:
        return nals_of(frame)
    except IndexError:
        return []


def test_a_switch_tells_in_band_and_comes_back() -> None:
    async def main() -> None:
        async with one_camera() as server, playing(server) as client:
            server.inject(CAM, Switch(stream="other", duration_s=0.7))
            seen: list[bytes] = []
            packets = []
            while len(seen) < 2 or seen[-1] != BIG.sps:
                (frame,) = await client.frames(1)
                packets += frame
                first = nals_of(frame)[0]
                if first[0] & 31 == 7 and (not seen or seen[-1] != first):
                    assert nals_of(frame)[-1][0] & 31 == 5
                    seen.append(first)
            assert seen == [OTHER.sps, BIG.sps]
            assert {(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(packets)} == {1}
            steps = [(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(packets)]
            assert max(steps) < 90_000

    asyncio.run(main())


def test_a_switch_may_be_told_at_reconnect_only() -> None:
    async def main() -> None:
        async with one_camera() as server:
            async with playing(server) as client:
                server.inject(CAM, Switch(stream="other", parameter_sets="reconnect"))
                await client.at_end()
            client = await RtspClient.open(server.url(CAM))
            assert b"a=x-dimensions:96,48" in (await client.ask("DESCRIBE")).body
            await client.close()
            with pytest.raises(CityError, match="no stream 'nowhere'"):
                server.inject(CAM, Switch(stream="nowhere"))

    asyncio.run(main())


def test_a_hidden_switch_tells_nothing() -> None:
    async def main() -> None:
        async with one_camera() as server, playing(server) as client:
            server.inject(CAM, Switch(stream="other", parameter_sets="hidden"))
            others = {unit.nals for unit in OTHER.units}
            for _ in range(200):
                (frame,) = await client.frames(1)
                nals = nals_of(frame)
                assert nals[0][0] & 31 != 7
                if tuple(nals) in others:
                    return
            raise AssertionError("it never switched")

    asyncio.run(main())


@pytest.mark.parametrize("rtp", [True, False])
def test_a_clock_jump_moves_ntp_and_rtp_time(rtp: bool) -> None:
    async def report(client: RtspClient) -> tuple[float, int]:
        while True:
            block = await client.block()
            if isinstance(block, Rtcp):
                return int.from_bytes(block.data[8:16]) / 2**32, int.from_bytes(block.data[16:20])

    async def main() -> None:
        async with one_camera() as server:
            client = await RtspClient.open(server.url(CAM))
            await client.play()
            ntp_before, rtp_before = await report(client)
            (last,) = await client.rtp(1)
            server.inject(CAM, ClockJump(jump_s=100, rtp=rtp))
            ahead = 0
            while rtp and ahead < 50 * 90_000:
                (packet,) = await client.rtp(1)
                ahead = (packet.timestamp - last.timestamp) & 0xFFFFFFFF
            ntp_after, rtp_after = await report(client)
            await client.close()
        moved_s = ((rtp_after - rtp_before) & 0xFFFFFFFF) / 90_000
        assert ntp_after - ntp_before > 100
        assert moved_s > 100 if rtp else moved_s < 100
        assert abs((ntp_after - ntp_before) - moved_s - (0 if rtp else 100)) < 0.1

    asyncio.run(main())


def test_a_changed_password_refuses_the_right_one_for_a_while() -> None:
    async def main() -> None:
        camera = CityCamera(CAM, BIG, password="secret", auth=AuthScheme.DIGEST_SHA256)
        async with one_camera(camera) as server:

            async def status() -> int:
                client = await RtspClient.open(server.url(CAM))
                challenge = (await client.ask("DESCRIBE")).headers["www-authenticate"]
                login = ("civicam", "secret")
                answer = digest_answer(sha256_hex, challenge, "DESCRIBE", client.url, login=login)
                reply = await client.ask("DESCRIBE", Authorization=answer)
                await client.close()
                return reply.status

            assert await status() == 200
            server.inject(CAM, WrongPassword(duration_s=0.3))
            assert await status() == 401
            while await status() != 200:
                pass

    asyncio.run(main())


def test_a_slow_camera_answers_in_order() -> None:
    async def main() -> None:
        async with one_camera() as server:
            server.inject(CAM, Slow(delay_s=0.3))
            client = await RtspClient.open(server.url(CAM))
            clock = SystemClock()
            began_ns = clock.monotonic_ns()
            client.send("OPTIONS")
            client.send("OPTIONS")
            answers = [await client.reply(), await client.reply()]
            assert [reply.headers["cseq"] for reply in answers] == ["1", "2"]
            assert clock.monotonic_ns() - began_ns >= 300_000_000
            await client.close()

    asyncio.run(main())


def test_a_scenario_strikes_at_its_time_and_again() -> None:
    scenario = parse_scenario(
        "[[fault]]\ncameras='cam-*'\nat_s=0\nkind='off'\nanswer='503'\nduration_s=0.4\n"
        # Far enough apart for a client on a busy machine to be there each time.
        "[[fault]]\ncameras='cam-001'\nat_s=4.0\nkind='drop'\nevery_s=4.0\ntimes=2\n"
    )

    async def main() -> None:
        async with one_camera(scenario=scenario) as server:
            await until_back(server, 503)
            for _ in range(2):
                async with playing(server) as client:
                    await client.at_end()
            async with playing(server) as client:
                await client.frames(60)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cameras='dog-*'\nat_s=1\nkind='drop'", "s.toml, fault 1: no camera matches 'dog-\\*'"),
        ("cameras='*'\nat_s=1\nkind='switch'\nstream='x'", "s.toml, fault 1: there is no stream 'x'"),
    ],
)
def test_a_scenario_for_another_city_is_refused(text: str, said: str) -> None:
    scenario = parse_scenario(f"[[fault]]\n{text}\n", name="s.toml")
    with pytest.raises(CityError, match=said):
        CityServer([CityCamera(CAM, OTHER)], clock=SystemClock(), rng=random.Random(1), scenario=scenario)


def test_a_rate_is_a_rate() -> None:
    losing = packet_fault(Loss(rate=0.25), random.Random(1))
    assert losing
    packets = [bytes((number % 256,)) for number in range(10_000)]
    assert 2300 < 10_000 - len(losing.apply(packets)) < 2700
    assert packet_fault(Drop(), random.Random(1)) is None
