"""Each parameter, changed on a running stack, changes what it promises; wrong ones are refused with a sentence."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from template.cloudformation import complete, source

from screentest.stack import DeploymentFailed, LocalStack

pytestmark = pytest.mark.stack

ACCOUNT = "000000000000"
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:detector-AbCdEf"
ROUTES = json.dumps([{"prefix": "mine/", "screenings": [{"model": "emo-detect-v1", "ratio": "3:4"}]}])


def _function(stack: LocalStack, name: str = "ScreenFunction") -> dict[str, Any]:
    physical = stack.deployment.resources[name]
    configuration: dict[str, Any] = stack.client("lambda").get_function_configuration(FunctionName=physical)
    return configuration


def _variable(name: str) -> Callable[[LocalStack], object]:
    def read(stack: LocalStack) -> object:
        both = {
            _function(stack, f)["Environment"]["Variables"][name]
            for f in ("ScreenFunction", "BackfillFunction")
        }
        (value,) = both
        return value

    return read


def _size(stack: LocalStack) -> object:
    function = _function(stack)
    return function["MemorySize"], len(function["Layers"])


def _has_policy(name: str) -> Callable[[LocalStack], object]:
    def read(stack: LocalStack) -> object:
        role = stack.deployment.resources["ScreenFunctionRole"]
        return name in stack.client("iam").list_role_policies(RoleName=role)["PolicyNames"]

    return read


def _private_host(stack: LocalStack) -> object:
    host = str(_variable("PRIVATE_BUCKET_HOST")(stack))
    return host == f"{stack.outputs['UploadBucketName']}.s3.us-east-1.amazonaws.com"


def _subscribers(topic: str, protocol: str) -> Callable[[LocalStack], object]:
    def read(stack: LocalStack) -> object:
        found = stack.client("sns").list_subscriptions_by_topic(TopicArn=stack.outputs[topic])[
            "Subscriptions"
        ]
        return sum(subscription["Protocol"] == protocol for subscription in found)

    return read


def _concurrency(source: str) -> Callable[[LocalStack], object]:
    def read(stack: LocalStack) -> object:
        mapping = stack.client("lambda").get_event_source_mapping(UUID=stack.deployment.resources[source])
        return mapping["ScalingConfig"]["MaximumConcurrency"]

    return read


def _bucket_sids(stack: LocalStack) -> set[str]:
    policy = stack.client("s3").get_bucket_policy(Bucket=stack.outputs["UploadBucketName"])["Policy"]
    return {statement["Sid"] for statement in json.loads(policy)["Statement"]}


def _gate(stack: LocalStack) -> object:
    return len(_bucket_sids(stack) - {"OnlyOverTls", ENDPOINTS})


def _endpoints(stack: LocalStack) -> object:
    return ENDPOINTS in _bucket_sids(stack)


def _readers(stack: LocalStack) -> object:
    policy = stack.client("s3").get_bucket_policy(Bucket=stack.outputs["UploadBucketName"])["Policy"]
    return f"arn:aws:iam::{ACCOUNT}:role/reviewer" in policy, ":assumed-role/reviewer/*" in policy


def _logs(stack: LocalStack) -> object:
    groups = stack.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/screentest-")[
        "logGroups"
    ]
    return sorted({group["retentionInDays"] for group in groups})


def _url(stack: LocalStack) -> object:
    if "ApiFunction" not in stack.deployment.resources:
        return None
    name = stack.deployment.resources["ApiFunction"]
    return stack.client("lambda").get_function_url_config(FunctionName=name, Qualifier="live")["AuthType"]


def _upload_url(stack: LocalStack) -> object:
    if "UploadFunction" not in stack.deployment.resources:
        return None
    name = stack.deployment.resources["UploadFunction"]
    return stack.client("lambda").get_function_url_config(FunctionName=name)["AuthType"]


def _cors(stack: LocalStack) -> object:
    s3 = stack.client("s3")
    try:
        (rule,) = s3.get_bucket_cors(Bucket=stack.outputs["UploadBucketName"])["CORSRules"]
    except s3.exceptions.ClientError:
        return None
    return rule["AllowedOrigins"]


def _pipes(stack: LocalStack) -> object:
    return len(stack.client("pipes").list_pipes()["Pipes"])


def _key(stack: LocalStack) -> object:
    # Bucket and topic are asserted on the template: this local AWS does not change the one nor show the other.
    table = stack.client("dynamodb").describe_table(TableName=stack.outputs["VerdictTableName"])["Table"]
    return table.get("SSEDescription", {}).get("KMSMasterKeyArn")


def _bucket(stack: LocalStack) -> object:
    rules = [rule for rule in stack.client("events").list_rules()["Rules"] if rule.get("EventPattern")]
    return stack.outputs["UploadBucketName"].startswith("screentest-"), len(rules)


def _architectures(stack: LocalStack) -> object:
    return _function(stack)["Architectures"]


def _role(stack: LocalStack) -> dict[str, Any]:
    role: dict[str, Any] = stack.client("iam").get_role(
        RoleName=stack.deployment.resources["ScreenFunctionRole"]
    )["Role"]
    return role


def _role_path(stack: LocalStack) -> object:
    return _role(stack)["Path"]


NETWORK = {"SubnetIds": "subnet-0123abcd,subnet-4567cdef", "SecurityGroupIds": "sg-0123abcd"}
ENDPOINTS = "OnlyThroughTheseEndpoints"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/01234567-89ab-cdef-0123-456789abcdef"

ON_THE_TEMPLATE = {"PermissionsBoundaryArn", "UploadApiConcurrency"}
"""Parameters that this local AWS leaves out; test_template.py asserts them."""

CASES: list[tuple[dict[str, str], Callable[[LocalStack], object], object, object]] = [
    (
        {"Detector": "https://detector.example.com"},
        _variable("DETECTOR"),
        "self-hosted",
        "https://detector.example.com",
    ),
    ({"Detector": "https://detector.example.com"}, _size, (1769, 2), (512, 1)),
    ({"DetectorApiKeySecretArn": SECRET}, _variable("DETECTOR_API_KEY_SECRET_ARN"), "", SECRET),
    ({"DetectorApiKeySecretArn": SECRET}, _has_policy("detector-key"), False, True),
    ({"Routes": ROUTES}, _variable("ROUTES"), "", ROUTES),
    ({"Profiles": "tavus-image,hallo"}, _variable("PROFILES"), "", "tavus-image,hallo"),
    ({"AllowObjectRoutes": "true"}, _variable("ALLOW_OBJECT_ROUTES"), "false", "true"),
    ({"ObjectTags": "gate"}, _variable("OBJECT_TAGS"), "all", "gate"),
    ({"NotifyOn": "all"}, _variable("NOTIFY_ON"), "failures", "all"),
    ({"RetentionDays": "30"}, _variable("RETENTION_DAYS"), "365", "30"),
    ({"NotificationEmail": "a@b.example"}, _subscribers("FailureTopicArn", "email"), 0, 1),
    ({"AlarmEmail": "a@b.example"}, _subscribers("AlarmTopicArn", "email"), 0, 1),
    ({"RejectQueue": "true"}, _subscribers("FailureTopicArn", "sqs"), 0, 1),
    ({"Architecture": "arm64"}, _architectures, ["x86_64"], ["arm64"]),
    ({"RolePath": "/teams/media/"}, _role_path, "/", "/teams/media/"),
    ({"VerdictEvents": "false"}, _pipes, 1, 0),
    ({"MaximumConcurrency": "3"}, _concurrency("ScreenFunctionUploads"), 10, 3),
    ({"BackfillConcurrency": "4"}, _concurrency("BackfillFunctionListed"), 2, 4),
    ({"BlockUnscreenedReads": "true"}, _gate, 0, 5),
    (
        {"BlockUnscreenedReads": "true", "ReviewerRoleArns": f"arn:aws:iam::{ACCOUNT}:role/reviewer"},
        _readers,
        (False, False),
        (True, True),
    ),
    ({"DetectionApi": "iam"}, _url, None, "AWS_IAM"),
    ({"DetectionApi": "key"}, _url, None, "NONE"),
    ({"UploadApi": "key"}, _upload_url, None, "NONE"),
    (
        {"UploadApiOrigins": "https://a.example,http://localhost:8080"},
        _cors,
        None,
        ["https://a.example", "http://localhost:8080"],
    ),
    ({"KmsKeyArn": KEY}, _key, None, KEY),
    ({"DetectorKeyKmsKeyArn": KEY}, _has_policy("detector-key-kms"), False, True),
    (NETWORK, _has_policy("interfaces"), False, True),
    (NETWORK | {"PrivateBucketEndpoint": "true"}, _private_host, False, True),
    (NETWORK | {"BucketVpcEndpointIds": "vpce-0123abcd"}, _endpoints, False, True),
    ({"LogRetentionDays": "7"}, _logs, [30], [7]),
    # Last: the bucket that the stack made stays behind, and the stack makes another one when it is asked to.
    ({"ExistingBucketName": "theirs"}, _bucket, (True, 0), (False, 1)),
]


def _updates() -> list[dict[str, str]]:
    """The cases' parameters in as few updates as do without giving one parameter two values."""
    updates: list[dict[str, str]] = []
    for wanted, *_ in CASES:
        for update in updates:
            if "ExistingBucketName" not in wanted and all(update.get(n, v) == v for n, v in wanted.items()):
                update.update(wanted)
                break
        else:
            updates.append(dict(wanted))
    return updates


@pytest.fixture(scope="module")
def seen(bare_stack: LocalStack) -> dict[str, dict[int, object]]:
    """What every case reads, before and after its parameters were changed."""
    before = {number: read(bare_stack) for number, (_, read, _, _) in enumerate(CASES)}
    after: dict[int, object] = {}
    for update in _updates():
        bare_stack.deploy(complete(update))
        after |= {
            n: read(bare_stack)
            for n, (wanted, read, _, _) in enumerate(CASES)
            if wanted.items() <= update.items()
        }
    return {"before": before, "after": after}


@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=[f"{'+'.join(p)}-{r.__name__}" for p, r, _, _ in CASES]
)
def test_a_changed_parameter_changes_what_it_promises(
    seen: dict[str, dict[int, object]], number: int
) -> None:
    _, _, before, after = CASES[number]
    assert before != after
    assert seen["before"][number] == before
    assert seen["after"][number] == after


def test_no_parameter_is_left_out() -> None:
    tried = {name for parameters, *_ in CASES for name in parameters}
    assert tried == set(source()["Parameters"]) - ON_THE_TEMPLATE


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"SubnetIds": "subnet-0123abcd"}, "SubnetIds need SecurityGroupIds"),
        ({"PrivateBucketEndpoint": "true"}, "give SubnetIds"),
        ({"SecurityGroupIds": "sg-0123abcd"}, "give SubnetIds"),
        (
            NETWORK | {"BucketVpcEndpointIds": "vpce-0123abcd", "ExistingBucketName": "theirs"},
            "cannot be combined with ExistingBucketName",
        ),
        (
            {"SubnetIds": "vpc-1,subnet-1", "SecurityGroupIds": "sg-0123abcd"},
            "subnet-0123abcd,subnet-4567cdef",
        ),
        (NETWORK | {"BucketVpcEndpointIds": ",vpce-0123abcd"}, "BucketVpcEndpointIds has a comma too many"),
        (NETWORK | {"SubnetIds": ",subnet-0123abcd"}, "SubnetIds has a comma too many"),
        ({"ReviewerRoleArns": ",arn:aws:iam::123456789012:role/r"}, "ReviewerRoleArns has a comma too many"),
        ({"UploadApiOrigins": "https://a.example,"}, "UploadApiOrigins has a comma too many"),
        ({"Detector": "http://detector.example.com"}, "http only on loopback"),
        ({"DetectorApiKeySecretArn": "sk-0123456789"}, "never here"),
        ({"Routes": "emo/"}, "must be empty or JSON like"),
        (
            {"Routes": '[{"prefix": "' + 2000 * "x" + '", "screenings": [{"model": "m"}]}]'},
            "2,000 characters at most",
        ),
        ({"Profiles": "my.toml, hallo"}, "must be empty or names like"),
        ({"MaximumConcurrency": "1"}, "from 2 to 1000"),
        ({"BackfillConcurrency": "1001"}, "from 2 to 1000"),
        ({"RetentionDays": "0"}, "from 1 to 3650"),
        ({"NotificationEmail": "nobody"}, "one e-mail address"),
        ({"AlarmEmail": "nobody"}, "one e-mail address"),
        ({"ExistingBucketName": "s3://bucket"}, "the name (not the ARN or URL)"),
        ({"ReviewerRoleArns": "*"}, "comma-separated list of role ARNs"),
        ({"KmsKeyArn": "alias/mine"}, "not of an alias"),
        ({"BlockUnscreenedReads": "true", "ExistingBucketName": "theirs"}, "BucketPolicyToPaste"),
        ({"DetectionApi": "open"}, "DetectionApi"),
        ({"UploadApi": "open"}, "UploadApi"),
        ({"UploadApiConcurrency": "1001"}, "from 0 to 1000"),
        ({"UploadApiOrigins": "https://app.example.com/page"}, "origins without a path"),
        ({"UploadApiOrigins": "*"}, "origins without a path"),
    ],
)
def test_wrong_parameters_are_refused_with_a_sentence(
    bare_stack: LocalStack, parameters: dict[str, str], sentence: str
) -> None:
    with pytest.raises(DeploymentFailed, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        bare_stack.deploy(complete(parameters))


def test_only_rejections_reach_the_queue_of_rejections(bare_stack: LocalStack) -> None:
    bare_stack.deploy(complete({"RejectQueue": "true"}))
    sns, sqs = bare_stack.client("sns"), bare_stack.client("sqs")
    for verdict in ("pass", "error", "reject"):
        sns.publish(
            TopicArn=bare_stack.outputs["FailureTopicArn"],
            Message=json.dumps({"verdict": verdict}),
            MessageAttributes={"verdict": {"DataType": "String", "StringValue": verdict}},
        )
    got: list[dict[str, str]] = []
    until = time.monotonic() + 20
    while not got and time.monotonic() < until:
        answer = sqs.receive_message(
            QueueUrl=bare_stack.outputs["RejectedQueueUrl"], WaitTimeSeconds=1, MaxNumberOfMessages=10
        )
        got += [json.loads(message["Body"]) for message in answer.get("Messages", [])]
    assert got == [{"verdict": "reject"}]
