"""A feed gives live samples to who asks, keeps them from who may not, and waits for nobody."""

import asyncio
import os
import random
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop

from civicam.camera.sample import H264Setup, Sample, SampleSink
from civicam.city.server import CityServer, plan_cameras
from civicam.core.clock import SystemClock
from civicam.core.errors import FeedError
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from civicam.footage.fragment import Fragment
from civicam.recorder.feed import Feed, FeedLimits, socket_name
from civicam.recorder.feed_client import FeedClient
from civicam.recorder.feed_messages import Here, Level, Want, encode
from civicam.recorder.fragmenter import Fragmenter, FragmentLimits
from civicam.recorder.supervisor import Supervisor
from tests.fakes.house import House, main_stream, record, samples
from tests.fakes.loop import looped_stream
from tests.fakes.samples import encoded

CLOCK = SystemClock()
KEY = StreamKey(CameraId("rudaki-07"), StreamName.SUB)
OTHER = StreamKey(CameraId("rudaki-08"), StreamName.SUB)
SETUP, SAMPLES = encoded(90, gop=30)


@dataclass
class Heard:
    """A `SampleSink` that remembers."""

    setups: list[H264Setup] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    breaks: list[tuple[GapCause, str]] = field(default_factory=list)
    jumps: list[str] = field(default_factory=list)

    def setup(self, setup: H264Setup) -> None:
        self.setups.append(setup)

    def sample(self, sample: Sample) -> None:
        self.samples.append(sample)

    def broken(self, cause: GapCause, detail: str) -> None:
        self.breaks.append((cause, detail))

    def discontinuity(self, detail: str) -> None:
        self.jumps.append(detail)


class Stream:
    """A stream as a worker has it: a real fragmenter, and who listens behind it."""

    def __init__(self) -> None:
        self.fragments = 0
        self.listener: SampleSink | None = None
        self.attended: list[bool] = []
        self._fragmenter = Fragmenter(self, FragmentLimits(900_000, 1 << 24))
        self._fragmenter.setup(SETUP)

    def push(self, samples: Sequence[Sample]) -> None:
        for sample in samples:
            self._fragmenter.sample(sample)
            if self.listener is not None:
                self.listener.sample(sample)

    def broken(self, detail: str) -> None:
        self._fragmenter.broken(GapCause.LOST_PACKETS, detail)
        if self.listener is not None:
            self.listener.broken(GapCause.LOST_PACKETS, detail)

    def fragment(self, fragment: Fragment, setup: H264Setup) -> None:
        self.fragments += 1

    def missing(self, cause: GapCause, detail: str) -> None:
        pass

    def listen(self, listener: SampleSink | None) -> None:
        self.listener = listener

    def in_hand(self) -> tuple[H264Setup | None, Sequence[Sample]]:
        return self._fragmenter.in_hand()

    def attend(self, attended: bool) -> None:
        self.attended.append(attended)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await CLOCK.sleep(0.005)


@asynccontextmanager
async def listening(folder: Path, worker: int = 0, limits: FeedLimits | None = None) -> AsyncIterator[Feed]:
    feed = Feed(limits)
    await feed.start(folder, worker)
    try:
        yield feed
    finally:
        await feed.close()


@asynccontextmanager
async def client_of(folder: Path) -> AsyncIterator[FeedClient]:
    client = FeedClient(folder, clock=CLOCK, rng=random.Random(1))
    task = asyncio.create_task(client.keep_connected())
    try:
        yield client
    finally:
        task.cancel()
        await asyncio.wait({task})


def play(test: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await test()

    uvloop.run(run())  # as all processes do


def test_a_subscriber_hears_a_stream_from_its_last_key_on(tmp_path: Path) -> None:
    async def test() -> None:
        async with listening(tmp_path / "feed") as feed, client_of(tmp_path / "feed") as client:
            stream, heard = Stream(), Heard()
            feed.add(KEY, stream)
            stream.push(SAMPLES[:40])
            client.subscribe(KEY, Level.ALL, heard)
            await until(lambda: len(heard.samples) == 10)
            stream.push(SAMPLES[40:])
            await until(lambda: len(heard.samples) == 60)
            assert heard.setups == [SETUP]
            assert heard.samples == list(SAMPLES[30:])
            assert not heard.breaks

    play(test)


def test_who_wants_keys_gets_keys_and_the_camera_is_attended_only_for_who_wants_all(tmp_path: Path) -> None:
    async def test() -> None:
        async with listening(tmp_path / "feed") as feed, client_of(tmp_path / "feed") as client:
            stream, heard, watcher = Stream(), Heard(), Heard()
            feed.add(KEY, stream)
            stream.push(SAMPLES[:1])
            keys = client.subscribe(KEY, Level.KEYS, heard)
            await until(lambda: len(heard.samples) == 1)
            stream.push(SAMPLES[1:50])
            await until(lambda: len(heard.samples) == 2)
            assert stream.attended == []
            everything = client.subscribe(KEY, Level.ALL, watcher)
            await until(lambda: len(watcher.samples) == 20)
            assert stream.attended == [True]
            everything.close()
            await until(lambda: stream.attended == [True, False])
            stream.push(SAMPLES[50:])
            await until(lambda: len(heard.samples) == 3)
            assert heard.samples == [SAMPLES[0], SAMPLES[30], SAMPLES[60]]
            assert watcher.samples == list(SAMPLES[30:50])
            keys.close()
            await until(lambda: stream.listener is None)

    play(test)


def test_a_stream_nobody_subscribed_to_has_no_listener(tmp_path: Path) -> None:
    async def test() -> None:
        async with listening(tmp_path / "feed") as feed, client_of(tmp_path / "feed") as client:
            stream, other = Stream(), Stream()
            feed.add(KEY, stream)
            feed.add(OTHER, other)
            subscription = client.subscribe(KEY, Level.ALL, Heard())
            await until(lambda: stream.listener is not None)
            assert other.listener is None
            subscription.change(Level.KEYS)
            await until(lambda: stream.attended == [True, False])
            subscription.close()
            subscription.close()
            await until(lambda: stream.listener is None)

    play(test)


def test_breaks_are_heard_and_no_gop_with_a_hole_is_replayed(tmp_path: Path) -> None:
    async def test() -> None:
        async with listening(tmp_path / "feed") as feed, client_of(tmp_path / "feed") as client:
            stream, first, second = Stream(), Heard(), Heard()
            feed.add(KEY, stream)
            stream.push(SAMPLES[:10])
            client.subscribe(KEY, Level.KEYS, first)
            await until(lambda: len(first.samples) == 1)
            stream.broken("3 packets are missing")
            stream.push(SAMPLES[13:20])
            await until(lambda: first.breaks == [(GapCause.LOST_PACKETS, "3 packets are missing")])
            client.subscribe(KEY, Level.ALL, second)
            await until(lambda: stream.attended == [True])
            stream.push(SAMPLES[20:40])
            await until(lambda: len(second.samples) == 10)
            assert second.samples == list(SAMPLES[30:40])

    play(test)


def test_a_stream_that_comes_late_and_one_that_goes_are_told(tmp_path: Path) -> None:
    async def test() -> None:
        async with listening(tmp_path / "feed") as feed, client_of(tmp_path / "feed") as client:
            stream, heard = Stream(), Heard()
            client.subscribe(KEY, Level.ALL, heard)
            await until(lambda: client.workers == 1)
            assert not client.has(KEY)
            feed.add(KEY, stream)
            stream.push(SAMPLES[:10])
            await until(lambda: len(heard.samples) == 10)
            assert client.has(KEY)
            feed.remove(KEY)
            await until(lambda: not client.has(KEY))
            assert heard.breaks == [(GapCause.CAMERA_SILENT, "the camera is not recorded any more")]
            assert stream.listener is None

    play(test)


def test_streams_are_found_at_whichever_worker_has_them(tmp_path: Path) -> None:
    async def test() -> None:
        folder = tmp_path / "feed"
        async with listening(folder, 0) as first, listening(folder, 1) as second, client_of(folder) as client:
            streams, heard = (Stream(), Stream()), (Heard(), Heard())
            first.add(KEY, streams[0])
            second.add(OTHER, streams[1])
            client.subscribe(KEY, Level.ALL, heard[0])
            client.subscribe(OTHER, Level.ALL, heard[1])
            await until(lambda: client.has(KEY) and client.has(OTHER))
            streams[0].push(SAMPLES[:5])
            streams[1].push(SAMPLES[:7])
            await until(lambda: len(heard[0].samples) == 5 and len(heard[1].samples) == 7)
            assert not heard[0].breaks
            assert not heard[1].breaks

    play(test)


def test_a_worker_that_is_started_anew_is_found_again(tmp_path: Path) -> None:
    async def test() -> None:
        async with client_of(tmp_path / "feed") as client:
            heard = Heard()
            client.subscribe(KEY, Level.ALL, heard)
            for life in range(2):
                async with listening(tmp_path / "feed") as feed:
                    stream = Stream()
                    feed.add(KEY, stream)
                    stream.push(SAMPLES[30 * life : 30 * life + 20])
                    await until(lambda life=life: len(heard.samples) == 20 * (life + 1))  # type: ignore[misc]  # a default
                await until(lambda life=life: len(heard.breaks) == life + 1)  # type: ignore[misc]  # a default
            assert heard.samples == [*SAMPLES[:20], *SAMPLES[30:50]]
            assert heard.breaks == [(GapCause.CAMERA_SILENT, "the recorder's worker is gone")] * 2
            assert heard.setups == [SETUP, SETUP]

    play(test)


def test_a_slow_subscriber_loses_samples_up_to_the_next_key_and_is_told(tmp_path: Path) -> None:
    async def test() -> None:
        limits = FeedLimits(waiting_bytes=400_000)
        large = [Sample(s.data + bytes(50_000), s.pts_90k, s.wall_ns, None, s.is_key) for s in SAMPLES]
        async with listening(tmp_path / "feed", limits=limits) as feed, client_of(tmp_path / "feed") as client:
            stream, heard = Stream(), Heard()
            feed.add(KEY, stream)
            client.subscribe(KEY, Level.ALL, heard)
            await until(lambda: stream.listener is not None)
            stream.push(large[:55])  # all at once: nobody can read in between
            assert feed.dropped > 0
            assert stream.fragments == 1
            await until(lambda: len(heard.breaks) == 1)
            before = len(heard.samples)
            stream.push(large[55:65])
            await until(lambda: len(heard.samples) == before + 5)
            assert heard.breaks == [(GapCause.OVERLOAD, "too much to take")]
            assert heard.samples == [*large[:before], *large[60:65]]

    play(test)


def test_only_this_user_may_open_the_socket(tmp_path: Path) -> None:
    async def test() -> None:
        folder = tmp_path / "feed"
        folder.mkdir(mode=0o755)
        async with listening(folder):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert stat.S_IMODE((folder / socket_name(0)).stat().st_mode) == 0o600

    play(test)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another user")
def test_another_user_is_sent_away_even_where_the_folder_lets_them_in() -> None:
    async def test() -> None:
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root) / "feed"
            async with listening(folder) as feed:
                for path in (Path(root), folder, folder / socket_name(0)):
                    path.chmod(0o777)
                caller = socket.socket(socket.AF_UNIX)
                os.seteuid(65534)
                try:
                    caller.connect(str(folder / socket_name(0)))
                finally:
                    os.seteuid(0)
                reader, writer = await asyncio.open_unix_connection(sock=caller)
                assert await reader.read() == b""
                assert feed.refused == 1
                writer.close()

    play(test)


@pytest.mark.parametrize(
    "said",
    [
        encode(Here(1)),
        b"\xff\xff\xff\xff",
        encode(Want(1, Level.ALL, KEY)) + encode(Want(1, Level.ALL, OTHER)),
        b"".join(encode(Want(number, Level.KEYS, KEY)) for number in range(9)),
    ],
    ids=["what only workers say", "too much", "one handle for two", "too many streams"],
)
def test_a_subscriber_who_talks_nonsense_is_cut_off_and_recording_goes_on(tmp_path: Path, said: bytes) -> None:
    async def test() -> None:
        async with listening(tmp_path / "feed", limits=FeedLimits(streams=8)) as feed:
            stream = Stream()
            feed.add(KEY, stream)
            reader, writer = await asyncio.open_unix_connection(tmp_path / "feed" / socket_name(0))
            writer.write(said)
            with suppress(ConnectionError):
                await reader.read()
            await until(lambda: stream.listener is None)
            stream.push(SAMPLES[:31])
            assert stream.fragments == 1
            writer.close()

    play(test)


def test_a_socket_that_cannot_be_made_is_an_error_that_says_where(tmp_path: Path) -> None:
    (tmp_path / "feed").write_text("a file")
    with pytest.raises(FeedError, match="nobody can look live"):
        asyncio.run(Feed().start(tmp_path / "feed", 0))


def test_a_socket_is_made_under_a_path_that_is_too_long_for_one(tmp_path: Path) -> None:
    async def test() -> None:
        folder = tmp_path / ("long" * 40) / "feed"
        async with listening(folder), client_of(folder) as client:
            await until(lambda: client.workers == 1)

    play(test)


def test_a_watched_camera_is_recorded_and_its_samples_come_live(tmp_path: Path) -> None:
    """A real camera, a real worker process, and this process as the subscriber."""
    live = Heard()

    async def run() -> list[bytes]:
        loop = looped_stream()
        server = CityServer(plan_cameras(1, [loop], random.Random(2)), clock=CLOCK, rng=random.Random(3))
        await server.start()
        house = House.build(tmp_path, feed=str(tmp_path / "feed"))
        house.add(server.urls)

        async def watched(_: Supervisor) -> None:
            async with client_of(tmp_path / "feed") as client:
                subscription = client.subscribe(main_stream("cam-001"), Level.ALL, live)
                async with asyncio.timeout(30):
                    while len(live.samples) < 60:
                        await CLOCK.sleep(0.05)
                subscription.close()

        await record(house.plan(), watched)
        await server.close()
        return samples(house.fragments("cam-001"))

    recorded = asyncio.run(run())
    assert not live.breaks
    assert live.samples[0].is_key
    first = recorded.index(live.samples[0].data)
    assert recorded[first : first + 60] == [sample.data for sample in live.samples[:60]]
