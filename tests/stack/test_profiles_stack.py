"""A profile by the stack's parameter and a route: judged inside the deployed function, like any model."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from screentest.demo import pictures
from screentest.stack import LocalStack

pytestmark = pytest.mark.stack

ROUTES = json.dumps([{"prefix": "tavus/", "screenings": [{"model": "tavus-image"}]}])


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(parameters={"Profiles": "tavus-image,hallo", "Routes": ROUTES}) as running:
        yield running


def tags(stack: LocalStack, name: str) -> dict[str, str]:
    """The tags of an upload once it is gated."""
    s3, bucket, key = stack.client("s3"), stack.outputs["UploadBucketName"], f"tavus/{name}.jpg"
    s3.put_object(Bucket=bucket, Key=key, Body=pictures.data(name))
    until = time.monotonic() + 90
    while time.monotonic() < until:
        found = {t["Key"]: t["Value"] for t in s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]}
        if "screentest" in found:
            return found
        time.sleep(0.1)
    pytest.fail(f"no gate on {key}")


def test_uploads_are_judged_by_the_profile(stack: LocalStack) -> None:
    assert tags(stack, "astronaut") == {"screentest": "pass", "screentest:tavus-image": "pass"}
    assert tags(stack, "masked") == {
        "screentest": "reject",
        "screentest:tavus-image": "reject",
        "screentest:tavus-image:code": "InvalidFile.FullFace",
    }
