"""Samples in, fragments out: one fragment a GOP, cut short where something is missing or a GOP never ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from civicam.camera.sample import H264Setup, Sample
from civicam.core.ids import GapCause
from civicam.footage.fragment import Fragment, FragmentHeader
from civicam.recorder.fmp4 import TIMESCALE, FragmentSample, fragment, fragment_sample

_NS_PER_TICK = 1_000_000_000 / TIMESCALE
_DEFAULT_FRAME_90K = TIMESCALE // 25
_GOES_ON_NS = 1_000_000_000
"""How far the start of a fragment may be off the end of the one before for the two to touch if nothing was missing."""
_SILENCE_NS = 2_000_000_000
"""A longer wait between two frames is a gap and no long frame; below one frame in two seconds is not video."""


class FragmentSink(Protocol):
    """Where fragments go, in order."""

    def fragment(self, fragment: Fragment, setup: H264Setup) -> None:
        """The next fragment; `header.gap` is still None, for only who writes it knows what was lost on the way."""
        ...

    def missing(self, cause: GapCause, detail: str) -> None:
        """What follows does not continue what came before."""
        ...


@dataclass(frozen=True, slots=True)
class FragmentLimits:
    """When a GOP without end is cut.

    Attributes:
        duration_90k: longest fragment.
        size_bytes: largest fragment, before the sample that crosses it.
    """

    duration_90k: int
    size_bytes: int


class Fragmenter:
    """A `SampleSink` that gathers one stream's samples into fragments.

    A fragment covers wall time from its key's presentation to the next key's, so fragments that follow on touch.
    Decoding times are the presentation times in rising order: exact for any reordering, with signed composition
    offsets (14496-12, 8.8.8, version 1).
    """

    def __init__(self, sink: FragmentSink, limits: FragmentLimits) -> None:
        self._sink = sink
        self._limits = limits
        self._setup: H264Setup | None = None
        self._samples: list[Sample] = []
        self._size_bytes = 0
        self._sequence = 0
        self._frame_90k = _DEFAULT_FRAME_90K
        self._end_wall_ns = 0
        self._is_unbroken = False
        self._is_damaged = False
        self._may_go_back = False

    def setup(self, setup: H264Setup) -> None:
        """See `SampleSink`."""
        self._flush(None)
        self._setup = setup

    def sample(self, sample: Sample) -> None:
        """See `SampleSink`."""
        samples = self._samples
        if samples:
            if sample.wall_ns - samples[-1].wall_ns > _SILENCE_NS:
                self._flush(None)
                self._is_unbroken = False
                self._sink.missing(GapCause.CAMERA_SILENT, "connected, and no frames came")
            elif sample.is_key or self._is_over(sample):
                self._flush(sample)
            samples = self._samples
        if sample.is_key:
            self._is_damaged = False
        samples.append(sample)
        self._size_bytes += len(sample.data)

    def broken(self, cause: GapCause, detail: str) -> None:
        """See `SampleSink`."""
        self._flush(None)
        self._is_unbroken = False
        self._is_damaged = True
        self._sink.missing(cause, detail)

    def discontinuity(self, detail: str) -> None:
        """See `SampleSink`."""
        self._flush(None)
        self._may_go_back = True

    def in_hand(self) -> tuple[H264Setup | None, Sequence[Sample]]:
        """The setup that holds, and the samples since the last key; none if a part of that GOP went already."""
        samples = self._samples
        return self._setup, samples[:] if samples and samples[0].is_key and not self._is_damaged else ()

    def flush(self) -> None:
        """Hands over what is in hand; the stream ends here."""
        self._flush(None)

    def _is_over(self, sample: Sample) -> bool:
        duration_90k = sample.pts_90k - self._samples[0].pts_90k
        return duration_90k >= self._limits.duration_90k or self._size_bytes >= self._limits.size_bytes

    def _flush(self, following: Sample | None) -> None:
        """Ends the fragment in hand; `following` is the sample that comes next, if the stream goes on unbroken."""
        samples, self._samples, self._size_bytes = self._samples, [], 0
        if not samples or self._setup is None:
            return
        rows, start_90k, duration_90k = self._rows(samples, following)
        start_wall_ns = self._start(samples)
        end_wall_ns = max(self._end(samples, following), start_wall_ns + 1)
        self._end_wall_ns, self._is_unbroken = end_wall_ns, True
        self._sequence += 1
        header = FragmentHeader(
            start_90k=start_90k,
            duration_90k=duration_90k,
            start_wall_ns=start_wall_ns,
            end_wall_ns=end_wall_ns,
            camera_wall_ns=samples[0].camera_wall_ns,
            sample_count=len(samples),
            is_sync=samples[0].is_key,
            is_damaged=self._is_damaged,
            gap=None,
        )
        payload = fragment(self._sequence, max(start_90k, 0), rows, [sample.data for sample in samples])
        self._sink.fragment(Fragment(header, payload), self._setup)

    def _rows(self, samples: list[Sample], following: Sample | None) -> tuple[list[FragmentSample], int, int]:
        """The samples' rows, when the first one is decoded, and how long they last in all."""
        decoding = sorted([sample.pts_90k for sample in samples])
        if len(decoding) > 1:
            self._frame_90k = max(decoding[-1] - decoding[-2], 1)
        end_90k = decoding[-1] + self._frame_90k
        if following is not None and following.pts_90k > decoding[-1]:
            end_90k = following.pts_90k
        rows = [
            fragment_sample(until - at, len(sample.data), sample.is_key, sample.pts_90k - at)
            for sample, at, until in zip(samples, decoding, [*decoding[1:], end_90k], strict=True)
        ]
        return rows, decoding[0], end_90k - decoding[0]

    def _start(self, samples: list[Sample]) -> int:
        own = samples[0].wall_ns if samples[0].is_key else min(sample.wall_ns for sample in samples)
        may_go_back, self._may_go_back = self._may_go_back, False
        if may_go_back and own < self._end_wall_ns - _GOES_ON_NS:
            return own  # this machine's clock was set back
        if self._is_unbroken and abs(own - self._end_wall_ns) <= _GOES_ON_NS:
            return self._end_wall_ns
        return max(own, self._end_wall_ns)

    def _end(self, samples: list[Sample], following: Sample | None) -> int:
        if following is not None:
            return following.wall_ns
        return max(sample.wall_ns for sample in samples) + round(self._frame_90k * _NS_PER_TICK)
