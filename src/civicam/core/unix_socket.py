"""Unix sockets between processes of one user on this machine (unix(7))."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CREDENTIALS = struct.Struct("3i")  # struct ucred: process, user, group


def listen_at(path: Path, backlog: int) -> socket.socket:
    """A socket that listens at `path`, in a folder that no other user may enter; an older one there is replaced.

    Raises:
        OSError: it cannot be listened there.
    """
    folder, name = path.parent, path.name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)  # a folder that was there before
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(FileNotFoundError):
            path.unlink()
        with _short(folder) as short:
            listening.bind(f"{short}/{name}")
        path.chmod(0o600)
        listening.listen(backlog)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def connect_to(path: Path) -> socket.socket:
    """A socket connected to `path`, which does not block: at once, or not at all.

    Raises:
        OSError: nobody listens there.
    """
    connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        with _short(path.parent) as short:
            connecting.connect(f"{short}/{path.name}")
    except OSError:
        connecting.close()
        raise
    return connecting


def user_of(connected: socket.socket) -> int:
    """Whose process is at the other end."""
    _, user, _ = _CREDENTIALS.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(user)


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A folder by a short path: a socket's may have 107 bytes, and that of a city may have more."""
    descriptor = os.open(folder, os.O_DIRECTORY | os.O_PATH)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
