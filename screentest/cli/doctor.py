"""`screentest doctor`: is everything in place for uploads to be screened?"""

from __future__ import annotations

from typing import Annotated

import typer

from screentest.aws import Access
from screentest.cli.options import Json, stack_command

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  screentest doctor                                         the stack named screentest

  screentest doctor --stack-name portraits --json           one line of JSON a finding

  screentest doctor --enable-eventbridge                    for an existing bucket: shows its plan, and asks

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
    yes: Annotated[bool, typer.Option("--yes", help="Carry out the plan without asking.")] = False,
    json_output: Json = False,
) -> int:
    """Check a deployed stack: identity, events, permissions, key, detector, table, alarms."""
    from screentest.doctor import command

    if enable_eventbridge:
        return command.enable_eventbridge(access, yes=yes)
    return command.diagnose(access, as_json=json_output)
