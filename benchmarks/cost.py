"""What a month costs, line by line: the tables of docs/cost.md.

    .venv/bin/python benchmarks/cost.py

Counts of calls are asserted by the tests of the pipeline; times and memory come from benchmarks/cold_start.py and the
function's own report lines; prices are AWS's published list prices for us-east-1 on x86_64, noted down by hand without
a price list at hand and without the free tier: check them before a budget depends on them.
"""

from __future__ import annotations

from dataclasses import dataclass

from screentest.backfill.estimate import (
    GB_SECOND,
    INVOCATION,
    MEMORY_GB,
    S3_READ,
    S3_WRITE,
    SQS_REQUEST,
    TABLE_WRITE,
    TABLE_WRITES,
)

PRICES_AS_OF = "2026-11"
MILLION = 1e6

SNS_PUBLISH = 0.50 / MILLION
EVENT, PIPE_REQUEST = 1.00 / MILLION, 0.40 / MILLION
LOG_GB = 0.50
ALARM, METRIC, SECRET, DASHBOARD = 0.10, 0.30, 0.40, 3.00
TAG_MONTH = 0.0065 / 10_000
"""S3 object tagging, a tag and month, for as long as the object lives."""
TABLE_GB_MONTH, RECOVERY_GB_MONTH = 0.25, 0.20
SNAPSHOT_GB_MONTH = 0.0000015046 * 3600 * 24 * 30
"""Lambda SnapStart, a GB of a published version's memory cached, at least three hours; only with DetectionApi."""

REJECTED = 0.2
"""Share of the pictures that are rejected; they cost two DynamoDB writes and a message more."""

BATCH = 1.0
"""Uploads a batch: one, as when they come singly. Ten share an invocation, a receive and a delete."""

AWS_CALLS_SECONDS = 0.08
"""Four calls and the fetch of the picture, 10 to 20 ms each within a region: assumed, it cannot be measured here."""

IDLE_POLLS = 2 * 5 * 3 * 60 * 24 * 30
"""Two queues, five pollers each, one long poll in 20 s, whether or not there is anything."""

ALARMS, METRICS = 9, 21

TAGS = 4
"""On an object with one screening: the gate, its verdict, and two more: boxes of a pass, or the code of a reject."""

ITEM_KB = 1.0
"""Of one verdict in the table; the index holds it again, point-in-time recovery once more."""

API_GB = MEMORY_GB[True]


@dataclass(frozen=True)
class Detector:
    """What an invocation takes with one kind of detector.

    Attributes:
        seconds: of one picture, without the calls to AWS.
        memory_gb: of the function.
        fixed: monthly cost of its own, with its reason.
        alarms: of its own.
    """

    name: str
    seconds: float
    memory_gb: float
    fixed: float
    alarms: int


SELF_HOSTED = Detector("self-hosted", 0.070, MEMORY_GB[True], 0.0, 1)
HTTP = Detector("HTTP detector, 200 ms", 0.010 + 0.200, MEMORY_GB[False], SECRET, 0)


def lines(pictures: int, detector: Detector) -> list[tuple[str, float]]:
    """Name and monthly cost in US dollars of every line."""
    invocations = pictures / BATCH
    rejected = pictures * REJECTED
    seconds = detector.seconds + AWS_CALLS_SECONDS
    return [
        ("Lambda", invocations * (seconds * detector.memory_gb * GB_SECOND + INVOCATION)),
        ("SQS: send, receive, delete", (pictures + 2 * invocations) * SQS_REQUEST),
        ("SQS: polling, always", IDLE_POLLS * SQS_REQUEST),
        ("DynamoDB: claim, verdict, indexes", (pictures * TABLE_WRITES + rejected * 2) * TABLE_WRITE),
        ("S3: get picture, get tags, put tags", pictures * (2 * S3_READ + S3_WRITE)),
        ("SNS: rejections", rejected * SNS_PUBLISH),
        ("Events: pipe and bus", pictures * (EVENT + PIPE_REQUEST)),
        ("Logs, 2 KB a picture", pictures * 2e-6 * LOG_GB),
        ("Object tags, each month they live", pictures * TAGS * TAG_MONTH),
        (
            "Verdicts kept: table, index, recovery, each month",
            pictures * ITEM_KB / 1e6 * (2 * TABLE_GB_MONTH + RECOVERY_GB_MONTH),
        ),
        ("Alarms, metrics", (ALARMS + detector.alarms) * ALARM + METRICS * METRIC),
        ("Dashboard", DASHBOARD),
        ("Secret", detector.fixed),
    ]


def table(detector: Detector) -> str:
    """The table of one detector in Markdown."""
    sizes = (1_000, 1_000_000)
    months = [dict(lines(size, detector)) for size in sizes]
    rows = [f"| {detector.name} | 1,000 pictures | 1,000,000 pictures |", "| --- | ---: | ---: |"]
    for name in months[0]:
        if any(month[name] for month in months):
            rows.append(f"| {name} | {_money(months[0][name])} | {_money(months[1][name])} |")
    sums = [sum(month.values()) for month in months]
    rows.append(f"| **in all, a month** | **{_money(sums[0])}** | **{_money(sums[1])}** |")
    rows.append(
        f"| a picture, what is always there left out | | ${_marginal(detector) * 1000:.3f} a thousand |"
    )
    return "\n".join(rows)


def _marginal(detector: Detector) -> float:
    one, two = (sum(dict(lines(size, detector)).values()) for size in (0, 1_000_000))
    return (two - one) / 1_000_000


def _money(value: float) -> str:
    return f"${value:,.2f}" if value >= 0.005 or value == 0 else "under 1 ¢"


def snapshot() -> str:
    """What a published version of the detection API costs to keep ready, in words."""
    return f"{_money(API_GB * SNAPSHOT_GB_MONTH)} a month"


if __name__ == "__main__":
    print(table(SELF_HOSTED), table(HTTP), sep="\n\n")
