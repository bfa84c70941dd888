"""What live views cost and how late they are, on this machine, beside what ffmpeg takes for the same streams.

`python -m bench.live --json`. Four questions, each with real H.264 of drawn scenes:

- what a frame costs at each stage, one thread, and what ffmpeg's command line takes to decode and code it again;
- how many redacted live streams a core carries, through the hub, with a viewer each;
- what stills of a whole city cost;
- how long after the camera's clock a viewer has a frame decoded, through simulator, recorder, feed and hub.

The barcode that is drawn into the simulator's pictures changes with each frame, so redaction covers it, as it should:
frames are told apart by the time that they carry. The simulator's cameras say in their RTCP sender reports at which
moment of this machine's clock a frame is sent; that moment travels with the sample, and is compared with the clock when
the viewer's decoder has given the frame out.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import av
import uvloop
from av.video.codeccontext import VideoCodecContext
from rich.console import Console
from rich.table import Table

from bench.measure import machine
from bench.ours import Civicam
from bench.simulator import WORK, CityProcess, CitySpec, prepare
from civicam.camera.sample import H264Setup, Sample, SampleSink
from civicam.city.encode import Encoding
from civicam.city.library import CachedStream, StreamSpec, make_library
from civicam.core.clock import SystemClock
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from civicam.player.encoder import Encoder
from civicam.player.live import LiveHub, LiveParts
from civicam.player.stills import StillMaker
from civicam.player.viewer import FragmentMessage, InitMessage, Viewer
from civicam.recorder.feed_client import FeedClient
from civicam.recorder.fmp4 import fragment, fragment_sample
from civicam.redaction.picture import Picture
from civicam.redaction.redactor import Redactor
from civicam.redaction.settings import RedactionSettings
from civicam.vision.decoder import Decoder

FPS = 15
FRAME_90K, FRAME_NS = 90_000 // FPS, 1_000_000_000 // FPS
SIZES = {(640, 360): 500, (1280, 720): 2000, (1920, 1080): 4000}
"""Width and height, and the cameras' kbit/s."""
SETTINGS = RedactionSettings(bootstrap_s=10.0)
"""As in use, but for how long a scene is learned before it is shown: a benchmark cannot wait for ten minutes."""
_LOOP_S = 5.0
_SCENES = 2
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Loop:
    """A scene's coded frames, played over and over."""

    name: str
    file: Path
    setup: H264Setup
    samples: tuple[Sample, ...]

    def played(self, count: int, start_ns: int = 0) -> Iterator[Sample]:
        """`count` frames, each with a time of its own."""
        for number in range(count):
            sample = self.samples[number % len(self.samples)]
            yield replace(sample, pts_90k=number * FRAME_90K, wall_ns=start_ns + number * FRAME_NS)


def loops(size: tuple[int, int], folder: Path) -> list[Loop]:
    """The scenes at that size, drawn once."""
    spec = StreamSpec(Encoding(*size, FPS, SIZES[size]), _LOOP_S)
    return [_loop(one) for one in make_library(_SCENES, spec, 1, folder)]


def _loop(cached: CachedStream) -> Loop:
    stream = cached.stream
    samples = tuple(
        Sample(b"".join(len(nal).to_bytes(4, "big") + nal for nal in unit.nals), 0, 0, None, unit.is_key)
        for unit in stream.units
    )
    return Loop(stream.name, cached.video, H264Setup(stream.sps, (stream.pps,), stream.width, stream.height), samples)


def decoded(loop: Loop, count: int, start_ns: int = 0) -> list[Picture]:
    """The first `count` pictures of a loop."""
    decoder = Decoder()
    decoder.setup(loop.setup)
    return [picture for sample in loop.played(count, start_ns) for picture in decoder.decode(sample)]


def warm(redactor: Redactor, loop: Loop) -> Redactor:
    """Has it learn the loop's scene, up to time 0."""
    seconds = round(SETTINGS.bootstrap_s) + 6
    for second in range(2 * seconds):
        picture = decoded_once(loop)[second * 7 % len(loop.samples)]
        redactor.learn(replace(picture, wall_ns=(second // 2 - seconds) * 1_000_000_000 + second % 2 * 500_000_000))
    if not redactor.is_warm:
        raise RuntimeError("the scene was not learned")
    return redactor


_DECODED: dict[str, list[Picture]] = {}


def decoded_once(loop: Loop) -> list[Picture]:
    """All of a loop's pictures, kept."""
    name = f"{loop.name} {loop.setup.width}"
    if name not in _DECODED:
        _DECODED.clear()
        _DECODED[name] = decoded(loop, len(loop.samples))
    return _DECODED[name]


# ---- what a frame costs


@dataclass(slots=True)
class Stages:
    """Milliseconds of a core a frame, one thread.

    Attributes:
        width: luma pixels.
        height: luma pixels.
        decode: sample to picture.
        mask: which cells are not the scene, and learning it.
        cover: copying the picture, and covering these cells.
        encode: to a sample again.
        fragment: wrapping it.
        covered: share of the picture that was covered.
        kbit_s: of the coded view.
        ffmpeg: what `ffmpeg` takes to decode and code it again: ultrafast, zerolatency, the same quality, one thread.
    """

    width: int
    height: int
    decode: float = 0.0
    mask: float = 0.0
    cover: float = 0.0
    encode: float = 0.0
    fragment: float = 0.0
    covered: float = 0.0
    kbit_s: float = 0.0
    ffmpeg: float = 0.0

    @property
    def all(self) -> float:
        """All stages together."""
        return self.decode + self.mask + self.cover + self.encode + self.fragment


def stages(size: tuple[int, int], folder: Path, frames: int) -> Stages:
    """Measures the stages one after the other, the mean over the scenes."""
    found = Stages(*size)
    scenes = loops(size, folder)
    for loop in scenes:
        _measure(loop, frames, found)
        found.ffmpeg += _ffmpeg_ms(loop, frames)
    for name, value in asdict(found).items():
        if name not in ("width", "height"):
            setattr(found, name, value / len(scenes))
    return found


def _measure(loop: Loop, frames: int, found: Stages) -> None:
    redactor = warm(Redactor(SETTINGS), loop)
    model = deepcopy(redactor.model)
    assert model is not None
    decoder, encoder = Decoder(), Encoder(loop.setup.width, loop.setup.height, fps=FPS)
    decoder.setup(loop.setup)
    spent = dict.fromkeys(("decode", "redact", "mask", "encode", "fragment"), 0.0)

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        began = time.thread_time()
        yield
        spent[name] += time.thread_time() - began

    for sample in loop.played(frames, FRAME_NS):
        with stage("decode"):
            (picture,) = decoder.decode(sample)
        with stage("mask"):
            model.see(picture)
        with stage("redact"):
            redacted = redactor.redact(picture)
        with stage("encode"):
            coded = encoder.encode(redacted)
        with stage("fragment"):
            row = fragment_sample(FRAME_90K, len(coded.data), coded.is_key, 0)
            fragment(1, coded.pts_90k, [row], [coded.data])
        found.covered += float(redacted.covered.mean()) / frames
        found.kbit_s += len(coded.data) * 8 / 1000 * FPS / frames
    found.decode += spent["decode"] * 1000 / frames
    found.mask += spent["mask"] * 1000 / frames
    found.cover += (spent["redact"] - spent["mask"]) * 1000 / frames
    found.encode += spent["encode"] * 1000 / frames
    found.fragment += spent["fragment"] * 1000 / frames


def _ffmpeg_ms(loop: Loop, frames: int) -> float:
    """User and system time of one ffmpeg process, its start included."""
    if shutil.which("ffmpeg") is None:
        return float("nan")
    rounds = max(1, frames // len(loop.samples))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [
            "ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-stream_loop", str(rounds - 1), "-i", str(loop.file),
            "-an", "-filter_threads", "1", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
            "-crf", "26", "-threads", "1", "-f", "null", "-",
        ],
        check=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent * 1000 / (rounds * len(loop.samples))


# ---- how many streams a core carries


@dataclass(frozen=True, slots=True)
class Capacity:
    """Live views at 640x360.

    Attributes:
        streams: redacted at the same time, a viewer each.
        seconds: measured.
        frames: that viewers got.
        covered_whole: how many of them were covered as a whole.
        cpu_ms: milliseconds of a core a stream and second, user and system, of the whole process.
        streams_a_core: how many such streams use one core up.
    """

    streams: int
    seconds: float
    frames: int
    covered_whole: int
    cpu_ms: float
    streams_a_core: float


class Paced:
    """A `SampleSource` that plays loops at their own pace."""

    def __init__(self, scenes: Sequence[Loop]) -> None:
        self._scenes = scenes

    async def run(self, key: StreamKey, sink: SampleSink) -> None:
        """See `SampleSource`."""
        number = int(key.camera.rpartition("-")[2])
        loop = self._scenes[number % len(self._scenes)]
        await asyncio.sleep(number * 0.0137 % (1 / FPS))  # cameras do not send at the same moment
        began_ns, began = _CLOCK.wall_ns(), time.monotonic()
        sink.setup(loop.setup)
        for sent, sample in enumerate(loop.played(sys.maxsize, began_ns)):
            await asyncio.sleep(began + sent / FPS - time.monotonic())
            sink.sample(sample)


def capacity(streams: int, seconds: float, folder: Path) -> Capacity:
    """Runs the hub for a while, in real time."""
    return uvloop.run(_capacity(loops((640, 360), folder), streams, seconds))


async def _capacity(scenes: Sequence[Loop], streams: int, seconds: float) -> Capacity:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hub = LiveHub(LiveParts(Paced(scenes), Decoder, lambda _key: Redactor(SETTINGS), pool, _CLOCK))
        got: list[FragmentMessage] = []
        viewers = [hub.watch(StreamKey(CameraId(f"cam-{number}"), StreamName.SUB)) for number in range(streams)]
        watching = [asyncio.create_task(_collect(viewer, got)) for viewer in viewers]
        await asyncio.sleep(SETTINGS.bootstrap_s + 4)
        got.clear()
        cpu, began = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        cpu, took = time.process_time() - cpu, time.monotonic() - began
        frames, whole = len(got), sum(message.reason is not None for message in got)
        await hub.close()
        await asyncio.gather(*watching)
    cpu_ms = cpu * 1000 / took / streams
    return Capacity(streams, took, frames, whole, cpu_ms, 1000 / cpu_ms)


async def _collect(viewer: Viewer, got: list[FragmentMessage]) -> None:
    async for message in viewer:
        if isinstance(message, FragmentMessage):
            got.append(message)  # noqa: PERF401  others look at it meanwhile


# ---- what stills of a city cost


@dataclass(frozen=True, slots=True)
class Stills:
    """A still of each camera every two seconds: decoding its key, redacting it, WebP.

    Attributes:
        cameras: how many.
        ms: milliseconds of a core a still.
        cores: how many cores that takes.
        size_bytes: of a still, on average.
    """

    cameras: int
    ms: float
    cores: float
    size_bytes: float


def stills(cameras: int, folder: Path, rounds: int = 3) -> Stills:
    """Measures one thread that makes them for all cameras, whose scenes are all in memory."""
    scenes = loops((640, 360), folder)
    learned = [warm(Redactor(SETTINGS), loop) for loop in scenes]
    city = [(scenes[n % len(scenes)], deepcopy(learned[n % len(scenes)]), Decoder()) for n in range(cameras)]
    for loop, _, decoder in city:
        decoder.setup(loop.setup)
    maker, size_bytes, spent = StillMaker(), 0, 0.0
    keys = {loop.name: [sample for sample in loop.samples if sample.is_key] for loop in scenes}
    for number in range(rounds + 1):
        began = time.thread_time()
        for loop, redactor, decoder in city:
            key = keys[loop.name][number % len(keys[loop.name])]
            at_ns = (number + 1) * 2_000_000_000
            (picture,) = decoder.decode(replace(key, pts_90k=number * 180_000, wall_ns=at_ns))
            size_bytes += len(maker.make(redactor.redact(picture)).data)
        if number:  # the first round sets decoders up
            spent += time.thread_time() - began
    ms = spent * 1000 / rounds / cameras
    return Stills(cameras, ms, ms * cameras / 2000, size_bytes / (rounds + 1) / cameras)


# ---- how late a frame is


@dataclass(slots=True)
class Latency:
    """From the camera's clock to the viewer's decoded frame, milliseconds.

    Attributes:
        views: open at the same time, each of a camera of its own.
        frames: measured.
        covered_whole: how many of them were covered as a whole.
        median: of all.
        p95: of all.
        worst: of all.
        machine_busy: share of all cores in use meanwhile, the simulator's and the recorder's included.
    """

    views: int
    frames: int = 0
    covered_whole: int = 0
    median: float = 0.0
    p95: float = 0.0
    worst: float = 0.0
    machine_busy: float = 0.0


@dataclass
class Timed:
    """A `SampleSink` that notes by a sample's time when its camera says that it was sent."""

    sink: SampleSink
    sent_ns: dict[int, int] = field(default_factory=dict)

    def setup(self, setup: H264Setup) -> None:
        """See `SampleSink`."""
        self.sink.setup(setup)

    def sample(self, sample: Sample) -> None:
        """See `SampleSink`."""
        if sample.camera_wall_ns is not None:
            self.sent_ns[sample.wall_ns] = sample.camera_wall_ns
        self.sink.sample(sample)

    def broken(self, cause: GapCause, detail: str) -> None:
        """See `SampleSink`."""
        self.sink.broken(cause, detail)

    def discontinuity(self, detail: str) -> None:
        """See `SampleSink`."""
        self.sink.discontinuity(detail)


class TimedFeed:
    """A `SampleSource` that hands the feed's samples on, with a note of when their cameras sent them."""

    def __init__(self, client: FeedClient) -> None:
        self._client = client
        self.sinks: dict[StreamKey, Timed] = {}

    async def run(self, key: StreamKey, sink: SampleSink) -> None:
        """See `SampleSource`."""
        self.sinks[key] = Timed(sink)
        await self._client.run(key, self.sinks[key])


def latency(views: int, seconds: float, folder: Path) -> Latency:
    """Runs a simulated city, the whole recorder, and the views."""
    spec = CitySpec(views, cache=str(folder))
    prepare(spec)
    system, data = Civicam(), folder.parent / "live"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    os.environ["CIVICAM_WEB__PORT"] = str(_free_port())
    with CityProcess(spec) as city:
        system.start(city.urls, data)
        try:
            city.wait_until_all_play(60)
            keys = [StreamKey(CameraId(camera), StreamName.MAIN) for camera in city.urls]
            return uvloop.run(_latency(keys, system.city.data.feed, seconds))
        finally:
            system.stop()
            shutil.rmtree(data)


async def _latency(keys: Sequence[StreamKey], feed: Path, seconds: float) -> Latency:
    client = FeedClient(feed, clock=_CLOCK, rng=random.Random(1))
    source, found = TimedFeed(client), Latency(len(keys))
    late_ms: list[float] = []
    connected = asyncio.create_task(client.keep_connected())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hub = LiveHub(LiveParts(source, Decoder, lambda _key: Redactor(SETTINGS), pool, _CLOCK))
        from_ns = _CLOCK.wall_ns() + round((SETTINGS.bootstrap_s + 8) * 1e9)

        def shown(key: StreamKey, message: FragmentMessage) -> None:
            now_ns, sent_ns = _CLOCK.wall_ns(), source.sinks[key].sent_ns.pop(message.wall_ns, None)
            if sent_ns is not None and sent_ns >= from_ns:
                late_ms.append((now_ns - sent_ns) / 1e6)
                found.covered_whole += message.reason is not None

        watching = [asyncio.create_task(_look(hub.watch(key), _shown(shown, key))) for key in keys]
        await asyncio.sleep(SETTINGS.bootstrap_s + 8)
        busy = _busy_s()
        await asyncio.sleep(seconds)
        found.machine_busy = (_busy_s() - busy) / seconds / (os.cpu_count() or 1)
        await hub.close()
        await asyncio.gather(*watching)
    connected.cancel()
    await asyncio.wait({connected})
    late_ms.sort()
    found.frames = len(late_ms)
    found.median, found.worst = statistics.median(late_ms), late_ms[-1]
    found.p95 = late_ms[min(len(late_ms) - 1, len(late_ms) * 95 // 100)]
    return found


def _shown(told: Callable[[StreamKey, FragmentMessage], None], key: StreamKey) -> Callable[[FragmentMessage], None]:
    return lambda message: told(key, message)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _busy_s() -> float:
    """Seconds in which cores were in use since the machine's start, all together (proc(5))."""
    user, nice, system, _idle, _wait, *rest = map(int, Path("/proc/stat").read_text("ascii").split("\n")[0].split()[1:])
    return (user + nice + system + sum(rest[:2])) / os.sysconf("SC_CLK_TCK")


async def _look(viewer: Viewer, shown: Callable[[FragmentMessage], None]) -> None:
    """A viewer: decodes what it gets, frame by frame."""
    context: VideoCodecContext | None = None
    async for message in viewer:
        if isinstance(message, InitMessage):
            context = _eye(message.data)
        elif isinstance(message, FragmentMessage) and context is not None:
            sample = message.data[int.from_bytes(message.data[:4], "big") + 8 :]
            if len(context.decode(av.Packet(sample))) != 1:
                raise RuntimeError("a fragment did not give a frame")
            shown(message)


def _eye(init: bytes) -> VideoCodecContext:
    """A decoder set up by an init segment's `avcC` box."""
    at = init.index(b"avcC")
    context = av.CodecContext.create("h264", "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata = init[at + 4 : at - 4 + int.from_bytes(init[at - 4 : at], "big")]
    context.thread_count = 1
    return context


# ---- all of it


def show(report: dict[str, object], found: Sequence[Stages]) -> None:
    """Prints tables."""
    table = Table(
        "size", "decode", "mask", "cover", "encode", "fragment", "all", "ffmpeg", "covered", "kbit/s",
        title="milliseconds of a core a frame",
    )  # fmt: skip
    for one in found:
        numbers = (one.decode, one.mask, one.cover, one.encode, one.fragment, one.all, one.ffmpeg)
        table.add_row(
            f"{one.width}x{one.height}", *(f"{n:.2f}" for n in numbers), f"{one.covered:.0%}", f"{one.kbit_s:.0f}"
        )
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    for name in ("capacity", "stills", "latency", "machine"):
        console.print(f"{name}: {report[name]}", highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    parser.add_argument("--frames", type=int, default=300, help="of each scene and size, for the stages")
    parser.add_argument("--seconds", type=float, default=30, help="of the windows that run in real time")
    parser.add_argument("--streams", type=int, default=8, help="redacted at the same time, for the share of a core")
    parser.add_argument("--cameras", type=int, default=200, help="of which there are stills")
    parser.add_argument("--views", type=int, default=8, help="open at the same time, for latency")
    parser.add_argument("--folder", default=f"{WORK}/streams", help="where scenes are kept")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    where = machine(folder)
    found = [stages(size, folder, options.frames) for size in SIZES]
    report: dict[str, object] = {
        "command": sys.argv[1:],
        "machine": where.as_json(),
        "stages_ms": [asdict(one) | {"all": one.all} for one in found],
        "capacity": asdict(capacity(options.streams, options.seconds, folder)),
        "stills": asdict(stills(options.cameras, folder)),
        "latency_ms": asdict(latency(options.views, options.seconds, folder)),
    }
    if options.json:
        print(json.dumps(report, indent=1))
    else:
        show(report, found)


if __name__ == "__main__":
    main()
