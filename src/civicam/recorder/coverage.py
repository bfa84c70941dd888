"""The story of one stream: every moment since it is due is covered by footage or stands in a gap with its cause."""

from civicam.catalogue.models import GapRow
from civicam.core.ids import GapCause, StreamKey
from civicam.footage.fragment import FragmentHeader, Gap


class CoverageChain:
    """Where the story of one stream stands. Pure: no I/O, no clock.

    It is kept where fragments are written, after every place where one can be lost, so that a gap is exactly what
    did not reach the disk. Moments before `covered_until_ns` are told already and are not told anew.
    """

    def __init__(self, key: StreamKey, covered_until_ns: int, pending: GapCause | None) -> None:
        self.key = key
        self.covered_until_ns = covered_until_ns
        self.pending = pending

    def missing(self, cause: GapCause, at_ns: int) -> list[GapRow]:
        """From about `at_ns` on nothing usable comes, because of `cause`.

        Returns the gap that was open for another cause and ends here, if there was one.
        """
        if self.pending is None or at_ns <= self.covered_until_ns:
            self.pending = self.pending or cause
            return []
        if cause is self.pending:
            return []
        ended = GapRow(self.key, self.covered_until_ns, at_ns, self.pending)
        self.covered_until_ns, self.pending = at_ns, cause
        return [ended]

    def gap_before(self, header: FragmentHeader) -> Gap | None:
        """What is missing before the fragment of `header`, if it is written next."""
        duration_ns = header.start_wall_ns - self.covered_until_ns
        if duration_ns <= 0 or header.is_damaged:
            return None
        return Gap(duration_ns, self.pending or GapCause.CAMERA_SILENT)

    def written(self, header: FragmentHeader) -> tuple[int, GapRow | None]:
        """The fragment of `header` was written.

        Returns the wall time in nanoseconds that became covered, and the gap that it ends.
        """
        if header.is_damaged:
            return 0, None
        gap = self.gap_before(header)
        row = GapRow(self.key, self.covered_until_ns, header.start_wall_ns, gap.cause) if gap else None
        covered_ns = max(0, header.end_wall_ns - max(header.start_wall_ns, self.covered_until_ns))
        self.covered_until_ns = max(self.covered_until_ns, header.end_wall_ns)
        self.pending = None
        return covered_ns, row

    def open_gap(self, now_ns: int) -> GapRow | None:
        """The gap that lasts at `now_ns`, if one is known to."""
        if self.pending is None or now_ns <= self.covered_until_ns:
            return None
        return GapRow(self.key, self.covered_until_ns, now_ns, self.pending)
