"""What the page talks to in the tests: a bucket, a table, and a hand that writes verdicts into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from screentest.screening import records
from screentest.screening.models import ObjectRef, Screening
from screentest.screening.table import VerdictTable

BUCKET, TABLE = "uploads-of-the-page", "verdicts-of-the-page"


@dataclass
class Bench:
    """What the page talks to, and a hand that writes verdicts as the screen function does."""

    s3: Any
    dynamodb: Any

    def put(self, key: str, body: bytes) -> ObjectRef:
        version = self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)["VersionId"]
        return ObjectRef(BUCKET, key, version)

    def claim(self, ref: ObjectRef, screening: Screening) -> records.Item:
        item = records.claimed(None, ref, screening, now=1_700_000_000.0, days=1)
        assert VerdictTable(self.dynamodb, TABLE).create(item) is None
        return item

    def decide(self, claim: records.Item, at: float = 1_700_000_001.0, **attributes: Any) -> None:
        item = records.decided(claim, None, now=at, detector="self-hosted/1", latency_ms=42)
        assert VerdictTable(self.dynamodb, TABLE).replace(item | {"verdict": "pass"} | attributes, claim)
