"""An upload on the deployed stack: S3, queue, function, presigned address, detector, item, tags, message."""

from __future__ import annotations

import functools
import json
import re
import time
import uuid
from typing import Any

import pytest
from support import waiting

from screentest.demo import pictures
from screentest.screening.table import decode
from screentest.stack import LocalStack

pytestmark = pytest.mark.stack

eventually = functools.partial(waiting.eventually, seconds=90.0)


class Uploads:
    """The upload bucket and everything that can be read back."""

    def __init__(self, stack: LocalStack, queue: str) -> None:
        self.stack, self.queue = stack, queue
        self.bucket = stack.outputs["UploadBucketName"]
        self.s3, self.dynamodb, self.sqs = stack.client("s3"), stack.client("dynamodb"), stack.client("sqs")
        self.heard: list[dict[str, Any]] = []

    def put(self, key: str, body: bytes, **more: Any) -> str:
        version: str = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)["VersionId"]
        return version

    def items(self, key: str) -> list[dict[str, Any]]:
        found = self.dynamodb.query(
            TableName=self.stack.outputs["VerdictTableName"],
            KeyConditionExpression="#o = :o",
            ExpressionAttributeNames={"#o": "object"},
            ExpressionAttributeValues={":o": {"S": f"s3://{self.bucket}/{key}"}},
        )["Items"]
        return [decode(item) for item in found]

    def decided(self, key: str, count: int = 1) -> list[dict[str, Any]]:
        def look() -> list[dict[str, Any]]:
            done = [item for item in self.items(key) if "verdict" in item and "lease_until" not in item]
            return done if len(done) >= count else []

        found: list[dict[str, Any]] = eventually(look, f"{count} verdicts of {key}")
        return found

    def tags(self, key: str, version: str | None = None) -> dict[str, str]:
        which = {"VersionId": version} if version else {}
        tags = self.s3.get_object_tagging(Bucket=self.bucket, Key=key, **which)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in tags}

    def gate(self, key: str) -> str:
        return str(eventually(lambda: self.tags(key).get("screentest"), f"the gate of {key}"))

    def message(self, key: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            received = self.sqs.receive_message(
                QueueUrl=self.queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            for message in received.get("Messages", []):
                self.heard.append(message)
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            return next((each for each in self.heard if json.loads(each["Body"])["key"] == key), None)

        found: dict[str, Any] = eventually(look, f"the message about {key}")
        return found


def queue_on(stack: LocalStack, name: str, **attributes: str) -> str:
    sqs = stack.client("sqs")
    url: str = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = stack.outputs["FailureTopicArn"]
    allowed = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [allowed | {"Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    stack.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"} | attributes
    )
    return url


@pytest.fixture(scope="module")
def uploads(stack: LocalStack) -> Uploads:
    return Uploads(stack, queue_on(stack, f"heard-{uuid.uuid4().hex[:8]}"))


def unique(prefix: str, name: str = "portrait.jpg") -> str:
    return f"{prefix}{uuid.uuid4().hex[:8]}/{name}"


def test_a_portrait_passes_and_the_item_says_everything(uploads: Uploads) -> None:
    key = unique("emo/1x1/")
    body = pictures.data("waist_up")
    version = uploads.put(key, body)
    (item,) = uploads.decided(key)
    assert item["screening"] == f"emo-detect-v1#1x1#{version}"
    assert (item["bucket"], item["key"], item["version_id"]) == (uploads.bucket, key, version)
    assert (item["verdict"], item["model"], item["ratio"]) == ("pass", "emo-detect-v1", "1x1")
    assert item["size"] == len(body)
    assert item["trigger"] == "upload"
    assert item["detector"].startswith("self-hosted/")
    assert item["attempts"] == 1
    assert item["tags"] == "written"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", item["screened_at"])
    assert item["expires_at"] > time.time()
    width, height = 910, 1137
    for x1, y1, x2, y2 in (item["face_bbox"], item["ext_bbox"]):
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height
    assert not {"code", "message", "notified_at", "body_style"} & item.keys()


def test_a_pass_is_tagged_with_its_boxes_and_user_tags_survive(uploads: Uploads) -> None:
    key = unique("emo/3x4/")
    uploads.put(key, pictures.data("waist_up"), Tagging="project=spring&screentest=pass")
    (item,) = uploads.decided(key)
    tags = eventually(
        lambda: (found := uploads.tags(key)).get("screentest:emo-detect-v1:3x4") and found,
        "the screening's tag",
    )
    assert tags["project"] == "spring"
    assert tags["screentest"] == "pass"
    assert tags["screentest:emo-detect-v1:3x4:face"] == " ".join(map(str, item["face_bbox"]))
    assert tags["screentest:emo-detect-v1:3x4:ext"] == " ".join(map(str, item["ext_bbox"]))


def test_a_rejection_is_recorded_tagged_and_announced_in_that_order(uploads: Uploads) -> None:
    key = unique("emo/1x1/", "cat.jpg")
    uploads.put(key, pictures.data("cat"))
    message = uploads.message(key)
    told = json.loads(message["Body"])
    # What is announced can be read already.
    (item,) = uploads.items(key)
    assert (item["verdict"], item["code"]) == ("reject", "InvalidFile.NoHuman")
    assert (item["measured"]["rule"], item["measured"]["limit"]) == ("nobody", "at least 1")
    assert told["measured"] == item["measured"]
    assert uploads.tags(key)["screentest"] == "reject"
    assert uploads.tags(key)["screentest:emo-detect-v1:1x1:code"] == "InvalidFile.NoHuman"
    assert {name: told[name] for name in ("object", "screening", "code", "size")} == {
        name: item[name] for name in ("object", "screening", "code", "size")
    }
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes == {
        "verdict": "reject",
        "model": "emo-detect-v1",
        "bucket": uploads.bucket,
        "trigger": "upload",
        "code": "InvalidFile.NoHuman",
    }
    eventually(lambda: uploads.items(key)[0].get("notified_at"), "the note of the message")


@pytest.mark.parametrize("name", ["a+b.jpg", "a b.jpg", "100%25.jpg", "é.jpg", "x=1/y.jpg"])
def test_keys_are_decoded_once(uploads: Uploads, name: str) -> None:
    key = unique("emo/1x1/", name)
    uploads.put(key, pictures.data("too_small"))
    (item,) = uploads.decided(key)
    assert item["key"] == key
    assert uploads.gate(key) == "reject"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("text.jpg", pictures.not_a_picture()),
        ("empty.jpg", b""),
        ("cut.jpg", b"\xff\xd8\xff\xe0" + b"\0" * 64),
    ],
)
def test_what_is_no_picture_is_the_pictures_fault(uploads: Uploads, name: str, body: bytes) -> None:
    key = unique("emoji/", name)
    uploads.put(key, body)
    (item,) = uploads.decided(key)
    assert (item["verdict"], item["code"]) == ("reject", "InvalidURL")
    assert item["screening"].startswith("emoji-detect-v1#-#")
    assert json.loads(uploads.message(key)["Body"])["code"] == "InvalidURL"


def test_every_version_is_screened_by_itself(uploads: Uploads) -> None:
    key = unique("animate-anyone/")
    first = uploads.put(key, pictures.data("two_people"))
    second = uploads.put(key, pictures.data("waist_up"))
    items = {item["version_id"]: item for item in uploads.decided(key, 2)}
    assert (items[first]["verdict"], items[second]["verdict"]) == ("reject", "pass")
    assert items[second]["body_style"] == "half"
    eventually(
        lambda: uploads.tags(key, first).get("screentest") == "reject", "the gate of the first version"
    )
    eventually(
        lambda: uploads.tags(key, second).get("screentest") == "pass", "the gate of the second version"
    )


def test_what_no_route_names_is_left_alone(uploads: Uploads) -> None:
    alone, routed = unique("holidays/"), unique("emo/1x1/")
    uploads.put(alone, pictures.data("waist_up"))
    uploads.put(unique("emo/1x1/").rsplit("/", 1)[0] + "/", b"")
    uploads.put(routed, pictures.data("too_small"))
    uploads.decided(routed)
    assert uploads.items(alone) == []
    assert uploads.tags(alone) == {}


def test_a_subscription_filters_on_the_code(uploads: Uploads) -> None:
    policy = json.dumps({"code": ["InvalidFile.MultiHuman"]})
    wanted = Uploads(
        uploads.stack, queue_on(uploads.stack, f"only-{uuid.uuid4().hex[:8]}", FilterPolicy=policy)
    )
    other, crowd = unique("emo/1x1/", "cat.jpg"), unique("emo/1x1/", "crowd.jpg")
    uploads.put(other, pictures.data("cat"))
    uploads.decided(other)
    uploads.message(other)
    uploads.put(crowd, pictures.data("two_people"))
    assert json.loads(wanted.message(crowd)["Body"])["code"] == "InvalidFile.MultiHuman"
    assert [json.loads(each["Body"])["key"] for each in wanted.heard] == [crowd]


def test_nothing_secret_is_logged(uploads: Uploads) -> None:
    key = unique("emo/1x1/")
    uploads.put(key, pictures.data("waist_up"))
    uploads.decided(key)
    lines = eventually(lambda: [line for line in uploads.stack.logs() if key in line], "the log line")
    assert lines
    assert [
        line for line in uploads.stack.logs() if "X-Amz-Signature" in line or "X-Amz-Credential" in line
    ] == []
