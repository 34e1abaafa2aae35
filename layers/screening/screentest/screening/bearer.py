"""The bearer key of an API of ours: how long what was read is believed, and when it is read anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from screentest.screening.errors import ScreeningError


class BearerKey:
    """The key that requests carry, read where it is kept.

    Args:
        read: the key, or None where there is none; whether to read it anew, past any cache. Raises `ScreeningError`.
        clock: seconds.
    """

    REFRESH: Final = 15.0
    """Seconds between two fresh looks because of a wrong key: strangers cannot make us read the secret more often."""

    def __init__(
        self, read: Callable[[bool], str | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read, self._clock = read, clock
        self._refreshed = float("-inf")

    def current(self) -> str:
        """The key.

        Raises:
            ScreeningError: it cannot be read, or is empty: then no request is accepted.
        """
        # It may have been filled since.
        return _filled(self._read(False) or (self._read(True) if self._may_refresh() else None))

    def renewed(self) -> str | None:
        """The key of this moment, after one that was refused; None where that was looked at just now.

        Raises:
            ScreeningError: as `current`.
        """
        return _filled(self._read(True)) if self._may_refresh() else None

    def accepts(self, check: Callable[[str], bool]) -> bool:
        """Whether `check` is true of the key; asked of a fresh one before the answer is no.

        Raises:
            ScreeningError: as `current`.
        """
        return check(self.current()) or ((key := self.renewed()) is not None and check(key))

    def _may_refresh(self) -> bool:
        if self._clock() - self._refreshed < self.REFRESH:
            return False
        self._refreshed = self._clock()
        return True


def _filled(key: str | None) -> str:
    if not key:
        raise ScreeningError("the secret of the bearer key is empty: put a key into it", code="EmptyKey")
    return key
