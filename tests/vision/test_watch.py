"""Every key is decoded once, keeps its camera's model warm, becomes a still, and is looked at; the newest one wins."""

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from civicam.camera.sample import H264Setup, Sample, SampleSink
from civicam.city.server import CityServer, plan_cameras
from civicam.core.citykey import CityKey
from civicam.core.clock import SystemClock
from civicam.core.errors import RedactionError
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from civicam.recorder.feed_client import FeedClient, Subscription
from civicam.recorder.feed_messages import Level
from civicam.redaction.picture import Picture
from civicam.redaction.redacted import RedactedPicture
from civicam.vision.health import HealthEvent, HealthKind, HealthWatch
from civicam.vision.model_store import ModelStore
from civicam.vision.watch import Watch, WatchParts, WatchSettings
from tests.fakes.house import House, main_stream, record
from tests.fakes.loop import looped_stream
from tests.fakes.pictures import uncovered
from tests.fakes.samples import encoded
from tests.vision.coded import coded

CLOCK = SystemClock()
CAMERA = CameraId("rudaki-07")
KEY = StreamKey(CAMERA, StreamName.SUB)
SETUP, SAMPLES = encoded(90, gop=15)
KEYS = [sample for sample in SAMPLES if sample.is_key]
SECOND_NS = 1_000_000_000


@dataclass
class Model:
    """The mean of what was seen, which is all that is needed to see that it is kept."""

    seen: int = 0

    def to_bytes(self) -> bytes:
        return b"model %d" % self.seen


@dataclass
class CountingRedactor:
    """Learns how many pictures there were, and shows all of each: what is covered is not this part's business."""

    model: Model = field(default_factory=Model)
    threads: set[int] = field(default_factory=set)
    works: threading.Event = field(default_factory=threading.Event)
    fails_at: int = -1

    @property
    def is_warm(self) -> bool:
        return self.model.seen > 0

    def learn(self, picture: Picture) -> None:
        self.works.wait(10)
        if self.model.seen == self.fails_at:
            self.fails_at = -1
            raise ZeroDivisionError
        self.model.seen += 1
        self.threads.add(threading.get_ident())

    def redact(self, picture: Picture) -> RedactedPicture:
        self.learn(picture)
        return uncovered(picture)


@dataclass
class Feed:
    """A `KeyFeed` of which the test is the worker."""

    sinks: dict[StreamKey, SampleSink] = field(default_factory=dict)
    levels: list[Level] = field(default_factory=list)
    client: FeedClient = field(default_factory=lambda: FeedClient(Path("/nowhere"), clock=CLOCK, rng=random.Random(1)))

    def subscribe(self, key: StreamKey, level: Level, sink: SampleSink) -> Subscription:
        self.sinks[key] = sink
        self.levels.append(level)
        sink.setup(SETUP)
        return self.client.subscribe(key, level, sink)


@dataclass
class Post:
    """A watched camera and what comes of it."""

    feed: Feed = field(default_factory=Feed)
    redactor: CountingRedactor = field(default_factory=CountingRedactor)
    stills: list[RedactedPicture] = field(default_factory=list)
    events: list[HealthEvent] = field(default_factory=list)
    given: list[bytes | None] = field(default_factory=list)
    first: list[list[HealthEvent]] = field(default_factory=list)

    def watch(
        self, store: ModelStore | None = None, *, works: bool = True, health_store: ModelStore | None = None
    ) -> Watch:
        if works:
            self.redactor.works.set()
        parts = WatchParts(
            feed=self.feed,
            make_redactor=self._make,
            store=store,
            still=lambda _, redacted: self.stills.append(redacted),
            event=lambda _, event: self.events.append(event),
            health_store=health_store,
            first_seen=lambda _, lasting, __: self.first.append(lasting),
        )
        watch = Watch(parts, WatchSettings(threads=2, save_every_s=10))
        watch.apply({CAMERA: KEY})
        return watch

    def send(self, samples: Sequence[Sample]) -> None:
        for sample in samples:
            self.feed.sinks[KEY].sample(sample)

    async def see(self, watch: Watch, samples: Sequence[Sample]) -> None:
        """Sends samples one after the other, each when the one before is dealt with."""
        for sample in samples:
            before = watch.counters.pictures + watch.counters.undecodable + watch.counters.failed
            self.send([sample])
            await until(
                lambda before=before: (  # type: ignore[misc]  # a default
                    watch.counters.pictures + watch.counters.undecodable + watch.counters.failed > before
                )
            )

    def _make(self, camera: CameraId, model: bytes | None) -> CountingRedactor:
        self.given.append(model)
        if model == b"useless":
            raise RedactionError("a model cannot be used")
        return self.redactor


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await CLOCK.sleep(0.005)


def play(test: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await test()

    asyncio.run(run())


def later(sample: Sample, seconds: float) -> Sample:
    return replace(sample, wall_ns=sample.wall_ns + round(seconds * SECOND_NS))


def test_each_key_is_learned_from_and_becomes_a_still(tmp_path: Path) -> None:
    async def test() -> None:
        post = Post()
        watch = post.watch()
        assert post.feed.levels == [Level.KEYS]
        await post.see(watch, KEYS)
        await until(lambda: len(post.stills) == len(KEYS))
        assert [still.picture.wall_ns for still in post.stills] == [key.wall_ns for key in KEYS]
        assert post.redactor.model.seen == len(KEYS)
        assert threading.get_ident() not in post.redactor.threads
        assert await watch.model_of(CAMERA) == b"model %d" % len(KEYS)
        await watch.close()

    play(test)


def test_while_a_camera_is_dealt_with_only_the_newest_key_waits() -> None:
    async def test() -> None:
        post = Post()
        watch = post.watch(works=False)
        post.send([later(KEYS[number % len(KEYS)], number) for number in range(10)])
        post.redactor.works.set()
        await until(lambda: watch.counters.pictures == 2)
        await until(lambda: len(post.stills) == 2)
        assert watch.counters.skipped == 8
        newest_ns = later(KEYS[9 % len(KEYS)], 9).wall_ns
        assert [still.picture.wall_ns for still in post.stills] == [KEYS[0].wall_ns, newest_ns]
        await watch.close()

    play(test)


def test_a_broken_key_and_a_fault_of_ours_cost_that_key_alone() -> None:
    async def test() -> None:
        post = Post(redactor=CountingRedactor(fails_at=1))
        watch = post.watch()
        broken = replace(KEYS[1], data=b"\0\0\0\5\x65\0\0\0\0")
        await post.see(watch, [KEYS[0], broken, KEYS[2], KEYS[3]])
        await until(lambda: len(post.stills) == 2)
        assert (watch.counters.undecodable, watch.counters.failed) == (1, 1)
        assert [still.picture.wall_ns for still in post.stills] == [KEYS[0].wall_ns, KEYS[3].wall_ns]
        await watch.close()

    play(test)


def test_a_model_is_kept_now_and_then_and_at_the_end_and_taken_up_again(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, CityKey(b"k" * 32))

    async def first() -> None:
        post = Post()
        watch = post.watch(store)
        await post.see(watch, [later(KEYS[0], 4 * number) for number in range(6)])
        assert len(list((tmp_path / CAMERA).iterdir())) >= 2
        await watch.close()
        assert post.given == [None]

    async def second() -> None:
        post = Post()
        watch = post.watch(store)
        await post.see(watch, [later(KEYS[0], 100)])
        assert post.given == [b"model 6"]
        assert watch.counters.restored == 1
        await watch.close()

    async def much_later() -> None:
        post = Post()
        watch = post.watch(store)
        await post.see(watch, [later(KEYS[0], 1902)])
        assert post.given == [None]
        await watch.close()

    play(first)
    play(second)
    play(much_later)


def test_a_copy_of_the_model_is_had_between_two_keys_and_by_all_who_ask() -> None:
    async def test() -> None:
        post = Post()
        watch = post.watch(works=False)
        post.send(KEYS[:2])
        asking = [asyncio.create_task(watch.model_of(CAMERA)) for _ in range(3)]
        await CLOCK.sleep(0.05)
        assert not any(task.done() for task in asking)
        post.redactor.works.set()
        assert await asyncio.gather(*asking) == [b"model 1"] * 3
        await until(lambda: watch.counters.pictures == 2)
        await watch.close()

    play(test)


def test_models_older_than_footage_are_deleted(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, CityKey(b"k" * 32))
    month = 40 * 24 * 3600

    async def test() -> None:
        post = Post()
        watch = post.watch(store)
        await post.see(watch, [KEYS[0], later(KEYS[0], 20), later(KEYS[0], month), later(KEYS[0], month + 20)])
        await watch.close()
        assert len(list((tmp_path / CAMERA).iterdir())) == 2

    play(test)


def test_a_model_that_cannot_be_used_is_counted_and_the_scene_learned_anew(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, CityKey(b"k" * 32))
    store.save(CAMERA, KEYS[0].wall_ns, b"useless")

    async def test() -> None:
        post = Post()
        watch = post.watch(store)
        await post.see(watch, KEYS[:2])
        assert post.given == [b"useless", None]
        assert watch.counters.unusable == 1
        await watch.close()

    play(test)


def test_a_disk_that_takes_no_models_is_an_alarm_and_watching_goes_on(tmp_path: Path) -> None:
    (tmp_path / CAMERA).write_text("a file where a folder should be")

    async def test() -> None:
        post = Post()
        watch = post.watch(ModelStore(tmp_path, CityKey(b"k" * 32)))
        await post.see(watch, [later(KEYS[0], 20 * number) for number in range(3)])
        assert watch.counters.pictures == 3
        assert any("could not be kept" in alarm for alarm in watch.alarms())
        await watch.close()

    play(test)


def test_a_camera_that_is_taken_off_the_list_is_not_watched_any_more() -> None:
    async def test() -> None:
        post = Post()
        watch = post.watch()
        await post.see(watch, KEYS[:1])
        watch.apply({})
        post.send(KEYS[1:])
        assert await watch.model_of(CAMERA) is None
        await watch.close()
        assert watch.counters.pictures == 1

    play(test)


def test_a_covered_camera_is_an_event_that_lasts_and_ends() -> None:
    async def test() -> None:
        post = Post()
        watch = post.watch()
        # The upper half of these pictures is noise, always another; what stays is drawn here.
        setup, scene = coded_scene(covered=False)
        _, covered = coded_scene(covered=True)
        post.feed.sinks[KEY].setup(setup)
        await post.see(watch, [later(scene[n % 2], 4 * n) for n in range(15)])
        assert not post.events
        await post.see(watch, [later(covered[n % 2], 60 + 4 * n) for n in range(15)])
        await until(lambda: len(post.events) == 1)
        assert post.events[0].kind is HealthKind.COVERED
        ((camera, (lasting,)),) = watch.lasting().items()
        assert (camera, lasting.began_wall_ns) == (CAMERA, post.events[0].began_wall_ns)
        await post.see(watch, [later(scene[n % 2], 120 + 4 * n) for n in range(15)])
        await until(lambda: len(post.events) == 2)
        assert not watch.lasting()
        (event,) = watch.events(CAMERA, (0, 2**62))
        assert event.ended_wall_ns is not None
        assert not watch.events(CAMERA, (event.ended_wall_ns + 1, 2**62))
        await watch.close()

    play(test)


def test_a_restart_forgets_neither_what_is_wrong_nor_what_the_camera_usually_shows(tmp_path: Path) -> None:
    setup, scene = coded_scene(covered=False)
    _, covered = coded_scene(covered=True)
    store = ModelStore(tmp_path, CityKey(bytes(32)))

    async def covered_when_it_stops() -> None:
        post = Post()
        watch = post.watch(health_store=store)
        post.feed.sinks[KEY].setup(setup)
        await post.see(watch, [later(scene[n % 2], 4 * n) for n in range(15)])
        await post.see(watch, [later(covered[n % 2], 60 + 4 * n) for n in range(15)])
        await until(lambda: len(post.events) == 1)
        assert post.first == [[]]
        await watch.close()

    async def still_covered_and_then_well() -> None:
        post = Post()
        watch = post.watch(health_store=store)
        post.feed.sinks[KEY].setup(setup)
        await post.see(watch, [later(covered[n % 2], 130 + 4 * n) for n in range(8)])
        ((lasting,),) = post.first
        assert lasting.kind is HealthKind.COVERED
        assert watch.lasting()[CAMERA][0].began_wall_ns == lasting.began_wall_ns
        assert not post.events
        await post.see(watch, [later(scene[n % 2], 170 + 4 * n) for n in range(12)])
        await until(lambda: len(post.events) == 1)
        assert post.events[0].ended_wall_ns is not None
        await watch.close()

    play(covered_when_it_stops)
    play(still_covered_and_then_well)


@pytest.mark.parametrize("data", [b"", b"nothing", b"PK\x03\x04", bytes(5000)])
def test_what_is_no_scene_of_a_cameras_health_is_refused(data: bytes) -> None:
    with pytest.raises(RedactionError, match="no scene"):
        HealthWatch.from_bytes(data)


def coded_scene(*, covered: bool) -> tuple[H264Setup, list[Sample]]:
    """Two keys of a place with edges, or of a bag over the camera, each with its own noise."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:192, :320]
    place = np.where((rows // 24 + columns // 40) % 2 == 0, 60, 180)
    lumas = [
        ((place if not covered else np.full_like(place, 90)) + rng.normal(0, 3, place.shape)).astype(np.uint8)
        for _ in range(2)
    ]
    return coded(lumas)


def test_the_keys_of_a_recorded_camera_are_watched(tmp_path: Path) -> None:
    """A real camera, a real worker process, its feed, and a watch."""
    stills: list[RedactedPicture] = []

    async def run() -> None:
        server = CityServer(plan_cameras(1, [looped_stream()], random.Random(2)), clock=CLOCK, rng=random.Random(3))
        await server.start()
        house = House.build(tmp_path, feed=str(tmp_path / "feed"))
        house.add(server.urls)

        async def watched(_: object) -> None:
            client = FeedClient(tmp_path / "feed", clock=CLOCK, rng=random.Random(1))
            connecting = asyncio.create_task(client.keep_connected())
            redactor = CountingRedactor()
            redactor.works.set()
            parts = WatchParts(client, lambda *_: redactor, still=lambda _, redacted: stills.append(redacted))
            watch = Watch(parts)
            watch.apply({CameraId("cam-001"): main_stream("cam-001")})
            async with asyncio.timeout(30):
                while len(stills) < 4:
                    await CLOCK.sleep(0.05)
            await watch.close()
            connecting.cancel()

        await record(house.plan(), watched)
        await server.close()

    asyncio.run(run())
    assert all(still.picture.is_key and still.picture.size == (192, 96) for still in stills)
    walls = [still.picture.wall_ns for still in stills]
    assert walls == sorted(set(walls))


@pytest.mark.parametrize("cause", list(GapCause))
def test_breaks_of_the_stream_end_no_watch(cause: GapCause) -> None:
    async def test() -> None:
        post = Post()
        watch = post.watch()
        sink = post.feed.sinks[KEY]
        sink.broken(cause, "something")
        sink.discontinuity("a jump")
        await post.see(watch, KEYS[:1])
        await watch.close()
        assert watch.counters.pictures == 1

    play(test)
