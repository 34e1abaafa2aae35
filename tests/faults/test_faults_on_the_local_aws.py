"""The fault machine's faults with a fixed seed, over the real adapters and the local S3, SQS, DynamoDB and SNS."""

from __future__ import annotations

import contextlib
import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from support.aws import create_verdict_table

from screentest.screening import tags
from screentest.screening.batch import Pipeline
from screentest.screening.contract import Decision
from screentest.screening.errors import ScreeningError, StoreUnavailable, Unavailable
from screentest.screening.models import ObjectRef, Screening
from screentest.screening.objects import Objects, TagsConflict
from screentest.screening.presign import Signer
from screentest.screening.queue import UploadQueue
from screentest.screening.records import Record, Result
from screentest.screening.screen import Screener
from screentest.screening.table import VerdictTable, decode
from screentest.screening.topic import Topic
from screentest.stack import LocalAws

from . import world as w
from .world import Fate, Killed

pytestmark = pytest.mark.stack

SEED = 20261121
FAULTS = 60
EFFECTS: dict[str, ScreeningError] = {
    "create": StoreUnavailable("table"),
    "replace": StoreUnavailable("table"),
    "note": StoreUnavailable("table"),
    "tags": StoreUnavailable("s3"),
    "write_tags": TagsConflict("OperationAborted"),
    "publish": StoreUnavailable("sns"),
    "detect": Unavailable("lost", code="Timeout"),
}


@dataclass
class Chance:
    """Strikes at random effects, at each picture twice at most: three crashes would be held against the picture."""

    rng: random.Random
    left: int = FAULTS
    struck: Counter[str] = field(default_factory=Counter)

    def fate(self, effect: str, about: object) -> Fate:
        picture = "".join(re.findall(r"\d+\.jpg", str(about))[:1])
        if self.left <= 0 or self.struck[picture] == 2 or self.rng.random() > 0.1:
            return Fate.DONE
        self.left -= 1
        self.struck[picture] += 1
        fate = self.rng.choice(list(Fate)[1:])
        self.struck[f"{effect} {fate.name.lower()}"] += 1
        return fate


class Struck:
    """A real adapter whose effects may be lost, or be the last thing that the function does."""

    def __init__(self, real: Any, chance: Chance) -> None:
        self._real, self._chance = real, chance

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._real, name)
        if name not in EFFECTS:
            return method

        def act(*arguments: Any, **named: Any) -> Any:
            fate = self._chance.fate(name, arguments[0])
            if fate is Fate.KILLED_BEFORE:
                raise Killed(name)
            if fate is Fate.FAILED_BEFORE:
                raise EFFECTS[name]
            result = method(*arguments, **named)
            if fate is Fate.KILLED_AFTER:
                raise Killed(name)
            if fate is Fate.FAILED_AFTER:
                raise EFFECTS[name]
            return result

        return act


class Detector:
    """Fetches by the signed address, judges by content, counts."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._http = httpx.Client(trust_env=False)

    def detect(self, image_url: str, model: str, ratio: str | None = None) -> Decision:
        content = self._http.get(image_url).raise_for_status().text
        self.asked[content.partition(" ")[2]] += 1
        return w.decision(content.partition(" ")[0])


class Impatient(UploadQueue):
    """Backoff is tested elsewhere."""

    def delay(self, receipt: str, wait: int) -> None:
        super().delay(receipt, 0)


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws(enforce_roles=False) as running:
        yield running


@dataclass
class Cloud:
    aws: LocalAws
    bucket: str
    queue: str
    table: str
    topic: str
    heard: str
    offset: float = 0.0

    @classmethod
    def build(cls, aws: LocalAws, *, versioned: bool) -> Cloud:
        name = "versions" if versioned else "bare"
        s3, sqs = aws.client("s3"), aws.client("sqs")
        queue, heard = (
            sqs.create_queue(QueueName=f"{name}-{part}", Attributes={"VisibilityTimeout": "2"})["QueueUrl"]
            for part in ("uploads", "heard")
        )
        arns = [
            sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            for url in (queue, heard)
        ]
        s3.create_bucket(Bucket=f"faults-{name}")
        if versioned:
            s3.put_bucket_versioning(Bucket=f"faults-{name}", VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket=f"faults-{name}",
            NotificationConfiguration={
                "QueueConfigurations": [{"QueueArn": arns[0], "Events": ["s3:ObjectCreated:*"]}]
            },
        )
        create_verdict_table(aws.client("dynamodb"), f"faults-{name}")
        topic = aws.client("sns").create_topic(Name=f"faults-{name}")["TopicArn"]
        aws.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arns[1], Attributes={"RawMessageDelivery": "true"}
        )
        return cls(aws, f"faults-{name}", queue, f"faults-{name}", topic, heard)

    def now(self) -> float:
        return time.time() + self.offset

    def pipeline(self, chance: Chance, detector: Detector) -> Pipeline:
        client = self.aws.client
        parts: dict[str, Any] = {
            "detector": Struck(detector, chance),
            "signer": Signer(client("s3")),
            "table": Struck(VerdictTable(client("dynamodb"), self.table), chance),
            "objects": Struck(Objects(client("s3")), chance),
            "topic": Struck(Topic(lambda: client("sns"), self.topic), chance),
        }
        telemetry: Any = w.Silent()
        return Pipeline(
            Screener(**parts, telemetry=telemetry, routes=w.ROUTES, detector_name="fake", clock=self.now),
            Impatient(lambda: client("sqs"), self.queue, None),
            telemetry,
            max_receives=1000,
            pool=w.Serial(),
        )

    def receive(self) -> list[dict[str, Any]]:
        messages = (
            self.aws.client("sqs")
            .receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, AttributeNames=["All"])
            .get("Messages", [])
        )
        return [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "eventSource": "aws:sqs",
            }
            for message in messages
        ]

    def delete(self, record: dict[str, Any]) -> None:
        sqs = self.aws.client("sqs")
        # On a busy machine the message may be visible again already; then it comes once more.
        with contextlib.suppress(sqs.exceptions.ReceiptHandleIsInvalid):
            sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=record["receiptHandle"])

    def items(self) -> dict[tuple[str, str], dict[str, Any]]:
        found = [decode(raw) for raw in self.aws.client("dynamodb").scan(TableName=self.table)["Items"]]
        return {(item["key"], item["screening"]): item for item in found}

    def messages(self) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        sqs = self.aws.client("sqs")
        while batch := sqs.receive_message(QueueUrl=self.heard, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                told = json.loads(message["Body"])
                found[told["key"], told["screening"]] += 1
                sqs.delete_message(QueueUrl=self.heard, ReceiptHandle=message["ReceiptHandle"])
        return found


class Tired(Exception):
    """The queue did not come to rest."""


def run(cloud: Cloud, chance: Chance, detector: Detector) -> int:
    """Batches until the queue is empty; a function that dies leaves everything to the next. How many died."""
    crashes, idle = 0, 0
    for _ in range(1000):
        batch = cloud.receive()
        # Leases run out between batches, as they would in the minutes that AWS takes.
        cloud.offset += 100
        if not batch:
            idle += 1
            if idle > 8:
                return crashes
            time.sleep(0.4)
            continue
        idle = 0
        try:
            answer = cloud.pipeline(chance, detector)({"Records": batch}, w.context(w.World()))
        except Killed:
            crashes += 1
            continue
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for record in batch:
            if record["messageId"] not in failed:
                cloud.delete(record)
                if chance.rng.random() < 0.1:
                    cloud.aws.client("sqs").send_message(QueueUrl=cloud.queue, MessageBody=record["body"])
    raise Tired


@pytest.mark.parametrize("versioned", [True, False], ids=["versions", "no versions"])
def test_faults_lose_nothing(aws: LocalAws, versioned: bool) -> None:
    cloud = Cloud.build(aws, versioned=versioned)
    chance, detector = Chance(random.Random(SEED)), Detector()
    s3 = aws.client("s3")
    uploads: dict[str, list[tuple[str | None, str]]] = {}
    for number in range(60):
        # Some keys are uploaded again and again.
        prefix = "two/ü +" if number % 3 == 0 else "one/ü +"
        key = f"{prefix}{number if number % 4 else number % 8}.jpg"
        content = chance.rng.choice(["pass", "reject"])
        put = s3.put_object(
            Bucket=cloud.bucket,
            Key=key,
            Body=f"{content} {number}".encode(),
            Tagging="owner=me&screentest=pass",
        )
        uploads.setdefault(key, []).append((put.get("VersionId"), content))

    crashes = run(cloud, chance, detector)

    assert chance.left < FAULTS / 2, "faults were dealt"
    assert crashes >= 5
    items, told = cloud.items(), cloud.messages()
    screenings = 0
    for key, versions in uploads.items():
        for version_id, content in versions if versioned else versions[-1:]:
            ref = ObjectRef(cloud.bucket, key, version_id=version_id)
            wanted: list[tuple[Screening, Result | None]] = []
            for screening in w.ROUTES.screenings(key):
                item = items[key, screening.sort_key(version_id)]
                assert item["verdict"] == content
                assert "lease_until" not in item
                count = told[key, screening.sort_key(version_id)]
                assert (count > 0) is (content == "reject") or not versioned
                wanted.append((screening, Record.from_item(item).result))
                screenings += 1
            found = Objects(s3).tags(ref)
            assert found["owner"] == "me"
            assert found["screentest"] == content
            assert {name for name in found if name.startswith("screentest:")} == {
                name for name in tags.plan({"owner": "me"}, wanted).tags if name.startswith("screentest:")
            }
    if versioned:
        assert sum(detector.asked.values()) <= screenings + FAULTS
        assert sum(told.values()) <= 2 * screenings
