"""What goes over the feed's socket: length-prefixed messages in both directions, read as if they came from a stranger.

    size (4 bytes, of all that follows) | kind (1 byte) | handle (4 bytes) | the rest, by kind

A handle is the subscriber's short name for a stream. All numbers are big-endian.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from civicam.camera.sample import H264Setup, Sample
from civicam.core.errors import ConfigError, FeedError
from civicam.core.ids import GapCause, StreamKey, StreamName, parse_camera_id

MOST_MESSAGE_BYTES = 32 << 20
"""Larger than any sample that a fragment can hold."""

MOST_REQUEST_BYTES = 256
"""Of what a subscriber says."""

_MOST_DETAIL_BYTES = 400


class Level(IntEnum):
    """How much of a stream a subscriber wants."""

    NOTHING = 0
    KEYS = 1
    ALL = 2


@dataclass(frozen=True, slots=True)
class Want:
    """From now on that much of a stream, under that handle. The only thing a subscriber says.

    Attributes:
        handle: the subscriber's name for the stream.
        level: how much of it.
        key: the stream.
    """

    handle: int
    level: Level
    key: StreamKey


@dataclass(frozen=True, slots=True)
class Here:
    """This worker records the stream: what comes of it follows."""

    handle: int


@dataclass(frozen=True, slots=True)
class Gone:
    """This worker does not record the stream, or not any more. If it does one day, `Here` follows."""

    handle: int


@dataclass(frozen=True, slots=True)
class SetupTold:
    """See `SampleSink.setup`."""

    handle: int
    setup: H264Setup


@dataclass(frozen=True, slots=True)
class SampleTold:
    """See `SampleSink.sample`."""

    handle: int
    sample: Sample


@dataclass(frozen=True, slots=True)
class BrokenTold:
    """See `SampleSink.broken`."""

    handle: int
    cause: GapCause
    detail: str


@dataclass(frozen=True, slots=True)
class DiscontinuityTold:
    """See `SampleSink.discontinuity`."""

    handle: int
    detail: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """The subscriber was too slow: samples are missing from here up to the next key."""

    handle: int


Message: TypeAlias = Want | Here | Gone | SetupTold | SampleTold | BrokenTold | DiscontinuityTold | Dropped

_HEAD = struct.Struct("!IBI")
_SIZE = struct.Struct("!I")
_SAMPLE = struct.Struct("!Bqqq")
_PICTURE = struct.Struct("!IIIB")
_WANT, _HERE, _GONE, _SETUP, _SAMPLE_KIND, _BROKEN, _DISCONTINUITY, _DROPPED = range(1, 9)
_BARE: dict[int, type[Here] | type[Gone] | type[Dropped]] = {_HERE: Here, _GONE: Gone, _DROPPED: Dropped}
_IS_KEY, _HAS_CAMERA_TIME = 1, 2
_HANDLE_AND_KIND_BYTES = 5


def head(kind_of: type[Message], handle: int, body_bytes: int) -> bytes:
    """What stands before the body of a message of that type."""
    return _HEAD.pack(_HANDLE_AND_KIND_BYTES + body_bytes, _KINDS[kind_of], handle)


def sample_body(sample: Sample) -> bytes:
    """The body of a `SampleTold` up to the sample's data, which stands behind it."""
    flags = (_IS_KEY if sample.is_key else 0) | (_HAS_CAMERA_TIME if sample.camera_wall_ns is not None else 0)
    return _SAMPLE.pack(flags, sample.pts_90k, sample.wall_ns, sample.camera_wall_ns or 0)


def encode(message: Message) -> bytes:
    """The message as it goes over the socket."""
    body = _body(message)
    return head(type(message), message.handle, len(body)) + body


def _body(message: Message) -> bytes:
    match message:
        case Want(level=level, key=key):
            return bytes((level,)) + str(key).encode()
        case SetupTold(setup=setup):
            pps = b"".join(_SIZE.pack(len(one)) + one for one in setup.pps)
            return _PICTURE.pack(setup.width, setup.height, len(setup.sps), len(setup.pps)) + setup.sps + pps
        case SampleTold(sample=sample):
            return sample_body(sample) + sample.data
        case BrokenTold(cause=cause, detail=detail):
            return bytes((cause,)) + _cut(detail)
        case DiscontinuityTold(detail=detail):
            return _cut(detail)
        case Here() | Gone() | Dropped():
            return b""


_KINDS: dict[type[Message], int] = {
    Want: _WANT,
    Here: _HERE,
    Gone: _GONE,
    SetupTold: _SETUP,
    SampleTold: _SAMPLE_KIND,
    BrokenTold: _BROKEN,
    DiscontinuityTold: _DISCONTINUITY,
    Dropped: _DROPPED,
}


class MessageReader:
    """Bytes as they come, in pieces of any size, to whole messages.

    Args:
        most_bytes: a message that says it is larger is an error before it takes memory.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._waiting = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are whole with `data`.

        Raises:
            FeedError: something is no message; nothing that follows can be understood.
        """
        waiting, at = self._waiting, 0
        waiting += data
        found: list[Message] = []
        while len(waiting) - at >= _SIZE.size:
            (size,) = _SIZE.unpack_from(waiting, at)
            if not _HANDLE_AND_KIND_BYTES <= size <= self._most_bytes:
                raise FeedError(f"a message says that it has {size} bytes")
            end = at + _SIZE.size + size
            if end > len(waiting):
                break
            found.append(_decode(bytes(memoryview(waiting)[at:end])))
            at = end
        del waiting[:at]
        return found


def _decode(data: bytes) -> Message:
    _, kind, handle = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    try:
        return _message(kind, handle, body)
    except (struct.error, ValueError, IndexError, ConfigError) as error:
        raise FeedError(f"a message of kind {kind} cannot be understood") from error


def _message(kind: int, handle: int, body: bytes) -> Message:
    if kind == _SAMPLE_KIND:
        flags, pts_90k, wall_ns, camera_wall_ns = _SAMPLE.unpack_from(body)
        if flags & ~(_IS_KEY | _HAS_CAMERA_TIME):
            raise ValueError("unknown flags")
        camera_wall = camera_wall_ns if flags & _HAS_CAMERA_TIME else None
        return SampleTold(handle, Sample(body[_SAMPLE.size :], pts_90k, wall_ns, camera_wall, bool(flags & _IS_KEY)))
    if kind == _WANT:
        camera, _, stream = body[1:].decode("ascii").partition("/")
        return Want(handle, Level(body[0]), StreamKey(parse_camera_id(camera), StreamName(stream)))
    if kind == _SETUP:
        return SetupTold(handle, _setup(body))
    if kind == _BROKEN:
        return BrokenTold(handle, GapCause(body[0]), body[1:].decode())
    if kind == _DISCONTINUITY:
        return DiscontinuityTold(handle, body.decode())
    if kind in _BARE and not body:
        return _BARE[kind](handle)
    raise ValueError("no such message")


def _setup(body: bytes) -> H264Setup:
    width, height, sps_bytes, count = _PICTURE.unpack_from(body)
    at = _PICTURE.size + sps_bytes
    sps = body[_PICTURE.size : at]
    pps = []
    for _ in range(count):
        (size,) = _SIZE.unpack_from(body, at)
        pps.append(body[at + _SIZE.size : at + _SIZE.size + size])
        at += _SIZE.size + size
    if at != len(body):
        raise ValueError("the sizes do not add up")
    return H264Setup(sps, tuple(pps), width, height)


def _cut(detail: str) -> bytes:
    return detail.encode(errors="replace")[:_MOST_DETAIL_BYTES].decode(errors="ignore").encode()
