"""The claim: a lease on a screening's record, taken by a conditional write before anything is asked or written."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final

from screentest.screening import records
from screentest.screening.announcing import SETTLING
from screentest.screening.errors import Busy, ObjectGone, ScreeningError, StoreUnavailable
from screentest.screening.models import ObjectRef, Screening
from screentest.screening.ports import Objects, Table, Telemetry
from screentest.screening.progress import Attempt, Claimed, Failed, Found, Superseded
from screentest.screening.records import ClaimState, Record, Result

STORE_DOUBT: Final = 900.0
"""Seconds after a failure of the table in which crashes are not held against a picture: a lease that the table did not
take back looks like one."""


class _Unreleased:
    """Leases that this process could not give back, because the table was not there to take them. Safe to share between
    threads; the oldest are forgotten."""

    LIMIT = 1000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[tuple[str, str, float], Record] = {}

    def add(self, claim: Record, released: Record) -> None:
        with self._lock:
            while len(self._records) >= self.LIMIT:
                del self._records[next(iter(self._records))]
            self._records[self._key(claim)] = released

    def get(self, seen: Record) -> Record | None:
        return self._records.get(self._key(seen)) if seen.crashed else None

    @staticmethod
    def _key(record: Record) -> tuple[str, str, float]:
        partition, sort = records.key(record.ref, record.screening).values()
        return partition, sort, record.lease.until if record.lease else 0.0


class Claims:
    """Takes leases and gives them back. Safe to share between threads.

    Args:
        days: after which a record leaves the table.
        clock: seconds since 1970.
    """

    def __init__(
        self, table: Table, objects: Objects, telemetry: Telemetry, days: int, clock: Callable[[], float]
    ) -> None:
        self._table = table
        self._objects = objects
        self._telemetry = telemetry
        self._days = days
        self._clock = clock
        self._unreleased = _Unreleased()
        self._table_failed_at = -math.inf

    @property
    def are_doubtful(self) -> bool:
        """Whether the table failed lately, so that a lease that ran out need not be a crash."""
        return self._clock() - self._table_failed_at < STORE_DOUBT

    def claim(
        self, ref: ObjectRef, screening: Screening, attempt: Attempt
    ) -> Claimed | Found | Superseded | Failed:
        """Take the lease of a screening, or say why not: decided already, overtaken by a later upload, or not now."""
        now = self._clock()
        try:
            claim = records.claimed(None, ref, screening, now=now, days=self._days)
            seen = self._table.create(claim)
            if seen is None:
                return Claimed(screening, claim)
            state = self._state(seen, ref, now, attempt)
            if state is ClaimState.DUPLICATE:
                return Found(screening, seen)
            if state is ClaimState.STALE:
                return Superseded(screening)
            if state is ClaimState.BUSY:
                until = seen.lease.until if seen.lease else now
                raise Busy(
                    "another delivery is at work on this upload", retry_after=max(1.0, until - now + 1)
                )
            known = self._unreleased.get(seen) or seen
            claim = records.claimed(known, ref, screening, now=now, days=self._days)
            if not self._table.replace(claim, seen):
                raise Busy("another delivery was quicker", retry_after=SETTLING)
        except ScreeningError as error:
            self._telemetry.failed(ref, screening, error)
            if isinstance(error, StoreUnavailable):
                self._table_failed_at = self._clock()
            return Failed(screening, error)
        return Claimed(screening, claim, known)

    def _state(self, seen: Record, ref: ObjectRef, now: float, attempt: Attempt) -> ClaimState:
        state = records.claim_state(seen, ref, now, attempt.rescreen)
        if state is ClaimState.UNCLEAR:
            try:
                there = self._objects.head(ref)
            except ObjectGone:
                return ClaimState.STALE
            return ClaimState.NEWER if there.etag == ref.etag else ClaimState.STALE
        if state is ClaimState.BUSY and attempt.ignore_lease:
            return ClaimState.TAKEOVER
        if state is ClaimState.TAKEOVER and attempt.final_attempt and seen.lease is None:
            # The detector would not be asked anew: the stored error is final.
            return ClaimState.DUPLICATE
        return state

    def release(
        self,
        ref: ObjectRef,
        screening: Screening,
        claim: Record,
        error: ScreeningError,
        answer: Result | None = None,
    ) -> None:
        """Give the lease back with its cause, and with the detector's answer where that could not be stored."""
        released = claim.released(error, self._clock(), answer)
        try:
            self._table.replace(released, claim)
        except ScreeningError as second:
            # The lease runs out by itself; this process at least knows that it did not crash.
            self._table_failed_at = self._clock()
            self._unreleased.add(claim, released)
            self._telemetry.failed(ref, screening, second)
