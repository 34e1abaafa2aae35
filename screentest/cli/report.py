"""`screentest report`: a contact sheet of stored verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
from screentest.screening.models import Verdict
from screentest.screening.reasons import Language

app = typer.Typer(add_completion=False)


EXAMPLES = """
Examples:

  screentest report                                       the newest 1,000

  screentest report --verdict reject --since 2026-11-20   since that day

  screentest report s3://portraits/emo/ --limit 0 --lang ja --out emo.html

  screentest report --endpoint-url http://127.0.0.1:4566  of make up's stack

The pictures are inside the file: whoever gets it can see them.

Exit status: 0 written (even with nothing found), 2 it could not be written.
"""


@stack_command(app, epilog=EXAMPLES)
def report(
    *,
    access: Access,
    source: Source = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The HTML file to write.")] = Path(
        "build/report.html"
    ),
    verdict: Annotated[
        list[Verdict] | None,
        typer.Option(metavar="VERDICT", help="pass, reject or error; may be repeated.", show_default="all"),
    ] = None,
    code: Codes = None,
    model: Models = None,
    since: DecidedSince = None,
    until: DecidedUntil = None,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help="At most so many; 0 for all.")] = 1000,
    title: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Heading of the sheet.", show_default="what was asked")
    ] = None,
    lang: Annotated[
        Language | None,
        typer.Option(
            help="Language of reasons and advice; it can be switched in the sheet.",
            show_default="the browser's",
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Measure each picture once more on this machine, and draw what decided where that agrees.",
        ),
    ] = False,
    table: Annotated[
        str | None, typer.Option(metavar="NAME", help="Verdict table.", show_default="the stack's")
    ] = None,
    json_output: Json = False,
) -> None:
    """Write a contact sheet: pictures with boxes, verdicts, reasons and advice in one HTML file."""
    from screentest.reports.command import Target, run
    from screentest.verdicts.query import Question

    question = Question.of(
        source=source, verdicts=verdict or [], codes=code or [], models=model or [], since=since, until=until
    )
    target = Target(file=out, title=title, lang=lang, summary=json_output, explain=explain)
    run(access, question, target, limit=limit, table=table)
