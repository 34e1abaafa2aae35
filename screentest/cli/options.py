"""Options that the commands which talk to AWS share, named as the AWS command line names them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields
from datetime import datetime
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints

import typer

from screentest.aws import Access, AwsError

S = TypeVar("S")

AWS_PANEL = "AWS"


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

DETECTOR_PROFILE = typer.Option(
    "--profile",
    metavar="FILE",
    help="A detector of your own: a TOML or JSON file, or the name of a ready-made one. May be repeated.",
)

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
"""Options of every command for a deployed stack, by the names that `Access` has for it."""

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
def exit_on_errors(
    errors: type[Exception] | tuple[type[Exception], ...] = AwsError, *, unread: int = 0
) -> Iterator[None]:
    """End a command on the errors that its operator can mend: one line on standard error, exit status 2.

    Args:
        errors: these.
        unread: exit status where nobody reads the output to its end.
    """
    try:
        yield
    except errors as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from error
    except BrokenPipeError:
        # Its reader has seen enough; closing it now keeps the interpreter from complaining.
        sys.stderr.close()
        raise typer.Exit(unread) from None


def stack_command(app: typer.Typer, *, epilog: str) -> Callable[[Callable[..., int | None]], None]:
    """Register a command for a deployed stack: its own options, then `STACK_OPTIONS`.

    The function takes `access` in place of these, and returns the exit status; nothing is 0.
    """

    def register(function: Callable[..., int | None]) -> None:
        own = inspect.signature(function, eval_str=True)
        parameters = [each for each in own.parameters.values() if each.name != "access"]
        parameters += [
            _parameter(name, annotation, "screentest" if name == "stack_name" else None)
            for name, annotation in STACK_OPTIONS.items()
        ]

        def run(**given: Any) -> int | None:
            access = Access(**{name: given.pop(name) for name in STACK_OPTIONS})
            with exit_on_errors():
                return function(access=access, **given)

        _register(app, function, parameters, run, epilog)

    return register


def settings_command(
    app: typer.Typer, settings: type[S], errors: type[Exception], *, epilog: str
) -> Callable[[Callable[[S], int | None]], None]:
    """Register a command whose options are the fields of a dataclass that are annotated for typer.

    The function takes the dataclass and returns the exit status; nothing is 0.

    Args:
        errors: what ends the command with one line and exit status 2, raised by the dataclass or the function.
    """

    def register(function: Callable[[S], int | None]) -> None:
        hints = get_type_hints(settings, include_extras=True)
        parameters = [
            _parameter(each.name, hints[each.name], _default(each))
            for each in fields(settings)  # type: ignore[arg-type]  # no bound says dataclass
            if get_origin(hints[each.name]) is Annotated
        ]

        def run(**given: Any) -> int | None:
            with exit_on_errors(errors, unread=FAILED):
                return function(settings(**given))

        _register(app, function, parameters, run, epilog)

    return register


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is MISSING else field.default


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _register(
    app: typer.Typer,
    function: Callable[..., Any],
    parameters: list[inspect.Parameter],
    run: Callable[..., int | None],
    epilog: str,
) -> None:
    """Register `run` under the name and with the help of `function`."""

    def command(**given: Any) -> None:
        raise typer.Exit(run(**given) or 0)

    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # read by inspect
    app.command(epilog=epilog)(command)
