"""Tables of verdicts on moto, with and without the index."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from support.aws import client, create_verdict_table

from screentest.screening.table import encode

Table = tuple[Any, str]

EMO = ("emo-detect-v1", "emo/1x1/")
ROWS: list[tuple[str, str | None, str | None, int | None]] = [
    ("a.jpg", "pass", None, 1),
    ("a.jpg.bak", "pass", None, 2),
    ("b.jpg", "reject", "InvalidFile.NoHuman", 3),
    ("c.jpg", "reject", "InvalidFile.FacePose", 4),
    ("d.jpg", "error", "Throttling", 5),
    ("e.jpg", "error", "InvalidApiKey", 6),
    ("f.jpg", None, None, None),
    ("g.jpg", "pass", None, 7),
]
"""Name, verdict, code, day of January 2026; one has no verdict yet, the last is of another model."""


def make_item(name: str, verdict: str | None, code: str | None, day: int | None) -> dict[str, Any]:
    model, folder = ("emoji-detect-v1", "emoji/") if name == "g.jpg" else EMO
    item = {
        "object": f"s3://portraits/{folder}{name}",
        "screening": f"{model}#1x1#-",
        "bucket": "portraits",
        "key": folder + name,
        "model": model,
        "ratio": "1x1",
        "verdict": verdict,
        "code": code,
        "screened_at": f"2026-01-{day:02}T00:00:00.000Z" if day else None,
        "lease_until": None if verdict else 1.5,
    }
    return {attribute: value for attribute, value in item.items() if value is not None}


def make_table(moto: str, *, index: bool) -> Table:
    dynamodb = client("dynamodb", moto)
    name = f"verdicts-{uuid.uuid4().hex[:12]}"
    create_verdict_table(dynamodb, name, index=index)
    for row in ROWS:
        dynamodb.put_item(TableName=name, Item=encode(make_item(*row)))
    return dynamodb, name


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
