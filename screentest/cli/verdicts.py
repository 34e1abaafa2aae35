"""`screentest verdicts`: asks the table of verdicts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import typer

from screentest.aws import Access
from screentest.cli.options import (
    Codes,
    DecidedSince,
    DecidedUntil,
    Json,
    Models,
    Source,
    stack_command,
)

app = typer.Typer(add_completion=False)


class Verdict(StrEnum):
    """What a screening ended with; `pending` has not ended yet."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    REJECT = "reject"
    ERROR = "error"
    PENDING = "pending"


EXAMPLES = """
Examples:

  screentest verdicts                                       the newest

  screentest verdicts s3://portraits/emo/1x1/ann.jpg        one object

  screentest verdicts --verdict reject --since 2026-11-20   by the index

  screentest verdicts --code InvalidFile.NoHuman --format csv > no-human.csv

  screentest verdicts s3://portraits/emo/ --json            reads it all

Exit status: 0 answered (even with nothing found), 2 it could not be answered.
"""


@stack_command(app, epilog=EXAMPLES)
def verdicts(
    *,
    access: Access,
    source: Source = None,
    verdict: Annotated[
        list[Verdict] | None,
        typer.Option(
            metavar="VERDICT", help="pass, reject, error or pending; may be repeated.", show_default="all"
        ),
    ] = None,
    code: Codes = None,
    model: Models = None,
    since: DecidedSince = None,
    until: DecidedUntil = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="At most so many; 0 for all.", show_default="100, 0 with JSON and CSV"
        ),
    ] = None,
    output: Annotated[
        Literal["table", "json", "csv"],
        typer.Option(
            "--format", help="JSON is one line a verdict: the item of the table, its title and advice."
        ),
    ] = "table",
    table: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="This table instead of the stack's.", show_default=False),
    ] = None,
    json_output: Json = False,
) -> None:
    """Show verdicts: by object, prefix, verdict, code, model or time."""
    from screentest.verdicts.command import run
    from screentest.verdicts.query import Question

    question = Question.of(
        source=source, verdicts=verdict or [], codes=code or [], models=model or [], since=since, until=until
    )
    run(access, question, limit=limit, output="json" if json_output else output, table=table)
