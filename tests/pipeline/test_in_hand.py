"""What a killed function had in hand is given back by the next one of its environment, and not six minutes later."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from support.aws import client, create_bucket, create_verdict_table
from support.context import Context
from support.screening import screener_over

from screentest.screening.batch import Pipeline
from screentest.screening.contract import Decision
from screentest.screening.in_hand import Batch, InHand
from screentest.screening.models import Verdict
from screentest.screening.queue import UploadQueue
from screentest.screening.records import LEASE

HOLDER = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from screentest.screening.in_hand import InHand\n"
    "hand = InHand(Path(sys.argv[1]), lambda: 1000.0)\n"
    "with hand.holding(['finished']):\n"
    "    pass\n"
    "with hand.holding(['one', 'two']):\n"
    "    print('there', flush=True)\n"
    "    time.sleep(600)\n"
)


def test_what_the_dead_had_in_hand_is_told_once_and_what_the_living_have_never(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline()
    hand = InHand(tmp_path)
    with hand.holding(["mine"]):
        assert InHand(tmp_path).left_by_the_dead() == []
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert InHand(tmp_path).left_by_the_dead() == [Batch(1000.0, ("one", "two"))]
        assert InHand(tmp_path).left_by_the_dead() == []


def test_a_process_that_ended_between_batches_leaves_nothing(tmp_path: Path) -> None:
    hand = InHand(tmp_path)
    with hand.holding(["one"]):
        pass
    del hand
    assert InHand(tmp_path).left_by_the_dead() == []
    assert list(tmp_path.iterdir()) == []


def test_notes_of_somebody_else_or_none_at_all_stop_nothing(tmp_path: Path) -> None:
    for number, content in enumerate(("", "{", "[]", '{"since": "x", "receipts": 3}', "{}")):
        (tmp_path / f"screentest-in-hand-{number}.json").write_text(content)
    assert InHand(tmp_path).left_by_the_dead() == []
    nowhere = InHand(tmp_path / "nowhere")
    assert nowhere.left_by_the_dead() == []
    with nowhere.holding(["one"]):
        pass


class Place:
    """A bucket, a table and a queue that hides what it gives for six minutes."""

    def __init__(self, address: str, name: str) -> None:
        self.name = name
        self.s3, self.dynamodb, self.sqs = (client(s, address) for s in ("s3", "dynamodb", "sqs"))

    def make(self) -> None:
        create_bucket(self.s3, self.name)
        create_verdict_table(self.dynamodb, self.name)
        self.sqs.create_queue(QueueName=self.name, Attributes={"VisibilityTimeout": "360"})

    @property
    def url(self) -> str:
        return str(self.sqs.get_queue_url(QueueName=self.name)["QueueUrl"])

    def put(self, key: str) -> None:
        put = self.s3.put_object(Bucket=self.name, Key=key, Body=b"x")
        described = {"key": key, "versionId": put["VersionId"], "eTag": put["ETag"].strip('"')}
        record = {
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": self.name}, "object": described},
        }
        self.sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps({"Records": [record]}))

    def receive(self) -> dict[str, Any]:
        found = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, AttributeNames=["All"]
        ).get("Messages", [])
        return {
            "Records": [
                {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": message["Attributes"],
                    "eventSource": "aws:sqs",
                }
                for message in found
            ]
        }

    def pipeline(
        self, detector: Any, folder: Path | None, later: float = 0.0, queue: type[UploadQueue] = UploadQueue
    ) -> Pipeline:
        screener, telemetry, _ = screener_over(
            self.s3, self.dynamodb, self.name, detector, clock=lambda: time.time() + later
        )
        hand = InHand(folder) if folder else None
        return Pipeline(screener, queue(lambda: self.sqs, self.url, None), telemetry, in_hand=hand)


class Fatal:
    """Kills the function."""

    def detect(self, *_asked: object) -> Decision:
        os._exit(9)


class Passing:
    def detect(self, *_asked: object) -> Decision:
        return Decision(Verdict.PASS, face_bbox=(1, 2, 3, 4), ext_bbox=(0, 0, 5, 5))


KILLED = (
    "import sys\n"
    "from pathlib import Path\n"
    "from pipeline.test_in_hand import Context, Fatal, Place\n"
    "address, name, folder = sys.argv[1:]\n"
    "place = Place(address, name)\n"
    "place.pipeline(Fatal(), Path(folder))(place.receive(), Context())\n"
)


@pytest.mark.parametrize("same_environment", [True, False])
def test_a_killed_batch_comes_again_when_its_leases_are_over(
    moto: str, tmp_path: Path, same_environment: bool
) -> None:
    place = Place(moto, f"killed-{uuid.uuid4().hex[:8]}")
    place.make()
    for number in range(4):
        place.put(f"emo/1x1/{number}.jpg")
    tests = Path(__file__).parents[1]
    dead = subprocess.run(
        [sys.executable, "-c", KILLED, moto, place.name, str(tmp_path)],
        check=False,
        env=os.environ | {"PYTHONPATH": str(tests)},
        capture_output=True,
        text=True,
    )
    assert dead.returncode == 9, dead.stderr
    assert not place.receive()["Records"], "hidden for six minutes"

    place.put("emo/1x1/next.jpg")
    folder = tmp_path if same_environment else tmp_path / "elsewhere"
    next_one = place.pipeline(Passing(), folder, later=LEASE + 2)
    next_one(place.receive(), Context())
    again = place.receive()
    assert len(again["Records"]) == (4 if same_environment else 0)
    if same_environment:
        assert next_one(again, Context()) == {"batchItemFailures": []}
        assert place.dynamodb.scan(TableName=place.name, Select="COUNT")["Count"] == 5


def test_it_does_not_come_before_its_leases_are_over(moto: str, tmp_path: Path) -> None:
    place = Place(moto, f"early-{uuid.uuid4().hex[:8]}")
    place.make()
    place.put("emo/1x1/a.jpg")
    (record,) = place.receive()["Records"]
    note = {"since": time.time() - 10, "receipts": [record["receiptHandle"], "of a message that is deleted"]}
    (tmp_path / "screentest-in-hand-1.json").write_text(json.dumps(note))
    waits: list[int] = []

    class Noting(UploadQueue):
        def delay(self, receipt: str, wait: int) -> None:
            waits.append(wait)
            super().delay(receipt, wait)

    pipeline = place.pipeline(Passing(), tmp_path)
    pipeline._queue = Noting(lambda: place.sqs, place.url, None)
    place.put("emo/1x1/next.jpg")
    pipeline(place.receive(), Context())
    assert len(waits) == 2
    assert all(0 < wait <= LEASE - 10 + 1 for wait in waits), waits
