"""The simulator's parts that need no socket: the wheel, packets, RTCP, requests, passwords."""

import contextlib
import random
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.city import rtcp
from civicam.city.auth import AuthScheme, Gate, Verdict, parameters
from civicam.city.loop import AccessUnit, LoopedStream
from civicam.city.packets import PacketisedStream, payloads
from civicam.city.requests import (
    MAX_HEAD_BYTES,
    Interleaved,
    Request,
    RequestReader,
    base_of,
    interleaved_channels,
    path_of,
)
from civicam.city.wheel import Wheel
from civicam.core.clock import SystemClock
from civicam.core.errors import CityError, RtspError
from tests.fakes.loop import looped_stream
from tests.fakes.rtsp_client import Rtp, nals_of, parse_rtp


def packets_of(wire: bytes) -> list[Rtp]:
    found = []
    at = 0
    while at < len(wire):
        assert wire[at : at + 2] == b"$\0"
        end = at + 4 + int.from_bytes(wire[at + 2 : at + 4])
        found.append(parse_rtp(wire[at + 4 : end]))
        at = end
    return found


@given(st.binary(min_size=1, max_size=400), st.integers(4, 60))
def test_a_nal_unit_is_cut_into_packets_and_put_together_again(nal: bytes, limit: int) -> None:
    nal = bytes((nal[0] & 0xE0 | 5,)) + nal[1:]
    parts = list(payloads(nal, limit))
    assert max(map(len, parts)) <= limit
    assert nals_of([Rtp(False, 0, 0, 0, part) for part in parts]) == [nal]


@pytest.mark.parametrize("b_frames", [0, 3])
def test_every_frame_is_made_into_packets_with_one_marker(b_frames: int) -> None:
    stream = looped_stream("big", bit_rate=2_000_000, noisy=True, b_frames=b_frames)
    made = PacketisedStream(stream)
    for unit, frame, in_band in zip(stream.units, made.frames, made.in_band, strict=True):
        packets = packets_of(frame.wire)
        assert [packet.marker for packet in packets] == [False] * (len(packets) - 1) + [True]
        assert tuple(nals_of(packets)) == unit.nals
        sets = (stream.sps, stream.pps) if unit.is_key else ()
        assert tuple(nals_of(packets_of(in_band.wire))) == (*sets, *unit.nals)
        # No picture is sent before it was taken.
        assert frame.send_ns * 9 // 100_000 + 1 >= unit.pts_90k
    paces = [frame.send_ns for frame in made.frames]
    assert paces == sorted(paces)


def test_the_next_key_frame_goes_on_from_round_to_round() -> None:
    stream = looped_stream()
    made = PacketisedStream(stream)
    second = next(index for index, unit in enumerate(stream.units) if unit.is_key and index)
    at_90k = stream.units[second].pts_90k
    length = stream.duration_90k
    assert made.next_key(0) == (0, 0)
    assert made.next_key(1) == (0, second)
    assert made.next_key(at_90k) == (0, second)
    assert made.next_key(at_90k + 1) == (1, 0)
    assert made.next_key(5 * length + 1) == (5, second)


KEY = AccessUnit((b"\x65abc",), 0, True)


@pytest.mark.parametrize(
    ("units", "sps"),
    [
        ((), b"\x67"),
        ((AccessUnit((b"\x41a",), 0, False),), b"\x67"),
        ((KEY,), b""),
        ((KEY, AccessUnit((), 10, False)), b"\x67"),
        ((KEY, AccessUnit((b"",), 10, False)), b"\x67"),
        ((KEY, AccessUnit((b"\x41a",), 0, False)), b"\x67"),
        ((KEY, AccessUnit((b"\x41a",), 100, False)), b"\x67"),
    ],
)
def test_a_stream_that_cannot_loop_is_refused(units: tuple[AccessUnit, ...], sps: bytes) -> None:
    with pytest.raises(CityError, match="stream 'bad'"):
        PacketisedStream(LoopedStream("bad", sps, b"\x68", 16, 16, 10.0, units, 100))


class _Stopped(SystemClock):
    """A clock that stands."""

    def monotonic_ns(self) -> int:
        return 0


@given(st.lists(st.integers(0, 500), max_size=50), st.lists(st.integers(1, 200), max_size=20))
def test_the_wheel_calls_each_thing_once_in_order_and_never_early(dues_ms: list[int], steps_ms: list[int]) -> None:
    wheel = Wheel(_Stopped(), tick_ms=5)
    called: list[tuple[int, int]] = []
    for due_ms in dues_ms:
        wheel.call_at(due_ms * 1_000_000, lambda now_ns, due_ms=due_ms: called.append((due_ms, now_ns)))  # type: ignore[misc]  # mypy does not infer lambdas with defaults
    now_ms = 0
    for step_ms in [*steps_ms, 600]:
        now_ms += step_ms
        wheel.advance(now_ms * 1_000_000)
        assert all(due_ms > now_ms - 5 for due_ms in dues_ms if due_ms not in dict(called))
    assert sorted(due for due, _ in called) == sorted(dues_ms)
    assert all(now_ns >= due * 1_000_000 for due, now_ns in called)
    ticks = [-(-due // 5) for due, _ in called]
    assert [max(tick, 1) for tick in ticks] == sorted(max(tick, 1) for tick in ticks)


def test_the_wheel_takes_new_things_while_it_calls() -> None:
    wheel = Wheel(_Stopped(), tick_ms=5)
    called: list[int] = []

    def again(now_ns: int) -> None:
        called.append(now_ns)
        wheel.call_at(len(called) * 10_000_000, again)

    wheel.call_at(0, again)
    wheel.advance(95_000_000)
    assert len(called) == 10


@given(st.binary(max_size=200))
def test_any_bytes_are_rtcp_or_not(data: bytes) -> None:
    count = rtcp.receiver_reports(data)
    assert count is None or 0 <= count <= len(data) // 4


@given(st.integers(0, 2**32 - 1), st.text(max_size=300))
def test_what_rtcp_the_camera_writes_is_whole(ssrc: int, cname: str) -> None:
    report = rtcp.sender_report(ssrc, wall_ns=1, timestamp=2, packets=3, octets=4, cname=cname)
    assert rtcp.receiver_reports(report) == 0
    assert rtcp.receiver_reports(rtcp.bye(ssrc, cname)) == 1
    assert (len(report) % 4, report[4:8]) == (0, ssrc.to_bytes(4))


def test_ntp_time_counts_from_1900() -> None:
    # RFC 868: 1970-01-01 is 2,208,988,800 seconds after 1900-01-01.
    assert rtcp.ntp_of_wall(0) == (2_208_988_800, 0)
    assert rtcp.ntp_of_wall(1_500_000_000) == (2_208_988_801, 1 << 31)


@given(st.binary(max_size=600), st.integers(1, 50))
def test_any_bytes_are_requests_or_a_clear_error(data: bytes, step: int) -> None:
    read_in_steps(data, step)


LINES = st.lists(
    st.sampled_from(
        ["OPTIONS * RTSP/1.0", "DESCRIBE rtsp://h/c/main RTSP/1.0", "CSeq: 1", "Content-Length: 3", "X:", "", "$", " a"]
    )
    | st.text(max_size=10),
    max_size=12,
)


@given(LINES, st.integers(1, 50))
def test_any_lines_are_requests_or_a_clear_error(lines: list[str], step: int) -> None:
    read_in_steps("\r\n".join(lines).encode(errors="replace"), step)


def read_in_steps(data: bytes, step: int) -> list[Request | Interleaved]:
    reader = RequestReader()
    found: list[Request | Interleaved] = []
    with contextlib.suppress(RtspError):
        for at in range(0, len(data), step):
            reader.feed(data[at : at + step])
            while (item := reader.next()) is not None:
                found.append(item)
    return found


@given(
    st.sampled_from(["OPTIONS", "DESCRIBE", "GET_PARAMETER"]),
    st.dictionaries(st.sampled_from(["session", "accept", "x-a"]), st.text("abc;=12 ", max_size=20), max_size=3),
    st.binary(max_size=50),
    st.integers(1, 80),
)
def test_a_request_is_read_as_it_was_written(method: str, headers: dict[str, str], body: bytes, step: int) -> None:
    lines = [f"{method} rtsp://h:1/cam/main RTSP/1.0", f"CSeq: {len(body)}", f"Content-Length: {len(body)}"]
    lines += [f"{name.title()}: {value}" for name, value in headers.items()]
    wire = "\r\n".join(lines).encode() + b"\r\n\r\n" + body + b"$\1\0\2ab"
    request, block = read_in_steps(wire, step)
    assert isinstance(request, Request)
    assert (request.method, request.path, request.body) == (method, ("cam", "main"), body)
    assert request.cseq == str(len(body))
    assert {name: request.headers[name] for name in headers} == {name: v.strip() for name, v in headers.items()}
    assert block == Interleaved(1, b"ab")


def test_a_head_without_end_is_refused_at_its_bound() -> None:
    reader = RequestReader()
    reader.feed(b"OPTIONS * RTSP/1.0\r\nX: " + b"y" * (MAX_HEAD_BYTES - 30))
    assert reader.next() is None
    reader.feed(b"y" * 30)
    with pytest.raises(RtspError, match="longer than"):
        reader.next()


@given(st.text(max_size=60))
def test_any_url_and_transport_are_read_without_a_crash(text: str) -> None:
    path_of(text)
    base_of(text)
    pair = interleaved_channels(text)
    assert pair is None or max(pair) <= 255


def test_a_reply_never_repeats_a_password() -> None:
    assert base_of("rtsp://ann:pw@host:1/cam/main/") == "rtsp://host:1/cam/main"


@given(st.text(max_size=80))
def test_any_authorization_is_judged(text: str) -> None:
    parameters(text)
    for scheme in (AuthScheme.BASIC, AuthScheme.DIGEST_MD5, AuthScheme.DIGEST_SHA256):
        gate = Gate(scheme, "r", random.Random(1))
        for header in (text, f"Basic {text}", f"Digest {text}"):
            verdict = gate.check(header, "PLAY", "rtsp://h/c", username="a", password="b", now_ns=0)
            assert verdict is Verdict.REFUSED


def test_basic_with_a_colon_in_the_password() -> None:
    gate = Gate(AuthScheme.BASIC, "r", random.Random(1))
    token = b64encode(b"a:b:c").decode()
    assert gate.check(f"basic {token}", "PLAY", "", username="a", password="b:c", now_ns=0) is Verdict.GRANTED
