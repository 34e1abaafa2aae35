"""Least privilege, both ways: with the template's policies everything works, and without any one permission that the
local AWS enforces something named here does not.

What it does not enforce is `NOT_ENFORCED`, with the reason why it is granted; the template's tests assert those.
docs/deploy.md shows both lists.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import botocore.exceptions
import httpx
import pytest
from PIL import Image
from template.cloudformation import as_list, effective, resources

from screentest.demo import pictures
from screentest.detection.api import DetectionApi
from screentest.detection.api.fetch import HttpFetcher
from screentest.detection.api.wsgi import application
from screentest.detection.detector import DetectorPool
from screentest.stack import LOCAL_PARAMETERS, Deployment, LocalAws, deploy

pytestmark = pytest.mark.stack

KEY = "the right key"
ROUTES = json.dumps(
    [
        {"prefix": "portraits/", "screenings": [{"model": "emo-detect-v1", "ratio": "1:1"}]},
        {"prefix": "unknown/", "screenings": [{"model": "no-such-model"}]},
    ]
)
NOT_ENFORCED = {
    "s3:ListBucket": "AWS says 404 for a missing object only with it, else 403; the local AWS says 404 to everybody",
    "sqs:ReceiveMessage": "Lambda's poller takes the messages; the local AWS asks no role for it",
    "sqs:GetQueueAttributes": "the same",
    "logs:CreateLogStream": "the local AWS writes every function's log",
    "logs:PutLogEvents": "the same",
    "kms:Decrypt": "with KmsKeyArn alone; the local AWS encrypts nothing",
    "kms:GenerateDataKey": "the same",
    **dict.fromkeys(
        (
            "ec2:CreateNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:DeleteNetworkInterface",
            "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses",
        ),
        "with SubnetIds alone, and for Lambda itself; the local AWS makes no interfaces",
    ),
}


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def detector() -> Iterator[str]:
    """The detection API on loopback, behind a key."""
    pool = DetectorPool(1)
    pool.detect(portrait(), "emo-detect-v1")  # opening the networks is no part of what is asked here
    api = DetectionApi(pool.detect, HttpFetcher(allow_private=True), api_key=KEY)
    with make_server("127.0.0.1", 0, application(api), _Server, _Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Stack:
    """A stack on a local AWS that held the detector's key before."""

    def __init__(self, aws: LocalAws, deployment: Deployment) -> None:
        self.client, self.deployment, self.outputs = aws.client, deployment, deployment.outputs


@pytest.fixture(scope="module")
def stack(detector: str) -> Iterator[Stack]:
    """The built functions behind a gate, a detector with a key, and no event that we did not send ourselves."""
    with LocalAws() as aws:
        secret = aws.client("secretsmanager").create_secret(Name="detector", SecretString=KEY)
        wanted = {
            "Detector": detector,
            "DetectorApiKeySecretArn": secret["ARN"],
            "Routes": ROUTES,
            "BlockUnscreenedReads": "true",
            "ReviewerRoleArns": "arn:aws:iam::000000000000:role/reviewer",
            "UploadApi": "key",
        }
        running = Stack(aws, deploy(aws, parameters=LOCAL_PARAMETERS | wanted))
        running.client("s3").put_bucket_notification_configuration(
            Bucket=running.outputs["UploadBucketName"], NotificationConfiguration={}
        )
        functions = running.client("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        yield running


class Deployed:
    """What the expectations do with the stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.bucket = stack.outputs["UploadBucketName"]
        self.s3, self.sqs, self.functions = stack.client("s3"), stack.client("sqs"), stack.client("lambda")
        self.heard = self._subscribe()

    def _subscribe(self) -> str:
        url: str = self.sqs.create_queue(QueueName=f"heard-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        names = ["QueueArn"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]["QueueArn"]
        allow = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
        }
        policy = {"Version": "2012-10-17", "Statement": [{**allow, "Resource": arn}]}
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        self.stack.client("sns").subscribe(
            TopicArn=self.stack.outputs["FailureTopicArn"],
            Protocol="sqs",
            Endpoint=arn,
            Attributes={"RawMessageDelivery": "true"},
        )
        return url

    def put(self, key: str, body: bytes) -> dict[str, Any]:
        """Upload; the S3 event about it."""
        answer = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        thing = {
            "key": key,
            "size": len(body),
            "eTag": answer["ETag"].strip('"'),
            "versionId": answer["VersionId"],
            "sequencer": f"{time.time_ns():016X}",
        }
        return {
            "Records": [
                {
                    "eventSource": "aws:s3",
                    "eventName": "ObjectCreated:Put",
                    "eventTime": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
                    "s3": {"bucket": {"name": self.bucket}, "object": thing},
                }
            ]
        }

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """What the screen function answers; a failure has `errorType`."""
        name = self.stack.outputs["ScreenFunctionName"]
        answer = self.functions.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        result: dict[str, Any] = json.load(answer["Payload"])
        return result

    def restart(self, name: str | None = None) -> None:
        """Make the next invocation a cold start: a warm function keeps the key for five minutes."""
        name = name or self.stack.outputs["ScreenFunctionName"]
        variables = self.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        variables["STARTED"] = uuid.uuid4().hex
        self.functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})

    def received(self, url: str, count: int, wait: int = 2) -> list[dict[str, Any]]:
        """Up to `count` messages, as a poller would hand them on."""
        messages: list[dict[str, Any]] = []
        until = time.monotonic() + wait
        while len(messages) < count and time.monotonic() < until:
            answer = self.sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=1,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            messages += answer.get("Messages", [])
        return messages

    def batch(self, *bodies: object, receives: int = 1) -> dict[str, Any]:
        """These messages, sent and received: the event of an SQS batch, hidden for the queue's 360 seconds."""
        url = self.stack.outputs["ScreenQueueUrl"]
        for body in bodies:
            self.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
        return {
            "Records": [
                {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": {**message["Attributes"], "ApproximateReceiveCount": str(receives)},
                    "messageAttributes": {},
                    "eventSource": "aws:sqs",
                }
                for message in self.received(url, len(bodies), wait=10)
            ]
        }

    def hidden(self) -> int:
        """How many messages of the upload queue are received and not deleted."""
        names = ["ApproximateNumberOfMessagesNotVisible"]
        url = self.stack.outputs["ScreenQueueUrl"]
        return int(self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"][names[0]])


@pytest.fixture(scope="module")
def deployed(stack: Stack) -> Deployed:
    ready = Deployed(stack)
    ready.invoke(ready.put(fresh("portraits/"), nobody()))  # the cold start, likewise
    return ready


def portrait() -> bytes:
    return pictures.data("waist_up")


def nobody() -> bytes:
    """A picture of a wall."""
    file = io.BytesIO()
    Image.new("RGB", (640, 640), (180, 170, 160)).save(file, "JPEG")
    return file.getvalue()


def fresh(prefix: str) -> str:
    return f"{prefix}{uuid.uuid4().hex}.jpg"


def item_of(answer: dict[str, Any]) -> dict[str, Any]:
    (item,) = answer.get("screenings", [{}])
    return dict(item)


# Expectations: each says whether it holds. ---------------------------------------------------------------------------


def a_version_is_screened_and_tagged(d: Deployed) -> bool:
    key = fresh("portraits/")
    item = item_of(d.invoke(d.put(key, portrait())))
    tags = {tag["Key"]: tag["Value"] for tag in d.s3.get_object_tagging(Bucket=d.bucket, Key=key)["TagSet"]}
    return item.get("verdict") == "pass" and tags.get("screentest") == "pass"


def an_object_without_version_is_screened_and_tagged(d: Deployed) -> bool:
    key = fresh("portraits/")
    event = d.put(key, portrait())
    del event["Records"][0]["s3"]["object"]["versionId"]
    item = item_of(d.invoke(event))
    tags = {tag["Key"]: tag["Value"] for tag in d.s3.get_object_tagging(Bucket=d.bucket, Key=key)["TagSet"]}
    return item.get("verdict") == "pass" and tags.get("screentest") == "pass"


def a_rejection_is_told(d: Deployed) -> bool:
    key = fresh("portraits/")
    d.invoke(d.put(key, nobody()))
    told: list[str] = []
    while key not in told and (more := d.received(d.heard, 1)):
        told += [json.loads(message["Body"])["key"] for message in more]
    return key in told


def the_item_says_when_it_was_told(d: Deployed) -> bool:
    return "notified_at" in item_of(d.invoke(d.put(fresh("portraits/"), nobody())))


def the_key_is_read(d: Deployed) -> bool:
    d.restart()
    return item_of(d.invoke(d.put(fresh("portraits/"), portrait()))).get("verdict") == "pass"


def a_failed_message_comes_back_soon(d: Deployed) -> bool:
    d.invoke(d.batch({"no": "object"}))
    again = d.received(d.stack.outputs["ScreenQueueUrl"], 1, wait=5)
    _clean(d, again)
    return bool(again)


def a_permanent_error_is_set_aside(d: Deployed) -> bool:
    event = d.batch(d.put(fresh("unknown/"), portrait()))
    d.invoke(event)
    aside = d.received(d.stack.outputs["DeadLetterQueueUrl"], 1)
    for message in aside:
        d.sqs.delete_message(
            QueueUrl=d.stack.outputs["DeadLetterQueueUrl"], ReceiptHandle=message["ReceiptHandle"]
        )
    _clean(d, event["Records"])
    return bool(aside)


def batchmates_of_a_crash_are_deleted_before_it_runs(d: Deployed) -> bool:
    """The poison candidate is known by its item; what is finished by then must not be taken along again."""
    crashed = d.put(fresh("portraits/"), portrait())
    thing = crashed["Records"][0]["s3"]["object"]
    item = {
        "object": f"s3://{d.bucket}/{thing['key']}",
        "screening": f"emo-detect-v1#1x1#{thing['versionId']}",
        "lease_until": int(time.time()) - 600,
        "attempts": 1,
        "sequencer": thing["sequencer"],
    }
    encoded = {n: {"N": repr(v)} if isinstance(v, int | float) else {"S": v} for n, v in item.items()}
    d.stack.client("dynamodb").put_item(TableName=d.stack.outputs["VerdictTableName"], Item=encoded)
    event = d.batch(crashed, receives=2)
    before = d.hidden()
    d.invoke(event)
    deleted = d.hidden() < before
    _clean(d, event["Records"])
    return deleted


def _clean(d: Deployed, records: list[dict[str, Any]]) -> None:
    for record in records:
        receipt = record.get("receiptHandle") or record["ReceiptHandle"]
        with contextlib.suppress(botocore.exceptions.ClientError):  # the function has deleted it
            d.sqs.delete_message(QueueUrl=d.stack.outputs["ScreenQueueUrl"], ReceiptHandle=receipt)


def upload_api(d: Deployed, method: str, path: str, query: str = "", body: object = None) -> dict[str, Any]:
    """What the upload function answers to a request with the key of the stack."""
    secret = d.stack.client("secretsmanager").get_secret_value(
        SecretId=d.stack.outputs["UploadApiKeySecretArn"]
    )
    event = {
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "authorization": f"Bearer {secret['SecretString']}",
            "content-type": "application/json",
        },
        "requestContext": {"requestId": "r", "http": {"method": method, "path": path}},
        "body": json.dumps(body),
    }
    answer = d.functions.invoke(
        FunctionName=d.stack.deployment.resources["UploadFunction"], Payload=json.dumps(event).encode()
    )
    result: dict[str, Any] = json.load(answer["Payload"])
    return result


def a_form_can_be_sent(d: Deployed) -> bool:
    answer = upload_api(d, "POST", "/uploads", body={"prefix": "portraits/", "type": "image/jpeg"})
    form = json.loads(answer["body"])
    sent = httpx.post(
        form["url"], data=form["fields"], files={"file": ("a.jpg", portrait())}, trust_env=False, timeout=60
    )
    return sent.status_code == 204


def a_verdict_is_read(d: Deployed) -> bool:
    key = fresh("portraits/")
    d.invoke(d.put(key, nobody()))
    return bool(upload_api(d, "GET", "/verdicts", f"key={key}&wait=0")["statusCode"] == 200)


def the_upload_key_is_read(d: Deployed) -> bool:
    d.restart(d.stack.deployment.resources["UploadFunction"])
    return bool(upload_api(d, "GET", "/verdicts", "key=portraits/none.jpg&wait=0")["statusCode"] == 404)


Expectation = Callable[[Deployed], bool]

ENFORCED: dict[str, Expectation] = {
    "s3:GetObjectVersion": a_version_is_screened_and_tagged,
    "s3:GetObjectVersionTagging": a_version_is_screened_and_tagged,
    "s3:PutObjectVersionTagging": a_version_is_screened_and_tagged,
    "s3:GetObject": an_object_without_version_is_screened_and_tagged,
    "s3:GetObjectTagging": an_object_without_version_is_screened_and_tagged,
    "s3:PutObjectTagging": an_object_without_version_is_screened_and_tagged,
    "dynamodb:PutItem": a_version_is_screened_and_tagged,
    "dynamodb:UpdateItem": the_item_says_when_it_was_told,
    "dynamodb:GetItem": batchmates_of_a_crash_are_deleted_before_it_runs,
    "sns:Publish": a_rejection_is_told,
    "secretsmanager:GetSecretValue": the_key_is_read,
    "sqs:ChangeMessageVisibility": a_failed_message_comes_back_soon,
    "sqs:SendMessage": a_permanent_error_is_set_aside,
    "sqs:DeleteMessage*": batchmates_of_a_crash_are_deleted_before_it_runs,
}


UPLOADS: dict[str, Expectation] = {
    "s3:PutObject": a_form_can_be_sent,
    "dynamodb:Query": a_verdict_is_read,
    "secretsmanager:GetSecretValue": the_upload_key_is_read,
}
"""The same of the upload function."""


@contextmanager
def without(stack: Stack, action: str, of: str = "ScreenFunctionRole") -> Iterator[None]:
    """A function's role with this action taken out of whichever of its policies has it."""
    iam, role = stack.client("iam"), stack.deployment.resources[of]
    changed: dict[str, Any] = {}
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        lesser = copy.deepcopy(document)
        for statement in lesser["Statement"]:
            statement["Action"] = [a for a in as_list(statement["Action"]) if a != action] or ["none:Nothing"]
        if lesser["Statement"] != [{**s, "Action": as_list(s["Action"])} for s in document["Statement"]]:
            changed[name] = document
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(lesser))
    assert changed, f"the role has no {action}"
    try:
        yield
    finally:
        for name, document in changed.items():
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


@pytest.mark.parametrize(
    ("of", "enforced"), [("ScreenFunctionRole", ENFORCED), ("UploadFunctionRole", UPLOADS)]
)
def test_every_permission_of_the_function_is_accounted_for(of: str, enforced: dict[str, Expectation]) -> None:
    from template.cloudformation import EVERYTHING

    role = resources(effective(EVERYTHING), "AWS::IAM::Role")[of]
    granted = {
        action
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in as_list(statement["Action"])
    }
    assert set(enforced) <= granted <= set(enforced) | set(NOT_ENFORCED)
    assert of != "ScreenFunctionRole" or granted == set(enforced) | set(NOT_ENFORCED)


@pytest.mark.parametrize(
    "expectation", dict.fromkeys((*ENFORCED.values(), *UPLOADS.values())), ids=lambda e: e.__name__
)
def test_with_the_policies_of_the_template(deployed: Deployed, expectation: Expectation) -> None:
    assert expectation(deployed)


@pytest.mark.parametrize("action", ENFORCED)
def test_without(deployed: Deployed, action: str) -> None:
    with without(deployed.stack, action):
        assert not ENFORCED[action](deployed)


@pytest.mark.parametrize("action", UPLOADS)
def test_without_on_the_upload_function(deployed: Deployed, action: str) -> None:
    with without(deployed.stack, action, "UploadFunctionRole"):
        assert not UPLOADS[action](deployed)


# The gate. The local AWS knows an object's tags for reads alone: who may write and take away tags, and copies, is
# asserted on the template.


def credentials(stack: Stack, role: str) -> dict[str, str]:
    """Keys of a role that may do anything with S3, as far as its own policy goes."""
    iam, sts = stack.client("iam"), stack.client("sts")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    arn = iam.create_role(
        RoleName=role, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    iam.put_role_policy(
        RoleName=role,
        PolicyName="s3",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    keys = sts.assume_role(RoleArn=arn, RoleSessionName="somebody")["Credentials"]
    return {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }


@pytest.fixture(scope="module")
def stranger(stack: Stack) -> Any:
    return stack.client("s3", **credentials(stack, "stranger"))


@pytest.fixture(scope="module")
def reviewer(stack: Stack) -> Any:
    return stack.client("s3", **credentials(stack, "reviewer"))


def denied(call: Callable[[], object]) -> bool:
    try:
        call()
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"] in ("AccessDenied", "403")
    return False


def test_only_what_passed_is_read_by_everybody(deployed: Deployed, stranger: Any, reviewer: Any) -> None:
    waiting, passed, rejected = (fresh("portraits/") for _ in range(3))
    deployed.put(waiting, portrait())
    deployed.invoke(deployed.put(passed, portrait()))
    deployed.invoke(deployed.put(rejected, nobody()))
    for key, readable in ((waiting, False), (passed, True), (rejected, False)):
        assert denied(partial(stranger.get_object, Bucket=deployed.bucket, Key=key)) is not readable
        assert not denied(partial(reviewer.get_object, Bucket=deployed.bucket, Key=key))


def test_a_version_is_read_by_its_own_gate(deployed: Deployed, stranger: Any) -> None:
    key = fresh("portraits/")
    first, second = deployed.put(key, portrait()), deployed.put(key, nobody())
    for event in (first, second):
        deployed.invoke(event)
    versions = [event["Records"][0]["s3"]["object"]["versionId"] for event in (first, second)]
    for version, readable in zip(versions, (True, False), strict=True):
        read = {"Bucket": deployed.bucket, "Key": key, "VersionId": version}
        assert denied(partial(stranger.get_object, **read)) is not readable
