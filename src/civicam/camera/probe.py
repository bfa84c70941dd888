"""Looks at a camera for a few seconds and says what it is."""

import asyncio
import os
import statistics
from dataclasses import dataclass

from civicam.camera.counters import SourceCounters
from civicam.camera.rtsp import RtspSession
from civicam.camera.sample import H264Setup, Sample
from civicam.camera.sps import parse_sps
from civicam.camera.track import VideoTrack
from civicam.camera.url import CameraUrl, Credentials
from civicam.core.citykey import Entropy
from civicam.core.clock import Clock
from civicam.core.errors import CameraError, StallError
from civicam.core.ids import GapCause

_TICK_S = 0.25


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a camera is.

    Attributes:
        server: what it calls itself, empty where it does not.
        methods: the RTSP methods it knows.
        auth: how it made us log in: `none`, `Basic`, `Digest MD5`, `Digest SHA-256`.
        offers: every stream it describes, such as `video H264/90000`.
        codec: RFC 6381 name, such as `avc1.64001F`.
        width: pixels.
        height: pixels.
        fps: frames a second, measured.
        bitrate_bps: bits a second of coded video, measured.
        key_interval_s: seconds between key frames, None where fewer than two came.
        clock_offset_ns: the camera's wall clock minus ours, None where it does not tell.
        samples: frames seen.
        packets_lost: RTP packets that never came.
        faults: what was wrong while looking, empty where nothing was.
    """

    server: str
    methods: tuple[str, ...]
    auth: str
    offers: tuple[str, ...]
    codec: str
    width: int
    height: int
    fps: float
    bitrate_bps: float
    key_interval_s: float | None
    clock_offset_ns: int | None
    samples: int
    packets_lost: int
    faults: tuple[str, ...]


class _Look:
    """A sink that remembers when and how large samples were."""

    def __init__(self) -> None:
        self.parameters: H264Setup | None = None
        self.times: list[int] = []
        self.key_times: list[int] = []
        self.size_bytes = 0
        self.last_bytes = 0
        self.clock_offset_ns: int | None = None
        self.faults: list[str] = []

    def setup(self, setup: H264Setup) -> None:
        self.parameters = setup

    def sample(self, sample: Sample) -> None:
        self.times.append(sample.pts_90k)
        self.size_bytes += len(sample.data)
        if sample.is_key:
            self.key_times.append(sample.pts_90k)
        if sample.camera_wall_ns is not None:
            self.clock_offset_ns = sample.camera_wall_ns - sample.wall_ns

    def broken(self, cause: GapCause, detail: str) -> None:
        self.faults.append(f"{cause.label}: {detail}")

    def discontinuity(self, detail: str) -> None:
        self.faults.append(detail)
        self.times.clear()
        self.key_times.clear()
        self.size_bytes = 0


async def probe(
    url: CameraUrl,
    credentials: Credentials | None,
    *,
    clock: Clock,
    watch_s: float = 5.0,
    timeout_s: float = 10.0,
    entropy: Entropy = os.urandom,
) -> ProbeResult:
    """Connects to a camera, watches it for `watch_s` and says goodbye.

    Raises:
        CameraError: it cannot be used; the message says why.
    """
    session = RtspSession(url, credentials, clock=clock, entropy=entropy, answer_timeout_s=timeout_s)
    counters, look = SourceCounters(), _Look()
    try:
        await session.open()
        offer = await session.offer()
        track = VideoTrack(offer, look, counters, clock)
        await session.play(offer, track)
        ended = await _watch(session, clock, watch_s)
        track.count()
    finally:
        await session.close()
    if look.parameters is None or not look.times:
        if ended is not None:
            raise ended
        raise StallError(
            f"no picture came within {watch_s:g} s",
            where=url.redacted,
            fix="look again for longer: key frames are rare",
        )
    info = parse_sps(look.parameters.sps)
    seconds = _seconds(look.times)
    keys = [(b - a) / 90_000 for a, b in zip(look.key_times, look.key_times[1:], strict=False)]
    return ProbeResult(
        server=session.server,
        methods=session.methods,
        auth=session.scheme,
        offers=tuple(media.label for media in session.description.medias),
        codec=f"avc1.{look.parameters.sps[1:4].hex().upper()}",
        width=info.width,
        height=info.height,
        fps=len(look.times) / seconds if seconds else 0.0,
        bitrate_bps=8 * look.size_bytes / seconds if seconds else 0.0,
        key_interval_s=statistics.median(keys) if keys else None,
        clock_offset_ns=look.clock_offset_ns,
        samples=counters.samples,
        packets_lost=counters.packets_lost,
        faults=(*look.faults, *([str(ended)] if ended is not None else [])),
    )


async def _watch(session: RtspSession, clock: Clock, watch_s: float) -> CameraError | None:
    """Takes what comes for so long; returns why it ended before."""
    ending = asyncio.create_task(session.ended())
    until_ns = clock.monotonic_ns() + round(watch_s * 1e9)
    try:
        while not ending.done() and (left_ns := until_ns - clock.monotonic_ns()) > 0:
            await clock.sleep(min(_TICK_S, left_ns / 1e9))
            session.tick()
        await asyncio.sleep(0)  # an end that the last read found is told in the next turn of the loop
        error = ending.exception() if ending.done() else None
    finally:
        ending.cancel()
    if error is not None and not isinstance(error, CameraError):
        raise error
    return error


def _seconds(times: list[int]) -> float:
    """How long the pictures shown at these times last, the last one as long as the others."""
    span = max(times) - min(times)
    return span / (len(times) - 1) * len(times) / 90_000 if len(times) > 1 else 0.0
