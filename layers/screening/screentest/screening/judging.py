"""Asking the detector about one object, and what its answer means for the object."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from screentest.screening.breaker import Breaker
from screentest.screening.contract import Decision, is_download
from screentest.screening.errors import AccessDenied, DetectorError, ObjectGone, OutOfTime, PictureUnreadable
from screentest.screening.models import ObjectRef, Screening, Verdict
from screentest.screening.outcomes import outcome
from screentest.screening.ports import Detector, Objects, Signer

DETECTOR_BUDGET: Final = 30.0
"""Seconds that must be left before a detector is called: its time-out of 25 and what is to be written afterwards."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Asks the detector, through the breaker. Safe to share between threads."""

    detector: Detector
    signer: Signer
    objects: Objects
    breaker: Breaker

    def decide(
        self, ref: ObjectRef, screening: Screening, remaining: Callable[[], float] = lambda: math.inf
    ) -> Decision:
        """The verdict on an object.

        An address that the detector calls unusable is tried once more with a fresh one. Then the object is read with
        our own permissions and through a signed address: only a picture that is there, unchanged, and was within reach
        of the detector can be rejected for it.

        Args:
            remaining: seconds until the function is stopped.

        Raises:
            ScreeningError: no verdict this time, or the object is gone; `outcomes` says what follows.
        """
        try:
            return self._ask(ref, screening, remaining)
        except PictureUnreadable as error:
            unreadable = error
        if not is_download(unreadable):
            try:
                return self._ask(ref, screening, remaining)
            except PictureUnreadable as error:
                unreadable = error
        unchanged(ref, self.objects.read(ref).etag)
        if self.signer.is_refused(ref):
            raise AccessDenied("the bucket lets us read the object, but refuses signed addresses")
        if is_download(unreadable):
            raise unreadable
        return Decision(
            Verdict.REJECT,
            code=unreadable.code,
            message=unreadable.message,
            request_id=unreadable.request_id,
        )

    def _ask(self, ref: ObjectRef, screening: Screening, remaining: Callable[[], float]) -> Decision:
        if remaining() < DETECTOR_BUDGET:
            raise OutOfTime("the function has too little time left for the detector", retry_after=1.0)
        self.breaker.before()
        try:
            decision = self.detector.detect(self.signer.sign(ref), screening.model, screening.wire_ratio)
        except DetectorError as error:
            if outcome(error).trips:
                self.breaker.failed()
            else:
                self.breaker.succeeded()
            raise
        self.breaker.succeeded()
        return decision


def unchanged(ref: ObjectRef, etag: str) -> None:
    """Check that the object under a key without versions is the one that the event named.

    Raises:
        ObjectGone: it is another.
    """
    if not ref.version_id and ref.etag and etag != ref.etag:
        raise ObjectGone("the object was overwritten meanwhile")
