"""The S3 Batch Operations engine: AWS lists, calls the backfill function for each object, and writes a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from screentest.aws import as_aws_errors
from screentest.backfill.selection import Selection
from screentest.screening import routes
from screentest.screening.backfill import CODES, ONLY
from screentest.screening.models import Reason

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3control import S3ControlClient

PRIORITY: Final = 10
"""Of the account's jobs the highest goes first; this leaves room on both sides."""

REPORTS: Final = routes.REPORTS.rstrip("/")
"""Folder of manifests and completion reports in the bucket itself; the job's role may write nowhere else."""

STORAGE_CLASSES: Final = (
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
)
"""Those whose objects can be read at once."""

ENDED: Final = frozenset({"Complete", "Cancelled", "Failed"})
UNDER_WAY: Final = (
    "New",
    "Preparing",
    "Suspended",
    "Ready",
    "Active",
    "Pausing",
    "Paused",
    "Completing",
    "Cancelling",
    "Failing",
)

RESERVED: Final = "screentest:reserved-by"
"""Tag of the backfill function while its reserved concurrency is that of a job."""

RESERVE_PERMISSIONS: Final = (
    "lambda:ListTags, TagResource, UntagResource, GetFunctionConcurrency, PutFunctionConcurrency, "
    "DeleteFunctionConcurrency and GetAccountSettings"
)

DESCRIPTION: Final = "screentest backfill"
"""How the description of every job of ours begins."""

UNRESERVED_MINIMUM: Final = 100
"""Concurrency that Lambda keeps for functions without a reservation; it refuses to reserve what is below."""


@dataclass(frozen=True, slots=True)
class Report:
    """Status of a job.

    Attributes:
        status: as S3 names it: `New`, `Preparing`, `Ready`, `Active`, `Complete`, `Cancelled`, `Failed`, …
        total: objects on the list; 0 until it is made.
        failures: why the job itself failed.
    """

    id: str
    status: str
    total: int
    succeeded: int
    failed: int
    failures: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ENDED


def job_request(
    selection: Selection,
    *,
    account: str,
    function_arn: str,
    role_arn: str,
    token: str,
    partition: str = "aws",
) -> dict[str, Any]:
    """The `CreateJob` request.

    The manifest is generated from the filters that AWS knows; what the table alone knows goes to the function as
    user arguments, for which invocation schema 2.0 is needed (S3 API reference, LambdaInvokeOperation).
    """
    bucket_arn = f"arn:{partition}:s3:::{selection.bucket}"
    names: dict[str, Any] = {}
    if selection.prefix:
        names["MatchAnyPrefix"] = [selection.prefix]
    if selection.suffixes:
        # AWS compares case; our own listing does not.
        spelled = (form for s in selection.suffixes for form in (s, s.lower(), s.upper()))
        names["MatchAnySuffix"] = list(dict.fromkeys(spelled))
    chosen: dict[str, Any] = {"MatchAnyStorageClass": list(STORAGE_CLASSES)}
    if names:
        chosen["KeyNameConstraint"] = names
    if selection.since:
        chosen["CreatedAfter"] = selection.since
    if selection.until:
        chosen["CreatedBefore"] = selection.until
    if selection.min_size:
        chosen["ObjectSizeGreaterThanBytes"] = selection.min_size - 1
    if selection.max_size is not None:
        chosen["ObjectSizeLessThanBytes"] = selection.max_size + 1
    return {
        "AccountId": account,
        "ConfirmationRequired": False,
        "ClientRequestToken": token,
        "Description": f"{DESCRIPTION} {selection.uri}"[:256],
        "Priority": PRIORITY,
        "RoleArn": role_arn,
        "Operation": {
            "LambdaInvoke": {
                "FunctionArn": function_arn,
                "InvocationSchemaVersion": "2.0",
                "UserArguments": {ONLY: ",".join(r for r in Reason if r in selection.only)}
                | ({CODES: ",".join(selection.codes)} if selection.codes else {}),
            }
        },
        "ManifestGenerator": {
            "S3JobManifestGenerator": {
                "ExpectedBucketOwner": account,
                "SourceBucket": bucket_arn,
                "EnableManifestOutput": True,
                "ManifestOutputLocation": {
                    "ExpectedManifestBucketOwner": account,
                    "Bucket": bucket_arn,
                    "ManifestPrefix": REPORTS,
                    "ManifestFormat": "S3InventoryReport_CSV_20211130",
                },
                "Filter": chosen,
            }
        },
        "Report": {
            "Enabled": True,
            "Bucket": bucket_arn,
            "ExpectedBucketOwner": account,
            "Prefix": REPORTS,
            "Format": "Report_CSV_20180820",
            "ReportScope": "AllTasks",
        },
    }


class BatchOperations:
    """The jobs of one account and region."""

    def __init__(self, client: S3ControlClient, account: str) -> None:
        self._client = client
        self._account = account

    def create(self, request: dict[str, Any]) -> str:
        """Create a job; it starts by itself. Returns its id.

        Raises:
            AwsError: it may not be created, or the request is refused.
        """
        with as_aws_errors(
            "create an S3 Batch Operations job",
            needs="s3:CreateJob, and iam:PassRole on the stack's role for it (output BatchOperationsRoleArn)",
        ):
            return self._client.create_job(**request)["JobId"]

    def report(self, job_id: str) -> Report:
        """Status of a job.

        Raises:
            AwsError: there is no such job, or it may not be seen.
        """
        with as_aws_errors(f"see job {job_id}", needs="s3:DescribeJob"):
            job = self._client.describe_job(AccountId=self._account, JobId=job_id)["Job"]
        progress = job.get("ProgressSummary", {})
        return Report(
            id=job_id,
            status=job["Status"],
            total=progress.get("TotalNumberOfTasks", 0),
            succeeded=progress.get("NumberOfTasksSucceeded", 0),
            failed=progress.get("NumberOfTasksFailed", 0),
            failures=tuple(
                f"{failure.get('FailureReason', '')} ({failure.get('FailureCode', '')})"
                for failure in job.get("FailureReasons", [])
            ),
        )

    def others(self, job_id: str) -> bool:
        """Whether another job of ours has not ended.

        Raises:
            AwsError: jobs may not be listed.
        """
        with as_aws_errors("list the jobs of S3 Batch Operations", needs="s3:ListJobs"):
            asked: Any = {"AccountId": self._account, "JobStatuses": list(UNDER_WAY)}
            while True:
                page = self._client.list_jobs(**asked)
                if any(
                    job["JobId"] != job_id and job.get("Description", "").startswith(DESCRIPTION)
                    for job in page.get("Jobs", [])
                ):
                    return True
                if "NextToken" not in page:
                    return False
                asked["NextToken"] = page["NextToken"]

    def cancel(self, job_id: str) -> None:
        """Cancel a job; what it is calling the function for just now still ends.

        Raises:
            AwsError: it has ended already, there is none, or it may not be cancelled.
        """
        with as_aws_errors(f"cancel job {job_id}", needs="s3:UpdateJobStatus"):
            self._client.update_job_status(
                AccountId=self._account,
                JobId=job_id,
                RequestedJobStatus="Cancelled",
                StatusUpdateReason="screentest backfill --cancel",
            )


def reserve(functions: LambdaClient, function_arn: str, concurrency: int) -> str | None:
    """Keep a job from taking the concurrency of live uploads: S3 calls as many functions at a time as it may.

    What an earlier job reserved follows `concurrency`; a reservation by others stays.

    Args:
        function_arn: of the backfill function, whose tag `RESERVED` tells the two apart.

    Returns:
        None, or what the operator should know before the job runs.
    """
    with as_aws_errors("bound the backfill function's concurrency", needs=RESERVE_PERMISSIONS):
        ours = RESERVED in functions.list_tags(Resource=function_arn).get("Tags", {})
        reserved = functions.get_function_concurrency(FunctionName=function_arn).get(
            "ReservedConcurrentExecutions"
        )
        if reserved is not None and not ours:
            if reserved >= concurrency:
                return None
            return (
                f"the backfill function may run {reserved} times at once, although BackfillConcurrency is "
                f"{concurrency}: that much was reserved by hand; aws lambda delete-function-concurrency lifts it"
            )
        if reserved == concurrency:
            return None
        limit = functions.get_account_settings()["AccountLimit"]
        free = limit.get("UnreservedConcurrentExecutions", 0) + (reserved or 0)
        if free - concurrency < UNRESERVED_MINIMUM:
            return (
                f"this account allows {limit.get('ConcurrentExecutions', 0)} functions at a time, too few to keep "
                "some for live uploads: they share them with this job. Ask AWS for a higher limit, or use --engine "
                "queue, which is bounded by BackfillConcurrency"
            )
        # The tag first: without a reservation it does nothing, a reservation without it would stay for good.
        functions.tag_resource(Resource=function_arn, Tags={RESERVED: "screentest backfill"})
        functions.put_function_concurrency(
            FunctionName=function_arn, ReservedConcurrentExecutions=concurrency
        )
    return None


def release(functions: LambdaClient, function_arn: str) -> bool:
    """Take back what `reserve` reserved, and nothing else. Whether there was anything.

    Raises:
        AwsError: it may not be taken back; the reservation stays.
    """
    with as_aws_errors("lift the bound of the backfill function's concurrency", needs=RESERVE_PERMISSIONS):
        if RESERVED not in functions.list_tags(Resource=function_arn).get("Tags", {}):
            return False
        functions.delete_function_concurrency(FunctionName=function_arn)
        functions.untag_resource(Resource=function_arn, TagKeys=[RESERVED])
    return True
