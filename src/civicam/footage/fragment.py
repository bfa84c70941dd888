"""A fragment: the samples of one GOP as one `moof` + `mdat` (ISO/IEC 14496-12, 8.8), and what is said about it."""

from dataclasses import dataclass

from civicam.core.ids import GapCause


@dataclass(frozen=True, slots=True)
class Gap:
    """What is missing directly before a fragment.

    Attributes:
        duration_ns: wall time that no playable fragment covers, above zero.
        cause: why.
    """

    duration_ns: int
    cause: GapCause


@dataclass(frozen=True, slots=True)
class FragmentHeader:
    """What is known of a fragment without opening it. Stored in the clear and authenticated.

    Attributes:
        start_90k: decoding time of the first sample on the stream's own clock.
        duration_90k: from the first sample's decoding time to the end of the last one, above zero.
        start_wall_ns: when it starts on this machine's wall clock.
        end_wall_ns: when it ends: where the next fragment starts if nothing is missing between them.
        camera_wall_ns: the start by the camera's own clock, None while that is unknown.
        sample_count: coded frames in it, above zero.
        is_sync: it starts with a key sample, so decoding can start here.
        is_damaged: packets were lost before or in it: it is kept, and not counted as coverage.
        gap: what is missing directly before it, None where it follows on.
    """

    start_90k: int
    duration_90k: int
    start_wall_ns: int
    end_wall_ns: int
    camera_wall_ns: int | None
    sample_count: int
    is_sync: bool
    is_damaged: bool
    gap: Gap | None


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment on its way to disk.

    Attributes:
        header: what is said of it.
        payload: the plaintext `moof` + `mdat`.
    """

    header: FragmentHeader
    payload: bytes
