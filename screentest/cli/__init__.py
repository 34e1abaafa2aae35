"""The console script `screentest`: one module a command, imported when it is called."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMANDS = (
    "check",
    "serve",
    "rules",
    "compare",
    "up",
    "demo",
    "screen",
    "backfill",
    "verdicts",
    "report",
    "redrive",
    "doctor",
)

EXTRAS = {"boto3": "aws", "botocore": "aws", "aws_lambda_powertools": "aws", "samcli": "local"}
"""Which optional dependencies of `pyproject.toml` bring a package that some commands import."""

LOCAL = ("up", "demo")
"""Commands that need all of the extra `local`, whichever package is missed first."""


class LazyGroup(TyperGroup):
    """Imports a command's module on first use, so that `screentest check` does not pay for the local stack."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands in the order of the documentation."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - click's signature
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"screentest.cli.{cmd_name}")
        command = get_command(module.app)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Screens portraits before they drive a talking-head or dancing-figure video.",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"screentest {importlib.metadata.version('screentest')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Global options."""


def main() -> None:
    """Entry point of the console script."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:
        # What was to be printed is lost, and exit status 1 would say that pictures were rejected.
        sys.stdout = None  # or the interpreter tries once more
        typer.echo(f"error: the output cannot be written: {error.strerror or error}", err=True)
        sys.exit(2)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            traceback.print_exc()
        else:
            extra = "local" if sys.argv[1] in LOCAL else EXTRAS[package]
            typer.echo(f"error: this command needs {package}: pip install 'screentest[{extra}]'", err=True)
        sys.exit(2)
    except Exception:  # noqa: BLE001 - a defect: Python's exit status 1 would say that pictures were rejected
        traceback.print_exc()
        sys.exit(2)
