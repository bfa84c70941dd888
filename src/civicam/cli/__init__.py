"""The command line. Commands import what they need when they run, so that `civicam --help` answers at once."""

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs `civicam` with `arguments`, by default those of this process, and exits.

    Exit status: 0 all is well, 1 a check found problems, 2 it could not be done; errors are one message on stderr.
    """
    from civicam.cli.commands import build  # noqa: PLC0415 - typer only where a command line is run
    from civicam.core.errors import CivicamError  # noqa: PLC0415

    try:
        try:
            build()(list(arguments) if arguments is not None else None)
        except BaseExceptionGroup as group:
            raise _single(group) from None
    except CivicamError as error:
        sys.stderr.write(f"civicam: {error}\n")
        sys.exit(2)
    except BrokenPipeError:
        # Whoever read the output has seen enough (`| head`); nothing must be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _single(error: BaseException) -> BaseException:
    """What one task of a group raised, rather than the group; a group of several as it is."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
