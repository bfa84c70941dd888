"""What was wrong with cameras' pictures: rows that begin open, and are closed once."""

import sqlite3
from collections.abc import Collection

from civicam.catalogue.models import HealthRow
from civicam.core.ids import CameraId
from civicam.core.spans import Span

_SELECT = "SELECT camera, kind, began_ns, confidence, ended_ns FROM health"
_PUT = (
    "INSERT INTO health (camera, kind, began_ns, confidence, ended_ns) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET confidence = excluded.confidence, ended_ns = excluded.ended_ns"
)


def put_health(connection: sqlite3.Connection, row: HealthRow) -> None:
    """Stores an event, or what became of it. A camera that the city never had is passed over."""
    if connection.execute("SELECT 1 FROM cameras WHERE id = ?", (row.camera,)).fetchone():
        connection.execute(_PUT, (row.camera, row.kind, row.began_wall_ns, row.confidence, row.ended_wall_ns))


def settle_health(connection: sqlite3.Connection, camera: CameraId, lasting: Collection[HealthRow], at_ns: int) -> None:
    """Ends at `at_ns` whatever was left open of a camera, but for what lasts."""
    kept = {(row.kind, row.began_wall_ns) for row in lasting}
    for kind, began_ns in connection.execute(
        "SELECT kind, began_ns FROM health WHERE camera = ? AND ended_ns IS NULL", (camera,)
    ).fetchall():
        if (kind, began_ns) not in kept:
            connection.execute(
                "UPDATE health SET ended_ns = max(began_ns, ?) WHERE camera = ? AND kind = ? AND began_ns = ?",
                (at_ns, camera, kind, began_ns),
            )


def list_health(connection: sqlite3.Connection, camera: CameraId, window: Span) -> list[HealthRow]:
    """Returns what touches `window`, by when it began."""
    rows = connection.execute(
        f"{_SELECT} WHERE camera = ? AND began_ns < ? AND (ended_ns IS NULL OR ended_ns > ?) ORDER BY began_ns, kind",
        (camera, window[1], window[0]),
    )
    return [HealthRow(CameraId(row[0]), *row[1:]) for row in rows]


def forget_health(connection: sqlite3.Connection, camera: CameraId, before_ns: int) -> None:
    """Deletes what ended before a moment, as the footage of that time is."""
    connection.execute("DELETE FROM health WHERE camera = ? AND ended_ns < ?", (camera, before_ns))
