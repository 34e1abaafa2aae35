"""The doctor on a stack of the local AWS: well, and with one thing after the other taken away."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from template.cloudformation import complete
from typer.testing import CliRunner, Result

from screentest.backfill.batch_operations import RESERVED
from screentest.cli import app
from screentest.stack import ACCESS_KEY, REGION, SECRET_KEY, LocalStack

pytestmark = pytest.mark.stack

THEIRS = "pictures-of-theirs"


@pytest.fixture(scope="module")
def stack(empty_artefacts: Path) -> Iterator[LocalStack]:
    parameters = complete({"UploadApiOrigins": "https://a.example,https://b.example"})
    with LocalStack(parameters=parameters, artefacts=empty_artefacts) as running:
        yield running


def doctor(stack: LocalStack, *arguments: str) -> Result:
    environment = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": stack.endpoint_url,
        "AWS_CONFIG_FILE": os.devnull,
    }
    return CliRunner().invoke(app, ["doctor", *arguments], env=environment)


def findings(stack: LocalStack) -> dict[str, dict[str, str]]:
    result = doctor(stack, "--json")
    return {finding["check"]: finding for finding in map(json.loads, result.stdout.splitlines())}


def test_a_fresh_stack_is_well(stack: LocalStack) -> None:
    result = doctor(stack)
    assert result.exit_code == 0, result.output
    states = {check: finding["state"] for check, finding in findings(stack).items()}
    assert set(states.values()) <= {"ok", "warning"}
    # The local AWS leaves point-in-time recovery off, whatever the template says.
    assert {check for check, state in states.items() if state == "warning"} - {"table recovery"} == {
        "who hears alarms",
        "who hears rejections",
    }
    assert states["uploads reach the queue"] == states["function"] == states["detector"] == "ok"


def test_what_is_taken_away_is_found(stack: LocalStack) -> None:
    s3, sqs, functions = stack.client("s3"), stack.client("sqs"), stack.client("lambda")
    bucket, queue = stack.outputs["UploadBucketName"], stack.outputs["ScreenQueueUrl"]
    told: dict[str, Any] = s3.get_bucket_notification_configuration(Bucket=bucket)
    told.pop("ResponseMetadata")
    (fed,) = functions.list_event_source_mappings(FunctionName=stack.outputs["ScreenFunctionName"])[
        "EventSourceMappings"
    ]
    policy = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]["Policy"]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    functions.update_event_source_mapping(UUID=fed["UUID"], Enabled=False)
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
    sqs.send_message(QueueUrl=stack.outputs["DeadLetterQueueUrl"], MessageBody="{}")
    try:
        assert doctor(stack).exit_code == 1
        found = findings(stack)
        for check in ("uploads reach the queue", "function", "queue policy"):
            assert found[check]["state"] == "failed", found[check]
            assert found[check]["advice"]
        assert found["dead letters"]["state"] == "warning"
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)
        functions.update_event_source_mapping(UUID=fed["UUID"], Enabled=True)


def test_a_bucket_that_lets_no_page_upload_is_found(stack: LocalStack) -> None:
    s3, bucket = stack.client("s3"), stack.outputs["UploadBucketName"]
    mine = {"CORSRules": s3.get_bucket_cors(Bucket=bucket)["CORSRules"]}
    assert findings(stack)["uploads from pages"]["state"] == "ok"
    try:
        s3.delete_bucket_cors(Bucket=bucket)
        assert findings(stack)["uploads from pages"]["state"] == "failed"
        rule = {"AllowedOrigins": ["https://a.*"], "AllowedMethods": ["POST"]}
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
        found = findings(stack)["uploads from pages"]
        assert found["state"] == "failed"
        assert "https://b.example" in found["detail"]
        assert "https://a.example" not in found["detail"]
    finally:
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=mine)


def test_a_narrowed_notification_is_found(stack: LocalStack) -> None:
    s3, bucket = stack.client("s3"), stack.outputs["UploadBucketName"]
    told: dict[str, Any] = s3.get_bucket_notification_configuration(Bucket=bucket)
    told.pop("ResponseMetadata")
    (own,) = told["QueueConfigurations"]
    prefix = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "emo/"}]}}
    try:
        for changed in ({**own, "Filter": prefix}, {**own, "Events": ["s3:ObjectCreated:Put"]}):
            s3.put_bucket_notification_configuration(
                Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [changed]}
            )
            found = findings(stack)["uploads reach the queue"]
            assert found["state"] == "failed"
            assert "some uploads only" in found["detail"]
    finally:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)


def test_reserved_concurrency_that_stops_or_slows_a_function_is_found(stack: LocalStack) -> None:
    functions = stack.client("lambda")
    name = stack.outputs["ScreenFunctionName"]
    try:
        for reserved, state in ((0, "failed"), (3, "warning")):
            functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)
            result = doctor(stack, "--json")
            lines = [json.loads(line) for line in result.stdout.splitlines()]
            states = {
                line["state"] for line in lines if line["check"] == "concurrency" and name in line["detail"]
            }
            assert states == {state}
            assert result.exit_code == (1 if state == "failed" else 0)
    finally:
        functions.delete_function_concurrency(FunctionName=name)


def test_what_lifts_a_reservation_takes_the_mark_of_a_job_along(stack: LocalStack) -> None:
    functions = stack.client("lambda")
    name, arn = stack.outputs["BackfillFunctionName"], stack.outputs["BackfillFunctionArn"]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    functions.tag_resource(Resource=arn, Tags={RESERVED: "screentest backfill"})
    try:
        lines = [json.loads(line) for line in doctor(stack, "--json").stdout.splitlines()]
        (advice,) = (line["advice"] for line in lines if line["check"] == "concurrency" and line["advice"])
        lift, untag = (shlex.split(command) for command in advice.split("; "))
        assert lift[:3] == ["aws", "lambda", "delete-function-concurrency"]
        assert lift[lift.index("--function-name") + 1] == name
        assert untag == ["aws", "lambda", "untag-resource", "--resource", arn, "--tag-keys", RESERVED]
    finally:
        functions.delete_function_concurrency(FunctionName=name)
        functions.untag_resource(Resource=arn, TagKeys=[RESERVED])


def test_a_setting_that_the_function_cannot_read_is_found(stack: LocalStack) -> None:
    functions = stack.client("lambda")
    name = stack.outputs["ScreenFunctionName"]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]
    broken = {"Variables": before["Variables"] | {"ROUTES": '[{"prefix": "a/", "screenings": []}'}}
    functions.update_function_configuration(FunctionName=name, Environment=broken)
    try:
        found = findings(stack)["settings"]
        assert found["state"] == "failed"
        assert "ROUTES" in found["detail"]
    finally:
        functions.update_function_configuration(FunctionName=name, Environment=before)
    assert findings(stack)["settings"]["state"] == "ok"


def test_a_role_that_lost_a_permission_is_found(stack: LocalStack) -> None:
    iam, role = stack.client("iam"), stack.deployment.resources["ScreenFunctionRole"]
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    iam.put_role_policy(RoleName=role, PolicyName="organisation", PolicyDocument=document)
    try:
        result = doctor(stack, "--json")
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        failed = [line["detail"] for line in lines if line["state"] == "failed"]
        # A function whose settings were just changed by another test may be pending still.
        (denied,) = [detail for detail in failed if not detail.endswith("is Pending")]
        assert "s3:GetObject on" in denied
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="organisation")


def test_dead_letters_are_counted_hidden_ones_and_those_of_a_backfill_too(stack: LocalStack) -> None:
    sqs, url = stack.client("sqs"), stack.outputs["BackfillDeadLetterQueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    assert "1 objects of a backfill" in findings(stack)["backfill dead letters"]["detail"]
    (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=600, WaitTimeSeconds=1)["Messages"]
    try:
        found = findings(stack)["backfill dead letters"]
        assert found["state"] == "warning"
        assert "1 of them are hidden" in found["detail"]
    finally:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_no_stack_of_that_name(stack: LocalStack) -> None:
    result = doctor(stack, "--stack-name", "another")
    assert result.exit_code == 2
    assert "no stack named another" in result.stderr


def test_a_stack_with_a_bucket_of_its_own_needs_no_eventbridge(stack: LocalStack) -> None:
    result = doctor(stack, "--enable-eventbridge", "--yes")
    assert result.exit_code == 2
    assert "ExistingBucketName" in result.stderr


def test_an_existing_bucket_from_first_look_to_first_upload(stack: LocalStack) -> None:
    """Its own notifications stay as they are, and its uploads reach our function through EventBridge."""
    s3, sqs = stack.client("s3"), stack.client("sqs")
    s3.create_bucket(Bucket=THEIRS)
    url = sqs.create_queue(QueueName="thumbnails")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [{**allow, "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    own = {"Id": "thumbnails", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=THEIRS, NotificationConfiguration={"QueueConfigurations": [own]}
    )
    before = s3.get_bucket_notification_configuration(Bucket=THEIRS)["QueueConfigurations"]

    stack.deploy(complete({"ExistingBucketName": THEIRS}))
    found = findings(stack)
    assert found["uploads reach the queue"]["state"] == "failed"
    assert "--enable-eventbridge" in found["uploads reach the queue"]["advice"]
    assert found["event rule"]["state"] == found["queue policy"]["state"] == "ok"

    events = stack.client("events")
    (rule,) = (each["Name"] for each in events.list_rules()["Rules"] if each.get("EventPattern"))
    pattern = events.describe_rule(Name=rule)["EventPattern"]
    narrowed = json.loads(pattern)
    narrowed["detail"]["object"] = {"key": [{"prefix": "emo/"}]}
    events.put_rule(Name=rule, EventPattern=json.dumps(narrowed))
    changed = findings(stack)["event rule"]
    assert changed["state"] == "failed"
    assert "its pattern was changed" in changed["detail"]
    events.put_rule(Name=rule, EventPattern=pattern, State="DISABLED")
    assert "is off" in findings(stack)["event rule"]["detail"]
    events.put_rule(Name=rule, EventPattern=pattern, State="ENABLED")
    assert findings(stack)["event rule"]["state"] == "ok"

    unasked = doctor(stack, "--enable-eventbridge")
    assert unasked.exit_code == 2
    assert "nothing was written" in unasked.stderr
    assert "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket=THEIRS)

    done = doctor(stack, "--enable-eventbridge", "--yes")
    assert done.exit_code == 0, done.output
    assert "keep  queue thumbnails" in done.stdout
    now = s3.get_bucket_notification_configuration(Bucket=THEIRS)
    assert now["QueueConfigurations"] == before
    assert "EventBridgeConfiguration" in now
    assert findings(stack)["uploads reach the queue"]["state"] == "ok"
    assert "Nothing to do" in doctor(stack, "--enable-eventbridge", "--yes").stdout

    # Cut the function off, to see what it would have been given.
    functions = stack.client("lambda")
    (fed,) = functions.list_event_source_mappings(FunctionName=stack.outputs["ScreenFunctionName"])[
        "EventSourceMappings"
    ]
    functions.update_event_source_mapping(UUID=fed["UUID"], Enabled=False)
    s3.put_object(Bucket=THEIRS, Key="emo/1x1/a b+c.jpg", Body=b"x")
    got = sqs.receive_message(QueueUrl=stack.outputs["ScreenQueueUrl"], WaitTimeSeconds=10)["Messages"]
    event = json.loads(got[0]["Body"])
    assert (event["source"], event["detail-type"]) == ("aws.s3", "Object Created")
    assert event["detail"]["object"]["key"] == "emo/1x1/a b+c.jpg"
    assert sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"], (
        "their own notification still works"
    )
