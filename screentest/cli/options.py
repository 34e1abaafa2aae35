"""Options that the commands which talk to AWS share, named as the AWS command line names them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from screentest.aws import Access, AwsError

AWS_PANEL = "AWS"


class Lang(StrEnum):
    """The languages of reasons and advice."""

    EN = "en"
    ZH = "zh"
    JA = "ja"


DecodeLimit = Annotated[
    int | None,
    typer.Option(
        min=64,
        metavar="MB",
        show_default="check: decode in this process; serve: 768",
        help="Decode in a process of its own for each worker, which may take so much memory for a picture. One that "
        "needs more, or 20 seconds (serve: 5), is unreadable; 768 is enough for every legal picture. Linux only.",
    ),
]

DetectorProfile = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        metavar="FILE",
        help="A detector of your own: a TOML or JSON file, or the name of a ready-made one. May be repeated.",
    ),
]

STACK_OPTIONS = {
    "profile": Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Profile of ~/.aws/config.", envvar="AWS_PROFILE", rich_help_panel=AWS_PANEL
        ),
    ],
    "region": Annotated[
        str | None,
        typer.Option(
            metavar="REGION", help="AWS region.", show_default="as configured", rich_help_panel=AWS_PANEL
        ),
    ],
    "endpoint_url": Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Another AWS than the real one: the first address that make up prints.",
            envvar="AWS_ENDPOINT_URL",
            rich_help_panel=AWS_PANEL,
        ),
    ],
    "stack_name": Annotated[
        str, typer.Option(metavar="NAME", help="Name of the deployed stack.", rich_help_panel=AWS_PANEL)
    ],
}
"""What every command for a deployed stack can be told, by the names that `Access` has for it."""

DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]

# Which verdicts: one meaning for every command that asks the table.
Source = Annotated[
    str | None,
    typer.Argument(metavar="s3://BUCKET/KEY", help="An object, or a prefix of objects.", show_default=False),
]
Codes = Annotated[
    list[str] | None,
    typer.Option(metavar="CODE", help="A code, or its beginning as in 'InvalidFile.'; may be repeated."),
]
Models = Annotated[list[str] | None, typer.Option(metavar="MODEL", help="May be repeated.")]
DecidedSince = Annotated[
    datetime | None, typer.Option(formats=DATES, metavar="DATE", help="Decided at or after this (UTC).")
]
DecidedUntil = Annotated[
    datetime | None, typer.Option(formats=DATES, metavar="DATE", help="Decided before this (UTC).")
]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, and nothing else there.")]

FAILED = 2


@contextmanager
def exit_on_errors() -> Iterator[None]:
    """End a command on the errors that its operator can mend: one line on standard error, exit status 2."""
    try:
        yield
    except AwsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from error
    except BrokenPipeError:
        # Whoever read our output has seen enough; closing it now keeps the interpreter from complaining.
        sys.stderr.close()
        raise typer.Exit(0) from None


def stack_command(app: typer.Typer, *, epilog: str) -> Callable[[Callable[..., int | None]], None]:
    """Register a command for a deployed stack: its own options, then `STACK_OPTIONS`.

    The function takes `access` in place of these, and returns the exit status; nothing is 0.
    """

    def register(function: Callable[..., int | None]) -> None:
        own = inspect.signature(function, eval_str=True)
        parameters = [each for each in own.parameters.values() if each.name != "access"]
        parameters += [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=annotation,
                default="screentest" if name == "stack_name" else None,
            )
            for name, annotation in STACK_OPTIONS.items()
        ]

        def command(**given: Any) -> None:
            access = Access(**{name: given.pop(name) for name in STACK_OPTIONS})
            with exit_on_errors():
                status = function(access=access, **given)
            raise typer.Exit(status or 0)

        command.__name__, command.__doc__ = function.__name__, function.__doc__
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        command.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined] # read by inspect
        app.command(epilog=epilog)(command)

    return register
