"""Stops calling a detector that is down, and lets one call through now and then to see whether it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from screentest.screening.errors import BreakerOpen


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When to stop, and for how long.

    Attributes:
        failures: in a row, before calls stop. A single bad picture that makes a server fail must not be enough.
        first: seconds without calls, then one is let through; each failed probe doubles the pause.
        longest: seconds.
    """

    failures: int = 5
    first: float = 15.0
    longest: float = 240.0


class Breaker:
    """One for each detector and process. Safe to use from any thread.

    It relieves a failing server and saves waiting for time-outs; nothing is lost without it. So it lives in
    memory: sharing its state would cost a call for each picture.
    """

    def __init__(
        self, policy: BreakerPolicy | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._policy = policy or BreakerPolicy()
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._pause = 0.0
        self._closed_until = 0.0

    def before(self) -> None:
        """Ask to call.

        Raises:
            BreakerOpen: not now; `retry_after` says when.
        """
        with self._lock:
            if self._failures < self._policy.failures:
                return
            now = self._clock()
            if now < self._closed_until:
                raise BreakerOpen(
                    "the detector was just found down and is left alone for a while",
                    code="DetectorDown",
                    retry_after=self._closed_until - now,
                )
            # This caller is the probe; everybody else waits for what it finds.
            self._closed_until = now + self._pause

    def succeeded(self) -> None:
        """The detector answered, whatever it said."""
        with self._lock:
            self._failures, self._pause = 0, 0.0

    def failed(self) -> None:
        """The detector did not answer as a living one does."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._policy.failures:
                self._pause = min(self._pause * 2 or self._policy.first, self._policy.longest)
                self._closed_until = self._clock() + self._pause
