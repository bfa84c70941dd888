"""What one camera's stream counts from its first connection on."""

from dataclasses import dataclass
from enum import StrEnum


class SourceState(StrEnum):
    """What a camera's stream is doing."""

    WAITING = "waiting"
    """between two attempts to connect"""
    CONNECTING = "connecting"
    STREAMING = "streaming"
    STOPPED = "stopped"


@dataclass(slots=True)
class SourceCounters:
    """Numbers only grow; the others say how things are now.

    Attributes:
        samples: access units handed on.
        media_bytes: bytes of those.
        packets: RTP packets taken in sequence (brought up to date once a second).
        packets_lost: RTP packets that never came (once a second).
        malformed: packets, payloads, reports and framing that could not be read (once a second).
        dropped: access units dropped because something in them was missing (once a second).
        reconnects: times the connection was made again.
        state: what the stream is doing.
        last_error: without credentials; empty while all is well.
        width: pixels, 0 while unknown.
        height: pixels, 0 while unknown.
        last_sample_ns: when the last sample came, on the monotonic clock.
    """

    samples: int = 0
    media_bytes: int = 0
    packets: int = 0
    packets_lost: int = 0
    malformed: int = 0
    dropped: int = 0
    reconnects: int = 0
    state: SourceState = SourceState.WAITING
    last_error: str = ""
    width: int = 0
    height: int = 0
    last_sample_ns: int = 0
