"""What was in a bucket before: which objects still need a screening, and the tasks of S3 Batch Operations.

A backfill reaches the function on two ways. Its own queue holds messages in the shape of S3's EventBridge events, with
`SOURCE` for the source; `events` reads them like any other. S3 Batch Operations calls with one task at a time, in the
invocation schemas 1.0 and 2.0 (S3 user guide, "Invoke AWS Lambda function").
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from screentest.screening import events, records, routes
from screentest.screening.errors import ObjectGone, ScreeningError, UnreadableEvent
from screentest.screening.models import ObjectRef, Reason, Screening, Trigger, Verdict
from screentest.screening.outcomes import outcome
from screentest.screening.progress import Attempt
from screentest.screening.records import Record, RescreenPolicy
from screentest.screening.screen import Report, Screener

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.s3_batch_operation_event import S3BatchOperationEvent

    from screentest.screening.batch import Context
    from screentest.screening.telemetry import Telemetry

ResultCode = Literal["Succeeded", "TemporaryFailure", "PermanentFailure"]

ONLY: Final = "only"
"""User argument: the reasons, joined by commas, for which objects are screened; absent for all."""


CODES: Final = "codes"
"""User argument: codes of errors and rejections, joined by commas; absent for all."""


USUAL: Final = frozenset({Reason.NEW, Reason.OUTDATED, Reason.ERROR})
"""The reasons where none are named."""


def message(ref: ObjectRef, rejects: Sequence[str] | None = None) -> str:
    """The body of a message in the backfill queue.

    Args:
        rejects: codes of rejections to screen again, as `records.code_matches` has them; None for no rejections.
    """
    described = {"key": ref.key, "size": ref.size, "etag": ref.etag, "version-id": ref.version_id}
    return json.dumps(
        {
            "source": events.BACKFILL_SOURCE,
            "detail-type": events.BACKFILL_TYPE,
            "time": ref.last_modified,
            "detail": {
                "bucket": {"name": ref.bucket},
                "object": {name: value for name, value in described.items() if value is not None},
                **({} if rejects is None else {events.BACKFILL_REJECTS: list(rejects)}),
            },
        },
        ensure_ascii=False,
    )


def needed(
    ref: ObjectRef,
    screenings: Iterable[Screening],
    stored: Mapping[Screening, Record],
    rules_version: str | None,
    *,
    rejects: bool = False,
    codes: Sequence[str] = (),
) -> frozenset[Reason]:
    """Why an object needs a screening by the current rules; empty where all is decided.

    Args:
        screenings: that its key is routed to.
        stored: the records of this object.
        rules_version: of the deployed detector; None where it names none, so that nothing is ever outdated.
        rejects: whether rejections are to be screened again.
        codes: of errors and rejections, only these (`records.code_matches`).
    """
    reasons = set()
    for screening in screenings:
        record = stored.get(screening)
        result = record.result if record is not None and record.is_decided else None
        if (
            record is None
            or result is None
            or (not ref.version_id and record.ref.etag not in (None, ref.etag))
        ):
            reasons.add(Reason.NEW)
            continue
        coded = records.code_matches(result.code or "", codes)
        if result.verdict is Verdict.ERROR:
            reasons |= {Reason.ERROR} if coded else set()
            continue
        if rules_version is not None and result.rules_version != rules_version:
            reasons.add(Reason.OUTDATED)
        if result.verdict is Verdict.REJECT and rejects and coded:
            reasons.add(Reason.REJECT)
    return frozenset(reasons)


def is_overdue_check(event: object) -> bool:
    """Whether the stack's schedule asks for what is overdue."""
    return isinstance(event, Mapping) and event.get("screentest") == Reason.OVERDUE


class OverdueCheck:
    """Counts what is overdue, for the alarm: nothing that is lost may stay unnoticed."""

    NAMED: Final = 10
    """Objects that the log names."""

    def __init__(self, screener: Screener, telemetry: Telemetry) -> None:
        self._screener = screener
        self._telemetry = telemetry

    def __call__(self, event: object, context: Context) -> dict[str, Any]:  # noqa: ARG002 - as all handlers
        """The number, which is a metric as well.

        Raises:
            StoreUnavailable: the table did not answer.
        """
        self._telemetry.begin(getattr(context, "aws_request_id", None))
        number, some = 0, []
        for record in self._screener.table.overdue(self._screener.clock()):
            if self._is_wanted(record):
                number += 1
                some += [record] if number <= self.NAMED else []
        self._telemetry.overdue(some, number)
        self._telemetry.flush()
        return {"overdue": number}

    def _is_wanted(self, record: Record) -> bool:
        """Whether the routes still ask for it; a screening that none asks for is never decided."""
        try:
            return record.screening in self._screener.screenings(record.ref)
        except ScreeningError:
            return True


def is_task(event: object) -> bool:
    """Whether S3 Batch Operations is calling."""
    return isinstance(event, Mapping) and "invocationSchemaVersion" in event and "tasks" in event


class Tasks:
    """Answers S3 Batch Operations, one task an invocation.

    What S3 cannot filter by is skipped here, as `Succeeded`: verdicts that stand. `TemporaryFailure` is tried again by
    S3 until the job ends; `PermanentFailure` has a verdict `error`, a notice and a line in the completion report. Where
    not even the object's head can be read it has the line alone: which version it is about is not known.
    """

    def __init__(self, screener: Screener, telemetry: Telemetry) -> None:
        self._screener = screener
        self._telemetry = telemetry

    def __call__(self, event: Any, context: Context) -> dict[str, Any]:
        """The response for one invocation.

        Raises:
            UnreadableEvent: not the one task that S3 documents.
        """
        from aws_lambda_powertools.utilities.data_classes.s3_batch_operation_event import (
            S3BatchOperationEvent,
            S3BatchOperationResponse,
        )

        call = S3BatchOperationEvent(event)
        try:
            task = call.task
            response = S3BatchOperationResponse(
                call.invocation_schema_version, call.invocation_id, "PermanentFailure"
            )
            only = _reasons(call.job.user_arguments)
            codes = _listed(call.job.user_arguments, CODES)
            task_id = task.task_id
        except (KeyError, TypeError, ValueError, StopIteration) as error:
            raise UnreadableEvent("not a task of S3 Batch Operations, schema 1.0 or 2.0") from error
        self._telemetry.begin(getattr(context, "aws_request_id", None))
        try:
            code, text = self._carry_out(
                call, only, codes, lambda: context.get_remaining_time_in_millis() / 1000
            )
        finally:
            self._telemetry.flush()
        response.add_result(task.build_task_batch_response(code, text))
        assert response.results[0].task_id == task_id
        return response.asdict()

    def _carry_out(
        self,
        call: S3BatchOperationEvent,
        only: frozenset[Reason],
        codes: tuple[str, ...],
        remaining: Callable[[], float],
    ) -> tuple[ResultCode, str]:
        task = call.task
        try:
            named = ObjectRef(
                bucket=task.s3_bucket,
                # S3 encodes it as in its notifications; strictly, where the data class would put question marks.
                key=events.decode_key(task["s3Key"]),
                version_id=task.s3_version_id or None,
                trigger=Trigger.BACKFILL,
            )
        except (KeyError, ValueError):
            return "PermanentFailure", "the task names no object"
        try:
            return self._screen(named, only, codes, remaining)
        except ObjectGone:
            return "Succeeded", "skipped: the object is gone"
        except ScreeningError as error:
            self._telemetry.failed(named, None, error)
            return "TemporaryFailure" if outcome(error).retried else "PermanentFailure", _why(error)

    def _screen(
        self,
        named: ObjectRef,
        only: frozenset[Reason],
        codes: tuple[str, ...],
        remaining: Callable[[], float],
    ) -> tuple[ResultCode, str]:
        look = self._screener.objects.head(named)
        version = look.version_id if look.version_id != "null" else None
        ref = ObjectRef(
            bucket=named.bucket,
            key=named.key,
            version_id=named.version_id or version,
            etag=look.etag,
            size=look.size,
            last_modified=look.last_modified,
            trigger=Trigger.BACKFILL,
        )
        if routes.is_folder(ref) or routes.is_report(ref):
            self._telemetry.ignored(ref, "no picture")
            return "Succeeded", "skipped: no picture by its key"
        screenings = self._screener.screenings(ref)
        if not screenings:
            self._telemetry.ignored(ref, "no route")
            return "Succeeded", "skipped: no route for its key"
        found = {s: self._screener.table.get(records.key(ref, s)) for s in screenings}
        stored = {screening: record for screening, record in found.items() if record is not None}
        rejects = Reason.REJECT in only
        reasons = needed(ref, screenings, stored, self._screener.rules_version, rejects=rejects, codes=codes)
        if not reasons & only:
            return "Succeeded", "skipped: " + ("not asked for" if reasons else "screened already")
        rescreen = RescreenPolicy(
            before=records.timestamp(self._screener.clock()),
            verdicts=frozenset(Verdict(reason) for reason in only & {Reason.ERROR, Reason.REJECT}),
            codes=codes,
            rules_version=self._screener.rules_version if Reason.OUTDATED in only else None,
        )
        return _result(self._screener.screen(ref, Attempt(rescreen=rescreen, remaining=remaining)))


def _result(report: Report) -> tuple[ResultCode, str]:
    if report.failures:
        return "TemporaryFailure", "; ".join(map(_why, report.failures))
    words = [
        f"{record.screening.model}: {result.verdict}" + (f" {result.code}" if result.code else "")
        for record in report.records
        if (result := record.result) is not None
    ]
    code: ResultCode = "PermanentFailure" if report.has_error else "Succeeded"
    return code, "; ".join(words) or "skipped: a later upload is there"


def _why(error: ScreeningError) -> str:
    return f"{error.code}: {error.message}"


def _reasons(arguments: Mapping[str, str]) -> frozenset[Reason]:
    return frozenset(map(Reason, _listed(arguments, ONLY))) or USUAL


def _listed(arguments: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part for part in str(arguments.get(name, "")).split(",") if part)
