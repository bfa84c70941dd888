"""What the recorder writes is MP4 that an independent reader plays, sample for sample."""

import io
import itertools

import av
import pytest

from civicam.camera.sample import H264Setup, Sample
from civicam.core.ids import GapCause
from civicam.footage.fragment import Fragment
from civicam.recorder.fmp4 import codec_string, init_segment
from civicam.recorder.fragmenter import Fragmenter, FragmentLimits
from tests.fakes.samples import FRAME_90K, encoded

LIMITS = FragmentLimits(duration_90k=10 * 90_000, size_bytes=1 << 24)


class Fragments:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.got: list[Fragment] = []
        self.missed: list[tuple[int, GapCause]] = []

    def fragment(self, fragment: Fragment, setup: H264Setup) -> None:
        self.got.append(fragment)

    def missing(self, cause: GapCause, detail: str) -> None:
        self.missed.append((len(self.got), cause))


def gather(samples: tuple[Sample, ...], setup: H264Setup, limits: FragmentLimits = LIMITS) -> Fragments:
    sink = Fragments()
    fragmenter = Fragmenter(sink, limits)
    fragmenter.setup(setup)
    for sample in samples:
        fragmenter.sample(sample)
    fragmenter.flush()
    return sink


@pytest.mark.parametrize("b_frames", [0, 2])
def test_every_sample_comes_back_byte_for_byte_with_its_times(b_frames: int) -> None:
    setup, samples = encoded(b_frames=b_frames)
    fragments = gather(samples, setup).got
    movie = init_segment(setup) + b"".join(fragment.payload for fragment in fragments)
    with av.open(io.BytesIO(movie), "r") as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert [bytes(packet) for packet in packets] == [sample.data for sample in samples]
        # libav moves every time by one constant where composition offsets are negative; the distances are what counts.
        times = [packet.pts or 0 for packet in packets]
        assert [at - times[0] for at in times] == [sample.pts_90k for sample in samples]
        assert [packet.is_keyframe for packet in packets] == [sample.is_key for sample in samples]
        decoding = [packet.dts for packet in packets if packet.dts is not None]
        assert decoding == sorted(set(decoding))


def test_an_independent_decoder_decodes_every_frame() -> None:
    setup, samples = encoded(b_frames=2)
    movie = init_segment(setup) + b"".join(fragment.payload for fragment in gather(samples, setup).got)
    with av.open(io.BytesIO(movie), "r") as container:
        frames = list(container.decode(video=0))
    assert len(frames) == len(samples)
    assert {(frame.width, frame.height) for frame in frames} == {(setup.width, setup.height)}


def test_each_fragment_is_one_gop_and_touches_the_next() -> None:
    setup, samples = encoded(b_frames=2)
    headers = [fragment.header for fragment in gather(samples, setup).got]
    assert [header.sample_count for header in headers] == [30, 30, 30]
    assert all(header.is_sync and not header.is_damaged for header in headers)
    for earlier, later in itertools.pairwise(headers):
        assert earlier.end_wall_ns == later.start_wall_ns
        assert earlier.start_90k + earlier.duration_90k == later.start_90k


def test_a_gop_without_end_is_cut_at_the_limit_and_goes_on() -> None:
    setup, samples = encoded(gop=90)
    headers = [f.header for f in gather(samples, setup, FragmentLimits(2 * 90_000, 1 << 24)).got]
    assert [header.is_sync for header in headers] == [True, False, False]
    assert all(a.end_wall_ns == b.start_wall_ns for a, b in itertools.pairwise(headers))
    by_size = gather(samples, setup, FragmentLimits(1 << 40, 40_000)).got
    assert len(by_size) > 1
    assert sum(f.header.sample_count for f in by_size) == len(samples)


def test_what_follows_a_loss_is_damaged_until_the_next_key() -> None:
    setup, samples = encoded()
    sink = Fragments()
    fragmenter = Fragmenter(sink, LIMITS)
    fragmenter.setup(setup)
    for index, sample in enumerate(samples):
        if index == 40:
            fragmenter.broken(GapCause.LOST_PACKETS, "one packet")
        elif index != 41:
            fragmenter.sample(sample)
    fragmenter.flush()
    headers = [fragment.header for fragment in sink.got]
    assert [header.is_damaged for header in headers] == [False, False, True, False]
    assert [header.sample_count for header in headers] == [30, 10, 18, 30]
    assert sink.missed == [(2, GapCause.LOST_PACKETS)]
    assert headers[1].end_wall_ns < headers[2].start_wall_ns
    assert headers[3].start_wall_ns == samples[60].wall_ns


def test_a_long_wait_between_frames_is_a_gap_and_no_long_frame() -> None:
    setup, samples = encoded()
    late = [Sample(s.data, s.pts_90k + 10 * 90_000, s.wall_ns + 10**10, None, s.is_key) for s in samples[40:]]
    sink = gather((*samples[:40], *late), setup)
    headers = [fragment.header for fragment in sink.got]
    assert sink.missed == [(2, GapCause.CAMERA_SILENT)]
    assert headers[2].start_wall_ns - headers[1].end_wall_ns > 9 * 10**9
    assert not headers[2].is_damaged


def test_a_jump_of_the_cameras_clock_leaves_no_gap() -> None:
    setup, samples = encoded()
    sink = Fragments()
    fragmenter = Fragmenter(sink, LIMITS)
    fragmenter.setup(setup)
    for index, sample in enumerate(samples):
        if index == 40:
            fragmenter.discontinuity("an hour back")
        jump = 3600 * 90_000 if index >= 40 else 0
        fragmenter.sample(Sample(sample.data, sample.pts_90k - jump, sample.wall_ns + 5_000_000, None, sample.is_key))
    fragmenter.flush()
    headers = [fragment.header for fragment in sink.got]
    assert not sink.missed
    assert all(a.end_wall_ns == b.start_wall_ns for a, b in itertools.pairwise(headers))
    assert headers[1].duration_90k == 10 * FRAME_90K


def test_the_codec_is_named_by_profile_and_level() -> None:
    setup, _ = encoded()
    assert codec_string(setup).startswith("avc3.42")
