"""`screentest backfill` on AWS, as far as it goes without one: every call, in order, by stubs of the real clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from screentest.aws import Access, AwsError
from screentest.backfill.batch_operations import RESERVED
from screentest.backfill.command import Action, Options, run
from screentest.backfill.selection import Selection
from screentest.screening.models import Reason

ACCOUNT = "123456789012"
JOB = "f3cc4f60-61f6-4a2b-8a21-d07600c373ce"
FUNCTION = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:backfill"
STACK = {
    "StackName": "screentest",
    "CreationTime": "2026-01-01T00:00:00Z",
    "StackStatus": "CREATE_COMPLETE",
    "Outputs": [
        {"OutputKey": name, "OutputValue": value}
        for name, value in {
            "UploadBucketName": "portraits",
            "BackfillFunctionArn": FUNCTION,
            "BackfillFunctionName": "backfill",
            "BackfillQueueUrl": "https://sqs.eu-central-1.amazonaws.com/123456789012/backfill",
            "VerdictTableName": "verdicts",
            "BatchOperationsRoleArn": f"arn:aws:iam::{ACCOUNT}:role/batch",
        }.items()
    ],
    "Parameters": [{"ParameterKey": "BackfillConcurrency", "ParameterValue": "7"}],
}


class Aws:
    """Stubbed clients of one region, handed to the command in place of its own."""

    def __init__(self, stack: ExitStack) -> None:
        session = boto3.session.Session(
            region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        clients: dict[str, Any] = {}
        self.stubs: dict[str, Stubber] = {}
        for service in ("cloudformation", "s3", "s3control", "lambda", "sts", "dynamodb", "sqs"):
            clients[service] = session.client(service)
            self.stubs[service] = stack.enter_context(Stubber(clients[service]))
        self.access = Access(region="eu-central-1", _clients=clients)
        self.expect("cloudformation", "describe_stacks", {"Stacks": [STACK]})
        self.expect(
            "sts",
            "get_caller_identity",
            {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/operator", "UserId": "1"},
        )

    def expect(self, service: str, call: str, answer: dict[str, Any], request: Any = None) -> None:
        self.stubs[service].add_response(call, answer, request)

    def expect_overdue(self, *items: dict[str, Any]) -> None:
        """What is overdue is asked for, and sent, before S3 gets its job."""
        self.expect("dynamodb", "scan", {"Items": list(items)})
        empty = {"Attributes": {"ApproximateNumberOfMessages": "0"}}
        if items:
            self.expect("sqs", "get_queue_attributes", empty)
            self.expect("dynamodb", "batch_get_item", {"Responses": {"verdicts": list(items)}})
            self.expect("sqs", "send_message_batch", {"Successful": [], "Failed": []})
        self.expect("sqs", "get_queue_attributes", empty)

    def expect_release(self) -> None:
        self.expect("s3control", "list_jobs", {"Jobs": []}, {"AccountId": ACCOUNT, "JobStatuses": ANY})
        self.expect("lambda", "list_tags", {"Tags": {RESERVED: "screentest backfill"}})
        self.expect("lambda", "delete_function_concurrency", {}, {"FunctionName": FUNCTION})
        self.expect("lambda", "untag_resource", {}, {"Resource": FUNCTION, "TagKeys": [RESERVED]})

    def expect_no_reservation(self) -> None:
        self.expect("lambda", "list_tags", {"Tags": {}}, {"Resource": FUNCTION})
        self.expect("lambda", "get_function_concurrency", {}, {"FunctionName": FUNCTION})
        limits = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}
        self.expect("lambda", "get_account_settings", {"AccountLimit": limits})
        self.expect("lambda", "tag_resource", {}, {"Resource": FUNCTION, "Tags": ANY})
        self.expect(
            "lambda",
            "put_function_concurrency",
            {},
            {"FunctionName": FUNCTION, "ReservedConcurrentExecutions": 7},
        )

    def all_called(self) -> None:
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def aws() -> Iterator[Aws]:
    with ExitStack() as stack:
        yield Aws(stack)


SELECTION = Selection("portraits", "emo/", only=frozenset({Reason.NEW, Reason.ERROR}))


def options(tmp_path: Path, **changes: Any) -> Options:
    changes = {"json_output": True} | changes
    return Options(state_dir=tmp_path, **changes)


def described(status: str, total: int = 0, succeeded: int = 0, failed: int = 0) -> dict[str, Any]:
    summary = {
        "TotalNumberOfTasks": total,
        "NumberOfTasksSucceeded": succeeded,
        "NumberOfTasksFailed": failed,
    }
    return {"Job": {"JobId": JOB, "Status": status, "ProgressSummary": summary}}


@pytest.mark.parametrize(("failed", "status"), [(0, 0), (3, 1)])
def test_on_aws_a_job_is_created_and_followed_to_its_end(
    aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str], failed: int, status: int
) -> None:
    aws.expect_no_reservation()
    aws.expect_overdue()
    names = ["AccountId", "ConfirmationRequired", "ClientRequestToken", "Description", "Priority", "RoleArn"]
    request = dict.fromkeys([*names, "Operation", "ManifestGenerator", "Report"], ANY)
    aws.expect("s3control", "create_job", {"JobId": JOB}, request)
    aws.expect("s3control", "describe_job", described("Complete", 10, 10 - failed, failed))
    aws.expect_release()

    assert run(aws.access, SELECTION, {}, options(tmp_path)) == status

    aws.all_called()
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "engine": "batch-operations",
        "id": JOB,
        "phase": "Complete",
        "listed": 10,
        "succeeded": 10 - failed,
        "failed": failed,
        "failures": [],
    }
    assert f"--cancel {JOB}" in " ".join(said.err.split())


def test_without_waiting_it_says_how_the_job_stands(
    aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.expect_no_reservation()
    aws.expect_overdue()
    aws.expect("s3control", "create_job", {"JobId": JOB})
    aws.expect("s3control", "describe_job", described("New"))
    assert run(aws.access, SELECTION, {}, options(tmp_path, wait=False, json_output=False)) == 0
    aws.all_called()
    assert f"job {JOB}: New" in capsys.readouterr().out


OVERDUE = {
    "object": {"S": "s3://portraits/emo/1x1/a.jpg"},
    "screening": {"S": "emo-detect-v1#1x1#an-old-version"},
    "lease_until": {"N": "1000000000"},
    "etag": {"S": "e"},
    "size": {"N": "5"},
}


def test_what_is_overdue_goes_through_the_queue_beside_a_job(
    aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """S3 lists current versions; a lost screening may be of an old one."""
    aws.expect_no_reservation()
    aws.expect_overdue(OVERDUE)
    aws.expect("s3control", "create_job", {"JobId": JOB})
    aws.expect("s3control", "describe_job", described("New"))
    assert run(aws.access, SELECTION, {}, options(tmp_path, wait=False)) == 0
    aws.all_called()
    said = capsys.readouterr()
    assert "1 object overdue" in " ".join(said.err.split())
    assert json.loads(said.out)["id"] == JOB


def test_what_is_overdue_alone_needs_no_job_of_s3(
    aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.stubs["sts"].deactivate()
    aws.expect("lambda", "list_event_source_mappings", SOURCE)
    aws.expect_overdue(OVERDUE)
    aws.expect("sqs", "get_queue_attributes", {"Attributes": {"ApproximateNumberOfMessages": "1"}})
    only = Selection("portraits", "emo/", only=frozenset({Reason.OVERDUE}))
    assert run(aws.access, only, {}, options(tmp_path, wait=False)) == 0
    aws.stubs["sqs"].assert_no_pending_responses()
    answer = json.loads(capsys.readouterr().out)
    assert (answer["engine"], answer["sent"], answer["waiting"]) == ("queue", 1, 1)


SOURCE = {"EventSourceMappings": [{"UUID": "00000000-0000-0000-0000-000000000000", "State": "Enabled"}]}


def test_while_another_job_runs_its_reservation_stays(
    aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.expect("s3control", "describe_job", described("Complete", 10, 10))
    other = {"JobId": "another", "Status": "Active", "Description": "screentest backfill s3://portraits/"}
    aws.expect("s3control", "list_jobs", {"Jobs": [{"JobId": JOB}], "NextToken": "next"})
    aws.expect("s3control", "list_jobs", {"Jobs": [other]})
    assert run(aws.access, None, {"status": JOB}, options(tmp_path)) == 0
    aws.all_called()


def test_a_job_is_cancelled_by_its_name(aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    aws.expect("s3control", "update_job_status", {"JobId": JOB, "Status": "Cancelling"})
    aws.expect("s3control", "describe_job", described("Cancelling", 10, 4))
    assert run(aws.access, None, {"cancel": JOB}, options(tmp_path, json_output=False)) == 0
    aws.all_called()
    assert "Cancelling" in capsys.readouterr().out


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_such_a_job_knows_no_pause(aws: Aws, tmp_path: Path, action: Action) -> None:
    with pytest.raises(AwsError, match="knows no pause"):
        run(aws.access, None, {action: JOB}, options(tmp_path))


def test_a_stack_of_before_says_to_deploy_again(aws: Aws, tmp_path: Path) -> None:
    aws.access.stack.outputs.pop("BackfillFunctionArn")
    with pytest.raises(AwsError, match="deployed from an older template"):
        run(aws.access, SELECTION, {}, options(tmp_path))
