"""The queue of uploads and its dead-letter queue in SQS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from screentest.screening.errors import StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

CODE_ATTRIBUTE = "screentest-code"
"""Message attribute of a dead letter: the code of the error that it was set aside for."""

REDRIVEN_ATTRIBUTE = "screentest-redriven"
"""Message attribute set by `screentest redrive`: `YYYY-MM-DDTHH:MM:SS.mmmZ`; errors of before are screened again."""


class UploadQueue:
    """Finishes, delays and sets aside messages. Without addresses it leaves all to the event source mapping.

    Args:
        client: asked for when first needed: a batch without failures needs no call.
    """

    def __init__(self, client: Callable[[], SQSClient], url: str | None, dead_letter_url: str | None) -> None:
        self._client = client
        self._url = url
        self._dead_letter_url = dead_letter_url

    @property
    def has_dead_letters(self) -> bool:
        """Whether messages can be set aside."""
        return self._dead_letter_url is not None

    def delay(self, receipt: str, wait: int) -> None:
        """Hide a message for `wait` seconds from now.

        Raises:
            StoreUnavailable: it stays hidden for what is left of the queue's own time.
        """
        if self._url is None:
            return
        try:
            self._client().change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=wait
            )
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable.of("SQS did not answer", error) from error

    def finish(self, receipts: Iterable[str]) -> None:
        """Delete messages now, at most ten, instead of at the end of the batch.

        Raises:
            StoreUnavailable: they may be deleted or not; the end of the batch deletes them again.
        """
        entries: Any = [{"Id": str(n), "ReceiptHandle": receipt} for n, receipt in enumerate(receipts)]
        if self._url is None or not entries:
            return
        try:
            self._client().delete_message_batch(QueueUrl=self._url, Entries=entries)
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable.of("SQS did not answer", error) from error

    def dead_letter(self, body: str, attributes: Mapping[str, str]) -> None:
        """Put a copy of a message into the dead-letter queue.

        Raises:
            StoreUnavailable: it is not there, as far as we know.
        """
        if self._dead_letter_url is None:
            raise StoreUnavailable("there is no dead-letter queue to set a message aside in")
        try:
            self._client().send_message(
                QueueUrl=self._dead_letter_url,
                MessageBody=body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in attributes.items()
                    if value
                },
            )
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable.of("SQS did not answer", error) from error
