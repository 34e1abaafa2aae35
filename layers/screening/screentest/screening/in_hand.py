"""The messages that a process has in hand, in a file that outlives it.

A function that is killed, for its time or its memory, leaves its batch hidden for the queue's six minutes. Lambda
starts it anew in the same environment and leaves its `/tmp` as it was (Lambda developer guide, "Execution environment
lifecycle", failures during the invoke phase): the new process finds there what the dead one had in hand.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

PATTERN: Final = "screentest-in-hand-*.json"


@dataclass(frozen=True, slots=True)
class Batch:
    """What a dead process had in hand.

    Attributes:
        since: seconds since 1970.
        receipts: of its messages.
    """

    since: float
    receipts: tuple[str, ...]


class InHand:
    """One file a process, locked as long as the process lives. A folder that cannot be written costs the notes alone.

    Args:
        folder: that of temporary files where None.
        clock: seconds since 1970.
    """

    def __init__(self, folder: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder or Path(tempfile.gettempdir())
        self._clock = clock
        self._file: IO[str] | None = None

    @contextlib.contextmanager
    def holding(self, receipts: Sequence[str]) -> Iterator[None]:
        """Note these messages until the block ends, whatever ends it."""
        self._note({"since": self._clock(), "receipts": list(receipts)})
        try:
            yield
        finally:
            self._note({})

    def left_by_the_dead(self) -> list[Batch]:
        """What processes had in hand that are no more; told once."""
        found = []
        for path in self._folder.glob(PATTERN):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError), path.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                noted: dict[str, Any] = json.loads(file.read())
                found.append(Batch(float(noted["since"]), tuple(map(str, noted["receipts"]))))
        return found

    def _note(self, what: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            if self._file is None:
                descriptor, _ = tempfile.mkstemp(
                    prefix=PATTERN.partition("*")[0], suffix=".json", dir=self._folder
                )
                self._file = os.fdopen(descriptor, "w")
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file.seek(0)
            self._file.truncate()
            self._file.write(json.dumps(what))
            self._file.flush()
