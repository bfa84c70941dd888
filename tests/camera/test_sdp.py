"""What a camera offers, and where its streams are controlled."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.camera.sdp import choose_h264, control_url, parse
from civicam.core.errors import SdpError

TYPICAL = b"""v=0\r
a=control:*\r
m=audio 0 RTP/AVP 8\r
a=control:trackID=2\r
m=video 0 RTP/AVP 26 97\r
a=rtpmap:26 JPEG/90000\r
a=rtpmap:97 H264/90000\r
a=fmtp:97 packetization-mode=1; profile-level-id=42001f; sprop-parameter-sets=Z0IAHw==,aM4=\r
a=control:trackID=1\r
"""


def test_the_h264_stream_is_found_among_others() -> None:
    description = parse(TYPICAL)
    offer = choose_h264(description)
    assert description.control == "*"
    assert (offer.control, offer.payload_type, offer.packetization_mode) == ("trackID=1", 97, 1)
    assert offer.parameter_sets == (b"\x67\x42\x00\x1f", b"\x68\xce")


@pytest.mark.parametrize(
    ("written", "sets"),
    [
        ("Z0IAHw,aM4", (b"\x67\x42\x00\x1f", b"\x68\xce")),
        ("Z0IAHw== , aM4=", (b"\x67\x42\x00\x1f", b"\x68\xce")),
        ("%%%,aM4=", (b"\x68\xce",)),
        (",,", ()),
        ("", ()),
    ],
)
def test_garbled_parameter_sets_are_left_out(written: str, sets: tuple[bytes, ...]) -> None:
    data = f"m=video 0 RTP/AVP 96\na=rtpmap:96 h264/90000/1\na=fmtp:96 sprop-parameter-sets={written}\n"
    assert choose_h264(parse(data.encode())).parameter_sets == sets


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no media"),
        (b"v=0\nm=audio 0 RTP/AVP 0\n", "audio"),
        (b"m=video 0 RTP/AVP 96\na=rtpmap:96 H265/90000\n", "video H265/90000"),
        (b"m=video 0 RTP/AVP 96\na=rtpmap:96 H264/8000\n", "H264/8000"),
        (b"m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=2\n", "packetization-mode 2"),
        (b"a=x\n" * 3000, "lines"),
    ],
)
def test_a_camera_without_a_usable_stream_is_refused_with_the_reason(data: bytes, said: str) -> None:
    with pytest.raises(SdpError, match=said):
        choose_h264(parse(data))


@pytest.mark.parametrize(
    ("base", "control", "address"),
    [
        ("rtsp://c/a/", "trackID=1", "rtsp://c/a/trackID=1"),
        ("rtsp://c/a", "trackID=1", "rtsp://c/a/trackID=1"),
        ("rtsp://c/a?x=1&y=0", "trackID=1", "rtsp://c/a?x=1&y=0/trackID=1"),
        ("rtsp://c/a/", "rtsp://10.0.0.1/b", "rtsp://10.0.0.1/b"),
        ("rtsp://c/a/", "*", "rtsp://c/a/"),
        ("rtsp://c/a", "", "rtsp://c/a"),
    ],
)
def test_control_addresses(base: str, control: str, address: str) -> None:
    assert control_url(base, control) == address


@pytest.mark.parametrize("control", ["a b", "a\x00", "ж", "a\tRTSP/1.0"])
def test_a_control_address_cannot_break_a_request(control: str) -> None:
    with pytest.raises(SdpError):
        control_url("rtsp://c/", control)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for front in (b"", b"m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na="):
        with contextlib.suppress(SdpError):
            choose_h264(parse(front + data))
