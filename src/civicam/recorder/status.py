"""How the whole recorder is doing at one moment: what the live table, `/status` and the metrics all show."""

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from civicam.recorder.report import StreamReport, WorkerReport

_RATE_OVER_NS = 5_000_000_000
UP_WITHIN_NS = 10_000_000_000
"""A worker whose newest report is older than this is down."""


class Rate(NamedTuple):
    """What a stream has brought over the last seconds.

    Attributes:
        samples_per_s: frames a second.
        bits_per_s: coded bits a second.
    """

    samples_per_s: float
    bits_per_s: float


class _Reading(NamedTuple):
    epoch: int
    wall_ns: int
    samples: int
    media_bytes: int


class RateMeter:
    """Makes rates of the counters in successive reports, over about five seconds."""

    def __init__(self) -> None:
        self._readings: dict[str, deque[_Reading]] = {}

    def update(self, reports: Iterable[WorkerReport]) -> dict[str, Rate]:
        """The rate of each stream in `reports`; a stream seen once only is not there yet."""
        rates: dict[str, Rate] = {}
        current: dict[str, deque[_Reading]] = {}
        for report in reports:
            for stream in report.streams:
                readings = current[stream.key] = self._readings.get(stream.key, deque())
                _add(readings, _Reading(report.epoch, report.wall_ns, stream.samples, stream.media_bytes))
                first, last = readings[0], readings[-1]
                seconds = (last.wall_ns - first.wall_ns) / 1e9
                if seconds > 0:
                    rates[stream.key] = Rate(
                        (last.samples - first.samples) / seconds, 8 * (last.media_bytes - first.media_bytes) / seconds
                    )
        self._readings = current
        return rates


def _add(readings: deque[_Reading], new: _Reading) -> None:
    # A worker that was started anew, a stream that was taken up anew and a clock that was set back count from nothing.
    if readings and (
        readings[-1].epoch != new.epoch or new.samples < readings[-1].samples or new.wall_ns < readings[-1].wall_ns
    ):
        readings.clear()
    if not readings or readings[-1].wall_ns < new.wall_ns:
        readings.append(new)
    while len(readings) > 2 and new.wall_ns - readings[1].wall_ns >= _RATE_OVER_NS:
        readings.popleft()


@dataclass(frozen=True, slots=True)
class VolumeStatus:
    """A volume.

    Attributes:
        name: as the catalogue calls it.
        root: its folder.
        level: `ok`, `low`, `full` or `gone`.
        free_bytes: what the disk still has.
        total_bytes: the disk's size.
        footage_bytes: what the catalogue says lies there.
        limit_bytes: how much footage may lie there, 0 for no limit.
    """

    name: str
    root: str
    level: str
    free_bytes: int
    total_bytes: int
    footage_bytes: int
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """The recorder at one moment.

    Attributes:
        wall_ns: when that was.
        started_ns: when the recorder was started.
        reports: the newest report of each worker.
        restarts: how often each worker was started anew.
        rates: by stream.
        volumes: where footage goes.
        alarms: what an engineer must look at now, apart from what the workers say.
    """

    wall_ns: int
    started_ns: int
    reports: list[WorkerReport] = field(default_factory=list)
    restarts: dict[int, int] = field(default_factory=dict)
    rates: dict[str, Rate] = field(default_factory=dict)
    volumes: list[VolumeStatus] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)

    @property
    def streams(self) -> list[StreamReport]:
        """Every stream of every worker."""
        return [stream for report in self.reports for stream in report.streams]

    @property
    def all_alarms(self) -> list[str]:
        """The alarms of the recorder and of its workers, each once."""
        down = [f"worker {number} is down" for number in self.restarts if not self.is_up(number)]
        told = [alarm for report in self.reports for alarm in report.alarms]
        return list(dict.fromkeys([*self.alarms, *down, *told]))

    def is_up(self, worker: int) -> bool:
        """Whether worker number `worker` has reported lately. A recorder that just began is given the time to."""
        newest = [report.wall_ns for report in self.reports if report.worker == worker]
        return self.wall_ns - max([*newest, self.started_ns]) < UP_WITHIN_NS

    def to_json(self) -> str:
        """The status as one line."""
        return json.dumps({**asdict(self), "alarms": self.all_alarms}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "RecorderStatus":
        """The status that `to_json` wrote.

        Raises:
            ValueError, TypeError, KeyError: the text is something else.
        """
        raw: dict[str, Any] = json.loads(text)
        return cls(
            raw["wall_ns"],
            raw["started_ns"],
            [WorkerReport.from_json(json.dumps(report)) for report in raw["reports"]],
            {int(worker): count for worker, count in raw["restarts"].items()},
            {key: Rate(*rate) for key, rate in raw["rates"].items()},
            [VolumeStatus(**volume) for volume in raw["volumes"]],
            raw["alarms"],
        )


def completeness(streams: Iterable[StreamReport]) -> float:
    """The playable part of what is no longer pending, 0 to 1; 1 while nothing was due."""
    playable = missing = 0
    for stream in streams:
        playable += stream.playable_ns
        missing += sum(stream.gap_ns.values())
    return playable / (playable + missing) if playable + missing else 1.0
