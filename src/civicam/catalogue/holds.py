"""Holds: footage that retention may not touch, until somebody releases it.

Whether a segment is held stands in its own row (so that an index can leave it out), and is kept true in the
transactions that add a hold, release one, or store a segment.
"""

import sqlite3

from civicam.catalogue.models import Hold
from civicam.core.errors import CatalogueError
from civicam.core.ids import CameraId
from civicam.core.spans import Span

_SELECT = "SELECT id, camera, start_ns, end_ns, reason FROM holds WHERE released_ns IS NULL"
_MARK = (
    "UPDATE segments SET held = EXISTS (SELECT 1 FROM holds WHERE camera = ?1 AND released_ns IS NULL"
    " AND holds.start_ns < segments.end_ns AND holds.end_ns > segments.start_ns)"
    " WHERE stream_id = ?2 AND start_ns < ?4 AND end_ns > ?3"
    " AND start_ns > ?3 - (SELECT longest_segment_ns FROM streams WHERE id = ?2)"
)


def add_hold(connection: sqlite3.Connection, camera: CameraId, window: Span, reason: str, now_ns: int) -> Hold:
    """Holds what `camera` has, and will have, within `window`.

    Raises:
        CatalogueError: there never was such a camera, the window is empty, or there is no reason.
    """
    if not reason.strip():
        raise CatalogueError("a hold needs a reason", where=camera, fix="say why the footage is kept")
    start_ns, end_ns = window
    if start_ns >= end_ns:
        raise CatalogueError("a hold must end after it starts", where=camera, fix="check the times")
    if not connection.execute("SELECT 1 FROM cameras WHERE id = ?", (camera,)).fetchone():
        raise CatalogueError("the city never had this camera", where=camera, fix="see `civicam camera list`")
    number: int = connection.execute(
        "INSERT INTO holds (camera, start_ns, end_ns, reason, added_ns) VALUES (?, ?, ?, ?, ?) RETURNING id",
        (camera, start_ns, end_ns, reason, now_ns),
    ).fetchone()[0]
    hold = Hold(number, camera, start_ns, end_ns, reason)
    _mark(connection, hold)
    return hold


def release_hold(connection: sqlite3.Connection, number: int, now_ns: int) -> None:
    """Gives the footage back to retention; that there was a hold stays written down.

    Raises:
        CatalogueError: no such hold is active.
    """
    row = connection.execute(f"{_SELECT} AND id = ?", (number,)).fetchone()
    if row is None:
        raise CatalogueError("no such hold", where=f"hold {number}", fix="see which holds there are")
    connection.execute("UPDATE holds SET released_ns = ? WHERE id = ?", (now_ns, number))
    _mark(connection, _hold(row))


def list_holds(connection: sqlite3.Connection) -> list[Hold]:
    """Returns the active holds, oldest first."""
    return [_hold(row) for row in connection.execute(f"{_SELECT} ORDER BY id")]


def _mark(connection: sqlite3.Connection, hold: Hold) -> None:
    for (stream_id,) in connection.execute("SELECT id FROM streams WHERE camera = ?", (hold.camera,)).fetchall():
        connection.execute(_MARK, (hold.camera, stream_id, hold.start_wall_ns, hold.end_wall_ns))


def _hold(row: tuple[int, str, int, int, str]) -> Hold:
    return Hold(row[0], CameraId(row[1]), *row[2:])
