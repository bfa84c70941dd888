"""Deletions: what is gone for good, kept until the ledger was told of it and for some days after."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from civicam.catalogue.models import Deletion, Expired, Segment
from civicam.core.ids import CameraId, StreamKey, StreamName

KEPT_NS: Final = 3 * 86_400_000_000_000
"""So long it is known of which receipt a deletion is, so that both can be compared."""
_MOVE: Final = (
    "INSERT OR REPLACE INTO deletions SELECT stream_id, start_ns, epoch, volume_id, end_ns, size_bytes, digest, rule,"
    " ?5, NULL FROM expired WHERE start_ns = ?1 AND epoch = ?2 AND digest IS NOT NULL"
    " AND stream_id = (SELECT id FROM streams WHERE camera = ?3 AND name = ?4)"
)
_FORGET: Final = (
    "DELETE FROM expired WHERE start_ns = ? AND epoch = ?"
    " AND stream_id = (SELECT id FROM streams WHERE camera = ? AND name = ?)"
)


def move_deleted(connection: sqlite3.Connection, files: Sequence[Expired], now_ns: int) -> None:
    """Files are gone: from now on they are deletions, which have no receipt yet."""
    connection.executemany(_MOVE, [(file.start_wall_ns, file.epoch, *file.key, now_ns) for file in files])
    connection.executemany(_FORGET, [(file.start_wall_ns, file.epoch, *file.key) for file in files])


def list_deletions(connection: sqlite3.Connection, limit: int, *, written: bool) -> list[Deletion]:
    """Returns deletions with a receipt or without one, the oldest first."""
    rows = connection.execute(
        "SELECT camera, streams.name, start_ns, end_ns, epoch, volumes.name, deletions.size_bytes, digest, rule,"
        " deleted_ns, entry FROM deletions JOIN streams ON streams.id = stream_id"
        " JOIN volumes ON volumes.id = volume_id WHERE (entry IS NOT NULL) = ? ORDER BY deleted_ns, start_ns LIMIT ?",
        (written, limit),
    )
    return [
        Deletion(
            Segment(
                StreamKey(CameraId(camera), StreamName(name)), start_ns, end_ns, epoch, volume, size_bytes, 0, 0, digest
            ),
            *receipt,
        )
        for camera, name, start_ns, end_ns, epoch, volume, size_bytes, digest, *receipt in rows
    ]


def write_receipt(connection: sqlite3.Connection, rows: Iterable[Deletion], entry: int, now_ns: int) -> None:
    """Says which entry of the ledger is the receipt of deletions; older ones are forgotten."""
    connection.executemany(
        "UPDATE deletions SET entry = ? WHERE start_ns = ? AND epoch = ?"
        " AND stream_id = (SELECT id FROM streams WHERE camera = ? AND name = ?)",
        [(entry, row.segment.start_wall_ns, row.segment.epoch, *row.segment.key) for row in rows],
    )
    connection.execute("DELETE FROM deletions WHERE entry IS NOT NULL AND deleted_ns < ?", (now_ns - KEPT_NS,))
