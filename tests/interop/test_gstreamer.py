"""Samples from GStreamer's RTSP server equal the file they come from, byte for byte."""

import asyncio
from itertools import pairwise
from pathlib import Path

import av
import pytest

from civicam.camera.counters import SourceCounters
from civicam.camera.h264 import nal_units
from civicam.camera.probe import probe
from civicam.camera.rtsp import RtspSession
from civicam.camera.track import VideoTrack
from civicam.camera.url import CameraUrl, Credentials
from civicam.core.clock import SystemClock
from civicam.core.errors import UnauthorisedError
from tests.fakes.heard import Heard
from tests.fakes.odd_camera import until
from tests.interop.gstreamer import CARS, GOOD, PEOPLE, demuxed, needs_gstreamer, serving

pytestmark = needs_gstreamer


async def watch(url: CameraUrl, credentials: Credentials | None, samples: int) -> tuple[Heard, SourceCounters, str]:
    clock, heard, counters = SystemClock(), Heard(), SourceCounters()
    session = RtspSession(url, credentials, clock=clock)
    try:
        await session.open()
        offer = await session.offer()
        track = VideoTrack(offer, heard, counters, clock)
        await session.play(offer, track)
        await until(lambda: len(heard.samples) >= samples, seconds=60)
        track.count()
    finally:
        await session.close()
    return heard, counters, session.scheme


@pytest.mark.parametrize(
    ("clip", "scheme", "aggregate", "said"),
    [
        (CARS, "digest", "none", "Digest MD5"),
        (CARS, "basic", "max-stap", "Basic"),
        (PEOPLE, "digest", "zero-latency", "Digest MD5"),
        (PEOPLE, "none", "none", "none"),
    ],
    ids=["cars-digest", "cars-basic-stap", "people-b-frames-digest-stap", "people-b-frames"],
)
def test_samples_equal_the_file(clip: Path, scheme: str, aggregate: str, said: str) -> None:
    count = 60
    with serving(clip, scheme, aggregate) as url:
        heard, counters, used = asyncio.run(watch(url, None if scheme == "none" else GOOD, count))
    expected = demuxed(clip, count)
    samples = heard.samples[:count]
    assert used == said
    assert [sample.data for sample in samples] == [data for data, _, _ in expected]
    assert [sample.is_key for sample in samples] == [is_key for _, _, is_key in expected]
    times = [sample.pts_90k - samples[0].pts_90k for sample in samples]
    # The server's own clock is in nanoseconds: a tick is lost to rounding here and there.
    assert all(abs(time - (pts - expected[0][1])) <= 2 for time, (_, pts, _) in zip(times, expected, strict=True))
    assert heard.events[0] == "setup"
    assert set(heard.events[1:]) == {"sample"}
    assert (counters.packets_lost, counters.malformed) == (0, 0)
    in_order = sorted(samples, key=lambda sample: sample.pts_90k)
    assert all(a.wall_ns < b.wall_ns for a, b in pairwise(in_order))
    if clip == PEOPLE:
        assert times != sorted(times)  # it does have B-frames


def test_the_setup_is_the_file_s() -> None:
    with serving(CARS, "none", config_interval=-1) as url:
        heard, _, _ = asyncio.run(watch(url, None, 30))
    with av.open(str(CARS)) as container:
        video = container.streams.video[0]
        extradata = video.codec_context.extradata or b""
        size = (video.codec_context.width, video.codec_context.height)
    (setup,) = heard.setups  # though the server repeats the sets in-band before each key frame
    assert setup.sps in extradata
    assert all(pps in extradata for pps in setup.pps)
    assert (setup.width, setup.height) == size
    kinds = [nal[0] & 0x1F for nal in nal_units(heard.samples[0].data)]
    assert kinds[:2] == [7, 8]


def test_a_wrong_password_is_refused() -> None:
    with serving(CARS, "digest") as url, pytest.raises(UnauthorisedError) as caught:
        asyncio.run(watch(url, Credentials("operator", "Zq9-wrong"), 1))
    assert "Zq9" not in str(caught.value)


def test_a_probe_measures_the_file() -> None:
    with serving(CARS, "digest") as url:
        result = asyncio.run(probe(url, GOOD, clock=SystemClock(), watch_s=3))
    assert (result.width, result.height, result.auth) == (768, 432, "Digest MD5")
    assert result.fps == pytest.approx(12.5, rel=0.05)
    assert result.server == "GStreamer RTSP server"
    assert result.clock_offset_ns is not None
    assert abs(result.clock_offset_ns) < 5_000_000_000
