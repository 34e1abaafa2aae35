"""`docs/notifications.md` is run against the local stack: its commands in one shell, its receiver, its rule."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.aws import create_verdict_table

from screentest.demo import pictures
from screentest.screening.table import encode
from screentest.stack import ACCESS_KEY, REGION, REPOSITORY, SECRET_KEY, LocalStack
from screentest.stack.deployment import read_template

pytestmark = pytest.mark.stack

TEXT = (REPOSITORY / "docs" / "notifications.md").read_text()
BLOCKS = {
    kind: re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for kind in ("sh", "python", "json")
}
COMMANDS = [block for block in BLOCKS["sh"] if not block.startswith("# needs AWS")]
SECONDS = 60


@pytest.fixture(scope="module")
def transcript(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each block prints, all run in one shell in an empty folder with a picture."""
    folder = tmp_path_factory.mktemp("notifications")
    (folder / "cat.jpg").write_bytes(pictures.data("cat"))
    script = "set -euo pipefail\n" + "\necho '<<<end>>>'\n".join([*COMMANDS, ""])
    environment = {
        "PATH": f"{REPOSITORY}/.localaws/bin:{os.environ['PATH']}",
        "HOME": str(folder),
        "AWS_ENDPOINT_URL": stack.endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_PAGER": "",
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("<<<end>>>\n")


def block(word: str) -> int:
    """The index of the block that holds a word."""
    (found,) = [number for number, text in enumerate(COMMANDS) if word in text]
    return found


def test_every_command_is_run_or_marked() -> None:
    assert len(COMMANDS) + 1 == len(BLOCKS["sh"]), "one block needs AWS"


def test_the_queue_hears_of_the_rejection(transcript: list[str]) -> None:
    lines = [line for line in transcript[block("aws s3 cp cat.jpg")].splitlines() if line.startswith("{")]
    verdict = json.loads(lines[-1])
    assert verdict["key"] == "emo/1x1/cat.jpg"
    assert verdict["verdict"] == "reject"
    assert verdict["code"].startswith("InvalidFile.")


def test_the_mail_subscription_hears_of_what_it_asked_for(stack: LocalStack, transcript: list[str]) -> None:
    subscription = json.loads(transcript[block("operator@example.com")])["SubscriptionArn"]
    attributes = stack.client("sns").get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    assert attributes["Protocol"] == "email"
    assert json.loads(attributes["FilterPolicy"]) == {
        "verdict": ["error"],
        "trigger": [{"anything-but": "backfill"}],
    }


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The receiver of the document, on a free port."""
    (source,) = BLOCKS["python"]
    (tmp_path / "receiver.py").write_text(source)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "receiver.py"), str(port)], stdout=subprocess.PIPE, text=True
    )
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/", process
    process.kill()
    process.communicate()


def test_the_receiver_confirms_and_prints(
    stack: LocalStack, receiver: tuple[str, subprocess.Popen[str]]
) -> None:
    address, process = receiver
    sns = stack.client("sns")
    sns.subscribe(
        TopicArn=stack.outputs["FailureTopicArn"],
        Protocol="http",
        Endpoint=address,
        Attributes={"FilterPolicy": json.dumps({"code": ["InvalidURL"]})},
    )
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        found = sns.list_subscriptions_by_topic(TopicArn=stack.outputs["FailureTopicArn"])["Subscriptions"]
        (mine,) = [one for one in found if one["Endpoint"] == address]
        if mine["SubscriptionArn"].startswith("arn:"):
            break
        time.sleep(0.1)
    stack.client("s3").put_object(
        Bucket=stack.outputs["UploadBucketName"], Key="emoji/not a picture.jpg", Body=b"no picture"
    )
    assert process.stdout
    assert process.stdout.readline() == "reject InvalidURL emoji/not a picture.jpg\n"


# The pipe, in its parts -----------------------------------------------------------------------------------------


def pipe() -> dict[str, Any]:
    properties: dict[str, Any] = read_template()["Resources"]["VerdictPipe"]["Properties"]
    return properties


def filled(template: str, record: dict[str, Any]) -> dict[str, Any]:
    """The input template as EventBridge Pipes fills it: text as it is, objects as JSON."""

    def value(found: re.Match[str]) -> str:
        here: Any = record
        for name in found[1].split("."):
            here = here[name]
        return here if isinstance(here, str) else json.dumps(here)

    document: dict[str, Any] = json.loads(re.sub(r"<\$\.([\w.]+)>", value, template))
    return document


LEASED = {
    "object": "s3://b/k",
    "screening": "emo-detect-v1#1x1#-",
    "lease_until": 1.5,
    "bucket": "b",
    "trigger": "upload",
}
DECIDED = {
    "object": "s3://b/k",
    "screening": "emo-detect-v1#1x1#-",
    "bucket": "b",
    "key": 'emo/1x1/"quoted" \\ \n.jpg',
    "model": "emo-detect-v1",
    "trigger": "upload",
    "verdict": "pass",
    "screened_at": "2026-11-21T09:55:14.002Z",
}


def records(stack: LocalStack) -> list[dict[str, Any]]:
    """The stream's records of one screening's life: claimed, decided, noted, claimed again, given back."""
    dynamodb, streams = stack.client("dynamodb"), stack.client("dynamodbstreams")
    name = "life-of-a-screening"
    described = create_verdict_table(dynamodb, name, stream=True)
    for item in (
        LEASED,
        DECIDED,
        DECIDED | {"notified_at": "x"},
        DECIDED | {"lease_until": 2.5},
        DECIDED | {"lease_until": 3.5, "cause_code": "Throttling"},
    ):
        dynamodb.put_item(TableName=name, Item=encode(item))
    arn = described["LatestStreamArn"]
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    found: list[dict[str, Any]] = streams.get_records(ShardIterator=iterator)["Records"]
    dynamodb.delete_table(TableName=name)
    return found


def test_one_write_of_a_screening_becomes_one_event_that_the_rules_match(
    stack: LocalStack, transcript: list[str]
) -> None:
    events = stack.client("events")
    (chosen,) = pipe()["SourceParameters"]["FilterCriteria"]["Filters"]

    def matches(pattern: str, event: dict[str, Any]) -> bool:
        envelope: dict[str, Any] = {
            "id": "1",
            "account": "1",
            "source": "x",
            "time": "2026-11-21T00:00:00Z",
            "region": REGION,
        }
        envelope |= {"resources": [], "detail-type": "x"}
        answer = events.test_event_pattern(
            EventPattern=pattern, Event=json.dumps(envelope | event, default=str)
        )
        return bool(answer["Result"])

    life = records(stack)
    assert len(life) == 5
    decided = [record for record in life if matches(chosen["Pattern"], {"dynamodb": record["dynamodb"]})]
    assert decided == [life[1]]

    target = pipe()["TargetParameters"]
    detail = filled(target["InputTemplate"], decided[0])
    assert detail["item"]["key"]["S"] == DECIDED["key"]
    assert {name: detail[name] for name in ("verdict", "model", "bucket", "trigger")} == {
        "verdict": "pass",
        "model": "emo-detect-v1",
        "bucket": "b",
        "trigger": "upload",
    }
    parameters = target["EventBridgeEventBusParameters"]
    example = json.loads(BLOCKS["json"][1])
    assert (example["source"], example["detail-type"]) == (parameters["Source"], parameters["DetailType"])
    assert set(example["detail"]) == set(detail)

    by_code = BLOCKS["json"][2]
    assert matches(by_code, example)
    assert not matches(by_code, {"source": "screentest", "detail": detail})

    sent = events.put_events(
        Entries=[
            {
                "Source": parameters["Source"],
                "DetailType": parameters["DetailType"],
                "Detail": json.dumps(event),
            }
            for event in (example["detail"], detail)
        ]
    )
    assert sent["FailedEntryCount"] == 0
    sqs = stack.client("sqs")
    url = sqs.get_queue_url(QueueName="passed-portraits")["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(message["Body"])["detail"] == detail
