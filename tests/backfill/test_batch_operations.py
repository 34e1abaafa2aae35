"""S3 Batch Operations, which no local AWS has: golden requests, checked against AWS's own service model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from screentest.aws import AwsError
from screentest.backfill.batch_operations import RESERVED, BatchOperations, job_request, release, reserve
from screentest.backfill.selection import Selection
from screentest.screening.models import Reason

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/screentest-BatchOperationsRole"
FUNCTION = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:screentest-BackfillFunction"
JOB = "f3cc4f60-61f6-4a2b-8a21-d07600c373ce"
GOLDEN = Path(__file__).parent / "create_job.json"

EVERYTHING = Selection(
    bucket="portraits",
    prefix="emo/1x1/",
    suffixes=(".jpg",),
    min_size=10_000,
    max_size=10_000_000,
    since=datetime(2026, 1, 1, tzinfo=UTC),
    until=datetime(2026, 2, 1, tzinfo=UTC),
    only=frozenset({Reason.NEW, Reason.ERROR}),
)


@contextmanager
def stubbed(service: str) -> Iterator[tuple[Any, Stubber]]:
    client = boto3.client(  # type: ignore[call-overload]
        service, region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()


def request(selection: Selection) -> dict[str, Any]:
    return job_request(selection, account=ACCOUNT, function_arn=FUNCTION, role_arn=ROLE, token="token-1")


def test_the_request_is_the_golden_one() -> None:
    golden = json.loads(GOLDEN.read_text())
    assert json.loads(json.dumps(request(EVERYTHING), default=lambda moment: moment.isoformat())) == golden


@pytest.mark.parametrize("selection", [EVERYTHING, Selection(bucket="portraits")])
def test_the_service_model_accepts_the_request(selection: Selection) -> None:
    with stubbed("s3control") as (client, stub):
        stub.add_response("create_job", {"JobId": JOB}, request(selection))
        assert BatchOperations(client, ACCOUNT).create(request(selection)) == JOB


def test_a_backfill_of_all_filters_by_nothing_but_readability() -> None:
    generator = request(Selection(bucket="portraits"))["ManifestGenerator"]["S3JobManifestGenerator"]
    assert set(generator["Filter"]) == {"MatchAnyStorageClass"}
    assert not {"GLACIER", "DEEP_ARCHIVE"} & set(generator["Filter"]["MatchAnyStorageClass"])


def test_suffixes_are_given_in_both_cases() -> None:
    generator = request(EVERYTHING)["ManifestGenerator"]["S3JobManifestGenerator"]
    assert generator["Filter"]["KeyNameConstraint"]["MatchAnySuffix"] == [".jpg", ".JPG"]


def test_other_partitions_have_other_names() -> None:
    made = job_request(
        EVERYTHING, account=ACCOUNT, function_arn=FUNCTION, role_arn=ROLE, token="t", partition="aws-cn"
    )
    assert made["Report"]["Bucket"] == "arn:aws-cn:s3:::portraits"


def test_status() -> None:
    answer = {
        "Job": {
            "JobId": JOB,
            "Status": "Failed",
            "ProgressSummary": {
                "TotalNumberOfTasks": 100,
                "NumberOfTasksSucceeded": 40,
                "NumberOfTasksFailed": 60,
            },
            "FailureReasons": [{"FailureCode": "TaskFailureRate", "FailureReason": "more than half failed"}],
        }
    }
    with stubbed("s3control") as (client, stub):
        stub.add_response("describe_job", answer, {"AccountId": ACCOUNT, "JobId": JOB})
        report = BatchOperations(client, ACCOUNT).report(JOB)
    assert (report.status, report.total, report.succeeded, report.failed) == ("Failed", 100, 40, 60)
    assert report.ended
    assert report.failures == ("more than half failed (TaskFailureRate)",)


def test_a_job_that_is_being_prepared_has_no_figures_yet() -> None:
    with stubbed("s3control") as (client, stub):
        stub.add_response("describe_job", {"Job": {"JobId": JOB, "Status": "Preparing"}})
        report = BatchOperations(client, ACCOUNT).report(JOB)
    assert (report.total, report.ended) == (0, False)


def test_cancel() -> None:
    expected = {
        "AccountId": ACCOUNT,
        "JobId": JOB,
        "RequestedJobStatus": "Cancelled",
        "StatusUpdateReason": "screentest backfill --cancel",
    }
    with stubbed("s3control") as (client, stub):
        stub.add_response("update_job_status", {"JobId": JOB, "Status": "Cancelling"}, expected)
        BatchOperations(client, ACCOUNT).cancel(JOB)


def test_a_missing_permission_is_named() -> None:
    with stubbed("s3control") as (client, stub):
        stub.add_client_error("create_job", "AccessDenied", "no", 403)
        with pytest.raises(AwsError, match="iam:PassRole"):
            BatchOperations(client, ACCOUNT).create(request(EVERYTHING))


def test_concurrency_is_reserved_so_that_uploads_do_not_wait() -> None:
    with stubbed("lambda") as (client, stub):
        stub.add_response("list_tags", {"Tags": {}}, {"Resource": FUNCTION})
        stub.add_response("get_function_concurrency", {}, {"FunctionName": FUNCTION})
        limits = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 900}
        stub.add_response("get_account_settings", {"AccountLimit": limits}, {})
        stub.add_response(
            "tag_resource", {}, {"Resource": FUNCTION, "Tags": {RESERVED: "screentest backfill"}}
        )
        stub.add_response(
            "put_function_concurrency", {}, {"FunctionName": FUNCTION, "ReservedConcurrentExecutions": 4}
        )
        assert reserve(client, FUNCTION, 4) is None


def test_a_reservation_of_the_operator_stays() -> None:
    with stubbed("lambda") as (client, stub):
        stub.add_response("list_tags", {})
        stub.add_response("get_function_concurrency", {"ReservedConcurrentExecutions": 50})
        assert reserve(client, FUNCTION, 4) is None


def test_a_reservation_of_the_operator_that_is_too_small_is_told_and_stays() -> None:
    with stubbed("lambda") as (client, stub):
        stub.add_response("list_tags", {})
        stub.add_response("get_function_concurrency", {"ReservedConcurrentExecutions": 3})
        assert "reserved by hand" in (reserve(client, FUNCTION, 4) or "")


@pytest.mark.parametrize(("before", "now"), [(4, 20), (20, 4)])
def test_what_an_earlier_job_reserved_follows_the_parameter(before: int, now: int) -> None:
    with stubbed("lambda") as (client, stub):
        stub.add_response("list_tags", {"Tags": {RESERVED: "screentest backfill"}})
        stub.add_response("get_function_concurrency", {"ReservedConcurrentExecutions": before})
        limits = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000 - before}
        stub.add_response("get_account_settings", {"AccountLimit": limits})
        stub.add_response("tag_resource", {})
        stub.add_response(
            "put_function_concurrency", {}, {"FunctionName": FUNCTION, "ReservedConcurrentExecutions": now}
        )
        assert reserve(client, FUNCTION, now) is None


def test_only_what_a_job_reserved_is_released() -> None:
    with stubbed("lambda") as (client, stub):
        stub.add_response("list_tags", {"Tags": {"team": "media"}}, {"Resource": FUNCTION})
        assert release(client, FUNCTION) is False
        stub.add_response("list_tags", {"Tags": {RESERVED: "screentest backfill"}})
        stub.add_response("delete_function_concurrency", {}, {"FunctionName": FUNCTION})
        stub.add_response("untag_resource", {}, {"Resource": FUNCTION, "TagKeys": [RESERVED]})
        assert release(client, FUNCTION) is True


def test_a_small_account_is_told_that_uploads_share() -> None:
    with stubbed("lambda") as (client, stub):
        stub.add_response("list_tags", {})
        stub.add_response("get_function_concurrency", {})
        limits = {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10}
        stub.add_response("get_account_settings", {"AccountLimit": limits})
        warning = reserve(client, FUNCTION, 2)
    assert warning
    assert "--engine queue" in warning
