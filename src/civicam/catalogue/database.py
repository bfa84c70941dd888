"""The catalogue's SQLite file: opening it, its migrations, its transactions, and what its errors mean."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from civicam.core.errors import CatalogueError

APPLICATION_ID = 0x43495643
"""`CIVC`, in the file's header (SQLite file format, 1.3.11): tells a catalogue from another program's database."""

_BUSY_TIMEOUT_S = 5.0
_ATTEMPTS = 3
# Workers rewrite the same few hundred pages every two seconds: a long log writes each of them once a minute or so.
_CHECKPOINT_PAGES = 16_384
_CACHE_KIB = 32_768
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_REPAIR = "stop the recorder and run `civicam check --repair`: it is rebuilt from the footage"


class Database:
    """One connection. Used from one thread at a time; as many processes as there are may each have their own.

    Args:
        path: the database file.
        create: make it if it is not there.

    Raises:
        CatalogueError: it is missing, broken, another program's, or of a newer civicam.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if not create and not path.is_file():
            raise CatalogueError("there is no catalogue", where=str(path), fix="run `civicam init`, or restore it")
        self.path = path
        self._gate = _Gate(path)
        with self._explained():
            # A thread pool may run successive calls on different threads.
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        try:
            with self._explained():
                self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        run = self._connection.execute
        run("PRAGMA journal_mode = WAL")
        self._gate.file_is_there()
        run("PRAGMA synchronous = NORMAL")
        run("PRAGMA foreign_keys = ON")
        run(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        run(f"PRAGMA journal_size_limit = {_CHECKPOINT_PAGES * 8192}")
        run(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._migrate()

    def _migrate(self) -> None:
        migrations = _migrations()
        version = self._pragma("user_version")
        tables = self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if tables and self._pragma("application_id") != APPLICATION_ID:
            raise CatalogueError("this is another program's database", where=str(self.path), fix="check the path")
        if version > len(migrations):
            raise CatalogueError(
                f"the catalogue has version {version}, and this civicam knows up to {len(migrations)}",
                where=str(self.path),
                fix="run the civicam that wrote it, or a newer one",
            )
        for number in range(version + 1, len(migrations) + 1):
            with self.writing() as connection:
                # Another process may have done it while this one waited for the lock.
                if self._pragma("user_version") >= number:
                    continue
                for statement in migrations[number - 1]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {number}")

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def close(self) -> None:
        """Closes the connection."""
        self._gate.close()
        with self._explained():
            self._connection.close()

    def faults(self) -> list[str]:
        """Returns what SQLite finds wrong with the file (`PRAGMA quick_check`), empty if nothing is."""
        try:
            found = [str(row[0]) for row in self.query("PRAGMA quick_check(20)")]
            found += [f"a row of {row[0]} has no parent" for row in self.query("PRAGMA foreign_key_check")[:20]]
        except CatalogueError as error:
            return [error.what]
        return [text for text in found if text != "ok"]

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Returns the rows that `sql` selects.

        Raises:
            CatalogueError: the database is broken or locked.
        """
        with self._explained():
            return self._connection.execute(sql, parameters).fetchall()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Several queries that see the same moment; within a transaction, what that has done.

        Raises:
            CatalogueError: the database is broken.
        """
        with self._explained():
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.rollback()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is stored, or none of it.

        Raises:
            CatalogueError: the database is broken, full, locked by another process for too long, or being replaced.
        """
        with self._gate.admitted(), self._explained():
            self._begin()
            try:
                yield self._connection
                self._connection.commit()
            finally:
                if self._connection.in_transaction:
                    self._connection.rollback()

    def _begin(self) -> None:
        # Taking the write lock first means that nothing after it can find the database busy.
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if _code(error) not in _BUSY or attempt == _ATTEMPTS:
                    raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError) as error:
            # SQLite does not check what a broken page says: text that is none, names and causes that do not exist.
            raise CatalogueError(
                f"the catalogue is broken: a value in it makes no sense ({error})", where=str(self.path), fix=_REPAIR
            ) from error
        except sqlite3.Error as error:
            what, fix = _explain(error)
            raise CatalogueError(what, where=str(self.path), fix=fix) from error


class _Gate:
    """Lets writers in, any number of them, unless the database is being replaced or has been.

    What was written to a database after it was copied from, or after another took its name, would be lost without a
    word. So writers share a lock on a file beside it, and whoever replaces it has that lock for itself.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._inode: int | None = None

    def file_is_there(self) -> None:
        """The database has been opened, and is what is found at its path now."""
        self._inode = self._find_inode()

    def _find_inode(self) -> int | None:
        try:
            return self._path.stat().st_ino
        except OSError:
            return None

    @contextmanager
    def admitted(self) -> Iterator[None]:
        if self._descriptor is None:
            self._descriptor = _open_lock(self._path)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CatalogueError(
                "the catalogue is being made anew, and takes no changes until then",
                where=str(self._path),
                fix="try again when `civicam check --repair` has ended",
            ) from None
        try:
            if self._find_inode() != self._inode:
                raise CatalogueError(
                    "another catalogue has taken this one's place", where=str(self._path), fix="try again"
                )
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def replacing(path: Path) -> Iterator[None]:
    """Nobody else writes to the database at `path` meanwhile; they get an error, those that write now are waited for.

    Raises:
        CatalogueError: the lock cannot be opened.
    """
    descriptor = _open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def lock_of(path: Path) -> Path:
    """The file that writers to the database at `path` lock. It may be removed only with the database."""
    return path.with_name(path.name + ".lock")


def _open_lock(path: Path) -> int:
    try:
        return os.open(lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise CatalogueError(
            f"the catalogue's lock cannot be opened: {error.strerror}", where=str(lock_of(path)), fix="check its folder"
        ) from error


def _code(error: sqlite3.Error) -> int:
    # The low byte of an extended result code is the primary one.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _explain(error: sqlite3.Error) -> tuple[str, str]:
    code = _code(error)
    if code in _BROKEN:
        return f"the catalogue is broken: {error}", _REPAIR
    if code in _BUSY:
        return "another process keeps the catalogue locked", "see which process that is; try again"
    if code == sqlite3.SQLITE_FULL:
        return "there is no room for the catalogue", "make room on its disk"
    if code == sqlite3.SQLITE_CONSTRAINT:
        return f"the catalogue refuses a row: {error}", "report this: it is a fault of civicam"
    return f"the catalogue cannot be used: {error}", f"check the file and its folder; if it is broken, {_REPAIR}"


def is_newer(version: int) -> bool:
    """Whether a file's `user_version` is one that this civicam does not know."""
    return version > len(_migrations())


def _migrations() -> list[list[str]]:
    folder = resources.files("civicam.catalogue") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [_statements(file.read_text(encoding="utf-8")) for file in files]


def _statements(script: str) -> list[str]:
    # `executescript` commits first, so it cannot be part of a transaction.
    statements, statement = [], ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            statements.append(statement)
            statement = ""
    return statements
