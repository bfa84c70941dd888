"""What goes when footage is old or room is short: oldest first, over all cameras, and never what is held.

A segment at a time: first its row, in a transaction that leaves it if it was held in the meantime and remembers that
its file is to go; then the day's key if it is the day's last, and the file. So the catalogue never promises what is
gone. A file that cannot be deleted, or that a crash left, is tried again each round, and is an alarm until it is gone.
A volume that cannot be written gives up nothing.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Expired, Segment
from civicam.catalogue.rollup import DAY_NS
from civicam.core.errors import DiskFullError, VolumeError
from civicam.core.ids import CameraId
from civicam.footage.layout import SegmentName
from civicam.footage.volume import Volume

_WARN_NS = DAY_NS
_RATE_WINDOW_NS = 3_600_000_000_000
_MIN_RATE_WINDOW_NS = 60_000_000_000


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long footage is kept.

    Attributes:
        max_age_ns: how long after it ended footage is deleted, None for never.
        camera_max_age_ns: the same for single cameras, None for never.
        limit_bytes: how much footage each volume (by name) may hold; a volume that is not named has its disk.
        batch: how many segments a round deletes at most, so that a round is short.
        most_undeleted: a volume on which so many files cannot be deleted gives up no more.
    """

    max_age_ns: int | None = None
    camera_max_age_ns: Mapping[CameraId, int | None] = field(default_factory=dict)
    limit_bytes: Mapping[str, int] = field(default_factory=dict)
    batch: int = 500
    most_undeleted: int = 100

    def age_of(self, camera: CameraId) -> int | None:
        """Returns how long a camera's footage is kept, None for ever."""
        return self.camera_max_age_ns.get(camera, self.max_age_ns)


@dataclass(slots=True)
class RetentionRound:
    """What a round did.

    Attributes:
        deleted: segments that are gone.
        freed_bytes: their bytes.
        alarms: what an engineer must look at, empty while all is well.
        full_at_ns: by volume, when it will be full at the present rate if nothing is deleted; None for never.
        is_behind: the batch was used up: go on soon.
    """

    deleted: list[Segment] = field(default_factory=list)
    freed_bytes: int = 0
    alarms: list[str] = field(default_factory=list)
    full_at_ns: dict[str, int | None] = field(default_factory=dict)
    is_behind: bool = False


def excess_bytes(used_bytes: int, limit_bytes: int | None, free_bytes: int, reserve_bytes: int) -> int:
    """Returns how many bytes must go from a volume.

    Twice the reserve is kept free, since recorders stop writing at the reserve, and call the room low below twice it.
    """
    over_limit = used_bytes - limit_bytes if limit_bytes is not None else 0
    return max(0, over_limit, 2 * reserve_bytes - free_bytes)


def take_oldest(oldest: Iterable[Segment], needed_bytes: int) -> list[Segment]:
    """Returns as many from the front of `oldest` as free `needed_bytes`, and not one more."""
    taken = []
    for segment in oldest:
        if needed_bytes <= 0:
            break
        taken.append(segment)
        needed_bytes -= segment.size_bytes
    return taken


class FillForecast:
    """When a volume will be full, by how fast bytes were written to it over the last hour, whoever wrote them.

    Attributes:
        bytes_a_day: that rate; 0 while it is not known.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque()
        self.bytes_a_day = 0

    def full_at_ns(self, now_ns: int, free_bytes: int, deleted_bytes: int, floor_bytes: int) -> int | None:
        """Returns when `floor_bytes` will be all that is free, None if never or not known yet.

        Args:
            now_ns: wall time.
            free_bytes: what is free now.
            deleted_bytes: what was deleted, ever, which is why more is free than else.
            floor_bytes: what counts as full.
        """
        self._seen.append((now_ns, free_bytes - deleted_bytes))
        while len(self._seen) > 2 and self._seen[1][0] <= now_ns - _RATE_WINDOW_NS:
            self._seen.popleft()
        since_ns, free_then = self._seen[0]
        written = free_then - (free_bytes - deleted_bytes)
        if now_ns - since_ns < _MIN_RATE_WINDOW_NS or written <= 0:
            self.bytes_a_day = 0
            return None
        self.bytes_a_day = written * DAY_NS // (now_ns - since_ns)
        return now_ns + max(0, free_bytes - floor_bytes) * (now_ns - since_ns) // written


class Retention:
    """Deletes in rounds. Everything blocks: run it on a thread of its own, with a catalogue of its own.

    Args:
        catalogue: what there is.
        volumes: where it is.
        policy: what may stay.

    Attributes:
        policy: what may stay, from the next round on.
    """

    def __init__(self, catalogue: Catalogue, volumes: Sequence[Volume], policy: RetentionPolicy) -> None:
        self._catalogue = catalogue
        self._volumes = {volume.name: volume for volume in volumes}
        self.policy = policy
        self._forecasts = {volume.name: FillForecast() for volume in volumes}
        self._deleted_bytes = dict.fromkeys(self._volumes, 0)
        self._usable: set[str] = set()
        self._now_ns = 0
        self._held: dict[str, int] = {}

    def round(self, now_ns: int) -> RetentionRound:
        """Deletes what is too old, then what there is no room for, at most a batch of either.

        Raises:
            CatalogueError: the catalogue cannot be used.
        """
        done = RetentionRound()
        self._now_ns = now_ns
        self._usable = set()
        self._delete_again(done)
        self._delete(self._too_old(now_ns), done, "age")
        done.is_behind = len(done.deleted) >= self.policy.batch
        used = self._catalogue.totals().volume_bytes
        self._held = self._catalogue.held_bytes()
        for volume in [self._volumes[name] for name in self._volumes if name in self._usable]:
            try:
                self._make_room(volume, used.get(volume.name, 0), now_ns, done)
            except VolumeError as error:
                done.alarms.append(str(error))
        return done

    def _too_old(self, now_ns: int) -> list[Segment]:
        """The batch's share of what is older than its camera's age, a stream at a time."""
        found: list[Segment] = []
        for key in self._catalogue.streams():
            age_ns = self.policy.age_of(key.camera)
            if age_ns is not None and len(found) < self.policy.batch:
                left = self.policy.batch - len(found)
                found += self._catalogue.oldest_of_stream(key, left, before_ns=now_ns - age_ns, volumes=self._usable)
        return sorted(found, key=lambda segment: (segment.end_wall_ns, segment.key))

    def _make_room(self, volume: Volume, used_bytes: int, now_ns: int, done: RetentionRound) -> None:
        free_bytes = volume.free_bytes()
        limit_bytes = self.policy.limit_bytes.get(volume.name)
        needed = excess_bytes(used_bytes, limit_bytes, free_bytes, volume.reserve_bytes)
        oldest = self._catalogue.oldest_segments(self.policy.batch if needed else 1, volume=volume.name)
        taken = take_oldest(oldest, needed)
        freed = self._delete(taken, done, "room")
        done.is_behind |= bool(taken) and freed < needed and volume.name in self._usable
        left = volume.free_bytes()
        full_at_ns = self._forecasts[volume.name].full_at_ns(
            now_ns, left, self._deleted_bytes[volume.name], 2 * volume.reserve_bytes
        )
        if limit_bytes is not None and full_at_ns is not None:
            full_at_ns = self._limit_at(now_ns, full_at_ns, limit_bytes - used_bytes + freed, left, volume)
        done.full_at_ns[volume.name] = full_at_ns
        done.alarms += self._alarms(volume, needed, oldest, full_at_ns, now_ns)
        capacity = left + used_bytes - freed - 2 * volume.reserve_bytes
        done.alarms += self._held_alarms(volume, min(capacity, limit_bytes or capacity))

    @staticmethod
    def _limit_at(now_ns: int, full_at_ns: int, to_limit: int, free_bytes: int, volume: Volume) -> int:
        """When the limit is reached, at the rate by which the disk is full at `full_at_ns`."""
        to_full = free_bytes - 2 * volume.reserve_bytes
        if to_full <= 0 or to_limit >= to_full:
            return full_at_ns
        return now_ns + (full_at_ns - now_ns) * max(0, to_limit) // to_full

    def _alarms(
        self, volume: Volume, needed: int, oldest: list[Segment], full_at_ns: int | None, now_ns: int
    ) -> list[str]:
        soon = full_at_ns is not None and full_at_ns - now_ns < _WARN_NS
        hours = (full_at_ns - now_ns) / 3.6e12 if full_at_ns is not None else 0.0
        if not oldest:
            if needed:
                return [
                    f"volume {volume.name} is full, and nothing on it may be deleted: what is left is held or being"
                    " written (release a hold, or add a volume)"
                ]
            if soon:
                return [f"volume {volume.name} is full in about {hours:.0f} hours, and nothing on it may be deleted"]
            return []
        age_ns = self.policy.age_of(oldest[0].key.camera)
        kept_ns = now_ns - oldest[0].end_wall_ns
        if age_ns is None or kept_ns >= age_ns or not (needed or soon):
            return []
        when = "is full" if needed else f"is full in about {hours:.0f} hours"
        return [
            f"volume {volume.name} {when}: its oldest footage goes after {kept_ns / DAY_NS:.1f} days, and"
            f" {age_ns / DAY_NS:.1f} are asked for (add a volume, or keep fewer days)"
        ]

    def _held_alarms(self, volume: Volume, capacity_bytes: int) -> list[str]:
        """What is held leaves too little room for the days that all else is to be kept: told as soon as it does."""
        held = self._held.get(volume.name, 0)
        a_day = self._forecasts[volume.name].bytes_a_day
        ages = [age for age in (self.policy.max_age_ns, *self.policy.camera_max_age_ns.values()) if age]
        if not (held and a_day and ages):
            return []
        days, wanted = max(0, capacity_bytes - held) / a_day, max(ages) / DAY_NS
        if days >= wanted:
            return []
        return [
            f"held footage takes {held / 1e9:.1f} GB of volume {volume.name}: at today's rate all else is kept for"
            f" {days:.1f} days there, and {wanted:.1f} are asked for (release a hold, or add a volume)"
        ]

    def _delete_again(self, done: RetentionRound) -> None:
        """Learns which volumes are usable, and tries anew to delete what an earlier round or a crash left on them."""
        waiting: dict[str, list[Expired]] = {}
        for file in self._catalogue.undeleted():
            waiting.setdefault(file.volume, []).append(file)
        for volume in self._volumes.values():
            try:
                with suppress(DiskFullError):  # a full disk is what deleting is for
                    volume.probe()
            except VolumeError as error:
                done.alarms.append(f"nothing is deleted from volume {volume.name}: {error}")
                continue
            failures = self._delete_files(volume, waiting.get(volume.name, []), done)
            if failures:
                done.alarms.append(f"{len(failures)} files could not be deleted from {volume.name}: {failures[0]}")
            if len(failures) < self.policy.most_undeleted:
                self._usable.add(volume.name)

    def _delete_files(self, volume: Volume, files: list[Expired], done: RetentionRound) -> list[VolumeError]:
        failures: list[VolumeError] = []
        gone: list[Expired] = []
        for file in files:
            try:
                freed = volume.delete(SegmentName.make(file.key, file.start_wall_ns, file.epoch))
            except VolumeError as error:
                failures.append(error)
                continue
            gone.append(file)
            done.freed_bytes += freed
            self._deleted_bytes[volume.name] += freed
        if gone:
            self._catalogue.deleted(gone, self._now_ns)
        return failures

    def _delete(self, wanted: list[Segment], done: RetentionRound, rule: str) -> int:
        """Deletes rows, each with its key and file; a volume's first failure ends its round. Returns bytes freed."""
        before = done.freed_bytes
        for segment in wanted:
            if segment.volume not in self._usable or not self._catalogue.expire([segment], rule):
                continue
            file = Expired(segment.key, segment.start_wall_ns, segment.epoch, segment.volume)
            failures = self._delete_files(self._volumes[segment.volume], [file], done)
            if failures:
                self._usable.discard(segment.volume)
                done.alarms.append(f"a file could not be deleted from {segment.volume}: {failures[0]}")
            else:
                done.deleted.append(segment)
        return done.freed_bytes - before
