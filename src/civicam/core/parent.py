"""Inside a child process: what its parent says, and how it is reported to (the other end of `child.py`)."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvloop

from civicam.core.errors import CivicamError

_LINE_BYTES = 1 << 20


class Parent:
    """Whoever started this process.

    Attributes:
        plan: the first line it said.
        stop: set when it wants this process no longer, or is gone.
    """

    def __init__(self, plan: str, reports: asyncio.WriteTransport) -> None:
        self.plan = plan
        self.stop = asyncio.Event()
        self._reports = reports

    def report(self, line: str) -> None:
        """Tells it something, unless it is gone or has not yet taken what it was told before."""
        if not self._reports.is_closing() and not self._reports.get_write_buffer_size():
            self._reports.write(line.encode() + b"\n")


@asynccontextmanager
async def parent() -> AsyncIterator[Parent]:
    """The parent, listened to on standard input until the block ends."""
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader(limit=_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    plan = (await commands.readline()).decode()
    reports, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout)
    one = Parent(plan, reports)
    waiting = asyncio.create_task(_until_end(commands, one.stop))
    try:
        yield one
    finally:
        waiting.cancel()


async def _until_end(commands: asyncio.StreamReader, stop: asyncio.Event) -> None:
    """Nothing more is to be said to this process; an end means that it is no longer wanted."""
    while await commands.readline():
        continue
    stop.set()


def run_child(name: str, main: Callable[[], Awaitable[None]]) -> None:
    """Runs `main` as this process: its errors go to standard error, and it ends with 1 after one.

    Args:
        name: what the process is called in the log.
        main: all that it does.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when; ^C reaches the whole group
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format=f"civicam {name}: %(message)s", stream=sys.stderr)

    async def run() -> None:
        await main()

    try:
        uvloop.run(run())
    except CivicamError as error:
        sys.stderr.write(f"civicam {name}: {error}\n")
        os._exit(1)
