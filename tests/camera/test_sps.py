"""Parameter sets of real encoders, and malformed ones."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicam.camera.sps import has_recovery_point, is_i_slice, parse_pps_id, parse_sps
from civicam.core.errors import H264Error
from tests.fakes.samples import encoded


@pytest.mark.parametrize("size", [(64, 48), (160, 96), (640, 360), (1920, 1080), (34, 18)])
def test_the_picture_size_of_a_real_encoder_is_read(size: tuple[int, int]) -> None:
    setup, _ = encoded(1, size=size)
    info = parse_sps(setup.sps)
    assert (info.width, info.height) == size
    assert info.profile_idc == setup.sps[1]
    assert info.level_idc == setup.sps[3]
    assert parse_pps_id(setup.pps[0]) == 0


def test_an_interlaced_high_profile_set_with_scaling_lists_is_read() -> None:
    # 1920x1080 in fields: High profile, frame_mbs_only_flag 0, cropping by 2 units of 4 rows.
    bits = (
        "01100100" + "00000000" + "00101000"  # profile 100, no constraints, level 40
        "1" + "010" + "1" + "1" + "0"  # sps 0, 4:2:0, 8 bits twice, no bypass
        "1" + "0000000" + "0"  # scaling matrix present, no list told
        "1" + "1" + "1" + "00101" + "0"  # frame numbers, picture order type 0, 4 references
        "0000001111000" + "00000100010" + "0" + "1" + "1"  # 120 columns, 34 rows of field pairs, fields
        "1" + "1" + "1" + "1" + "011" + "0" + "1"  # cropping 0, 0, 0, 2; no VUI; stop bit
    )
    nal = b"\x67" + int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    info = parse_sps(nal.replace(b"\0\0\0", b"\0\0\3\0"))
    assert (info.width, info.height) == (1920, 1080)


@given(st.binary(max_size=64))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(H264Error):
        info = parse_sps(b"\x67" + data)
        assert 0 < info.width <= 16384
        assert 0 < info.height <= 16384
    with contextlib.suppress(H264Error):
        assert 0 <= parse_pps_id(b"\x68" + data) <= 255
    is_i_slice(b"\x41" + data)
    has_recovery_point(b"\x06" + data)


@pytest.mark.parametrize("size", range(7))
def test_a_cut_off_set_is_refused(size: int) -> None:
    setup, _ = encoded(1)
    with pytest.raises(H264Error):
        parse_sps(setup.sps[:size])


def test_recovery_points_are_found_behind_other_messages() -> None:
    assert has_recovery_point(b"\x06\x06\x01\xc4\x80")
    assert has_recovery_point(b"\x06\x05\x10" + b"u" * 16 + b"\x06\x01\xc4\x80")
    assert not has_recovery_point(b"\x06\x05\x10" + b"u" * 16 + b"\x80")
    assert not has_recovery_point(b"\x06")
