"""`access.sqlite`: the state and the credentials, kept. Every row of `models` is a row of a table, field by field."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Any, Final, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from civicam.access.models import Session
from civicam.access.state import PLACES, Row, State, place_of
from civicam.core.errors import AccessStoreError
from civicam.ledger.entry import PersonId

APPLICATION_ID: Final = 0x43495641
"""`CIVA`, in the file's header (SQLite file format, 1.3.11)."""
_BUSY_TIMEOUT_S: Final = 5.0


class CredentialKind(StrEnum):
    """How people show who they are."""

    PASSWORD = "password"  # noqa: S105 - the word for one
    CODES = "codes"
    """a secret that codes of six digits are made with (RFC 6238)"""
    RECOVERY = "recovery"
    PASSKEY = "passkey"
    PROVIDER = "provider"
    """somebody known elsewhere (OpenID Connect)"""
    INVITATION = "invitation"


@dataclass(frozen=True, slots=True)
class Credential:
    """One of the ways in which a person shows who they are.

    Attributes:
        kind: which.
        id: finds it among its kind.
        person: whose.
        sealed: what it is checked with, sealed with the person's key.
    """

    kind: CredentialKind
    id: str
    person: PersonId
    sealed: bytes


class AccessStore:
    """One connection. Used from one thread at a time; any number of processes may each have their own.

    Args:
        path: the database file; made if it is not there.

    Raises:
        AccessStoreError: it is broken, another program's, or of a newer civicam.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None
        with self._explained():
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        try:
            with self._explained():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Closes the connection."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        with self._explained():
            self._connection.close()

    def version(self) -> int:
        """How often anything was changed.

        Raises:
            AccessStoreError: the database cannot be read.
        """
        with self._explained():
            return int(self._connection.execute("SELECT number FROM version").fetchone()[0])

    def load(self) -> tuple[int, State]:
        """All of it, and its version.

        Raises:
            AccessStoreError: the database cannot be read, or holds what cannot be.
        """
        with self._explained(), self._transaction("DEFERRED"):
            rows = [row for kind in PLACES for row in self._rows(kind)]
            return self.version(), State().put(rows)

    def lock(self) -> None:
        """Waits until nobody else changes anything, and has them wait: a change is decided, written down, and saved.

        Raises:
            AccessStoreError: the lock cannot be had.
        """
        with self._explained():
            if self._lock is None:
                path = self.path.with_name(self.path.name + ".lock")
                self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def unlock(self) -> None:
        """Lets others change something."""
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def save(self, rows: Iterable[Row], credentials: Sequence[Credential] = (), forget: str = "") -> int:
        """Puts rows in place, all or none.

        Args:
            rows: what they are from now on.
            credentials: are put in place, too.
            forget: the person whose credentials are all deleted.

        Returns:
            the new version.

        Raises:
            AccessStoreError: the database cannot be written.
        """
        with self._explained(), self._transaction("IMMEDIATE") as connection:
            for row in rows:
                table, _ = place_of(row)
                columns = _COLUMNS[type(row)]
                marks = ", ".join("?" for _ in columns)
                names = ", ".join(f'"{column}"' for column in columns)
                connection.execute(
                    f"REPLACE INTO {table} ({names}) VALUES ({marks})",  # noqa: S608 - our own names
                    [column.stored(getattr(row, name)) for name, column in columns.items()],
                )
            if forget:
                connection.execute("DELETE FROM credentials WHERE person = ?", (forget,))
            for one in credentials:
                connection.execute(
                    "REPLACE INTO credentials VALUES (?, ?, ?, ?)", (one.kind.value, one.id, one.person, one.sealed)
                )
            connection.execute("UPDATE version SET number = number + 1")
            return self.version()

    def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """One of the city's own wrapped secrets; the first one that `make` gives stays.

        Raises:
            AccessStoreError: the database cannot be used.
        """
        with self._explained(), self._transaction("IMMEDIATE") as connection:
            connection.execute("INSERT OR IGNORE INTO secrets VALUES (?, ?)", (name, make()))
            found: bytes = connection.execute("SELECT wrapped FROM secrets WHERE name = ?", (name,)).fetchone()[0]
            return found

    def credential(self, kind: CredentialKind, name: str) -> Credential | None:
        """The credential of that kind and id.

        Raises:
            AccessStoreError: the database cannot be read.
        """
        found = self._credentials("kind = ? AND id = ?", (kind.value, name))
        return found[0] if found else None

    def credentials_of(self, person: PersonId, kind: CredentialKind) -> list[Credential]:
        """A person's credentials of a kind.

        Raises:
            AccessStoreError: the database cannot be read.
        """
        return self._credentials("person = ? AND kind = ?", (person, kind.value))

    def take(self, credential: Credential) -> bool:
        """Deletes a credential that may be used once; False where somebody else has, or it is another by now.

        Raises:
            AccessStoreError: the database cannot be written.
        """
        with self._explained(), self._transaction("IMMEDIATE") as connection:
            gone = connection.execute(
                "DELETE FROM credentials WHERE kind = ? AND id = ? AND sealed = ?",
                (credential.kind.value, credential.id, credential.sealed),
            ).rowcount
            return gone == 1

    def exchange(self, before: Credential, after: Credential) -> bool:
        """Puts `after` in the place of `before`; False where it is another by now.

        Raises:
            AccessStoreError: the database cannot be written.
        """
        with self._explained(), self._transaction("IMMEDIATE") as connection:
            changed = connection.execute(
                "UPDATE credentials SET sealed = ? WHERE kind = ? AND id = ? AND sealed = ?",
                (after.sealed, before.kind.value, before.id, before.sealed),
            ).rowcount
            return changed == 1

    def save_seen(self, sessions: Iterable[Session]) -> None:
        """Keeps when sessions were last seen, if they are still there.

        Raises:
            AccessStoreError: the database cannot be written.
        """
        with self._explained(), self._transaction("IMMEDIATE") as connection:
            for one in sessions:
                connection.execute("UPDATE sessions SET seen_ns = ? WHERE id = ?", (one.seen_ns, one.id))

    def forget_sessions(self, before_ns: int) -> None:
        """Deletes sessions that ended before then; what they did is in the ledger.

        Raises:
            AccessStoreError: the database cannot be written.
        """
        with self._explained(), self._transaction("IMMEDIATE") as connection:
            connection.execute("DELETE FROM sessions WHERE max(ifnull(ended_ns, 0), seen_ns) < ?", (before_ns,))

    def wipe(self) -> None:
        """Leaves nothing of what was deleted in the file or its log.

        Raises:
            AccessStoreError: the database cannot be written.
        """
        with self._explained():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _credentials(self, where: str, parameters: tuple[str, ...]) -> list[Credential]:
        with self._explained():
            found = self._connection.execute(
                f"SELECT kind, id, person, sealed FROM credentials WHERE {where}",  # noqa: S608 - our own text
                parameters,
            ).fetchall()
        return [
            Credential(CredentialKind(kind), name, PersonId(person), sealed) for kind, name, person, sealed in found
        ]

    def _rows(self, kind: type[Row]) -> Iterator[Row]:
        columns = _COLUMNS[kind]
        names = ", ".join(f'"{column}"' for column in columns)
        for found in self._connection.execute(f"SELECT {names} FROM {PLACES[kind][0]}"):  # noqa: S608 - our own names
            values = {name: column.loaded(value) for (name, column), value in zip(columns.items(), found, strict=True)}
            yield kind(**values)

    def _prepare(self) -> None:
        run = self._connection.execute
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("PRAGMA foreign_keys = ON")
        run("PRAGMA secure_delete = ON")
        migrations = _migrations()
        tables = run("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if tables and self._pragma("application_id") != APPLICATION_ID:
            raise AccessStoreError("this is another program's database", where=str(self.path), fix="check the path")
        if self._pragma("user_version") > len(migrations):
            raise AccessStoreError("a newer civicam wrote this database", where=str(self.path), fix="run that one")
        for number, script in enumerate(migrations, 1):
            with self._transaction("IMMEDIATE") as connection:
                if self._pragma("user_version") >= number:
                    continue
                for statement in _statements(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {number}")
        self.path.chmod(0o600)

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def _transaction(self, how: str) -> Iterator[sqlite3.Connection]:
        self._connection.execute(f"BEGIN {how}")
        try:
            yield self._connection
            self._connection.commit()
        finally:
            if self._connection.in_transaction:
                self._connection.rollback()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError, KeyError, OSError, ValidationError) as error:
            raise AccessStoreError(
                f"the database of people and rights cannot be used: {error}",
                where=str(self.path),
                fix="check the file and its disk; restore it from a backup if it is broken",
            ) from error


# --- values -----------------------------------------------------------------------------------------------------------


class _Column:
    """How a field is stored: text, numbers, bytes and nothing as they are, all else as JSON.

    Args:
        hint: its type.
    """

    def __init__(self, hint: Any) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(hint)
        self._is_json = (isinstance(hint, type) and is_dataclass(hint)) or get_origin(hint) in {frozenset, tuple}

    def stored(self, value: Any) -> Any:
        if self._is_json:
            return self._adapter.dump_json(value).decode()
        return value.value if isinstance(value, StrEnum) else value

    def loaded(self, value: Any) -> Any:
        return self._adapter.validate_json(value) if self._is_json else self._adapter.validate_python(value)


def _columns_of(kind: type[Row]) -> Mapping[str, _Column]:
    hints = get_type_hints(kind)
    return {field.name: _Column(hints[field.name]) for field in fields(kind)}


_COLUMNS: Final = {kind: _columns_of(kind) for kind in PLACES}


def _migrations() -> list[str]:
    folder = resources.files("civicam.access") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [file.read_text(encoding="utf-8") for file in files]


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
