"""What a worker tells the supervisor once a second: plain data, sent as one line of JSON."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the latency histograms' buckets; one more bucket holds what is slower."""


class StreamState(StrEnum):
    """What a stream is doing."""

    WAITING = "waiting"
    """between two attempts to connect"""
    CONNECTING = "connecting"
    RECORDING = "recording"
    STOPPED = "stopped"


@dataclass(slots=True)
class StreamReport:
    """One stream since its worker started. Counters only grow.

    Attributes:
        key: `<camera>/<stream>`.
        state: what it is doing.
        detail: the last error, without credentials; empty while all is well.
        samples: coded frames received.
        media_bytes: bytes of those frames.
        packets_lost: RTP packets that never came or were malformed.
        reconnects: times the connection was made again.
        due_ns: wall time it was meant to cover.
        playable_ns: wall time of it that is durable and playable.
        pending_ns: wall time received and not yet durable (so due = playable + gaps + pending, within one frame).
        gap_ns: wall time missing, by `GapCause` label.
        width: pixels, 0 while unknown.
        height: pixels, 0 while unknown.
    """

    key: str
    state: StreamState = StreamState.WAITING
    detail: str = ""
    samples: int = 0
    media_bytes: int = 0
    packets_lost: int = 0
    reconnects: int = 0
    due_ns: int = 0
    playable_ns: int = 0
    pending_ns: int = 0
    gap_ns: dict[str, int] = field(default_factory=dict)
    width: int = 0
    height: int = 0


@dataclass(slots=True)
class Histogram:
    """Latencies, counted by `LATENCY_BUCKETS_S` (not cumulative; one count more than there are bounds)."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BUCKETS_S) + 1))
    sum_s: float = 0.0

    def observe(self, seconds: float) -> None:
        """Counts one latency."""
        bucket = next((i for i, bound in enumerate(LATENCY_BUCKETS_S) if seconds <= bound), len(LATENCY_BUCKETS_S))
        self.counts[bucket] += 1
        self.sum_s += seconds


def _fields(report: Any) -> dict[str, Any]:
    """The fields of a report's part; `dataclasses.asdict` copies deeply and takes ten times as long."""
    return {name: getattr(report, name) for name in report.__slots__}


@dataclass(slots=True)
class WorkerReport:
    """One worker process.

    Attributes:
        worker: its number, from 0.
        epoch: which start of it this is (wall nanoseconds).
        wall_ns: when the report was made.
        streams: its streams.
        backlog_bytes: footage waiting to be written.
        backlog_limit_bytes: at how much whole fragments are dropped.
        dropped_fragments: fragments dropped since the start.
        write: seconds a fragment took to seal and write.
        sync: seconds a file took to sync.
        alarms: what an engineer must look at now (a full disk, a failing volume), empty while all is well.
    """

    worker: int
    epoch: int
    wall_ns: int
    streams: list[StreamReport] = field(default_factory=list)
    backlog_bytes: int = 0
    backlog_limit_bytes: int = 0
    dropped_fragments: int = 0
    write: Histogram = field(default_factory=Histogram)
    sync: Histogram = field(default_factory=Histogram)
    alarms: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """The report as one line."""
        return json.dumps(self, default=_fields, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> "WorkerReport":
        """The report that `to_json` wrote.

        Raises:
            ValueError, TypeError, KeyError: the line is something else.
        """
        raw: dict[str, Any] = json.loads(line)
        streams = [StreamReport(**{**stream, "state": StreamState(stream["state"])}) for stream in raw.pop("streams")]
        write, sync = Histogram(**raw.pop("write")), Histogram(**raw.pop("sync"))
        return cls(**raw, streams=streams, write=write, sync=sync)
