"""What outlives a newer version, and what outlives the stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from template.cloudformation import complete

from screentest.stack import LocalStack, deploy
from screentest.stack.deployment import ARTEFACT_BUCKET

pytestmark = pytest.mark.stack

LATER = ("Dashboard", "UndeliveredNoticesAlarm", "ApiErrorsAlarm", "DeadLetterQueuePolicy")


def older(template: dict[str, Any]) -> dict[str, Any]:
    """As a version before this one may have been: less of it, smaller, and with shorter times."""
    for name in LATER:
        del template["Resources"][name]
    template["Resources"]["ScreenFunction"]["Properties"]["MemorySize"] = 256
    template["Resources"]["ScreenQueue"]["Properties"]["MessageRetentionPeriod"] = 86400
    del template["Resources"]["UploadBucket"]["Properties"]["LifecycleConfiguration"]
    del template["Resources"]["VerdictTable"]["Properties"]["PointInTimeRecoverySpecification"]
    return template


def leave(stack: LocalStack) -> tuple[str, str]:
    """Something in bucket and table; their names."""
    bucket, table = stack.outputs["UploadBucketName"], stack.outputs["VerdictTableName"]
    stack.client("s3").put_object(Bucket=bucket, Key="other/kept.jpg", Body=b"kept")
    item = {"object": {"S": "s3://b/kept"}, "screening": {"S": "m#-#-"}, "verdict": {"S": "pass"}}
    stack.client("dynamodb").put_item(TableName=table, Item=item)
    return bucket, table


def still_there(stack: LocalStack, bucket: str, table: str) -> bool:
    body = stack.client("s3").get_object(Bucket=bucket, Key="other/kept.jpg")["Body"].read()
    key = {"object": {"S": "s3://b/kept"}, "screening": {"S": "m#-#-"}}
    return body == b"kept" and "Item" in stack.client("dynamodb").get_item(TableName=table, Key=key)


@pytest.fixture(scope="module")
def stack(empty_artefacts: Path) -> Iterator[LocalStack]:
    """An older version, and something that was left in it."""
    parameters = complete({"DetectionApi": "key"})
    with LocalStack(parameters=parameters, artefacts=empty_artefacts, alter=older) as running:
        yield running


@pytest.fixture(scope="module")
def left(stack: LocalStack) -> tuple[str, str]:
    # Nothing must be at work while the stack is taken apart: the local AWS would make a log group anew.
    functions = stack.client("lambda")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    return leave(stack)


def test_deploying_over_an_older_version_keeps_bucket_and_table(
    stack: LocalStack, left: tuple[str, str], empty_artefacts: Path
) -> None:
    before = dict(stack.deployment.resources)
    now = deploy(stack.aws, parameters=complete({"DetectionApi": "key"}), artefacts=empty_artefacts)
    for name in (
        "UploadBucket",
        "VerdictTable",
        "FailureTopic",
        "AlarmTopic",
        "ScreenQueue",
        "ScreenFunction",
    ):
        assert now.resources[name] == before[name]
    assert set(LATER) <= set(now.resources)
    function = stack.client("lambda").get_function_configuration(FunctionName=before["ScreenFunction"])
    assert function["MemorySize"] == 1769
    assert still_there(stack, *left)


def test_going_over_to_an_existing_bucket_leaves_the_own_one(
    stack: LocalStack, left: tuple[str, str], empty_artefacts: Path
) -> None:
    parameters = complete({"ExistingBucketName": "theirs", "DetectionApi": "key"})
    now = deploy(stack.aws, parameters=parameters, artefacts=empty_artefacts)
    assert now.outputs["UploadBucketName"] == "theirs"
    assert still_there(stack, *left)
    policy = stack.client("s3").get_bucket_policy(Bucket=left[0])["Policy"]
    assert "OnlyOverTls" in policy, "what guards the bucket stays with it"


def test_removal_leaves_bucket_and_table_and_nothing_else(stack: LocalStack, left: tuple[str, str]) -> None:
    stack.deployment.delete()
    assert still_there(stack, *left)
    buckets = {bucket["Name"] for bucket in stack.client("s3").list_buckets()["Buckets"]}
    assert buckets - {ARTEFACT_BUCKET} == {left[0]}
    assert stack.client("dynamodb").list_tables()["TableNames"] == [left[1]]
    assert stack.client("sqs").list_queues().get("QueueUrls", []) == []
    assert stack.client("sns").list_topics()["Topics"] == []
    assert stack.client("lambda").list_functions()["Functions"] == []
    assert stack.client("secretsmanager").list_secrets()["SecretList"] == []
    assert stack.client("events").list_rules()["Rules"] == []
    assert stack.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert stack.client("logs").describe_log_groups()["logGroups"] == []
    assert stack.client("iam").list_roles()["Roles"] == []
