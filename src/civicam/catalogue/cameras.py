"""The cameras' rows: which there are and were, their streams, and when each was due to record."""

import sqlite3
from typing import Any
from urllib.parse import urlsplit

from civicam.catalogue.models import Camera, Place, RegisterEntry
from civicam.core.errors import CatalogueError
from civicam.core.ids import CameraId, StreamKey, StreamName
from civicam.core.spans import Span

_COLUMNS = "id, title, credentials, purpose, added_ns, removed_ns"


def add_camera(connection: sqlite3.Connection, camera: Camera) -> None:
    """Adds it, or takes back one that was removed: its streams are due from `added_ns`.

    Raises:
        CatalogueError: the city has it already, it has no purpose, a URL carries credentials, or it was still there at
            `added_ns`.
    """
    if not camera.purpose.strip():
        raise CatalogueError("a camera needs a purpose", where=camera.id, fix="say why it is there")
    old = find_camera(connection, camera.id)
    if old is not None and old.removed_ns is None:
        raise CatalogueError("the city has this camera already", where=camera.id, fix="set its addresses instead")
    if old is not None and old.removed_ns is not None and old.removed_ns > camera.added_ns:
        raise CatalogueError("it would be added before it was removed", where=camera.id, fix="check the clock")
    if old is not None and camera.register is None:
        # Its old footage is kept as long as was said of it, and that is said anew.
        raise CatalogueError(
            "a camera that comes back is described at once",
            where=camera.id,
            fix="say owner, legal basis and description",
        )
    connection.execute(
        f"INSERT OR REPLACE INTO cameras ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, NULL)"  # noqa: S608 - our own constant
        if old is None
        else "UPDATE cameras SET title = ?2, credentials = ?3, purpose = ?4, added_ns = ?5, removed_ns = NULL"
        " WHERE id = ?1",
        (camera.id, camera.title, camera.credentials, camera.purpose, camera.added_ns),
    )
    connection.execute("DELETE FROM register WHERE camera = ?", (camera.id,))
    set_urls(connection, camera.id, camera.urls, camera.added_ns)
    if camera.register is not None:
        describe_camera(connection, camera.id, camera.register, camera.added_ns)
    if camera.place is not None:
        place_camera(connection, camera.id, camera.place)


def describe_camera(connection: sqlite3.Connection, camera: CameraId, entry: RegisterEntry, now_ns: int) -> None:
    """Sets what the public is told of it; if that was not said before, it is due to record from `now_ns`.

    Raises:
        CatalogueError: the city does not have it.
    """
    _existing(connection, camera)
    connection.execute(
        "REPLACE INTO register (camera, owner, legal_basis, keep_days, description) VALUES (?, ?, ?, ?, ?)",
        (camera, entry.owner, entry.legal_basis, float(entry.keep_days), entry.description),
    )
    for (stream_id,) in connection.execute(
        "SELECT id FROM streams WHERE camera = ? AND url IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM due WHERE stream_id = id AND end_ns IS NULL)",
        (camera,),
    ).fetchall():
        _begin_due(connection, stream_id, now_ns)


def place_camera(connection: sqlite3.Connection, camera: CameraId, place: Place) -> None:
    """Sets where it stands.

    Raises:
        CatalogueError: the city does not have it.
    """
    _existing(connection, camera)
    connection.execute(
        "REPLACE INTO places (camera, latitude, longitude, direction_deg, view_deg, reach_m) VALUES (?, ?, ?, ?, ?, ?)",
        (camera, place.latitude, place.longitude, place.direction_deg, place.view_deg, place.reach_m),
    )


def remove_camera(connection: sqlite3.Connection, camera: CameraId, now_ns: int) -> None:
    """Ends what it is due; what it recorded stays.

    Raises:
        CatalogueError: the city does not have it.
    """
    _existing(connection, camera)
    set_urls(connection, camera, {}, now_ns)
    connection.execute("UPDATE cameras SET removed_ns = ? WHERE id = ?", (now_ns, camera))


def set_urls(connection: sqlite3.Connection, camera: CameraId, urls: dict[StreamName, str], now_ns: int) -> None:
    """Sets which streams it is to record, and where: new ones are due from `now_ns`, those left out until then.

    A camera of which the public is told nothing is not due at all (`describe_camera`).

    Raises:
        CatalogueError: the city does not have it, or a URL carries credentials.
    """
    is_described = _existing(connection, camera).register is not None
    for url in urls.values():
        _refuse_credentials(camera, url)
    recorded = dict(
        connection.execute("SELECT name, id FROM streams WHERE camera = ? AND url IS NOT NULL", (camera,)).fetchall()
    )
    for name, url in urls.items():
        stream_id = add_stream(connection, StreamKey(camera, name))
        connection.execute("UPDATE streams SET url = ? WHERE id = ?", (url, stream_id))
        if name not in recorded and is_described:
            _begin_due(connection, stream_id, now_ns)
    for name, stream_id in recorded.items():
        if name not in urls:
            connection.execute("UPDATE streams SET url = NULL WHERE id = ?", (stream_id,))
            _end_due(connection, stream_id, now_ns)


def add_stream(connection: sqlite3.Connection, key: StreamKey) -> int:
    """Returns the stream's number, which it gets now if it has none."""
    connection.execute("INSERT OR IGNORE INTO streams (camera, name) VALUES (?, ?)", key)
    found: int = connection.execute("SELECT id FROM streams WHERE camera = ? AND name = ?", key).fetchone()[0]
    return found


def _begin_due(connection: sqlite3.Connection, stream_id: int, now_ns: int) -> None:
    # What ended at this very moment goes on.
    resumed = connection.execute(
        "UPDATE due SET end_ns = NULL WHERE stream_id = ? AND end_ns = ?", (stream_id, now_ns)
    ).rowcount
    if not resumed:
        connection.execute("INSERT INTO due (stream_id, start_ns) VALUES (?, ?)", (stream_id, now_ns))


def _end_due(connection: sqlite3.Connection, stream_id: int, now_ns: int) -> None:
    connection.execute("DELETE FROM due WHERE stream_id = ? AND end_ns IS NULL AND start_ns >= ?", (stream_id, now_ns))
    connection.execute("UPDATE due SET end_ns = ? WHERE stream_id = ? AND end_ns IS NULL", (now_ns, stream_id))


def find_camera(connection: sqlite3.Connection, camera: CameraId) -> Camera | None:
    """Returns its row, None if the city never had it."""
    found = list_cameras(connection, camera)
    return found[0] if found else None


def list_cameras(connection: sqlite3.Connection, camera: CameraId | None = None) -> list[Camera]:
    """Returns all cameras by id, or `camera` alone, removed ones too."""
    urls: dict[str, dict[StreamName, str]] = {}
    for name, stream, url in connection.execute(
        "SELECT camera, name, url FROM streams WHERE url IS NOT NULL AND (?1 IS NULL OR camera = ?1) ORDER BY name",
        (camera,),
    ):
        urls.setdefault(name, {})[StreamName(stream)] = url
    rows = connection.execute(
        f"SELECT {_COLUMNS}, owner, legal_basis, keep_days, description,"  # noqa: S608 - our own constant
        " latitude, longitude, direction_deg, view_deg, reach_m FROM cameras"
        " LEFT JOIN register ON register.camera = id LEFT JOIN places ON places.camera = id"
        " WHERE ?1 IS NULL OR id = ?1 ORDER BY id",
        (camera,),
    )
    return [_camera(row, urls.get(row[0], {})) for row in rows]


def _camera(row: tuple[Any, ...], urls: dict[StreamName, str]) -> Camera:
    name, title, credentials, purpose, added_ns, removed_ns, *rest = row
    entry = RegisterEntry(*rest[:4]) if rest[0] else None
    place = Place(*rest[4:]) if rest[4] is not None else None
    return Camera(CameraId(name), title, urls, credentials, purpose, added_ns, removed_ns, entry, place)


def due_spans(connection: sqlite3.Connection, stream_id: int, window: Span) -> list[Span]:
    """Returns when, within `window`, the stream was meant to record and the result must still be there."""
    return connection.execute(
        "SELECT max(start_ns, expired_before_ns, ?2), min(ifnull(end_ns, ?3), ?3) FROM due JOIN streams"
        " ON streams.id = stream_id WHERE stream_id = ?1 AND start_ns < ?3"
        " AND ifnull(end_ns, ?3) > max(start_ns, expired_before_ns, ?2) AND ?3 > expired_before_ns ORDER BY start_ns",
        (stream_id, *window),
    ).fetchall()


def _existing(connection: sqlite3.Connection, camera: CameraId) -> Camera:
    found = find_camera(connection, camera)
    if found is None or found.removed_ns is not None:
        raise CatalogueError("the city has no such camera", where=camera, fix="add it first; see `civicam camera list`")
    return found


def _refuse_credentials(camera: CameraId, url: str) -> None:
    try:
        has_credentials = "@" in urlsplit(url).netloc
    except ValueError as error:
        raise CatalogueError("an address is not a URL", where=camera, fix="write rtsp://host/path") from error
    if has_credentials:
        raise CatalogueError(
            "an address carries a name or password", where=camera, fix="give them apart from the address"
        )
