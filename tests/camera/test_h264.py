"""RTP payloads to access units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.camera import h264
from civicam.camera.h264 import Depacketiser
from civicam.camera.sample import H264Setup
from tests.fakes.packets import fragments, payloads, with_lengths
from tests.fakes.samples import encoded

SETUP, _ = encoded(1)
OTHER, _ = encoded(1, size=(64, 48))
SPS, PPS = SETUP.sps, SETUP.pps[0]
IDR, P = b"\x65\x88idr", b"\x41\x9apicture"
SECOND_SLICE = b"\x41\x5aslice"  # its first bit says that it is not a picture's first


class Units:
    """Keeps what comes."""

    def __init__(self) -> None:
        self.setups: list[H264Setup] = []
        self.units: list[tuple[int, bytes, bool]] = []
        self.faults: list[str] = []

    def parameters(self, setup: H264Setup) -> None:
        self.setups.append(setup)

    def unit(self, data: bytes, timestamp: int, arrival_ns: int, is_key: bool) -> None:
        self.units.append((timestamp, data, is_key))

    def damaged(self, detail: str) -> None:
        self.faults.append(detail)

    @property
    def times(self) -> list[int]:
        return [timestamp for timestamp, _, _ in self.units]


class Stream:
    """Pushes payloads as a receiver would."""

    def __init__(self, *parameter_sets: bytes) -> None:
        self.out = Units()
        self.depacketiser = Depacketiser(self.out, parameter_sets)

    def push(self, timestamp: int, *parts: bytes, marker: bool = True) -> "Stream":
        for number, part in enumerate(parts, 1):
            is_marked = marker and number == len(parts)
            self.depacketiser.push(memoryview(part), 0, len(part), timestamp, is_marked, timestamp)
        return self


def started() -> Stream:
    return Stream(SPS, PPS).push(0, IDR)


nal_units = st.lists(
    st.tuples(st.sampled_from([0x41, 0x01, 0x06, 0x09, 0x0C]), st.binary(max_size=80)).map(
        lambda pair: bytes((pair[0], 0x80)) + pair[1]
    ),
    max_size=4,
)
pictures = st.lists(st.tuples(nal_units, st.binary(max_size=60)), min_size=1, max_size=8)


@given(pictures, st.integers(2, 40), st.booleans(), st.booleans())
def test_pictures_come_out_byte_for_byte(
    given_pictures: list[tuple[list[bytes], bytes]], mtu: int, aggregate: bool, has_markers: bool
) -> None:
    stream = started()
    sent = [with_lengths([IDR])]
    for number, (nals, tail) in enumerate(given_pictures, 1):
        picture = [*nals, P + tail]
        sent.append(with_lengths(picture))
        stream.push(number, *payloads(picture, mtu, aggregate), marker=has_markers)
    stream.push(99, P)
    assert [data for _, data, _ in stream.out.units] == [*sent, with_lengths([P])]
    assert not stream.out.faults


@given(pictures, st.integers(2, 40), st.booleans(), st.data())
def test_what_a_lost_packet_was_part_of_never_comes_out_and_is_told_once(
    given_pictures: list[tuple[list[bytes], bytes]], mtu: int, aggregate: bool, data: st.DataObject
) -> None:
    stream = started()
    whole = {0: with_lengths([IDR])}
    packets: list[tuple[int, bytes, bool]] = []
    for number, (nals, tail) in enumerate(given_pictures, 1):
        parts = payloads([*nals, P + tail], mtu, aggregate)
        whole[number] = with_lengths([*nals, P + tail])
        packets += [(number, part, part is parts[-1]) for part in parts]
    lost = data.draw(st.integers(0, len(packets) - 1))
    for index, (number, part, marker) in enumerate(packets):
        if index == lost:
            stream.depacketiser.lost("1 packet lost")
        else:
            stream.depacketiser.push(memoryview(part), 0, len(part), number, marker, 0)
    stream.push(99, P)
    out = stream.out
    assert out.faults == ["1 packet lost"]
    # What stands in front of the first slice may go missing unseen; a slice never does.
    for number, unit, _ in out.units[:-1]:
        assert whole[number].endswith(unit)
    assert len(out.units) >= len(whole) - 2


def test_nothing_comes_before_a_key_frame_with_known_parameter_sets() -> None:
    stream = Stream().push(1, P).push(2, IDR).push(3, P)
    assert not stream.out.units
    assert stream.depacketiser.skipped == 3
    stream.push(4, SPS, PPS, IDR).push(5, P)
    assert stream.out.times == [4, 5]
    assert stream.out.setups == [SETUP]
    assert stream.out.units[0] == (4, with_lengths([SPS, PPS, IDR]), True)


def test_parameter_sets_are_announced_when_they_change_and_only_then() -> None:
    stream = Stream(SPS, PPS).push(1, SPS, PPS, IDR).push(2, P).push(3, SPS, PPS, IDR)
    assert stream.out.setups == [SETUP]
    stream.push(4, OTHER.sps, *OTHER.pps, IDR)
    assert [(setup.width, setup.height) for setup in stream.out.setups] == [(160, 96), (64, 48)]


def test_a_malformed_parameter_set_drops_its_picture_and_keeps_the_old_one() -> None:
    stream = started().push(1, SPS[:4], IDR).push(2, P)
    assert stream.out.times == [0, 2]
    assert len(stream.out.faults) == 1
    assert stream.depacketiser.malformed == 1
    assert stream.out.setups == [SETUP]


def test_a_recovery_point_with_i_slices_is_a_key() -> None:
    recovery, i_slice = b"\x06\x06\x01\xc4\x80", b"\x41\xb8\x00"
    stream = Stream(SPS, PPS).push(1, recovery, P).push(2, i_slice).push(3, recovery, i_slice).push(4, P)
    assert [(time, is_key) for time, _, is_key in stream.out.units] == [(3, True), (4, False)]


def test_parameter_sets_marked_or_timed_on_their_own_belong_to_the_next_picture() -> None:
    stream = Stream().push(1, SPS).push(1, PPS).push(2, IDR)
    assert stream.out.units == [(2, with_lengths([SPS, PPS, IDR]), True)]


def test_a_camera_that_marks_every_slice_is_seen_through() -> None:
    stream = started()
    for time in range(1, 5):
        stream.push(time, P).push(time, SECOND_SLICE)
    stream.push(5, P)
    assert stream.out.times == [0, 1, 2, 3, 4]
    assert stream.out.units[-1][1] == with_lengths([P, SECOND_SLICE])
    assert len(stream.out.faults) == 1  # the half picture that showed it


def test_a_fragment_without_its_end_bit_ends_at_the_marker() -> None:
    parts = fragments(P * 10, 20)
    parts[-1] = bytes((parts[-1][0], parts[-1][1] & ~0x40)) + parts[-1][2:]
    assert started().push(1, *parts).out.units[-1] == (1, with_lengths([P * 10]), False)


@pytest.mark.parametrize(
    "payload",
    [
        b"\x5c\x01middle without start",
        b"\x5c\x41end without start",
        b"\x5c",
        b"\x5c\x81",
        b"\x78\x00",
        b"\x78\x00\x00",
        b"\x78\x00\x09\x41ab",
        b"\x78\x00\x02\x41\x9a\x00",
        b"\x78\x00\x02\x78\x00",
        b"\x19stap-b",
        b"\x1afmtap16",
        b"\x1dfu-b",
        b"\x00",
        b"\xc1forbidden bit",
    ],
)
def test_malformed_payloads_cost_one_picture_and_are_counted(payload: bytes) -> None:
    stream = started().push(1, P, payload).push(2, P)
    assert stream.out.times == [0, 2]
    assert len(stream.out.faults) == 1
    assert stream.depacketiser.malformed == 1
    assert stream.depacketiser.dropped == 1


def test_damage_is_told_once_until_the_next_key() -> None:
    stream = started()
    for time in range(1, 4):
        stream.depacketiser.lost("lost")
        stream.push(time, P)
    assert len(stream.out.faults) == 1
    stream.push(4, IDR)
    stream.depacketiser.lost("lost again")
    assert stream.out.faults == ["lost", "lost again"]
    assert stream.out.times == [0, 1, 2, 3, 4]


def test_a_picture_whose_first_slice_was_lost_is_dropped() -> None:
    stream = started()
    stream.depacketiser.lost("lost")
    stream.push(1, SECOND_SLICE).push(2, P, SECOND_SLICE)
    assert stream.out.times == [0, 2]


def test_a_picture_does_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(h264, "MAX_ACCESS_UNIT_BYTES", 1000)
    stream = started()
    for _ in range(1000):
        stream.push(1, b"\x5c\x81" + b"x" * 50, marker=False)
        for _ in range(5):
            stream.push(1, b"\x5c\x01" + b"x" * 50, marker=False)
        stream.depacketiser.check_size()
        assert len(stream.depacketiser._unit) <= 1000
    stream.push(2, P)
    assert stream.out.times == [0, 2]


def test_after_a_new_start_without_a_key_the_pictures_are_not_trusted() -> None:
    stream = started()
    stream.depacketiser.restart()
    stream.push(7, P)
    assert stream.out.faults == ["the stream started anew without a key frame"]
    whole = started()
    whole.depacketiser.restart()
    whole.push(7, IDR)
    assert not whole.out.faults
