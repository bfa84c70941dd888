"""Session descriptions, and the address of the stream they offer."""

import sys

from civicam.camera.h264 import ParameterSets
from civicam.camera.sdp import choose_h264, control_url, parse
from civicam.core.errors import CivicamError
from tests.fuzz import harness

_TYPICAL = b"""v=0\r
o=- 1 1 IN IP4 192.0.2.1\r
s=Media Presentation\r
t=0 0\r
a=control:*\r
m=audio 0 RTP/AVP 8\r
a=rtpmap:8 PCMA/8000\r
a=control:trackID=2\r
m=video 0 RTP/AVP 96\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z2QAH6zZQFAFuwEQAAADABAAAAMDwPGDGWA=,aOvjyyLA\r
a=control:trackID=1\r
"""
SEEDS = [
    _TYPICAL,
    _TYPICAL.replace(b"\r", b"").replace(b"trackID=1", b"rtsp://192.0.2.1/a/trackID=1"),
    b"m=video 0 RTP/AVP 96\na=rtpmap:96 H264\na=fmtp:96 sprop-parameter-sets=,,%%,Z0\n",
]


def one(data: bytes) -> None:
    try:
        offer = choose_h264(parse(data))
        address = control_url("rtsp://192.0.2.1/a", offer.control)
        assert address.isascii()
        assert not any(c.isspace() for c in address)
        assert sum(map(len, offer.parameter_sets)) <= len(data)
        sets = ParameterSets()
        for nal in offer.parameter_sets:
            sets.add(nal)
    except CivicamError:
        pass


if __name__ == "__main__":
    raise SystemExit(harness.run(one, SEEDS, sys.argv))
