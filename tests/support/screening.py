"""The use case over real adapters, with the detector and the topic as doubles."""

from __future__ import annotations

import io
from typing import Any

from aws_lambda_powertools import Logger

from screentest.screening.objects import Objects
from screentest.screening.presign import Signer
from screentest.screening.records import Record
from screentest.screening.screen import Screener
from screentest.screening.table import VerdictTable
from screentest.screening.telemetry import Telemetry


def record(**attributes: Any) -> Record:
    """A stored record: the item's attributes, those that every item has of an upload where they are not given."""
    bucket, key = attributes.get("bucket", "uploads"), attributes.get("key", "emo/1x1/a.jpg")
    item = {"bucket": bucket, "key": key, "model": "emo-detect-v1", "ratio": "1x1"} | attributes
    version = item.get("version_id", "-")
    names = {"object": f"s3://{bucket}/{key}", "screening": f"{item['model']}#{item['ratio']}#{version}"}
    return Record.from_item(names | item)


class KeptTopic:
    """A topic that keeps what it is told."""

    def __init__(self) -> None:
        self.notices: list[Any] = []

    def publish(self, notice: Any) -> None:
        self.notices.append(notice)


def screener_over(
    s3: Any, dynamodb: Any, table: str, detector: Any, *, topic: Any = None, **more: Any
) -> tuple[Screener, Telemetry, io.StringIO]:
    """A screener over a bucket and a table, its telemetry, and where that writes the metrics."""
    metrics = io.StringIO()
    telemetry = Telemetry(Logger(service="test", stream=io.StringIO()), stream=metrics)
    screener = Screener(
        detector=detector,
        signer=Signer(s3),
        table=VerdictTable(dynamodb, table),
        objects=Objects(s3),
        topic=topic or KeptTopic(),
        telemetry=telemetry,
        **more,
    )
    return screener, telemetry, metrics
