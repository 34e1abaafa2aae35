"""What the doctor makes of answers; no AWS needed."""

from __future__ import annotations

import io
from typing import Any

import boto3
import httpx
import pytest
from botocore.stub import Stubber
from rich.console import Console

from screentest.aws import AwsError
from screentest.doctor import command
from screentest.doctor.checks import DeployedStack, Finding, State, ask, secret
from screentest.doctor.eventbridge import apply, plan

ACCOUNT = "123456789012"
THEIRS: dict[str, Any] = {
    "QueueConfigurations": [
        {
            "Id": "thumbnails",
            "QueueArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:thumbnails",
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "raw/"}]}},
        }
    ],
    "TopicConfigurations": [
        {
            "Id": "gone",
            "TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:deleted",
            "Events": ["s3:ObjectRemoved:*"],
        }
    ],
    "LambdaFunctionConfigurations": [
        {
            "Id": "index",
            "LambdaFunctionArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:index",
            "Events": ["s3:ObjectCreated:Put", "s3:ObjectCreated:Copy"],
        }
    ],
}


def s3_that(*reads: dict[str, Any], writes: dict[str, Any] | None = None) -> tuple[Any, Stubber]:
    """An S3 client that expects exactly these calls: reads, then perhaps one write and a read after it."""
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    stubber = Stubber(client)
    at = {"Bucket": "theirs", "ExpectedBucketOwner": ACCOUNT}
    for number, read in enumerate(reads):
        if writes is not None and number == 2:
            stubber.add_response(
                "put_bucket_notification_configuration",
                {},
                {**at, "NotificationConfiguration": writes, "SkipDestinationValidation": True},
            )
        stubber.add_response("get_bucket_notification_configuration", read, at)
    stubber.activate()
    return client, stubber


def test_the_plan_shows_what_stays_and_what_comes() -> None:
    client, _ = s3_that(THEIRS)
    assert plan(client, "theirs", ACCOUNT).lines() == [
        "Notifications of theirs:",
        "  keep  queue thumbnails (s3:ObjectCreated:*, prefix raw/)",
        "  keep  topic deleted (s3:ObjectRemoved:*)",
        "  keep  function index (s3:ObjectCreated:Put, s3:ObjectCreated:Copy)",
        "  add   EventBridge: all events of the bucket",
    ]


def test_the_write_holds_all_that_was_there_and_eventbridge() -> None:
    wanted = {**THEIRS, "EventBridgeConfiguration": {}}
    client, stubber = s3_that(THEIRS, THEIRS, wanted, writes=wanted)
    apply(client, plan(client, "theirs", ACCOUNT))
    stubber.assert_no_pending_responses()


def test_where_it_is_on_nothing_is_needed() -> None:
    client, _ = s3_that({**THEIRS, "EventBridgeConfiguration": {}})
    change = plan(client, "theirs", ACCOUNT)
    assert not change.needed
    assert change.lines()[-1] == "  keep  EventBridge"


def test_a_change_between_plan_and_write_stops_it() -> None:
    client, stubber = s3_that(THEIRS, {})
    change = plan(client, "theirs", ACCOUNT)
    with pytest.raises(AwsError, match="have changed meanwhile: nothing was written"):
        apply(client, change)
    stubber.assert_no_pending_responses()


def test_a_write_that_somebody_undoes_is_told() -> None:
    wanted = {**THEIRS, "EventBridgeConfiguration": {}}
    client, stubber = s3_that(*[THEIRS] * 7, writes=wanted)
    with pytest.raises(AwsError, match="not what was written"):
        apply(client, plan(client, "theirs", ACCOUNT), sleep=lambda _: None)
    stubber.assert_no_pending_responses()


def test_a_read_back_of_what_was_there_before_is_asked_again() -> None:
    wanted = {**THEIRS, "EventBridgeConfiguration": {}}
    client, stubber = s3_that(THEIRS, THEIRS, THEIRS, THEIRS, wanted, writes=wanted)
    waits: list[float] = []
    apply(client, plan(client, "theirs", ACCOUNT), sleep=waits.append)
    stubber.assert_no_pending_responses()
    assert waits == [1.0, 2.0]


def test_a_queue_of_ours_that_is_gone_is_dropped_and_shown() -> None:
    ours = {
        "QueueArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:screentest-ScreenQueue-abc",
        "Events": ["s3:ObjectCreated:*"],
    }
    client, _ = s3_that({"QueueConfigurations": [ours, *THEIRS["QueueConfigurations"]]})
    change = plan(client, "theirs", ACCOUNT, is_gone=lambda arn: "-ScreenQueue-" in arn)
    assert change.after["QueueConfigurations"] == THEIRS["QueueConfigurations"]
    assert change.lines()[1].startswith("  drop  queue screentest-ScreenQueue-abc")
    assert change.lines()[2].startswith("  keep  queue thumbnails")


@pytest.mark.parametrize(
    ("status", "body", "state", "said"),
    [
        (400, {"code": "InvalidParameter"}, State.OK, "answers and takes the key"),
        (401, {"code": "InvalidApiKey"}, State.FAILED, "refuses the key: 401 InvalidApiKey"),
        (403, {"code": "AccessDenied"}, State.FAILED, "refuses the key"),
        (429, {"code": "Throttling"}, State.WARNING, "429 Throttling"),
        (503, None, State.WARNING, "503"),
        (404, None, State.FAILED, "not like the detection API"),
        (200, {"anything": 1}, State.FAILED, "not like the detection API"),
        (400, ["no object"], State.FAILED, "not like the detection API"),
    ],
)
def test_what_a_detector_answers(status: int, body: object, state: State, said: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer key"
        assert request.url.path == "/base/api/v1/services/aigc/image2video/face-detect"
        return (
            httpx.Response(status, json=body) if body is not None else httpx.Response(status, text="<html>")
        )

    finding = ask("https://detector.example.com/base/", "key", transport=httpx.MockTransport(answer))
    assert finding.state is state
    assert said in finding.detail
    assert "key " not in finding.detail.replace("the key", "")
    assert state is State.OK or finding.advice


def test_a_detector_that_is_not_there() -> None:
    finding = ask("http://127.0.0.1:1", None)
    assert finding.state is State.FAILED
    assert "cannot be reached from here" in finding.detail


def test_the_table_fits_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    command.show(
        [
            Finding(
                "identity",
                State.OK,
                "arn:aws:sts::123456789012:assumed-role/Administrator/somebody@example.com",
            ),
            Finding(
                "uploads reach the queue",
                State.FAILED,
                "the bucket \x1b[31m does not",
                "run screentest doctor",
            ),
        ]
    )
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert "\x1b" not in "".join(lines)
    assert any("→ run screentest doctor" in line for line in lines)
    assert Console(file=io.StringIO()).width == 60


class WithKey(DeployedStack):
    """A stack whose detector has a key, in a Secrets Manager that is not AWS's."""

    def __init__(self, client: Any) -> None:
        self._secrets = client

    def parameter(self, name: str, default: str = "") -> str:
        return {"DetectorApiKeySecretArn": "arn"}.get(name, default)

    def client(self, service: str) -> Any:
        assert service == "secretsmanager"
        return self._secrets


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "InvalidRequestException"])
def test_a_secret_that_is_missing_or_marked_for_deletion_is_the_fault(code: str) -> None:
    client = boto3.client(
        "secretsmanager", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y"
    )
    with Stubber(client) as stubber:
        stubber.add_client_error("get_secret_value", code)
        (finding,) = secret(WithKey(client))
    assert (finding.check, finding.state) == ("detector key", State.FAILED)
    assert "restore-secret" in finding.advice
