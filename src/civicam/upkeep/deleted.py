"""`civicam check --deleted`: is what was deleted really gone, and does each deletion stand in the ledger?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from civicam.catalogue.catalogue import Catalogue
from civicam.catalogue.models import Deletion
from civicam.core.errors import CivicamError
from civicam.footage.layout import SegmentName, closed_path, key_path, open_path
from civicam.footage.volume import Volume
from civicam.upkeep.written import deletion_root

ReadEntry = Callable[[int], Mapping[str, object]]
"""An entry of the ledger by its number. Raises LedgerError."""
_MOST: Final = 10_000_000


@dataclass(slots=True)
class DeletedReport:
    """What was found.

    Attributes:
        deletions: how many segments were looked for.
        receipts: how many entries of the ledger they stand in.
        waiting: how many have no receipt yet; the recorder writes it within a minute.
        problems: what is not as it should be.
    """

    deletions: int = 0
    receipts: int = 0
    waiting: int = 0
    problems: list[str] = field(default_factory=list)


def check_deleted(catalogue: Catalogue, volumes: Sequence[Volume], read_entry: ReadEntry) -> DeletedReport:
    """Looks for all that was deleted in the last days, and for keys that open nothing any more.

    Raises:
        CatalogueError: the catalogue cannot be read.
        VolumeError: a volume cannot be read.
    """
    by_name = {volume.name: volume for volume in volumes}
    written = catalogue.deletions(_MOST, written=True)
    waiting = catalogue.deletions(_MOST, written=False)
    found = DeletedReport(len(written) + len(waiting), waiting=len(waiting))
    for row in (*written, *waiting):
        found.problems += _left_of(row, by_name)
    receipts: dict[int, list[Deletion]] = {}
    for row in written:
        receipts.setdefault(row.entry or 0, []).append(row)
    found.receipts = len(receipts)
    for entry, rows in receipts.items():
        found.problems += _against_ledger(entry, rows, read_entry)
    for volume in volumes:
        found.problems += _idle_keys(volume)
    return found


def _left_of(row: Deletion, volumes: Mapping[str, Volume]) -> list[str]:
    """What is left of a segment that was deleted."""
    segment = row.segment
    volume = volumes.get(segment.volume)
    if volume is None:
        return [f"volume {segment.volume}, from which footage was deleted, is not there any more"]
    name = SegmentName.make(segment.key, segment.start_wall_ns, segment.epoch)
    places = [closed_path(volume.root, name), open_path(volume.root, name)]
    return [f"{path}: it was deleted, and is there" for path in places if path.exists()]


def _against_ledger(entry: int, rows: Sequence[Deletion], read_entry: ReadEntry) -> list[str]:
    try:
        said = read_entry(entry)
    except CivicamError as error:
        return [f"entry {entry} of the ledger, a receipt of {len(rows)} deletions, cannot be read: {error.what}"]
    told = (said.get("kind"), said.get("segments"), said.get("root"))
    if told != ("deletion", len(rows), deletion_root(rows)):
        return [f"entry {entry} of the ledger is not the receipt of the {len(rows)} deletions that name it"]
    return []


def _idle_keys(volume: Volume) -> list[str]:
    """Keys of days of which no segment is left: they would open what somebody copied before it was deleted."""
    needed = {(one.name.camera, one.name.day) for one in volume.open_segments()}
    problems = []
    for camera, day in volume.days():
        path = key_path(volume.root, camera, day)
        if path.exists() and (camera, day) not in needed and not any(path.parent.glob("*.civ")):
            problems.append(f"{path}: a key of a day of which nothing is left")
    return problems
