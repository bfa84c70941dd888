"""The ledger's one writer, at a Unix socket: what waits is written as one batch, and then everybody is told.

All of the disk's work is done on one thread, in order; the event loop only takes in and answers. What waits is bounded:
a client that asks for more is not read until there is room.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from civicam.core.clock import Clock
from civicam.core.errors import CivicamError, LedgerError
from civicam.core.unix_socket import listen_at, user_of
from civicam.ledger.checkpoint import Checkpoint
from civicam.ledger.entry import Draft, Receipt
from civicam.ledger.log import Log
from civicam.ledger.messages import LINE_BYTES, error_line, parse_draft, receipt_line
from civicam.ledger.note import Signature
from civicam.ledger.witness_client import RolledBackError, WitnessClient

INTEGRATE_EVERY_S: Final = 1.0
CONFIRM_EVERY_S: Final = 30.0
_BATCH: Final = 512
_WAITING: Final = 2048
_BACKLOG: Final = 64
_UNREAD_BYTES: Final = 1 << 20


class _Asked(NamedTuple):
    """A draft, and who waits for it."""

    number: int
    draft: Draft
    writer: asyncio.StreamWriter


class LedgerServer:
    """Writes what clients ask for.

    Args:
        log: opened for writing; closed by the caller.
        clock: the time.
        witnesses: sign what it says.

    Attributes:
        alarms: what an engineer must look at now, by what it is about.
    """

    def __init__(self, log: Log, clock: Clock, witnesses: Sequence[WitnessClient] = ()) -> None:
        self.alarms: dict[str, str] = {}
        self._witnesses = witnesses
        self._confirming = ThreadPoolExecutor(max(1, len(witnesses)), "witness")
        self._rolled_back: RolledBackError | None = None
        self._published: Checkpoint | None = None
        self._log = log
        self._clock = clock
        self._asked: asyncio.Queue[_Asked] = asyncio.Queue(_WAITING)
        self._disk = ThreadPoolExecutor(1, "ledger")
        self._clients: set[asyncio.StreamWriter] = set()

    async def run(self, path: Path) -> None:
        """Serves at `path` until cancelled.

        Raises:
            LedgerError: it cannot be listened there.
        """
        try:
            listening = listen_at(path, _BACKLOG)
        except OSError as error:
            raise LedgerError(f"the ledger's socket cannot be made: {error.strerror}", where=str(path)) from error
        server = await asyncio.start_unix_server(self._serve, sock=listening, limit=LINE_BYTES)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_writing())
                tasks.create_task(self._keep_integrating())
                if self._witnesses:
                    tasks.create_task(self._keep_confirming())
        finally:
            server.close()
            for client in self._clients:
                client.transport.abort()
            self._confirming.shutdown(wait=False, cancel_futures=True)
            self._disk.shutdown()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until it goes or says what cannot be understood."""
        self._clients.add(writer)
        try:
            if user_of(writer.get_extra_info("socket")) != os.geteuid():
                return
            while line := await reader.readline():
                number, draft = parse_draft(line)
                await self._asked.put(_Asked(number, draft, writer))
        except (LedgerError, ValueError, ConnectionError):  # ValueError: a line without an end
            return
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _keep_writing(self) -> None:
        while True:
            batch = [await self._asked.get()]
            while len(batch) < _BATCH and not self._asked.empty():
                batch.append(self._asked.get_nowait())
            await self._write(batch)

    async def _write(self, batch: list[_Asked]) -> None:
        """Writes a batch; where one draft cannot be written, each by itself, so that only that one is refused."""
        try:
            receipts = await self._append([one.draft for one in batch])
        except CivicamError as error:
            if len(batch) == 1:
                _answer(batch[0], error_line(batch[0].number, error))
                return
            for one in batch:
                await self._write([one])
        else:
            for one, receipt in zip(batch, receipts, strict=True):
                _answer(one, receipt_line(one.number, receipt))

    async def _append(self, drafts: list[Draft]) -> list[Receipt]:
        if self._rolled_back is not None:
            raise self._rolled_back
        try:
            receipts = await asyncio.get_running_loop().run_in_executor(
                self._disk, self._log.append, drafts, self._clock.wall_ns()
            )
        except LedgerError as error:
            self.alarms["write"] = str(error)
            raise
        self.alarms.pop("write", None)
        return receipts

    async def _keep_integrating(self) -> None:
        while True:
            await self._clock.sleep(INTEGRATE_EVERY_S)
            await self.integrate()

    async def integrate(self) -> None:
        """Puts what is durable into tiles, and publishes it unless witnesses are to sign it first."""
        await self._on_disk("tiles", self._log.integrate)
        if not self._witnesses:
            await self._on_disk("publish", self._publish_newest)

    def _publish_newest(self) -> None:
        if self._published != self._log.checkpoint:
            self._log.publish(self._log.note())
            self._published = self._log.checkpoint

    async def _keep_confirming(self) -> None:
        """Asks at once, so that a ledger from an old backup is found before much is written to it."""
        while True:
            await self.confirm()
            await self._clock.sleep(CONFIRM_EVERY_S)

    async def confirm(self) -> None:
        """Has the newest checkpoint signed by all witnesses at the same time; one that does not is an alarm."""
        loop = asyncio.get_running_loop()
        await self.integrate()
        # On the disk's thread, so that both are of one tree.
        note, reader = await loop.run_in_executor(self._disk, lambda: (self._log.note(), self._log.reader()))
        asked = [loop.run_in_executor(self._confirming, one.sign, note, reader) for one in self._witnesses]
        signatures = []
        for witness, result in zip(self._witnesses, await asyncio.gather(*asked, return_exceptions=True), strict=True):
            name = f"witness {witness.key.name}"
            if isinstance(result, Signature):
                signatures.append(result)
                self.alarms.pop(name, None)
            elif isinstance(result, CivicamError):
                self.alarms[name] = str(result)
                if isinstance(result, RolledBackError):
                    self._rolled_back = result
            else:
                raise result
        await self._on_disk("publish", lambda: self._log.publish(note.with_signatures(signatures)))

    async def _on_disk(self, what: str, work: Callable[[], object]) -> None:
        """Has something written; what fails is an alarm until it goes well."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._disk, work)
        except LedgerError as error:
            self.alarms[what] = str(error)
        else:
            self.alarms.pop(what, None)


def _answer(asked: _Asked, line: bytes) -> None:
    """Tells a client, unless it is gone or takes nothing: its draft is written either way."""
    transport = asked.writer.transport
    if transport.is_closing():
        return
    if transport.get_write_buffer_size() > _UNREAD_BYTES:
        transport.abort()
        return
    asked.writer.write(line)
