"""What can still be read of an old or broken catalogue: what the footage itself does not tell.

A table is read from its front up to the first page that is broken, and then from its end back to the last one.
"""

import sqlite3
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from civicam.catalogue.database import APPLICATION_ID, is_newer
from civicam.catalogue.models import GapRow
from civicam.catalogue.segments import as_gap
from civicam.core.errors import CatalogueError, ConfigError
from civicam.core.ids import StreamKey, StreamName, parse_camera_id

Row = tuple[object, ...]

_NAMES_A_CAMERA = (("cameras", 0), ("register", 0), ("places", 0), ("streams", 1), ("holds", 1), ("health", 0))
_CAME_LATER = ("health", "register", "days_written", "places")
CONFIGURATION = {
    "cameras": ("id", "id, title, credentials, purpose, added_ns, removed_ns"),
    "register": ("camera", "camera, owner, legal_basis, keep_days, description"),
    "places": ("camera", "camera, latitude, longitude, direction_deg, view_deg, reach_m"),
    "streams": ("id", "id, camera, name, url, expired_before_ns"),
    "due": ("stream_id, start_ns", "stream_id, start_ns, end_ns"),
    "days_written": ("day_ns", "day_ns, entry"),
    "holds": ("id", "id, camera, start_ns, end_ns, reason, added_ns, released_ns"),
    "runs": ("epoch", "epoch, begin_ns, end_ns"),
    "health": ("camera, began_ns, kind", "camera, began_ns, kind, confidence, ended_ns"),
}
"""Tables that only the catalogue has, each with its key and its columns, parents before children."""


class OldCatalogue:
    """A catalogue that is about to be replaced. Use as a context manager.

    Attributes:
        losses: what could not be read, for people.

    Raises:
        CatalogueError: a newer civicam wrote it, or it is another program's: it is sound, and must not be replaced.
    """

    def __init__(self, path: Path) -> None:
        self.losses: list[str] = []
        self._path = path
        self._connection: sqlite3.Connection | None = None
        if not path.exists():
            self.losses.append("there was no catalogue")
            return
        self._connection = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None)
        try:
            self._look(self._connection)
        except (sqlite3.Error, ValueError) as error:
            self.losses.append(f"nothing of the old catalogue could be read: {error}")
            self.close()
        except BaseException:
            self.close()
            raise

    def _look(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        if tables and (owner != APPLICATION_ID or is_newer(version)):
            raise CatalogueError(
                "this database is another program's, or a newer civicam's, and is not replaced",
                where=str(self._path),
                fix="use the civicam that wrote it, or move it away first",
            )

    def __enter__(self) -> "OldCatalogue":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Moves what it can from the log into the file, and closes it."""
        if self._connection is not None:
            with suppress(sqlite3.Error, ValueError):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
            self._connection = None

    def configuration(self) -> dict[str, list[Row]]:
        """Returns the rows of `CONFIGURATION`'s tables, as far as they can be read."""
        found = {table: self._read(table, *CONFIGURATION[table]) for table in CONFIGURATION}
        for table, number in _NAMES_A_CAMERA:
            found[table] = [row for row in found[table] if self._is_camera(row[number], table)]
        found["streams"] = [row for row in found["streams"] if row[2] in set(StreamName)]
        return found

    def _is_camera(self, name: object, table: str) -> bool:
        # What a broken page makes of a name must not become a folder's name.
        try:
            parse_camera_id(str(name))
        except ConfigError:
            self.losses.append(f"a row of table {table} names no camera")
            return False
        return True

    def segment_spans(self, key: StreamKey) -> list[tuple[int, int]]:
        """Returns start and end of the segments that it had of a stream."""
        rows = self._of_stream(key, "segments", "start_ns, end_ns")
        return [(row[0], row[1]) for row in rows if isinstance(row[0], int) and isinstance(row[1], int)]

    def gaps(self, key: StreamKey) -> list[GapRow]:
        """Returns the gaps that it had of a stream, by start."""
        found = []
        for start_ns, end_ns, cause in self._of_stream(key, "gaps", "start_ns, end_ns, cause"):
            if isinstance(start_ns, int) and isinstance(end_ns, int) and isinstance(cause, int) and start_ns < end_ns:
                with suppress(CatalogueError):
                    found.append(as_gap(key, (start_ns, end_ns, cause)))
        return sorted(found, key=lambda gap: gap.start_wall_ns)

    def _of_stream(self, key: StreamKey, table: str, columns: str) -> list[Row]:
        where = "WHERE stream_id = (SELECT id FROM streams WHERE camera = ? AND name = ?)"
        return self._read(table, "start_ns", columns, where, tuple(key))

    def _read(self, table: str, key: str, columns: str, where: str = "", parameters: Row = ()) -> list[Row]:
        found: dict[Row, None] = {}
        order = ", ".join(f"{column} {{0}}" for column in key.split(", "))
        for direction in ("ASC", "DESC"):
            sql = f"SELECT {columns} FROM {table} {where} ORDER BY {order.format(direction)}"  # noqa: S608 - constants
            if self._is_read(sql, parameters, found):
                return list(found)
        self.losses.append(f"table {table} is broken: {len(found)} rows were read")
        return list(found)

    def _is_read(self, sql: str, parameters: Row, found: dict[Row, None]) -> bool:
        if self._connection is None:
            return True
        try:
            for row in self._connection.execute(sql, parameters):
                found[row] = None
        except (sqlite3.Error, ValueError) as error:
            # An older civicam's catalogue has none.
            return any(f"no such table: {table}" in str(error) for table in _CAME_LATER)
        return True
