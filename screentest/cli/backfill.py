"""`screentest backfill`: screens what is already in a bucket."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from screentest.aws import Access
from screentest.cli.options import DATES, Json, stack_command
from screentest.screening.models import Reason

app = typer.Typer(add_completion=False)

JOB_PANEL = "A job that was started before"


EXAMPLES = """
Examples:

  screentest backfill s3://portraits/emo/ --dry-run

  screentest backfill s3://portraits/ --suffix .jpg --since 2026-01-01

  screentest backfill s3://portraits/ --only error --only outdated

  screentest backfill s3://portraits/ --only reject --code InvalidURL

  screentest backfill --status JOB        (also --pause, --resume, --cancel)

A run that was killed goes on where it stopped when the same command is given again.

Exit status: 0 done, 1 some could not be screened, 2 it could not be done, 130 interrupted.
"""


@stack_command(app, epilog=EXAMPLES)
def backfill(
    *,
    access: Access,
    source: Annotated[
        str | None,
        typer.Argument(metavar="s3://BUCKET/PREFIX", help="What to screen.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count, and estimate time and cost; change nothing.")
    ] = False,
    suffix: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Only keys that end so; may be repeated.")
    ] = None,
    min_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Only objects of at least this size, as 10KB or 2MB.")
    ] = None,
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Only objects up to this size.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=DATES, metavar="DATE", help="Only objects stored at or after this time (UTC)."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=DATES, metavar="DATE", help="Only objects stored before this time (UTC)."),
    ] = None,
    only: Annotated[
        list[Reason] | None,
        typer.Option(
            metavar="REASON",
            help="new: no verdict yet; outdated: decided by older rules; error: could not be judged; reject: "
            "rejected, to be judged again; overdue: of what is new, uploads whose message is lost, old versions "
            "too, without listing the bucket. May be repeated.",
            show_default="all but reject",
        ),
    ] = None,
    code: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODE",
            help="With --only error or reject: this code only, or all that begin so when it ends with a full "
            "stop; may be repeated.",
        ),
    ] = None,
    engine: Annotated[
        Literal["batch-operations", "queue"] | None,
        typer.Option(
            metavar="ENGINE",
            help="batch-operations: an S3 Batch Operations job; queue: listing into the backfill queue.",
            show_default="batch-operations on AWS, queue elsewhere",
        ),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Queue: objects a second at most.", show_default="400"),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Stay and show progress until all is screened.")
    ] = True,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew instead of going on where a run stopped.")
    ] = False,
    status: Annotated[
        str | None, typer.Option(metavar="JOB", help="Show it.", rich_help_panel=JOB_PANEL)
    ] = None,
    pause: Annotated[
        str | None,
        typer.Option(metavar="JOB", help="Stop listing and screening, keep all.", rich_help_panel=JOB_PANEL),
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="JOB", help="Go on.", rich_help_panel=JOB_PANEL)
    ] = None,
    cancel: Annotated[
        str | None,
        typer.Option(metavar="JOB", help="Stop, and empty the backfill queue.", rich_help_panel=JOB_PANEL),
    ] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="SCREENTEST_STATE_DIR",
            metavar="DIR",
            help="Where jobs of the queue engine are remembered.",
            show_default="the user's configuration folder",
        ),
    ] = None,
    json_output: Json = False,
) -> int:
    """Screen what is already in a bucket, without making live uploads wait."""
    from screentest.backfill.command import Options, run
    from screentest.backfill.queue import RATE
    from screentest.backfill.selection import Selection

    selection = None
    if source:
        selection = Selection.of(
            source,
            suffixes=suffix or [],
            min_size=min_size,
            max_size=max_size,
            since=since,
            until=until,
            only=only or [],
            codes=code or [],
        )
    options = Options(
        state_dir=state_dir or Path(typer.get_app_dir("screentest")) / "backfill",
        dry_run=dry_run,
        engine=engine,
        rate=rate or RATE,
        wait=wait,
        restart=restart,
        json_output=json_output,
    )
    actions = {"status": status, "pause": pause, "resume": resume, "cancel": cancel}
    return run(access, selection, actions, options)  # type: ignore[arg-type] # keys as `Action` has them
