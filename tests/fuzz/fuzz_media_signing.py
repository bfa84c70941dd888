"""Recorded fragments with SEI messages that say that a camera signed its pictures."""

import struct
import sys

from civicam.evidence.media_signing import MEDIA_SIGNING, signing_messages
from tests.fuzz import harness

_SEI = b"\x06\x05\x12" + MEDIA_SIGNING + b"\0\1\x80"
_IDR = b"\x65\x88\x84\x00"
_PICTURE = b"".join(struct.pack(">I", len(nal)) + nal for nal in (_SEI, _IDR, _SEI))
SEEDS = [
    struct.pack(">I4s", 8, b"moof") + struct.pack(">I4s", 8 + len(_PICTURE), b"mdat") + _PICTURE,
    struct.pack(">I4s", 8 + len(_PICTURE), b"mdat") + _PICTURE,
]


def one(data: bytes) -> None:
    assert signing_messages(data) >= 0


if __name__ == "__main__":
    raise SystemExit(harness.run(one, SEEDS, sys.argv))
