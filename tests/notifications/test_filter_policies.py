"""Filter policies on each attribute, with the pipeline's own messages, on moto: it evaluates policies as AWS does."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

from support.aws import client

from screentest.screening.notices import SUBJECT, notice, wanted
from screentest.screening.records import Record
from screentest.screening.topic import Topic

DOCUMENT = Path(__file__).parents[2] / "docs" / "notifications.md"

BASE = {
    "bucket": "portraits",
    "object": "s3://portraits/emo/1x1/a.jpg",
    "screening": "emo-detect-v1#1x1#-",
    "key": "emo/1x1/a.jpg",
    "model": "emo-detect-v1",
    "ratio": "1x1",
    "trigger": "upload",
}
ITEMS: dict[str, dict[str, Any]] = {
    "reject": BASE | {"verdict": "reject", "code": "InvalidFile.NoHuman"},
    "error": BASE | {"verdict": "error", "code": "Throttling"},
    "pass": BASE | {"verdict": "pass"},
    "backfill": BASE | {"verdict": "reject", "code": "InvalidFile.NoHuman", "trigger": "backfill"},
    "emoji": BASE | {"verdict": "error", "code": "InvalidApiKey", "model": "emoji-detect-v1"},
    "elsewhere": BASE | {"verdict": "reject", "code": "InvalidURL", "bucket": "others"},
}


class World:
    """A topic, and queues subscribed to it."""

    def __init__(self, moto: str) -> None:
        self.sns, self.sqs = client("sns", moto), client("sqs", moto)
        self.topic = self.sns.create_topic(Name=f"failures-{uuid.uuid4().hex}")["TopicArn"]

    def subscribe(self, policy: dict[str, Any]) -> str:
        url: str = self.sqs.create_queue(QueueName=f"heard-{uuid.uuid4().hex}")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        attributes = {"RawMessageDelivery": "true", "FilterPolicy": json.dumps(policy)}
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        return url

    def tell_all(self) -> None:
        topic = Topic(lambda: self.sns, self.topic)
        for name, item in ITEMS.items():
            topic.publish(notice(Record.from_item(item | {"key": name}), "us-east-1"))

    def heard(self, url: str) -> set[str]:
        names = set()
        while found := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            names |= {json.loads(message["Body"])["key"] for message in found}
        return names


POLICIES: list[tuple[dict[str, Any], set[str]]] = [
    ({"verdict": ["error"]}, {"error", "emoji"}),
    ({"code": [{"prefix": "InvalidFile."}]}, {"reject", "backfill"}),
    ({"model": ["emo-detect-v1"]}, set(ITEMS) - {"emoji"}),
    ({"bucket": ["portraits"]}, set(ITEMS) - {"elsewhere"}),
    ({"trigger": [{"anything-but": "backfill"}]}, set(ITEMS) - {"backfill"}),
    ({"verdict": ["error"], "model": ["emoji-detect-v1"]}, {"emoji"}),
    ({"code": [{"exists": False}]}, {"pass"}),
]


def test_each_attribute_can_be_filtered_by(moto: str) -> None:
    world = World(moto)
    urls = [world.subscribe(policy) for policy, _ in POLICIES]
    world.tell_all()
    assert [world.heard(url) for url in urls] == [heard for _, heard in POLICIES]


def test_the_policies_of_the_document_are_among_those_tried() -> None:
    table = re.findall(r"^\| `\w+` \|.*\| `(\{.*\})` \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert len(table) == 5
    tried = [policy for policy, _ in POLICIES]
    assert all(json.loads(policy) in tried for policy in table)


def test_what_the_topic_hears() -> None:
    assert [name for name, item in ITEMS.items() if not wanted(Record.from_item(item), "failures")] == [
        "pass"
    ]
    assert all(wanted(Record.from_item(item), "all") for item in ITEMS.values())


EXAMPLE = json.loads(re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[0])
EMAIL = re.findall(r"```text\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[0]


def test_the_message_of_the_document_is_what_is_sent() -> None:
    version = EXAMPLE["screening"].split("#")[2]
    item = {name: value for name, value in EXAMPLE.items() if name != "console"} | {"version_id": version}
    sent = notice(Record.from_item(item), "eu-central-1")
    document = json.loads(sent.default)
    assert document.pop("version_id") == version
    assert document.pop("console").startswith(EXAMPLE["console"])
    assert document == {name: value for name, value in EXAMPLE.items() if name != "console"}
    assert sent.email.startswith(EMAIL)
    assert sent.subject == SUBJECT
    assert SUBJECT.isascii()
