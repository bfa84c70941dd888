"""Fragments of one stream to its segment files: rotation, gaps, and what is safe to say about either.

`write` is called on the writer thread and `sync` on the sync thread; the lock is held for the first and never during a
sync, so that a slow disk holds up nobody but itself.
"""

import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from civicam.camera.sample import H264Setup
from civicam.catalogue.models import GapRow, Segment
from civicam.core.errors import FootageError, SegmentError, VolumeError
from civicam.core.ids import GapCause, StreamKey
from civicam.footage.fragment import Fragment
from civicam.footage.volume import Volume
from civicam.footage.writer import SegmentWriter
from civicam.recorder.coverage import CoverageChain


class SegmentMaker(NamedTuple):
    """What it takes to begin a segment.

    Attributes:
        choose_volume: the volume for a stream's next segment; raises VolumeError where none has room.
        create: begins a segment of a stream on a volume, from a start in wall nanoseconds on.
        report_failure: told of a volume on which a write or sync failed.
    """

    choose_volume: Callable[[StreamKey], Volume]
    create: Callable[[Volume, StreamKey, int, H264Setup], SegmentWriter]
    report_failure: Callable[[Volume, VolumeError], None]


class _Progress(NamedTuple):
    """How far a segment has come; replaced as a whole, so that another thread sees all of it or none."""

    end_wall_ns: int
    size_bytes: int
    fragment_count: int
    sample_count: int
    playable_ns: int


@dataclass(eq=False, slots=True)
class _Track:
    """A segment being written: how far it is written, and how far that is durable."""

    segment: SegmentWriter
    volume: Volume
    setup: H264Setup
    start_wall_ns: int
    turn: int
    written: _Progress
    durable: _Progress


@dataclass(slots=True)
class SyncOutcome:
    """What a sync made certain: rows for the catalogue.

    Attributes:
        segments: segments with how far they are durable now.
        gaps: gaps that ended, or last.
    """

    segments: list[Segment] = field(default_factory=list)
    gaps: list[GapRow] = field(default_factory=list)


class StreamWriter:
    """Writes one stream's fragments into segments of about `segment_ns`.

    Args:
        chain: where the stream's story stands.
        epoch: which start of the recorder this is.
        segment_ns: how long a segment is; streams turn over at different moments.
        maker: how segments begin.
    """

    def __init__(self, chain: CoverageChain, epoch: int, segment_ns: int, maker: SegmentMaker) -> None:
        self.key = chain.key
        self.playable_ns = 0
        self.gap_ns: dict[str, int] = {}
        self._chain = chain
        self._epoch = epoch
        self._segment_ns = segment_ns
        self._phase_ns = zlib.crc32(str(chain.key).encode()) * 1_000_000 % segment_ns
        self._maker = maker
        self._lock = threading.Lock()
        self._current: _Track | None = None
        self._has_ended = False
        self._finished: list[_Track] = []
        self._ended_gaps: list[GapRow] = []

    def write(self, fragment: Fragment, setup: H264Setup) -> FootageError | None:
        """Seals and appends `fragment`; what cannot be written becomes a gap, and is returned as an error."""
        with self._lock:
            try:
                self._append(fragment, setup)
            except FootageError as error:
                self._missing(GapCause.DISK, fragment.header.start_wall_ns)
                return error
            return None

    def missing(self, cause: GapCause, at_ns: int) -> None:
        """From about `at_ns` on something is missing."""
        with self._lock:
            self._missing(cause, at_ns)

    def finish(self) -> None:
        """No more is written: the segment in hand is closed with the next sync."""
        with self._lock:
            self._has_ended = True
            self._finish_current()

    def needs_sync(self) -> bool:
        """There is something that a sync would make certain, or a gap that lasts."""
        track = self._current
        return bool(
            self._finished
            or self._ended_gaps
            or self._chain.pending is not None
            or (track and track.written != track.durable)
        )

    def sync(self, now_ns: int) -> SyncOutcome:
        """Makes durable what is written. A segment that fails is given up, and what it lost becomes a gap."""
        with self._lock:
            if self._chain.pending is not None and now_ns - self._chain.covered_until_ns > self._segment_ns:
                self._finish_current()  # a camera that is gone leaves no file open
            finished, self._finished = self._finished, []
            current = self._current
            # Read together: a fragment must not be called durable without the gap that it ended.
            reached = current.written if current else None
            outcome = SyncOutcome(gaps=self._ended_gaps)
            self._ended_gaps = []
            # A story that has ended says why, even if its last frame reaches a moment past now.
            until_ns = max(now_ns, self._chain.covered_until_ns + 1) if self._has_ended else now_ns
            lasting = self._chain.open_gap(until_ns)
        for track in finished:
            self._settle(track, track.written, outcome, is_last=True)
        if current is not None and reached is not None and reached != current.durable:
            self._settle(current, reached, outcome, is_last=False)
        if lasting:
            outcome.gaps.append(lasting)
        return outcome

    def gap_ns_at(self, now_ns: int) -> dict[str, int]:
        """Missing wall time by cause label, a gap that lasts at `now_ns` included."""
        totals = dict(self.gap_ns)
        if lasting := self._chain.open_gap(now_ns):
            label = lasting.cause.label
            totals[label] = totals.get(label, 0) + lasting.end_wall_ns - lasting.start_wall_ns
        return totals

    def _append(self, fragment: Fragment, setup: H264Setup) -> None:
        header = fragment.header
        track = self._track(header.start_wall_ns, setup)
        gap = self._chain.gap_before(header)
        try:
            size = track.segment.append(Fragment(replace(header, gap=gap), fragment.payload) if gap else fragment)
        except VolumeError as error:
            self._finish_current()
            self._maker.report_failure(track.volume, error)
            raise
        except SegmentError:
            if not track.written.fragment_count:
                raise  # no segment can store this fragment
            self._finish_current()  # this segment is full
            self._append(fragment, setup)
            return
        playable_ns, ended = self._chain.written(header)
        if ended:
            self._end_gap(ended)
        before = track.written
        track.written = _Progress(
            max(before.end_wall_ns, header.end_wall_ns),
            before.size_bytes + size,
            before.fragment_count + 1,
            before.sample_count + header.sample_count,
            before.playable_ns + playable_ns,
        )

    def _track(self, start_wall_ns: int, setup: H264Setup) -> _Track:
        """The segment that a fragment starting at `start_wall_ns` belongs to, begun if need be."""
        turn = (start_wall_ns + self._phase_ns) // self._segment_ns
        track = self._current
        # A start before what is written: the clock was set back, and what lies under times that are told already gets a
        # file of its own.
        if track and track.setup is setup and track.turn == turn and start_wall_ns >= track.written.end_wall_ns:
            return track
        self._finish_current()
        volume = self._maker.choose_volume(self.key)
        try:
            segment = self._maker.create(volume, self.key, start_wall_ns, setup)
        except VolumeError as error:
            self._maker.report_failure(volume, error)
            raise
        start = _Progress(start_wall_ns, segment.written_bytes, 0, 0, 0)
        self._current = _Track(segment, volume, setup, start_wall_ns, turn, start, start)
        return self._current

    def _finish_current(self) -> None:
        if self._current is not None:
            self._finished.append(self._current)
            self._current = None

    def _missing(self, cause: GapCause, at_ns: int) -> None:
        for row in self._chain.missing(cause, at_ns):
            self._end_gap(row)

    def _end_gap(self, row: GapRow) -> None:
        self._ended_gaps.append(row)
        label = row.cause.label
        self.gap_ns[label] = self.gap_ns.get(label, 0) + row.end_wall_ns - row.start_wall_ns

    def _settle(self, track: _Track, reached: _Progress, outcome: SyncOutcome, *, is_last: bool) -> None:
        digest, size_bytes = None, reached.size_bytes
        try:
            if is_last:
                closed = track.segment.close()
                digest, size_bytes = closed.digest, closed.size_bytes
            else:
                track.segment.sync()
        except FootageError as error:
            self._give_up(track, error, outcome)
            return
        self.playable_ns += reached.playable_ns - track.durable.playable_ns
        track.durable = reached
        outcome.segments.append(self._row(track, size_bytes, digest))

    def _row(self, track: _Track, size_bytes: int, digest: bytes | None) -> Segment:
        """What is durable of a segment."""
        durable = track.durable
        return Segment(
            self.key, track.start_wall_ns, durable.end_wall_ns, self._epoch, track.volume.name,
            size_bytes, durable.fragment_count, durable.sample_count, digest,
        )  # fmt: skip

    def _give_up(self, track: _Track, error: FootageError, outcome: SyncOutcome) -> None:
        """After a failed sync nobody knows what the disk has: all since the last good one counts as lost."""
        with self._lock:
            if self._current is track:
                self._current = None
            with suppress(VolumeError):
                track.segment.abandon()
            if track.written.fragment_count:
                # Told even if nothing of it is certain, so that the next start finds the file wherever it is by now.
                outcome.segments.append(self._row(track, track.durable.size_bytes, None))
            lost_from, lost_until = track.durable.end_wall_ns, track.written.end_wall_ns
            if lost_from < lost_until:
                self._end_gap(GapRow(self.key, lost_from, lost_until, GapCause.DISK))
                outcome.gaps.append(self._ended_gaps.pop())
        if isinstance(error, VolumeError):
            self._maker.report_failure(track.volume, error)
