"""Retention over a year of a city's clock: `python -m tests.upkeep.year` runs 100 cameras for 365 days.

Real files, sealed by the recorder's own writer, a real catalogue, real rounds and receipts; only the clock is quick,
and the disk does not wait for its platters.
"""

import argparse
import itertools
import json
import sqlite3
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Camera, Segment
from civicam.core.citykey import CityKey
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.footage.disk import SystemDisk
from civicam.footage.fragment import Fragment, FragmentHeader
from civicam.footage.keys import KeyRing
from civicam.footage.layout import SegmentName, closed_path
from civicam.footage.segment_format import SegmentSetup
from civicam.footage.volume import Volume
from civicam.footage.writer import SegmentWriter
from civicam.ledger.encoding import decode, encode
from civicam.upkeep.deleted import check_deleted
from civicam.upkeep.retention import Retention, RetentionPolicy
from civicam.upkeep.written import deletion_draft, footage_draft, footage_leaves
from tests.fakes.register import REGISTER

S = 1_000_000_000
DAY_NS = 86_400 * S
START_NS = 1_772_323_200 * S
PAYLOAD = bytes(3000)
KEEP_DAYS = 30
HOLD_DAYS = 60


class QuickDisk(SystemDisk):
    """Does not wait until what was written is durable."""

    def sync(self, descriptor: int) -> None:
        """Says so at once."""

    def sync_folder(self, folder: Path) -> None:
        """Says so at once."""


@dataclass
class Year:
    """A city whose days go by.

    Attributes:
        root: its folder.
        cameras: how many.
        a_day: segments of each camera a day.
        limit_days: for so many days of footage there is room.
    """

    root: Path
    cameras: int
    a_day: int = 4
    limit_days: float = 28.0
    ledger: list[bytes] = field(default_factory=list)
    deleted: int = 0
    most_bytes: int = 0
    catalogue_bytes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.volume = Volume("main", self.root / "main", 0, QuickDisk())
        self.volume.prepare()
        self.keyring = KeyRing(CityKey(b"k" * 32), disk=QuickDisk())
        self.keys = [StreamKey(CameraId(f"cam-{number:03d}"), StreamName.MAIN) for number in range(self.cameras)]
        self.catalogue = Catalogue.open(self.root / "catalogue.sqlite", create=True)
        for key in self.keys:
            self.catalogue.add_camera(
                Camera(key.camera, key.camera, {key.stream: "rtsp://192.0.2.1/"}, None, "t", START_NS, None, REGISTER)
            )
        self.limit_bytes = 0
        self.held: dict[int, tuple[int, list[Segment]]] = {}

    def run(self, days: int) -> None:
        """Days go by: recorded, committed to, and deleted by their age and for room; some is held."""
        retention = Retention(self.catalogue, [self.volume], RetentionPolicy(KEEP_DAYS * DAY_NS))
        for day in range(days):
            rows = [self._segment(key, day, part) for key in self.keys for part in range(self.a_day)]
            self.catalogue.record(rows, [])
            self.catalogue.commit_segments(rows, self._write(footage_draft(rows)), footage_leaves(rows))
            if not self.limit_bytes:
                self.limit_bytes = round(sum(row.size_bytes for row in rows) * self.limit_days)
            retention.policy = RetentionPolicy(KEEP_DAYS * DAY_NS, limit_bytes={"main": self.limit_bytes})
            self._holds(day, rows)
            now_ns = START_NS + (day + 1) * DAY_NS
            for number in itertools.count():
                done = retention.round(now_ns + number * S)
                self.deleted += len(done.deleted)
                self._receipts(now_ns)
                if not done.is_behind:
                    break
            self._check(day)

    def _holds(self, day: int, rows: list[Segment]) -> None:
        """Every ten days something is held, and given back two months later."""
        if day % 10 == 3:
            row = rows[day % len(rows)]
            window = (row.start_wall_ns, row.end_wall_ns)
            hold = self.catalogue.add_hold(row.key.camera, window, f"case {day}", now_ns=row.end_wall_ns)
            self.held[hold.id] = (day + HOLD_DAYS, [row])
        for number in [number for number, (until, _) in self.held.items() if until == day]:
            self.catalogue.release_hold(number, now_ns=START_NS + day * DAY_NS)
            del self.held[number]

    def _receipts(self, now_ns: int) -> None:
        while rows := self.catalogue.deletions(10_000, written=False):
            for rule in sorted({row.rule for row in rows}):
                told = [row for row in rows if row.rule == rule]
                self.catalogue.write_receipt(told, self._write(deletion_draft(told, rule)), now_ns)

    def _write(self, draft: object) -> int:
        self.ledger.append(encode(draft, START_NS, {}))  # type: ignore[arg-type]  # a draft
        return len(self.ledger) - 1

    def entry(self, number: int) -> Mapping[str, object]:
        """An entry of the ledger."""
        return decode(self.ledger[number])

    def _check(self, day: int) -> None:
        used = self.catalogue.totals().volume_bytes["main"]
        self.most_bytes = max(self.most_bytes, used)
        assert used <= self.limit_bytes, f"day {day}: {used} bytes of {self.limit_bytes}"
        for _, rows in self.held.values():
            for row in rows:
                name = SegmentName.make(row.key, row.start_wall_ns, row.epoch)
                assert closed_path(self.volume.root, name).exists(), f"day {day}: held footage is gone"
        if day % 30 == 29:
            path = self.root / "catalogue.sqlite"
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.catalogue_bytes.append(path.stat().st_size)
            found = check_deleted(self.catalogue, [self.volume], self.entry)
            assert found.problems == [], found.problems[:3]

    def _segment(self, key: StreamKey, day: int, part: int) -> Segment:
        start_ns = START_NS + day * DAY_NS + part * DAY_NS // self.a_day
        end_ns = start_ns + DAY_NS // self.a_day
        writer = SegmentWriter.create(
            self.volume, key, epoch=START_NS, start_wall_ns=start_ns, created_wall_ns=start_ns,
            setup=SegmentSetup("avc3.64001f", 64, 48, b"init"), keyring=self.keyring,
        )  # fmt: skip
        writer.append(Fragment(FragmentHeader(0, 90_000, start_ns, end_ns, None, 1, True, False, None), PAYLOAD))
        closed = writer.close()
        return Segment(key, start_ns, end_ns, START_NS, "main", closed.size_bytes, 1, 1, closed.digest)

    def summary(self, days: int) -> dict[str, object]:
        """What came of it; each deletion stands in one receipt."""
        told = [self.entry(number) for number in range(len(self.ledger))]
        receipts = [one for one in told if one["kind"] == "deletion"]
        count = sum(int(str(one["segments"])) for one in receipts)
        written = self.cameras * self.a_day * days
        left = self.catalogue.totals().segment_count
        assert count == self.deleted == written - left, (count, self.deleted, written, left)
        return {
            "cameras": self.cameras, "days": days, "segments": written, "deleted": self.deleted, "in_receipts": count,
            "receipts": len(receipts), "rules": sorted({str(one["rule"]) for one in receipts}),
            "most_bytes": self.most_bytes, "limit_bytes": self.limit_bytes, "catalogue_bytes": self.catalogue_bytes,
        }  # fmt: skip


def main() -> int:
    """Runs it, and prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=100)
    parser.add_argument("--days", type=int, default=365)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        year = Year(Path(folder), options.cameras)
        year.run(options.days)
        sys.stdout.write(json.dumps(year.summary(options.days), indent=1) + "\n")
        year.catalogue.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
