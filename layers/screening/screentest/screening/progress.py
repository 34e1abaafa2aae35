"""A delivery, and how far one of its screenings has come: one frozen type for each state.

Claimed ──► Judged ──► Stored          decided by this delivery
Found                                  decided by an earlier one
Superseded                             the record belongs to a later upload or another delivery
Failed                                 to be tried again
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from screentest.screening.errors import ScreeningError
from screentest.screening.models import Screening
from screentest.screening.records import Record, RescreenPolicy, Result


@dataclass(frozen=True, slots=True)
class Attempt:
    """Circumstances of one delivery.

    Attributes:
        final_attempt: the message is about to go to the dead-letter queue: decide without asking the detector.
        ignore_lease: no delivery follows: do not wait for another worker either.
        will_be_redelivered: what is put back comes again.
        rescreen: stored verdicts to replace.
        remaining: seconds until the function is stopped.
        unread: why the object's metadata, which may add screenings, could not be read.
        dead_letter: sends the message to the dead-letter queue now; None where there is no message.
    """

    final_attempt: bool = False
    ignore_lease: bool = False
    will_be_redelivered: bool = True
    rescreen: RescreenPolicy | None = None
    remaining: Callable[[], float] = lambda: math.inf
    unread: ScreeningError | None = None
    dead_letter: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """Ours to decide.

    Attributes:
        claim: as written to the table.
        seen: what the claim replaced.
    """

    screening: Screening
    claim: Record
    seen: Record | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """Decided, not stored yet.

    Attributes:
        failure: set where an `error` is recorded although the message is retried.
    """

    screening: Screening
    record: Record
    claim: Record
    failure: ScreeningError | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """Decided by this delivery, and in the table."""

    screening: Screening
    record: Record
    failure: ScreeningError | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Decided by an earlier delivery; its tags or its notice may be missing."""

    screening: Screening
    record: Record
    failure: ScreeningError | None = None


@dataclass(frozen=True, slots=True)
class Superseded:
    """A later upload, or another delivery, owns the record."""

    screening: Screening


@dataclass(frozen=True, slots=True)
class Failed:
    """Not decided this time.

    Attributes:
        claim: None where there was none.
    """

    screening: Screening
    failure: ScreeningError
    claim: Record | None = None


Progress = Judged | Stored | Found | Superseded | Failed


def result_of(step: Progress) -> Result | None:
    """The verdict, where there is one."""
    return step.record.result if isinstance(step, Judged | Stored | Found) else None


def failure_of(step: Progress) -> ScreeningError | None:
    """Why the message must come again."""
    return None if isinstance(step, Superseded) else step.failure
