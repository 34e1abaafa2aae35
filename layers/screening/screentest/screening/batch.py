"""What a function is invoked with: a batch of SQS messages, or one event directly.

Messages that have not failed before run in parallel. A message whose last attempt crashed is a poison
candidate: those run after all others are finished and deleted, one at a time, the likeliest cause last, so that a
picture that crashes the function never fails its neighbours twice.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cmp_to_key
from itertools import groupby
from typing import Any, Final, Protocol

from screentest.screening import events
from screentest.screening.errors import Busy, OutOfTime, ScreeningError, StoreUnavailable, UnreadableEvent
from screentest.screening.in_hand import Batch, InHand
from screentest.screening.models import NO_VERSION, ObjectRef, Trigger, Verdict, is_later
from screentest.screening.progress import Attempt
from screentest.screening.queue import CODE_ATTRIBUTE, REDRIVEN_ATTRIBUTE, UploadQueue
from screentest.screening.records import LEASE, Item, RescreenPolicy, timestamp
from screentest.screening.retry import Backoff
from screentest.screening.screen import Report, Screener
from screentest.screening.telemetry import Telemetry

THREADS: Final = 10
"""Messages at work at a time: the batch size of the event source."""

INFERENCE_THREADS: Final = 2
"""The same where the detector is in this process and judges one picture at a time: the calls to AWS for one overlap
with the judging of another, and none waits long for its turn."""

LAST_ATTEMPTS: Final = 2
"""Receives that only record what happened; the second is there in case the first dies."""

_SOON: Final = 5
"""Seconds until a message comes again that has nothing to wait for."""

_UNREADABLE_WAIT: Final = 1
"""Seconds: waiting changes nothing about a message that names no object, so it soon lies in the dead-letter queue."""


class Context(Protocol):
    """What we use of Lambda's context."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Until the function is stopped."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """One SQS message.

    Attributes:
        receives: how often it was received, this time included.
        sent: when it was put into the queue.
        redriven: when a person put it back from the dead-letter queue.
    """

    id: str
    receipt: str
    body: str
    receives: int
    sent: str
    redriven: str | None
    refs: tuple[ObjectRef, ...]

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Message:
        """From a record of Lambda's event.

        Raises:
            UnreadableEvent: its body names no object.
        """
        attributes = record.get("attributes") or {}
        redriven = (record.get("messageAttributes") or {}).get(REDRIVEN_ATTRIBUTE) or {}
        body = record.get("body")
        return cls(
            id=str(record.get("messageId", "")),
            receipt=str(record.get("receiptHandle", "")),
            body=str(body),
            receives=int(attributes.get("ApproximateReceiveCount", 1)),
            sent=timestamp(int(attributes.get("SentTimestamp", 0)) / 1000),
            redriven=redriven.get("stringValue"),
            refs=tuple(events.objects_in_body(body if isinstance(body, str) else "", Trigger.UPLOAD)),
        )

    @property
    def place(self) -> str:
        """What it is about: messages of one place are handled one after the other."""
        if not self.refs:
            return self.id
        ref = self.refs[0]
        return f"{ref.uri}#{ref.version_id or NO_VERSION}"


@dataclass(frozen=True, slots=True)
class Done:
    """The message can be deleted."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The message must come again, or move on to the dead-letter queue."""


@dataclass(frozen=True, slots=True)
class PoisonCandidate:
    """An earlier attempt at the message crashed: handle it alone, after the others.

    Attributes:
        crashes: so far.
    """

    crashes: int


Handled = Done | Returned | PoisonCandidate


class Pipeline:
    """The whole function behind its handler: `pipeline(event, context)`.

    Args:
        max_receives: of the queue's redrive policy.
        pool: where messages run in parallel; by default as many threads as a batch has messages.
        in_hand: where a batch is noted, so that it is not hidden for long if this process is killed; None for nowhere.
    """

    def __init__(
        self,
        screener: Screener,
        queue: UploadQueue,
        telemetry: Telemetry,
        *,
        max_receives: int = 20,
        backoff: Backoff | None = None,
        pool: Executor | None = None,
        in_hand: InHand | None = None,
    ) -> None:
        self.screener = screener
        self._queue = queue
        self.telemetry = telemetry
        self._max_receives = max_receives
        self._backoff = backoff or Backoff()
        self._in_hand = in_hand
        self._has_looked = False
        self._pool = pool or ThreadPoolExecutor(THREADS, thread_name_prefix="screen")

    def __call__(self, event: Any, context: Context) -> dict[str, Any]:
        """`{"batchItemFailures": …}` for a batch, `{"screenings": [item, …]}` for an event given directly.

        Raises:
            UnreadableEvent: given directly, and names no object.
            ScreeningError: given directly, and worth another try.
        """
        self.telemetry.begin(getattr(context, "aws_request_id", None))

        def remaining() -> float:
            return context.get_remaining_time_in_millis() / 1000

        try:
            if events.is_queue_batch(event):
                failed = self._noted_batch(event["Records"], remaining)
                return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in failed]}
            return {"screenings": self._direct(event, remaining)}
        finally:
            self.telemetry.flush()

    # Directly ------------------------------------------------------------------------------------------------------

    def _direct(self, event: Any, remaining: Callable[[], float]) -> list[Item]:
        refs = events.objects(event, Trigger.MANUAL)
        attempt = Attempt(will_be_redelivered=False, remaining=remaining)
        reports = list(self._pool.map(lambda ref: self.screener.screen(ref, attempt), refs))
        for report in reports:
            for failure in report.failures:
                raise failure
        return [item for report in reports for item in report.items]

    # From the queue ------------------------------------------------------------------------------------------------

    def _noted_batch(self, batch: Sequence[Mapping[str, Any]], remaining: Callable[[], float]) -> list[str]:
        if self._in_hand is None:
            return self._batch(batch, remaining)
        if not self._has_looked:
            self._has_looked = True
            self._give_back(self._in_hand.left_by_the_dead())
        with self._in_hand.holding([str(record.get("receiptHandle", "")) for record in batch]):
            return self._batch(batch, remaining)

    def _give_back(self, batches: Iterable[Batch]) -> None:
        """Show messages of a process that was killed again, as soon as its first leases are over."""
        now = self.screener.clock()
        for batch in batches:
            wait = max(0, math.ceil(batch.since + LEASE + 1 - now))
            self.telemetry.note("killed batch given back", messages=len(batch.receipts), wait=wait)
            for receipt in batch.receipts:
                # Those that it had finished are deleted already.
                with contextlib.suppress(StoreUnavailable):
                    self._queue.delay(receipt, wait)

    def _batch(self, batch: Sequence[Mapping[str, Any]], remaining: Callable[[], float]) -> list[str]:
        failed: dict[str, None] = {}
        messages: list[Message] = []
        for record in batch:
            try:
                messages.append(Message.parse(record))
            except UnreadableEvent as error:
                self._unreadable(record, error)
                failed[str(record.get("messageId", ""))] = None

        def handle(group: list[Message]) -> list[tuple[Message, Handled]]:
            return [(message, self._handle(message, remaining, alone=False)) for message in group]

        handled = [pair for group in self._pool.map(handle, _grouped(messages)) for pair in group]
        candidates = [
            (result.crashes, message) for message, result in handled if isinstance(result, PoisonCandidate)
        ]
        failed |= {message.id: None for message, result in handled if isinstance(result, Returned)}
        if candidates:
            self._finish([message for message, result in handled if isinstance(result, Done)])
        for _, message in sorted(candidates, key=lambda candidate: candidate[0]):
            if isinstance(self._handle(message, remaining, alone=True), Done):
                self._finish([message])
            else:
                failed[message.id] = None
        return list(failed)

    def _handle(self, message: Message, remaining: Callable[[], float], *, alone: bool) -> Handled:
        try:
            if not alone and 1 < message.receives <= self._max_receives - LAST_ATTEMPTS:
                crashes = max((self.screener.crash_count(ref) for ref in message.refs), default=0)
                if crashes:
                    return PoisonCandidate(crashes)
            reports = [self.screener.screen(ref, self._attempt(message, remaining)) for ref in message.refs]
        except ScreeningError as error:
            for ref in message.refs:
                self.telemetry.failed(ref, None, error)
            reports = [Report(failures=(error,))]
        except Exception as error:  # noqa: BLE001 - one message's defect must not fail its batch
            self.telemetry.defect(message.id, error, {ref.trigger for ref in message.refs})
            self._delay(message, [])
            return Returned()
        failures = [failure for report in reports for failure in report.failures]
        if not failures and not any(report.exhausted for report in reports):
            return Done()
        self._delay(message, failures)
        return Returned()

    def _attempt(self, message: Message, remaining: Callable[[], float]) -> Attempt:
        def dead_letter(code: str) -> None:
            self._queue.dead_letter(message.body, {CODE_ATTRIBUTE: code})

        return Attempt(
            final_attempt=message.receives > self._max_receives - LAST_ATTEMPTS,
            ignore_lease=message.receives >= self._max_receives,
            rescreen=self._rescreen_policy(message),
            remaining=remaining,
            dead_letter=dead_letter if self._queue.has_dead_letters else None,
        )

    def _rescreen_policy(self, message: Message) -> RescreenPolicy | None:
        if any(ref.trigger is Trigger.BACKFILL for ref in message.refs):
            # What was decided since the listing, by whomever, is not decided again.
            rejects = events.rejects_in_body(message.body)
            kinds = {Verdict.ERROR} if rejects is None else {Verdict.ERROR, Verdict.REJECT}
            return RescreenPolicy(
                message.redriven or message.sent,
                frozenset(kinds),
                rules_version=self.screener.rules_version,
                codes=rejects or (),
            )
        return RescreenPolicy(message.redriven) if message.redriven else None

    def _delay(self, message: Message, failures: Iterable[ScreeningError]) -> None:
        found = list(failures)
        at_least = max((failure.retry_after or 0.0 for failure in found), default=0.0)
        if message.receives > self._max_receives - LAST_ATTEMPTS:
            wait = _SOON
        elif found and all(isinstance(failure, Busy | OutOfTime) for failure in found):
            wait = max(1, round(at_least + 0.5))
        else:
            wait = self._backoff.after(message.receives, at_least)
        self._hide(message.id, message.receipt, wait)

    def _unreadable(self, record: Mapping[str, Any], error: UnreadableEvent) -> None:
        self.telemetry.unreadable(str(record.get("messageId", "")), error)
        self._hide(str(record.get("messageId", "")), str(record.get("receiptHandle", "")), _UNREADABLE_WAIT)

    def _hide(self, message_id: str, receipt: str, wait: int) -> None:
        try:
            self._queue.delay(receipt, wait)
        except StoreUnavailable as error:
            # It comes again when the queue's own visibility time-out ends.
            self.telemetry.note("message not delayed", message_id=message_id, why=error.message)

    def _finish(self, messages: Sequence[Message]) -> None:
        for start in range(0, len(messages), 10):
            try:
                self._queue.finish([message.receipt for message in messages[start : start + 10]])
            except StoreUnavailable as error:
                self.telemetry.note("messages not deleted early", why=error.message)


def _grouped(messages: Iterable[Message]) -> list[list[Message]]:
    """By object and version; where there are no versions, the latest upload first: it makes the others stale."""
    ordered = sorted(messages, key=lambda message: message.place)
    return [
        sorted(group, key=cmp_to_key(_latest_first))
        for _, group in groupby(ordered, key=lambda message: message.place)
    ]


def _latest_first(one: Message, other: Message) -> int:
    first, second = (message.refs[0].sequencer if message.refs else None for message in (one, other))
    if not first or not second:
        return 0
    return -1 if is_later(first, second) else int(is_later(second, first))
