"""A hundred faults while somebody watches: every frame that was sent was redacted, or all covered."""

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from civicam.camera.sample import H264Setup, Sample, SampleSink
from civicam.core.ids import GapCause, StreamKey
from civicam.player.encoder import Encoder
from civicam.player.inbox import InboxLimits
from civicam.player.live import LiveHub, LiveLimits, LiveParts
from civicam.player.viewer import FragmentMessage, InitMessage, StateMessage, Viewer, ViewerLimits
from civicam.recorder.feed_client import FeedClient
from civicam.recorder.feed_messages import BrokenTold, DiscontinuityTold, Message, SampleTold, SetupTold
from civicam.redaction.picture import Picture
from civicam.redaction.redacted import FullCover, RedactedPicture
from civicam.redaction.redactor import Redactor
from civicam.redaction.settings import RedactionSettings
from civicam.vision.decoder import Decoder
from tests.fakes.clock import ManualClock
from tests.fakes.odd_camera import until
from tests.fakes.pictures import Eye
from tests.faults.feed_process import KEY, FeedProcess
from tests.faults.view_check import Checker, Seen, pixels, seen
from tests.faults.view_footage import FRAME_90K, FRAME_NS, Footage, footage

START_NS = 1_800_000_000_000_000_000
SETTINGS = RedactionSettings(cover_yuv=(110, 200, 210))
"""A colour that no scene has: a pixel of it is the cover's, and no other one is."""
LEARN_EVERY_S = 2
SIZE = 480, 272


def place() -> Footage:
    return footage("square", 3, 90, SIZE)


def elsewhere() -> Footage:
    return footage("street", 5, 30, SIZE)


def larger() -> Footage:
    return footage("square", 3, 15, (560, 320))


def _learned() -> Redactor:
    """A redactor that has seen the empty place for as long as it must, up to the trial's beginning."""
    redactor = Redactor(SETTINGS)
    empty = footage("square", 3, 30, SIZE, is_empty=True).pictures
    count = round(SETTINGS.bootstrap_s / LEARN_EVERY_S) + 60
    for number in range(count):
        before_ns = (count - number) * LEARN_EVERY_S * 1_000_000_000
        picture = empty[number % len(empty)]
        wall_ns = START_NS - before_ns
        redactor.learn(replace(picture, wall_ns=wall_ns, pts_90k=wall_ns * 9 // 100_000, is_key=True))
    return redactor


@dataclass
class Witness:
    """The redactor under trial, with a note of what it gave for each moment, and whose model can be taken away."""

    redactor: Redactor
    given: dict[int, RedactedPicture] = field(default_factory=dict)
    fails: int = 0

    def redact(self, picture: Picture) -> RedactedPicture:
        if self.fails:
            self.fails -= 1
            raise RuntimeError("a fault put in on purpose")
        return self._noted(self.redactor.redact(picture))

    def cover_all(self, size: tuple[int, int], reason: FullCover, pts_90k: int, wall_ns: int) -> RedactedPicture:
        return self._noted(self.redactor.cover_all(size, reason, pts_90k, wall_ns))

    def _noted(self, redacted: RedactedPicture) -> RedactedPicture:
        self.given[redacted.picture.wall_ns] = redacted
        return redacted


@dataclass(frozen=True, slots=True)
class Counted:
    """A `SampleSink` that counts what the view was given."""

    trial: "Trial"
    sink: SampleSink

    def setup(self, setup: H264Setup) -> None:
        self.sink.setup(setup)

    def sample(self, sample: Sample) -> None:
        self.trial.heard += 1
        self.sink.sample(sample)

    def broken(self, cause: GapCause, detail: str) -> None:
        self.sink.broken(cause, detail)

    def discontinuity(self, detail: str) -> None:
        self.sink.discontinuity(detail)


class Trial:
    """A camera, the feed that gives its samples, a view, somebody who watches it, and one who breaks all of them."""

    def __init__(self, rng: random.Random, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.rng, self.folder = rng, folder
        self.clock = ManualClock(START_NS)
        self.client = FeedClient(folder, clock=self.clock, rng=rng)
        self.witness = Witness(_learned())
        parts = LiveParts(self, Decoder, lambda _key: self.witness, pool, self.clock)
        self.hub = LiveHub(parts, LiveLimits(viewer=ViewerLimits(frames=1000), inbox=InboxLimits(items=30)))
        self.feed = FeedProcess(folder)
        self.got: list[InitMessage | FragmentMessage] = []
        self.frames = 0
        self.shows: dict[int, tuple[Footage, int]] = {}
        self.at = self.sent = self.heard = self.skew_90k = self.skew_ns = 0
        self.pool = pool

    async def run(self, key: StreamKey, sink: SampleSink) -> None:
        """See `SampleSource`."""
        await self.client.run(key, Counted(self, sink))

    async def watch(self, viewer: Viewer) -> None:
        async for message in viewer:
            if not isinstance(message, StateMessage):
                self.frames += isinstance(message, FragmentMessage)
                self.got.append(message)

    async def connect(self) -> None:
        """The feed is there, and its camera sends."""
        self.feed.send(SetupTold(0, place().setup))
        async with asyncio.timeout(20):
            while not self.client.has(KEY):
                await self.pass_time()

    async def pass_time(self) -> None:
        self.clock.advance(0.02)
        await asyncio.sleep(0.002)

    def next(self, loop: Footage | None = None) -> Sample:
        """The next frame of the place, or of another loop, at a time of its own."""
        loop = loop or place()
        self.at = (self.at + 1) % len(loop.samples)
        self.sent += 1
        self.clock.advance_ns(FRAME_NS)
        wall_ns = START_NS + self.sent * FRAME_NS + self.skew_ns + 1  # odd: never the clock's own
        self.shows[wall_ns] = loop, self.at
        return replace(loop.samples[self.at], pts_90k=self.sent * FRAME_90K + self.skew_90k, wall_ns=wall_ns)

    async def hand(self, sample: Sample) -> None:
        """Hands a sample over: whatever it is, a frame comes of it, or of 2 s without one."""
        await self.send(SampleTold(0, sample))

    async def send(self, *messages: Message) -> None:
        before, began_ns = self.frames, self.clock.monotonic_ns()
        for message in messages:
            self.feed.send(message)
        async with asyncio.timeout(20):
            while self.frames == before:
                await self.pass_time()
        assert self.clock.monotonic_ns() - began_ns < 3_000_000_000

    async def play(self, count: int, loop: Footage | None = None) -> None:
        for _ in range(count):
            await self.hand(self.next(loop))

    async def decoder_error(self) -> None:
        sample = self.next()
        data = bytearray(sample.data)
        for _ in range(8):
            data[self.rng.randrange(4, len(data))] ^= 1 << self.rng.randrange(8)
        await self.hand(replace(sample, data=bytes(data)))

    async def truncated_packet(self) -> None:
        sample = self.next()
        size = self.rng.randrange(5, len(sample.data))
        data = sample.data[:size]
        if self.rng.random() < 0.5:  # a shorter slice, not a broken sample
            data = (size - 4).to_bytes(4, "big") + data[4:]
        await self.hand(replace(sample, data=data))

    async def sample_missing(self) -> None:
        """Nobody noticed that some were lost."""
        for _ in range(self.rng.randint(1, 4)):
            self.next()

    async def process_killed(self) -> None:
        """In the midst of what it was given."""
        for _ in range(self.rng.randint(0, 5)):
            self.feed.send(SampleTold(0, self.next()))
        self.feed.kill()
        await until(lambda: not self.client.has(KEY))
        self.feed = FeedProcess(self.folder)
        await self.connect()
        self.at = self.at if self.rng.random() < 0.5 else -1

    async def model_reset(self) -> None:
        warm, self.witness.redactor = self.witness.redactor, Redactor(SETTINGS)
        await self.play(self.rng.randint(3, 12))
        self.witness.redactor = warm

    async def redaction_raises(self) -> None:
        self.witness.fails = self.rng.randint(1, 3)

    async def scene_cut(self) -> None:
        back, self.at = self.at, -1
        await self.play(self.rng.randint(3, 20), elsewhere())
        self.at = back if self.rng.random() < 0.5 else -1

    async def overload(self) -> None:
        """No thread is free for a while."""
        count, before, is_free = self.rng.randint(50, 80), self.heard, threading.Event()
        self.pool.submit(is_free.wait)
        try:
            for _ in range(count):
                self.feed.send(SampleTold(0, self.next()))
            await until(lambda: self.heard >= before + count - 15)  # which may have had to wait for a key
        finally:
            is_free.set()
        await self.play(1)

    async def wrong_size(self) -> None:
        back, self.at = self.at, -1
        is_told = self.rng.random() < 0.7
        if is_told:
            self.feed.send(SetupTold(0, larger().setup))
        await self.play(self.rng.randint(2, 8), larger())
        if is_told:
            self.feed.send(SetupTold(0, place().setup))
        self.at = back

    async def clock_jump(self) -> None:
        self.skew_90k += self.rng.randint(-50, 100) * 90_000
        self.skew_ns += self.rng.randint(0, 3) * 1_000_000_000
        if self.rng.random() < 0.5:
            self.feed.send(DiscontinuityTold(0, "the camera's clock was set"))

    async def quiet(self) -> None:
        before = self.frames
        self.clock.advance(2.5)
        await until(lambda: self.frames > before)

    async def packets_lost(self) -> None:
        self.feed.send(BrokenTold(0, GapCause.LOST_PACKETS, "7 packets"))
        for _ in range(self.rng.randint(1, 4)):
            self.next()


KINDS: list[Callable[[Trial], Awaitable[None]]] = [
    Trial.decoder_error, Trial.truncated_packet, Trial.sample_missing, Trial.process_killed, Trial.model_reset,
    Trial.redaction_raises, Trial.scene_cut, Trial.overload, Trial.wrong_size, Trial.clock_jump, Trial.quiet,
    Trial.packets_lost,
]  # fmt: skip


async def _tried(seed: int, faults: int, folder: Path) -> Trial:
    rng = random.Random(seed)
    kinds = [KINDS[number % len(KINDS)] for number in range(faults)]
    rng.shuffle(kinds)
    with ThreadPoolExecutor(1) as pool:
        trial = Trial(rng, folder, pool)
        tasks = [asyncio.create_task(trial.client.keep_connected())]
        try:
            tasks.append(asyncio.create_task(trial.watch(trial.hub.watch(KEY))))
            await trial.connect()
            trial.at = -1
            await trial.play(20)
            for kind in kinds:
                await kind(trial)
                await trial.play(rng.randint(6, 30))
        finally:
            trial.feed.kill()
            tasks[0].cancel()
            await trial.hub.close()
            await asyncio.gather(*tasks, return_exceptions=True)
    return trial


def _judged(trial: Trial) -> Checker:
    checker = Checker(SETTINGS.cover_yuv)
    eye: Eye | None = None
    blank = Redactor(SETTINGS)
    for message in trial.got:
        if isinstance(message, InitMessage):
            eye = Eye.of_init(message.data)
            continue
        assert eye is not None
        (frame,) = eye.see_fragment(message.data)
        given = trial.witness.given[message.wall_ns]
        covered = None
        if given.reason is not None:
            covered = blank.cover_all(given.picture.size, given.reason, 0, 0)
        loop, number = trial.shows.get(message.wall_ns, (place(), 0))
        checker.judge(seen(frame), given, covered, loop.ids[number])
    return checker


@pytest.mark.timeout(300)
def test_of_a_hundred_faults_none_shows_a_viewer_anything_that_is_not_the_empty_place(tmp_path: Path) -> None:
    trial = asyncio.run(_tried(seed=1, faults=100, folder=tmp_path))
    checker = _judged(trial)
    assert checker.faults == []
    # It was a trial: frames that were not all covered, with somebody in them, and the place around them to be seen.
    assert checker.frames - checker.full > 500
    assert checker.objects > 10_000
    assert checker.open_share > 0.2
    assert checker.exposed_px < 0.005 * checker.object_px
    expected = {
        FullCover.NO_PICTURE, FullCover.ERROR, FullCover.COLD, FullCover.LIGHT_JUMP, FullCover.OVERLOAD, FullCover.SIZE
    }  # fmt: skip
    assert expected <= checker.reasons.keys()


def _frame(number: int = 7) -> tuple[RedactedPicture, NDArray[np.uint16]]:
    """A frame as the redactor gives it, and its ground truth."""
    redactor = _learned()
    given = [
        redactor.redact(replace(picture, wall_ns=START_NS + earlier * FRAME_NS, pts_90k=earlier * FRAME_90K))
        for earlier, picture in enumerate(place().pictures[: number + 1])
    ]
    return given[-1], place().ids[number]


def _shown(picture: Picture, said: RedactedPicture) -> Seen:
    """What a viewer would see of `picture`, coded as a view codes it."""
    encoder = Encoder(*SIZE, fps=15)
    (frame,) = Eye(encoder.setup).see(encoder.encode(replace(said, picture=picture)))
    return seen(frame)


def _found(picture: Picture, said: RedactedPicture, ids: NDArray[np.uint16]) -> list[str]:
    checker = Checker(SETTINGS.cover_yuv)
    blank = None if said.reason is None else Redactor(SETTINGS).cover_all(SIZE, said.reason, 0, 0)
    checker.judge(_shown(picture, said), said, blank, ids)
    return checker.faults


def _with(picture: Picture, source: Picture, mask: NDArray[np.bool_], share: float = 1.0) -> Picture:
    """`picture` with so much of the source let through where `mask` says."""
    planes = []
    for plane, clear, where in (
        (picture.y, source.y, mask), (picture.u, source.u, mask[::2, ::2]), (picture.v, source.v, mask[::2, ::2]),
    ):  # fmt: skip
        mixed = np.rint(plane * (1 - share) + clear * share).astype(np.uint8)
        planes.append(np.where(where, mixed, plane))
    return replace(picture, y=planes[0], u=planes[1], v=planes[2])


def test_the_check_passes_what_the_redactor_gives() -> None:
    given, ids = _frame()
    assert _found(given.picture, given, ids) == []


def test_the_check_finds_a_clear_frame_whatever_is_said_of_it() -> None:
    given, ids = _frame()
    source = place().pictures[7]
    none_covered = replace(given, covered=np.zeros_like(given.covered))
    assert any("of objects are seen" in fault for fault in _found(source, none_covered, ids))
    assert "the frame's number can be read" in _found(source, none_covered, ids)
    assert any("covered cells" in fault for fault in _found(source, given, ids))
    assert any("full cover" in fault for fault in _found(source, replace(given, reason=FullCover.COLD), ids))


def test_the_check_finds_one_clear_cell_and_a_trace_of_the_source_in_one() -> None:
    given, ids = _frame()
    source = place().pictures[7]
    row, column = np.argwhere(given.covered)[len(np.argwhere(given.covered)) // 2]
    cell = np.zeros_like(given.covered)
    cell[row, column] = True
    mask = pixels(cell, SIZE[1], SIZE[0])
    assert any("covered cells" in fault for fault in _found(_with(given.picture, source, mask), given, ids))
    assert any("covered cells" in fault for fault in _found(_with(given.picture, source, mask, 0.2), given, ids))


def test_the_check_finds_one_object_that_stays_clear_though_nothing_says_that_it_is_covered() -> None:
    given, ids = _frame()
    small = int(np.argmin(np.where((sizes := np.bincount(ids.ravel())) > 40, sizes, ids.size)))
    shown = _shown(_with(given.picture, place().pictures[7], ids == small), given)
    left = replace(given, covered=np.zeros_like(given.covered))
    checker = Checker(SETTINGS.cover_yuv)
    assert [checker.judge(shown, left, None, ids) for _ in range(4)] == [True, True, True, False]
    assert checker.faults[0].startswith(f"object {small} is seen for 4 frames")


def test_the_check_finds_a_trace_of_the_source_behind_a_full_cover() -> None:
    _, ids = _frame()
    full = Redactor(SETTINGS).cover_all(SIZE, FullCover.OVERLOAD, 0, 0)
    assert _found(full.picture, full, ids) == []
    everywhere = np.ones((SIZE[1], SIZE[0]), np.bool_)
    assert _found(_with(full.picture, place().pictures[7], everywhere, 0.1), full, ids) != []
