"""One stream being recorded: from the camera's samples to fragments handed to the disk."""

from collections.abc import Sequence

from civicam.camera.sample import H264Setup, Sample, SampleSink
from civicam.catalogue.catalogue import Catalogue
from civicam.core.clock import Clock
from civicam.core.ids import GapCause
from civicam.footage.fragment import Fragment
from civicam.recorder.archive import Archive
from civicam.recorder.coverage import CoverageChain
from civicam.recorder.fragmenter import Fragmenter, FragmentLimits
from civicam.recorder.plan import StreamPlan
from civicam.recorder.stream_writer import StreamWriter


def resume(catalogue: Catalogue, plan: StreamPlan) -> CoverageChain:
    """Where a stream's story goes on: at the end of what the catalogue tells, or where it became due.

    A shut-down said so itself when it ended; a story that just stops was cut off by a crash.
    """
    told = catalogue.last_end(plan.key)
    if told is None or told[0] <= plan.due_since_ns:
        return CoverageChain(plan.key, plan.due_since_ns, GapCause.SHUT_DOWN)
    end_ns, gap = told
    if gap is not None and gap.cause is GapCause.SHUT_DOWN:
        return CoverageChain(plan.key, max(gap.start_wall_ns, plan.due_since_ns), GapCause.SHUT_DOWN)
    return CoverageChain(plan.key, end_ns, GapCause.CRASH)


class Recording:
    """A `SampleSink` that turns a stream's samples into fragments and hands them to the disk."""

    def __init__(self, writer: StreamWriter, archive: Archive, limits: FragmentLimits, clock: Clock) -> None:
        self.writer = writer
        self._archive = archive
        self._clock = clock
        self._fragmenter = Fragmenter(self, limits)
        self.listen(None)

    def listen(self, listener: SampleSink | None) -> None:
        """`listener` hears all that comes from now on, each time after it was recorded; None for nobody.

        The fragmenter is called without a step between while nobody listens, as it is for nearly all streams.
        """
        first: SampleSink = self._fragmenter
        into = first if listener is None else _Both(first, listener)
        self.setup = into.setup
        self.sample = into.sample
        self.broken = into.broken
        self.discontinuity = into.discontinuity

    def in_hand(self) -> tuple[H264Setup | None, Sequence[Sample]]:
        """The setup that holds, and the samples of the GOP that has not ended; none if they begin with no key."""
        return self._fragmenter.in_hand()

    def fragment(self, fragment: Fragment, setup: H264Setup) -> None:
        """See `FragmentSink`."""
        self._archive.put(self.writer, fragment, setup)

    def missing(self, cause: GapCause, detail: str) -> None:
        """See `FragmentSink`."""
        self._archive.missing(self.writer, cause, self._clock.wall_ns())

    def finish(self, cause: GapCause) -> None:
        """Hands over what is in hand, and says why the story ends here."""
        self._fragmenter.flush()
        self._archive.missing(self.writer, cause, self._clock.wall_ns())


class _Both:
    """A `SampleSink` that hands everything to two others."""

    def __init__(self, first: SampleSink, second: SampleSink) -> None:
        self._first, self._second = first, second

    def setup(self, setup: H264Setup) -> None:
        self._first.setup(setup)
        self._second.setup(setup)

    def sample(self, sample: Sample) -> None:
        self._first.sample(sample)
        self._second.sample(sample)

    def broken(self, cause: GapCause, detail: str) -> None:
        self._first.broken(cause, detail)
        self._second.broken(cause, detail)

    def discontinuity(self, detail: str) -> None:
        self._first.discontinuity(detail)
        self._second.discontinuity(detail)
