"""`screentest doctor`: is everything in place for uploads to be screened?"""

from __future__ import annotations

from typing import Annotated

import typer

from screentest.aws import Access, AwsError
from screentest.cli.options import Json, Source, stack_command

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  screentest doctor                                 the stack named screentest

  screentest doctor --stack-name portraits --json   one line of JSON a finding

  screentest doctor --enable-eventbridge            for a bucket of yours

  screentest doctor --gates --sample 1000           do tags and table agree?

Exit status: 0 all is well (warnings allowed), 1 something has failed, 2 something could not be looked at.
"""


@stack_command(app, epilog=EXAMPLES)
def doctor(
    *,
    access: Access,
    enable_eventbridge: Annotated[
        bool,
        typer.Option(
            "--enable-eventbridge",
            help="Switch EventBridge on for the stack's ExistingBucketName, keeping its other notifications.",
        ),
    ] = False,
    gates: Annotated[
        bool,
        typer.Option(
            "--gates",
            help="Compare the tags of every current object, or of those under s3://BUCKET/PREFIX, with its records.",
        ),
    ] = False,
    source: Source = None,
    sample: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="With --gates: so many objects, drawn at random."),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="With --gates: have the screen function write wrong tags anew."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Carry out the plan without asking.")] = False,
    json_output: Json = False,
) -> int:
    """Check a deployed stack: identity, events, permissions, key, detector, table, alarms."""
    from screentest.doctor import command

    if not gates and (source or sample or repair):
        raise AwsError("an address, --sample and --repair go with --gates")
    if gates:
        return command.diagnose_gates(access, source, sample=sample, repair=repair, as_json=json_output)
    if enable_eventbridge:
        return command.enable_eventbridge(access, yes=yes)
    return command.diagnose(access, as_json=json_output)
