"""Backfill, verdicts and redrive through the local stack, as commands: listed, queued, screened, recorded, tagged."""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support import waiting
from typer.testing import CliRunner, Result

from screentest.backfill.command import Backfill
from screentest.cli import app
from screentest.screening import records
from screentest.screening.errors import Throttled
from screentest.screening.models import ObjectRef, Screening
from screentest.screening.queue import CODE_ATTRIBUTE
from screentest.screening.table import encode
from screentest.stack import ACCESS_KEY, REGION, SECRET_KEY, LocalStack

pytestmark = pytest.mark.stack
SECONDS = 420  # a function that is killed gives its messages back after six minutes


def small_picture() -> bytes:
    """Too small for any detector: rejected by its header, without a network."""
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "white").save(out, "JPEG")
    return out.getvalue()


class Operator:
    """Runs `screentest` against the stack; as a process of its own where that is to be killed."""

    def __init__(self, stack: LocalStack, folder: Path) -> None:
        self.stack = stack
        self.bucket = stack.outputs["UploadBucketName"]
        self.prefix = f"emo/1x1/{uuid.uuid4().hex[:8]}/"
        self.uri = f"s3://{self.bucket}/{self.prefix}"
        self.environment = dict(os.environ) | {
            "AWS_ENDPOINT_URL": stack.endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "SCREENTEST_STATE_DIR": str(folder),
            "COLUMNS": "60",
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", "import screentest.cli; screentest.cli.main()", *arguments]

    def run(self, *arguments: str, status: int = 0) -> Result:
        done = CliRunner().invoke(app, arguments, env=self.environment)
        assert done.exit_code == status, done.output
        return done

    def json(self, *arguments: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run(*arguments, "--json").stdout)
        return document

    def put(self, names: list[str]) -> None:
        s3 = self.stack.client("s3")
        for name in names:
            s3.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=small_picture())

    def items(self) -> dict[str, dict[str, Any]]:
        lines = self.run("verdicts", self.uri, "--json").stdout.splitlines()
        return {item["key"].removeprefix(self.prefix): item for item in map(json.loads, lines)}


@pytest.fixture
def quiet_bucket(stack: LocalStack) -> Iterator[None]:
    """Uploads are not noticed, as those of the time before the stack were not."""
    s3 = stack.client("s3")
    bucket = stack.outputs["UploadBucketName"]
    before = s3.get_bucket_notification_configuration(Bucket=bucket)
    before.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    yield
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=before)


@pytest.fixture
def operator(stack: LocalStack, quiet_bucket: None, tmp_path: Path) -> Operator:
    return Operator(stack, tmp_path)


eventually = functools.partial(waiting.eventually, seconds=SECONDS)


def test_what_was_there_before_is_screened_once(operator: Operator) -> None:
    names = [f"{n} ä+b.jpg" for n in range(7)]
    operator.put(names)
    operator.put(["notes.txt"])
    everybody = (
        '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}'
    )
    sqs = operator.stack.client("sqs")
    queue = sqs.create_queue(QueueName=uuid.uuid4().hex, Attributes={"Policy": everybody})["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    operator.stack.client("sns").subscribe(
        TopicArn=operator.stack.outputs["FailureTopicArn"],
        Protocol="sqs",
        Endpoint=attributes["QueueArn"],
        Attributes={"RawMessageDelivery": "true", "FilterPolicy": '{"trigger": ["backfill"]}'},
    )
    arguments = ("backfill", operator.uri, "--suffix", ".JPG")

    dry = operator.json(*arguments, "--dry-run")
    assert (dry["listed"], dry["objects"], dry["screenings"]) == (8, 7, 7)
    assert dry["skipped"] == {"other suffix": 1}
    assert dry["estimate"]["seconds"] >= 1
    assert operator.items() == {}, "a dry run changes nothing"

    done = operator.json(*arguments)
    assert (done["phase"], done["sent"], done["waiting"]) == ("listed", 7, 0)

    items = operator.items()
    assert set(items) == set(names)
    assert {item["trigger"] for item in items.values()} == {"backfill"}
    assert {item["code"] for item in items.values()} == {"InvalidFile.Resolution"}
    tags = operator.stack.client("s3").get_object_tagging(
        Bucket=operator.bucket, Key=operator.prefix + names[0]
    )["TagSet"]
    assert {"Key": "screentest", "Value": "reject"} in tags
    heard: list[dict[str, Any]] = []
    while found := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        heard += [json.loads(message["Body"]) for message in found]
    assert {one["trigger"] for one in heard} == {"backfill"}
    assert len({one["key"] for one in heard}) == 7

    again = operator.json(*arguments)
    assert (again["sent"], again["skipped"]) == (0, {"other suffix": 1, "screened already": 7})
    assert operator.items() == items, "not a byte has changed"


def test_errors_and_outdated_verdicts_are_screened_again(operator: Operator) -> None:
    operator.put(["old.jpg", "failed.jpg", "fine.jpg"])
    operator.json("backfill", operator.uri)
    dynamodb = operator.stack.client("dynamodb")
    table = operator.stack.outputs["VerdictTableName"]
    before = operator.items()
    for name, changes in {"old.jpg": {"rules_version": "0"}, "failed.jpg": {"verdict": "error"}}.items():
        dynamodb.put_item(TableName=table, Item=encode(before[name] | changes))

    assert operator.json("backfill", operator.uri, "--only", "error")["sent"] == 1
    assert operator.json("backfill", operator.uri, "--only", "outdated")["sent"] == 1
    after = operator.items()
    assert {item["verdict"] for item in after.values()} == {"reject"}
    assert {item["rules_version"] for item in after.values()} == {before["fine.jpg"]["rules_version"]}
    assert after["fine.jpg"] == before["fine.jpg"]


def test_a_killed_run_goes_on_and_nothing_is_screened_twice(operator: Operator) -> None:
    names = [f"{n:02}.jpg" for n in range(30)]
    operator.put(names)
    slow = subprocess.Popen(
        operator.command("backfill", operator.uri, "--rate", "10"),
        env=operator.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(operator.items)
    slow.kill()
    slow.wait()

    done = operator.json("backfill", operator.uri)
    assert done["phase"] == "listed"
    items = operator.items()
    assert set(items) == set(names)
    assert {item["attempts"] for item in items.values()} == {1}
    lines = operator.stack.logs(operator.stack.outputs["BackfillFunctionName"])
    screened = [line for line in lines if operator.prefix in line and '"screened"' in line]
    assert len(screened) == len(names), "each once, however often it was in the queue"


def test_uploads_do_not_wait_for_a_paused_backfill(operator: Operator, stack: LocalStack) -> None:
    operator.put(["a.jpg", "b.jpg"])
    running = subprocess.Popen(
        operator.command("backfill", operator.uri, "--rate", "1", "--json"),
        env=operator.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    threading.Timer(SECONDS, running.kill).start()
    job = eventually(
        lambda: [f.stem for f in Path(operator.environment["SCREENTEST_STATE_DIR"]).glob("*.lock")]
    )[0]
    running.communicate()

    sqs = stack.client("sqs")
    paused = operator.run("backfill", "--pause", job).stdout
    assert f"--resume {job}" in paused
    body = {
        "source": "screentest.backfill",
        "detail-type": "Object Listed",
        "detail": {"bucket": {"name": operator.bucket}, "object": {"key": operator.prefix + "late.jpg"}},
    }
    operator.put(["late.jpg"])
    sqs.send_message(QueueUrl=stack.outputs["BackfillQueueUrl"], MessageBody=json.dumps(body))
    assert operator.json("backfill", "--status", job)["waiting"] == 1

    version = stack.client("s3").put_object(
        Bucket=operator.bucket, Key=operator.prefix + "live.jpg", Body=small_picture()
    )["VersionId"]
    uploaded = {"bucket": {"name": operator.bucket}, "object": {"key": operator.prefix + "live.jpg"}}
    uploaded["object"]["versionId"] = version
    event = {"Records": [{"eventName": "ObjectCreated:Put", "s3": uploaded}]}
    sqs.send_message(QueueUrl=stack.outputs["ScreenQueueUrl"], MessageBody=json.dumps(event))
    live = eventually(
        lambda: operator.items().get("live.jpg", {}).get("verdict") and operator.items()["live.jpg"]
    )
    assert live["trigger"] == "upload"
    assert "late.jpg" not in operator.items(), "the backfill is still paused"

    operator.run("backfill", "--resume", job)
    eventually(lambda: "late.jpg" in operator.items())
    cancelled = operator.json("backfill", "--cancel", job)
    assert cancelled["phase"] == "cancelled"
    assert cancelled["waiting"] == 0


def test_what_could_not_be_screened_is_said_at_the_end(
    operator: Operator, stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = {"QueueUrl": stack.outputs["BackfillDeadLetterQueueUrl"]}
    real = Backfill._drain

    def drain(self: Backfill, *given: Any) -> None:
        real(self, *given)
        stack.client("sqs").send_message(
            **dead, MessageBody="{}"
        )  # as the function does with permanent errors

    monkeypatch.setattr(Backfill, "_drain", drain)
    try:
        for again in range(2):
            operator.put([f"{again}.jpg"])
            done = operator.run("backfill", operator.uri, status=1)
            assert "1 object could not be screened" in done.stderr, "those of earlier jobs are not counted"
    finally:
        while found := stack.client("sqs").receive_message(**dead).get("Messages"):
            stack.client("sqs").delete_message(**dead, ReceiptHandle=found[0]["ReceiptHandle"])


def test_dead_letters_are_screened_when_put_back(operator: Operator, stack: LocalStack) -> None:
    operator.put(["a.jpg", "b.jpg"])
    operator.json("backfill", operator.uri)
    item = operator.items()["a.jpg"]
    broken = item | {"verdict": "error", "code": "InvalidApiKey", "screened_at": item["screened_at"]}
    stack.client("dynamodb").put_item(TableName=stack.outputs["VerdictTableName"], Item=encode(broken))
    event = {
        "Records": [
            {
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "bucket": {"name": operator.bucket},
                    "object": {"key": item["key"], "versionId": item["version_id"]},
                },
            }
        ]
    }
    stack.client("sqs").send_message(
        QueueUrl=stack.outputs["DeadLetterQueueUrl"],
        MessageBody=json.dumps(event),
        MessageAttributes={CODE_ATTRIBUTE: {"DataType": "String", "StringValue": "InvalidApiKey"}},
    )
    ours = ("redrive", "--code", "InvalidApiKey", "--prefix", operator.prefix)

    dry = operator.json(*ours)
    assert (dry["dry_run"], dry["chosen"], dry["put_back"]) == (True, 1, 0)
    assert operator.items()["a.jpg"]["verdict"] == "error"
    assert operator.json("redrive", "--prefix", operator.prefix, "--older-than", "1h")["chosen"] == 0
    shown = operator.run(*ours).stdout
    assert "InvalidApiKey" in shown
    assert max(map(len, shown.splitlines())) <= 60

    done = operator.json(*ours, "--apply")
    assert (done["put_back"], done["failed"]) == (1, 0)
    eventually(lambda: operator.items()["a.jpg"]["verdict"] == "reject")
    assert operator.json(*ours)["chosen"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["backfill"], "say what to screen"),
        (["backfill", "s3://a-bucket-of-others/emo/"], "ExistingBucketName=a-bucket-of-others"),
        (
            ["backfill", "OWN", "--engine", "batch-operations"],
            "S3 Batch Operations is not at http://127.0.0.1",
        ),
        (["backfill", "--status", "backfill-000000000000"], "jobs are remembered where they were started"),
        (["backfill", "--status", "x", "--cancel", "y"], "one thing at a time"),
        (["verdicts", "--stack-name", "no-such-stack"], "there is no stack named no-such-stack"),
        (["redrive", "--older-than", "soon"], "is not an age"),
    ],
)
def test_bad_input_says_what_to_do(operator: Operator, arguments: list[str], words: str) -> None:
    given = [operator.uri if argument == "OWN" else argument for argument in arguments]
    done = operator.run(*given, status=2)
    assert words in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stdout == ""


def test_a_prefix_with_nothing_in_it(operator: Operator) -> None:
    done = operator.run("backfill", operator.uri)
    assert "no object begins with" in done.stderr
    assert "aws s3 ls" in done.stderr


def test_a_bucket_without_permission(operator: Operator, stack: LocalStack) -> None:
    iam = stack.client("iam")
    name = f"outsider-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}],
    }
    iam.put_user_policy(UserName=name, PolicyName="stack", PolicyDocument=json.dumps(policy))
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    operator.environment |= {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
    }
    done = operator.run("backfill", operator.uri, "--dry-run", status=2)
    assert "dynamodb:Scan on the table's indexes" in done.stderr
    done = operator.run("backfill", operator.uri, "--dry-run", "--only", "error", status=2)
    assert "access denied" in done.stderr
    assert "s3:ListBucketVersions" in done.stderr


def test_tasks_of_batch_operations_reach_the_deployed_function(operator: Operator, stack: LocalStack) -> None:
    operator.put(["a&b.jpg"])
    event = {
        "invocationSchemaVersion": "2.0",
        "invocationId": "1",
        "job": {"id": "1", "userArguments": {"only": "new"}},
        "tasks": [{"taskId": "1", "s3Key": operator.prefix + "a%26b.jpg", "s3Bucket": operator.bucket}],
    }
    results = []
    for _ in range(2):
        answer = stack.client("lambda").invoke(
            FunctionName=stack.outputs["BackfillFunctionName"], Payload=json.dumps(event)
        )
        results.append(json.loads(answer["Payload"].read())["results"][0])
    assert [result["resultCode"] for result in results] == ["Succeeded", "Succeeded"]
    assert results[0]["resultString"] == "emo-detect-v1: reject InvalidFile.Resolution"
    assert results[1]["resultString"] == "skipped: screened already"
    assert operator.items()["a&b.jpg"]["trigger"] == "backfill"


def test_what_is_overdue_rings_and_is_screened_by_commands(operator: Operator) -> None:
    """An old version whose message was lost five days ago: the schedule's event counts it with the function's own role,
    the doctor shows it, and a backfill that lists nothing screens it."""
    stack, name = operator.stack, f"{operator.prefix}a.jpg"
    s3, functions = stack.client("s3"), stack.client("lambda")
    old, new = (
        s3.put_object(Bucket=operator.bucket, Key=name, Body=small_picture() + more) for more in (b"1", b"2")
    )
    then = time.time() - 5 * 86_400
    ref = ObjectRef(operator.bucket, name, version_id=old["VersionId"], etag=old["ETag"].strip('"'))
    claim = records.claimed(None, ref, Screening.of("emo-detect-v1"), now=then, days=365)
    lost = claim.released(Throttled("slow down"), then)
    table = stack.outputs["VerdictTableName"]
    stack.client("dynamodb").put_item(TableName=table, Item=encode(lost.to_item()))
    (rule,) = (r for r in stack.client("events").list_rules()["Rules"] if r.get("ScheduleExpression"))
    (target,) = stack.client("events").list_targets_by_rule(Rule=rule["Name"])["Targets"]

    def look() -> Any:
        answer = functions.invoke(FunctionName=target["Arn"], Payload=target["Input"].encode())
        return json.loads(answer["Payload"].read())

    assert look() == {"overdue": 1}
    lines = stack.logs(stack.outputs["BackfillFunctionName"])
    counted = [json.loads(line) for line in lines if '"Name":"Overdue"' in line.replace(" ", "")]
    assert counted[-1]["Overdue"] == [1.0]
    found = [json.loads(line) for line in operator.run("doctor", "--json", status=1).stdout.splitlines()]
    (overdue,) = (each for each in found if each["check"] == "overdue screenings")
    assert overdue["state"] == "warning"
    assert "--only overdue" in overdue["advice"]

    job = operator.json("backfill", f"s3://{operator.bucket}/", "--only", "overdue")
    assert (job["listed"], job["sent"]) == (1, 1)
    (item,) = operator.items().values()
    assert (item["version_id"], item["verdict"], item["trigger"]) == (old["VersionId"], "reject", "backfill")
    assert s3.get_object_tagging(Bucket=operator.bucket, Key=name, VersionId=old["VersionId"])["TagSet"]
    assert not s3.get_object_tagging(Bucket=operator.bucket, Key=name, VersionId=new["VersionId"])["TagSet"]
    assert look() == {"overdue": 0}
