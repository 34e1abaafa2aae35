"""A bucket, a table and a queue on moto, and what a backfill is made of over them."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from backfill.backfill_place import Functions, MakeLister, Place
from botocore.config import Config
from support.aws import client, create_verdict_table

from screentest.backfill.queue import Chooser, Lister, Queue, RateLimit
from screentest.backfill.sources import Bucket, Verdicts
from screentest.backfill.state import Jobs
from screentest.screening.routes import Routes


@pytest.fixture
def place(moto: str) -> Place:
    name = f"portraits-{uuid.uuid4().hex[:12]}"
    config = Config(s3={"addressing_style": "path"})
    s3, sqs, dynamodb = (client(service, moto, config=config) for service in ("s3", "sqs", "dynamodb"))
    s3.create_bucket(Bucket=name)
    create_verdict_table(dynamodb, name)
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return Place(s3, sqs, dynamodb, name, name, url)


@pytest.fixture
def make_lister(place: Place, tmp_path: Path) -> MakeLister:
    """A lister over the place; parts are replaced by keyword."""

    def make(prefix: str = "", page_size: int = 3, **parts: Any) -> Lister:
        chooser = Chooser(
            verdicts=Verdicts(place.dynamodb, place.table),
            routes=Routes.DEFAULT,
            object_routes=False,
            rules_version="1",
        )
        made: dict[str, Any] = {
            "jobs": Jobs(tmp_path),
            "source": Bucket(place.s3, place.bucket, prefix, page_size),
            "chooser": chooser,
            "queue": Queue(place.sqs, place.queue_url, Functions(), "function"),  # type: ignore[arg-type]
            "rate_limit": RateLimit(1_000_000),
            "now": lambda: "2026-11-21T00:00:00.000Z",
        }
        return Lister(**made | parts)

    return make
