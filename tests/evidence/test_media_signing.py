"""Pictures that a camera signed itself: its SEI messages are found, and come through recording as they were sent."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.camera.counters import SourceCounters
from civicam.camera.h264 import nal_units
from civicam.camera.sample import H264Setup
from civicam.camera.sdp import H264Offer
from civicam.camera.track import VideoTrack
from civicam.core.ids import GapCause
from civicam.evidence.media_signing import MEDIA_SIGNING, signing_messages
from civicam.footage.fragment import Fragment
from civicam.recorder.fmp4 import fragment, fragment_sample
from civicam.recorder.fragmenter import Fragmenter, FragmentLimits
from tests.fakes.clock import ManualClock
from tests.fakes.packets import payloads, rtp, with_lengths
from tests.fakes.samples import FRAME_90K, encoded

SETUP, SAMPLES = encoded(60, gop=15)
IDR = b"\x65\x88idr"


def escaped(data: bytes) -> bytes:
    """With emulation prevention (7.4.1.1), written apart from the code under test."""
    out, zeros = bytearray(), 0
    for byte in data:
        if zeros == 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def message(kind: int, data: bytes) -> bytes:
    return b"".join(b"\xff" * (number // 255) + bytes((number % 255,)) for number in (kind, len(data))) + data


def sei(*messages: bytes) -> bytes:
    return b"\x06" + escaped(b"".join(messages)) + b"\x80"


def signed(data: bytes) -> bytes:
    return message(5, MEDIA_SIGNING + data)


def recorded(*nals: bytes) -> bytes:
    data = with_lengths(list(nals))
    return fragment(1, 0, [fragment_sample(6000, len(data), True, 0)], [data])


class _Fragments:
    def __init__(self) -> None:
        self.made: list[Fragment] = []

    def fragment(self, fragment: Fragment, setup: H264Setup) -> None:
        self.made.append(fragment)

    def missing(self, cause: GapCause, detail: str) -> None:
        raise AssertionError(detail)


others = st.tuples(st.integers(0, 600), st.binary(max_size=600)).map(lambda pair: message(*pair))


@given(st.lists(st.binary(max_size=700), max_size=4), st.lists(others, max_size=3))
def test_each_message_is_counted_whatever_is_in_it_and_before_it(found: list[bytes], before: list[bytes]) -> None:
    payload = recorded(sei(*before, *(signed(data) for data in found)), *(sei(signed(one)) for one in found), IDR)
    assert signing_messages(payload) == 2 * len(found)


@pytest.mark.parametrize(
    "nal",
    [
        IDR + MEDIA_SIGNING,  # in a picture
        b"\x0c" + MEDIA_SIGNING,  # in filler
        sei(message(4, MEDIA_SIGNING)),  # in a message of another kind
        sei(message(5, b"x" + MEDIA_SIGNING)),  # in one with another UUID
        sei(message(5, b"x") + b"\x05\x40" + MEDIA_SIGNING),  # cut off
        sei(message(5, MEDIA_SIGNING[:-1])),
    ],
)
def test_nothing_else_is_taken_for_one(nal: bytes) -> None:
    assert signing_messages(recorded(nal, IDR)) == 0


@given(st.binary(max_size=200), st.integers(0, 200))
def test_what_is_no_fragment_is_said_to_be_none(data: bytes, at: int) -> None:
    assert signing_messages(data[:at] + MEDIA_SIGNING + data[at:]) >= 0


def test_a_fragment_that_is_cut_off_has_none() -> None:
    whole = recorded(sei(signed(b"hash")), IDR)
    assert signing_messages(whole) == 1
    assert signing_messages(whole[:-1]) == 0
    longer = whole.replace(struct.pack(">I", len(IDR)) + IDR, struct.pack(">I", len(IDR) + 1) + IDR)
    assert signing_messages(longer) == 0


@pytest.mark.parametrize("has_its_own_time", [False, True])
def test_what_a_camera_signs_comes_through_recording_as_it_was_sent(has_its_own_time: bool) -> None:
    """Before each group of pictures, within its first picture or a packet with a time of its own before it."""
    sink, clock = _Fragments(), ManualClock()
    fragmenter = Fragmenter(sink, FragmentLimits(900_000, 1 << 20))
    offer = H264Offer("", 96, 1, (SETUP.sps, *SETUP.pps))
    track = VideoTrack(offer, fragmenter, SourceCounters(), clock, None)
    went: list[bytes] = []
    sequence = 0
    for number, sample in enumerate(SAMPLES):
        nals = list(nal_units(sample.data))
        sent = [sei(signed(bytes(range(256)) * 5 + bytes(40)))] if sample.is_key else []
        went += [*sent, *nals]
        clock.advance(1 / 15)
        pieces = [(FRAME_90K * number, [*sent, *nals])]
        if has_its_own_time and sent:
            pieces = [(FRAME_90K * number - 9, sent), (FRAME_90K * number, nals)]
        for timestamp, part in pieces:
            cut = payloads(part, 500)
            for place, payload in enumerate(cut, 1):
                packet = rtp(sequence, timestamp, payload, place == len(cut), ssrc=7)
                track.rtp(memoryview(packet), 0, len(packet), clock.monotonic_ns())
                sequence += 1
    fragmenter.flush()
    assert [signing_messages(one.payload) for one in sink.made] == [1, 1, 1, 1]
    media = b"".join(one.payload[one.payload.index(b"mdat") + 4 :] for one in sink.made)
    assert list(nal_units(media)) == went
