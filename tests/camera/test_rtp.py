"""RTP packets in sequence."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.camera.rtp import RtpReceiver
from tests.fakes.packets import rtp


class Payloads:
    """Keeps what comes."""

    def __init__(self) -> None:
        self.pushed: list[tuple[bytes, int, bool]] = []
        self.losses: list[str] = []
        self.restarts = 0

    def push(  # noqa: PLR0917  the seam's own order
        self, view: memoryview, start: int, end: int, timestamp: int, marker: bool, arrival_ns: int
    ) -> None:
        self.pushed.append((bytes(view[start:end]), timestamp, marker))

    def lost(self, detail: str) -> None:
        self.losses.append(detail)

    def restart(self) -> None:
        self.restarts += 1

    @property
    def numbers(self) -> list[int]:
        return [int(payload) for payload, _, _ in self.pushed]


def receive(*packets: bytes) -> tuple[RtpReceiver, Payloads]:
    out = Payloads()
    receiver = RtpReceiver(96, out)
    for packet in packets:
        # Offset, as within a read, so that nothing relies on a packet's being alone.
        receiver.packet(memoryview(b"xyz" + packet + b"more"), 3, 3 + len(packet), 0)
    return receiver, out


def numbered(*numbers: int) -> list[bytes]:
    return [rtp(number, 9, b"%d" % number) for number in numbers]


def test_header_fields_are_read() -> None:
    _, out = receive(rtp(1, 0xFFFFFFFF, b"a", marker=True), rtp(2, 0, b"b"))
    assert out.pushed == [(b"a", 0xFFFFFFFF, True), (b"b", 0, False)]


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (0x82, b"csrccsrcpayload"),
        (0x90, b"\xbe\xde\0\1extnpayload"),
        (0xA0, b"payload\0\0\3"),
        (0xB1, b"csrc\xbe\xde\0\0payload\1"),
    ],
)
def test_contributing_sources_extension_and_padding_are_left_out(first: int, rest: bytes) -> None:
    _, out = receive(struct.pack("!BBHII", first, 96, 1, 2, 3) + rest)
    assert [payload for payload, _, _ in out.pushed] == [b"payload"]


@pytest.mark.parametrize(
    ("first", "rest"),
    [(0x8F, b"short"), (0x90, b"\xbe\xde"), (0x90, b"\xbe\xde\xff\xff"), (0xA0, b"x\xff"), (0xA0, b"x\0")],
)
def test_a_header_that_does_not_fit_is_a_loss(first: int, rest: bytes) -> None:
    receiver, out = receive(rtp(1, 2, b"1", ssrc=3), struct.pack("!BBHII", first, 96, 2, 2, 3) + rest)
    assert receiver.malformed == 1
    assert len(out.losses) == 1
    assert out.numbers == [1]


def test_what_is_no_rtp_or_another_payload_type_is_counted() -> None:
    receiver, out = receive(b"short", b"\0" * 20, rtp(5, 1, b"5"), rtp(6, 1, b"6", kind=97), rtp(7, 1, b"7"))
    assert (receiver.malformed, receiver.foreign) == (2, 1)
    assert out.numbers == [5, 7]
    assert not out.losses


@given(st.integers(0, 65535), st.lists(st.booleans(), min_size=1, max_size=60))
def test_losses_are_counted_across_the_turn_of_the_sequence_number(start: int, kept: list[bool]) -> None:
    sent = list(enumerate(kept, start + 1))
    packets = [rtp(start, 9, b"0"), *(rtp(n, 9, b"1") for n, keep in sent if keep), rtp(start + len(kept) + 1, 9, b"2")]
    receiver, out = receive(*packets)
    assert receiver.lost == kept.count(False)
    assert receiver.received == len(packets) == len(out.pushed)
    assert receiver.highest & 0xFFFF == (start + len(kept) + 1) & 0xFFFF
    assert receiver.expected == len(kept) + 2


def test_late_and_double_packets_are_dropped_and_counted() -> None:
    receiver, out = receive(*numbered(1, 2, 2, 4, 3, 5))
    assert out.numbers == [1, 2, 4, 5]
    assert (receiver.late, receiver.lost) == (2, 1)


def test_a_count_that_starts_anew_is_followed_when_two_packets_agree() -> None:
    receiver, out = receive(*numbered(1, 2, 40_000, 3, 40_000, 40_001, 40_002))
    assert out.numbers == [1, 2, 3, 40_001, 40_002]
    assert out.losses == ["sequence numbers jumped"]
    assert receiver.lost == 1
    assert receiver.received == 5


def test_another_source_is_a_new_start() -> None:
    receiver, out = receive(rtp(1, 9, b"1"), rtp(50, 9, b"50", ssrc=8, kind=97), rtp(99, 9, b"99", ssrc=8))
    assert out.numbers == [1, 99]
    assert out.restarts == 1
    assert not out.losses
    assert receiver.ssrc == 8


def test_a_packet_without_payload_is_no_loss() -> None:
    _, out = receive(*numbered(1), rtp(2, 9, b""), *numbered(3))
    assert out.numbers == [1, 3]
    assert not out.losses
