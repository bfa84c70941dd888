"""Files that are there whole and for good, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from civicam.core.errors import LedgerError

_HALF = ".half"


@contextmanager
def explained(doing: str, where: Path) -> Iterator[None]:
    """Turns what a disk says into a LedgerError.

    Raises:
        LedgerError: whatever OSError the block raised.
    """
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"{doing}: {error.strerror}",
            where=str(where),
            fix="make room or mend the disk; nothing is shown until then",
        ) from error


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Writes a file so that its name only ever leads to all of it; folders are made as needed.

    Raises:
        OSError: it is not there, or the older one still is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + _HALF)
    try:
        with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:  # noqa: PTH123
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Returns when the names in a folder are durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def destroy(path: Path) -> bool:
    """Overwrites a small file and takes its name away; False where there is none.

    A disk that copies on write keeps the old bytes until it needs the room, which is why what is destroyed here is a
    wrapped key and never the data itself.
    """
    try:
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        return False
    path.unlink()
    sync_folder(path.parent)
    return True
