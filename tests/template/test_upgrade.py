"""What outlives a newer version, and what outlives the stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from template.cloudformation import complete

from screentest.stack import LocalStack, deploy

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


def test_deploying_over_an_older_version_keeps_bucket_and_table(empty_artefacts: Path) -> None:
    with LocalStack(parameters=complete(), artefacts=empty_artefacts, alter=older) as stack:
        before = dict(stack.deployment.resources)
        left = leave(stack)
        now = deploy(stack.aws, parameters=complete(), artefacts=empty_artefacts)
        for name in (
            "UploadBucket",
            "VerdictTable",
            "FailureTopic",
            "AlarmTopic",
            "ScreenQueue",
            "ScreenFunction",
        ):
            assert now.resources[name] == before[name]
        assert set(LATER) - {"ApiErrorsAlarm"} <= set(now.resources)
        function = stack.client("lambda").get_function_configuration(FunctionName=before["ScreenFunction"])
        assert function["MemorySize"] == 1769
        assert still_there(stack, *left)


def test_removal_leaves_bucket_and_table_and_nothing_else(empty_artefacts: Path) -> None:
    with LocalStack(parameters=complete({"DetectionApi": "key"}), artefacts=empty_artefacts) as stack:
        left = leave(stack)
        stack.deployment.delete()
        assert still_there(stack, *left)
        assert [
            bucket["Name"]
            for bucket in stack.client("s3").list_buckets()["Buckets"]
            if "artefacts" not in bucket["Name"]
        ] == [left[0]]
        assert stack.client("dynamodb").list_tables()["TableNames"] == [left[1]]
        assert stack.client("sqs").list_queues().get("QueueUrls", []) == []
        assert stack.client("sns").list_topics()["Topics"] == []
        assert stack.client("lambda").list_functions()["Functions"] == []
        assert stack.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
        assert stack.client("logs").describe_log_groups()["logGroups"] == []
        assert stack.client("iam").list_roles()["Roles"] == []


def test_going_over_to_an_existing_bucket_leaves_the_own_one(empty_artefacts: Path) -> None:
    with LocalStack(parameters=complete(), artefacts=empty_artefacts) as stack:
        bucket, table = leave(stack)
        stack.deploy(complete({"ExistingBucketName": "theirs"}))
        assert stack.outputs["UploadBucketName"] == "theirs"
        assert still_there(stack, bucket, table)
        with pytest.raises(botocore.exceptions.ClientError, match="NoSuchBucketPolicy"):
            stack.client("s3").get_bucket_policy(Bucket=bucket)
