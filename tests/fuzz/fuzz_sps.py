"""Parameter sets, slices and SEI messages: the bits inside a NAL unit."""

import contextlib
import sys

from civicam.camera.sample import H264Setup
from civicam.camera.sps import has_recovery_point, is_i_slice, parse_pps_id, parse_sps
from civicam.core.errors import CivicamError
from civicam.recorder.fmp4 import init_segment
from tests.fuzz import harness

SEEDS = [
    bytes.fromhex("6764001facd9405005bb0110000003001000000303c0f1831960"),
    bytes.fromhex("42c01ed900a0b3d8088000000300800000190078b16cb0".join(("67", ""))),
    bytes.fromhex("67640028acd100780227e5c05a808080a0000003002000000651e30632c0"),
    bytes.fromhex("68ebe3cb22c0"),
    b"\x06\x06\x01\xc4\x80",
    b"\x65\x88\x84\x00\x41\x9a",
]


def one(data: bytes) -> None:
    with contextlib.suppress(CivicamError):
        info = parse_sps(data)
        assert 0 < info.width <= 16384
        assert 0 < info.height <= 16384
        # What was read must be storable too, whatever else the set holds.
        assert init_segment(H264Setup(data, (b"\x68\xce",), info.width, info.height))
    with contextlib.suppress(CivicamError):
        assert 0 <= parse_pps_id(data) <= 255
    with contextlib.suppress(CivicamError):
        assert is_i_slice(data) in (True, False)
    with contextlib.suppress(CivicamError):
        assert has_recovery_point(data) in (True, False)


if __name__ == "__main__":
    raise SystemExit(harness.run(one, SEEDS, sys.argv))
