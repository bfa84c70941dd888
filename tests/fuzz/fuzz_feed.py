"""The feed's messages: whatever comes over the socket, in whatever pieces, is a message or a FeedError."""

import sys

from civicam.camera.sample import H264Setup, Sample
from civicam.core.errors import FeedError
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from civicam.recorder.feed_messages import (
    MOST_MESSAGE_BYTES,
    BrokenTold,
    DiscontinuityTold,
    Dropped,
    Gone,
    Here,
    Level,
    Message,
    MessageReader,
    SampleTold,
    SetupTold,
    Want,
    encode,
)
from tests.fuzz import harness

MESSAGES: list[Message] = [
    Want(1, Level.ALL, StreamKey(CameraId("rudaki-07"), StreamName.SUB)),
    Here(1),
    SetupTold(1, H264Setup(b"\x67\x64\0\x1f", (b"\x68\xee", b"\x68\x01\x02"), 640, 360)),
    SampleTold(1, Sample(b"\0\0\0\2\x65\x88", 90_000, 1_772_323_200_000_000_000, 1_772_323_199_000_000_000, True)),
    SampleTold(1, Sample(b"\0\0\0\1\x41", -1, 0, None, False)),
    BrokenTold(1, GapCause.LOST_PACKETS, "3 packets are missing"),
    DiscontinuityTold(1, "the camera's clock jumped"),
    Dropped(1),
    Gone(4_294_967_295),
]
SEEDS = [*map(encode, MESSAGES), b"".join(map(encode, MESSAGES))]


def _read(data: bytes, step: int) -> tuple[list[Message], bool]:
    reader, found = MessageReader(MOST_MESSAGE_BYTES), list[Message]()
    try:
        for at in range(0, len(data), step):
            found += reader.feed(data[at : at + step])
    except FeedError:
        return found, False
    return found, True


def one(data: bytes) -> None:
    whole, is_understood = _read(data, max(1, len(data)))
    pieces, pieces_are_understood = _read(data, 7)
    assert pieces_are_understood == is_understood
    assert pieces[: len(whole)] == whole
    for message in pieces:
        assert MessageReader(MOST_MESSAGE_BYTES).feed(encode(message)) == [message]


if __name__ == "__main__":
    raise SystemExit(harness.run(one, SEEDS, sys.argv))
