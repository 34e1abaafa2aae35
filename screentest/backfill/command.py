"""`screentest backfill`: its options, what it prints, and the way through both engines."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from screentest.aws import Access, AwsError, as_aws_errors
from screentest.backfill import batch_operations as batch
from screentest.backfill import estimate as estimation
from screentest.backfill import queue as queues
from screentest.backfill.selection import Selection, Skip, stamp
from screentest.backfill.sources import Bucket, Source, Verdicts, source
from screentest.backfill.state import Job, Jobs, Phase, Request
from screentest.display import counted, duration, error_console, printable
from screentest.screening.models import Reason
from screentest.screening.routes import Routes
from screentest.screening.settings import SELF_HOSTED

if TYPE_CHECKING:
    from screentest.aws import Stack

Action = Literal["status", "pause", "resume", "cancel"]

DONE: Final = 0
LEFT: Final = 1
INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class Options:
    """How a selection is screened.

    Attributes:
        engine: None for S3 Batch Operations on AWS, the queue elsewhere.
        rate: objects a second at most, by the queue.
        state_dir: where jobs of the queue engine are remembered.
    """

    state_dir: Path
    dry_run: bool = False
    engine: Literal["batch-operations", "queue"] | None = None
    rate: int = queues.RATE
    wait: bool = True
    restart: bool = False
    json_output: bool = False


def run(
    access: Access, selection: Selection | None, actions: Mapping[Action, str | None], options: Options
) -> int:
    """Screen a selection, or act on one job.

    Args:
        actions: what to do, with the job's name; None for what is not asked.

    Returns:
        The exit status: 0 done, 1 some objects could not be screened, 130 interrupted.

    Raises:
        AwsError: it cannot be done, or what is asked contradicts itself.
    """
    command = Backfill(access, options)
    asked = [(action, job) for action, job in actions.items() if job]
    if len(asked) > 1:
        raise AwsError(f"one thing at a time: --{asked[0][0]} or --{asked[1][0]}")
    if asked:
        ((action, job_id),) = asked
        if selection or options.dry_run:
            raise AwsError(f"--{action} JOB takes no address and no --dry-run: the job knows its own")
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", job_id):
            raise AwsError(f"{job_id!r} is no job: backfill prints the name of each job it starts")
        return command.act(action, job_id)
    if selection is None:
        bucket = access.stack.outputs.get("UploadBucketName", "BUCKET")
        raise AwsError(f"say what to screen: screentest backfill s3://{bucket}/PREFIX --dry-run")
    return command.screen(selection)


class Backfill:
    """One run of the command."""

    def __init__(
        self, access: Access, options: Options, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._access = access
        self._options = options
        self._jobs = Jobs(options.state_dir)
        self._sleep = sleep
        self._remarks = error_console()
        self._results = Console(highlight=False)

    # What to screen ------------------------------------------------------------------------------------------

    def screen(self, selection: Selection) -> int:
        """Screen, or with `--dry-run` count, what is selected."""
        stack = self._access.stack
        own = stack.output("UploadBucketName")
        if selection.bucket != own:
            raise AwsError(
                f"the stack {stack.name} screens the bucket {own}; its functions may not read {selection.bucket}. "
                f"Deploy a stack for that bucket (parameter ExistingBucketName={selection.bucket}) and name it with "
                "--stack-name"
            )
        if Reason.OUTDATED in selection.only and self._rules_version(stack) is None:
            self._remark(
                "the detector of this stack is a server that does not name its rules: no verdict is ever outdated"
            )
        if self._options.dry_run:
            return self._count(stack, selection)
        # S3 lists objects; what is overdue is known to the table alone, and is little.
        by_batch = self._is_by_batch() and selection.only != {Reason.OVERDUE}
        return self._by_batch(stack, selection) if by_batch else self._by_queue(selection)

    def _is_by_batch(self) -> bool:
        if self._options.engine == "batch-operations" and not self._access.is_aws:
            raise AwsError(
                f"S3 Batch Operations is not at {self._access.client('s3').meta.endpoint_url}: leave --engine out"
            )
        return self._access.is_aws if self._options.engine is None else self._options.engine != "queue"

    def _count(self, stack: Stack, selection: Selection) -> int:
        chooser = self._chooser(stack)
        listed = objects = screenings = 0
        skipped: dict[str, int] = {}
        with self._progress() as progress:
            task = progress.add_task("counting", total=None)
            for page in self._source(selection).pages():
                chosen = chooser.choose(page, selection)
                listed += len(page.objects)
                objects += len(chosen.objects)
                screenings += chosen.screenings
                for reason, count in chosen.skipped.items():
                    skipped[reason] = skipped.get(reason, 0) + count
                progress.update(task, completed=listed, description=f"{objects:,} to screen of")
        self_hosted = stack.parameters.get("Detector", SELF_HOSTED) == SELF_HOSTED
        by_batch = self._is_by_batch()
        took = estimation.detector_seconds(self._access.client("dynamodb"), stack.output("VerdictTableName"))
        estimate = estimation.estimate(
            listed=listed,
            objects=objects,
            screenings=screenings,
            concurrency=self._concurrency(stack),
            rate=self._options.rate,
            self_hosted=self_hosted,
            batch_operations=by_batch,
            detector_seconds=took,
        )
        if self._options.json_output:
            self._emit(
                {
                    "dry_run": True,
                    "source": selection.uri,
                    "listed": listed,
                    "objects": objects,
                    "screenings": screenings,
                    "skipped": skipped,
                    "engine": "batch-operations" if by_batch else "queue",
                    "estimate": estimate.to_json(),
                }
            )
            return DONE
        out = self._results.print
        out(f"{printable(selection.uri)}: {counted(listed, 'object')}", soft_wrap=True, markup=False)
        for skip, count in sorted(skipped.items(), key=lambda pair: -pair[1]):
            out(f"  {count:>11,}  skipped: {skip}")
        out(f"  {objects:>11,}  to screen, in {counted(screenings, 'detector call')}")
        if not listed:
            self._empty(selection)
        if objects:
            learned = (
                "as measured by this stack"
                if estimate.measured
                else "assumed, this stack has no verdicts yet"
            )
            out(
                f"about {duration(estimate.seconds)} by {counted(self._concurrency(stack), 'function')} at a time "
                f"(parameter BackfillConcurrency) at {estimate.seconds_each:.2f} s a call, {learned}"
            )
            out(
                f"about ${estimate.usd:,.2f} to AWS at us-east-1 list prices"
                + ("" if self_hosted else "; the detector's own price comes on top")
            )
        return DONE

    # By the queue --------------------------------------------------------------------------------------------

    def _new_job(self, selection: Selection) -> Job:
        place = f"{self._access.endpoint_url or self._access.session.region_name} {self._access.stack_name}"
        return Job(selection.job_id(place), place, selection)

    def _by_queue(self, selection: Selection) -> int:
        new = self._new_job(selection)
        job = (None if self._options.restart else self._jobs.load(new.id)) or new
        if job.phase in (Phase.LISTED, Phase.CANCELLED):
            job = new
        elif job.pages:
            self._remark(
                f"{job.id} goes on after {job.listed:,} objects, where it stopped ({job.updated_at}); "
                "--restart begins anew"
            )
        return self._list(job)

    def _list(self, job: Job) -> int:
        stack = self._access.stack
        queue = self._queue(stack)
        dead = self._dead_letters(stack) if self._options.wait else 0
        with self._jobs.alone(job.id):
            self._jobs.answer(job.id)
            if not queue.is_on():
                queue.switch(on=True)
                self._remark("the backfill queue was paused; it is taken from again")
            if not job.pages:
                self._remark(f"{job.id}: screening {printable(job.selection.uri)}")
            lister = self._lister(stack, job, queue)
            try:
                with self._progress() as progress:
                    task = progress.add_task("listing", total=None, completed=job.listed)
                    for state in lister.run(job):
                        progress.update(
                            task, completed=state.listed, description=f"{state.sent:,} sent to be screened of"
                        )
                if job.phase is Phase.LISTED and self._options.wait and job.sent:
                    self._drain(queue, job)
            except KeyboardInterrupt:
                self._remark(
                    f"interrupted. Nothing is lost: the same command goes on with {job.id}; --cancel {job.id} "
                    "throws away what waits"
                )
                return INTERRUPTED
        self._ended(queue, job)
        failed = self._dead_letters(stack) - dead if self._options.wait else 0
        if failed <= 0:
            return DONE
        self._remark(
            f"{counted(failed, 'object')} could not be screened: screentest verdicts --verdict error says why; mend "
            "that, then screentest redrive, or give the backfill again"
        )
        return LEFT

    def _dead_letters(self, stack: Stack) -> int:
        return queues.depth(self._access.client("sqs"), stack.output("BackfillDeadLetterQueueUrl"))

    def _lister(self, stack: Stack, job: Job, queue: queues.Queue) -> queues.Lister:
        return queues.Lister(
            jobs=self._jobs,
            source=self._source(job.selection),
            chooser=self._chooser(stack),
            queue=queue,
            rate_limit=queues.RateLimit(self._options.rate),
            now=lambda: stamp(datetime.now(UTC)),
            sleep=self._sleep,
        )

    def _drain(self, queue: queues.Queue, job: Job) -> None:
        with self._progress() as progress:
            task = progress.add_task("screening", total=job.sent)
            empty = 0
            # SQS counts approximately: one empty look may be wrong.
            while empty < 2 and not self._jobs.asked(job.id):
                depth = queue.depth()
                empty = empty + 1 if depth == 0 else 0
                progress.update(task, completed=max(0, job.sent - depth))
                if empty < 2:
                    self._sleep(0.5 if depth == 0 else queues.POLL_SECONDS)

    def _ended(self, queue: queues.Queue, job: Job) -> None:
        waiting = queue.depth()
        if self._options.json_output:
            self._emit({"engine": "queue", "waiting": waiting} | job.to_json())
        else:
            self._show(job, waiting, queue.is_on())
        if not job.listed and job.phase is Phase.LISTED:
            self._empty(job.selection)

    def _show(self, job: Job, waiting: int, on: bool) -> None:
        out = self._results.print
        out(f"{job.id}: {printable(job.selection.uri)}, {job.phase}", soft_wrap=True, markup=False)
        out(f"  {job.listed:>11,}  listed")
        for skip, count in sorted(job.skipped.items(), key=lambda pair: -pair[1]):
            out(f"  {count:>11,}  skipped: {Skip(skip)}")
        out(f"  {job.sent:>11,}  sent to be screened")
        out(f"  {waiting:>11,}  of the queue still wait" + ("" if on else ", and it is paused"))
        if job.phase is Phase.PAUSED or not on:
            out(f"go on with: screentest backfill --resume {job.id}", soft_wrap=True)
        elif job.sent and job.phase is Phase.LISTED:
            out(
                f"see them with: screentest verdicts {printable(job.selection.uri)}",
                soft_wrap=True,
                markup=False,
            )

    # By S3 Batch Operations ----------------------------------------------------------------------------------

    def _send_overdue(self, stack: Stack, selection: Selection) -> None:
        job = self._new_job(replace(selection, only=frozenset({Reason.OVERDUE})))
        with self._jobs.alone(job.id):
            for _ in self._lister(stack, job, self._queue(stack)).run(job):
                pass
        if job.sent:
            self._remark(
                f"{counted(job.sent, 'object')} overdue: sent to be screened through the backfill queue"
            )

    def _by_batch(self, stack: Stack, selection: Selection) -> int:
        account, partition = self._identity()
        warning = batch.reserve(
            self._access.client("lambda"), stack.output("BackfillFunctionArn"), self._concurrency(stack)
        )
        if warning:
            self._remark(warning)
        if selection.only & {Reason.NEW, Reason.OVERDUE}:
            self._send_overdue(stack, selection)
        job_id = self._batch_operations(account).create(
            batch.job_request(
                selection,
                account=account,
                partition=partition,
                function_arn=stack.output("BackfillFunctionArn"),
                role_arn=stack.output("BatchOperationsRoleArn"),
                token=str(uuid.uuid4()),
            )
        )
        self._remark(f"job {job_id} is created; --status and --cancel {job_id} follow and stop it")
        if not self._options.wait:
            jobs = self._batch_operations(account)
            return self._report(jobs.report(job_id), selection.bucket, jobs)
        return self._follow(account, job_id, selection.bucket)

    def _follow(self, account: str, job_id: str, bucket: str) -> int:
        jobs = self._batch_operations(account)
        try:
            with self._progress() as progress:
                task = progress.add_task("S3 makes its list", total=None)
                while not (report := jobs.report(job_id)).ended:
                    progress.update(
                        task,
                        total=report.total or None,
                        completed=report.succeeded + report.failed,
                        description=report.status.lower(),
                    )
                    self._sleep(10)
        except KeyboardInterrupt:
            self._remark(f"the job goes on without this command: --status {job_id}, --cancel {job_id}")
            return INTERRUPTED
        return self._report(report, bucket, jobs)

    def _report(self, report: batch.Report, bucket: str, jobs: batch.BatchOperations) -> int:
        if report.ended:
            self._release_concurrency(report.id, jobs)
        if self._options.json_output:
            self._emit(
                {
                    "engine": "batch-operations",
                    "id": report.id,
                    "phase": report.status,
                    "listed": report.total,
                    "succeeded": report.succeeded,
                    "failed": report.failed,
                    "failures": list(report.failures),
                }
            )
        else:
            out = self._results.print
            out(f"job {report.id}: {report.status}")
            out(f"  {report.total:>11,}  listed")
            out(f"  {report.succeeded:>11,}  screened, or skipped because that was done before")
            out(f"  {report.failed:>11,}  failed")
            for failure in report.failures:
                out(f"  {printable(failure)}", soft_wrap=True, markup=False)
            if report.ended:
                out(f"completion report: s3://{bucket}/{batch.REPORTS}/job-{report.id}/", soft_wrap=True)
        if report.failed or report.status == "Failed":
            self._remark(
                "what failed is screened when the same backfill is given again: it skips what is decided already"
            )
            return LEFT
        return DONE

    # With a job that was started before ----------------------------------------------------------------------

    def act(self, action: Action, job_id: str) -> int:
        """Show, pause, resume or cancel a job."""
        if not job_id.startswith("backfill-"):
            return self._act_on_batch(action, job_id)
        job = self._jobs.load(job_id)
        if job is None:
            raise AwsError(
                f"nothing is known of {job_id} in {self._jobs.folder}: jobs are remembered where they were started "
                "(--state-dir)"
            )
        queue = self._queue(self._access.stack)
        if action == "resume":
            queue.switch(on=True)
            if job.phase is Phase.CANCELLED:
                raise AwsError(f"{job_id} was cancelled; give its backfill again to begin anew")
            if job.phase is not Phase.LISTED:
                return self._list(job)
        elif action == "pause":
            self._stop(job, Request.PAUSE, Phase.PAUSED)
            queue.switch(on=False)
        elif action == "cancel":
            self._stop(job, Request.CANCEL, Phase.CANCELLED)
            queue.empty()
            self._remark("what waited in the backfill queue is thrown away, that of other jobs too")
        self._ended(queue, self._jobs.load(job_id) or job)
        return DONE

    def _stop(self, job: Job, request: Request, phase: Phase) -> None:
        """Ask the process that lists the job to stop, and wait for it; where there is none, note it ourselves."""
        self._jobs.ask(job.id, request)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                with self._jobs.alone(job.id):
                    now = self._jobs.load(job.id) or job
                    if now.phase is Phase.LISTING or phase is Phase.CANCELLED:
                        self._jobs.save(replace(now, phase=phase))
                    return
            except AwsError:
                self._sleep(0.2)
        raise AwsError(f"whoever lists {job.id} does not stop; end that process, it loses nothing")

    def _act_on_batch(self, action: Action, job_id: str) -> int:
        if action in ("pause", "resume"):
            raise AwsError(
                "S3 Batch Operations knows no pause: --cancel the job, and give the backfill again later"
            )
        account, _ = self._identity()
        jobs = self._batch_operations(account)
        if action == "cancel":
            jobs.cancel(job_id)
        return self._report(jobs.report(job_id), self._access.stack.output("UploadBucketName"), jobs)

    def _release_concurrency(self, job_id: str, jobs: batch.BatchOperations) -> None:
        """Give back what was reserved for jobs, once none is left; a refusal must not hide how the job ended."""
        try:
            if not jobs.others(job_id):
                batch.release(self._access.client("lambda"), self._access.stack.output("BackfillFunctionArn"))
        except AwsError as error:
            self._remark(
                f"{error}; the backfill function keeps the concurrency that was reserved for the job"
            )

    # Parts ---------------------------------------------------------------------------------------------------

    def _source(self, selection: Selection) -> Source:
        table = self._access.stack.output("VerdictTableName")
        bucket = Bucket(self._access.client("s3"), selection.bucket, selection.prefix)
        return source(self._access.client("dynamodb"), table, selection, bucket)

    def _chooser(self, stack: Stack) -> queues.Chooser:
        try:
            routes = Routes.parse(stack.parameters.get("Routes", ""))
        except ValueError as error:
            raise AwsError(f"the stack's parameter Routes is malformed: {error}") from error
        return queues.Chooser(
            verdicts=Verdicts(self._access.client("dynamodb"), stack.output("VerdictTableName")),
            routes=routes,
            object_routes=stack.parameters.get("AllowObjectRoutes") == "true",
            rules_version=self._rules_version(stack),
        )

    def _queue(self, stack: Stack) -> queues.Queue:
        return queues.Queue(
            self._access.client("sqs"),
            stack.output("BackfillQueueUrl"),
            self._access.client("lambda"),
            stack.output("BackfillFunctionName"),
        )

    def _batch_operations(self, account: str) -> batch.BatchOperations:
        return batch.BatchOperations(self._access.client("s3control"), account)

    def _identity(self) -> tuple[str, str]:
        with as_aws_errors("find out the AWS account"):
            identity = self._access.client("sts").get_caller_identity()
        return identity["Account"], identity["Arn"].split(":")[1]

    @staticmethod
    def _concurrency(stack: Stack) -> int:
        return int(stack.parameters.get("BackfillConcurrency") or 2)

    @staticmethod
    def _rules_version(stack: Stack) -> str | None:
        if stack.parameters.get("Detector", SELF_HOSTED) != SELF_HOSTED:
            return None
        from screentest.detection import RULES_VERSION

        return RULES_VERSION

    def _empty(self, selection: Selection) -> None:
        if selection.only == {Reason.OVERDUE}:
            self._remark("nothing is overdue")
            return
        self._remark(
            f"no object begins with {printable(selection.uri)}; "
            f"`aws s3 ls s3://{selection.bucket}/` shows what there is"
        )

    def _progress(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._remarks,
            transient=True,
            disable=not self._remarks.is_terminal,
        )

    def _remark(self, text: str) -> None:
        self._remarks.print(text, style="dim", markup=False, soft_wrap=True)

    def _emit(self, document: dict[str, Any]) -> None:
        typer.echo(json.dumps(document, ensure_ascii=False, default=str))
