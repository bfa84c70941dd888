"""Packets of one stream to samples with their time, and what the camera's counters say of it."""

from civicam.camera.counters import SourceCounters
from civicam.camera.sample import H264Setup
from civicam.camera.sdp import H264Offer
from civicam.camera.track import VideoTrack
from tests.fakes.clock import ManualClock
from tests.fakes.heard import Heard
from tests.fakes.packets import rtp, sender_report
from tests.fakes.samples import encoded

SETUP, _ = encoded(1)
IDR, P = b"\x65\x88idr", b"\x41\x9apicture"
NTP_2026 = (1_772_323_200 + 2_208_988_800) << 32


class Wire:
    """Hands packets to a track, a fifteenth of a second apart."""

    def __init__(self, previous: H264Setup | None = None) -> None:
        self.clock = ManualClock()
        self.heard = Heard()
        self.counters = SourceCounters()
        offer = H264Offer("", 96, 1, (SETUP.sps, *SETUP.pps))
        self.track = VideoTrack(offer, self.heard, self.counters, self.clock, previous)

    def rtp(self, number: int, nal: bytes, *, timestamp: int | None = None, ssrc: int = 7) -> None:
        packet = rtp(number, 6000 * number if timestamp is None else timestamp, nal, True, ssrc=ssrc)
        self.clock.advance(1 / 15)
        self.track.rtp(memoryview(packet), 0, len(packet), self.clock.monotonic_ns())

    def rtcp(self, packet: bytes) -> None:
        self.track.rtcp(memoryview(packet), 0, len(packet), self.clock.monotonic_ns())


def test_another_source_is_a_discontinuity_and_nothing_is_missing() -> None:
    wire = Wire()
    wire.rtp(1, IDR)
    wire.rtp(2, P)
    wire.rtp(900, IDR, timestamp=77, ssrc=8)
    wire.rtp(901, P, timestamp=6077, ssrc=8)
    assert wire.heard.events == ["setup", "sample", "sample", "discontinuity", "sample", "sample"]
    wall = [sample.wall_ns for sample in wire.heard.samples]
    assert wall == sorted(wall)
    assert wall[-1] - wall[0] < 300_000_000
    wire.track.count()
    assert (wire.counters.packets, wire.counters.packets_lost) == (4, 0)


def test_a_new_connection_with_the_same_setup_does_not_announce_it_again() -> None:
    wire = Wire(previous=SETUP)
    wire.rtp(1, IDR)
    assert wire.heard.events == ["discontinuity", "sample"]
    assert (wire.counters.width, wire.counters.height) == (160, 96)


def test_sender_reports_give_samples_the_camera_s_time() -> None:
    wire = Wire()
    wire.rtp(1, IDR)
    wire.rtcp(sender_report(NTP_2026, 6000, ssrc=99))  # another stream's
    wire.rtp(2, P)
    wire.rtcp(sender_report(NTP_2026, 6000, ssrc=7))
    wire.rtp(16, P)
    times = [sample.camera_wall_ns for sample in wire.heard.samples]
    assert times == [None, None, 1_772_323_201_000_000_000]


def test_counters_tell_what_was_lost_and_what_was_malformed() -> None:
    wire = Wire()
    wire.rtp(1, IDR)
    wire.rtp(4, P)
    wire.rtp(5, b"\x5c\x01stray")
    wire.rtcp(b"\x80\xc8\0\xff")
    wire.track.count()
    wire.track.count()
    counters = wire.counters
    assert (counters.samples, counters.packets, counters.packets_lost) == (2, 3, 2)
    assert (counters.malformed, counters.dropped) == (2, 1)
    assert counters.last_sample_ns == wire.clock.monotonic_ns() - round(1e9 / 15)


def test_a_jump_of_the_camera_s_clock_is_told_before_its_sample() -> None:
    wire = Wire()
    wire.rtp(1, IDR)
    wire.rtp(2, P, timestamp=6000 + 3600 * 90_000)
    assert wire.heard.events == ["setup", "sample", "discontinuity", "sample"]
    assert "went ahead" in wire.heard.details[0]


def test_a_stream_settles_after_some_samples_and_anew_after_each_jump_of_the_clock() -> None:
    wire = Wire()
    settled = []
    wire.rtp(1, IDR)
    settled.append(wire.track.is_settled)
    for number in range(2, 40):
        wire.rtp(number, P)
    settled.append(wire.track.is_settled)
    wire.rtp(40, IDR, timestamp=6000 * 40 - 10_000_000)
    settled.append(wire.track.is_settled)
    assert wire.heard.events[-2:] == ["discontinuity", "sample"]
    assert settled == [False, True, False]
