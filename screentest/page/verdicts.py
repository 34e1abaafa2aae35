"""Verdict items as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from screening.reasons import LANGUAGES, explain
from screening.records import lease_of
from screening.table import decode

VERDICTS = ("pass", "reject", "error")


def view(wire: Mapping[str, Any]) -> dict[str, Any]:
    """A table item in DynamoDB's typed form as JSON for the browser, with its words in every language.

    Without `verdict` the screening is in progress, or waits to be tried again.
    """
    item = decode(wire)
    model, ratio = str(item["model"]), wire_ratio(item.get("ratio"))
    code = item.get("code") or (None if item.get("verdict") else item.get("cause_code"))
    words = {lang: explain(code, model, lang, ratio=ratio) for lang in LANGUAGES}
    shown = {
        "key": item["key"],
        "version": item.get("version_id"),
        "model": model,
        "ratio": ratio,
        "verdict": item.get("verdict"),
        "leased": lease_of(item) is not None,
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
    return {name: value for name, value in shown.items() if value is not None}


def of_object(dynamodb: Any, table: str, uri: str, version: str | None) -> list[dict[str, Any]]:
    """The screenings of one version of one object, decided or not."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="#o = :o",
        ExpressionAttributeNames={"#o": "object"},
        ExpressionAttributeValues={":o": {"S": uri}},
        ConsistentRead=True,
    )
    items = [view(item) for page in pages for item in page["Items"]]
    return [item for item in items if version is None or item.get("version") == version]


def newest(dynamodb: Any, table: str, bucket: str, limit: int) -> list[dict[str, Any]]:
    """The newest decided screenings of a bucket, newest first: three queries of the index, one a verdict."""
    items: list[dict[str, Any]] = []
    for verdict in VERDICTS:
        found = dynamodb.query(
            TableName=table,
            IndexName="by-verdict",
            KeyConditionExpression="verdict = :v",
            FilterExpression="#b = :b",
            ExpressionAttributeNames={"#b": "bucket"},
            ExpressionAttributeValues={":v": {"S": verdict}, ":b": {"S": bucket}},
            ScanIndexForward=False,
            Limit=limit,
        )
        items += [view(item) for item in found["Items"]]
    return sorted(items, key=lambda item: str(item.get("at", "")), reverse=True)[:limit]


def wire_ratio(stored: str | None) -> str | None:
    """`1:1` or `3:4` of the table's `1x1` or `3x4`; None for `-`."""
    return None if stored in (None, "-") else stored.replace("x", ":")
