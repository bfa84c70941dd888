"""Small segments on a real folder, and a disk whose n-th call fails or is the last before the power goes."""

import errno
import os
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from civicam.core.citykey import CityKey
from civicam.core.ids import CameraId, GapCause, StreamKey, StreamName
from civicam.footage.disk import Disk, SystemDisk
from civicam.footage.fragment import Fragment, FragmentHeader, Gap
from civicam.footage.keys import KeyRing
from civicam.footage.segment_format import SegmentSetup
from civicam.footage.volume import Volume
from civicam.footage.writer import SegmentWriter

START_NS = 1_772_323_200_000_000_000  # 2026-03-01T00:00:00Z
DAY = "2026-03-01"
EPOCH = 1_772_323_100_000_000_000
KEY = StreamKey(CameraId("rudaki-07"), StreamName.MAIN)
SETUP = SegmentSetup("avc3.64001f", 640, 360, b"\0\0\0\x10ftypiso6\0\0\0\0\0\0\0\x08moov")
SECOND_NS = 1_000_000_000


class PowerCut(BaseException):
    """The machine, or the process, is gone at this very call."""


@dataclass
class FaultyDisk(SystemDisk):
    """A disk that counts the calls that change something, and lets one of them go wrong.

    Attributes:
        cut_at: the number (from 0) of the call that is the last: it is not made, nor is any after it.
        torn_bytes: if the cut comes at a write, how many bytes of it still reach the file.
        failing: the error that calls of a name get, such as {"sync": errno.EIO}.
        calls: the names of the calls that were made.
        opened: the descriptors that were given out, with the file that each was then.
    """

    cut_at: int | None = None
    torn_bytes: int = 0
    failing: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    opened: list[tuple[int, int]] = field(default_factory=list)

    def die(self) -> None:
        """Closes what a process that died would no longer hold, and so lets go of its locks."""
        for descriptor, inode in self.opened:
            with suppress(OSError):
                if os.fstat(descriptor).st_ino == inode:
                    os.close(descriptor)

    def _given(self, descriptor: int) -> int:
        self.opened.append((descriptor, os.fstat(descriptor).st_ino))
        return descriptor

    def _call(self, name: str) -> None:
        if self.cut_at is not None and len(self.calls) >= self.cut_at:
            raise PowerCut
        self.calls.append(name)
        if name in self.failing:
            raise OSError(self.failing[name], os.strerror(self.failing[name]))

    def create(self, path: Path) -> int:
        self._call("create")
        return self._given(super().create(path))

    def reopen(self, path: Path) -> int:
        self._call("reopen")
        return self._given(super().reopen(path))

    def write(self, descriptor: int, parts: Sequence[bytes | memoryview], offset: int) -> int:
        at_the_cut = self.cut_at == len(self.calls)
        try:
            self._call("write")
        except (PowerCut, OSError):
            if at_the_cut or self.failing:
                os.pwrite(descriptor, b"".join(parts)[: self.torn_bytes], offset)
            if at_the_cut:
                self.cut_at = -1
            raise
        return super().write(descriptor, parts, offset)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        self._call("truncate")
        super().truncate(descriptor, size_bytes)

    def sync(self, descriptor: int) -> None:
        self._call("sync")
        super().sync(descriptor)

    def sync_folder(self, path: Path) -> None:
        self._call("sync_folder")
        super().sync_folder(path)

    def link(self, source: Path, target: Path) -> None:
        self._call("link")
        super().link(source, target)

    def move(self, source: Path, target: Path) -> None:
        self._call("move")
        super().move(source, target)

    def remove(self, path: Path) -> None:
        self._call("remove")
        super().remove(path)

    def make_folder(self, path: Path) -> bool:
        self._call("make_folder")
        return super().make_folder(path)

    def remove_folder(self, path: Path) -> None:
        self._call("remove_folder")
        super().remove_folder(path)


@dataclass
class Place:
    """A volume and its keys."""

    volume: Volume
    keyring: KeyRing

    @classmethod
    def make(cls, root: Path, disk: Disk | None = None, secret: bytes = b"k" * 32, reserve_bytes: int = 0) -> "Place":
        """The volume at `root`; a second one on the same folder sees the same footage."""
        volume = Volume("main", root, reserve_bytes, disk or SystemDisk())
        root.mkdir(parents=True, exist_ok=True)
        (root / "open").mkdir(exist_ok=True)
        return cls(volume, KeyRing(CityKey(secret), disk=volume.disk))

    def begin(self, start_wall_ns: int = START_NS, key: StreamKey = KEY, epoch: int = EPOCH) -> SegmentWriter:
        """An empty segment."""
        return SegmentWriter.create(
            self.volume,
            key,
            epoch=epoch,
            start_wall_ns=start_wall_ns,
            created_wall_ns=start_wall_ns,
            setup=SETUP,
            keyring=self.keyring,
        )

    def closed(self, count: int = 3, start_wall_ns: int = START_NS, key: StreamKey = KEY) -> Path:
        """The path of a closed segment of `count` fragments."""
        writer = self.begin(start_wall_ns, key)
        for number in range(count):
            writer.append(fragment(number, start_wall_ns))
        return self.volume.path_of(writer.close().name)


def fragment(number: int, start_wall_ns: int = START_NS, size_bytes: int = 40) -> Fragment:
    """A second of made-up footage; number 1 is damaged, number 2 has a gap before it."""
    start = start_wall_ns + number * SECOND_NS
    header = FragmentHeader(
        start_90k=number * 90_000,
        duration_90k=90_000,
        start_wall_ns=start,
        end_wall_ns=start + SECOND_NS,
        camera_wall_ns=None if number == 0 else start - 5,
        sample_count=25,
        is_sync=True,
        is_damaged=number == 1,
        gap=Gap(250_000_000, GapCause.LOST_PACKETS) if number == 2 else None,
    )
    return Fragment(header, random.Random(number).randbytes(size_bytes))


NO_ROOM = errno.ENOSPC
