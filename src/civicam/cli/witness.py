"""`civicam witness`: confirms other cities' ledgers, so that none of them can show two people two versions."""
# ruff: noqa: PLC0415 - commands import what they need when they run, so that --help is quick

from pathlib import Path
from typing import Annotated

import typer

from civicam.cli.console import say


def witness(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where its key is, and what it signed; made anew.")],
    *,
    name: Annotated[str, typer.Option(help="What it is known by, such as a domain of yours; kept with its key.")] = "",
    log: Annotated[
        list[str] | None, typer.Option(help="A ledger's public key (civicam ledger key); once for each.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The TCP port; 0 takes a free one.")] = 9466,
) -> None:
    """Sign the checkpoints of other cities' ledgers, each only if it extends what was signed before.

    Prints the public key, which the other city writes into its settings as a [[witness]], and serves until ^C.

    Example: civicam witness my-witness --name witness.khujand.example --log civicam/dushanbe+0123abcd+AbCd...
    """
    import asyncio
    import signal

    import uvloop

    from civicam.core.clock import SystemClock
    from civicam.core.errors import ConfigError
    from civicam.ledger.note import VerifierKey
    from civicam.ledger.witness import Witness, load_witness_key
    from civicam.web.server import WebServer, address_of, listen
    from civicam.web.witness import witness_app

    logs = [VerifierKey.parse(text) for text in log or []]
    if not logs:
        raise ConfigError("a witness signs for some ledger", fix="say which: --log NAME+ID+KEY")
    signer = load_witness_key(folder, name)
    say(str(signer.verifier))

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        with listen(host, port) as listening:
            say(f"asked at {address_of(listening)}add-checkpoint, for {', '.join(key.name for key in logs)}")
            await WebServer(witness_app(Witness(folder, signer, logs), SystemClock())).run_until(stop, listening)

    uvloop.run(serve())
