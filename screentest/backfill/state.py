"""What is remembered of a queue job between runs: a small file, written whole after every page."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from screentest.aws import AwsError
from screentest.backfill.selection import Selection
from screentest.backfill.sources import Cursor


class Phase(StrEnum):
    """How far a job is."""

    LISTING = "listing"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    LISTED = "listed"


class Request(StrEnum):
    """What another process asks of the one that lists."""

    PAUSE = "pause"
    CANCEL = "cancel"


@dataclass(slots=True)
class Job:
    """One backfill through the queue.

    Attributes:
        place: account or endpoint, and stack.
        cursor: where the listing goes on; empty at its beginning.
        sent: objects in the queue or beyond.
        skipped: left out, by reason.
    """

    id: str
    place: str
    selection: Selection
    phase: Phase = Phase.LISTING
    cursor: Cursor = field(default_factory=dict)
    pages: int = 0
    listed: int = 0
    sent: int = 0
    screenings: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    updated_at: str = ""

    def to_json(self) -> dict[str, Any]:
        """As stored, and as shown by `--json`."""
        return asdict(self) | {"selection": self.selection.to_json()}


class Jobs:
    """The folder of jobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, job_id: str) -> Job | None:
        """The job, or None where nothing is known of it.

        Raises:
            AwsError: its file cannot be read.
        """
        try:
            stored = json.loads(self._file(job_id).read_text())
            return Job(
                **stored
                | {"selection": Selection.from_json(stored["selection"]), "phase": Phase(stored["phase"])}
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AwsError(
                f"cannot read {self._file(job_id)}: {error}; give the backfill again with --restart (what is "
                "screened already is left out)"
            ) from error

    def save(self, job: Job) -> None:
        """Replace the file in one step, so that a kill leaves the former or the new state.

        Raises:
            AwsError: the folder cannot be written.
        """
        file = self._file(job.id)
        part = file.with_suffix(".part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with part.open("w") as target:
                json.dump(job.to_json(), target)
                target.flush()
                os.fsync(target.fileno())
            part.replace(file)
        except OSError as error:
            raise AwsError(f"cannot remember the job in {file}: {error}; name another --state-dir") from error

    def ask(self, job_id: str, request: Request) -> None:
        """Leave a request for the process that lists this job."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._request(job_id).write_text(request)

    def asked(self, job_id: str) -> Request | None:
        """The request that is waiting, if any."""
        try:
            return Request(self._request(job_id).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def answer(self, job_id: str) -> None:
        """Forget the request."""
        self._request(job_id).unlink(missing_ok=True)

    @contextlib.contextmanager
    def alone(self, job_id: str) -> Iterator[None]:
        """Hold the job; the system lets go of it when this process ends, however it ends.

        Raises:
            AwsError: another process lists it.
        """
        import fcntl

        self.folder.mkdir(parents=True, exist_ok=True)
        with self._file(job_id).with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise AwsError(
                    f"another process lists {job_id} already: watch it with --status {job_id}, or stop it with "
                    f"--pause {job_id}"
                ) from error
            yield

    def _file(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.json"

    def _request(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.request"
