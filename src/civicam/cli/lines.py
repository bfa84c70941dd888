"""Lines for a pipe, a log or a terminal that may be slow, full or gone, and must not keep the recorder waiting."""

import os
import queue
import threading

_MOST_WAITING = 8
_LAST_LINES_S = 2.0


class LineWriter:
    """Writes lines on a thread of its own. While the reader is slow eight lines wait, and further ones are dropped.

    It writes to the descriptor itself: a thread that is stuck within `sys.stdout` would hold its lock at exit.

    Args:
        descriptor: where to; it stays open.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        self._error: OSError | None = None
        # A daemon, since nothing can wake it out of a write that nobody reads.
        self._thread = threading.Thread(target=self._write_all, name="output", daemon=True)
        self._thread.start()

    def say(self, line: str) -> bool:
        """Has a line written, soon; whether there was room for it.

        Raises:
            OSError: an earlier line could not be written: the reader is gone, or the disk is full.
        """
        if self._error is not None:
            raise self._error
        return self._put(line.encode() + b"\n", wait_s=0)

    def close(self) -> None:
        """Waits for the last lines, but not for a reader that is stuck."""
        if self._put(None, wait_s=_LAST_LINES_S):
            self._thread.join(_LAST_LINES_S)

    def _put(self, line: bytes | None, wait_s: float) -> bool:
        try:
            self._lines.put(line, block=wait_s > 0, timeout=wait_s or None)
        except queue.Full:
            return False
        return True

    def _write_all(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                while line:
                    line = line[os.write(self._descriptor, line) :]
        except OSError as error:
            self._error = error
