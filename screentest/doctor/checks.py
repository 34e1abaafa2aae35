"""What is looked at, in the order in which an upload meets it. Nothing here changes anything."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

import httpx
from botocore.exceptions import ClientError

from screentest.aws import Access, AwsError, as_aws_errors, cors_rules, error_code
from screentest.backfill.batch_operations import RESERVED
from screentest.screening import table as verdict_table
from screentest.screening.errors import SettingsError
from screentest.screening.records import INDEX, PENDING_INDEX
from screentest.screening.routes import Routes
from screentest.screening.settings import SELF_HOSTED, Settings

DETECTOR_SECONDS = 10.0
"""For one answer of the detector: it is sent nothing that it would have to judge."""

ALL_UPLOADS = "s3:ObjectCreated:*"
FUNCTIONS = ("ScreenFunctionName", "BackfillFunctionName")
PERMISSIONS_ON_OBJECTS = (
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectTagging",
    "s3:GetObjectVersionTagging",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionTagging",
)


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """Works, with a shortcoming that an operator should know."""
    FAILED = "failed"
    """Uploads are not screened, or failures are not announced."""
    UNKNOWN = "unknown"
    """It could not be looked at."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: its name.
        state: how it ended.
        detail: what was seen.
        advice: what to do; empty where there is nothing.
    """

    check: str
    state: State
    detail: str
    advice: str = ""


class DeployedStack:
    """A deployed stack and what several checks ask of it."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.stack = access.stack

    def client(self, service: str) -> Any:
        """A client for one service."""
        return self.access.client(service)

    def parameter(self, name: str, default: str = "") -> str:
        """The value with which the stack was deployed."""
        return self.stack.parameters.get(name, default)

    @property
    def bucket(self) -> str:
        """The bucket that is screened."""
        return self.stack.output("UploadBucketName")

    @property
    def owns_bucket(self) -> bool:
        """Whether the stack made it."""
        return not self.parameter("ExistingBucketName")

    def queue_attributes(self, output: str) -> dict[str, str]:
        """All attributes of a queue that an output names."""
        answer = self.client("sqs").get_queue_attributes(
            QueueUrl=self.stack.output(output), AttributeNames=["All"]
        )
        return dict(answer["Attributes"])


Check = Callable[[DeployedStack], Iterator[Finding]]


def identity(deployed: DeployedStack) -> Iterator[Finding]:
    """Who asks, and where."""
    caller = deployed.client("sts").get_caller_identity()
    region = deployed.client("sts").meta.region_name
    yield Finding("identity", State.OK, f"{caller['Arn']} in {region}")


def stack(deployed: DeployedStack) -> Iterator[Finding]:
    """Whether the last deployment went through."""
    (found,) = deployed.client("cloudformation").describe_stacks(StackName=deployed.stack.name)["Stacks"]
    status = str(found["StackStatus"])
    if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        yield Finding("stack", State.OK, f"{deployed.stack.name} is {status}")
    elif status.endswith("_IN_PROGRESS"):
        yield Finding(
            "stack", State.WARNING, f"{status}: a deployment is under way", "run this again afterwards"
        )
    else:
        yield Finding(
            "stack", State.FAILED, f"the last deployment ended as {status}", "deploy it again: make deploy"
        )


def bucket(deployed: DeployedStack) -> Iterator[Finding]:
    """Whether the bucket is there, keeps versions, and tells the queue of uploads."""
    s3, name = deployed.client("s3"), deployed.bucket
    s3.head_bucket(Bucket=name)
    if s3.get_bucket_versioning(Bucket=name).get("Status") == "Enabled":
        yield Finding("bucket", State.OK, f"{name} is there and keeps versions")
    else:
        yield Finding(
            "bucket",
            State.WARNING,
            f"{name} keeps no versions",
            "works; with versions a verdict names the very version it is about",
        )
    notifications = s3.get_bucket_notification_configuration(Bucket=name)
    if deployed.owns_bucket:
        queue = deployed.queue_attributes("ScreenQueueUrl")["QueueArn"]
        mine = [each for each in notifications.get("QueueConfigurations", []) if each["QueueArn"] == queue]
        whole = [each for each in mine if ALL_UPLOADS in each["Events"] and not _is_filtered(each)]
        if whole:
            yield Finding("uploads reach the queue", State.OK, "the bucket notifies the queue")
        elif mine:
            yield Finding(
                "uploads reach the queue",
                State.FAILED,
                f"the bucket notifies the queue of some uploads only: {_narrowed(mine)}",
                f"give the queue {ALL_UPLOADS} without a filter again; prefixes are for Routes",
            )
        else:
            yield Finding(
                "uploads reach the queue",
                State.FAILED,
                "the bucket does not notify the queue: its notifications were replaced",
                "deploy the stack again with another Description, or put the queue back among them",
            )
    elif "EventBridgeConfiguration" in notifications:
        yield Finding("uploads reach the queue", State.OK, "the bucket sends its events to EventBridge")
    else:
        yield Finding(
            "uploads reach the queue",
            State.FAILED,
            "the bucket does not send its events to EventBridge",
            "run screentest doctor --enable-eventbridge: it shows what it would change, and asks",
        )


def uploads_from_pages(deployed: DeployedStack) -> Iterator[Finding]:
    """Whether the bucket lets the pages of the upload API's origins post pictures to it."""
    origins = [origin for origin in deployed.parameter("UploadApiOrigins").split(",") if origin]
    if not origins:
        return
    rules = cors_rules(deployed.client("s3"), deployed.bucket)
    allowed = [o for rule in rules if "POST" in rule["AllowedMethods"] for o in rule["AllowedOrigins"]]
    missing = [origin for origin in origins if not any(fnmatchcase(origin, each) for each in allowed)]
    if missing:
        yield Finding(
            "uploads from pages",
            State.FAILED,
            f"the bucket's cross-origin rules let no page of {', '.join(missing)} post to it",
            'add a rule for POST: docs/front-end.md, "A bucket of your own"',
        )
    else:
        yield Finding("uploads from pages", State.OK, f"pages of {', '.join(origins)} may post to the bucket")


def _is_filtered(notification: dict[str, Any]) -> bool:
    return bool(notification.get("Filter", {}).get("Key", {}).get("FilterRules"))


def _narrowed(notifications: list[dict[str, Any]]) -> str:
    return "; ".join(
        ", ".join(
            [
                *each["Events"],
                *(
                    f"{rule['Name'].lower()} {rule['Value']}"
                    for rule in each.get("Filter", {}).get("Key", {}).get("FilterRules", [])
                ),
            ]
        )
        for each in notifications
    )


def rule(deployed: DeployedStack) -> Iterator[Finding]:
    """For a bucket that the stack does not own: the rule that brings its uploads."""
    if deployed.owns_bucket:
        return
    events = deployed.client("events")
    names = events.list_rule_names_by_target(
        TargetArn=deployed.queue_attributes("ScreenQueueUrl")["QueueArn"]
    )
    for name in names["RuleNames"]:
        found = events.describe_rule(Name=name)
        if deployed.bucket in found.get("EventPattern", ""):
            if json.loads(found["EventPattern"]) != _uploads_to(deployed.bucket):
                yield Finding(
                    "event rule",
                    State.FAILED,
                    f"{name} brings other events than this bucket's uploads: its pattern was changed",
                    "give it the pattern of template.yaml again, or delete it and deploy the stack again",
                )
            elif found["State"].startswith("ENABLED"):
                yield Finding("event rule", State.OK, f"{name} is on")
            else:
                yield Finding(
                    "event rule", State.FAILED, f"{name} is off", f"aws events enable-rule --name {name}"
                )
            return
    yield Finding(
        "event rule", State.FAILED, "no rule brings this bucket's uploads", "deploy the stack again"
    )


def _uploads_to(bucket: str) -> dict[str, Any]:
    return {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [bucket]}},
    }


def queue_policy(deployed: DeployedStack) -> Iterator[Finding]:
    """Whether the queue lets the sender of uploads in."""
    sender = "s3.amazonaws.com" if deployed.owns_bucket else "events.amazonaws.com"
    attributes = deployed.queue_attributes("ScreenQueueUrl")
    policy = json.loads(attributes.get("Policy") or "{}")
    let_in = any(
        statement["Effect"] == "Allow"
        and isinstance(statement.get("Principal"), dict)
        and sender in _list(statement["Principal"].get("Service"))
        for statement in policy.get("Statement", [])
    )
    if let_in:
        yield Finding("queue policy", State.OK, f"{sender} may send")
    else:
        yield Finding(
            "queue policy", State.FAILED, f"{sender} may not send to the queue", "deploy the stack again"
        )
    waiting, hidden = _waiting(attributes)
    yield Finding(
        "waiting uploads",
        State.OK,
        f"{waiting:,} in the queue, {hidden:,} being screened or tried again later",
    )


def _waiting(attributes: dict[str, str]) -> tuple[int, int]:
    """Messages that can be received, and those that are hidden or delayed just now; both approximate."""
    hidden = ("ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
    return int(attributes.get("ApproximateNumberOfMessages", 0)), sum(
        int(attributes.get(name, 0)) for name in hidden
    )


def function(deployed: DeployedStack) -> Iterator[Finding]:
    """Whether the function is fed from the queue."""
    functions, name = deployed.client("lambda"), deployed.stack.output("ScreenFunctionName")
    state = functions.get_function_configuration(FunctionName=name)
    if state.get("State", "Active") not in ("Active", "Inactive"):
        yield Finding("function", State.FAILED, f"{name} is {state['State']}", "deploy the stack again")
        return
    fed = functions.list_event_source_mappings(
        FunctionName=name, EventSourceArn=deployed.queue_attributes("ScreenQueueUrl")["QueueArn"]
    )["EventSourceMappings"]
    if any(each["State"] in ("Enabled", "Enabling", "Updating", "Creating") for each in fed):
        yield Finding("function", State.OK, f"{name} takes uploads from the queue")
    elif fed:
        yield Finding(
            "function",
            State.FAILED,
            "the queue is cut off from the function",
            f"aws lambda update-event-source-mapping --uuid {fed[0]['UUID']} --enabled",
        )
    else:
        yield Finding(
            "function", State.FAILED, "nothing takes uploads from the queue", "deploy the stack again"
        )


def settings(deployed: DeployedStack) -> Iterator[Finding]:
    """Whether the functions can start with what their environment says: routes, addresses, numbers."""
    for function_ in FUNCTIONS:
        name = deployed.stack.output(function_)
        configuration = deployed.client("lambda").get_function_configuration(FunctionName=name)
        try:
            Settings.read(configuration.get("Environment", {}).get("Variables", {}))
        except SettingsError as error:
            yield Finding(
                "settings",
                State.FAILED,
                f"{name} cannot start: {error.message}",
                "deploy the stack again with the parameter put right",
            )
            return
    yield Finding("settings", State.OK, "the functions' routes and settings can be read")


def concurrency(deployed: DeployedStack) -> Iterator[Finding]:
    """Whether reserved concurrency, which is set outside the stack, stops or slows the functions."""
    for function_, parameter in zip(FUNCTIONS, ("MaximumConcurrency", "BackfillConcurrency"), strict=True):
        name = deployed.stack.output(function_)
        reserved = (
            deployed.client("lambda")
            .get_function_concurrency(FunctionName=name)
            .get("ReservedConcurrentExecutions")
        )
        wanted = int(deployed.parameter(parameter, "2"))
        lift = f"aws lambda delete-function-concurrency --function-name {name}"
        if function_ == "BackfillFunctionName":
            # Or the next reservation by hand would be taken for one of ours, and lifted with a job.
            arn = deployed.stack.output("BackfillFunctionArn")
            lift += f"; aws lambda untag-resource --resource {arn} --tag-keys {RESERVED}"
        if reserved is None:
            yield Finding("concurrency", State.OK, f"{name}: none reserved, {wanted} at a time")
        elif reserved == 0:
            yield Finding(
                "concurrency", State.FAILED, f"{name} is stopped: its reserved concurrency is 0", lift
            )
        elif reserved < wanted:
            yield Finding(
                "concurrency",
                State.WARNING,
                f"{name} may run {reserved} times at once, not {wanted} ({parameter}): that much is reserved",
                lift,
            )
        else:
            yield Finding("concurrency", State.OK, f"{name}: {reserved} reserved, {wanted} at a time")


def permissions(deployed: DeployedStack) -> Iterator[Finding]:
    """Whether the functions' roles still allow what an upload needs, as IAM's own simulator sees it.

    It knows the roles' policies and boundaries, not the policies of bucket, key and organisation.
    """
    partition = deployed.stack.output("FailureTopicArn").split(":")[1]
    objects = f"arn:{partition}:s3:::{deployed.bucket}/*"
    tables = deployed.client("dynamodb").describe_table(TableName=deployed.stack.output("VerdictTableName"))
    needed = (
        (objects, PERMISSIONS_ON_OBJECTS),
        (tables["Table"]["TableArn"], ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem")),
        (deployed.stack.output("FailureTopicArn"), ("sns:Publish",)),
    )
    for function_ in FUNCTIONS:
        name = deployed.stack.output(function_)
        role = deployed.client("lambda").get_function_configuration(FunctionName=name)["Role"]
        denied = [
            f"{result['EvalActionName']} on {resource}"
            for resource, actions in needed
            for result in deployed.client("iam").simulate_principal_policy(
                PolicySourceArn=role, ActionNames=list(actions), ResourceArns=[resource]
            )["EvaluationResults"]
            if result["EvalDecision"] != "allowed"
        ]
        if denied:
            yield Finding(
                "permissions",
                State.FAILED,
                f"the role of {name} does not allow {', '.join(denied)}",
                "deploy the stack again, or look at the role's permission boundary",
            )
        else:
            yield Finding("permissions", State.OK, f"the role of {name} allows what an upload needs")


def secret(deployed: DeployedStack) -> Iterator[Finding]:
    """Whether there is a key where the detector needs one."""
    arn = deployed.parameter("DetectorApiKeySecretArn")
    if not arn:
        return
    try:
        key = _secret_text(deployed, arn)
    except ClientError as error:
        if error_code(error) not in ("ResourceNotFoundException", "InvalidRequestException"):
            raise
        yield Finding(
            "detector key",
            State.FAILED,
            "the secret is not there, or is about to be deleted",
            "aws secretsmanager create-secret or restore-secret, or deploy with another DetectorApiKeySecretArn",
        )
    else:
        yield _secret_finding(key)


def _secret_text(deployed: DeployedStack, arn: str) -> str | None:
    answer = deployed.client("secretsmanager").get_secret_value(SecretId=arn)
    text: str | None = answer.get("SecretString")
    return text


def _secret_finding(key: str | None) -> Finding:
    if not key or not key.strip():
        return Finding(
            "detector key", State.FAILED, "the secret is empty", "aws secretsmanager put-secret-value"
        )
    if key.strip().startswith("{"):
        return Finding(
            "detector key",
            State.FAILED,
            "the secret holds JSON, and the whole of it would be sent as key",
            "store the key itself as plain text",
        )
    return Finding("detector key", State.OK, "the secret holds a key")


def detector(deployed: DeployedStack) -> Iterator[Finding]:
    """Whether the detector answers, and takes the key. A server is asked something that it refuses without judging."""
    base = deployed.parameter("Detector", SELF_HOSTED)
    if base == SELF_HOSTED:
        state = deployed.client("lambda").get_function_configuration(
            FunctionName=deployed.stack.output("ScreenFunctionName")
        )
        if len(state.get("Layers", [])) > 1:
            yield Finding("detector", State.OK, "self-hosted, with its layer")
        else:
            yield Finding(
                "detector", State.FAILED, "self-hosted, without its layer", "deploy the stack again"
            )
        return
    arn, key = deployed.parameter("DetectorApiKeySecretArn"), None
    if arn:
        key = (_secret_text(deployed, arn) or "").strip()
    yield ask(base, key)


def ask(base: str, key: str | None, *, transport: httpx.BaseTransport | None = None) -> Finding:
    """What a detector says to a request without a picture.

    Args:
        base: its base URL.
        key: the bearer key, if any.
        transport: in place of the network.
    """
    url = base.rstrip("/").removesuffix("/api/v1") + "/api/v1/services/aigc/image2video/face-detect"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    host = urlsplit(base).netloc
    try:
        with httpx.Client(transport=transport, timeout=DETECTOR_SECONDS, trust_env=False) as client:
            answer = client.post(url, json={"model": "emo-detect-v1", "input": {}}, headers=headers)
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        return Finding(
            "detector",
            State.FAILED,
            f"{host} cannot be reached from here: {why}",
            "check Detector, and whether the server is up",
        )
    try:
        code = str(answer.json().get("code", ""))
    except (ValueError, AttributeError):
        code = ""
    if answer.status_code in (401, 403):
        return Finding(
            "detector",
            State.FAILED,
            f"{host} refuses the key: {answer.status_code} {code}".rstrip(),
            "put the right key into the secret; no deployment is needed",
        )
    if answer.status_code == 400 and code:
        return Finding("detector", State.OK, f"{host} answers and takes the key")
    if answer.status_code == 429 or answer.status_code >= 500:
        return Finding(
            "detector",
            State.WARNING,
            f"{host} answers {answer.status_code} {code}".rstrip(),
            "uploads are retried",
        )
    return Finding(
        "detector",
        State.FAILED,
        f"{host} answers {answer.status_code}, not like the detection API",
        "Detector must be the base URL, before /api/v1",
    )


def table(deployed: DeployedStack) -> Iterator[Finding]:
    """Whether verdicts can be written, asked for by verdict, expire and be restored."""
    dynamodb, name = deployed.client("dynamodb"), deployed.stack.output("VerdictTableName")
    found = dynamodb.describe_table(TableName=name)["Table"]
    indexes = {
        index["IndexName"]: index.get("IndexStatus", "ACTIVE")
        for index in found.get("GlobalSecondaryIndexes", [])
    }
    if found["TableStatus"] not in ("ACTIVE", "UPDATING"):
        yield Finding("table", State.FAILED, f"{name} is {found['TableStatus']}", "wait, or restore it")
    elif lacking := [index for index in (INDEX, PENDING_INDEX) if indexes.get(index) != "ACTIVE"]:
        yield Finding(
            "table",
            State.WARNING,
            "; ".join(f"the index {index} is {indexes.get(index, 'missing')}" for index in lacking),
            "screentest verdicts reads the whole table, and nothing overdue is found, until both are there; "
            "deploy the stack again",
        )
    else:
        yield Finding("table", State.OK, f"{name} with its indexes")
    life = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"].get("TimeToLiveStatus")
    if life not in ("ENABLED", "ENABLING"):
        yield Finding("table expiry", State.WARNING, "verdicts never expire", "deploy the stack again")
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    point = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
    if point != "ENABLED":
        yield Finding("table recovery", State.WARNING, "no point-in-time recovery", "deploy the stack again")


def overdue(deployed: DeployedStack) -> Iterator[Finding]:
    """Whether screenings are pending although no message is left to decide them."""
    name, routes = deployed.stack.output("VerdictTableName"), Routes.parse(deployed.parameter("Routes"))
    by_objects = deployed.parameter("AllowObjectRoutes") == "true"
    number = sum(
        record.ref.bucket == deployed.bucket
        and (by_objects or record.screening in routes.screenings(record.ref.key))
        for record in verdict_table.overdue(deployed.client("dynamodb"), name, time.time())
    )
    if number:
        yield Finding(
            "overdue screenings",
            State.WARNING,
            f"pending for longer than their queue keeps a message: {number:,}",
            f"screentest backfill s3://{deployed.bucket}/ --only overdue",
        )
    else:
        yield Finding("overdue screenings", State.OK, "none")


def dead_letters(deployed: DeployedStack) -> Iterator[Finding]:
    """Whether uploads, or objects of a backfill, were given up."""
    for check, output, what in (
        ("dead letters", "DeadLetterQueueUrl", "uploads"),
        ("backfill dead letters", "BackfillDeadLetterQueueUrl", "objects of a backfill"),
    ):
        visible, hidden = _waiting(deployed.queue_attributes(output))
        if not visible + hidden:
            yield Finding(check, State.OK, "none")
            continue
        detail = f"{visible + hidden:,} {what} could not be screened"
        if hidden:
            detail += (
                f"; {hidden:,} of them are hidden for up to ten minutes by a redrive that runs or was killed"
            )
        yield Finding(
            check,
            State.WARNING,
            detail,
            "see why: screentest verdicts --verdict error; then screentest redrive",
        )


def alarms(deployed: DeployedStack) -> Iterator[Finding]:
    """Whether the alarms exist, are quiet and have subscribers."""
    pages = deployed.client("cloudformation").get_paginator("list_stack_resources")
    names = [
        resource["PhysicalResourceId"]
        for page in pages.paginate(StackName=deployed.stack.name)
        for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == "AWS::CloudWatch::Alarm"
    ]
    found = deployed.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"] if names else []
    ringing = [alarm["AlarmName"] for alarm in found if alarm["StateValue"] == "ALARM"]
    muted = [alarm["AlarmName"] for alarm in found if not alarm.get("ActionsEnabled", True)]
    if len(found) < len(names) or not names:
        yield Finding("alarms", State.WARNING, "some alarms are missing", "deploy the stack again")
    elif ringing:
        yield Finding(
            "alarms", State.WARNING, f"ringing: {', '.join(ringing)}", "docs/operations.md says what to do"
        )
    elif muted:
        yield Finding(
            "alarms", State.WARNING, f"muted: {', '.join(muted)}", "aws cloudwatch enable-alarm-actions"
        )
    else:
        yield Finding("alarms", State.OK, f"{len(found)}, all quiet")
    for output, check, advice in (
        ("AlarmTopicArn", "who hears alarms", "deploy with AlarmEmail, or subscribe to the alarm topic"),
        (
            "FailureTopicArn",
            "who hears rejections",
            "deploy with NotificationEmail, or subscribe to the failure topic",
        ),
    ):
        yield _subscribers(deployed, output, check, advice)


def _subscribers(deployed: DeployedStack, output: str, check: str, advice: str) -> Finding:
    answer = deployed.client("sns").list_subscriptions_by_topic(TopicArn=deployed.stack.output(output))
    arns = [subscription["SubscriptionArn"] for subscription in answer["Subscriptions"]]
    pending = sum(not arn.startswith("arn:") for arn in arns)
    if len(arns) > pending:
        return Finding(check, State.OK, f"{len(arns) - pending} subscribers")
    if pending:
        return Finding(
            check, State.WARNING, "nobody: a subscription waits", "confirm it by the link in the e-mail"
        )
    return Finding(check, State.WARNING, "nobody", advice)


CHECKS: tuple[tuple[Check, str], ...] = (
    (identity, "sts:GetCallerIdentity"),
    (stack, "cloudformation:DescribeStacks"),
    (bucket, "s3:ListBucket, s3:GetBucketVersioning and s3:GetBucketNotification"),
    (uploads_from_pages, "s3:GetBucketCORS"),
    (rule, "events:ListRuleNamesByTarget and events:DescribeRule"),
    (queue_policy, "sqs:GetQueueAttributes"),
    (function, "lambda:GetFunctionConfiguration and lambda:ListEventSourceMappings"),
    (settings, "lambda:GetFunctionConfiguration"),
    (concurrency, "lambda:GetFunctionConcurrency"),
    (permissions, "lambda:GetFunctionConfiguration, dynamodb:DescribeTable and iam:SimulatePrincipalPolicy"),
    (secret, "secretsmanager:GetSecretValue"),
    (detector, "secretsmanager:GetSecretValue"),
    (table, "dynamodb:DescribeTable, dynamodb:DescribeTimeToLive and dynamodb:DescribeContinuousBackups"),
    (overdue, "dynamodb:Scan on the table's indexes"),
    (dead_letters, "sqs:GetQueueAttributes"),
    (alarms, "cloudformation:ListStackResources, cloudwatch:DescribeAlarms and sns:ListSubscriptionsByTopic"),
)
"""Every check, and the permissions that it needs."""


def run_checks(access: Access) -> Iterator[Finding]:
    """All findings, as they are made. A check that cannot be done is a finding too.

    Raises:
        AwsError: the stack cannot be found at all.
    """
    deployed = DeployedStack(access)
    for check, needs in CHECKS:
        try:
            with as_aws_errors("look", needs=needs):
                yield from check(deployed)
        except AwsError as error:
            yield Finding(check.__name__.replace("_", " "), State.UNKNOWN, str(error), "")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
