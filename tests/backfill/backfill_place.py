"""One test's own bucket, table and queue on moto, and a stand-in for Lambda's event source mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from screentest.backfill.queue import Lister
from screentest.screening.table import encode

MakeLister = Callable[..., Lister]


@dataclass
class Place:
    """One test's own corner of moto."""

    s3: Any
    sqs: Any
    dynamodb: Any
    bucket: str
    table: str
    queue_url: str

    def put(self, key: str, body: bytes = b"picture", **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)
        return answer

    def decide(self, key: str, version: str | None = None, **attributes: Any) -> None:
        item = {
            "object": f"s3://{self.bucket}/{key}",
            "screening": f"emo-detect-v1#1x1#{version or '-'}",
            "verdict": "pass",
            "screened_at": "2026-01-01T00:00:00.000Z",
            "rules_version": "1",
        }
        self.dynamodb.put_item(TableName=self.table, Item=encode(item | attributes))

    def messages(self) -> Iterator[str]:
        while found := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in found:
                yield message["Body"]
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])


class Functions:
    """Lambda's event source mapping, which moto's would empty the queue with."""

    def __init__(self) -> None:
        self.state = "Enabled"

    def list_event_source_mappings(self, **_request: str) -> dict[str, Any]:
        return {"EventSourceMappings": [{"UUID": "1", "State": self.state}]}

    def update_event_source_mapping(self, **request: Any) -> None:
        self.state = "Enabled" if request["Enabled"] else "Disabled"
