"""The adapters and the whole function over real SDKs against moto, the second opinion beside the local stack."""

from __future__ import annotations

import http.server
import io
import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError, UnknownServiceError
from botocore.loaders import Loader
from moto import mock_aws
from support.aws import create_bucket, create_verdict_table
from support.context import Context
from support.messages import queued

from screentest.screening import bootstrap, records, table, tags
from screentest.screening.batch import Pipeline
from screentest.screening.client import DetectionClient
from screentest.screening.errors import (
    AccessDenied,
    ConfigurationError,
    ObjectGone,
    ScreeningError,
    SettingsError,
    StoreUnavailable,
    Throttled,
)
from screentest.screening.models import ObjectRef, Screening, Verdict
from screentest.screening.objects import Objects, TagsConflict
from screentest.screening.presign import LIFETIME, Signer
from screentest.screening.queue import CODE_ATTRIBUTE
from screentest.screening.records import Result
from screentest.screening.settings import Settings
from screentest.screening.telemetry import Telemetry

REGION = "us-east-1"
EMO = Screening.of("emo-detect-v1")
PASS = {
    "output": {"check_pass": True, "face_bbox": [302, 286, 610, 593], "ext_bbox": [71, 9, 840, 778]},
    "usage": {"image_count": 1},
    "request_id": "r-1",
}
REJECT = {
    "output": {"check_pass": False, "code": "InvalidFile.NoHuman", "message": "nobody"},
    "usage": {"image_count": 1},
    "request_id": "r-2",
}


def telemetry_on(log: io.StringIO, metrics: io.StringIO) -> Telemetry:
    """Loggers of one service share their stream, so each gets a service of its own."""
    return Telemetry(Logger(service=uuid.uuid4().hex, stream=log, level="DEBUG"), stream=metrics)


@dataclass
class Cloud:
    """A bucket with versions, one without, table, topic with a subscribed queue, queues; and the detector's answers."""

    s3: Any
    dynamodb: Any
    sns: Any
    sqs: Any
    environment: dict[str, str]
    heard: str
    calls: Counter[str] = field(default_factory=Counter)
    answers: Callable[[dict[str, Any]], httpx.Response] = lambda _body: httpx.Response(200, json=PASS)
    address_status: int = 206
    order: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    log: io.StringIO = field(default_factory=io.StringIO)
    metrics: io.StringIO = field(default_factory=io.StringIO)

    def pipeline(self, **environment: str) -> Pipeline:
        settings = Settings.read(self.environment | environment)
        aws = bootstrap.Aws(settings)
        for name in ("s3", "dynamodb", "sns", "sqs"):
            client = getattr(aws, name)()
            client.meta.events.register("before-send.*.*", self._count)

        def serve(request: httpx.Request) -> httpx.Response:
            body = json.loads(request.content)
            self.asked.append(body)
            return self.answers(body)

        telemetry = telemetry_on(self.log, self.metrics)
        return bootstrap.pipeline(
            settings,
            aws=aws,
            telemetry=telemetry,
            detector=DetectionClient("http://detector", transport=httpx.MockTransport(serve)),
            detector_name="fake/1",
            signer=Signer(aws.s3(), lambda _address: self.address_status),
        )

    def _count(self, request: Any, event_name: str, **_: Any) -> None:
        self.order.append(event_name.rpartition(".")[2])
        self.calls[event_name.rpartition(".")[2]] += 1

    def put(
        self, key: str, body: bytes = b"picture", *, bucket: str = "uploads", **more: Any
    ) -> dict[str, Any]:
        put = self.s3.put_object(Bucket=bucket, Key=key, Body=body, **more)
        described = {
            "key": key.replace(" ", "+"),
            "size": len(body),
            "eTag": put["ETag"].strip('"'),
            "sequencer": "0A",
        }
        if put.get("VersionId"):
            described["versionId"] = put["VersionId"]
        return {
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-11-21T09:00:00.000Z",
            "s3": {"bucket": {"name": bucket}, "object": described},
        }

    def items(self) -> list[dict[str, Any]]:
        return [table.decode(item) for item in self.dynamodb.scan(TableName="verdicts")["Items"]]

    def tags(self, key: str, bucket: str = "uploads") -> dict[str, str]:
        found = self.s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def notices(self) -> list[dict[str, Any]]:
        return self._drain(self.heard)

    def dead(self) -> list[dict[str, Any]]:
        return self._drain(self.environment["DEAD_LETTER_QUEUE_URL"])

    def _drain(self, url: str) -> list[dict[str, Any]]:
        found = []
        while batch := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            found += batch
            for message in batch:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEONLY",
        "AWS_SECRET_ACCESS_KEY": "very-secret",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        s3, dynamodb = boto3.client("s3", region_name=REGION), boto3.client("dynamodb", region_name=REGION)
        sns, sqs = boto3.client("sns", region_name=REGION), boto3.client("sqs", region_name=REGION)
        create_bucket(s3, "uploads")
        create_bucket(s3, "bare", versioned=False)
        create_verdict_table(dynamodb, "verdicts")
        topic = sns.create_topic(Name="failures")["TopicArn"]
        heard, live, dead = (
            sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("heard", "live", "dead")
        )
        arn = sqs.get_queue_attributes(QueueUrl=heard, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        environment = {
            "VERDICT_TABLE_NAME": "verdicts",
            "FAILURE_TOPIC_ARN": topic,
            "DETECTOR": "http://127.0.0.1:9",
            "ROUTES": "",
            "SCREEN_QUEUE_URL": live,
            "DEAD_LETTER_QUEUE_URL": dead,
            "AWS_REGION": REGION,
        }
        yield Cloud(s3, dynamodb, sns, sqs, environment, heard)


def direct(*events: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(events)}


def code(status: int, name: str, **headers: str) -> Callable[[dict[str, Any]], httpx.Response]:
    return lambda _body: httpx.Response(
        status, json={"code": name, "message": "literal words"}, headers=headers
    )


# The way of an upload ------------------------------------------------------------------------------------------------


def test_a_pass_costs_four_calls_and_is_told_nobody(cloud: Cloud) -> None:
    answer = cloud.pipeline()(
        direct(cloud.put("emo/1x1/a b.jpg", Tagging="owner=me&screentest=pass")), Context()
    )
    (item,) = answer["screenings"]
    assert json.loads(json.dumps(answer)) == answer, "what Lambda returns is plain JSON"
    assert item["verdict"] == "pass"
    assert item["face_bbox"] == [302, 286, 610, 593]
    assert cloud.items() == [item]
    assert cloud.tags("emo/1x1/a b.jpg") == {
        "owner": "me",
        "screentest": "pass",
        "screentest:emo-detect-v1:1x1": "pass",
        "screentest:emo-detect-v1:1x1:face": "302 286 610 593",
        "screentest:emo-detect-v1:1x1:ext": "71 9 840 778",
    }
    assert cloud.calls.total() == 4, cloud.calls
    assert not cloud.notices()


def test_a_reject_costs_six_calls_and_is_told_once(cloud: Cloud) -> None:
    cloud.answers = lambda _body: httpx.Response(200, json=REJECT)
    pipeline = cloud.pipeline()
    event = queued(cloud.put("emo/1x1/a.jpg"))
    assert pipeline(event, Context()) == {"batchItemFailures": []}
    assert cloud.calls.total() == 6, cloud.calls
    assert pipeline(event, Context()) == {"batchItemFailures": []}
    assert cloud.calls.total() == 8, "a duplicate claims in vain and looks at the tags"
    assert len(cloud.asked) == 1
    (notice,) = cloud.notices()
    assert {name: value["StringValue"] for name, value in notice["MessageAttributes"].items()} == {
        "verdict": "reject",
        "model": "emo-detect-v1",
        "bucket": "uploads",
        "trigger": "upload",
        "code": "InvalidFile.NoHuman",
    }
    (item,) = cloud.items()
    told = json.loads(notice["Body"])
    assert {name: value for name, value in item.items() if name != "notified_at"} == {
        name: value for name, value in told.items() if name != "console"
    }


def test_all_verdicts_are_told_where_that_is_asked_for(cloud: Cloud) -> None:
    cloud.pipeline(NOTIFY_ON="all")(direct(cloud.put("emo/1x1/a.jpg")), Context())
    (notice,) = cloud.notices()
    assert json.loads(notice["Body"])["verdict"] == "pass"


def test_without_versions_nothing_comes_between_reading_and_writing_tags(cloud: Cloud) -> None:
    """What is uploaded in between loses the tags that it came with: two calls next to each other, and no third."""
    cloud.pipeline()(direct(cloud.put("emo/1x1/a.jpg", bucket="bare", Tagging="owner=me")), Context())
    assert cloud.order == [
        "PutItem",
        "HeadObject",
        "PutItem",
        "GetObjectTagging",
        "PutObjectTagging",
        "HeadObject",
    ]
    assert cloud.items()[0]["tags"] == "written"


def test_without_versions(cloud: Cloud) -> None:
    cloud.pipeline()(direct(cloud.put("emo/1x1/a.jpg", bucket="bare")), Context())
    (item,) = cloud.items()
    assert item["screening"] == "emo-detect-v1#1x1#-"
    assert "version_id" not in item
    assert cloud.tags("emo/1x1/a.jpg", "bare")["screentest"] == "pass"
    assert cloud.calls.total() == 6, "two looks more: nothing pins what was judged"


def test_several_screenings_of_one_picture_share_one_gate(cloud: Cloud) -> None:
    cloud.answers = lambda body: httpx.Response(200, json=REJECT if "3:4" in str(body) else PASS)
    routes = json.dumps(
        [
            {
                "prefix": "p/",
                "screenings": [{"model": "emo-detect-v1", "ratio": r} for r in ("1:1", "3:4")],
            }
        ]
    )
    answer = cloud.pipeline(ROUTES=routes)(direct(cloud.put("p/a.jpg")), Context())
    assert [item["verdict"] for item in answer["screenings"]] == ["pass", "reject"]
    found = cloud.tags("p/a.jpg")
    assert found["screentest"] == "reject"
    assert found["screentest:emo-detect-v1:1x1"] == "pass"
    assert found["screentest:emo-detect-v1:3x4:code"] == "InvalidFile.NoHuman"
    assert {item["tags"] for item in cloud.items()} == {"written"}


def test_the_gate_waits_for_the_last_screening(cloud: Cloud) -> None:
    cloud.answers = lambda body: (
        code(429, "Throttling")(body) if "3:4" in str(body) else httpx.Response(200, json=PASS)
    )
    routes = '[{"prefix": "p/", "screenings": [{"model": "emo-detect-v1", "ratio": "1:1"}, '
    routes += '{"model": "emo-detect-v1", "ratio": "3:4"}]}]'
    pipeline = cloud.pipeline(ROUTES=routes)
    event = cloud.put("p/a.jpg", Tagging="screentest=pass")
    with pytest.raises(Throttled):
        pipeline(direct(event), Context())
    assert "screentest" not in cloud.tags("p/a.jpg")
    assert cloud.tags("p/a.jpg")["screentest:emo-detect-v1:1x1"] == "pass"
    cloud.answers = lambda _body: httpx.Response(200, json=PASS)
    pipeline(direct(event), Context())
    assert cloud.tags("p/a.jpg")["screentest"] == "pass"
    assert len(cloud.asked) == 3


def test_objects_may_add_screenings_where_that_is_allowed(cloud: Cloud) -> None:
    event = cloud.put(
        "emo/1x1/a.jpg", Metadata={"screentest": "emoji-detect-v1,drop table,emo-detect-v1:3x4"}
    )
    cloud.answers = lambda _body: httpx.Response(
        200,
        json={
            "output": PASS["output"] | {"bbox_face": [1, 2, 3, 4], "ext_bbox_face": [1, 2, 3, 4]}  # type: ignore[operator]
        },
    )
    cloud.pipeline()(direct(event), Context())
    assert len(cloud.items()) == 1
    cloud.pipeline(ALLOW_OBJECT_ROUTES="true")(direct(event), Context())
    assert sorted(item["screening"].rpartition("#")[0] for item in cloud.items()) == [
        "emo-detect-v1#1x1",
        "emo-detect-v1#3x4",
        "emoji-detect-v1#-",
    ]
    assert cloud.asked[1]["parameters"] == {"ratio": "1:1"}, "Emoji is sent 1:1"


def test_ten_tags_of_others_leave_no_room_and_that_is_told(cloud: Cloud) -> None:
    full = "&".join(f"t{n}=x" for n in range(10))
    cloud.pipeline()(direct(cloud.put("emo/1x1/a.jpg", Tagging=full)), Context())
    assert len(cloud.tags("emo/1x1/a.jpg")) == 10
    (item,) = cloud.items()
    assert (item["verdict"], item["tags"]) == ("pass", "no-room")
    (notice,) = cloud.notices()
    assert notice["MessageAttributes"]["code"]["StringValue"] == "TagLimit"


# Bad input -----------------------------------------------------------------------------------------------------------


def test_a_picture_that_cannot_be_read_is_tried_once_more_and_then_rejected(cloud: Cloud) -> None:
    cloud.answers = code(400, "InvalidURL")
    (item,) = cloud.pipeline()(direct(cloud.put("emo/1x1/a.jpg", b"")), Context())["screenings"]
    assert (item["verdict"], item["code"], item["size"]) == ("reject", "InvalidURL", 0)
    first, second = (body["input"]["image_url"] for body in cloud.asked)
    assert urlsplit(first).path == urlsplit(second).path


def test_good_pictures_are_not_rejected_where_a_policy_refuses_signed_addresses(cloud: Cloud) -> None:
    cloud.answers, cloud.address_status = code(400, "InvalidURL"), 403
    pipeline = cloud.pipeline()
    event = queued(cloud.put("emo/1x1/a.jpg"))
    assert pipeline(event, Context())["batchItemFailures"], "retried: the policy may be corrected"
    (item,) = cloud.items()
    assert (item["verdict"], item["code"]) == ("error", "AccessDenied")
    assert len(cloud.notices()) == 1, "told at once"
    cloud.answers, cloud.address_status = lambda _body: httpx.Response(200, json=PASS), 206
    assert pipeline(event, Context()) == {"batchItemFailures": []}
    assert cloud.items()[0]["verdict"] == "pass"


@pytest.mark.parametrize(
    ("operation", "name", "expected"),
    [
        ("GetObject", "InvalidObjectState", "ObjectArchived"),
        ("GetObject", "InvalidRequest", "ObjectEncrypted"),
    ],
)
def test_what_never_can_be_read_is_told_at_once_and_not_retried(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, operation: str, name: str, expected: str
) -> None:
    cloud.answers = code(400, "InvalidURL.Timeout")
    event = cloud.put("emo/1x1/a.jpg")
    deny(monkeypatch, operation, name)
    assert cloud.pipeline()(queued(event), Context()) == {"batchItemFailures": []}
    (item,) = cloud.items()
    assert (item["verdict"], item["code"]) == ("error", expected)
    assert len(cloud.notices()) == 1
    assert len(cloud.dead()) == 1, "for a redrive once it can be read"


def test_an_object_that_is_gone_is_an_error_without_alarm(cloud: Cloud) -> None:
    cloud.answers = code(400, "InvalidURL")
    event = cloud.put("emo/1x1/a.jpg")
    version = event["s3"]["object"]["versionId"]
    cloud.s3.delete_object(Bucket="uploads", Key="emo/1x1/a.jpg", VersionId=version)
    assert cloud.pipeline()(queued(event), Context()) == {"batchItemFailures": []}
    (item,) = cloud.items()
    assert (item["verdict"], item["code"], item["tags"]) == ("error", "ObjectGone", "object-gone")
    assert not cloud.dead()


def test_an_object_deleted_while_the_detector_looks_is_an_error(cloud: Cloud) -> None:
    event = cloud.put("emo/1x1/a.jpg")

    def delete(_body: Any) -> httpx.Response:
        version = event["s3"]["object"]["versionId"]
        cloud.s3.delete_object(Bucket="uploads", Key="emo/1x1/a.jpg", VersionId=version)
        return httpx.Response(200, json=PASS)

    cloud.answers = delete
    assert cloud.pipeline()(queued(event), Context()) == {"batchItemFailures": []}
    (item,) = cloud.items()
    assert (item["verdict"], item["code"], item["tags"]) == ("error", "ObjectGone", "object-gone")
    assert "face_bbox" not in item


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (401, "InvalidApiKey"),
        (404, "ModelNotFound"),
        (400, "Arrearage"),
        (403, "AllocationQuota.FreeTierOnly"),
    ],
)
def test_what_only_a_person_can_mend_is_recorded_told_and_set_aside(
    cloud: Cloud, status: int, name: str
) -> None:
    cloud.answers = code(status, name)
    event = queued(cloud.put("emo/1x1/a.jpg"))
    pipeline = cloud.pipeline()
    assert pipeline(event, Context()) == {"batchItemFailures": []}
    (item,) = cloud.items()
    assert (item["verdict"], item["code"]) == ("error", name)
    assert cloud.tags("emo/1x1/a.jpg")["screentest"] == "error"
    assert [notice["MessageAttributes"]["code"]["StringValue"] for notice in cloud.notices()] == [name]
    (letter,) = cloud.dead()
    assert letter["Body"] == event["Records"][0]["body"]
    assert letter["MessageAttributes"][CODE_ATTRIBUTE]["StringValue"] == name
    assert cloud.calls.total() == 7
    pipeline(event, Context())
    assert not cloud.dead()
    assert len(cloud.asked) == 1


def test_throttling_goes_back_and_no_verdict_is_made_up(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.answers = code(429, "Throttling.RateQuota", **{"retry-after": "77"})
    pipeline = cloud.pipeline()
    delays: list[int] = []
    monkeypatch.setattr(pipeline._queue, "delay", lambda _receipt, wait: delays.append(wait))
    event = queued(cloud.put("emo/1x1/a.jpg", Tagging="screentest=pass&owner=me"))
    assert pipeline(event, Context()) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert delays == [77]
    (item,) = cloud.items()
    assert "verdict" not in item
    assert item["cause_code"] == "Throttling.RateQuota"
    assert cloud.tags("emo/1x1/a.jpg") == {"owner": "me"}, "a forged gate does not outlive the first look"
    assert not cloud.notices()


@pytest.mark.parametrize("receives", [19, 20])
def test_the_last_attempts_record_the_cause_and_let_the_message_go(cloud: Cloud, receives: int) -> None:
    cloud.answers = code(503, "ModelUnavailable")
    pipeline = cloud.pipeline()
    event = cloud.put("emo/1x1/a.jpg")
    pipeline(queued(event), Context())
    assert len(cloud.asked) == 1
    answer = pipeline(queued(event, receives=receives), Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert len(cloud.asked) == 1, "the detector is not asked any more"
    (item,) = cloud.items()
    assert (item["verdict"], item["code"]) == ("error", "ModelUnavailable")
    assert len(cloud.notices()) == 1
    assert cloud.tags("emo/1x1/a.jpg")["screentest"] == "error"


def test_a_message_that_is_no_event_goes_back_alone(cloud: Cloud) -> None:
    answer = cloud.pipeline()(
        queued("not JSON", cloud.put("emo/1x1/a.jpg"), '{"Event": "s3:TestEvent"}', "{}"), Context()
    )
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m3"}]}
    assert len(cloud.items()) == 1


def test_a_defect_in_one_message_does_not_touch_the_others(cloud: Cloud) -> None:
    def broken(body: dict[str, Any]) -> httpx.Response:
        if "bad.jpg" in body["input"]["image_url"]:
            raise ZeroDivisionError("a defect of ours")
        return httpx.Response(200, json=PASS)

    cloud.answers = broken
    answer = cloud.pipeline()(queued(cloud.put("emo/1x1/bad.jpg"), cloud.put("emo/1x1/good.jpg")), Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert "ZeroDivisionError" in cloud.log.getvalue()


# Denied and conflicting tags -----------------------------------------------------------------------------------------


def deny(monkeypatch: pytest.MonkeyPatch, operation: str, error: str, times: int = 1000) -> None:
    """Let S3 refuse one operation."""
    from botocore.client import BaseClient

    real = BaseClient._make_api_call  # type: ignore[attr-defined]  # its stubs keep it to themselves
    left = [times]

    def refuse(client: Any, name: str, arguments: Any) -> Any:
        if name == operation and left[0] > 0:
            left[0] -= 1
            raise ClientError({"Error": {"Code": error, "Message": "no"}}, name)
        return real(client, name, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)


def test_a_verdict_that_the_table_does_not_take_is_kept_and_written_later(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its index throttles: claims are taken, verdicts are not. The detector is asked once."""
    from botocore.client import BaseClient

    pipeline = cloud.pipeline()
    event = queued(cloud.put("emo/1x1/a.jpg"))
    real = BaseClient._make_api_call  # type: ignore[attr-defined]  # its stubs keep it to themselves
    cloud.answers = lambda _body: httpx.Response(
        200,
        json=PASS | {"output": PASS["output"] | {"face_bbox": [1.25, 2, 3, 4]}},  # type: ignore[operator]
    )

    def throttle(client: Any, name: str, arguments: Any) -> Any:
        if name == "PutItem" and "verdict" in arguments["Item"]:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "index"}}, name)
        return real(client, name, arguments)

    with monkeypatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", throttle)
        for _ in range(5):
            assert pipeline(event, Context())["batchItemFailures"]
        (item,) = cloud.items()
        assert (item["cause_code"], "verdict" in item, "deaths" in item) == ("StoreUnavailable", False, False)
    assert pipeline(event, Context()) == {"batchItemFailures": []}
    (item,) = cloud.items()
    assert (item["verdict"], item["face_bbox"], item["attempts"]) == ("pass", [1.25, 2, 3, 4], 6)
    assert not {"answer", "lease_until", "cause_code"} & item.keys()
    assert len(cloud.asked) == 1


def test_tags_that_may_not_be_read_are_an_error_and_not_an_empty_set(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = cloud.pipeline()
    event = cloud.put("emo/1x1/a.jpg", Tagging="owner=me")
    with monkeypatch.context() as patch:
        deny(patch, "GetObjectTagging", "AccessDenied")
        assert pipeline(queued(event), Context()) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
        (item,) = cloud.items()
        assert (item["verdict"], item["tags"]) == ("pass", "failed")
        told = [notice["MessageAttributes"]["code"]["StringValue"] for notice in cloud.notices()]
        assert told == ["AccessDenied"], "at once"
        pipeline(queued(event, receives=19), Context())
        assert not cloud.notices(), "and once"
    assert cloud.tags("emo/1x1/a.jpg") == {"owner": "me"}
    assert pipeline(queued(event), Context()) == {"batchItemFailures": []}
    assert cloud.tags("emo/1x1/a.jpg")["screentest"] == "pass"
    assert cloud.items()[0]["tags"] == "written"
    assert len(cloud.asked) == 1


def test_an_object_that_may_not_be_read_is_an_error_at_once_and_tried_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = cloud.pipeline()
    event = cloud.put("emo/1x1/a.jpg")
    cloud.answers = lambda _body: httpx.Response(400, json={"code": "InvalidURL", "message": "no"})
    with monkeypatch.context() as patch:
        deny(patch, "GetObject", "AccessDenied")
        for receives in (1, 2):
            answer = pipeline(queued(event, receives=receives), Context())
            assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
            (item,) = cloud.items()
            assert (item["verdict"], item["code"]) == ("error", "AccessDenied")
            assert cloud.tags("emo/1x1/a.jpg")["screentest"] == "error"
            told = [notice["MessageAttributes"]["code"]["StringValue"] for notice in cloud.notices()]
            assert told == (["AccessDenied"] if receives == 1 else [])
    assert not cloud.dead()
    cloud.answers = lambda _body: httpx.Response(200, json=PASS)
    assert pipeline(queued(event, receives=3), Context()) == {"batchItemFailures": []}
    assert cloud.items()[0]["verdict"] == "pass"
    assert cloud.tags("emo/1x1/a.jpg")["screentest"] == "pass"


# Metadata that cannot be read, where it may add screenings ------------------------------------------------------------

ADDS = {"screentest": "emo-detect-v1:3x4"}


def test_metadata_that_may_not_be_read_is_an_error_at_once_and_tried_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = cloud.pipeline(ALLOW_OBJECT_ROUTES="true")
    event = cloud.put("emo/1x1/a.jpg", Metadata=ADDS)
    with monkeypatch.context() as patch:
        deny(patch, "HeadObject", "403")
        for receives in (1, 2):
            assert pipeline(queued(event, receives=receives), Context())["batchItemFailures"]
            (item,) = cloud.items()
            assert (item["verdict"], item["code"]) == ("error", "AccessDenied")
            assert cloud.tags("emo/1x1/a.jpg")["screentest"] == "error"
            assert len(cloud.notices()) == (receives == 1)
    assert not cloud.asked
    assert pipeline(queued(event, receives=3), Context()) == {"batchItemFailures": []}
    assert [item["verdict"] for item in cloud.items()] == ["pass", "pass"]
    assert cloud.tags("emo/1x1/a.jpg")["screentest"] == "pass"


def test_metadata_that_nobody_could_read_is_told_and_set_aside_at_once(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = cloud.put("emo/1x1/a.jpg", Metadata=ADDS)
    deny(monkeypatch, "HeadObject", "400")
    deny(monkeypatch, "GetObject", "InvalidRequest")
    assert cloud.pipeline(ALLOW_OBJECT_ROUTES="true")(queued(event), Context()) == {"batchItemFailures": []}
    (item,) = cloud.items()
    assert (item["verdict"], item["code"]) == ("error", "ObjectEncrypted")
    assert len(cloud.dead()) == 1


def test_no_gate_lets_pass_what_an_object_adds_while_that_is_not_known(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.answers = lambda body: (
        code(429, "Throttling")(body) if "3:4" in str(body) else httpx.Response(200, json=PASS)
    )
    pipeline = cloud.pipeline(ALLOW_OBJECT_ROUTES="true")
    event = cloud.put("emo/1x1/a.jpg", Metadata=ADDS)
    assert pipeline(queued(event), Context())["batchItemFailures"]
    deny(monkeypatch, "HeadObject", "500")
    for receives in (2, 19, 20):
        assert pipeline(queued(event, receives=receives), Context())["batchItemFailures"], (
            "a dead letter at last"
        )
        assert "screentest" not in cloud.tags("emo/1x1/a.jpg")


def test_an_unrouted_object_whose_metadata_does_not_come_is_not_forgotten(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = cloud.put("elsewhere/a.jpg", Metadata=ADDS)
    deny(monkeypatch, "HeadObject", "500")
    pipeline = cloud.pipeline(ALLOW_OBJECT_ROUTES="true")
    assert all(pipeline(queued(event, receives=r), Context())["batchItemFailures"] for r in (1, 19, 20))


def test_a_crash_on_what_the_object_added_counts(cloud: Cloud) -> None:
    event = cloud.put("elsewhere/a.jpg", Metadata=ADDS)
    ref = ObjectRef("uploads", "elsewhere/a.jpg", event["s3"]["object"]["versionId"])
    screener = cloud.pipeline(ALLOW_OBJECT_ROUTES="true").screener
    screener.table.create(records.claimed(None, ref, Screening("emo-detect-v1", "3:4"), now=0, days=1))
    assert screener.crash_count(ref) == 1


def test_a_conflicting_tag_write_is_read_merged_and_written_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    deny(monkeypatch, "PutObjectTagging", "OperationAborted", times=2)
    cloud.pipeline()(direct(cloud.put("emo/1x1/a.jpg", Tagging="owner=me")), Context())
    assert cloud.tags("emo/1x1/a.jpg")["screentest"] == "pass"
    assert cloud.tags("emo/1x1/a.jpg")["owner"] == "me"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NoSuchKey", ObjectGone),
        ("NoSuchVersion", ObjectGone),
        ("404", ObjectGone),
        ("MethodNotAllowed", ObjectGone),
        ("AccessDenied", AccessDenied),
        ("KMS.DisabledException", AccessDenied),
        ("OperationAborted", TagsConflict),
        ("SlowDown", StoreUnavailable),
        ("InternalError", StoreUnavailable),
    ],
)
def test_what_s3_says_has_one_meaning(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, name: str, kind: type[ScreeningError]
) -> None:
    deny(monkeypatch, "GetObjectTagging", name)
    with pytest.raises(kind) as caught:
        Objects(cloud.s3).tags(ObjectRef("uploads", "k"))
    assert type(caught.value) is kind


def test_our_tags_are_such_as_s3_takes(cloud: Cloud) -> None:
    """moto checks characters, lengths and count as S3 documents them."""
    hostile = Result(Verdict.REJECT, "", code="<b>,[1]{}\n" + "é" * 300)
    passed = Result(Verdict.PASS, "", ext_bbox=(1, 2, 3, 4))
    plan = tags.plan({}, [(EMO, hostile), (Screening.of("m" * 64, "3:4"), passed)])
    ref = ObjectRef(
        "uploads", "k", version_id=cloud.s3.put_object(Bucket="uploads", Key="k", Body=b"")["VersionId"]
    )
    Objects(cloud.s3).write_tags(ref, plan.tags)
    assert Objects(cloud.s3).tags(ref) == plan.tags


# Table ---------------------------------------------------------------------------------------------------------------


def test_the_table_lets_one_writer_win(cloud: Cloud) -> None:
    store = table.VerdictTable(cloud.dynamodb, "verdicts")
    ref = ObjectRef("uploads", "k", version_id="v")
    claim = records.claimed(None, ref, EMO, now=1000.123456, days=1)
    assert store.create(claim) is None
    assert store.create(claim) is None, "a repeated request finds its own write"
    other = records.claimed(None, ref, EMO, now=1000.2, days=1)
    assert store.create(other) == claim
    taken = records.claimed(claim, ref, EMO, now=1100, days=1)
    assert store.replace(taken, claim)
    assert not store.replace(records.claimed(claim, ref, EMO, now=1101, days=1), claim)
    done = taken.decided(Result.of_error("X", "m", now=1102))
    assert not store.note(done, notified_at="t"), "not decided yet"
    assert store.replace(done, taken)
    assert store.note(done, notified_at="t")
    assert store.get(records.key(ref, EMO)) == done.noted(notified_at="t")


def test_a_table_that_does_not_answer_is_unavailable(cloud: Cloud) -> None:
    store = table.VerdictTable(cloud.dynamodb, "no-such-table")
    with pytest.raises(StoreUnavailable, match="ResourceNotFoundException"):
        store.get({"object": "a", "screening": "b"})


# Signed addresses, secrets, logs -------------------------------------------------------------------------------------


def signer(endpoint: str | None = None, region: str = "eu-west-1") -> Signer:
    client = boto3.client(
        "s3",
        region_name=region,
        config=bootstrap.s3_config(endpoint),
        endpoint_url=endpoint,
        aws_access_key_id="AKIA",
        aws_secret_access_key="s",
    )
    return Signer(client)


@pytest.mark.parametrize("service", ["s3", "dynamodb", "sns", "sqs", "secretsmanager"])
def test_clients_are_made_from_the_models_that_botocore_ships(service: str) -> None:
    """Read in a faster way, and still word for word what botocore itself reads."""
    settings = Settings.read(
        {"VERDICT_TABLE_NAME": "verdicts", "FAILURE_TOPIC_ARN": "arn:aws:sns:us-east-1:1:t"}
    )
    ours = bootstrap.session_of(settings).get_component("data_loader")
    theirs = Loader()
    for kind in ("service-2", "endpoint-rule-set-1"):
        model = ours.load_service_model(service, kind)
        assert type(model["metadata"] if kind == "service-2" else model) is dict
        assert model == theirs.load_service_model(service, kind)
    for name in ("endpoints", "partitions", "_retry", "sdk-default-configuration"):
        assert ours.load_data(name) == theirs.load_data(name)
    with pytest.raises(UnknownServiceError):
        ours.load_service_model("glacier", "service-2")


def test_signed_addresses_are_regional_and_pin_the_version() -> None:
    url = signer().sign(ObjectRef("uploads", "emo/1x1/a b+é%.JPG", version_id="v1"))
    address, query = urlsplit(url), parse_qs(urlsplit(url).query)
    assert address.netloc == "uploads.s3.eu-west-1.amazonaws.com"
    assert address.path == "/emo/1x1/a%20b%2B%C3%A9%25.JPG"
    assert query["versionId"] == ["v1"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == [str(LIFETIME)]
    assert query["response-content-type"] == ["image/jpeg"]


def test_signed_addresses_of_a_local_endpoint_are_path_style() -> None:
    url = signer("http://127.0.0.1:4566").sign(ObjectRef("uploads", "k"))
    assert url.startswith("http://127.0.0.1:4566/uploads/k?")
    assert "versionId" not in url
    assert bootstrap.private_hosts(
        Settings.read(
            {
                "VERDICT_TABLE_NAME": "ttt",
                "FAILURE_TOPIC_ARN": "arn:aws:sns:r:1:t",
                "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
            }
        )
    ) == (("127.0.0.1", 4566),)


def test_the_gate_alone_is_tagged_where_that_is_asked_for(cloud: Cloud) -> None:
    pipeline = cloud.pipeline(OBJECT_TAGS="gate")
    event = cloud.put("emo/1x1/a.jpg", Tagging="owner=me&screentest:emo-detect-v1:1x1=pass")
    cloud.answers = lambda _body: httpx.Response(200, json=REJECT)
    pipeline(direct(event), Context())
    assert cloud.tags("emo/1x1/a.jpg") == {"owner": "me", "screentest": "reject"}
    (item,) = cloud.items()
    assert (item["verdict"], item["tags"]) == ("reject", "written")
    assert item["code"]


@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1"])
@pytest.mark.parametrize("bucket", ["uploads", "uploads.with.dots"])
def test_the_private_host_that_the_template_names_is_that_of_signed_addresses(
    bucket: str, region: str
) -> None:
    told = {
        "VERDICT_TABLE_NAME": "ttt",
        "FAILURE_TOPIC_ARN": "arn:aws:sns:r:1:t",
        # As the template makes it.
        "PRIVATE_BUCKET_HOST": f"{bucket}.s3.{region}.amazonaws.com",
    }
    allowed = bootstrap.private_hosts(Settings.read(told))
    signed = urlsplit(signer(region=region).sign(ObjectRef(bucket, "emo/1x1/a.jpg")))
    assert allowed == ((f"{bucket}.s3.{region}.amazonaws.com", 443),)
    # A name with dots has no certificate of its own: its signed address is that of all buckets, and is not let through.
    assert ((signed.hostname, 443) in allowed) == ("." not in bucket)


def test_no_log_line_and_no_metric_holds_a_signed_address_or_a_credential(cloud: Cloud) -> None:
    pipeline = cloud.pipeline()
    for answers in (
        lambda _body: httpx.Response(200, json=REJECT),
        code(400, "InvalidURL"),
        lambda body: httpx.Response(400, json={"code": "InvalidURL", "message": body["input"]["image_url"]}),
        lambda body: httpx.Response(500, json={"code": "X", "message": str(body)}),
        code(401, "InvalidApiKey"),
        code(500, "InternalError"),
        lambda _body: httpx.Response(200, content=b"<html>"),
    ):
        cloud.answers = answers
        cloud.put("emo/1x1/a.jpg")
        pipeline(queued(cloud.put(f"emo/1x1/{len(cloud.asked)}.jpg"), "Signature=not-json"), Context())
    said = cloud.log.getvalue() + cloud.metrics.getvalue()
    assert "InvalidApiKey" in said
    for secret in ("X-Amz", "Signature", "very-secret", "AKIAEXAMPLEONLY", "amazonaws.com"):
        assert secret not in said
    stored = json.dumps(cloud.items()) + json.dumps(cloud.notices())
    assert "X-Amz" not in stored


def test_one_line_a_screening_and_the_metrics_of_the_docs(cloud: Cloud) -> None:
    cloud.answers = lambda _body: httpx.Response(200, json=REJECT)
    cloud.pipeline()(queued(cloud.put("emo/1x1/a.jpg"), cloud.put("elsewhere/b.jpg")), Context())
    lines = [json.loads(line) for line in cloud.log.getvalue().splitlines()]
    (line,) = [line for line in lines if line["message"] == "screened"]
    assert line["function_request_id"] == "lambda-request"
    assert line["screening"]["request_id"] == "r-2"
    assert line["screening"]["code"] == "InvalidFile.NoHuman"
    found: dict[tuple[str, str | None], Any] = {}
    for text in cloud.metrics.getvalue().splitlines():
        metric = json.loads(text)
        (group,) = metric["_aws"]["CloudWatchMetrics"]
        assert group["Namespace"] == "Screentest"
        for each in group["Metrics"]:
            found[each["Name"], metric.get("code")] = metric[each["Name"]]
    assert found["Screened", None] == [1]
    assert found["Rejected", None] == found["Rejected", "InvalidFile.NoHuman"] == [1]
    assert found["Ignored", None] == [1]
    assert {"DetectorLatency", "EndToEndLatency"} <= {name for name, _ in found}
    documented = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    assert all(f"`{name}`" in documented for name, _ in found)


def test_a_rotated_key_needs_no_deployment(cloud: Cloud) -> None:
    secrets = boto3.client("secretsmanager", region_name=REGION)
    arn = secrets.create_secret(Name="key", SecretString="old")["ARN"]
    settings = Settings.read(
        cloud.environment | {"DETECTOR": "https://d", "DETECTOR_API_KEY_SECRET_ARN": arn}
    )
    key = bootstrap.secret(arn, settings)
    assert key(False) == "old"
    secrets.put_secret_value(SecretId=arn, SecretString="new")
    assert key(False) == "old", "kept for a while"
    assert key(True) == "new", "read anew when refused"
    secrets.put_secret_value(SecretId=arn, SecretBinary=b"new")
    with pytest.raises(ConfigurationError, match="no text"):
        key(True)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "ResourceNotFoundException", ConfigurationError),
        (400, "AccessDeniedException", ConfigurationError),
        (400, "DecryptionFailure", ConfigurationError),
        (400, "InvalidRequestException", ConfigurationError),
        (400, "ThrottlingException", StoreUnavailable),
        (500, "InternalServiceError", StoreUnavailable),
    ],
)
def test_a_secret_that_cannot_be_read_is_an_error_of_ours(
    cloud: Cloud, status: int, code: str, kind: type[ScreeningError]
) -> None:
    """Never a crash, which would be blamed on the picture: refused and missing ask for a person, the rest for time."""

    class Refuse(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = json.dumps({"__type": code, "Message": "no"}).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:detector-AbCdEf"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = Settings.read(
            cloud.environment
            | {
                "DETECTOR": "https://d",
                "DETECTOR_API_KEY_SECRET_ARN": arn,
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            }
        )
        with pytest.raises(kind, match=code) as caught:
            bootstrap.secret(arn, settings)(False)
        server.shutdown()
    assert caught.value.code == ("SecretUnreadable" if kind is ConfigurationError else "StoreUnavailable")


# Start and settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "names"), [("", ()), ("a", ("a",)), ("a,b.c", ("a", "b.c"))])
def test_profiles_are_names_with_commas_between_them(given: str, names: tuple[str, ...]) -> None:
    environment = {"VERDICT_TABLE_NAME": "verdicts", "FAILURE_TOPIC_ARN": "arn:aws:sns:us-east-1:1:t"}
    assert Settings.read(environment | {"PROFILES": given}).profiles == names
    assert Settings.read(environment).profiles == ()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"VERDICT_TABLE_NAME": None}, "VERDICT_TABLE_NAME: is not set"),
        ({"FAILURE_TOPIC_ARN": "topic"}, "FAILURE_TOPIC_ARN"),
        ({"DETECTOR": "http://example.com"}, "https, or http on loopback"),
        ({"DETECTOR": "https://user@host"}, "no user"),
        ({"ROUTES": "{"}, "ROUTES: not JSON"),
        ({"NOTIFY_ON": "never"}, "NOTIFY_ON"),
        ({"MAX_RECEIVE_COUNT": "x"}, "MAX_RECEIVE_COUNT"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, str | None], says: str) -> None:
    environment = {
        "VERDICT_TABLE_NAME": "verdicts",
        "FAILURE_TOPIC_ARN": "arn:aws:sns:us-east-1:1:t",
        **wrong,
    }
    with pytest.raises(SettingsError, match=says):
        Settings.read({name: value for name, value in environment.items() if value is not None})


@pytest.mark.parametrize("path", ["", "/", "/api/v1", "/api/v1/services/aigc/image2video/face-detect"])
def test_the_addresses_of_the_living_service_are_detectors(path: str) -> None:
    settings = Settings.read(
        {
            "VERDICT_TABLE_NAME": "verdicts",
            "FAILURE_TOPIC_ARN": "arn:aws:sns:us-east-1:1:t",
            "DETECTOR": f"https://llm-4x2.cn-beijing.maas.aliyuncs.com{path}",
        }
    )
    assert bootstrap.remote(settings).host == "llm-4x2.cn-beijing.maas.aliyuncs.com"


def test_a_function_that_cannot_start_gives_every_message_back() -> None:
    log, metrics = io.StringIO(), io.StringIO()
    error = SettingsError("environment: VERDICT_TABLE_NAME: is not set")
    handler = bootstrap.failing(error, telemetry_on(log, metrics))
    assert handler(queued("{}", "{}"), Context()) == {
        "batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m1"}]
    }
    assert "VERDICT_TABLE_NAME" in log.getvalue()
    assert '"Screened":[0' in metrics.getvalue(), "the alarm on silence hears it"
    with pytest.raises(SettingsError):
        handler({"Records": []}, Context())


def test_a_batch_runs_in_parallel_on_one_shared_client(cloud: Cloud) -> None:
    together = threading.Barrier(10, timeout=30)

    def serve(_body: Any) -> httpx.Response:
        together.wait()
        return httpx.Response(200, json=PASS)

    cloud.answers = serve
    events = [cloud.put(f"emo/1x1/{n}.jpg") for n in range(10)]
    assert cloud.pipeline()(queued(*events), Context()) == {"batchItemFailures": []}
    assert len(cloud.items()) == 10
