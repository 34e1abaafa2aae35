"""Events of `events/` on buckets of their own, and what they leave in the table."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from screentest.artefact import Store, read_event, with_objects
from screentest.artefact.objects import picture_for
from screentest.screening.table import decode
from screentest.stack import REPOSITORY, LocalStack

EVENTS = REPOSITORY / "events"


class Ground:
    """A stack, and buckets of its own for each event."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack

    def event(self, name: str, picture: Callable[[str], bytes | None] = picture_for) -> tuple[Any, str]:
        """The event on a bucket of its own, its objects uploaded; and the bucket."""
        bucket = f"uploads-{uuid.uuid4().hex[:12]}"
        text = json.dumps(read_event(EVENTS / f"{name}.json")).replace("screentest-uploads", bucket)
        event = with_objects(json.loads(text), Store(self.stack.client("s3"), picture))
        # A delivery is its own: the same message twice would be a duplicate.
        return event, bucket

    def found(self, bucket: str) -> dict[str, list[str]]:
        """Verdict and code by object key, for every item of a bucket."""
        pages = self.stack.client("dynamodb").get_paginator("scan")
        items = [
            decode(item)
            for page in pages.paginate(TableName=self.stack.outputs["VerdictTableName"])
            for item in page["Items"]
        ]
        ours = [item for item in items if item["bucket"] == bucket]
        assert [item for item in ours if "lease_until" in item] == []
        return {item["key"]: [item["verdict"], str(item.get("code", item["verdict"]))] for item in ours}


def check(found: dict[str, list[str]], expected: dict[str, str]) -> None:
    """Each key has the verdict or the code that was expected."""
    assert found.keys() == expected.keys()
    for key, wanted in expected.items():
        assert wanted in found[key], key
