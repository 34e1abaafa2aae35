"""Ctrl-C in a running backfill, as a process of its own: what it says, and what the next run makes of it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import pytest
from backfill.backfill_place import Place
from support.context import Context
from support.screening import screener_over
from support.waiting import eventually

from screentest.detection import RULES_VERSION
from screentest.screening.batch import Pipeline
from screentest.screening.contract import Decision
from screentest.screening.models import Verdict
from screentest.screening.queue import UploadQueue
from screentest.screening.table import decode

SECONDS = 60  # for anything to happen; a deaf process fails the test and does not hang it
PAGE = 1000  # of S3's listing, after which the command remembers where it is
FIRST_PAGE = [f"a/{n:04}.txt" for n in range(PAGE - 5)] + [f"emo/1x1/{n:02}.jpg" for n in range(5)]
SECOND_PAGE = [f"emo/1x1/{n:02}.jpg" for n in range(5, 25)]
ROUTED = [name for name in FIRST_PAGE + SECOND_PAGE if name.startswith("emo/")]

# A process that a shell started in the background is deaf to Ctrl-C, and so are its children: not this one.
COMMAND = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "import screentest.cli; screentest.cli.main()"
)


class Detector:
    """Passes all, and counts how often it saw each key."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def detect(self, image_url: str, model: str, ratio: str | None = None) -> Decision:
        self.seen[unquote(urlsplit(image_url).path).split("/", 2)[2]] += 1
        return Decision(Verdict.PASS, face_bbox=(1, 2, 3, 4))


class Function:
    """The backfill function, and Lambda's event source mapping in front of it, on a thread."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.detector = Detector()
        screener, telemetry, _ = screener_over(
            place.s3, place.dynamodb, place.table, self.detector, rules_version=RULES_VERSION
        )
        self._pipeline = Pipeline(screener, UploadQueue(lambda: place.sqs, place.queue_url, None), telemetry)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        if self._thread.ident:
            self._thread.join()

    def _work(self) -> None:
        sqs, url = self._place.sqs, self._place.queue_url
        while not self._ended.is_set():
            found = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=30,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            ).get("Messages", [])
            if not found:
                time.sleep(0.05)
                continue
            records = [
                {
                    "eventSource": "aws:sqs",
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "attributes": message["Attributes"],
                    "body": message["Body"],
                }
                for message in found
            ]
            answer = self._pipeline({"Records": records}, Context())
            failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            for message in found:
                if message["MessageId"] not in failed:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


class Operator:
    """Runs `screentest backfill` over the place, in a process of its own."""

    def __init__(self, moto: str, place: Place, folder: Path) -> None:
        self._place = place
        self._folder = folder
        self._stack = f"screentest-{uuid.uuid4().hex[:8]}"
        self._environment = dict(os.environ) | {
            "AWS_ENDPOINT_URL": moto,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "SCREENTEST_STATE_DIR": str(folder),
        }
        self._deploy(moto)

    def _deploy(self, moto: str) -> None:
        """What the command looks for in a stack. moto empties the queue of an event source itself, so that one reads
        another queue than ours."""
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        cloudformation, functions, iam = (
            boto3.client(service, endpoint_url=moto, **keys)  # type: ignore[call-overload]
            for service in ("cloudformation", "lambda", "iam")
        )
        outputs = {
            "UploadBucketName": self._place.bucket,
            "VerdictTableName": self._place.table,
            "BackfillQueueUrl": self._place.queue_url,
            "BackfillFunctionName": self._stack,
            "BackfillDeadLetterQueueUrl": {"Ref": "Other"},
        }
        template = {
            "Resources": {"Other": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": self._stack}}},
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
        cloudformation.create_stack(StackName=self._stack, TemplateBody=json.dumps(template))
        role = iam.create_role(RoleName=self._stack, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", "")
        functions.create_function(
            FunctionName=self._stack,
            Role=role,
            Runtime="python3.13",
            Handler="app.handler",
            Code={"ZipFile": code.getvalue()},
        )
        functions.create_event_source_mapping(
            FunctionName=self._stack, EventSourceArn=f"arn:aws:sqs:us-east-1:123456789012:{self._stack}"
        )

    def start(self, *options: str) -> subprocess.Popen[str]:
        arguments = [
            "backfill",
            f"s3://{self._place.bucket}/",
            "--stack-name",
            self._stack,
            "--json",
            *options,
        ]
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def job(self) -> dict[str, Any]:
        """What the command remembers by now."""
        for file in self._folder.glob("*.json"):
            remembered: dict[str, Any] = json.loads(file.read_text())
            return remembered
        return {}


@pytest.fixture
def operator(moto: str, place: Place, tmp_path: Path) -> Operator:
    return Operator(moto, place, tmp_path)


@pytest.fixture
def function(place: Place) -> Iterator[Function]:
    made = Function(place)
    yield made
    made.end()


def items(place: Place) -> dict[str, dict[str, Any]]:
    found = place.dynamodb.scan(TableName=place.table)["Items"]
    return {item["key"]: item for item in map(decode, found)}


@pytest.mark.parametrize("moment", ["listing", "screening"])
def test_an_interrupted_run_says_how_to_go_on_and_nothing_is_screened_twice(
    moment: str, operator: Operator, function: Function, place: Place
) -> None:
    listing = moment == "listing"
    names = FIRST_PAGE + SECOND_PAGE if listing else ROUTED
    for name in names:
        place.put(name)
    if listing:
        function.start()

    # Seconds for the second page; or one page at once, and then it waits for a function that does not work yet.
    running = operator.start("--rate", "5" if listing else "1000")
    phase = "listing" if listing else "listed"
    eventually(lambda: operator.job().get("phase") == phase or running.poll() is not None)
    running.send_signal(signal.SIGINT)
    out, said = running.communicate(timeout=SECONDS)

    assert running.returncode == 130, said
    job = operator.job()
    assert (job["phase"], job["pages"]) == (phase, 1), "it was interrupted where the test meant to"
    assert out == "", "nothing that a script takes for a result"
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if "interrupted" in line]
    told = re.fullmatch(
        r"interrupted\. Nothing is lost: the same command goes on with (\S+); --cancel (\S+) throws away what waits",
        line,
    )
    assert told
    assert told[1] == told[2] == job["id"]

    if not listing:
        function.start()
    again = operator.start()
    out, said = again.communicate(timeout=SECONDS)
    assert again.returncode == 0, said
    done = json.loads(out)
    assert (done["id"], done["phase"], done["waiting"]) == (job["id"], "listed", 0)
    if listing:
        assert f"{job['id']} goes on after {PAGE:,} objects, where it stopped" in said
    assert done["listed"] == len(names)

    found = items(place)
    assert set(found) == set(ROUTED)
    assert {item["attempts"] for item in found.values()} == {1}
    assert function.detector.seen == dict.fromkeys(ROUTED, 1), "each once, however often it was in the queue"
