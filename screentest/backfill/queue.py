"""The queue engine: lists page by page into the backfill queue, at a bounded rate and a bounded depth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from screentest.aws import AwsError, as_aws_errors
from screentest.backfill.selection import Listed, Selection, Skip
from screentest.backfill.sources import Page, Source, Verdicts
from screentest.backfill.state import Job, Jobs, Phase, Request
from screentest.screening.backfill import message, needed
from screentest.screening.models import ObjectRef, Reason
from screentest.screening.routes import Routes

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

RATE: Final = 400
"""Objects a second. The index has one partition a verdict, which takes about 1,000 writes a second, and an object
writes it twice: once claimed, once decided. The rest is for live uploads."""

DEPTH: Final = 20_000
"""Messages that may wait. A queue keeps a message for 14 days at most, so a backfill of millions must not lie in it
whole; and a cancellation has so many left to throw away."""

SEND_BATCH: Final = 10
"""Most messages of one `SendMessageBatch`."""

POLL_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Chosen:
    """What became of one page.

    Attributes:
        objects: to be screened.
        screenings: detector runs over them.
        skipped: left out, by reason.
    """

    objects: tuple[Listed, ...]
    screenings: int
    skipped: dict[Skip, int]


class Chooser:
    """Decides which objects of a page are screened.

    Args:
        verdicts: what the table knows.
        routes: of the stack.
        object_routes: whether objects may ask for screenings themselves, which no listing shows.
        rules_version: of the deployed detector, None where it has none.
    """

    def __init__(
        self, *, verdicts: Verdicts, routes: Routes, object_routes: bool, rules_version: str | None
    ) -> None:
        self._verdicts = verdicts
        self._routes = routes
        self._object_routes = object_routes
        self._rules_version = rules_version

    def choose(self, page: Page, selection: Selection) -> Chosen:
        """The objects of a page that need a screening for one of the selection's reasons."""
        skipped: dict[Skip, int] = {}
        candidates = []
        for listed in page.objects:
            screenings = self._routes.screenings(listed.key)
            skip = selection.skip(listed)
            if skip is None and not screenings and not self._object_routes:
                skip = Skip.UNROUTED
            if skip:
                skipped[skip] = skipped.get(skip, 0) + 1
            else:
                candidates.append((listed, screenings))
        stored = self._verdicts.of(selection.bucket, candidates)
        objects = []
        runs = 0
        wanted = selection.only | ({Reason.NEW} if page.overdue else set())
        for listed, screenings in candidates:
            ref = listed.ref(selection.bucket)
            reasons = needed(
                ref,
                screenings,
                stored.get((ref.uri, ref.version_id), {}),
                self._rules_version,
                rejects=Reason.REJECT in selection.only,
                codes=selection.codes,
            )
            if (reasons & wanted) or not screenings:
                objects.append(listed)
                runs += max(1, len(screenings))
            else:
                skip = Skip.REASON if reasons else Skip.SCREENED
                skipped[skip] = skipped.get(skip, 0) + 1
        return Chosen(tuple(objects), runs, skipped)


class Queue:
    """The backfill queue and what empties it."""

    def __init__(self, sqs: SQSClient, url: str, functions: LambdaClient, function: str) -> None:
        self._sqs = sqs
        self._url = url
        self._functions = functions
        self._function = function

    def send(self, refs: Sequence[ObjectRef], rejects: Sequence[str] | None = None) -> None:
        """Put up to ten objects into the queue.

        Args:
            rejects: codes of rejections to screen again; None for no rejections.

        Raises:
            AwsError: some were refused three times over. Sending them again is harmless: an object that is in the
                queue twice is screened once.
        """
        entries: list[Any] = [
            {"Id": str(i), "MessageBody": message(ref, rejects)} for i, ref in enumerate(refs)
        ]
        with as_aws_errors("send to the backfill queue", needs="sqs:SendMessage on the backfill queue"):
            for _ in range(3):
                answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
                refused = {failure["Id"]: failure for failure in answer.get("Failed", [])}
                if not refused:
                    return
                entries = [entry for entry in entries if entry["Id"] in refused]
        why = next(iter(refused.values()))
        raise AwsError(
            f"the backfill queue refuses messages: {why.get('Message', why['Code'])}; run the command again"
        )

    def depth(self) -> int:
        """Messages that wait, are being screened, or wait to be tried again; approximate, as SQS counts."""
        return depth(self._sqs, self._url)

    def empty(self) -> None:
        """Throw away what waits.

        Raises:
            AwsError: it was emptied less than a minute ago, or may not be.
        """
        with as_aws_errors("empty the backfill queue", needs="sqs:PurgeQueue on the backfill queue"):
            self._sqs.purge_queue(QueueUrl=self._url)

    def switch(self, *, on: bool) -> None:
        """Let the function take messages from the queue, or stop it.

        Raises:
            AwsError: the stack has no event source for the queue, or it may not be changed.
        """
        with as_aws_errors(
            f"{'resume' if on else 'pause'} the backfill queue",
            needs="lambda:ListEventSourceMappings and lambda:UpdateEventSourceMapping",
        ):
            for source in self._sources():
                if (source["State"] in ("Enabled", "Enabling")) != on:
                    self._functions.update_event_source_mapping(UUID=source["UUID"], Enabled=on)

    def is_on(self) -> bool:
        """Whether messages are taken."""
        with as_aws_errors("read the backfill queue's event source", needs="lambda:ListEventSourceMappings"):
            return all(source["State"] in ("Enabled", "Enabling") for source in self._sources())

    def _sources(self) -> list[Any]:
        found: list[Any] = self._functions.list_event_source_mappings(FunctionName=self._function)[
            "EventSourceMappings"
        ]
        if not found:
            raise AwsError(
                "nothing reads the backfill queue: its event source is missing; deploy the stack again (make deploy)"
            )
        return found


def depth(sqs: SQSClient, url: str) -> int:
    """Messages of a queue, those that cannot be received just now too; approximate, as SQS counts.

    Raises:
        AwsError: the queue may not be read.
    """
    names = ("", "NotVisible", "Delayed")
    with as_aws_errors("read the backfill queue", needs="sqs:GetQueueAttributes on both backfill queues"):
        answer = sqs.get_queue_attributes(
            QueueUrl=url,
            AttributeNames=[f"ApproximateNumberOfMessages{name}" for name in names],  # type: ignore[misc]
        )
    return sum(int(count) for count in answer["Attributes"].values())


class RateLimit:
    """Keeps a mean rate, without making up for lost time in one burst."""

    def __init__(
        self,
        rate: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._each = 1 / rate
        self._clock = clock
        self._sleep = sleep
        self._free = 0.0

    def take(self, count: int) -> None:
        """Wait until `count` more may go."""
        now = self._clock()
        if self._free > now:
            self._sleep(self._free - now)
        self._free = max(self._free, now) + count * self._each


class Lister:
    """Carries out one job: from its cursor to the end, or until it is asked to stop."""

    def __init__(
        self,
        *,
        jobs: Jobs,
        source: Source,
        chooser: Chooser,
        queue: Queue,
        rate_limit: RateLimit,
        depth: int = DEPTH,
        now: Callable[[], str],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._jobs = jobs
        self._source = source
        self._chooser = chooser
        self._queue = queue
        self._rate_limit = rate_limit
        self._depth = depth
        self._now = now
        self._sleep = sleep

    def run(self, job: Job) -> Iterator[Job]:
        """Work, yielding the job after each page that is in the queue and remembered.

        A kill between the two sends one page again on the next run; an object that is in the queue twice is screened
        once, by the claim on its verdict.

        Raises:
            AwsError: AWS refuses something; the job can go on later from where it is.
        """
        job.phase = Phase.LISTING
        for page in self._source.pages(job.cursor):
            while not (request := self._jobs.asked(job.id)) and self._queue.depth() >= self._depth:
                self._sleep(POLL_SECONDS)
            if request:
                job.phase = Phase.CANCELLED if request is Request.CANCEL else Phase.PAUSED
                break
            self._carry(job, page)
            if page.following is None:
                job.phase = Phase.LISTED
            else:
                job.cursor = page.following
            self._remember(job)
            yield job
        self._remember(job)

    def _carry(self, job: Job, page: Page) -> None:
        chosen = self._chooser.choose(page, job.selection)
        refs = [listed.ref(job.selection.bucket) for listed in chosen.objects]
        for start in range(0, len(refs), SEND_BATCH):
            batch = refs[start : start + SEND_BATCH]
            self._rate_limit.take(len(batch))
            self._queue.send(batch, job.selection.codes if Reason.REJECT in job.selection.only else None)
        job.pages += 1
        job.listed += len(page.objects)
        job.sent += len(refs)
        job.screenings += chosen.screenings
        for skip, count in chosen.skipped.items():
            job.skipped[skip] = job.skipped.get(skip, 0) + count

    def _remember(self, job: Job) -> None:
        job.updated_at = self._now()
        self._jobs.save(job)
