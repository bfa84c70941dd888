"""Sender reports read, receiver reports written."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.camera.rtcp import Bye, Reception, SenderReport, parse_compound, receiver_report
from civicam.core.errors import RtpError
from tests.fakes.packets import sender_report


def test_a_sender_report_tells_the_camera_s_wall_clock() -> None:
    # 2026-03-01T00:00:00.5Z
    (report,) = parse_compound(sender_report((1_772_323_200 + 2_208_988_800) << 32 | 1 << 31, 90_000, 7))
    assert report == SenderReport(7, (1_772_323_200 + 2_208_988_800) << 32 | 1 << 31, 90_000)
    assert isinstance(report, SenderReport)
    assert report.unix_ns == 1_772_323_200_500_000_000


@pytest.mark.parametrize("ntp", [0, 5000 << 32, 0x7FFFFFFF << 32])
def test_a_camera_without_a_clock_tells_nothing(ntp: int) -> None:
    assert SenderReport(1, ntp, 2).unix_ns is None


def test_other_packets_of_a_compound_are_passed_over() -> None:
    sdes = struct.pack("!BBHI", 0x81, 202, 2, 7) + b"\1\2ab"
    bye = struct.pack("!BBHII", 0x82, 203, 2, 7, 8)
    assert parse_compound(sender_report(0, 1) + sdes + bye)[1:] == [Bye((7, 8))]


@pytest.mark.parametrize(
    "data",
    [b"\x80", b"\x40\xc8\0\0", b"\x80\xc8\0\6abcd", b"\x80\xc8\0\0", b"\x82\xcb\0\1abcd", b"\x80\xc9\0\0" * 100],
)
def test_malformed_reports_are_refused(data: bytes) -> None:
    with pytest.raises(RtpError):
        parse_compound(data)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(RtpError):
        parse_compound(data)


@given(st.integers(0, 255), st.integers(-(1 << 40), 1 << 40), st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_a_receiver_report_is_well_formed(fraction: int, lost: int, highest: int, jitter: int) -> None:
    data = receiver_report(1, Reception(2, fraction, lost, highest, jitter))
    assert len(data) % 4 == 0
    assert not parse_compound(data)
    assert data[:4] == b"\x81\xc9\0\7"
    own, ssrc, losses = struct.unpack_from("!III", data, 4)
    assert (own, ssrc, losses >> 24) == (1, 2, fraction)
    assert data[32:34] == b"\x81\xca"
    assert not parse_compound(receiver_report(1, None))
