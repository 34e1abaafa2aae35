"""How long a backfill takes and what it costs, from the stack's own verdicts and the published prices.

Prices are list prices in us-east-1 as of November 2026, without free tiers; other regions differ by some 20 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from screentest.aws import as_aws_errors
from screentest.screening.models import Verdict
from screentest.screening.records import INDEX, Attribute, Record
from screentest.screening.table import decode

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

GB_SECOND: Final = 0.0000166667
"""Lambda on x86_64 (aws.amazon.com/lambda/pricing)."""

INVOCATION: Final = 0.20e-6
"""Lambda, a request."""

SQS_REQUEST: Final = 0.40e-6
"""SQS standard queue (aws.amazon.com/sqs/pricing)."""

S3_WRITE: Final = 5e-6
"""S3 Standard, PUT and LIST, which tagging counts as (aws.amazon.com/s3/pricing)."""

S3_READ: Final = 0.4e-6
"""S3 Standard, GET, HEAD and reading tags."""

TABLE_WRITE: Final = 0.625e-6
"""DynamoDB on demand, up to 1 KB (aws.amazon.com/dynamodb/pricing/on-demand)."""

BATCH_JOB: Final = 0.25
"""S3 Batch Operations, a job."""

BATCH_OBJECT: Final = 1e-6
"""S3 Batch Operations, an object; listing one costs another 1.5 % of it."""

TABLE_WRITES: Final = 5
"""Claim and verdict in the table; the claim comes into the index of what is pending, the verdict takes it out and comes
into the other one."""

ASSUMED_SECONDS: Final = 0.5
"""Detector time where the stack has no verdict to learn from."""

OVERHEAD_SECONDS: Final = 0.15
"""Around the detector: claim, tags, table. Of the screening benchmark, with the distance to AWS's own services."""

BATCH: Final = 10
"""Messages that one invocation takes."""

SAMPLE: Final = 50
"""Newest verdicts whose times are looked at."""

UNDISTURBED: Final = 0.1
"""Quantile of those times that is taken for one call alone. A function that decides by itself takes a batch of ten and
decides them one after the other, so most times hold the waiting for others."""

MEMORY_GB: Final = {True: 1769 / 1024, False: 0.5}
"""Of the backfill function, by whether it decides by itself."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a backfill will take.

    Attributes:
        seconds: from the first object to the last.
        usd: what AWS charges; a remote detector's own price is not in it.
        detector_calls: to multiply with that price.
        measured: whether the detector's time is this stack's own, not assumed.
    """

    seconds: float
    usd: float
    detector_calls: int
    seconds_each: float
    measured: bool

    def to_json(self) -> dict[str, Any]:
        """Rounded to what is known."""
        return {
            "seconds": math.ceil(self.seconds),
            "usd": round(self.usd, 2),
            "detector_calls": self.detector_calls,
            "seconds_each": round(self.seconds_each, 3),
            "measured": self.measured,
        }


def estimate(
    *,
    listed: int,
    objects: int,
    screenings: int,
    concurrency: int,
    rate: int,
    self_hosted: bool,
    batch_operations: bool,
    detector_seconds: float | None,
) -> Estimate:
    """Time and cost.

    Args:
        listed: objects that are looked at.
        objects: those that are screened.
        screenings: detector runs over all of them.
        concurrency: functions at a time.
        rate: objects a second at most.
        self_hosted: whether the function decides by itself, one picture after the other; else ten at a time.
        batch_operations: whether S3 calls the function for each object, wanted or not.
        detector_seconds: of one call, from this stack's verdicts; None where there are none.
    """
    each = (detector_seconds if detector_seconds is not None else ASSUMED_SECONDS) + OVERHEAD_SECONDS
    abreast = concurrency * (1 if self_hosted or batch_operations else BATCH)
    seconds = max(screenings * each / abreast, objects / rate)
    waiting = 1 if self_hosted or batch_operations else BATCH
    usd = screenings * each / waiting * MEMORY_GB[self_hosted] * GB_SECOND
    usd += screenings * (TABLE_WRITES * TABLE_WRITE) + objects * (S3_WRITE + 3 * S3_READ)
    usd += listed / 1000 * S3_WRITE
    if batch_operations:
        usd += BATCH_JOB + listed * (BATCH_OBJECT * 1.015 + INVOCATION + S3_READ)
    else:
        usd += objects / BATCH * (INVOCATION + 3 * SQS_REQUEST)
    return Estimate(seconds, usd, screenings, each, detector_seconds is not None)


def detector_seconds(client: DynamoDBClient, table: str) -> float | None:
    """Detector time of a call alone, seconds, from the newest passes; None where there are none, or no index."""
    with as_aws_errors(f"read the table {table}", needs="dynamodb:Query on the table and its index"):
        try:
            answer = client.query(
                TableName=table,
                IndexName=INDEX,
                KeyConditionExpression="#v = :v",
                ExpressionAttributeNames={"#v": Attribute.VERDICT},
                ExpressionAttributeValues={":v": {"S": Verdict.PASS}},
                ScanIndexForward=False,
                Limit=SAMPLE,
            )
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            return None
    results = [Record.from_item(decode(item)).result for item in answer["Items"]]
    times = sorted(result.latency_ms for result in results if result and result.latency_ms is not None)
    return times[int(len(times) * UNDISTURBED)] / 1000 if times else None
