"""Which volume the next segment goes to."""

import zlib
from collections.abc import Sequence

from civicam.core.clock import Clock
from civicam.core.errors import DiskFullError, VolumeError
from civicam.core.ids import StreamKey
from civicam.footage.volume import RoomLevel, Volume

_REST_NS = 5_000_000_000
"""How long a volume rests after a failed write or sync."""


class VolumePool:
    """The volumes a worker writes to. Streams spread over them; one that is full or fails is passed over for a while.

    Called on the writer and sync threads; each operation replaces one dictionary entry.
    """

    def __init__(self, volumes: Sequence[Volume], clock: Clock) -> None:
        self._volumes = tuple(volumes)
        self._clock = clock
        self._failures: dict[str, tuple[int, VolumeError]] = {}
        self._rooms: dict[str, RoomLevel] = {}

    def choose(self, key: StreamKey) -> Volume:
        """The volume for a stream's next segment.

        Raises:
            VolumeError: none has room and works.
        """
        now = self._clock.monotonic_ns()
        first = zlib.crc32(str(key).encode())
        for step in range(len(self._volumes)):
            volume = self._volumes[(first + step) % len(self._volumes)]
            failed_at, _ = self._failures.get(volume.name, (None, None))
            if self._rooms.get(volume.name) is not RoomLevel.FULL and (failed_at is None or now - failed_at > _REST_NS):
                return volume
        raise self._reason()

    def report_failure(self, volume: Volume, error: VolumeError) -> None:
        """A write or sync on `volume` failed: it rests for a while."""
        self._failures[volume.name] = (self._clock.monotonic_ns(), error)

    def measure(self) -> None:
        """Looks at how much room there is; forgets failures that are over."""
        now = self._clock.monotonic_ns()
        for volume in self._volumes:
            try:
                self._rooms[volume.name] = volume.room().level
            except VolumeError as error:
                self.report_failure(volume, error)
        self._failures = {name: kept for name, kept in self._failures.items() if now - kept[0] <= 2 * _REST_NS}

    def alarms(self) -> list[str]:
        """What an engineer must look at."""
        low = [
            f"volume {name} is {'full: nothing more is written to it' if room is RoomLevel.FULL else 'nearly full'}"
            for name, room in self._rooms.items()
            if room is not RoomLevel.OK
        ]
        return low + [f"volume {name} fails: {error}" for name, (_, error) in self._failures.items()]

    def _reason(self) -> VolumeError:
        if self._failures:
            return next(iter(self._failures.values()))[1]
        names = ", ".join(volume.name for volume in self._volumes)
        return DiskFullError(
            "no volume has room",
            where=names,
            fix="free space, lower retention.days, release holds, or add a [[volume]]",
        )
