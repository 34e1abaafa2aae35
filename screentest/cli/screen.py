"""`screentest screen`: judges one object of the stack now."""

from __future__ import annotations

from typing import Annotated

import typer

from screentest.aws import Access
from screentest.cli.options import Json, stack_command

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  screentest screen s3://portraits/emo/1x1/ann.jpg          in words

  screentest screen s3://portraits/emo/1x1/ann.jpg --json   items of the table

A verdict that stands is printed, not made anew. For that:

  screentest backfill s3://portraits/emo/1x1/ann.jpg --only outdated

Exit status: 0 all pass, 1 some rejected, 2 it could not be judged.
"""


@stack_command(app, epilog=EXAMPLES)
def screen(
    *,
    access: Access,
    address: Annotated[str, typer.Argument(metavar="s3://BUCKET/KEY", help="The object.")],
    json_output: Json = False,
) -> int:
    """Judge one object of the stack now, and print its record."""
    from screentest.verdicts.screening import run

    return run(access, address, json_output=json_output)
