"""Whether a camera signed its own pictures (ONVIF Media Signing): its SEI messages in recorded fragments.

A signing camera sends, with each group of pictures or every few, an SEI message `user_data_unregistered` (ITU-T H.264
D.1.7) with the UUID that the Media Signing specification gives it (`kUuidMediaSigning` in ONVIF's
media-signing-framework). They are recorded and exported as the camera sent them; whether they hold is not looked at
here.
"""

import struct
from collections.abc import Iterator
from typing import Final

MEDIA_SIGNING: Final = bytes.fromhex("005bc93f2d715e95ada4796f90877a6f")
_USER_DATA_UNREGISTERED: Final = 5
_SEI: Final = 6
_STOP: Final = 0x80
"""The last byte of a NAL unit: a bit that is 1, and zeros."""
_HEAD: Final = struct.Struct(">I4s")
_LENGTH: Final = struct.Struct(">I")


def signing_messages(payload: bytes) -> int:
    """How many SEI messages of ONVIF Media Signing a recorded fragment (`moof` and `mdat`) holds.

    Quick where there are none. The UUID is looked for as it is: emulation prevention (7.4.1.1) puts no byte into it,
    whatever stands before it, since its only zero is followed by a byte above 3.

    In what is not laid out as recordings are there are none.
    """
    if MEDIA_SIGNING not in payload:
        return 0
    return sum(
        kind == _USER_DATA_UNREGISTERED and data.startswith(MEDIA_SIGNING)
        for nal in _nal_units(payload)
        if nal[0] & 0x1F == _SEI and MEDIA_SIGNING in nal
        for kind, data in _messages(nal)
    )


def _nal_units(payload: bytes) -> list[bytes]:
    """The NAL units in the `mdat`, each of which stands behind its length; none where one is cut off."""
    at, end = _media(payload)
    found = []
    while at < end:
        size = _LENGTH.unpack_from(payload, at)[0] if end - at >= _LENGTH.size else 0
        at += _LENGTH.size
        if not 0 < size <= end - at:
            return []
        found.append(payload[at : at + size])
        at += size
    return found


def _media(payload: bytes) -> tuple[int, int]:
    """Where the contents of the `mdat` begin and end; nothing where there is none."""
    at = 0
    while len(payload) - at >= _HEAD.size:
        size, kind = _HEAD.unpack_from(payload, at)
        if not _HEAD.size <= size <= len(payload) - at:
            break
        if kind == b"mdat":
            return at + _HEAD.size, at + size
        at += size
    return 0, 0


def _messages(nal: bytes) -> Iterator[tuple[int, bytes]]:
    """The messages of an SEI NAL unit (7.3.2.3): type and payload; what is cut off is none."""
    data = nal[1:].replace(b"\0\0\3", b"\0\0")
    at = 0
    while at < len(data) and not (data[at] == _STOP and at == len(data) - 1):
        kind, at = _number(data, at)
        size, at = _number(data, at)
        if size > len(data) - at:
            return
        yield kind, data[at : at + size]
        at += size


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A type or a size: 255 for each byte 0xFF, and the byte after them."""
    value = 0
    while at < len(data) and data[at] == 0xFF:
        value += 255
        at += 1
    return value + (data[at] if at < len(data) else 0), at + 1
