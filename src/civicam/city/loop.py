"""A looped stream: coded frames that a simulated camera plays over and over."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded frame.

    Attributes:
        nals: its NAL units without start codes (parameter sets and delimiters left out, SEI kept).
        pts_90k: presentation time from the loop's start, in 90 kHz ticks.
        is_key: it is an IDR frame.
    """

    nals: tuple[bytes, ...]
    pts_90k: int
    is_key: bool


@dataclass(frozen=True, slots=True)
class LoopedStream:
    """Coded frames in decoding order; the first one is a key frame, and playing them again and again is legal H.264.

    Attributes:
        name: what it shows, such as `crossroads-1-day` or a file's name.
        sps: sequence parameter set NAL unit.
        pps: picture parameter set NAL unit.
        width: pixels.
        height: pixels.
        fps: frames a second.
        units: the frames, in decoding order.
        duration_90k: the loop's length, in 90 kHz ticks: presentation times go on from here in the next round.
    """

    name: str
    sps: bytes
    pps: bytes
    width: int
    height: int
    fps: float
    units: tuple[AccessUnit, ...]
    duration_90k: int
