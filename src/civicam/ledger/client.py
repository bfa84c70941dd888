"""The ledger from other processes: on an event loop, and for threads and the command line.

A draft whose answer never came may or may not be in the ledger; what it was for must not happen. An entry about
something that then did not happen does no harm; something that happened without an entry would.
"""

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any, Final

from civicam.core.errors import LedgerError
from civicam.core.unix_socket import connect_to
from civicam.ledger.entry import Draft, Receipt
from civicam.ledger.messages import LINE_BYTES, draft_line, parse_answer, parse_number

WITHIN_S: Final = 5.0
"""Until when an answer must come; a disk that takes longer to sync is one that nothing is shown from."""

_WAITING: Final = 1024
_DOWN: Final = "nothing can be written down now, so nothing is shown; recording goes on"


class LedgerClient:
    """Writes drafts down from an event loop. One connection, made when it is needed.

    Args:
        path: the ledger's socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = 0
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def append(self, draft: Draft) -> Receipt:
        """Writes `draft` down, and returns when it is durable.

        Raises:
            LedgerError: it is not known to be written, and what it was for must not happen.
        """
        if len(self._waiting) >= _WAITING:
            raise LedgerError("too much waits to be written down", where=str(self._path), fix="try again")
        self._numbers += 1
        number, answer = self._numbers, asyncio.get_running_loop().create_future()
        line = draft_line(number, draft)
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(WITHIN_S):
                (await self._connected()).write(line)
                return parse_answer(await answer, draft)
        except (TimeoutError, OSError) as error:
            raise _down(self._path) from error
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """Hangs up."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None or self._writer.is_closing():
                reader, writer = await asyncio.open_unix_connection(sock=connect_to(self._path), limit=LINE_BYTES)
                self._writer = writer
                self._reading = asyncio.create_task(self._read(reader, writer))
            return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes answers in until the other end goes; who still waits then is told."""
        try:
            while line := await reader.readline():
                number, said = parse_number(line)
                answer = self._waiting.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(said)
        except (LedgerError, ValueError, ConnectionError):
            pass  # told below: whatever it says cannot be relied on any more
        finally:
            writer.close()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(_down(self._path))


class LedgerWriter:
    """Writes drafts down from any thread, one at a time, and blocks meanwhile: see `entry.Writer`.

    Args:
        path: the ledger's socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._numbers = 0

    def append(self, draft: Draft) -> Receipt:
        """See `entry.Writer`."""
        with self._lock:
            self._numbers += 1
            line = draft_line(self._numbers, draft)
            try:
                number, said = parse_number(self._ask(line))
            except OSError as error:
                self._hang_up()
                raise _down(self._path) from error
            if number != self._numbers:
                self._hang_up()
                raise LedgerError("the ledger's process answered something else", where=str(self._path))
            return parse_answer(said, draft)

    def close(self) -> None:
        """Hangs up."""
        with self._lock:
            self._hang_up()

    def _ask(self, line: bytes) -> bytes:
        if self._socket is None:
            self._socket = connect_to(self._path)
            self._socket.settimeout(WITHIN_S)
        self._socket.sendall(line)
        answer = b""
        while not answer.endswith(b"\n") and len(answer) < LINE_BYTES:
            received = self._socket.recv(LINE_BYTES)
            if not received:
                raise ConnectionResetError
            answer += received
        return answer

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _down(path: Path) -> LedgerError:
    return LedgerError(_DOWN, where=str(path), fix="look at the ledger's alarms: civicam status")
