"""Tables and buckets as the template makes them, on any implementation of AWS."""

from __future__ import annotations

from typing import Any

import boto3

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
"""Of no account: the emulators take any."""


def client(service: str, address: str, **more: Any) -> Any:
    """A client of an emulator at an address."""
    return boto3.client(service, endpoint_url=address, **KEYS, **more)  # type: ignore[call-overload]


def create_verdict_table(
    dynamodb: Any, name: str, *, index: bool = True, stream: bool = False
) -> dict[str, Any]:
    """The verdict table, with its indexes. Returns its description."""
    by_verdict = {
        "IndexName": "by-verdict",
        "KeySchema": [
            {"AttributeName": "verdict", "KeyType": "HASH"},
            {"AttributeName": "screened_at", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }
    pending = {
        "IndexName": "pending",
        "KeySchema": [
            {"AttributeName": "object", "KeyType": "HASH"},
            {"AttributeName": "lease_until", "KeyType": "RANGE"},
        ],
        "Projection": {
            "ProjectionType": "INCLUDE",
            "NonKeyAttributes": ["trigger", "etag", "size", "last_modified"],
        },
    }
    attributes = ("object", "screening", *(("verdict", "screened_at", "lease_until") if index else ()))
    more: dict[str, Any] = {"GlobalSecondaryIndexes": [by_verdict, pending]} if index else {}
    if stream:
        more["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    answer: dict[str, Any] = dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": n, "AttributeType": "N" if n == "lease_until" else "S"} for n in attributes
        ],
        KeySchema=[
            {"AttributeName": "object", "KeyType": "HASH"},
            {"AttributeName": "screening", "KeyType": "RANGE"},
        ],
        **more,
    )["TableDescription"]
    return answer


def create_bucket(s3: Any, name: str, *, versioned: bool = True) -> None:
    """A bucket for uploads."""
    s3.create_bucket(Bucket=name)
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
