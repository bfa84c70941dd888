"""RTSP messages, well-formed and as cameras write them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.camera.message import MAX_BODY_BYTES, Headers, Request, Response, parse, serialise
from civicam.core.errors import RtspError

TOKENS = st.from_regex(r"[A-Za-z][A-Za-z-]{0,20}", fullmatch=True).filter(
    lambda name: name.lower() not in ("content-length", "content-type")
)
VALUES = st.from_regex(r"[!-~]([ -~]{0,40}[!-~])?", fullmatch=True)


@given(st.lists(st.tuples(TOKENS, VALUES), max_size=8), st.binary(max_size=200), st.binary(max_size=20))
def test_what_is_written_is_read_again(lines: list[tuple[str, str]], body: bytes, after: bytes) -> None:
    for message in (Response(200, "OK", Headers(lines), body), Request("PLAY", "rtsp://c/x", Headers(lines), body)):
        data = serialise(message)
        again, taken = parse(data + after)
        assert taken == len(data)
        assert again is not None
        assert type(again) is type(message)
        assert again.headers.lines[: len(lines)] == lines
        assert again.body == body


@given(st.integers(0, 200))
def test_a_message_is_waited_for_until_it_is_whole(cut: int) -> None:
    data = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 30\r\n\r\n" + b"b" * 30
    message, taken = parse(data[:cut])
    assert (message is not None) == (cut >= len(data))
    assert taken == (len(data) if cut >= len(data) else 0)


@pytest.mark.parametrize(
    "data",
    [
        b"RTSP/1.0 200 OK\nCSeq: 4\nSession: a\n\n",
        b"rtsp/1.0 200 ok\r\ncseq:4\r\nsession:a\r\n\r\n",
        b"RTSP/1.0 200\r\nCSeq :  4 \r\nSESSION : a\r\n\r\n",
        b"\r\n\r\nRTSP/1.0  200  OK \r\nCSeq: 4\r\nSession:\r\n a\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nnonsense\r\nCSeq: 4\r\n: x\r\nSession: a\r\n \r\n",
        b"RTSP/2.0 200 \xd0\xb4\xd0\xb0\r\nCSeq: 4\r\nSession: a\r\n\r\n",
    ],
)
def test_odd_answers_are_understood(data: bytes) -> None:
    message, taken = parse(data)
    assert isinstance(message, Response)
    assert taken == len(data)
    assert (message.status, message.cseq, message.headers.get("session")) == (200, 4, "a")


def test_a_description_without_a_length_is_taken_to_its_end() -> None:
    head = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\n\r\n"
    assert parse(head) == (None, 0)
    assert parse(head + b"v=0\r\nm=vid") == (None, 0)
    message, taken = parse(head + b"v=0\r\nm=video 0 RTP/AVP 96\r\n")
    assert message is not None
    assert message.body == b"v=0\r\nm=video 0 RTP/AVP 96\r\n"
    assert taken == len(head) + len(message.body)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"RTSP/1.0 abc OK\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1),
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nX: " + b"x" * 70_000,
    ],
)
def test_what_is_not_rtsp_or_too_large_is_refused(data: bytes) -> None:
    with pytest.raises(RtspError):
        parse(data)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for front in (b"", b"RTSP/1.0 200 OK\r\n"):
        with contextlib.suppress(RtspError):
            _, taken = parse(front + data)
            assert taken <= len(front + data)


def test_a_print_of_headers_holds_no_values() -> None:
    assert "secret" not in repr(Response(200, "OK", Headers([("Authorization", "secret")])))
