"""The few system calls that change a disk, behind one small protocol, and what their failures mean.

Everything in `footage/` that writes goes through a `Disk`, so that a test can let the n-th call fail, or be the last
before the power goes, and look at what is left.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from civicam.core.errors import DiskFullError, VolumeError


class Disk(Protocol):
    """Calls that change what is on a disk. Each raises OSError as the call it stands for does."""

    def create(self, path: Path) -> int:
        """A descriptor of a new file, for reading and writing; FileExistsError where there is one."""
        ...

    def reopen(self, path: Path) -> int:
        """A descriptor of an existing file, for reading and writing."""
        ...

    def write(self, descriptor: int, parts: Sequence[bytes | memoryview], offset: int) -> int:
        """Writes `parts`, one behind the other, at `offset`; returns how many bytes were taken, perhaps not all."""
        ...

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        """Cuts a file."""
        ...

    def sync(self, descriptor: int) -> None:
        """Returns when a file's bytes and size are durable (fdatasync)."""
        ...

    def sync_folder(self, path: Path) -> None:
        """Returns when a folder's names are durable (fsync)."""
        ...

    def link(self, source: Path, target: Path) -> None:
        """Gives a file a second name; FileExistsError where the name is taken."""
        ...

    def move(self, source: Path, target: Path) -> None:
        """Renames a file."""
        ...

    def remove(self, path: Path) -> None:
        """Removes a file's name."""
        ...

    def make_folder(self, path: Path) -> bool:
        """Makes a folder; False where there is one."""
        ...

    def remove_folder(self, path: Path) -> None:
        """Removes an empty folder."""
        ...


class SystemDisk:
    """The machine's own calls. See `Disk`."""

    def create(self, path: Path) -> int:
        """See `Disk`."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    def reopen(self, path: Path) -> int:
        """See `Disk`."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def write(self, descriptor: int, parts: Sequence[bytes | memoryview], offset: int) -> int:
        """See `Disk`."""
        return os.pwritev(descriptor, parts, offset)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        """See `Disk`."""
        os.ftruncate(descriptor, size_bytes)

    def sync(self, descriptor: int) -> None:
        """See `Disk`."""
        os.fdatasync(descriptor)

    def sync_folder(self, path: Path) -> None:
        """See `Disk`."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def link(self, source: Path, target: Path) -> None:
        """See `Disk`."""
        os.link(source, target)

    def move(self, source: Path, target: Path) -> None:
        """See `Disk`."""
        source.rename(target)

    def remove(self, path: Path) -> None:
        """See `Disk`."""
        path.unlink()

    def make_folder(self, path: Path) -> bool:
        """See `Disk`."""
        try:
            path.mkdir(mode=0o750)
        except FileExistsError:
            return False
        return True

    def remove_folder(self, path: Path) -> None:
        """See `Disk`."""
        path.rmdir()


SYSTEM_DISK = SystemDisk()


def write_all(disk: Disk, descriptor: int, parts: Sequence[bytes], offset: int) -> int:
    """Writes all of `parts` at `offset`, in one call unless the disk takes less; returns how many bytes that were.

    Raises:
        OSError: the disk took no more; part of the bytes may be in the file.
    """
    total = sum(map(len, parts))
    done = disk.write(descriptor, parts, offset)
    while done < total:
        rest = memoryview(b"".join(parts))[done:]
        taken = disk.write(descriptor, (rest,), offset + done)
        if taken == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        done += taken
    return total


def make_folders(disk: Disk, root: Path, *names: str) -> Path:
    """Makes `root/names[0]/names[1]/...` where they are missing, durably; returns the last.

    Raises:
        OSError: a folder cannot be made, or `root` is not there.
    """
    folder = root
    for name in names:
        parent, folder = folder, folder / name
        if disk.make_folder(folder):
            disk.sync_folder(parent)
    return folder


_MEANING = {
    errno.EROFS: ("it is mounted read-only", "look in the kernel's log: a file system that found errors does this"),
    errno.EIO: ("the disk reports a read or write error", "look in the kernel's log and replace the disk"),
    errno.EACCES: ("civicam may not write there", "give its user the folder"),
    errno.EPERM: ("civicam may not write there", "give its user the folder"),
    errno.ENOENT: ("a folder is gone", "see whether the volume's disk is mounted"),
    errno.ENOTDIR: ("a file is where a folder belongs", "move that file away"),
    errno.EFBIG: (
        "a file may not grow that large",
        "raise the file size limit (ulimit -f) or choose another file system",
    ),
    errno.EMFILE: ("too many files are open", "raise LimitNOFILE (ulimit -n)"),
    errno.ENFILE: ("too many files are open on this machine", "raise fs.file-max"),
}


def volume_error(error: OSError, doing: str, where: Path | str) -> VolumeError:
    """What `error`, met while `doing` (such as "a segment was written"), means for the volume."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"no room was left while {doing}", where=str(where), fix="free space, add a volume or keep fewer days"
        )
    what, fix = _MEANING.get(error.errno or 0, (error.strerror or str(error), "look in the kernel's log"))
    return VolumeError(f"{what} (while {doing})", where=str(where), fix=fix)


@contextmanager
def volume_errors(doing: str, where: Path | str) -> Iterator[None]:
    """Turns what the operating system says into VolumeError or DiskFullError."""
    try:
        yield
    except OSError as error:
        raise volume_error(error, doing, where) from error
