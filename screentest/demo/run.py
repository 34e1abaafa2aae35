"""The demo: uploads through S3, the deployed function does the rest, and what came of it is shown and checked."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from screentest.demo import pictures
from screentest.demo.cases import CASES, EMO, Case, cases_of
from screentest.detection.models import BUILT_IN
from screentest.display import VERDICT_STYLES, counted
from screentest.reports import ContactSheet, ReportEntry, annotate
from screentest.reports.measuring import measure
from screentest.reports.strip import draw_strip
from screentest.screening.models import Verdict
from screentest.screening.records import Record, Result
from screentest.screening.table import decode
from screentest.stack import LocalStack

POLL_SECONDS = 0.2
TIMEOUT_SECONDS = 60.0  # without any new verdict

SHORT_MODELS = {model.name: model.short for model in BUILT_IN}

STRIP = tuple((name, EMO, "1:1") for name in ("waist_up", "tilted", "masked", "too_dark"))
"""One face side by side: passing, tilted, masked, dark."""


class DemoError(Exception):
    """The demo cannot run; the message says what to do."""


@dataclass
class Outcome:
    """What came of one upload.

    Attributes:
        case: the upload.
        version: its S3 version.
        record: the decided record, once there.
        notified: whether the failure topic announced it.
        logged: whether the function's log names it.
    """

    case: Case
    version: str | None
    record: Record | None = None
    notified: bool = False
    logged: bool = False

    @property
    def right(self) -> bool:
        """Whether the verdict is the one written down beforehand; where none was, whether there is one."""
        if self.result is None:
            return False
        if self.case.expected is None:
            return self.result.verdict is not Verdict.ERROR
        return (self.result.code or self.result.verdict) == self.case.expected

    @property
    def must_be_notified(self) -> bool:
        """Whether a message on the failure topic is due."""
        return self.result is not None and self.result.verdict is not Verdict.PASS

    @property
    def result(self) -> Result | None:
        """The verdict, once there."""
        return self.record.result if self.record is not None else None


@dataclass
class Board:
    """All uploads by object key, and their table."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def decided(self) -> int:
        """How many have a verdict."""
        return sum(outcome.record is not None for outcome in self.outcomes.values())

    def table(self) -> Table:
        """The verdicts so far, in the order of upload."""
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for name in ("picture", "model", "ratio", "verdict", "code", "boxes"):
            table.add_column(name, overflow="fold")
        table.add_column("ms", justify="right", no_wrap=True)
        for outcome in self.outcomes.values():
            if outcome.result is not None:
                table.add_row(*self._cells(outcome, outcome.result))
        return table

    @staticmethod
    def _cells(outcome: Outcome, result: Result) -> Iterator[str]:
        case = outcome.case
        yield escape(case.name)
        yield SHORT_MODELS.get(case.model, case.model)
        yield case.ratio or "-"
        yield f"[{VERDICT_STYLES[result.verdict]}]{result.verdict}[/]"
        wrong = "" if outcome.right else f"\n[red]not {short(case.expected or 'error')}[/]"
        yield escape(short(result.code or "")) + wrong
        boxes = [" ".join(map(str, box)) for box in (result.face_bbox, result.ext_bbox) if box]
        yield "\n".join(boxes) or result.body_style or ""
        yield str(result.latency_ms) if result.latency_ms is not None else ""


def short(code: str) -> str:
    """A code without the family that most share."""
    return code.removeprefix("InvalidFile.")


def read_records(stack: LocalStack) -> Iterator[Record]:
    """Every decided record of the verdict table."""
    pages = (
        stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.outputs["VerdictTableName"])
    )
    for page in pages:
        for item in page["Items"]:
            record = Record.from_item(decode(item))
            if record.is_decided:
                yield record


def subscribe(stack: LocalStack) -> str:
    """The URL of a new queue subscribed to the failure topic."""
    sqs, topic = stack.client("sqs"), stack.outputs["FailureTopicArn"]
    url: str = sqs.create_queue(QueueName="screentest-demo")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    stack.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
    )
    return url


def collect_notifications(stack: LocalStack, queue: str, board: Board) -> None:
    """Mark every upload whose message is in the queue by now."""
    sqs = stack.client("sqs")
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            outcome = board.outcomes.get(json.loads(message["Body"])["key"])
            if outcome:
                outcome.notified = True
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def await_log(stack: LocalStack, board: Board) -> None:
    """Mark every upload that the deployed function's log names; lines arrive when an invocation has ended."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < until:
        read_log(stack, board)
        if all(outcome.logged for outcome in board.outcomes.values() if outcome.record is not None):
            return
        time.sleep(POLL_SECONDS)


def read_log(stack: LocalStack, board: Board) -> None:
    """Mark every upload that the log names by now."""
    for line in stack.logs():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        screening = record.get("screening") if isinstance(record, dict) else None
        outcome = board.outcomes.get(screening.get("key", "")) if isinstance(screening, dict) else None
        if outcome:
            outcome.logged = True


def data(case: Case) -> bytes:
    """The bytes to upload."""
    path = Path(case.picture)
    return path.read_bytes() if path.is_absolute() else pictures.data(case.picture)


def upload(stack: LocalStack, cases: Iterable[Case]) -> Board:
    """Put every case into the upload bucket."""
    s3, bucket = stack.client("s3"), stack.outputs["UploadBucketName"]
    board = Board()
    for case in cases:
        put = s3.put_object(Bucket=bucket, Key=case.key, Body=data(case), ContentType="image/jpeg")
        board.outcomes[case.key] = Outcome(case, put.get("VersionId"))
    return board


def follow(stack: LocalStack, board: Board, queue: str, console: Console) -> None:
    """Show verdicts as they arrive, until all are there or none has come for long."""
    total = len(board.outcomes)
    progress = Progress(
        TextColumn("screening"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    task = progress.add_task("", total=total)
    quiet_since = time.monotonic()
    with Live(progress, console=console, refresh_per_second=8, transient=True) as live:
        while time.monotonic() - quiet_since < TIMEOUT_SECONDS:
            before = board.decided
            for record in read_records(stack):
                outcome = board.outcomes.get(record.ref.key)
                if outcome and record.ref.version_id == outcome.version:
                    outcome.record = record
            collect_notifications(stack, queue, board)
            if board.decided > before:
                quiet_since = time.monotonic()
            progress.update(task, completed=board.decided)
            live.update(Group(board.table(), progress))
            notified = all(each.notified for each in board.outcomes.values() if each.must_be_notified)
            if board.decided == total and notified:
                break
            stack.aws.check()
            time.sleep(POLL_SECONDS)
    console.print(board.table())


def write_report(board: Board, out: Path) -> Path:
    """Annotated pictures and one self-contained page; returns the page."""
    for old in out.glob("*.jpg") if out.is_dir() else ():
        old.unlink()
    page = out / "index.html"
    strips: list[ReportEntry | None] = [None] * len(STRIP)
    with ContactSheet(
        page, title="Screentest demo", subtitle=f"{counted(len(board.outcomes), 'upload')}, local stack"
    ) as sheet:
        for number, outcome in enumerate(board.outcomes.values(), 1):
            if outcome.record is None:
                continue
            entry = report_entry(outcome.case, outcome.record)
            sheet.add(entry)
            if (entry.name, entry.model, entry.ratio) in STRIP:
                strips[STRIP.index((entry.name, entry.model, entry.ratio))] = entry
            drawn = annotate(entry)
            if drawn is not None:
                name = outcome.case.key.rsplit(".", 1)[0].replace("/", "-")
                (out / f"{number:02}-{name}.jpg").write_bytes(drawn)
    strip = draw_strip([entry for entry in strips if entry is not None])
    if strip is not None:
        (out / "strip.jpg").write_bytes(strip)
    return page


def report_entry(case: Case, record: Record) -> ReportEntry:
    """One upload as the reports show it."""
    expected = None
    if case.expected:
        expected = case.expected if case.expected == Verdict.PASS else f"{Verdict.REJECT} {case.expected}"
    return ReportEntry.of(
        record,
        name=case.name,
        picture=data(case),
        explanation=measure(data(case), case.model, case.ratio),
        expected=expected,
        note=case.because or None,
    )


def problems(board: Board) -> Iterator[str]:
    """What is not as it should be, one sentence each."""
    for key, outcome in board.outcomes.items():
        if outcome.result is None:
            yield f"{key}: no verdict"
            continue
        if not outcome.right:
            said = outcome.result.code or outcome.result.verdict
            wanted = f", not {outcome.case.expected}: {outcome.case.because}" if outcome.case.expected else ""
            yield f"{key}: {said}{wanted}"
        if outcome.must_be_notified and not outcome.notified:
            yield f"{key}: the failure topic sent no message"
        if not outcome.logged:
            yield f"{key}: the function's log does not name it"


def run(
    *, photos: Path | None = None, out: Path = Path("build/demo"), console: Console | None = None
) -> bool:
    """Run the demo.

    Args:
        photos: folder with pictures of your own; each goes through every route, and nothing is expected.
        out: where annotated pictures and `index.html` go.
        console: where to print.

    Returns:
        Whether every upload got its verdict, each as expected, logged and announced.

    Raises:
        DemoError: there is nothing to upload, or the demo's pictures could not be had.
        StackError: the local stack could not be started.
    """
    console = console or Console()
    cases = list(cases_of(photos.resolve())) if photos else list(CASES)
    if not cases:
        raise DemoError(f"no .jpg, .png, .bmp or .webp picture in {photos}")
    try:
        for case in cases:
            data(case)
    except pictures.PicturesUnavailable as error:
        raise DemoError(str(error)) from error
    console.print("[dim]starting the local stack from template.yaml[/]")
    with LocalStack() as stack:
        queue = subscribe(stack)
        board = upload(stack, cases)
        follow(stack, board, queue, console)
        await_log(stack, board)
        if board.decided < len(cases):
            for line in [*stack.logs()][-5:]:
                console.print(f"[dim]{escape(line[:500])}[/]")
    page = write_report(board, out)
    wrong = list(problems(board))
    for line in wrong:
        console.print(f"[red]{escape(line)}[/]", highlight=False)
    if not wrong:
        notified = sum(outcome.notified for outcome in board.outcomes.values())
        agree = "" if photos else ", each as a person had written down beforehand"
        console.print(
            f"{counted(len(cases), 'upload')}, {counted(board.decided, 'verdict')}{agree}; "
            f"{counted(notified, 'failure')} announced."
        )
    console.print(f"Annotated pictures and contact sheet: {page}", highlight=False)
    if not photos:
        console.print(f"One face four times, to pass on: {page.with_name('strip.jpg')}", highlight=False)
    return not wrong
