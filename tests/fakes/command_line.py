"""The command line as a person uses it, without a process of its own."""

from typing import NamedTuple

from typer.testing import CliRunner

from civicam.cli.commands import build
from civicam.core.errors import CivicamError


class Said(NamedTuple):
    """What a command answered.

    Attributes:
        status: its exit status.
        text: its output, and its error if it told one.
    """

    status: int
    text: str


def civicam(*arguments: str, stdin: str = "", environment: dict[str, str] | None = None) -> Said:
    """Runs `civicam`. What is no error of the error tree is a fault of the command, and raised."""
    result = CliRunner().invoke(build(), list(arguments), input=stdin, env=environment)
    if isinstance(result.exception, CivicamError):
        return Said(2, f"{result.output}{result.exception}")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.output)
