"""What `screentest doctor` does."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable

import typer

from screentest.aws import Access, AwsError, as_aws_errors
from screentest.display import printable
from screentest.doctor.checks import Finding, State, run_checks
from screentest.doctor.eventbridge import apply, plan
from screentest.doctor.gates import run_gates

STYLES = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "bold red", State.UNKNOWN: "magenta"}
UNHEALTHY, INCONCLUSIVE = 1, 2


def diagnose(access: Access, *, as_json: bool) -> int:
    """Print every finding; the exit status.

    Raises:
        AwsError: there is no such stack.
    """
    return _conclusion(run_checks(access), as_json=as_json)


def diagnose_gates(
    access: Access, source: str | None, *, sample: int | None, repair: bool, as_json: bool
) -> int:
    """Print every object whose tags are not what its records say; the exit status.

    Raises:
        AwsError: there is no such stack, or it cannot be looked at.
    """
    return _conclusion(run_gates(access, source, sample=sample, repair=repair), as_json=as_json)


def _conclusion(made: Iterable[Finding], *, as_json: bool) -> int:
    findings = []
    for finding in made:
        findings.append(finding)
        if as_json:
            typer.echo(json.dumps(dataclasses.asdict(finding)))
    if not as_json:
        show(findings)
    states = {finding.state for finding in findings}
    return UNHEALTHY if State.FAILED in states else INCONCLUSIVE if State.UNKNOWN in states else 0


def show(findings: list[Finding]) -> None:
    """The findings as a table that fits the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", max_width=24)
    table.add_column(overflow="fold")
    for finding in findings:
        text = Text(printable(finding.detail))
        if finding.advice:
            text.append("\n→ " + printable(finding.advice), style="dim")
        table.add_row(Text(finding.state, style=STYLES[finding.state]), finding.check, text)
    Console(highlight=False).print(table)


def _is_our_gone_queue(access: Access, arn: str) -> bool:
    """Whether CloudFormation named this queue for this stack, and it does not exist any more."""
    name = arn.rpartition(":")[2]
    if not name.startswith(f"{access.stack_name}-ScreenQueue-"):
        return False
    sqs = access.client("sqs")
    with as_aws_errors(f"look for the queue {name}", needs="sqs:GetQueueUrl"):
        try:
            sqs.get_queue_url(QueueName=name)
        except sqs.exceptions.QueueDoesNotExist:
            return True
    return False


def enable_eventbridge(access: Access, *, yes: bool, confirm: Callable[[str], bool] | None = None) -> int:
    """Show the plan for the existing bucket, ask, and carry it out; the exit status.

    Raises:
        AwsError: the stack screens no existing bucket, or the change cannot be made.
    """
    name = access.stack.parameters.get("ExistingBucketName", "")
    if not name:
        raise AwsError(
            f"the stack {access.stack_name} has a bucket of its own, which needs no EventBridge; "
            "deploy with ExistingBucketName to screen another one"
        )
    with as_aws_errors("find out who you are"):
        account = access.client("sts").get_caller_identity()["Account"]
    change = plan(access.client("s3"), name, account, is_gone=lambda arn: _is_our_gone_queue(access, arn))
    for line in change.lines():
        typer.echo(printable(line))
    if not change.needed:
        typer.echo("Nothing to do.")
        return 0
    if not yes:
        if confirm is None and not sys.stdin.isatty():
            raise AwsError("nothing was written: answer on a terminal, or add --yes")
        if not (confirm or typer.confirm)("Write this?"):
            typer.echo("Nothing was written.")
            return INCONCLUSIVE
    apply(access.client("s3"), change)
    typer.echo("Done. New uploads are screened from now on; for earlier ones: screentest backfill.")
    return 0
