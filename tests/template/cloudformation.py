"""The template as CloudFormation sees it: transformed, and with conditions decided for given parameters."""

from __future__ import annotations

import copy
import functools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

REPOSITORY = Path(__file__).parents[2]
ARTEFACT = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
NO_VALUE = {"Ref": "AWS::NoValue"}

EVERYTHING = {
    "Detector": "https://detector.example.com/base",
    "DetectorApiKeySecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:detector-AbCdEf",
    "NotifyOn": "all",
    "NotificationEmail": "people@example.com",
    "AlarmEmail": "operators@example.com",
    "RejectQueue": "true",
    "BlockUnscreenedReads": "true",
    "ReviewerRoleArns": "arn:aws:iam::123456789012:role/reviewer",
    "DetectionApi": "key",
    "UploadApi": "key",
    "UploadApiOrigins": "https://pages.example",
    "UploadApiConcurrency": "50",
    "KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
    "DetectorKeyKmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/89abcdef-89ab-cdef-0123-456789abcdef",
    "SubnetIds": "subnet-0123abcd,subnet-4567cdef",
    "SecurityGroupIds": "sg-0123abcd",
    "PrivateBucketEndpoint": "true",
    "BucketVpcEndpointIds": "vpce-0123abcd",
}
"""Every option switched on that can be together with the others."""

EXISTING_BUCKET = {"ExistingBucketName": "pictures-of-ours", "DetectionApi": "iam", "UploadApi": "key"}

Template = dict[str, Any]


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        return {}


@functools.cache
def _source() -> str:
    return json.dumps(yaml_parse((REPOSITORY / "template.yaml").read_text()), default=str)


def source() -> Template:
    """`template.yaml`, short forms of intrinsic functions spelled out."""
    template: Template = json.loads(_source())
    return template


@functools.cache
def _transformed() -> str:
    return json.dumps(packaged("one.zip"))


def packaged(layers: str) -> Template:
    """What the SAM transform makes of it where every layer's content is this file."""
    template = source()
    for resource in template["Resources"].values():
        if resource["Type"] in ARTEFACT:
            file = layers if resource["Type"] == "AWS::Serverless::LayerVersion" else "one.zip"
            resource["Properties"][ARTEFACT[resource["Type"]]] = f"s3://artefacts/{file}"
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    made: Template = transform(template, {}, _NoManagedPolicies())
    return made


def transformed() -> Template:
    """What the SAM transform makes of it."""
    template: Template = json.loads(_transformed())
    return template


def complete(parameters: Mapping[str, str] | None = None) -> dict[str, str]:
    """A value for every parameter: those given, and the template's own defaults."""
    defaults = {name: str(p.get("Default", "")) for name, p in source()["Parameters"].items()}
    unknown = set(parameters or {}) - set(defaults)
    assert not unknown, f"no such parameters: {unknown}"
    return {**defaults, **(parameters or {})}


def effective(parameters: Mapping[str, str] | None = None) -> Template:
    """The transformed template with its conditions decided and its parameters put in."""
    template = transformed()
    values = complete(parameters)
    lists = {name for name, p in template["Parameters"].items() if p["Type"] == "CommaDelimitedList"}
    view = _View(template["Conditions"], values, lists)
    for section in ("Resources", "Outputs"):
        template[section] = {
            name: view.put_in(body)
            for name, body in template[section].items()
            if "Condition" not in body or view.holds(body["Condition"])
        }
    return template


class _View:
    def __init__(self, conditions: Template, values: Mapping[str, str], lists: set[str]) -> None:
        self._conditions = conditions
        self._values = values
        self._lists = lists

    def holds(self, name: str) -> bool:
        return self._truth(self._conditions[name])

    def _truth(self, expression: Template) -> bool:
        ((function, argument),) = expression.items()
        if function == "Condition":
            return self.holds(argument)
        if function == "Fn::Not":
            return not self._truth(argument[0])
        if function == "Fn::And":
            return all(self._truth(part) for part in argument)
        if function == "Fn::Or":
            return any(self._truth(part) for part in argument)
        assert function == "Fn::Equals", function
        left, right = (self._operand(part) for part in argument)
        return bool(left == right)

    def _operand(self, part: Any) -> Any:
        if isinstance(part, dict) and "Fn::Select" in part:
            index, items = part["Fn::Select"]
            return self.put_in(items)[int(index)]
        return self.put_in(part)

    def put_in(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for value in map(self.put_in, node) if value != NO_VALUE]
        if not isinstance(node, dict):
            return copy.copy(node)
        if set(node) == {"Fn::If"}:
            condition, yes, no = node["Fn::If"]
            return self.put_in(yes if self.holds(condition) else no)
        if set(node) == {"Ref"} and node["Ref"] in self._values:
            value = self._values[node["Ref"]]
            return value.split(",") if node["Ref"] in self._lists else value
        known = {name: self.put_in(value) for name, value in node.items()}
        return {name: value for name, value in known.items() if value != NO_VALUE}


def resources(template: Template, kind: str) -> dict[str, Template]:
    """The properties of the resources of one type, by logical id."""
    return {
        name: body.get("Properties", {})
        for name, body in template["Resources"].items()
        if body["Type"] == kind
    }


def statements(template: Template) -> Iterator[tuple[str, Template]]:
    """Every statement of every policy, with the logical id of its resource; trust policies left out."""
    for name, body in template["Resources"].items():
        properties = body.get("Properties", {})
        policies = [properties] if "PolicyDocument" in properties else []
        for policy in (*policies, *properties.get("Policies", [])):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def as_list(value: Any) -> list[Any]:
    """A policy's scalar or list as a list."""
    return value if isinstance(value, list) else [value]
