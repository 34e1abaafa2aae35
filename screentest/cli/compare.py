"""`screentest compare`: two files of verdicts side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from screentest.cli.options import FAILED, Json, exit_on_errors

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  screentest check portraits --model emo --json > old.jsonl

  screentest check portraits --model wan2.2-s2v --json > new.jsonl

  screentest compare old.jsonl new.jsonl --report build/changes

Exit status: 0 every verdict and code is the same, 1 some are not, 2 nothing could be compared.
"""


@app.command(epilog=EXAMPLES)
def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Verdicts of `screentest check --json`.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Verdicts on the same pictures.")],
    json_output: Json = False,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a contact sheet of the changed pictures here.")
    ] = None,
) -> None:
    """Compare verdicts of two detectors, versions or profiles over the same pictures."""
    from screentest.comparing import CompareError, run

    with exit_on_errors(CompareError, unread=FAILED):
        raise typer.Exit(run(old, new, json_output=json_output, report=report, out=sys.stdout))
