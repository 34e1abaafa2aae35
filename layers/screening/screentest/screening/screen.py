"""The use case: one object, all its screenings.

In this order, each step idempotent: claim, detect, table, tags, notification. What is announced can be read. Calls to
AWS for one screening in a bucket with versions: claim, read tags, write item, write tags, and for the topic publish
and note. Without versions: a look before the item is written, and one after the tags, because the object may be
overwritten at any time and S3 has no conditional tagging.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from screentest.screening import notices, records, routes, tags
from screentest.screening.breaker import Breaker
from screentest.screening.contract import Decision, is_download
from screentest.screening.errors import (
    Busy,
    Crashed,
    ObjectGone,
    OutOfTime,
    PictureUnreadable,
    ScreeningError,
)
from screentest.screening.models import ObjectRef, Screening, Verdict
from screentest.screening.objects import ObjectMetadata, TagsConflict
from screentest.screening.outcomes import outcome
from screentest.screening.records import ClaimState, Item, RescreenPolicy
from screentest.screening.routes import Routes

DETECTOR_BUDGET: Final = 30.0
"""Seconds that must be left before a detector is called: its time-out of 25 and what is to be written afterwards."""

MAX_CRASHES: Final = 3
"""Attempts that may die without a word before the picture is held to be the cause."""

TAG_TRIES: Final = 3
"""Reads and writes of one tag set while S3 reports another write under way."""

SETTLING: Final = 3.0
"""Seconds after a verdict in which a duplicate does not send its missing notice: whoever decided is about to."""

NOT_ATTEMPTED: Final = "NotAttempted"
"""Code of an `error` whose every attempt failed before the detector could be asked."""


class Detector(Protocol):
    """Something that judges pictures; `client.DetectionClient` is one."""

    def detect(self, image_url: str, model: str, ratio: str | None = None) -> Decision:
        """The verdict, or a `DetectorError`."""
        ...


class Signer(Protocol):
    """See `presign.Signer`."""

    def sign(self, ref: ObjectRef) -> str:
        """A short-lived address."""
        ...


class Table(Protocol):
    """See `table.VerdictTable`."""

    def create(self, item: Item) -> Item | None:
        """Write if absent; None, or what is there."""
        ...

    def replace(self, item: Item, seen: Mapping[str, Any]) -> bool:
        """Write over exactly what was seen."""
        ...

    def note(self, item: Mapping[str, Any], **attributes: str) -> bool:
        """Add to a decided item."""
        ...

    def get(self, key: Mapping[str, str]) -> Item | None:
        """Read consistently."""
        ...


class Objects(Protocol):
    """See `objects.Objects`."""

    def head(self, ref: ObjectRef) -> ObjectMetadata:
        """What is there now."""
        ...

    def read(self, ref: ObjectRef) -> ObjectMetadata:
        """The same by way of the content."""
        ...

    def tags(self, ref: ObjectRef) -> tags.Tags:
        """All tags."""
        ...

    def write_tags(self, ref: ObjectRef, tags: Mapping[str, str]) -> None:
        """Replace all tags."""
        ...


class Topic(Protocol):
    """See `topic.Topic`."""

    def publish(self, notice: notices.Notice) -> None:
        """Tell the topic."""
        ...


class Telemetry(Protocol):
    """See `telemetry.Telemetry`."""

    def screened(self, item: Mapping[str, Any], *, fresh: bool) -> None:
        """A verdict stands, now decided or found."""
        ...

    def failed(self, ref: ObjectRef, screening: Screening | None, error: ScreeningError) -> None:
        """A screening could not be decided this time."""
        ...

    def ignored(self, ref: ObjectRef, why: str) -> None:
        """Nothing to screen."""
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """Circumstances of one delivery.

    Attributes:
        final_attempt: the message is about to go to the dead-letter queue: decide without asking the detector.
        ignore_lease: nobody will come after this one: do not wait for another worker either.
        will_be_redelivered: somebody delivers again what is put back.
        rescreen: stored verdicts to replace.
        remaining: seconds until the function is stopped.
        dead_letter: send the message to the dead-letter queue now; None where there is no message.
    """

    final_attempt: bool = False
    ignore_lease: bool = False
    will_be_redelivered: bool = True
    rescreen: RescreenPolicy | None = None
    remaining: Callable[[], float] = lambda: math.inf
    dead_letter: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one object.

    Attributes:
        items: every screening that is decided, newly or before.
        failures: why the message must come again; empty when it is done with.
        exhausted: an error was recorded because this is the last attempt: let the message go to the dead-letter queue.
    """

    items: tuple[Item, ...] = ()
    failures: tuple[ScreeningError, ...] = ()
    exhausted: bool = False


@dataclass(slots=True)
class _Case:
    """One screening on its way."""

    screening: Screening
    seen: Item | None = None
    claim: Item | None = None
    item: Item | None = None
    written: bool = False
    stale: bool = False
    error: ScreeningError | None = None

    @property
    def fresh(self) -> bool:
        return self.claim is not None


@dataclass(frozen=True, slots=True)
class Screener:
    """Screens objects. Safe to share between threads.

    Attributes:
        detector_name: `self-hosted/VERSION` or the host; goes into each item.
        rules_version: of the rules behind it, where known.
        days: after which a verdict leaves the table.
        clock: seconds since 1970.
        stopwatch: seconds, for latencies.
    """

    detector: Detector
    signer: Signer
    table: Table
    objects: Objects
    topic: Topic
    telemetry: Telemetry
    routes: Routes = Routes.DEFAULT
    allow_object_routes: bool = False
    notify_on: Literal["failures", "all"] = "failures"
    region: str = "us-east-1"
    detector_name: str = "self-hosted"
    rules_version: str | None = None
    days: int = 365
    breaker: Breaker = field(default_factory=Breaker)
    clock: Callable[[], float] = time.time
    stopwatch: Callable[[], float] = time.perf_counter

    def screen(self, ref: ObjectRef, attempt: Attempt | None = None) -> Report:
        """Decide every screening of an object that is not decided, and finish whatever is missing of tags and notices.

        Never raises a `ScreeningError`: what must be tried again is in the report.
        """
        attempt = attempt or Attempt()
        if routes.is_folder(ref) or routes.is_report(ref):
            self.telemetry.ignored(ref, "folder" if routes.is_folder(ref) else "backfill report")
            return Report()
        try:
            screenings = self.screenings(ref)
        except ScreeningError as error:
            if not attempt.final_attempt:
                self.telemetry.failed(ref, None, error)
                return Report(failures=(error,))
            screenings = self.routes.screenings(ref.key)
        if not screenings:
            self.telemetry.ignored(ref, "no route")
            return Report()
        return self._screen(ref, [_Case(screening) for screening in screenings], attempt)

    def screenings(self, ref: ObjectRef) -> tuple[Screening, ...]:
        """What the routes ask for, and what the object adds where that is allowed.

        Raises:
            AccessDenied, StoreUnavailable: the object's metadata could not be read.
        """
        routed = self.routes.screenings(ref.key)
        if not self.allow_object_routes:
            return routed
        try:
            metadata = self.objects.head(ref).metadata
        except ObjectGone:
            return routed
        return routes.merged(routed, routes.from_metadata(metadata.get(routes.METADATA_KEY, "")))

    def crash_count(self, ref: ObjectRef) -> int:
        """How many attempts on this object have died; the next one had better run alone.

        Raises:
            StoreUnavailable: the table did not answer.
        """
        worst = 0
        for screening in self.routes.screenings(ref.key):
            item = self.table.get(records.key(ref, screening))
            if item is not None and records.crashed(item):
                worst = max(worst, int(item.get("deaths", 0)) + 1)
        return worst

    def _screen(self, ref: ObjectRef, cases: list[_Case], attempt: Attempt) -> Report:
        held: _Case | None = None
        for case in cases:
            try:
                self._claim(ref, case, attempt)
                if case.stale:
                    break
                if case.claim is not None:
                    if held is not None:
                        self._write(held)
                    held = None
                    self._judge(ref, case, attempt)
                    held = case
            except ScreeningError as error:
                self._fail(ref, case, error)
        if not any(case.stale for case in cases) and not any(isinstance(c.error, Busy) for c in cases):
            self._finish(ref, cases, attempt)
        elif held is not None:
            self._write(held)
        if any(case.stale for case in cases):
            self._leave_to_later_upload(ref, cases)
        return self._report(cases, attempt)

    def _leave_to_later_upload(self, ref: ObjectRef, cases: list[_Case]) -> None:
        """A later upload owns the item. An earlier delivery of this one may have died just after its tags landed
        there, and nobody else would notice."""
        try:
            self._reconcile_tags(ref, cases)
        except ScreeningError as error:
            self.telemetry.failed(ref, None, error)
            cases[-1].error = cases[-1].error or error

    def _report(self, cases: list[_Case], attempt: Attempt) -> Report:
        items = [case.item for case in cases if case.item is not None and (case.written or not case.fresh)]
        for case in cases:
            if case.item is not None and case.item in items:
                self.telemetry.screened(case.item, fresh=case.fresh)
        errors = [
            item for item in items if item["verdict"] == Verdict.ERROR and item.get("code") != ObjectGone.code
        ]
        return Report(
            items=tuple(items),
            failures=tuple(case.error for case in cases if case.error is not None),
            exhausted=attempt.final_attempt and bool(errors),
        )

    # Claim ---------------------------------------------------------------------------------------------------------

    def _claim(self, ref: ObjectRef, case: _Case, attempt: Attempt) -> None:
        now = self.clock()
        claim = records.claimed(None, ref, case.screening, now=now, days=self.days)
        seen = self.table.create(claim)
        if seen is None:
            case.claim = claim
            return
        state = self._claim_state(seen, ref, now, attempt)
        if state is ClaimState.DUPLICATE:
            case.item = seen
        elif state is ClaimState.STALE:
            case.stale = True
        elif state is ClaimState.BUSY:
            lease = records.lease_of(seen) or now
            raise Busy("another delivery is at work on this upload", retry_after=max(1.0, lease - now + 1))
        else:
            claim = records.claimed(seen, ref, case.screening, now=now, days=self.days)
            if not self.table.replace(claim, seen):
                raise Busy("another delivery was quicker", retry_after=SETTLING)
            case.claim, case.seen = claim, seen

    def _claim_state(self, seen: Item, ref: ObjectRef, now: float, attempt: Attempt) -> ClaimState:
        state = records.claim_state(seen, ref, now, attempt.rescreen)
        if state is ClaimState.UNCLEAR:
            try:
                there = self.objects.head(ref)
            except ObjectGone:
                return ClaimState.STALE
            return ClaimState.NEWER if there.etag == ref.etag else ClaimState.STALE
        if state is ClaimState.BUSY and attempt.ignore_lease:
            return ClaimState.TAKEOVER
        if state is ClaimState.TAKEOVER and attempt.final_attempt and "lease_until" not in seen:
            # Nothing would be asked anew: the stored error is the last word.
            return ClaimState.DUPLICATE
        return state

    # Detect --------------------------------------------------------------------------------------------------------

    def _judge(self, ref: ObjectRef, case: _Case, attempt: Attempt) -> None:
        """Sets the item, not written yet; raises what is to be tried again."""
        assert case.claim is not None
        if attempt.final_attempt:
            code, message = _last_cause(case.seen)
            case.item = self._decided(case.claim, None, code=code, message=message)
            return
        started = self.stopwatch()
        try:
            if int(case.claim.get("deaths", 0)) >= MAX_CRASHES:
                raise Crashed(f"the function died on each of {MAX_CRASHES} attempts at this picture")
            decision = self._detect(ref, case.screening, attempt)
            latency = round((self.stopwatch() - started) * 1000)
            if not ref.version_id:
                look = self._unchanged(ref, self.objects.head(ref))
                case.claim["last_modified"] = look.last_modified
            case.item = self._decided(case.claim, decision, latency_ms=latency)
        except ScreeningError as error:
            if outcome(error).retried and not outcome(error).recorded:
                raise
            self.telemetry.failed(ref, case.screening, error)
            if outcome(error).recorded:
                case.error = error
            case.item = self._decided(
                case.claim,
                None,
                code=error.code,
                message=error.message,
                request_id=getattr(error, "request_id", None),
            )
            if isinstance(error, ObjectGone):
                case.item["tags"] = "object-gone"
            if (
                case.seen
                and (case.seen.get("code"), case.error) == (error.code, error)
                and "notified_at" in case.seen
            ):
                # Told at the first of these attempts.
                case.item["notified_at"] = case.seen["notified_at"]

    def _detect(self, ref: ObjectRef, screening: Screening, attempt: Attempt) -> Decision:
        try:
            return self._ask(ref, screening, attempt)
        except PictureUnreadable as error:
            first = error
        if not is_download(first):
            try:
                return self._ask(ref, screening, attempt)
            except PictureUnreadable as error:
                first = error
        self._unchanged(ref, self.objects.read(ref))
        if is_download(first):
            raise first
        return Decision(Verdict.REJECT, code=first.code, message=first.message, request_id=first.request_id)

    def _ask(self, ref: ObjectRef, screening: Screening, attempt: Attempt) -> Decision:
        if attempt.remaining() < DETECTOR_BUDGET:
            raise OutOfTime("the function has too little time left for the detector", retry_after=1.0)
        self.breaker.before()
        try:
            decision = self.detector.detect(self.signer.sign(ref), screening.model, screening.wire_ratio)
        except ScreeningError as error:
            if outcome(error).trips:
                self.breaker.failed()
            else:
                self.breaker.succeeded()
            raise
        self.breaker.succeeded()
        return decision

    @staticmethod
    def _unchanged(ref: ObjectRef, look: ObjectMetadata) -> ObjectMetadata:
        if not ref.version_id and ref.etag and look.etag != ref.etag:
            raise ObjectGone("the object was overwritten meanwhile")
        return look

    def _decided(self, claim: Item, decision: Decision | None, **facts: Any) -> Item:
        return records.decided(
            claim,
            decision,
            now=self.clock(),
            detector=self.detector_name,
            rules_version=self.rules_version,
            **facts,
        )

    def _fail(self, ref: ObjectRef, case: _Case, error: ScreeningError) -> None:
        case.error = error
        self.telemetry.failed(ref, case.screening, error)
        if case.claim is None:
            return
        released = records.released(case.claim, code=error.code, message=error.message, now=self.clock())
        try:
            self.table.replace(released, case.claim)
        except ScreeningError as second:
            # The lease runs out by itself.
            self.telemetry.failed(ref, case.screening, second)

    # Record --------------------------------------------------------------------------------------------------------

    def _write(self, case: _Case) -> None:
        """The item, unless a later upload or another worker has taken it over."""
        assert case.item is not None
        assert case.claim is not None
        try:
            case.written = self.table.replace(case.item, case.claim)
        except ScreeningError as error:
            case.error, case.item = error, None
            return
        if not case.written:
            case.stale, case.item = True, None

    def _finish(self, ref: ObjectRef, cases: list[_Case], attempt: Attempt) -> None:
        """Table, tags, notification."""
        if all(case.item is None for case in cases):
            self._clear_foreign_gate(ref, cases)
            return
        trouble = self._tag(ref, cases)
        for case in cases:
            if case.fresh and case.item is not None and not case.written:
                self._write(case)
        if any(case.stale for case in cases):
            return
        if trouble is None or attempt.final_attempt:
            for case in cases:
                try:
                    self._notify(case, trouble, attempt)
                except ScreeningError as error:
                    self.telemetry.failed(ref, case.screening, error)
                    case.error = error
        if trouble is not None:
            self.telemetry.failed(ref, None, trouble)
            cases[-1].error = cases[-1].error or trouble

    def _tag(self, ref: ObjectRef, cases: list[_Case]) -> ScreeningError | None:
        """Read, merge, write the item that is still held back, write. Returns why the tags are not as they should."""
        status = None
        try:
            for tries in range(1, TAG_TRIES + 1):
                current = self.objects.tags(ref)
                plan = tags.plan(current, [(case.screening, case.item) for case in cases])
                status = plan.status
                if not self._write_held(cases, status):
                    # Taken over, or the table failed: whoever comes next writes the tags.
                    return next((case.error for case in cases if case.error), None)
                if not plan.changed:
                    break
                if not ref.version_id and not any(case.fresh for case in cases) and self._overwritten(ref):
                    self._reconcile_tags(ref, cases)
                    break
                try:
                    self.objects.write_tags(ref, plan.tags)
                except TagsConflict:
                    if tries == TAG_TRIES:
                        raise
                    continue
                if not ref.version_id and self._overwritten(ref):
                    self._reconcile_tags(ref, cases)
                break
        except ObjectGone as error:
            for case in cases:
                self._gone(case, error)
            return None
        except ScreeningError as error:
            self._write_held(cases, "failed")
            self._note_tags(cases, "failed")
            return error
        self._note_tags(cases, status)
        return None

    def _write_held(self, cases: list[_Case], status: str) -> bool:
        held = [case for case in cases if case.fresh and case.item is not None and not case.written]
        for case in held:
            assert case.item is not None
            case.item.setdefault("tags", status)
            self._write(case)
        return all(case.written for case in held)

    def _note_tags(self, cases: list[_Case], status: str | None) -> None:
        for case in cases:
            if status and case.item is not None and case.item.get("tags") != status:
                try:
                    self.table.note(case.item, tags=status)
                except ScreeningError as error:
                    case.error = error
                else:
                    case.item = case.item | {"tags": status}

    def _gone(self, case: _Case, error: ObjectGone) -> None:
        if case.item is None or not case.fresh or case.item.get("code") == error.code:
            return
        seen = case.item if case.written else case.claim
        assert seen is not None
        item = self._decided(case.item, None, code=error.code, message=error.message)
        item["tags"] = "object-gone"
        try:
            case.written = self.table.replace(item, seen)
            case.item, case.stale = (item, False) if case.written else (None, True)
        except ScreeningError as second:
            case.error, case.item = second, None

    def _overwritten(self, ref: ObjectRef) -> bool:
        try:
            self._unchanged(ref, self.objects.head(ref))
        except ObjectGone:
            return True
        return False

    def _reconcile_tags(self, ref: ObjectRef, cases: list[_Case]) -> None:
        """Give whatever is there now under the key the tags that it deserves.

        In a bucket without versions a set of tags may land on a later upload, after its own. So each write is checked
        against what the bucket and the table say by then, until they agree.
        """
        try:
            for _ in range(TAG_TRIES):
                there = self.objects.head(ref)
                found = [(case.screening, self.table.get(records.key(ref, case.screening))) for case in cases]
                current = [
                    (screening, item if item and _is_decided(item, there.etag) else None)
                    for screening, item in found
                ]
                plan = tags.plan(self.objects.tags(ref), current)
                if not plan.changed:
                    return
                self.objects.write_tags(ref, plan.tags)
        except ObjectGone:
            return
        raise TagsConflict("others kept writing to the same object")

    def _clear_foreign_gate(self, ref: ObjectRef, cases: list[_Case]) -> None:
        """Nothing is decided yet: what looks like a verdict on this upload was copied or forged."""
        if ref.version_id and any(case.claim is None or "verdict" in case.claim for case in cases):
            return
        try:
            current = self.objects.tags(ref)
            plan = tags.plan(current, [(case.screening, None) for case in cases])
            if plan.changed:
                self.objects.write_tags(ref, plan.tags)
                if not ref.version_id:
                    self._reconcile_tags(ref, cases)
        except ScreeningError as error:
            # The message comes again anyway.
            self.telemetry.failed(ref, None, error)

    # Notify --------------------------------------------------------------------------------------------------------

    def _notify(self, case: _Case, trouble: ScreeningError | None, attempt: Attempt) -> None:
        item = case.item
        if item is None or "notified_at" in item:
            return
        now = self.clock()
        messages = [notices.notice(item, self.region)] if notices.wanted(item, self.notify_on) else []
        if item.get("tags") == "no-room":
            messages.append(notices.no_room(item, self.region))
        elif trouble is not None and item["verdict"] == Verdict.PASS:
            messages.append(notices.untagged(item, self.region, code=trouble.code, message=trouble.message))
        if not messages:
            return
        if (
            not (case.fresh or attempt.final_attempt)
            and attempt.will_be_redelivered
            and now - records.seconds(str(item.get("screened_at"))) < SETTLING
        ):
            raise Busy("whoever decided this is about to tell the topic", retry_after=SETTLING)
        for message in messages:
            self.topic.publish(message)
        is_error = item["verdict"] == Verdict.ERROR and item.get("code") != ObjectGone.code
        if is_error and case.error is None and attempt.dead_letter is not None and not attempt.final_attempt:
            attempt.dead_letter(str(item.get("code", "")))
        at = records.timestamp(now)
        self.table.note(item, notified_at=at)
        case.item = item | {"notified_at": at}


def _is_decided(item: Mapping[str, Any], etag: str) -> bool:
    return item.get("etag") == etag and "verdict" in item and "lease_until" not in item


def _last_cause(seen: Mapping[str, Any] | None) -> tuple[str, str]:
    if seen is None:
        return NOT_ATTEMPTED, "no attempt came as far as asking the detector"
    if records.crashed(seen):
        return Crashed.code, "the function died on the last attempt at this picture"
    return str(seen.get("cause_code") or NOT_ATTEMPTED), str(
        seen.get("cause_message") or "the cause is not known"
    )
