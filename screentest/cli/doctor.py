"""`screentest doctor`: is everything in place for uploads to be screened?"""

from __future__ import annotations

from typing import Annotated

import typer

from screentest.cli.options import EndpointUrl, Json, Profile, Region, StackName, exit_on_errors

app = typer.Typer(add_completion=False)

EXAMPLES = """
Examples:

  screentest doctor                                         the stack named screentest

  screentest doctor --stack-name portraits --json           one line of JSON a finding

  screentest doctor --enable-eventbridge                    for an existing bucket: shows its plan, and asks

Exit status: 0 all is well (warnings allowed), 1 something has failed, 2 something could not be looked at.
"""


@app.command(epilog=EXAMPLES)
def doctor(
    enable_eventbridge: Annotated[
        bool,
        typer.Option(
            "--enable-eventbridge",
            help="Switch EventBridge on for the stack's ExistingBucketName, keeping its other notifications.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Carry out the plan without asking.")] = False,
    json_output: Json = False,
    profile: Profile = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    stack_name: StackName = "screentest",
) -> None:
    """Check a deployed stack: identity, events, permissions, key, detector, table, alarms."""
    from screentest.aws import Access
    from screentest.doctor import command

    access = Access(profile, region, endpoint_url, stack_name)
    with exit_on_errors():
        if enable_eventbridge:
            raise typer.Exit(command.enable_eventbridge(access, yes=yes))
        raise typer.Exit(command.diagnose(access, as_json=json_output))
