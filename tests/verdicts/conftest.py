"""Tables of verdicts on moto, with and without the index."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from screening.table import encode

Table = tuple[Any, str]

ITEMS: list[dict[str, Any]] = [
    {"key": "emo/1x1/a.jpg", "verdict": "pass", "screened_at": "2026-01-01T00:00:00.000Z", "face_bbox": [1, 2, 3, 4]},
    {"key": "emo/1x1/a.jpg.bak", "verdict": "pass", "screened_at": "2026-01-02T00:00:00.000Z"},
    {"key": "emo/1x1/b.jpg", "verdict": "reject", "code": "InvalidFile.NoHuman", "screened_at": "2026-01-03T00:00:00.000Z"},
    {"key": "emo/1x1/c.jpg", "verdict": "reject", "code": "InvalidFile.FacePose", "screened_at": "2026-01-04T00:00:00.000Z"},
    {"key": "emo/1x1/d.jpg", "verdict": "error", "code": "Throttling", "screened_at": "2026-01-05T00:00:00.000Z"},
    {"key": "emo/1x1/e.jpg", "verdict": "error", "code": "InvalidApiKey", "screened_at": "2026-01-06T00:00:00.000Z"},
    {"key": "emo/1x1/f.jpg", "lease_until": 1.5},
    {"key": "emoji/g.jpg", "verdict": "pass", "model": "emoji-detect-v1", "screened_at": "2026-01-07T00:00:00.000Z"},
]  # fmt: skip


def make_table(moto: str, *, index: bool) -> Table:
    client = boto3.client(
        "dynamodb",
        endpoint_url=moto,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    name = f"verdicts-{uuid.uuid4().hex[:12]}"
    by_verdict: Any = {
        "IndexName": "by-verdict",
        "KeySchema": [
            {"AttributeName": "verdict", "KeyType": "HASH"},
            {"AttributeName": "screened_at", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }
    names = ("object", "screening", *(("verdict", "screened_at") if index else ()))
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in names],
        KeySchema=[
            {"AttributeName": "object", "KeyType": "HASH"},
            {"AttributeName": "screening", "KeyType": "RANGE"},
        ],
        **({"GlobalSecondaryIndexes": [by_verdict]} if index else {}),
    )
    for given in ITEMS:
        item = {"model": "emo-detect-v1", "bucket": "portraits", "ratio": "1x1"} | given
        item |= {"object": f"s3://portraits/{given['key']}", "screening": f"{item['model']}#1x1#-"}
        client.put_item(TableName=name, Item=encode(item))
    return client, name


@pytest.fixture(scope="session")
def table(moto: str) -> Table:
    return make_table(moto, index=True)


@pytest.fixture(scope="session")
def plain_table(moto: str) -> Table:
    return make_table(moto, index=False)


@pytest.fixture
def run_cli(moto: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command with its streams and exit status; `columns` is the width of the terminal."""
    from typer.testing import CliRunner

    from screentest.cli import app

    def run(*arguments: str, columns: int = 120) -> Any:
        return CliRunner().invoke(
            app,
            ["verdicts", "--endpoint-url", moto, "--region", "us-east-1", *arguments],
            env={"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "COLUMNS": str(columns)},
        )

    return run
