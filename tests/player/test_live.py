"""Live views: one redaction for all, covered frames when anything fails, and no memory for who is slow."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest

from civicam.camera.sample import H264Setup, Sample, SampleSink
from civicam.core.errors import FeedError, PlayerError
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from civicam.player.inbox import Hole, Inbox, InboxLimits
from civicam.player.live import LiveHub, LiveLimits, LiveParts
from civicam.player.viewer import FragmentMessage, InitMessage, StateMessage, Viewer, ViewerLimits, ViewMessage
from civicam.redaction.redacted import FullCover
from civicam.vision.decoder import Decoder
from tests.fakes.clock import ManualClock
from tests.fakes.odd_camera import until
from tests.fakes.pictures import LeftHalf, luma, played
from tests.fakes.samples import FRAME_90K, encoded

KEY = StreamKey(CameraId("rudaki-07"), StreamName.SUB)
OTHER = StreamKey(CameraId("somoni-01"), StreamName.SUB)
SETUP, SAMPLES = encoded(count=90, gop=30, size=(160, 96))


class HandFed:
    """A source whose samples the test hands over."""

    def __init__(self) -> None:
        self.sinks: dict[StreamKey, SampleSink] = {}
        self.opened = 0
        self._ends: list[asyncio.Future[None]] = []

    async def run(self, key: StreamKey, sink: SampleSink) -> None:
        self.sinks[key] = sink
        self.opened += 1
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends.append(end)
        try:
            await end
        finally:
            del self.sinks[key]

    def die(self) -> None:
        self._ends[-1].set_exception(FeedError("the worker is gone"))


@dataclass
class Stage:
    """A hub and what it is made of."""

    limits: LiveLimits = field(default_factory=LiveLimits)
    clock: ManualClock = field(default_factory=ManualClock)
    source: HandFed = field(default_factory=HandFed)
    redactors: list[LeftHalf] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pool = ThreadPoolExecutor(2)
        self.hub = LiveHub(LiveParts(self.source, Decoder, self._redactor, self.pool, self.clock), self.limits)

    def _redactor(self, key: StreamKey) -> LeftHalf:
        self.redactors.append(LeftHalf())
        return self.redactors[-1]

    async def watch(self, key: StreamKey = KEY) -> Viewer:
        viewer = self.hub.watch(key)
        await until(lambda: key in self.source.sinks)
        return viewer

    @property
    def sink(self) -> SampleSink:
        return self.source.sinks[KEY]

    def start(self, setup: H264Setup = SETUP) -> None:
        self.sink.setup(setup)

    async def show(self, viewer: Viewer, numbers: Sequence[int]) -> list[ViewMessage]:
        """Hands samples over one by one, and takes what the viewer gets for each."""
        messages: list[ViewMessage] = []
        for number in numbers:
            self.sink.sample(SAMPLES[number])
            messages += await until_fragment(viewer)
        return messages


@asynccontextmanager
async def staged(limits: LiveLimits | None = None) -> AsyncIterator[Stage]:
    stage = Stage(limits or LiveLimits())
    try:
        yield stage
    finally:
        await stage.hub.close()
        stage.pool.shutdown()


async def within(waiting: Awaitable[ViewMessage]) -> ViewMessage:
    async with asyncio.timeout(20):
        return await waiting


async def until_fragment(viewer: Viewer) -> list[ViewMessage]:
    messages = [await within(viewer.next())]
    while not isinstance(messages[-1], FragmentMessage):
        messages.append(await within(viewer.next()))
    return messages


def fragments(messages: Sequence[ViewMessage]) -> list[FragmentMessage]:
    return [message for message in messages if isinstance(message, FragmentMessage)]


def reasons(messages: Sequence[ViewMessage]) -> list[FullCover | None]:
    return [message.reason for message in fragments(messages)]


async def test_a_viewer_gets_how_it_is_coded_then_a_key_then_a_fragment_a_frame() -> None:
    async with staged() as stage:
        viewer = await stage.watch()
        stage.start()
        messages = await stage.show(viewer, range(40))
        init, state, first = messages[:3]
        assert isinstance(init, InitMessage)
        assert (init.codec[:5], init.width, init.height) == ("avc3.", 160, 96)
        assert state == StateMessage(None, 0)
        assert isinstance(first, FragmentMessage)
        assert first.is_key
        shown = fragments(messages)
        assert [one.wall_ns for one in shown] == [sample.wall_ns for sample in SAMPLES[:40]]
        frames = played(init.data, [one.data for one in shown])
        assert len(frames) == 40
        assert all(luma(frame)[:, :72].max() <= 24 for frame in frames)
        assert all(luma(frame)[:, 88:].max() > 40 for frame in frames[1:])


@pytest.mark.parametrize("jump", [10**9, 20_000, -(10**6)])
async def test_the_views_timeline_has_no_holes_and_does_not_follow_a_jump(jump: int) -> None:
    async with staged() as stage:
        viewer = await stage.watch()
        stage.start()
        messages = await stage.show(viewer, range(10))
        stage.sink.discontinuity("jumped")
        for sample in SAMPLES[10:20]:
            stage.sink.sample(replace(sample, pts_90k=sample.pts_90k + jump))
            messages += await until_fragment(viewer)
        starts = [one.start_90k for one in fragments(messages)]
        assert {after - before for before, after in pairwise(starts)} == {FRAME_90K}


async def test_one_redaction_serves_all_viewers_and_a_newcomer_gets_a_key_at_once() -> None:
    async with staged() as stage:
        first = await stage.watch()
        stage.start()
        await stage.show(first, range(5))
        second = stage.hub.watch(KEY)
        stage.clock.advance(0.3)
        seen_by_first = await stage.show(first, range(5, 8))
        init, state, *rest = [await within(second.next()) for _ in range(5)]
        assert isinstance(init, InitMessage)
        assert isinstance(state, StateMessage)
        assert rest == fragments(seen_by_first)
        assert [one.is_key for one in fragments(rest)] == [True, False, False]
        assert len(stage.redactors) == 1
        assert len(stage.redactors[0].seen) == 8


async def test_a_redaction_ends_30_seconds_after_its_last_viewer_left() -> None:
    async with staged() as stage:
        viewer = await stage.watch()
        viewer.close()
        await until(lambda: stage.clock.sleepers == 2)
        stage.clock.advance(29.9)
        await asyncio.sleep(0.01)
        assert stage.hub.streams == 1
        stage.clock.advance(0.2)
        await until(lambda: stage.hub.streams == 0)
        await until(lambda: KEY not in stage.source.sinks)


async def test_a_viewer_that_comes_back_in_time_keeps_the_redaction() -> None:
    async with staged() as stage:
        (await stage.watch()).close()
        await until(lambda: stage.clock.sleepers == 2)
        stage.clock.advance(20)
        viewer = stage.hub.watch(KEY)
        stage.clock.advance(3600)
        await asyncio.sleep(0.01)
        assert (stage.hub.streams, stage.source.opened, viewer.is_closed) == (1, 1, False)


async def test_a_view_that_ended_can_be_opened_anew() -> None:
    async with staged(LiveLimits(linger_s=0)) as stage:
        (await stage.watch()).close()
        await until(lambda: stage.clock.sleepers == 2)
        stage.clock.advance(0.01)
        await until(lambda: stage.hub.streams == 0)
        viewer = await stage.watch()
        stage.start()
        assert len(fragments(await stage.show(viewer, range(3)))) == 3


async def test_without_samples_a_covered_frame_a_second_says_so_from_the_second_second_on() -> None:
    async with staged() as stage:
        viewer = await stage.watch()
        stage.start()
        await stage.show(viewer, range(5))
        messages: list[ViewMessage] = []
        for _ in range(3):
            await until(lambda: stage.clock.sleepers == 1)
            stage.clock.advance(2 if not messages else 1)
            messages += await until_fragment(viewer)
        assert reasons(messages) == [FullCover.NO_PICTURE] * 3
        # It is no hole: nothing was lost, so the next samples are shown.
        assert reasons(await stage.show(viewer, range(5, 7))) == [None, None]


async def test_a_camera_that_never_sent_anything_is_shown_as_no_picture() -> None:
    async with staged() as stage:
        viewer = await stage.watch()
        await until(lambda: stage.clock.sleepers == 1)
        stage.clock.advance(2)
        init, state, first = await until_fragment(viewer)
        assert isinstance(init, InitMessage)
        assert state == StateMessage(FullCover.NO_PICTURE, 0)
        assert isinstance(first, FragmentMessage)
        (frame,) = played(init.data, [first.data])
        assert luma(frame).max() <= 24


async def test_a_feed_that_is_gone_is_asked_for_again_and_the_view_goes_on_at_a_key() -> None:
    async with staged() as stage:
        viewer = await stage.watch()
        stage.start()
        await stage.show(viewer, range(5))
        stage.source.die()
        await until(lambda: stage.clock.sleepers == 2)
        stage.clock.advance(1)
        await until(lambda: stage.source.opened == 2)
        assert reasons(await stage.show(viewer, [6, 7])) == [FullCover.NO_PICTURE] * 2
        assert reasons(await stage.show(viewer, [30, 31])) == [None, None]


@pytest.mark.parametrize("damage", ["cut off", "garbage", "empty", "wrong lengths"])
async def test_a_sample_that_does_not_decode_is_covered_and_so_are_those_up_to_the_next_key(damage: str) -> None:
    async with staged() as stage:
        viewer = await stage.watch()
        stage.start()
        await stage.show(viewer, range(5))
        good = SAMPLES[5].data
        bad = {
            "cut off": good[: len(good) // 2],
            "garbage": good[:4] + bytes(255 - byte for byte in good[4:]),
            "empty": b"",
            "wrong lengths": b"\xff" + good[1:],
        }
        stage.sink.sample(replace(SAMPLES[5], data=bad[damage]))
        messages = await until_fragment(viewer)
        messages += await stage.show(viewer, [6, 7, 30, 31])
        assert reasons(messages) == [FullCover.NO_PICTURE] * 3 + [None, None]


async def test_parameter_sets_of_pictures_too_large_to_decode_are_covered_at_a_size_that_can_be_shown() -> None:
    async with staged() as stage:
        viewer = await stage.watch()
        stage.start(replace(SETUP, width=16_000, height=16_000))
        stage.sink.sample(SAMPLES[0])
        messages = await until_fragment(viewer)
        assert isinstance(messages[0], InitMessage)
        assert (messages[0].width, messages[0].height) == (640, 360)
        assert reasons(messages) == [FullCover.NO_PICTURE]
        stage.start()
        assert reasons(await stage.show(viewer, [30, 31])) == [None, None]


async def test_a_camera_that_reorders_frames_is_shown_in_order() -> None:
    setup, samples = encoded(count=90, gop=30, b_frames=2)
    async with staged() as stage:
        viewer = await stage.watch()
        stage.start(setup)
        messages: list[ViewMessage] = []
        for sample in samples[:90]:
            stage.sink.sample(sample)
            await asyncio.sleep(0.002)
        while not fragments(messages) or fragments(messages)[-1].wall_ns < samples[80].wall_ns:
            messages += await until_fragment(viewer)
        shown = [one.wall_ns for one in fragments(messages) if one.reason is None]
        assert [wall_ns for wall_ns in shown if wall_ns >= samples[30].wall_ns]
        assert shown == sorted(shown)


async def test_of_a_gop_that_comes_at_once_the_last_frames_are_shown() -> None:
    async with staged() as stage:
        viewer = await stage.watch()
        stage.start()
        for sample in SAMPLES[:28]:
            stage.sink.sample(sample)
        messages = [message for _ in range(6) for message in await until_fragment(viewer)]
        assert [one.wall_ns for one in fragments(messages)] == [sample.wall_ns for sample in SAMPLES[22:28]]
        assert reasons(messages) == [None] * 6


async def test_after_lost_packets_all_is_covered_up_to_the_next_key() -> None:
    async with staged() as stage:
        viewer = await stage.watch()
        stage.start()
        await stage.show(viewer, range(5))
        stage.sink.broken(GapCause.LOST_PACKETS, "3 packets")
        assert reasons(await stage.show(viewer, [7, 8, 30])) == [FullCover.NO_PICTURE] * 2 + [None]


async def test_a_redaction_that_fails_is_covered_and_tried_again_at_the_next_key() -> None:
    async with staged() as stage:
        viewer = await stage.watch()
        stage.start()
        await stage.show(viewer, range(5))
        stage.redactors[0].is_broken = True
        messages = await stage.show(viewer, [5, 6])
        stage.redactors[0].is_broken = False
        messages += await stage.show(viewer, [7, 30, 31])
        assert reasons(messages) == [FullCover.ERROR] * 3 + [None, None]


async def test_another_size_gives_another_init_and_begins_with_a_key() -> None:
    setup, samples = encoded(count=30, gop=30, size=(192, 128))
    async with staged() as stage:
        viewer = await stage.watch()
        stage.start()
        await stage.show(viewer, range(5))
        stage.start(setup)
        stage.sink.sample(samples[0])
        messages = await until_fragment(viewer)
        init, last = messages[0], messages[-1]
        assert isinstance(init, InitMessage)
        assert (init.width, init.height) == (192, 128)
        assert reasons(messages) == [None]
        assert isinstance(last, FragmentMessage)
        (frame,) = played(init.data, [last.data])
        assert (frame.width, frame.height) == (192, 128)


async def test_a_slow_viewer_loses_frames_up_to_a_key_and_the_other_one_none() -> None:
    limits = LiveLimits(viewer=ViewerLimits(frames=10, size_bytes=1 << 20))
    async with staged(limits) as stage:
        quick = await stage.watch()
        slow = stage.hub.watch(KEY)
        stage.start()
        seen = await stage.show(quick, range(20))
        stage.clock.advance(1)
        seen += await stage.show(quick, range(20, 25))
        assert len(fragments(seen)) == 25
        got: list[ViewMessage] = []
        while slow.waiting_bytes:
            got.append(await within(slow.next()))
        assert isinstance(got[0], InitMessage)
        shown = fragments(got)
        assert shown[0].is_key
        assert shown[-1] == fragments(seen)[-1]
        assert slow.lost == 25 - len(shown) > 0
        assert got[1] == StateMessage(None, slow.lost)
        assert len(played(got[0].data, [one.data for one in shown])) == len(shown)


async def test_too_many_samples_are_dropped_up_to_a_key_and_a_covered_frame_says_so() -> None:
    async with staged(LiveLimits(inbox=InboxLimits(items=10))) as stage:
        viewer = await stage.watch()
        stage.start()
        for sample in SAMPLES[:32]:  # without a pause: nothing can be taken meanwhile
            stage.sink.sample(sample)
        messages = [message for _ in range(3) for message in await until_fragment(viewer)]
        assert reasons(messages) == [FullCover.OVERLOAD, None, None]
        assert [one.wall_ns for one in fragments(messages)[1:]] == [sample.wall_ns for sample in SAMPLES[30:32]]


async def test_there_are_no_more_views_than_there_may_be() -> None:
    async with staged(LiveLimits(streams=1, viewers=2)) as stage:
        await stage.watch()
        with pytest.raises(PlayerError, match="too many"):
            stage.hub.watch(OTHER)
        stage.hub.watch(KEY)
        with pytest.raises(PlayerError, match="too many"):
            stage.hub.watch(KEY)


async def test_closing_the_hub_ends_every_view() -> None:
    async with staged() as stage:
        viewer = await stage.watch()
        await stage.hub.close()
        with pytest.raises(PlayerError, match="ended"):
            await viewer.next()
        assert [message async for message in viewer] == []
        assert stage.hub.streams == stage.hub.viewers == 0


async def test_an_inbox_never_holds_more_than_it_may_whatever_comes() -> None:
    inbox = Inbox(InboxLimits(items=8, size_bytes=10_000))
    rng = np.random.default_rng(5)
    for number in range(2_000):
        match int(rng.integers(0, 6)):
            case 0:
                inbox.setup(SETUP)
            case 1:
                inbox.broken(GapCause.LOST_PACKETS, "")
            case 2:
                inbox.discontinuity("")
            case 3:
                inbox.quiet(number)
            case _:
                inbox.sample(Sample(bytes(int(rng.integers(1, 3_000))), number, number, None, rng.random() < 0.1))
        if rng.random() < 0.05:
            items = await inbox.take()
            assert len(items) <= 10
            assert sum(len(item.data) for item in items if isinstance(item, Sample)) <= 10_000


async def test_parameter_sets_survive_an_overload() -> None:
    inbox = Inbox(InboxLimits(items=4))
    inbox.setup(SETUP)
    for sample in SAMPLES[:20]:
        inbox.sample(sample)
    assert (await inbox.take())[0] == SETUP


async def test_after_an_overload_nothing_is_kept_before_the_next_key() -> None:
    inbox = Inbox(InboxLimits(items=4))
    for sample in SAMPLES[:20]:
        inbox.sample(sample)
    assert await inbox.take() == [Hole(FullCover.OVERLOAD, SAMPLES[0].wall_ns)]
    inbox.sample(SAMPLES[20])
    assert await inbox.take() == [Hole(FullCover.OVERLOAD, SAMPLES[20].wall_ns)]
    assert inbox.dropped == 21
    inbox.sample(SAMPLES[30])
    assert await inbox.take() == [SAMPLES[30]]
