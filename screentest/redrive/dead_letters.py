"""Dead letters: reading, choosing and putting back. Nothing is deleted that was not sent before."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from screentest.aws import AwsError, as_aws_errors
from screentest.screening import events
from screentest.screening.errors import UnreadableEvent
from screentest.screening.models import ObjectRef, Verdict
from screentest.screening.queue import CODE_ATTRIBUTE, REDRIVEN_ATTRIBUTE
from screentest.screening.records import Attribute, Record, timestamp
from screentest.screening.table import decode

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

HIDDEN: Final = 600
"""Seconds for which a message that was read stays hidden from other readers, this command's next look included."""

RECEIVE_BATCH: Final = 10
WAIT_SECONDS: Final = 1
"""Long polling: SQS then asks all of its servers, so that an empty answer means an empty queue."""

NO_CODE: Final = "unknown"

PERMISSIONS: Final = (
    "sqs:ReceiveMessage, sqs:ChangeMessageVisibility and sqs:DeleteMessage on the dead-letter queues, and "
    "sqs:SendMessage on the queues"
)

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message of a dead-letter queue.

    Attributes:
        refs: the objects that it names; empty where it names none.
        code: of the error that it was set aside for.
        sent: seconds since 1970, when it was first sent.
    """

    id: str
    receipt: str
    body: str
    refs: tuple[ObjectRef, ...]
    code: str
    sent: float


@dataclass(frozen=True, slots=True)
class Filters:
    """Which dead letters; every part narrows, None and empty do not.

    Attributes:
        sent_before, sent_after: seconds since 1970.
    """

    codes: frozenset[str] = frozenset()
    bucket: str | None = None
    prefix: str | None = None
    sent_before: float | None = None
    sent_after: float | None = None

    @classmethod
    def since_now(
        cls,
        *,
        codes: Sequence[str],
        bucket: str | None,
        prefix: str | None,
        older_than: str | None,
        newer_than: str | None,
        clock: Callable[[], float] = time.time,
    ) -> Filters:
        """The same with ages in place of times, as 30m, 2h or 3d.

        Raises:
            AwsError: an age is malformed.
        """
        older, newer = parse_age(older_than, "--older-than"), parse_age(newer_than, "--newer-than")
        now = clock()
        return cls(
            codes=frozenset(codes),
            bucket=bucket,
            prefix=prefix,
            sent_before=None if older is None else now - older,
            sent_after=None if newer is None else now - newer,
        )

    def matches(self, dead_letter: DeadLetter) -> bool:
        """Whether a dead letter is to be put back. One that names no object is, unless objects are asked for."""
        return (
            (not self.codes or dead_letter.code in self.codes)
            and (self.bucket is None or any(ref.bucket == self.bucket for ref in dead_letter.refs))
            and (self.prefix is None or any(ref.key.startswith(self.prefix) for ref in dead_letter.refs))
            and (self.sent_before is None or dead_letter.sent < self.sent_before)
            and (self.sent_after is None or dead_letter.sent >= self.sent_after)
        )


class Codes:
    """Finds the code of a dead letter that carries none: the newest error of its objects in the table."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def of(self, refs: Sequence[ObjectRef]) -> str:
        """The code, or `NO_CODE`.

        Raises:
            AwsError: the table may not be read.
        """
        for ref in refs:
            with as_aws_errors(f"read the table {self._table}", needs="dynamodb:Query on the table"):
                answer = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression="#object = :object",
                    ExpressionAttributeNames={"#object": Attribute.OBJECT},
                    ExpressionAttributeValues={":object": {"S": ref.uri}},
                )
            found = [Record.from_item(decode(item)) for item in answer["Items"]]
            failed = [r for r in found if r.ref.version_id == ref.version_id and _failure(r) is not None]
            if failed:
                newest = max(failed, key=lambda record: record.result.screened_at if record.result else "")
                return _failure(newest) or NO_CODE
        return NO_CODE


def _failure(record: Record) -> str | None:
    """Code of the last failed attempt or else of the recorded error, empty where it has none; None without either."""
    if record.lease is not None and record.lease.cause is not None:
        return record.lease.cause.code
    result = record.result
    return result.code or "" if result is not None and result.verdict is Verdict.ERROR else None


class DeadLetterQueue:
    """One dead-letter queue, and the queue where its messages came from."""

    def __init__(
        self,
        client: SQSClient,
        *,
        url: str,
        origin: str,
        codes: Codes,
        clock: Callable[[], float] = time.time,
        wait: int = WAIT_SECONDS,
    ) -> None:
        self._wait = wait
        self._client = client
        self._url = url
        self._origin = origin
        self._codes = codes
        self._clock = clock

    def count(self) -> int:
        """Messages in the dead-letter queue that can be seen, approximately.

        Raises:
            AwsError: the queue may not be read.
        """
        return self._count("ApproximateNumberOfMessages")

    def hidden(self) -> int:
        """Messages that another reader, or one that was killed, keeps out of sight for up to `HIDDEN` seconds.

        Raises:
            AwsError: the queue may not be read.
        """
        return self._count("ApproximateNumberOfMessagesNotVisible")

    def _count(self, attribute: Any) -> int:
        with as_aws_errors(
            "read the dead-letter queue", needs="sqs:GetQueueAttributes on the dead-letter queues"
        ):
            answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=[attribute])
        return int(answer["Attributes"][attribute])

    def read(self) -> Iterator[DeadLetter]:
        """Every dead letter that can be seen now, each once; hidden from others until `release` or `HIDDEN` seconds.

        Raises:
            AwsError: the queue may not be read.
        """
        seen: set[str] = set()
        while True:
            with as_aws_errors("read the dead-letter queue", needs=PERMISSIONS):
                answer = self._client.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=RECEIVE_BATCH,
                    VisibilityTimeout=HIDDEN,
                    WaitTimeSeconds=self._wait,
                    MessageAttributeNames=["All"],
                    MessageSystemAttributeNames=["All"],
                )
            new = [message for message in answer.get("Messages", []) if message["MessageId"] not in seen]
            if not new:
                return
            for message in new:
                seen.add(message["MessageId"])
                yield self._letter(message)

    def put_back(self, dead_letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Send up to ten dead letters to their queue, then delete them here. Returns those that were not put back.

        The attribute that marks them has the pipeline screen a recorded error again. A dead_letter that is sent and not
        deleted is in both queues: it is put back twice and screened once.

        Raises:
            AwsError: the queues may not be written.
        """
        now = timestamp(self._clock())
        entries: Any = [
            {
                "Id": str(number),
                "MessageBody": dead_letter.body,
                "MessageAttributes": {REDRIVEN_ATTRIBUTE: {"DataType": "String", "StringValue": now}},
            }
            for number, dead_letter in enumerate(dead_letters)
        ]
        with as_aws_errors("put dead letters back", needs=PERMISSIONS):
            answer = self._client.send_message_batch(QueueUrl=self._origin, Entries=entries)
            sent = {entry["Id"] for entry in answer.get("Successful", [])}
            gone: set[str] = set()
            if sent:
                receipts: Any = [
                    {"Id": str(number), "ReceiptHandle": dead_letter.receipt}
                    for number, dead_letter in enumerate(dead_letters)
                    if str(number) in sent
                ]
                deleted = self._client.delete_message_batch(QueueUrl=self._url, Entries=receipts)
                gone = {entry["Id"] for entry in deleted.get("Successful", [])}
        return [dead_letter for number, dead_letter in enumerate(dead_letters) if str(number) not in gone]

    def release(self, receipts: Sequence[str]) -> None:
        """Let others see dead letters again that were only looked at.

        Raises:
            AwsError: the queue may not be changed; they show up by themselves after `HIDDEN` seconds.
        """
        for start in range(0, len(receipts), RECEIVE_BATCH):
            entries: Any = [
                {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for number, receipt in enumerate(receipts[start : start + RECEIVE_BATCH])
            ]
            with as_aws_errors("release dead letters", needs=PERMISSIONS):
                self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _letter(self, message: Mapping[str, Any]) -> DeadLetter:
        try:
            refs = tuple(events.objects_in_body(message["Body"]))
        except UnreadableEvent:
            refs = ()
        attribute = message.get("MessageAttributes", {}).get(CODE_ATTRIBUTE, {}).get("StringValue")
        return DeadLetter(
            id=message["MessageId"],
            receipt=message["ReceiptHandle"],
            body=message["Body"],
            refs=refs,
            code=attribute or (self._codes.of(refs) if refs else UnreadableEvent.code),
            sent=int(message.get("Attributes", {}).get("SentTimestamp", 0)) / 1000,
        )


def parse_age(text: str | None, option: str) -> float | None:
    """Seconds of `90s`, `30m`, `2h`, `3d`.

    Raises:
        AwsError: it is no age.
    """
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", text)
    if not found:
        raise AwsError(f"{option} {text!r} is not an age: write 90s, 30m, 2h or 3d")
    return float(found[1]) * UNITS[found[2]]
