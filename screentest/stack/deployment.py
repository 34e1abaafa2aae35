"""`template.yaml` on a local AWS: artefacts uploaded, the built template deployed by CloudFormation as it is."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import botocore.exceptions

from screentest.stack.errors import DeploymentFailed, NotBuilt
from screentest.stack.server import REPOSITORY, LocalAws

ARTEFACTS = REPOSITORY / ".aws-sam" / "host"
ARTEFACT_BUCKET = "screentest-artefacts"
DEPLOY_SECONDS = 120
CODE_PROPERTIES = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}

Template = dict[str, Any]


def read_template(artefacts: Path = ARTEFACTS) -> Template:
    """The template that `sam build` wrote, intrinsic functions in their long form.

    Raises:
        NotBuilt: `artefacts` holds none.
    """
    from samcli.yamlhelper import yaml_parse

    file = artefacts / "template.yaml"
    if not file.is_file():
        if not (REPOSITORY / "template.yaml").is_file():
            raise NotBuilt(
                f"{REPOSITORY} is no checkout of Screentest, and that is what is deployed: clone it, then `make up`"
            )
        raise NotBuilt(f"{file} is missing: run `make build HOST=1` first")
    template: Template = json.loads(json.dumps(yaml_parse(file.read_text()), default=str))
    return template


def without_certificates(template: Template) -> Template:
    """A copy whose policies let requests from a loopback address do without TLS, which the local AWS has not got."""
    copy: Template = json.loads(json.dumps(template))
    for resource in copy["Resources"].values():
        policy = resource.get("Properties", {}).get("PolicyDocument")
        for statement in policy["Statement"] if isinstance(policy, dict) else []:
            condition = statement.get("Condition", {})
            if condition.get("Bool") == {"aws:SecureTransport": "false"}:
                condition["NotIpAddress"] = {"aws:SourceIp": ["127.0.0.0/8", "::1/128"]}
    return copy


def pack(folder: Path) -> Path:
    """A zip of `folder` beside it, made anew only when something in the folder is younger.

    Stored, not compressed: it travels over loopback, and the local AWS unpacks it at every cold start.

    Raises:
        NotBuilt: there is no such folder.
    """
    if not folder.is_dir():
        raise NotBuilt(f"{folder} is missing: run `make build HOST=1`, and deploy when it has finished")
    archive = folder.with_suffix(".zip")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    newest = max((path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))), default=0)
    if archive.exists() and archive.stat().st_mtime_ns > newest:
        return archive
    # Two stacks may pack at once: each into a file of its own, which lives no longer than this.
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as own:
        part = Path(own) / archive.name
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED, strict_timestamps=False) as target:
            for path in files:
                target.write(path, path.relative_to(folder))
        part.replace(archive)
    return archive


def upload_artefacts(aws: LocalAws, template: Template, artefacts: Path) -> Template:
    """The template with every local artefact uploaded and named by its `s3://` address."""
    s3 = aws.client("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        s3.create_bucket(Bucket=ARTEFACT_BUCKET)
    for name, resource in template["Resources"].items():
        property_name = CODE_PROPERTIES.get(resource["Type"])
        location = resource.get("Properties", {}).get(property_name) if property_name else None
        if property_name and isinstance(location, str) and not location.startswith("s3://"):
            archive = pack((artefacts / location).resolve())
            key = f"{name}-{archive.stat().st_mtime_ns}.zip"
            with archive.open("rb") as body:
                s3.put_object(Bucket=ARTEFACT_BUCKET, Key=key, Body=body)
            resource["Properties"][property_name] = f"s3://{ARTEFACT_BUCKET}/{key}"
    return template


@dataclass(frozen=True)
class Deployment:
    """One deployed stack.

    Attributes:
        aws: the server that it is deployed to.
        name: of the stack.
        template: as deployed.
    """

    aws: LocalAws
    name: str
    template: Template

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs, as `DescribeStacks` gives them."""
        (stack,) = self.aws.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    @cached_property
    def resources(self) -> dict[str, str]:
        """Physical id by logical id."""
        pages = (
            self.aws.client("cloudformation")
            .get_paginator("list_stack_resources")
            .paginate(StackName=self.name)
        )
        return {
            found["LogicalResourceId"]: found["PhysicalResourceId"]
            for page in pages
            for found in page["StackResourceSummaries"]
        }

    def logs(self, function: str) -> Iterator[str]:
        """Every line that a function has logged so far.

        Args:
            function: its physical name, as in the output `ScreenFunctionName`.
        """
        configuration = self.aws.client("lambda").get_function_configuration(FunctionName=function)
        group = configuration.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{function}"
        logs = self.aws.client("logs")
        try:
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group):
                for event in page["events"]:
                    yield from event["message"].splitlines()
        except logs.exceptions.ResourceNotFoundException:
            return

    def delete(self) -> None:
        """Delete the stack and wait until it is gone."""
        cloudformation = self.aws.client("cloudformation")
        cloudformation.delete_stack(StackName=self.name)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=self.name, WaiterConfig={"Delay": 1}
        )


def _complete(deployment: Deployment) -> None:
    # What the local AWS's CloudFormation leaves undone: the time to live stays off, and a number that comes from a
    # parameter stays text in a mapping's scaling, which stops its poller.
    functions = deployment.aws.client("lambda")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        if most := mapping.get("ScalingConfig", {}).get("MaximumConcurrency"):
            scaling = {"MaximumConcurrency": int(most)}
            functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig=scaling)
    dynamodb = deployment.aws.client("dynamodb")
    for name, resource in deployment.template["Resources"].items():
        wanted = resource.get("Properties", {}).get("TimeToLiveSpecification")
        if resource["Type"] == "AWS::DynamoDB::Table" and wanted and name in deployment.resources:
            table = deployment.resources[name]
            now = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
            if now.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
                dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=wanted)


def deploy(
    aws: LocalAws,
    *,
    name: str = "screentest",
    parameters: Mapping[str, str] | None = None,
    artefacts: Path = ARTEFACTS,
    alter: Callable[[Template], Template] | None = None,
) -> Deployment:
    """Create the stack, or update it where it exists.

    Args:
        aws: a started server.
        name: of the stack.
        parameters: of the template, where not its defaults.
        artefacts: what `make build HOST=1` made.
        alter: changes the built template before it is deployed, for tests that take a permission away.

    Raises:
        NotBuilt: `artefacts` is empty.
        DeploymentFailed: CloudFormation refused or rolled back.
    """
    template = read_template(artefacts)
    if alter:
        template = alter(template)
    template = upload_artefacts(aws, without_certificates(template), artefacts)
    body = json.dumps(template)
    aws.client("s3").put_object(Bucket=ARTEFACT_BUCKET, Key=f"{name}.json", Body=body.encode())
    request: dict[str, Any] = {
        "StackName": name,
        "TemplateURL": f"{aws.endpoint_url}/{ARTEFACT_BUCKET}/{name}.json",
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in (parameters or {}).items()],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    cloudformation = aws.client("cloudformation")
    try:
        if _status(cloudformation, name) is None:
            cloudformation.create_stack(**request)
        else:
            cloudformation.update_stack(**request)
    except botocore.exceptions.ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise DeploymentFailed(
                f"the template was refused: {error.response['Error']['Message']}"
            ) from error
    _await_complete(aws, cloudformation, name)
    deployment = Deployment(aws, name, template)
    _complete(deployment)
    return deployment


def _status(cloudformation: Any, name: str) -> str | None:
    try:
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except botocore.exceptions.ClientError:
        return None
    status = str(stack["StackStatus"])
    return None if status == "DELETE_COMPLETE" else status


def _await_complete(aws: LocalAws, cloudformation: Any, name: str) -> None:
    until = time.monotonic() + DEPLOY_SECONDS
    while time.monotonic() < until:
        status = _status(cloudformation, name)
        if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return
        if status is None or not status.endswith("IN_PROGRESS"):
            break
        aws.check()
        time.sleep(0.1)
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    reasons = [
        f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
        for event in reversed(events)
        if event.get("ResourceStatusReason")
    ]
    raise DeploymentFailed(f"the stack ended as {status}:\n" + "\n".join(reasons[:20]))
