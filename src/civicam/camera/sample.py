"""What a camera gives, whatever it speaks: samples, in decoding order, each with its time."""

from dataclasses import dataclass
from typing import Protocol

from civicam.core.ids import GapCause


@dataclass(frozen=True, slots=True)
class H264Setup:
    """What a decoder needs before the first sample.

    Attributes:
        sps: the sequence parameter set NAL unit, without start code (ITU-T H.264 7.3.2.1).
        pps: the picture parameter set NAL units, without start codes, in order of id.
        width: luma samples a row after cropping.
        height: luma rows after cropping.
    """

    sps: bytes
    pps: tuple[bytes, ...]
    width: int
    height: int


@dataclass(slots=True)
class Sample:
    """One coded frame.

    Attributes:
        data: the access unit's NAL units as received, each behind a 4-byte big-endian length
            (ISO/IEC 14496-15, 5.3.4.2).
        pts_90k: presentation time on the stream's own clock, unwrapped; never compared across a discontinuity.
        wall_ns: the same moment on this machine's wall clock, by the camera's timeline.
        camera_wall_ns: the same moment by the camera's own clock (RTCP sender reports), None while unknown.
        is_key: decoding can start here (the access unit holds an IDR slice, or a recovery point with an I slice).
    """

    data: bytes
    pts_90k: int
    wall_ns: int
    camera_wall_ns: int | None
    is_key: bool


class SampleSink(Protocol):
    """Where a camera's samples go. Called on the event loop, in order; must not block, await or raise."""

    def setup(self, setup: H264Setup) -> None:
        """The parameter sets of the samples that follow: before the first one, and at each change."""
        ...

    def sample(self, sample: Sample) -> None:
        """The next sample in decoding order."""
        ...

    def broken(self, cause: GapCause, detail: str) -> None:
        """Something is missing here: samples up to the next key may not decode. `detail` names no credentials."""
        ...

    def discontinuity(self, detail: str) -> None:
        """The camera's clock jumped: `pts_90k` starts anew, nothing is missing, decoding goes on."""
        ...
