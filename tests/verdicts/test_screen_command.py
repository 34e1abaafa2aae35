"""`screentest screen`: the deployed function judges one object while the command waits."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from screentest.cli import app
from screentest.demo import pictures
from screentest.screening import events
from screentest.screening.models import Trigger
from screentest.stack import ACCESS_KEY, REGION, SECRET_KEY, LocalStack
from screentest.verdicts.screening import event


def test_the_event_is_read_as_the_object_that_it_describes() -> None:
    head: Mapping[str, Any] = {
        "ContentLength": 12,
        "ETag": '"abc"',
        "VersionId": "v1",
        "LastModified": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }
    (ref,) = events.objects(event("bucket", "a b/é+.jpg", head), Trigger.MANUAL)
    assert (ref.bucket, ref.key, ref.version_id, ref.etag, ref.size) == (
        "bucket",
        "a b/é+.jpg",
        "v1",
        "abc",
        12,
    )
    assert ref.last_modified == "2026-01-02T03:04:05.000Z"
    (plain,) = events.objects(event("bucket", "a", {**head, "VersionId": "null"}))
    assert plain.version_id is None


@pytest.fixture
def command(stack: LocalStack) -> Callable[..., Any]:
    environment = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    where = ["--endpoint-url", stack.endpoint_url, "--region", REGION]
    return lambda *arguments: CliRunner().invoke(app, ["screen", *arguments, *where], env=environment)


@pytest.mark.stack
def test_an_object_is_judged_now_and_its_record_printed(
    stack: LocalStack, command: Callable[..., Any]
) -> None:
    bucket, key = stack.outputs["UploadBucketName"], f"emo/1x1/{uuid.uuid4().hex} é.jpg"
    stack.client("s3").put_object(Bucket=bucket, Key=key, Body=pictures.data("cat"))
    address = f"s3://{bucket}/{key}"
    # The upload's own event may be at work on it; the command is then the second, and says so.
    for _ in range(60):
        result = command(address, "--json")
        if result.exit_code != 2:
            break
        assert "run the command again" in result.stderr
    assert result.exit_code == 1, result.stderr
    (item,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (item["object"], item["verdict"], item["code"]) == (address, "reject", "InvalidFile.NoHuman")
    text = command(address)
    assert text.exit_code == 1
    assert text.stdout.startswith("reject emo-detect-v1 1x1\n")
    assert "No person with a visible face was found" in text.stdout
    assert "InvalidFile.NoHuman" in text.stdout


@pytest.mark.stack
def test_what_cannot_be_judged_is_one_line(stack: LocalStack, command: Callable[..., Any]) -> None:
    bucket = stack.outputs["UploadBucketName"]
    stack.client("s3").put_object(Bucket=bucket, Key="elsewhere/a.jpg", Body=b"x")
    for address, words in (
        (f"s3://{bucket}/emo/", "names no object"),
        (f"s3://{bucket}/emo/1x1/{uuid.uuid4().hex}", "Not Found"),
        (f"s3://{bucket}/elsewhere/a.jpg", "no route"),
    ):
        result = command(address)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert words in result.stderr
        assert len(result.stderr.splitlines()) == 1
