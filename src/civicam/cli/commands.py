"""All commands, put together."""

import inspect

import typer

from civicam.cli import (
    access,
    camera,
    check,
    city,
    demo,
    footage,
    hold,
    init,
    ledger,
    person,
    run,
    status,
    verify,
    witness,
)

_HELP = """The camera system of a whole city: records everything, exposes nobody.

A city lives in one folder (--data, or the environment variable CIVICAM_DATA). In this order:

  civicam init --name "Khujand"
  civicam camera add rudaki-07 rtsp://10.0.3.7/stream1 --purpose "junction Rudaki / Somoni"
  civicam run
  civicam status
  civicam check --deep

To see it all with a simulated city first: civicam demo
"""


def build() -> typer.Typer:
    """The command line."""
    app = typer.Typer(
        name="civicam",
        help=_marked(_HELP),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command("init")(init.init)
    app.add_typer(camera.app, name="camera")
    app.command("run")(run.run)
    app.command("status")(status.status)
    app.command("check")(check.check)
    app.add_typer(footage.app, name="footage")
    app.add_typer(hold.app, name="hold")
    app.add_typer(person.app, name="person")
    app.add_typer(access.app, name="access")
    app.add_typer(ledger.app, name="ledger")
    app.command("witness")(witness.witness)
    app.command("verify")(verify.verify)
    app.command("city")(city.city)
    app.command("demo")(demo.demo)
    _keep_examples(app)
    return app


def _keep_examples(app: typer.Typer) -> None:
    """Has the lines of an indented paragraph printed as they are, and not filled like prose."""
    for group in app.registered_groups:
        if group.typer_instance is not None:
            _keep_examples(group.typer_instance)
    for command in app.registered_commands:
        command.help = _marked(inspect.getdoc(command.callback) or "")


def _marked(text: str) -> str:
    paragraphs = text.split("\n\n")
    return "\n\n".join(f"\b\n{part}" if part.startswith("  ") else part for part in paragraphs)
