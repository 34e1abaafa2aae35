"""`screentest redrive`: puts dead letters back when their cause is mended."""

from __future__ import annotations

from typing import Annotated

import typer

from screentest.aws import Access
from screentest.cli.options import Json, stack_command

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  screentest redrive                                   what is there, and why

  screentest redrive --code InvalidApiKey --apply      put those back

  screentest redrive --prefix emo/ --older-than 2h --apply

A message is sent before it is deleted: interrupted at any moment, it is in at least one of the queues.

Exit status: 0 done, 1 some could not be put back, 2 it could not be done.
"""


@stack_command(app, epilog=EXAMPLES)
def redrive(
    *,
    access: Access,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run/--apply", help="Show what would be put back; or do it."),
    ] = True,
    code: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Only what ended with this code; may be repeated."),
    ] = None,
    bucket: Annotated[str | None, typer.Option(metavar="BUCKET", help="Only objects of this bucket.")] = None,
    prefix: Annotated[str | None, typer.Option(metavar="PREFIX", help="Only keys that begin so.")] = None,
    older_than: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Only messages first sent so long ago, as 30m, 2h or 3d."),
    ] = None,
    newer_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Only messages first sent since then.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many messages.")] = None,
    json_output: Json = False,
) -> int:
    """Put dead letters back into their queues. Shows what it would do unless told to --apply."""
    from screentest.redrive.command import run
    from screentest.redrive.dead_letters import Filters

    filters = Filters.since_now(
        codes=code or [], bucket=bucket, prefix=prefix, older_than=older_than, newer_than=newer_than
    )
    return run(access, filters, limit=limit, dry_run=dry_run, json_output=json_output)
