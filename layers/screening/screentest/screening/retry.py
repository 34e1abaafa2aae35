"""How long a message waits before it is tried again, as data."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

LONGEST_ASKED = 3 * 3600.0
"""Seconds that a server's `Retry-After` is obeyed for: 18 such waits stay below the four days for which the queue keeps
a message, so that the final attempts can record what happened."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with jitter.

    With twenty receives, of which the last two only record what happened, these waits reach over 5 to 6 hours, so an
    outage of four hours needs no hand.

    Attributes:
        first: seconds after the first failure.
        factor: growth from one failure to the next.
        longest: seconds.
        jitter: share by which a wait may be shorter or longer, so that what failed together does not return together.
    """

    first: float = 30.0
    factor: float = 2.0
    longest: float = 1800.0
    jitter: float = 0.15

    def after(
        self, failures: int, at_least: float | None = None, random_: Callable[[], float] = random.random
    ) -> int:
        """Whole seconds to wait after this many failures; not less than the server asked for up to `LONGEST_ASKED`."""
        wait = min(self.longest, self.first * self.factor ** min(max(failures - 1, 0), 30))
        wait *= 1 + self.jitter * (2 * random_() - 1)
        return round(max(wait, min(at_least or 0.0, LONGEST_ASKED)))
