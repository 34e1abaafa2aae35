"""Tasks of S3 Batch Operations, through the real adapters on moto and a detector that counts its calls."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from backfill.backfill_place import Place
from support.context import Context
from support.messages import queued
from support.screening import KeptTopic, screener_over

from screentest.screening import backfill
from screentest.screening.batch import Pipeline
from screentest.screening.contract import Decision
from screentest.screening.errors import ConfigurationError, ScreeningError, Throttled, UnreadableEvent
from screentest.screening.models import ObjectRef, Verdict
from screentest.screening.queue import UploadQueue
from screentest.screening.table import decode

KEY = "emo/1x1/ann & bob ü+1%.jpg"


class CountingDetector:
    """Answers with what it is told to, and counts."""

    def __init__(self) -> None:
        self.calls = 0
        self.answer: Decision | ScreeningError = Decision(Verdict.PASS, face_bbox=(1, 2, 3, 4))

    def detect(self, image_url: str, model: str, ratio: str | None = None) -> Decision:
        self.calls += 1
        if isinstance(self.answer, ScreeningError):
            raise self.answer
        return self.answer


class Function:
    """The backfill function over one place."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.detector = CountingDetector()
        self.topic = KeptTopic()
        self.screener, telemetry, self.metrics = screener_over(
            place.s3, place.dynamodb, place.table, self.detector, topic=self.topic, rules_version="1"
        )
        self.telemetry = telemetry
        self.tasks = backfill.Tasks(self.screener, telemetry)

    def call(self, event: dict[str, Any]) -> dict[str, Any]:
        assert backfill.is_task(event)
        return self.tasks(event, Context())

    def result(self, key: str = KEY, schema: str = "2.0", **arguments: Any) -> tuple[str, str]:
        answer = self.call(task(self.place.bucket, key, schema, **arguments))
        (result,) = answer["results"]
        return result["resultCode"], result["resultString"]

    def item(self, key: str = KEY) -> dict[str, Any]:
        answer = self.place.dynamodb.query(
            TableName=self.place.table,
            KeyConditionExpression="#o = :o",
            ExpressionAttributeNames={"#o": "object"},
            ExpressionAttributeValues={":o": {"S": f"s3://{self.place.bucket}/{key}"}},
        )
        (item,) = answer["Items"]
        return decode(item)


def task(
    bucket: str,
    key: str,
    schema: str = "2.0",
    version: str | None = None,
    only: str | None = None,
    codes: str | None = None,
) -> dict[str, Any]:
    """As AWS documents it for both schemas (S3 user guide, "Invoke AWS Lambda function")."""
    place = {"s3Bucket": bucket} if schema == "2.0" else {"s3BucketArn": f"arn:aws:s3:::{bucket}"}
    job: dict[str, Any] = {"id": "f3cc4f60-61f6-4a2b-8a21-d07600c373ce"}
    if schema == "2.0":
        asked = {"only": only, "codes": codes}
        job["userArguments"] = {name: value for name, value in asked.items() if value}
    return {
        "invocationSchemaVersion": schema,
        "invocationId": base64.b64encode(b"invocation").decode(),
        "job": job,
        "tasks": [
            {
                "taskId": base64.b64encode(b"task").decode(),
                "s3Key": quote_plus(key, safe="/"),
                "s3VersionId": version,
                **place,
            }
        ],
    }


@pytest.fixture
def function(place: Place) -> Function:
    return Function(place)


@pytest.mark.parametrize("schema", ["1.0", "2.0"])
def test_a_task_is_screened_and_answered_in_its_schema(function: Function, schema: str) -> None:
    function.place.put(KEY)
    event = task(function.place.bucket, KEY, schema)
    answer = function.call(event)
    assert answer == {
        "invocationSchemaVersion": schema,
        "treatMissingKeysAs": "PermanentFailure",
        "invocationId": event["invocationId"],
        "results": [
            {
                "taskId": event["tasks"][0]["taskId"],
                "resultCode": "Succeeded",
                "resultString": "emo-detect-v1: pass",
            }
        ],
    }
    assert function.item()["trigger"] == "backfill"
    assert function.item()["key"] == KEY
    counted = [json.loads(line) for line in function.metrics.getvalue().splitlines()]
    assert [line["trigger"] for line in counted if "trigger" in line] == ["backfill"]
    tags = function.place.s3.get_object_tagging(Bucket=function.place.bucket, Key=KEY)["TagSet"]
    assert {"Key": "screentest", "Value": "pass"} in tags


def test_a_version_is_screened_as_that_version(function: Function) -> None:
    place = function.place
    place.s3.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"})
    first = place.put(KEY, b"first")["VersionId"]
    place.put(KEY, b"second")
    assert function.result(version=first)[0] == "Succeeded"
    assert function.item()["version_id"] == first


def test_without_a_version_the_one_that_is_there_is_taken(function: Function) -> None:
    place = function.place
    place.s3.put_bucket_versioning(Bucket=place.bucket, VersioningConfiguration={"Status": "Enabled"})
    latest = place.put(KEY)["VersionId"]
    function.result()
    assert function.item()["screening"] == f"emo-detect-v1#1x1#{latest}"


def test_what_is_decided_by_these_rules_is_skipped(function: Function) -> None:
    function.place.put(KEY)
    function.result()
    assert function.result() == ("Succeeded", "skipped: screened already")
    assert function.detector.calls == 1


@pytest.mark.parametrize(
    ("stored", "only", "calls"),
    [
        ({"rules_version": "0"}, None, 1),
        ({"rules_version": "0"}, "outdated", 1),
        ({"rules_version": "3"}, "outdated", 1),
        ({"rules_version": "0"}, "new,error", 0),
        ({"verdict": "error"}, "error", 1),
        ({"verdict": "error"}, "new,outdated", 0),
        ({}, None, 0),
    ],
)
def test_reasons_that_aws_does_not_know(
    function: Function, stored: dict[str, str], only: str | None, calls: int
) -> None:
    etag = function.place.put(KEY)["ETag"].strip('"')
    function.place.decide(KEY, etag=etag, **stored)
    code, text = function.result(only=only)
    assert code == "Succeeded"
    assert function.detector.calls == calls
    assert text.startswith("skipped") == (calls == 0)


def test_an_object_that_is_gone_is_no_failure(function: Function) -> None:
    assert function.result("emo/1x1/gone.jpg") == ("Succeeded", "skipped: the object is gone")


def test_a_key_without_a_route_is_skipped(function: Function) -> None:
    function.place.put("elsewhere/x.jpg")
    assert function.result("elsewhere/x.jpg") == ("Succeeded", "skipped: no route for its key")


@pytest.mark.parametrize("key", ["emo/1x1/", "screentest-backfill/job/manifest.csv"])
def test_what_is_no_picture_by_its_key_is_skipped(function: Function, key: str) -> None:
    function.place.put(key, b"")
    assert function.result(key) == ("Succeeded", "skipped: no picture by its key")


def test_what_passes_by_itself_is_tried_again_by_s3(function: Function) -> None:
    function.place.put(KEY)
    function.detector.answer = Throttled("too many requests")
    code, text = function.result()
    assert code == "TemporaryFailure"
    assert text.startswith("Throttling")
    function.detector.answer = Decision(Verdict.PASS)
    assert function.result()[0] == "Succeeded"


def test_what_a_person_must_mend_is_recorded_and_told(function: Function) -> None:
    function.place.put(KEY)
    function.detector.answer = ConfigurationError("wrong key", code="InvalidApiKey")
    code, text = function.result()
    assert code == "PermanentFailure"
    assert "InvalidApiKey" in text
    assert function.item()["verdict"] == "error"
    assert len(function.topic.notices) == 1


def test_rejections_are_judged_again_by_code_where_that_is_asked_for(function: Function) -> None:
    function.place.put(KEY)
    function.detector.answer = Decision(Verdict.REJECT, code="InvalidURL")
    function.result()
    function.detector.answer = Decision(Verdict.PASS, face_bbox=(1, 2, 3, 4))
    for asked in ({}, {"only": "reject", "codes": "InvalidFile.NoHuman"}):
        assert "skipped" in function.result(**asked)[1]
    assert function.item()["verdict"] == "reject"
    assert function.result(only="reject", codes="InvalidURL")[0] == "Succeeded"
    assert function.item()["verdict"] == "pass"
    assert function.detector.calls == 2


def test_messages_may_ask_for_rejections_again(function: Function) -> None:
    put = function.place.put(KEY)
    pipeline = Pipeline(function.screener, UploadQueue(lambda: None, None, None), function.telemetry)  # type: ignore[arg-type, return-value]
    head = function.place.s3.head_object(Bucket=function.place.bucket, Key=KEY)
    modified = head["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.000Z")
    ref = ObjectRef(function.place.bucket, KEY, etag=put["ETag"].strip('"'), last_modified=modified)
    function.detector.answer = Decision(Verdict.REJECT, code="InvalidURL")
    for rejects, calls in ((None, 1), (None, 1), (["InvalidFile."], 1), (["InvalidURL"], 2), ([], 3)):
        batch = queued(backfill.message(ref, rejects))
        batch["Records"][0]["attributes"]["SentTimestamp"] = "4102444800000"  # after all verdicts
        assert pipeline(batch, Context()) == {"batchItemFailures": []}
        assert function.detector.calls == calls


def test_a_rejection_is_a_success_of_the_job(function: Function) -> None:
    function.place.put(KEY)
    function.detector.answer = Decision(Verdict.REJECT, code="InvalidFile.NoHuman", message="no human")
    assert function.result() == ("Succeeded", "emo-detect-v1: reject InvalidFile.NoHuman")
    (notice,) = function.topic.notices
    assert notice.attributes["trigger"] == "backfill"


@pytest.mark.parametrize("key", ["%FF%FE", ""])
def test_a_key_that_cannot_be_read_fails_for_good(function: Function, key: str) -> None:
    event = task(function.place.bucket, "x")
    event["tasks"][0]["s3Key"] = key
    (result,) = function.call(event)["results"]
    assert result["resultCode"] == "PermanentFailure"


@pytest.mark.parametrize(
    "broken",
    [
        {"tasks": []},
        {"invocationId": None, "tasks": None},
        {"tasks": [{}]},
        {"job": {"id": "1", "userArguments": {"only": "everything"}}},
    ],
)
def test_anything_else_is_refused(function: Function, broken: dict[str, Any]) -> None:
    with pytest.raises(UnreadableEvent):
        function.call(task(function.place.bucket, KEY) | broken)


def test_the_example_events_of_the_repository_are_tasks() -> None:
    folder = Path(__file__).parents[2] / "events"
    examples = [json.loads(file.read_text()) for file in sorted(folder.glob("backfill-task*.json"))]
    assert examples
    assert all(map(backfill.is_task, examples))
