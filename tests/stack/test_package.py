"""The package: the same bytes each time, plain CloudFormation, and a stack that screens when it is deployed from it."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from samcli.yamlhelper import yaml_parse
from template.cloudformation import source

from screentest.demo import pictures
from screentest.detection import VERSION
from screentest.stack import (
    ACCESS_KEY,
    ARTEFACTS,
    LOCAL_PARAMETERS,
    REGION,
    REPOSITORY,
    SECRET_KEY,
    LocalAws,
    NotBuilt,
)
from screentest.stack.deployment import without_certificates
from screentest.stack.package import APPLICATION, PLAIN, SERVERLESS, Package, package, upload

BUCKET, PREFIX = "packages-of-ours", "screentest/0.1.0"
HCL = REPOSITORY / ".checkov" / "bin" / "python"
URL_LIMIT = 1_000_000  # bytes of a template that CloudFormation reads from S3


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Package:
    if not (ARTEFACTS / "template.yaml").exists():
        pytest.fail("nothing to package: run `make build HOST=1`, or the tests by `make test`")
    return package(BUCKET, PREFIX, artefacts=ARTEFACTS, target=tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as running:
        yield running


def test_what_is_not_built_cannot_be_packaged(tmp_path: Path) -> None:
    with pytest.raises(NotBuilt, match="make build"):
        package(BUCKET, artefacts=tmp_path, target=tmp_path / "package")


@pytest.mark.artefact
def test_the_same_build_gives_the_same_bytes(made: Package, tmp_path: Path) -> None:
    again = package(BUCKET, PREFIX, artefacts=ARTEFACTS, target=tmp_path)
    assert again.files == made.files
    for name in made.files:
        assert (again.folder / name).read_bytes() == (made.folder / name).read_bytes(), name


@pytest.mark.artefact
def test_the_plain_template_needs_no_transform_and_names_only_what_is_in_the_package(made: Package) -> None:
    text = (made.folder / PLAIN).read_text()
    template = json.loads(text)
    assert len(text) < URL_LIMIT
    assert "Transform" not in template
    assert "AWS::Serverless::" not in text
    assert template["Parameters"].keys() == source()["Parameters"].keys()
    keys = {
        body["Properties"][name]["S3Key"]
        for body in template["Resources"].values()
        for name in ("Code", "Content")
        if "S3Key" in body.get("Properties", {}).get(name, {})
    }
    assert keys == {f"{PREFIX}/{name}" for name in made.files if name.endswith(".zip")}


@pytest.mark.artefact
def test_the_repository_s_template_carries_its_metadata(made: Package) -> None:
    application = json.loads((made.folder / SERVERLESS).read_text())["Metadata"][APPLICATION]
    assert application["SemanticVersion"] == VERSION
    for name in ("LicenseUrl", "ReadmeUrl"):
        assert application[name].startswith(f"s3://{BUCKET}/{PREFIX}/")
        assert application[name].rpartition("/")[2] in made.files


class Repository(BaseHTTPRequestHandler):
    """Takes an application in, as the Serverless Application Repository does."""

    taken: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        answer = json.dumps(
            {"applicationId": "arn:aws:serverlessrepo:us-east-1:123456789012:applications/screentest"}
        )
        self.send_response(201 if self.path == "/applications" else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.artefact
def test_sam_publish_sends_what_the_repository_asks_for(made: Package) -> None:
    """The SAM command line itself, which checks the metadata; only the repository is not AWS's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Repository) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = os.environ | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "SAM_CLI_TELEMETRY": "0",
        }
        sam = [str(Path(sys.executable).parent / "sam"), "publish", "--region", REGION]
        command = [*sam, "--template", str(made.folder / SERVERLESS)]
        done = subprocess.run(
            command, check=False, env=environment, cwd=made.folder, capture_output=True, text=True
        )
        server.shutdown()
    assert done.returncode == 0, done.stderr
    (sent,) = Repository.taken
    assert (sent["name"], sent["semanticVersion"]) == ("screentest", VERSION)
    assert sent["licenseUrl"].startswith(f"s3://{BUCKET}/")
    assert yaml_parse(sent["templateBody"])["Parameters"].keys() == source()["Parameters"].keys()


@pytest.mark.skipif(not HCL.exists(), reason="an HCL parser comes with `make check`")
def test_the_terraform_of_the_documents_names_what_there_is() -> None:
    page = (REPOSITORY / "docs" / "deploy.md").read_text()
    (text,) = re.findall(r"```hcl\n(.*?)```", page, re.DOTALL)
    parse = "import hcl2, json, sys; print(json.dumps(hcl2.load(sys.stdin)))"
    done = subprocess.run([HCL, "-c", parse], check=True, input=text, capture_output=True, text=True)
    (resource,) = json.loads(done.stdout)["resource"]
    stack = resource["aws_cloudformation_stack"]["screentest"]
    (parameters,) = stack["parameters"]
    assert parameters.keys() <= source()["Parameters"].keys()
    assert stack["template_url"][0].endswith(f"/{PLAIN}")
    assert stack["capabilities"] == [["CAPABILITY_IAM"]]
    outputs = re.findall(r"outputs\[\"(\w+)\"\]", page)
    assert outputs
    assert set(outputs) <= source()["Outputs"].keys()


def test_the_cdk_of_the_documents_names_what_there_is() -> None:
    page = (REPOSITORY / "docs" / "deploy.md").read_text()
    (text,) = re.findall(r"```python\n(.*?CfnInclude.*?)```", page, re.DOTALL)
    (call,) = [node for node in ast.walk(ast.parse(textwrap.dedent(text))) if isinstance(node, ast.Call)]
    given = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
    assert given["parameters"].keys() <= source()["Parameters"].keys()
    assert given["template_file"].endswith(f"/{PLAIN}")


@pytest.mark.artefact
def test_a_stack_from_the_package_screens_an_upload(made: Package, aws: LocalAws) -> None:
    """By the template's address alone, without the capability that transforms ask for: as a launch-stack link does."""
    aws.client("s3").create_bucket(Bucket=BUCKET)
    upload(made, aws.client("s3"), BUCKET, PREFIX)
    template = without_certificates(json.loads((made.folder / PLAIN).read_text()))
    aws.client("s3").put_object(Bucket=BUCKET, Key=f"{PREFIX}/{PLAIN}", Body=json.dumps(template).encode())
    cloudformation = aws.client("cloudformation")
    # The local AWS keeps a number that comes from a parameter as text, which stops its poller.
    cloudformation.create_stack(
        StackName="launched",
        TemplateURL=f"{aws.endpoint_url}/{BUCKET}/{PREFIX}/{PLAIN}",
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in LOCAL_PARAMETERS.items()],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="launched", WaiterConfig={"Delay": 1})
    functions = aws.client("lambda")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": 2})
    (stack,) = cloudformation.describe_stacks(StackName="launched")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    portrait = pictures.data("waist_up")
    aws.client("s3").put_object(Bucket=outputs["UploadBucketName"], Key="emo/1x1/a.jpg", Body=portrait)
    until = time.monotonic() + 120
    verdicts: list[str] = []
    while not verdicts and time.monotonic() < until:
        items = aws.client("dynamodb").scan(TableName=outputs["VerdictTableName"])["Items"]
        verdicts = [item["verdict"]["S"] for item in items if "verdict" in item]
        time.sleep(0.5)
    assert verdicts == ["pass"]
