"""The template as data: what a reviewer would look for, asserted on what CloudFormation gets."""

from __future__ import annotations

import dataclasses
import fnmatch
import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from template.cloudformation import (
    EVERYTHING,
    EXISTING_BUCKET,
    REPOSITORY,
    as_list,
    effective,
    packaged,
    resources,
    source,
    statements,
)

from screentest.screening import records
from screentest.screening.backfill import is_overdue_check
from screentest.screening.choices import offered
from screentest.screening.routes import Routes
from screentest.screening.settings import Settings
from screentest.screening.uploads import FOLDER

VARIANTS = {"default": {}, "everything": EVERYTHING, "existing bucket": EXISTING_BUCKET}
DESIGNED_OUTPUTS = {
    "UploadBucketName",
    "VerdictTableName",
    "FailureTopicArn",
    "AlarmTopicArn",
    "ScreenFunctionName",
    "ScreenQueueUrl",
    "DeadLetterQueueUrl",
}
DESIGNED_PARAMETERS = {
    "Detector",
    "DetectorApiKeySecretArn",
    "Routes",
    "AllowObjectRoutes",
    "NotifyOn",
    "NotificationEmail",
    "AlarmEmail",
    "ExistingBucketName",
    "BlockUnscreenedReads",
    "ReviewerRoleArns",
    "DetectionApi",
    "MaximumConcurrency",
    "KmsKeyArn",
    "LogRetentionDays",
    "RetentionDays",
}


@pytest.fixture(params=list(VARIANTS.values()), ids=list(VARIANTS))
def template(request: pytest.FixtureRequest) -> dict[str, Any]:
    return effective(request.param)


def test_parameters_and_outputs_are_the_designed_ones() -> None:
    template = source()
    assert set(template["Parameters"]) >= DESIGNED_PARAMETERS
    assert set(template["Outputs"]) >= DESIGNED_OUTPUTS
    for name in DESIGNED_OUTPUTS:
        assert "Condition" not in template["Outputs"][name]


def test_every_parameter_has_a_default_a_description_and_says_what_is_wrong() -> None:
    for name, parameter in source()["Parameters"].items():
        assert "Default" in parameter, name
        assert len(parameter["Description"]) > 20, name
        checked = {"AllowedPattern", "MinValue", "MaxValue"} & set(parameter)
        assert not checked or parameter.get("ConstraintDescription", "").startswith("must be"), name
        assert checked or "AllowedValues" in parameter, f"{name} takes anything"
        if "AllowedPattern" in parameter:
            values = str(parameter["Default"]).split(",")
            assert all(re.fullmatch(parameter["AllowedPattern"], value) for value in values), name


def test_every_parameter_stands_in_a_group_of_the_guided_form() -> None:
    template = source()
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(itertools.chain(*(group["Parameters"] for group in groups))) == sorted(
        template["Parameters"]
    )


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (
            "Detector",
            [
                "self-hosted",
                "https://dashscope.aliyuncs.com",
                "https://llm-4x2.cn-beijing.maas.aliyuncs.com/api/v1/services/aigc/image2video/face-detect",
                "https://h:8443/base",
                "http://127.0.0.1:8000",
            ],
            [
                "",
                "http://example.com",
                "ftp://x",
                "https://u:p@host",
                "https://h/?q=1",
                "http://127.0.0.1.example.com",
            ],
        ),
        (
            "Routes",
            [
                "",
                '[{"prefix": "a/", "screenings": [{"model": "emo-detect-v1", "ratio": "3:4"}]}]',
                '[{"screenings": [{"model": "x"}, {"ratio": "1:1", "model": "y"}], "suffix": ".JPG", "prefix": ""}, '
                '{"prefix": "q\\"/", "screenings": [{"model": "z"}]}]',
            ],
            [
                "{}",
                "[",
                "[]",
                "emo/",
                '[{"prefix": "a", "screenings": []}]',
                '[{"prefix": "a" "suffix": "b"}]',
                '[{"prefix": "a",}]',
                '[{"prefix": "a", "screenings": [{"model": "m", "ratio": "2:3"}]}]',
                json.dumps(40 * [{"prefix": "a", "screenings": [{"model": "m"}]}], indent=9)[:-9],
                '[{"prefix": 1}]',
                '[{"prefix": "a", "models": []}]',
                "[{'prefix': 'a'}]",
            ],
        ),
        ("DetectorApiKeySecretArn", [EVERYTHING["DetectorApiKeySecretArn"]], ["sk-123", "arn:aws:s3:::x"]),
        (
            "KmsKeyArn",
            [EVERYTHING["KmsKeyArn"]],
            ["alias/aws/s3", "0123", "arn:aws:kms:us-east-1:123456789012:alias/x"],
        ),
        ("NotificationEmail", ["a@b.example"], ["a", "a@b", "a b@c.example"]),
        ("AlarmEmail", ["a@b.example"], ["a", "a@b", "a b@c.example"]),
        ("ExistingBucketName", ["my-bucket.example"], ["s3://bucket", "Bucket", "a", "arn:aws:s3:::bucket"]),
        (
            "ReviewerRoleArns",
            ["arn:aws-cn:iam::123456789012:role/path/name"],
            ["*", "arn:aws:iam::123456789012:user/x"],
        ),
    ],
)
def test_patterns_tell_good_values_from_bad(parameter: str, good: list[str], bad: list[str]) -> None:
    pattern = source()["Parameters"][parameter]["AllowedPattern"]
    assert [value for value in good if not re.fullmatch(pattern, value)] == []
    assert [value for value in bad if re.fullmatch(pattern, value)] == []


_text = st.text(max_size=12)
_screening = st.fixed_dictionaries(
    {"model": st.from_regex(r"\A[A-Za-z0-9._-]{1,64}\Z")}, optional={"ratio": st.sampled_from(["1:1", "3:4"])}
)
_rule = st.fixed_dictionaries(
    {"prefix": _text, "screenings": st.lists(_screening, min_size=1, max_size=3)}, optional={"suffix": _text}
)


@given(st.lists(_rule, min_size=1, max_size=3), st.sampled_from([None, 1, 4]), st.booleans())
def test_whatever_routes_the_functions_take_the_template_takes(
    rules: list[Any], indent: int | None, ascii_: bool
) -> None:
    value = json.dumps(rules, indent=indent, ensure_ascii=ascii_)
    Routes.parse(value)
    assert re.fullmatch(source()["Parameters"]["Routes"]["AllowedPattern"], value)


def test_partition_is_never_spelled_out() -> None:
    template = source()
    for section in ("Resources", "Outputs", "Conditions"):
        assert not re.search(r"arn:aws[:-]", json.dumps(template[section])), section


def test_times_outlive_what_they_wait_for() -> None:
    template = effective()
    functions, queues = resources(template, "AWS::Lambda::Function"), resources(template, "AWS::SQS::Queue")
    for function, queue in (("ScreenFunction", "ScreenQueue"), ("BackfillFunction", "BackfillQueue")):
        assert functions[function]["Timeout"] == 60
        assert queues[queue]["VisibilityTimeout"] >= 6 * functions[function]["Timeout"]
        environment = functions[function]["Environment"]["Variables"]
        assert (
            int(environment["MAX_RECEIVE_COUNT"]) == queues[queue]["RedrivePolicy"]["maxReceiveCount"] == 20
        )
        dead = queues[queue]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        assert queues[dead]["MessageRetentionPeriod"] >= queues[queue]["MessageRetentionPeriod"]
        assert environment["DEAD_LETTER_QUEUE_URL"] == {"Ref": dead}
        assert environment["SCREEN_QUEUE_URL"] == {"Ref": queue}
    assert (
        queues["DeadLetterQueue"]["MessageRetentionPeriod"] > queues["ScreenQueue"]["MessageRetentionPeriod"]
    )


def test_the_functions_understand_their_environment(template: dict[str, Any]) -> None:
    for name in ("ScreenFunction", "BackfillFunction"):
        variables = template["Resources"][name]["Properties"]["Environment"]["Variables"]
        told = {
            key: value if isinstance(value, str) else "arn:aws:sns:r:a:x" for key, value in variables.items()
        }
        settings = Settings.read(told)
        known = {field.name.upper() for field in dataclasses.fields(Settings)}
        libraries = ("POWERTOOLS_", "PYDANTIC_", "OPENBLAS_")
        assert {key for key in told if not key.startswith(libraries)} <= known
        assert settings.detector == variables["DETECTOR"]


def test_failed_messages_of_a_batch_come_back_alone(template: dict[str, Any]) -> None:
    sources = resources(template, "AWS::Lambda::EventSourceMapping")
    assert set(sources) == {"ScreenFunctionUploads", "BackfillFunctionListed"}
    for mapping in sources.values():
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert 2 <= int(mapping["ScalingConfig"]["MaximumConcurrency"]) <= 1000
        assert "Qualifier" not in json.dumps(mapping)


NETWORK = {name: EVERYTHING[name] for name in ("SubnetIds", "SecurityGroupIds", "PrivateBucketEndpoint")}


def test_in_a_vpc_every_function_is_there_and_only_lambda_makes_its_interfaces() -> None:
    apis = {"DetectionApi": "key", "UploadApi": "key"}
    for name, function in resources(effective(apis), "AWS::Lambda::Function").items():
        assert "VpcConfig" not in function, name
    template = effective(NETWORK | apis)
    functions = resources(template, "AWS::Lambda::Function")
    assert len(functions) == 4
    for function in functions.values():
        assert function["VpcConfig"] == {
            "SubnetIds": ["subnet-0123abcd", "subnet-4567cdef"],
            "SecurityGroupIds": ["sg-0123abcd"],
        }
        role = template["Resources"][function["Role"]["Fn::GetAtt"][0]]["Properties"]
        (policy,) = (each for each in role["Policies"] if each["PolicyName"] == "interfaces")
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert all(action.startswith("ec2:") for action in statement["Action"])
        assert statement["Condition"] == {"Null": {"lambda:SourceFunctionArn": "true"}}


@pytest.mark.parametrize(
    ("parameters", "bucket"),
    [({}, {"Ref": "UploadBucket"}), ({"ExistingBucketName": "pictures-of-ours"}, "pictures-of-ours")],
)
def test_the_detector_is_told_the_one_host_that_may_be_private(
    parameters: dict[str, str], bucket: object
) -> None:
    for name in ("ScreenFunction", "BackfillFunction"):
        for network, told in ((NETWORK, True), ({}, False)):
            template = effective(parameters | network)
            host = template["Resources"][name]["Properties"]["Environment"]["Variables"][
                "PRIVATE_BUCKET_HOST"
            ]
            assert host == (
                {"Fn::Sub": ["${Bucket}.s3.${AWS::Region}.${AWS::URLSuffix}", {"Bucket": bucket}]}
                if told
                else ""
            )


def test_only_through_its_endpoints_is_a_bucket_read_and_written() -> None:
    def statements(parameters: dict[str, str]) -> list[dict[str, Any]]:
        policy = effective(parameters)["Resources"]["UploadBucketPolicy"]["Properties"]["PolicyDocument"]
        return [each for each in policy["Statement"] if each["Sid"] == "OnlyThroughTheseEndpoints"]

    assert statements({}) == []
    (statement,) = statements(NETWORK | {"BucketVpcEndpointIds": "vpce-0123abcd,vpce-4567cdef"})
    assert statement["Effect"] == "Deny"
    assert set(statement["Action"]) == {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"}
    assert statement["Condition"]["StringNotEquals"] == {"aws:SourceVpce": ["vpce-0123abcd", "vpce-4567cdef"]}


def test_the_key_of_the_detectors_secret_may_be_another() -> None:
    template = effective({"DetectorKeyKmsKeyArn": EVERYTHING["DetectorKeyKmsKeyArn"]})
    for name in ("ScreenFunctionRole", "BackfillFunctionRole"):
        policies = {p["PolicyName"]: p for p in template["Resources"][name]["Properties"]["Policies"]}
        (statement,) = policies["detector-key-kms"]["PolicyDocument"]["Statement"]
        assert (statement["Action"], statement["Resource"]) == (
            "kms:Decrypt",
            EVERYTHING["DetectorKeyKmsKeyArn"],
        )
        assert "customer-key" not in policies


def test_only_the_api_has_an_alias_and_a_snapshot() -> None:
    template = effective({"DetectionApi": "key"})
    assert set(resources(template, "AWS::Lambda::Alias")) == {"ApiFunctionAliaslive"}
    functions = resources(template, "AWS::Lambda::Function")
    assert {name for name, body in functions.items() if "SnapStart" in body} == {"ApiFunction"}
    (version,) = resources(template, "AWS::Lambda::Version").values()
    assert "DetectionApi" in json.dumps(version["Description"])


def test_an_upgrade_of_the_layers_alone_publishes_a_version_of_the_detection_api() -> None:
    """A version is replaced where its description changes, and with it what `live` points at."""

    def description(layers: str) -> tuple[str, Any]:
        ((name, version),) = resources(packaged(layers), "AWS::Lambda::Version").items()
        return name, version["Description"]

    before, after = description("one.zip"), description("two.zip")
    assert before != after
    layers = {"Screening", "Detection"}
    assert layers <= set(before[1]["Fn::Sub"][1])
    for layer in layers:
        assert before[1]["Fn::Sub"][1][layer] != after[1]["Fn::Sub"][1][layer]


def test_functions_run_where_the_artefacts_are_built_for(template: dict[str, Any]) -> None:
    for function in resources(template, "AWS::Lambda::Function").values():
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == ["x86_64"]
        assert function["Handler"] == "app.handler"


def test_only_the_self_hosted_detector_brings_its_layer_and_a_whole_processor() -> None:
    for detector, memory, layers in (("self-hosted", 1769, 2), ("https://detector.example.com", 512, 1)):
        functions = resources(effective({"Detector": detector}), "AWS::Lambda::Function")
        for name in ("ScreenFunction", "BackfillFunction"):
            assert functions[name]["MemorySize"] == memory
            assert len(functions[name]["Layers"]) == layers
    remote = resources(effective({"Detector": "https://detector.example.com"}), "AWS::Lambda::LayerVersion")
    assert not [name for name in remote if name.startswith("DetectionLayer")]


def test_pictures_are_kept_private_encrypted_and_versioned() -> None:
    for parameters, algorithm in (({}, "AES256"), (EVERYTHING, "aws:kms")):
        (bucket,) = resources(effective(parameters), "AWS::S3::Bucket").values()
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == algorithm
        assert all(bucket["PublicAccessBlockConfiguration"].values())
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
        assert rules["OldVersions"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30


def test_everything_at_rest_is_encrypted(template: dict[str, Any]) -> None:
    for name, queue in resources(template, "AWS::SQS::Queue").items():
        assert queue["SqsManagedSseEnabled"] is True, name
    topics = resources(template, "AWS::SNS::Topic")
    assert topics["FailureTopic"]["KmsMasterKeyId"] in ("alias/aws/sns", EVERYTHING["KmsKeyArn"])
    # Whose encryption would need the key policy's leave for CloudWatch; no alarm names a picture.
    assert "KmsMasterKeyId" not in topics["AlarmTopic"]


def test_a_key_of_the_customers_is_used_and_allowed_where_it_is_used() -> None:
    template, key = effective(EVERYTHING), EVERYTHING["KmsKeyArn"]
    assert template["Resources"]["VerdictTable"]["Properties"]["SSESpecification"]["KMSMasterKeyId"] == key
    assert template["Resources"]["FailureTopic"]["Properties"]["KmsMasterKeyId"] == key
    for name, role in resources(template, "AWS::IAM::Role").items():
        policies = [policy["PolicyName"] for policy in role["Policies"]]
        assert "customer-key" in policies, name


def test_only_tls_reaches_bucket_queues_and_topics(template: dict[str, Any]) -> None:
    secured = {name for name, statement in statements(template) if statement["Sid"] == "OnlyOverTls"}
    guarded = {"AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"}
    wanted = {name for name, body in template["Resources"].items() if body["Type"] in guarded}
    assert secured == wanted
    queues = set(resources(template, "AWS::SQS::Queue"))
    covered = {
        queue["Ref"]
        for policy in resources(template, "AWS::SQS::QueuePolicy").values()
        for queue in policy["Queues"]
    }
    assert covered == queues
    for _, statement in statements(template):
        if statement["Sid"] == "OnlyOverTls":
            assert statement["Effect"] == "Deny"
            assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}, "no exception on AWS"


def test_nothing_is_kept_for_ever_and_nothing_of_worth_is_lost(template: dict[str, Any]) -> None:
    for name, group in resources(template, "AWS::Logs::LogGroup").items():
        assert int(group["RetentionInDays"]) == 30, name
    for function in resources(template, "AWS::Lambda::Function").values():
        assert function["LoggingConfig"]["LogGroup"]["Ref"].endswith("LogGroup")
    table = template["Resources"]["VerdictTable"]
    assert table["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    for kind in ("AWS::DynamoDB::Table", "AWS::S3::Bucket"):
        for name in resources(template, kind):
            assert template["Resources"][name]["DeletionPolicy"] == "Retain"
            assert template["Resources"][name]["UpdateReplacePolicy"] == "Retain"


def test_the_table_has_the_designed_keys_and_indexes() -> None:
    table = effective()["Resources"]["VerdictTable"]["Properties"]
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["object", "screening"]
    indexes = {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
        for index in table["GlobalSecondaryIndexes"]
    }
    assert indexes == {
        records.INDEX: ["verdict", "screened_at"],
        records.PENDING_INDEX: ["object", "lease_until"],
    }
    (pending,) = (
        each for each in table["GlobalSecondaryIndexes"] if each["IndexName"] == records.PENDING_INDEX
    )
    assert pending["Projection"]["NonKeyAttributes"] == list(records.PENDING_ATTRIBUTES)


def test_what_is_overdue_is_looked_for_and_the_alarm_hears_of_each_look() -> None:
    template = effective()
    queues = resources(template, "AWS::SQS::Queue")
    assert queues["ScreenQueue"]["MessageRetentionPeriod"] == records.UPLOAD_LIFE
    assert queues["BackfillQueue"]["MessageRetentionPeriod"] == records.BACKFILL_LIFE
    (rule,) = resources(template, "AWS::Events::Rule").values()
    (target,) = rule["Targets"]
    assert target["Arn"]["Fn::GetAtt"][0] == "BackfillFunction"
    assert is_overdue_check(json.loads(target["Input"]))
    every = re.fullmatch(r"rate\((\d+) hours\)", rule["ScheduleExpression"])
    assert every
    alarm = resources(template, "AWS::CloudWatch::Alarm")["OverdueAlarm"]
    assert alarm["Period"] == int(every[1]) * 3600
    assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (2, 1), "one look may come late"
    assert (alarm["Namespace"], alarm["MetricName"]) == ("Screentest", "Overdue")


def test_no_role_has_a_wildcard(template: dict[str, Any]) -> None:
    for name, role in resources(template, "AWS::IAM::Role").items():
        assert "ManagedPolicyArns" not in role, (
            f"{name}: AWS's managed policies are written for every resource"
        )
        for policy in role["Policies"]:
            if policy["PolicyName"] == "interfaces":  # AWS's own; see the next test
                continue
            for statement in policy["PolicyDocument"]["Statement"]:
                assert statement["Effect"] == "Allow"
                for action in as_list(statement["Action"]):
                    assert "*" not in action or action == "sqs:DeleteMessage*", (name, action)
                for resource in as_list(statement["Resource"]):
                    text = resource if isinstance(resource, str) else json.dumps(resource)
                    assert resource != "*", (name, statement["Sid"])
                    # The one wildcard there may be: the objects of one bucket.
                    if "*" in text:
                        assert re.search(
                            r"(UploadBucket\.Arn\}|ExistingBucketName\}|pictures-of-ours)/[a-z/-]*\*", text
                        ), (
                            name,
                            text,
                        )


def test_every_role_keeps_to_the_organisation_s_boundary_and_path() -> None:
    wanted = {"PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/b", "RolePath": "/teams/"}
    for name, role in resources(effective(EVERYTHING | wanted), "AWS::IAM::Role").items():
        assert role["PermissionsBoundary"] == wanted["PermissionsBoundaryArn"], name
        assert role["Path"] == wanted["RolePath"], name
    assert not any(
        "PermissionsBoundary" in role for role in resources(effective(), "AWS::IAM::Role").values()
    )


def test_roles_are_assumed_by_the_service_they_are_for(template: dict[str, Any]) -> None:
    wanted = {
        "ScreenFunctionRole": "lambda.amazonaws.com",
        "BackfillFunctionRole": "lambda.amazonaws.com",
        "ApiFunctionRole": "lambda.amazonaws.com",
        "UploadFunctionRole": "lambda.amazonaws.com",
        "BatchOperationsRole": "batchoperations.s3.amazonaws.com",
        "VerdictPipeRole": "pipes.amazonaws.com",
    }
    for name, role in resources(template, "AWS::IAM::Role").items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": wanted[name]}


def test_nobody_is_let_in_unconditionally(template: dict[str, Any]) -> None:
    """Every allowing statement of a resource's policy names a role, or a service and where it may call from."""
    for name, statement in statements(template):
        if statement["Effect"] == "Allow" and "Principal" in statement:
            principal = statement["Principal"]
            assert principal != "*", name
            if "Service" in principal:
                keys = {key for operator in statement["Condition"].values() for key in operator}
                assert keys & {"aws:SourceArn", "aws:SourceAccount"}, name


def test_only_the_key_mode_of_the_api_is_public() -> None:
    for mode, auth, permissions in (("iam", "AWS_IAM", 0), ("key", "NONE", 2)):
        template = effective({"DetectionApi": mode})
        (url,) = resources(template, "AWS::Lambda::Url").values()
        assert url["AuthType"] == auth
        public = [
            body
            for body in resources(template, "AWS::Lambda::Permission").values()
            if body["Principal"] == "*"
        ]
        assert len(public) == permissions
        variables = template["Resources"]["ApiFunction"]["Properties"]["Environment"]["Variables"]
        assert variables["DETECTION_API"] == mode
        assert bool(variables["DETECTION_API_KEY_SECRET_ARN"]) is (mode == "key")
    for permission in public:
        # A function URL needs both; neither opens the function to anything but its URL.
        guard = {
            "lambda:InvokeFunctionUrl": "FunctionUrlAuthType",
            "lambda:InvokeFunction": "InvokedViaFunctionUrl",
        }
        assert guard[permission["Action"]] in permission
    off = effective()
    assert not resources(off, "AWS::Lambda::Url")
    assert "ApiFunction" not in off["Resources"]


def test_browsers_are_let_in_where_that_is_asked_for_and_from_the_named_origins_alone() -> None:
    off = effective()
    assert not any(name.startswith("UploadApi") for name in (*off["Resources"], *off["Outputs"]))
    assert "CorsConfiguration" not in off["Resources"]["UploadBucket"]["Properties"]
    origins = ["https://app.example.com", "http://localhost:5173"]
    on = effective({"UploadApi": "key", "UploadApiOrigins": ",".join(origins)})
    function = on["Resources"]["UploadFunction"]["Properties"]
    assert len(function["Layers"]) == 1, "the detectors are not there"
    assert "ReservedConcurrentExecutions" not in function
    bounded = effective({"UploadApi": "key", "UploadApiConcurrency": "5"})["Resources"]["UploadFunction"]
    assert bounded["Properties"]["ReservedConcurrentExecutions"] == "5"
    assert on["Resources"]["UploadApiAddress"]["Properties"]["Cors"]["AllowOrigins"] == origins
    (rule,) = on["Resources"]["UploadBucket"]["Properties"]["CorsConfiguration"]["CorsRules"]
    assert (rule["AllowedOrigins"], rule["AllowedMethods"]) == (origins, ["POST"])
    public = [b for b in resources(on, "AWS::Lambda::Permission").values() if b["Principal"] == "*"]
    assert {b.get("FunctionUrlAuthType", b.get("InvokedViaFunctionUrl")) for b in public} == {"NONE", True}
    assert "Cors" not in effective({"UploadApi": "key"})["Resources"]["UploadApiAddress"]["Properties"]


@pytest.mark.parametrize("bucket", [{}, {"ExistingBucketName": "pictures-of-ours"}])
def test_a_form_can_put_pictures_into_the_folder_of_uploads_alone(bucket: dict[str, str]) -> None:
    template = effective({"UploadApi": "key", **bucket})
    (found,) = [s["Resource"] for _, s in statements(template) if s["Sid"] == "SignForms"]
    assert found["Fn::Sub"].endswith("/*uploads/*")
    for choice in offered(Routes.DEFAULT, FOLDER):
        assert fnmatch.fnmatchcase(choice.key(FOLDER, "picture.jpg"), "*uploads/*")


def test_no_secret_travels_in_the_environment(template: dict[str, Any]) -> None:
    for function in resources(template, "AWS::Lambda::Function").values():
        for name, value in function["Environment"]["Variables"].items():
            if re.search("KEY|SECRET|TOKEN|PASSWORD", name):
                assert name.endswith("_ARN")
                assert value == "" or "arn:aws:secretsmanager" in str(value) or "Fn::GetAtt" in value


def test_the_key_is_readable_only_where_there_is_one() -> None:
    def readers(parameters: dict[str, str]) -> set[str]:
        return {
            name
            for name, statement in statements(effective(parameters))
            if statement["Sid"] == "ReadDetectorKey"
        }

    assert readers({}) == set()
    assert readers(EVERYTHING) == {"ScreenFunctionRole", "BackfillFunctionRole"}


def test_every_alarm_tells_somebody_and_says_what_to_do(template: dict[str, Any]) -> None:
    alarms = resources(template, "AWS::CloudWatch::Alarm")
    assert {"DeadLettersAlarm", "OldestUploadAlarm", "ScreenErrorsAlarm", "NothingScreenedAlarm"} <= set(
        alarms
    )
    for name, alarm in alarms.items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}], name
        assert re.search(r"Runbook: docs/operations\.md#[a-z-]+\.", alarm["AlarmDescription"]), name
        assert alarm["TreatMissingData"] == "notBreaching", name


@pytest.mark.parametrize(
    ("rule", "conditions"),
    [
        ("VerdictEventsNeedPipes", ["RegionWithoutPipes"]),
        ("UploadApiNeedsFunctionUrls", ["RegionWithoutFunctionUrls", "PartitionWithoutFunctionUrls"]),
        ("DetectionApiNeedsFunctionUrls", ["RegionWithoutFunctionUrls", "PartitionWithoutFunctionUrls"]),
    ],
)
def test_what_a_region_lacks_is_refused_in_words_and_never_created(rule: str, conditions: list[str]) -> None:
    """The rule speaks before anything is made; the conditions keep the lint of every region honest."""
    template = source()
    ((assertion,),) = (template["Rules"][rule]["Assertions"],)
    refused = assertion["Assert"]["Fn::Not"][0]["Fn::Contains"][0]
    left_out = [
        equals["Fn::Equals"][1] for name in conditions for equals in template["Conditions"][name]["Fn::Or"]
    ]
    assert refused == left_out
    assert "deploy with" in assertion["AssertDescription"]


def test_every_queue_and_function_is_watched() -> None:
    template = effective(EVERYTHING)
    watched = json.dumps(resources(template, "AWS::CloudWatch::Alarm"))
    for name in (
        *resources(template, "AWS::Lambda::Function"),
        "DeadLetterQueue",
        "BackfillDeadLetterQueue",
        "ScreenQueue",
    ):
        assert f'"{name}"' in watched, name


def test_the_dashboard_is_well_formed() -> None:
    body = effective()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    widgets = json.loads(re.sub(r"\$\{[A-Za-z:.]+\}", "x", body))["widgets"]
    assert {widget["type"] for widget in widgets} == {"text", "metric"}
    places = [(widget["x"], widget["y"]) for widget in widgets]
    assert len(set(places)) == len(places)


def test_a_verdict_becomes_one_event() -> None:
    """Exactly the write that ends a claim passes the filter: the lease goes and the verdict stands."""
    pipe = effective()["Resources"]["VerdictPipe"]["Properties"]
    (chosen,) = pipe["SourceParameters"]["FilterCriteria"]["Filters"]
    pattern = json.loads(chosen["Pattern"])["dynamodb"]

    def matches(old: dict[str, Any], new: dict[str, Any]) -> bool:
        images = {"OldImage": old, "NewImage": new}
        return all(
            (kind in images[image].get(name, {})) is rule[0]["exists"]
            for image, names in pattern.items()
            for name, kinds in names.items()
            for kind, rule in kinds.items()
        )

    lease, verdict = {"lease_until": {"N": "1"}}, {"verdict": {"S": "pass"}}
    assert matches(lease, verdict)
    assert matches({**lease, **verdict}, verdict)
    assert not matches({}, lease), "a claim"
    assert not matches(verdict, {**lease, **verdict}), "a claim over an earlier verdict"
    assert not matches(lease, lease), "a claim taken over or given back"
    assert not matches(verdict, verdict), "the note of when the topic was told"


def test_an_existing_bucket_is_not_touched() -> None:
    template = effective(EXISTING_BUCKET)
    assert not resources(template, "AWS::S3::Bucket")
    assert not resources(template, "AWS::S3::BucketPolicy")
    assert resources(template, "AWS::Events::Rule")["ExistingBucketRule"]["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["pictures-of-ours"]}},
    }
    assert template["Outputs"]["UploadBucketName"]["Value"] == "pictures-of-ours"
    assert "BucketPolicyToPaste" in template["Outputs"]
    assert "BucketPolicyToPaste" not in effective()["Outputs"]


def test_the_statements_to_paste_are_those_of_an_own_bucket() -> None:
    output = effective(EXISTING_BUCKET)["Outputs"]["BucketPolicyToPaste"]["Value"]["Fn::Sub"]
    text = re.sub(r"\$\{(Gated|Reviewers)\}", lambda found: '"x"' if found[1] == "Gated" else "", output[0])
    pasted = {statement["Sid"]: statement for statement in json.loads(text)}
    own = {
        statement["Sid"]: statement
        for name, statement in statements(effective({"BlockUnscreenedReads": "true"}))
        if name == "UploadBucketPolicy" and statement["Sid"] != "OnlyOverTls"
    }
    assert set(pasted) == set(own)
    for sid, statement in own.items():
        assert as_list(pasted[sid]["Action"]) == as_list(statement["Action"])
        assert set(pasted[sid].get("Condition", {})) == set(statement.get("Condition", {}))


def test_the_gate_lets_our_roles_and_the_reviewers_through_and_nobody_else() -> None:
    template = effective(
        {"BlockUnscreenedReads": "true", "ReviewerRoleArns": "arn:aws:iam::123456789012:role/reviewer"}
    )
    gate = {s["Sid"]: s for name, s in statements(template) if name == "UploadBucketPolicy"}
    reads = gate["OnlyReviewersReadWhatHasNotPassed"]
    assert reads["Effect"] == "Deny"
    assert reads["Principal"] == "*"
    # A missing tag is not equal to anything, so what is not screened yet is denied as well.
    assert reads["Condition"]["StringNotEquals"] == {"s3:ExistingObjectTag/screentest": "pass"}
    assert len(reads["Resource"]) == 6
    through = json.dumps(reads["Condition"]["ArnNotLike"])
    for role in ("ScreenFunctionRole", "BackfillFunctionRole", "BatchOperationsRole", "role/reviewer"):
        assert role in through
    assert gate["NobodyReplicatesGatesIn"]["Effect"] == "Deny"
    assert "Condition" not in gate["NobodyReplicatesGatesIn"]
    for sid in ("OnlyTheFunctionsWriteGateTags", "OnlyTheFunctionsTakeGateTagsAway", "NobodyCopiesGatesIn"):
        assert gate[sid]["Effect"] == "Deny"
        assert "reviewer" not in json.dumps(gate[sid])
    assert gate["OnlyTheFunctionsWriteGateTags"]["Condition"]["ForAnyValue:StringLike"] == {
        "s3:RequestObjectTagKeys": "screentest*"
    }


@pytest.mark.parametrize(
    "own_routes",
    [{"Routes": '[{"prefix": "x/", "screenings": [{"model": "m"}]}]'}, {"AllowObjectRoutes": "true"}],
)
def test_the_gate_covers_the_whole_bucket_where_routed_prefixes_are_not_known(
    own_routes: dict[str, str],
) -> None:
    template = effective({"BlockUnscreenedReads": "true", **own_routes})
    (reads,) = [s for _, s in statements(template) if s["Sid"] == "OnlyReviewersReadWhatHasNotPassed"]
    assert reads["Resource"] == [{"Fn::Sub": "${UploadBucket.Arn}/*"}]


def test_default_routes_and_gated_prefixes_are_the_same() -> None:
    template = effective({"BlockUnscreenedReads": "true"})
    (reads,) = [s for _, s in statements(template) if s["Sid"] == "OnlyReviewersReadWhatHasNotPassed"]
    gated = {
        resource["Fn::Sub"].removeprefix("${UploadBucket.Arn}/").removesuffix("*")
        for resource in reads["Resource"]
    }
    assert gated == {route.prefix for route in Routes.DEFAULT.rules}


def test_every_runbook_anchor_is_written() -> None:
    book = REPOSITORY / "docs" / "operations.md"
    text = book.read_text()
    for name, alarm in resources(effective(EVERYTHING), "AWS::CloudWatch::Alarm").items():
        (anchor,) = re.findall(r"docs/operations\.md#([a-z-]+)", alarm["AlarmDescription"])
        headings = {
            re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
            for line in text.splitlines()
            if line.startswith("#")
        }
        assert anchor in headings or f'id="{anchor}"' in text, name


def test_the_description_of_the_api_s_version_fits_whatever_is_told_in_it() -> None:
    """Lambda takes 256 characters."""
    text, told = source()["Resources"]["ApiFunction"]["Properties"]["VersionDescription"]["Fn::Sub"]
    # Of the key's ARN the name alone: CloudFormation adds 12 characters to the logical id, Secrets Manager 7 more.
    assert told["Key"]["Fn::If"][1]["Fn::Select"][0] == 6
    longest = {
        "Screening": "99999",
        "Detection": "99999",
        "DetectionApi": "key",
        "Key": f"DetectionApiKey-{'x' * 12}-{'x' * 6}",
        "KmsKeyArn": f"arn:aws-us-gov:kms:ap-southeast-1:123456789012:key/mrk-{'0' * 32}",
        "Profiles": "p" * source()["Parameters"]["Profiles"]["MaxLength"],
    }
    assert set(re.findall(r"\${(\w+)}", text)) == longest.keys()
    assert len(re.sub(r"\${(\w+)}", lambda name: longest[name[1]], text)) <= 256
