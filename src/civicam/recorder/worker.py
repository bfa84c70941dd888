"""One worker process: `python -m civicam.recorder.worker`, started by the supervisor and spoken to over its pipes.

Plans and credentials come in on standard input, a line each; reports go out on standard output, a line a second. The
word to finish ends it cleanly; an input that just ends means that the supervisor died, and the gap then says `crash`.
"""

import asyncio
import gc
import os
import random
import resource
import signal
import sys
from pathlib import Path

import uvloop

from civicam.camera.counters import SourceState
from civicam.camera.sample import H264Setup
from civicam.camera.source import CameraSource, ConnectLimiter, SourceSettings
from civicam.camera.url import CameraUrl, Credentials
from civicam.camera.watchdog import Watchdog
from civicam.catalogue.catalogue import Catalogue
from civicam.core.citykey import load_city_key
from civicam.core.clock import Clock, SystemClock
from civicam.core.errors import CivicamError, FeedError
from civicam.core.ids import GapCause, StreamKey
from civicam.footage.keys import KeyRing
from civicam.footage.segment_format import SegmentSetup
from civicam.footage.volume import Volume
from civicam.footage.writer import SegmentWriter
from civicam.recorder.archive import Archive
from civicam.recorder.coverage import CoverageChain
from civicam.recorder.feed import Feed
from civicam.recorder.fmp4 import TIMESCALE, codec_string, init_segment
from civicam.recorder.fragmenter import FragmentLimits
from civicam.recorder.plan import Quit, StreamPlan, WorkerPlan, decode_command, decode_hello
from civicam.recorder.recording import Recording, resume
from civicam.recorder.report import StreamReport, StreamState, WorkerReport
from civicam.recorder.stream_writer import SegmentMaker, StreamWriter
from civicam.recorder.volumes import VolumePool
from civicam.upkeep.leftovers import Leftovers

_REPORT_EVERY_S = 1.0
_START_SPREAD_S = 2.0
_TRY_AGAIN_S = 10.0
_MOST_SETUPS = 1024

_STATES = {
    SourceState.WAITING: StreamState.WAITING,
    SourceState.CONNECTING: StreamState.CONNECTING,
    SourceState.STREAMING: StreamState.RECORDING,
    SourceState.STOPPED: StreamState.STOPPED,
}


class Worker:
    """Records streams as it is told.

    Args:
        number: its place among the workers.
        plan: what holds for every stream.
        reports: where reports go.
        clock: the time; its reading at the start is this worker's epoch.
        rng: jitter.

    Raises:
        ConfigError: the city key cannot be read.
    """

    def __init__(
        self, number: int, plan: WorkerPlan, reports: asyncio.WriteTransport, *, clock: Clock, rng: random.Random
    ) -> None:
        self._number = number
        self._plan = plan
        self._reports = reports
        self._clock = clock
        self._rng = rng
        self._epoch = clock.wall_ns()
        self._keyring = KeyRing(load_city_key(Path(plan.city_key)))
        volumes = [one.volume for one in plan.volumes]
        self._volumes = VolumePool(volumes, clock)
        self._leftovers = Leftovers(volumes, self._keyring)
        self._archive = Archive(
            lambda: Catalogue.open(Path(plan.catalogue)),
            limit_bytes=plan.backlog_bytes,
            sync_interval_s=plan.sync_interval_s,
            measure=self._volumes.measure,
            clock=clock,
        )
        self._maker = SegmentMaker(self._volumes.choose, self._create, self._volumes.report_failure)
        self._limits = FragmentLimits(int(plan.max_fragment_s * TIMESCALE), plan.max_fragment_bytes)
        self._watchdog = Watchdog(clock)
        self._limiter = ConnectLimiter(plan.connect_at_once)
        self._feed = Feed()
        self._feed_alarms: list[str] = []
        self._setups: dict[H264Setup, SegmentSetup] = {}
        self._streams: dict[StreamKey, _Stream] = {}
        self._refused: dict[StreamKey, tuple[StreamPlan, str]] = {}

    async def run(self, commands: asyncio.StreamReader) -> None:
        """Does as `commands` say until told to finish, or until they end."""
        await self._start_feed()
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(self._archive.run()),
                tasks.create_task(self._watchdog.run()),
                tasks.create_task(self._report()),
                tasks.create_task(self._try_again()),
            ]
            cause = await self._obey(commands)
            await self._feed.close()
            await asyncio.gather(*(stream.finish(cause) for stream in self._streams.values()))
            for task in background:
                task.cancel()
        await self._archive.close()

    async def _start_feed(self) -> None:
        """Nobody can look live without it, and recording goes on."""
        if self._plan.feed:
            try:
                await self._feed.start(Path(self._plan.feed), self._number)
            except FeedError as error:
                self._feed_alarms.append(str(error))

    async def _obey(self, commands: asyncio.StreamReader) -> GapCause:
        """Returns why the worker ends."""
        while line := await commands.readline():
            match decode_command(line.decode()):
                case Quit():
                    return GapCause.SHUT_DOWN
                case StreamPlan() as plan:
                    await self._try(plan)
                case key:
                    await self._stop(key)
        return GapCause.CRASH

    async def _try(self, plan: StreamPlan) -> None:
        """Starts a stream; one that cannot be started is an alarm and no harm to the others, and is tried again."""
        try:
            await self._start(plan)
        except CivicamError as error:
            self._refused[plan.key] = (plan, f"{plan.key} is not recorded: {error}")
        else:
            self._refused.pop(plan.key, None)

    async def _try_again(self) -> None:
        while True:
            await self._clock.sleep(_TRY_AGAIN_S)
            for plan, _ in tuple(self._refused.values()):
                if plan.key in self._refused:
                    await self._try(plan)

    async def _start(self, plan: StreamPlan) -> None:
        chain = await self._archive.ask(lambda catalogue: self._resume(catalogue, plan))
        writer = StreamWriter(chain, self._epoch, int(self._plan.segment_s * 1e9), self._maker)
        recording = Recording(writer, self._archive, self._limits, self._clock)
        source = CameraSource(
            CameraUrl.parse(plan.url)[0],
            Credentials(plan.username, plan.password) if plan.username or plan.password else None,
            recording,
            clock=self._clock,
            rng=self._rng,
            watchdog=self._watchdog,
            connect_limiter=self._limiter,
            settings=SourceSettings(stall_s=self._plan.stall_s, start_spread_s=_START_SPREAD_S),
        )
        self._archive.add(writer)
        stream = self._streams[plan.key] = _Stream(plan.key, source, recording, self._clock)
        self._feed.add(plan.key, stream)

    async def _stop(self, key: StreamKey) -> None:
        self._refused.pop(key, None)
        stream = self._streams.pop(key, None)
        if stream is not None:
            self._feed.remove(key)
            await stream.finish(GapCause.SHUT_DOWN)
            await self._archive.remove(stream.writer)

    def _resume(self, catalogue: Catalogue, plan: StreamPlan) -> CoverageChain:
        self._leftovers.finish(catalogue, plan.key)
        return resume(catalogue, plan)

    def _create(self, volume: Volume, key: StreamKey, start_wall_ns: int, setup: H264Setup) -> SegmentWriter:
        stored = self._setups.get(setup)
        if stored is None:
            if len(self._setups) >= _MOST_SETUPS:
                self._setups.clear()  # a camera that changes its parameter sets for ever fills no memory
            stored = SegmentSetup(codec_string(setup), setup.width, setup.height, init_segment(setup))
            self._setups[setup] = stored
        return SegmentWriter.create(
            volume,
            key,
            epoch=self._epoch,
            start_wall_ns=start_wall_ns,
            created_wall_ns=self._clock.wall_ns(),
            setup=stored,
            keyring=self._keyring,
        )

    def _alarms(self) -> list[str]:
        refused = [why for _, why in self._refused.values()][:3]
        return [*self._volumes.alarms(), *self._archive.alarms(), *self._feed_alarms, *refused]

    async def _report(self) -> None:
        while True:
            report = WorkerReport(
                self._number,
                self._epoch,
                self._clock.wall_ns(),
                [stream.report() for stream in self._streams.values()],
                self._archive.backlog_bytes,
                self._archive.limit_bytes,
                self._archive.dropped_fragments,
                self._archive.write_latency,
                self._archive.sync_latency,
                self._alarms(),
            )
            # Somebody who is gone hears nothing, and somebody who does not listen gets no second report to wait for.
            if not self._reports.is_closing() and not self._reports.get_write_buffer_size():
                self._reports.write(report.to_json().encode() + b"\n")
            await self._clock.sleep(_REPORT_EVERY_S)


class _Stream:
    """A stream that is being recorded, and what is to be told of it."""

    def __init__(self, key: StreamKey, source: CameraSource, recording: Recording, clock: Clock) -> None:
        self.writer = recording.writer
        self._key = str(key)
        self._source = source
        self._recording = recording
        self._clock = clock
        self._started_ns = clock.wall_ns()
        self._before_ns = self.writer.gap_ns_at(self._started_ns)
        self._task = asyncio.create_task(source.run())
        self.listen, self.in_hand = recording.listen, recording.in_hand  # as `FeedStream`
        self.attend = source.attend

    async def finish(self, cause: GapCause) -> None:
        """Says goodbye to the camera and hands over what came."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._recording.finish(cause)

    def report(self) -> StreamReport:
        """How it is going since this worker started it."""
        now_ns = self._clock.wall_ns()
        counters, writer = self._source.counters, self.writer
        gaps = {label: gap_ns - self._before_ns.get(label, 0) for label, gap_ns in writer.gap_ns_at(now_ns).items()}
        due_ns = now_ns - self._started_ns
        return StreamReport(
            self._key,
            _STATES[counters.state],
            counters.last_error,
            counters.samples,
            counters.media_bytes,
            counters.packets_lost + counters.malformed,
            counters.reconnects,
            due_ns,
            writer.playable_ns,
            max(0, due_ns - writer.playable_ns - sum(gaps.values())),
            gaps,
            counters.width,
            counters.height,
        )


async def _main() -> None:
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    number, plan = decode_hello((await commands.readline()).decode())
    gc.freeze()  # modules live as long as the process; what streams leave behind is freed by counting references
    gc.set_threshold(50_000, 20, 20)
    reports, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout)
    worker = Worker(number, plan, reports, clock=SystemClock(), rng=random.Random())
    await worker.run(commands)


def main() -> None:
    """Runs a worker on this process's standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor says when; ^C reaches the whole group
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    try:
        uvloop.run(_main())
    except* CivicamError as errors:
        sys.stderr.writelines(f"civicam worker: {error}\n" for error in errors.exceptions)
        os._exit(1)


if __name__ == "__main__":
    main()
