"""Verdict items as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from screentest.reports.entry import wire_ratio
from screentest.screening.models import Verdict
from screentest.screening.reasons import LANGUAGES, explain
from screentest.screening.table import decode
from screentest.verdicts.query import Question, VerdictReader


def shown(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item of the table as JSON for the browser, with its words in every language.

    Without `verdict` the screening is in progress, or waits to be tried again.
    """
    model, ratio = str(item["model"]), wire_ratio(item.get("ratio"))
    code = item.get("code") or (None if item.get("verdict") else item.get("cause_code"))
    words = {lang: explain(code, model, lang, ratio=ratio) for lang in LANGUAGES}
    fields = {
        "key": item["key"],
        "version": item.get("version_id"),
        "model": model,
        "ratio": ratio,
        "verdict": item.get("verdict"),
        "leased": "lease_until" in item,
        "code": code,
        "message": item.get("message"),
        "face": item.get("face_bbox"),
        "ext": item.get("ext_bbox"),
        "body": item.get("body_style"),
        "ms": item.get("latency_ms"),
        "attempts": item.get("attempts"),
        "tags": item.get("tags"),
        "trigger": item.get("trigger"),
        "detector": item.get("detector"),
        "at": item.get("screened_at"),
        "words": {lang: [reason.title, reason.advice] for lang, reason in words.items()},
    }
    return {name: value for name, value in fields.items() if value is not None}


def of_object(dynamodb: Any, table: str, uri: str, version: str | None) -> list[dict[str, Any]]:
    """The screenings of one version of one object, decided or not."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="#o = :o",
        ExpressionAttributeNames={"#o": "object"},
        ExpressionAttributeValues={":o": {"S": uri}},
        ConsistentRead=True,
    )
    items = [shown(decode(item)) for page in pages for item in page["Items"]]
    return [item for item in items if version is None or item.get("version") == version]


def newest(dynamodb: Any, table: str, bucket: str, limit: int) -> list[dict[str, Any]]:
    """The newest decided screenings of a bucket, newest first.

    Raises:
        screentest.aws.AwsError: the table does not answer.
    """
    decided = Question(address=f"s3://{bucket}/", verdicts=frozenset(map(str, Verdict)))
    return [shown(item) for item in VerdictReader(dynamodb, table, lambda _: None).read(decided, limit)]
