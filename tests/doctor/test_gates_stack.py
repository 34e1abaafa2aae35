"""`doctor --gates` on the local stack: forged, wiped and changed tags are found, and written anew by the function."""

from __future__ import annotations

import io
import json
import time
import uuid
from typing import Any

import pytest
from PIL import Image
from support.waiting import eventually
from typer.testing import CliRunner

from screentest.aws import Access, AwsError
from screentest.cli import app
from screentest.doctor.checks import Finding, State
from screentest.doctor.gates import GRACE, Fault, run_gates
from screentest.stack import ACCESS_KEY, REGION, SECRET_KEY, LocalStack

pytestmark = pytest.mark.stack
SECONDS = 120


def small_picture() -> bytes:
    """Too small for any detector: rejected by its header."""
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "white").save(out, "JPEG")
    return out.getvalue()


def later() -> float:
    return time.time() + GRACE + 60


@pytest.fixture
def access(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Access:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    return Access(region=REGION, endpoint_url=stack.endpoint_url)


class Corner:
    """A prefix of one's own, with screened pictures in it."""

    def __init__(self, stack: LocalStack, names: list[str]) -> None:
        self.s3, self.bucket = stack.client("s3"), stack.outputs["UploadBucketName"]
        self.prefix = f"emo/1x1/{uuid.uuid4().hex[:8]}/"
        self.source = f"s3://{self.bucket}/{self.prefix}"
        for name in names:
            self.s3.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=small_picture())
        eventually(
            lambda: all(self.tags(name).get("screentest") for name in names), "verdicts", seconds=SECONDS
        )

    def tags(self, name: str) -> dict[str, str]:
        answer = self.s3.get_object_tagging(Bucket=self.bucket, Key=self.prefix + name)
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def set(self, name: str, tags: dict[str, str]) -> None:
        tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
        self.s3.put_object_tagging(Bucket=self.bucket, Key=self.prefix + name, Tagging={"TagSet": tag_set})


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {
        finding.detail.partition(" ")[0].rpartition("/")[2]: finding
        for finding in findings
        if finding.check == "gate"
    }


def test_forged_wiped_and_changed_gates_are_found_and_written_anew(stack: LocalStack, access: Access) -> None:
    names = ["well", "forged", "wiped", "changed", "details", "unseen"]
    corner = Corner(stack, names)
    right = {name: corner.tags(name) for name in names}
    assert right["well"]["screentest"] == "reject"
    corner.set("forged", right["forged"] | {"screentest": "pass"})
    corner.set("wiped", {"owner": "me"})
    corner.set("changed", right["changed"] | {"screentest": "error"})
    corner.set("details", {"screentest": "reject"})
    key = f"s3://{corner.bucket}/{corner.prefix}unseen"
    version = corner.s3.head_object(Bucket=corner.bucket, Key=corner.prefix + "unseen")["VersionId"]
    stack.client("dynamodb").delete_item(
        TableName=stack.outputs["VerdictTableName"],
        Key={"object": {"S": key}, "screening": {"S": f"emo-detect-v1#1x1#{version}"}},
    )
    corner.set("unseen", {"screentest": "pass"})

    *found, last = run_gates(access, corner.source, clock=later)
    faults = {name: finding.detail.split(": ")[1] for name, finding in by_name(found).items()}
    assert faults == {
        "forged": Fault.FORGED,
        "wiped": Fault.MISSING,
        "changed": Fault.DIFFERING,
        "details": Fault.DETAILS,
        "unseen": Fault.FORGED,
    }
    assert (last.check, last.state) == ("gates", State.FAILED)
    assert last.detail.startswith("6 objects looked at: 2 forged, 1 missing, 1 differing, 1 details differ")
    assert "--repair" in last.advice

    *_, last = run_gates(access, corner.source, repair=True, clock=later)
    assert last.state is State.OK, last
    assert "5 written anew" in last.detail
    for name in names:
        assert corner.tags(name) == right[name] | ({"owner": "me"} if name == "wiped" else {}), name
    (last,) = run_gates(access, corner.source, clock=later)
    assert last.detail == "6 objects looked at: all as their records say"


def test_a_sample_looks_at_so_many(stack: LocalStack, access: Access) -> None:
    corner = Corner(stack, [f"{number}" for number in range(5)])
    (last,) = run_gates(access, corner.source, sample=3, clock=later)
    assert last.detail.startswith("3 objects")


def test_the_command_says_it_in_json_and_by_its_exit_status(stack: LocalStack) -> None:
    corner = Corner(stack, ["a"])
    environment = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": stack.endpoint_url,
    }

    def doctor(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["doctor", *arguments], env=environment)

    well = doctor("--gates", corner.source, "--json")
    assert well.exit_code == 0, well.output
    assert json.loads(well.stdout) == {
        "check": "gates",
        "state": "ok",
        "detail": "1 objects looked at: all as their records say",
        "advice": "",
    }
    assert doctor("--gates", "s3://another-bucket/").exit_code == 2
    misplaced = doctor("--repair")
    assert misplaced.exit_code == 2
    assert "--gates" in misplaced.stderr


def test_without_leave_to_read_tags_nothing_is_called_well(stack: LocalStack) -> None:
    corner = Corner(stack, ["a"])
    iam, name = stack.client("iam"), f"outsider-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    actions = ["cloudformation:*", "s3:List*", "s3:GetBucketVersioning", "dynamodb:*"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="look", PolicyDocument=policy)
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    environment = {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": stack.endpoint_url,
    }
    done = CliRunner().invoke(app, ["doctor", "--gates", corner.source], env=environment)
    assert done.exit_code == 2
    assert "s3:GetObjectTagging" in done.stderr


def test_another_bucket_is_refused(access: Access) -> None:
    with pytest.raises(AwsError, match="screens the bucket"):
        list(run_gates(access, "s3://another-bucket/"))
