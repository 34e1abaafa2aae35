"""The use case: one object, all its screenings.

In this order, each step idempotent: claim, judge, table, tags, notification. What is announced can be read. Calls to
AWS for one screening in a bucket with versions: claim, read tags, write the record, write tags, and for the topic
publish and note. Without versions: a look before the record is written and one after the tags (`tagging`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from screentest.screening import records, routes, tags
from screentest.screening.announcing import Announcer
from screentest.screening.breaker import Breaker
from screentest.screening.claiming import Claims
from screentest.screening.errors import (
    AccessDenied,
    Busy,
    Crashed,
    ObjectGone,
    ScreeningError,
)
from screentest.screening.judging import Judge
from screentest.screening.models import ObjectRef, Screening, Verdict
from screentest.screening.outcomes import outcome
from screentest.screening.ports import Detector, Objects, Signer, Table, Telemetry, Topic
from screentest.screening.progress import (
    Attempt,
    Claimed,
    Failed,
    Found,
    Judged,
    Progress,
    Stored,
    Superseded,
    failure_of,
    result_of,
)
from screentest.screening.records import (
    NOT_ATTEMPTED,
    Attribute,
    Cause,
    Item,
    Record,
    Result,
)
from screentest.screening.routes import Routes
from screentest.screening.tagging import Tagging

MAX_CRASHES: Final = 3
"""Attempts that may crash before the picture is held to be the cause."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one object.

    Attributes:
        records: every screening that is decided, by this delivery or before.
        failures: why the message must come again; empty when it is done with.
        exhausted: an error was recorded because this is the last attempt: let the message go to the dead-letter queue.
    """

    records: tuple[Record, ...] = ()
    failures: tuple[ScreeningError, ...] = ()
    exhausted: bool = False

    @property
    def items(self) -> list[Item]:
        """The records as stored."""
        return [record.to_item() for record in self.records]

    @property
    def has_error(self) -> bool:
        """Whether a screening ended in an `error` that an operator has to look at."""
        return any(record.result is not None and record.result.is_failure for record in self.records)


class Screener:
    """Screens objects. Safe to share between threads.

    Args:
        detector_name: `self-hosted/VERSION` or the host; goes into each record.
        rules_version: of the rules behind it, where known.
        days: after which a verdict leaves the table.
        plan: which tags an object gets.
        clock: seconds since 1970.
        stopwatch: seconds, for latencies.
    """

    def __init__(
        self,
        *,
        detector: Detector,
        signer: Signer,
        table: Table,
        objects: Objects,
        topic: Topic,
        telemetry: Telemetry,
        routes: Routes = Routes.DEFAULT,
        allow_object_routes: bool = False,
        notify_on: Literal["failures", "all"] = "failures",
        region: str = "us-east-1",
        detector_name: str = "self-hosted",
        rules_version: str | None = None,
        days: int = 365,
        plan: tags.Planner = tags.plan,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.time,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.table = table
        self.objects = objects
        self.routes = routes
        self.rules_version = rules_version
        self.clock = clock
        self._telemetry = telemetry
        self._allow_object_routes = allow_object_routes
        self._detector_name = detector_name
        self._stopwatch = stopwatch
        self._judge = Judge(detector, signer, objects, breaker or Breaker())
        self._plan = plan
        self._claims = Claims(table, objects, telemetry, days, clock)
        self._announcer = Announcer(topic, table, region, notify_on, clock)

    def screen(self, ref: ObjectRef, attempt: Attempt | None = None) -> Report:
        """Decide every screening of an object that is not decided, and finish whatever is missing of tags and notices.

        Never raises a `ScreeningError`: what must be tried again is in the report.
        """
        attempt = attempt or Attempt()
        if routes.is_folder(ref) or routes.is_report(ref):
            self._telemetry.ignored(ref, "folder" if routes.is_folder(ref) else "backfill report")
            return Report()
        try:
            screenings = self.screenings(ref)
        except ScreeningError as error:
            screenings, handling = self.routes.screenings(ref.key), outcome(error)
            is_passing = handling.retried and not handling.recorded and not attempt.final_attempt
            if is_passing or (handling.retried and not screenings):
                self._telemetry.failed(ref, None, error)
                return Report(failures=(error,))
            attempt = replace(attempt, unread=error)
        if not screenings:
            self._telemetry.ignored(ref, "no route")
            return Report()

        tagging = Tagging.of(ref, self.objects, self.table, self._plan)
        steps = self._decide_all(ref, screenings, tagging, attempt)
        if attempt.unread and not any(_is_error(result_of(step)) for step in steps):
            # What its key is routed to is decided, and what it adds is not known: no gate is due.
            self._telemetry.failed(ref, None, attempt.unread)
            return self._report([self._stored(ref, step) for step in steps], attempt.unread, attempt)
        unfinished = None
        if any(isinstance(step, Failed) and isinstance(step.failure, Busy) for step in steps) or _overtaken(
            steps
        ):
            steps = [self._stored(ref, step) for step in steps]
        elif all(result_of(step) is None for step in steps):
            self._try(ref, lambda: tagging.clear_foreign_gate(ref, steps))
        else:
            steps, unfinished = self._finish(ref, steps, tagging, attempt)
        if _overtaken(steps):
            # An earlier delivery of this upload may have crashed just after its tags landed on the later one.
            unfinished = self._try(ref, lambda: tagging.reconcile(ref, screenings)) or unfinished
        return self._report(steps, unfinished, attempt)

    def screenings(self, ref: ObjectRef) -> tuple[Screening, ...]:
        """What the routes ask for, and what the object adds where that is allowed.

        Raises:
            AccessDenied, StoreUnavailable: the object's metadata could not be read.
        """
        routed = self.routes.screenings(ref.key)
        if not self._allow_object_routes:
            return routed
        try:
            metadata = self.objects.head(ref).metadata
        except ObjectGone:
            return routed
        return routes.merged(routed, routes.from_metadata(metadata.get(routes.METADATA_KEY, "")))

    def crash_count(self, ref: ObjectRef) -> int:
        """How many attempts on this object have crashed; above 0 it is a poison candidate, better run alone.

        Raises:
            StoreUnavailable: the table did not answer.
        """
        worst = 0
        try:
            screenings = self.screenings(ref)
        except ScreeningError:
            screenings = self.routes.screenings(ref.key)
        for screening in screenings:
            record = self.table.get(records.key(ref, screening))
            if record is not None and record.crashed:
                worst = max(worst, record.crashes + 1)
        return worst

    # Claim and judge -----------------------------------------------------------------------------------------------

    def _decide_all(
        self, ref: ObjectRef, screenings: Sequence[Screening], tagging: Tagging, attempt: Attempt
    ) -> list[Progress]:
        """Claim and judge one screening after the other. Each verdict is stored before the next screening is judged, so
        that a crash costs one detector call and not all; the last one is stored after the tags are read."""
        steps: list[Progress] = []
        for screening in screenings:
            claim = self._claims.claim(ref, screening, attempt)
            if isinstance(claim, Claimed):
                steps = [self._stored(ref, step) for step in steps]
                steps.append(self._judged(ref, claim, tagging, attempt))
            else:
                steps.append(claim)
            if isinstance(steps[-1], Superseded):
                break
        return steps

    def _judged(
        self, ref: ObjectRef, claimed: Claimed, tagging: Tagging, attempt: Attempt
    ) -> Judged | Failed:
        screening, claim, seen = claimed.screening, claimed.claim, claimed.seen
        if attempt.final_attempt and not (claim.lease and claim.lease.answer):
            cause = seen.last_cause() if seen else Cause(NOT_ATTEMPTED, "no attempt reached the detector")
            if attempt.unread and not seen:
                cause = Cause(attempt.unread.code, attempt.unread.message)
            return Judged(screening, claim.decided(self._error(cause.code, cause.message)), claim)
        try:
            return self._asked(ref, claimed, tagging, attempt)
        except ScreeningError as error:
            self._telemetry.failed(ref, screening, error)
            if outcome(error).retried and not outcome(error).recorded:
                self._claims.release(ref, screening, claim, error)
                return Failed(screening, error, claim)
            result = self._error(error.code, error.message, request_id=getattr(error, "request_id", None))
            if isinstance(error, ObjectGone):
                result = replace(result, tags="object-gone")
            failure = error if outcome(error).recorded else None
            if failure and seen and seen.result and seen.result.code == error.code:
                # Announced at the first of these attempts.
                result = replace(result, notified_at=seen.result.notified_at)
            return Judged(screening, claim.decided(result, is_retried=failure is not None), claim, failure)
        except Exception:
            # A defect, not a crash: the lease must not run out as that of one.
            self._claims.release(ref, screening, claim, ScreeningError("a defect of the function"))
            raise

    def _asked(self, ref: ObjectRef, claimed: Claimed, tagging: Tagging, attempt: Attempt) -> Judged:
        claim = claimed.claim
        result = claim.lease.answer if claim.lease else None
        if result is None and attempt.unread:
            raise attempt.unread
        if result is None and claim.crashes >= MAX_CRASHES and not self._claims.are_doubtful:
            raise Crashed(f"the function died on each of {MAX_CRASHES} attempts at this picture")
        if result is None:
            started = self._stopwatch()
            decision = self._judge.decide(ref, claimed.screening, attempt.remaining)
            latency_ms = round((self._stopwatch() - started) * 1000)
            result = Result.of_decision(decision, now=self.clock(), latency_ms=latency_ms, **self._provenance)
        there = tagging.confirm(ref)
        last_modified = there.last_modified or claim.ref.last_modified
        confirmed = replace(claim, ref=replace(claim.ref, last_modified=last_modified))
        return Judged(claimed.screening, confirmed.decided(result), claim)

    def _error(self, code: str, message: str, **facts: Any) -> Result:
        return Result.of_error(code, message, now=self.clock(), **facts, **self._provenance)

    @property
    def _provenance(self) -> dict[str, Any]:
        return {Attribute.DETECTOR: self._detector_name, Attribute.RULES_VERSION: self.rules_version}

    # Table, tags, notification -------------------------------------------------------------------------------------

    def _finish(
        self, ref: ObjectRef, steps: list[Progress], tagging: Tagging, attempt: Attempt
    ) -> tuple[list[Progress], ScreeningError | None]:
        """Store what is judged, write the tags, tell the topic. Returns why the tags are not as they should be."""
        steps, failure = tagging.apply(
            ref, steps, lambda step, tags: self._stored(ref, step, tags), lambda step: self._gone(ref, step)
        )
        steps = [self._stored(ref, step) for step in steps]
        if _overtaken(steps):
            return steps, None
        if failure is not None and failure not in map(failure_of, steps):
            self._telemetry.failed(ref, None, failure)
        # A refusal is announced at once: a person must act, and hours would pass before the final attempt.
        if failure is None or attempt.final_attempt or isinstance(failure, AccessDenied):
            steps = [self._announced(ref, step, failure, attempt) for step in steps]
        return steps, failure

    def _stored(self, ref: ObjectRef, step: Progress, tags: str | None = None) -> Progress:
        """Write a verdict, unless a later upload or another worker has taken its record over."""
        if not isinstance(step, Judged):
            return step
        record = step.record
        assert record.result is not None
        if tags and record.result.tags is None:
            record = record.noted(tags=tags)
        try:
            if self.table.replace(record, step.claim):
                return Stored(step.screening, record, step.failure)
        except ScreeningError as error:
            self._telemetry.failed(ref, step.screening, error)
            if step.claim.lease is not None:
                answer = (
                    record.result if record.result and record.result.verdict is not Verdict.ERROR else None
                )
                self._claims.release(ref, step.screening, step.claim, error, answer)
            return Failed(step.screening, error, step.claim)
        return Superseded(step.screening)

    def _gone(self, ref: ObjectRef, step: Progress) -> Progress:
        """A verdict on an object that turned out to be gone before its tags were written."""
        if not isinstance(step, Stored | Judged) or step.record.result is None:
            return step
        if step.record.result.code == ObjectGone.code:
            return step
        result = self._error(ObjectGone.code, "the object is gone")
        record = step.record.decided(replace(result, tags="object-gone"))
        there = step.record if isinstance(step, Stored) else step.claim
        return self._stored(ref, Judged(step.screening, record, there, step.failure))

    def _announced(
        self, ref: ObjectRef, step: Progress, tagging: ScreeningError | None, attempt: Attempt
    ) -> Progress:
        if not isinstance(step, Stored | Found):
            return step
        try:
            return self._announcer.announce(
                step,
                tagging,
                settle=attempt.will_be_redelivered and not attempt.final_attempt,
                dead_letter=None if attempt.final_attempt else attempt.dead_letter,
            )
        except ScreeningError as error:
            self._telemetry.failed(ref, step.screening, error)
            return replace(step, failure=error)

    def _try(self, ref: ObjectRef, act: Callable[[], None]) -> ScreeningError | None:
        try:
            act()
        except ScreeningError as error:
            self._telemetry.failed(ref, None, error)
            return error
        return None

    def _report(
        self, steps: Sequence[Progress], unfinished: ScreeningError | None, attempt: Attempt
    ) -> Report:
        decided = [step for step in steps if isinstance(step, Stored | Found)]
        for step in decided:
            self._telemetry.screened(step.record, fresh=isinstance(step, Stored))
        failures = [failure_of(step) for step in steps] + [unfinished]
        report = Report(
            records=tuple(step.record for step in decided),
            failures=tuple(failure for failure in failures if failure is not None),
        )
        return replace(report, exhausted=attempt.final_attempt and report.has_error)


def _is_error(result: Result | None) -> bool:
    return result is not None and result.verdict is Verdict.ERROR


def _overtaken(steps: Sequence[Progress]) -> bool:
    return any(isinstance(step, Superseded) for step in steps)
