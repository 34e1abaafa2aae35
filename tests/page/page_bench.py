"""What the page talks to in the tests: a bucket, a table, and a hand that writes verdicts into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from screentest.screening import records
from screentest.screening.models import ObjectRef, Screening, Verdict
from screentest.screening.records import Record, Result
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

    def claim(self, ref: ObjectRef, screening: Screening) -> Record:
        claim = records.claimed(None, ref, screening, now=1_700_000_000.0, days=1)
        assert VerdictTable(self.dynamodb, TABLE).create(claim) is None
        return claim

    def decide(self, claim: Record, at: float = 1_700_000_001.0, **attributes: Any) -> None:
        result = Result(Verdict.PASS, records.timestamp(at), detector="self-hosted/1", latency_ms=42)
        decided = claim.decided(result).to_item() | attributes
        assert VerdictTable(self.dynamodb, TABLE).replace(Record.from_item(decided), claim)
