"""The last step of a screening: telling the failure topic, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from screentest.screening import notices, records
from screentest.screening.errors import Busy, ScreeningError
from screentest.screening.models import Verdict
from screentest.screening.ports import Table, Topic
from screentest.screening.progress import Found, Stored
from screentest.screening.records import Record

SETTLING: Final = 3.0
"""Seconds after a verdict in which a duplicate does not send its missing notice: the delivery that decided is about
to."""


@dataclass(frozen=True, slots=True)
class Announcer:
    """Publishes the notices of a decided screening."""

    topic: Topic
    table: Table
    region: str
    notify_on: Literal["failures", "all"]
    clock: Callable[[], float]

    def announce(
        self,
        step: Stored | Found,
        tagging: ScreeningError | None,
        *,
        settle: bool,
        dead_letter: Callable[[str], None] | None,
    ) -> Stored | Found:
        """Publish, dead-letter the message of an `error`, and note both in the table.

        Args:
            tagging: why the tags could not be written.
            settle: whether to leave a fresh verdict of another delivery to that one.
            dead_letter: sends the message to the dead-letter queue; None where that is not to be done.

        Raises:
            Busy: another delivery is about to do it.
            StoreUnavailable: the topic, the queue or the table did not answer.
        """
        record, result = step.record, step.record.result
        assert result is not None
        now = self.clock()
        messages = [] if result.notified_at is not None else self._messages(record, tagging)
        if not messages:
            return step
        if settle and isinstance(step, Found) and now - records.seconds(result.screened_at) < SETTLING:
            raise Busy("the delivery that decided this is about to tell the topic", retry_after=SETTLING)
        for message in messages:
            self.topic.publish(message)
        if result.is_failure and step.failure is None and dead_letter is not None:
            dead_letter(result.code or "")
        at = records.timestamp(now)
        self.table.note(record, notified_at=at)
        return replace(step, record=record.noted(notified_at=at))

    def _messages(self, record: Record, tagging: ScreeningError | None) -> list[notices.Notice]:
        assert record.result is not None
        messages = []
        if notices.wanted(record, self.notify_on):
            messages.append(notices.notice(record, self.region))
        if record.result.tags == "no-room":
            messages.append(notices.no_room(record, self.region))
        elif tagging is not None and record.result.verdict is Verdict.PASS:
            messages.append(notices.untagged(record, self.region, tagging))
        return messages
