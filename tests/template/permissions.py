"""Every permission of the stack with its source and its sink: the table of docs/permissions.md, and the policies
spelled out for an engine that is not ours.

    .venv/bin/python tests/template/permissions.py >docs/permissions.md

With a folder as argument it writes one JSON file a policy there, every intrinsic function put in, which
tests/template/scan.py gives to parliament.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from template.cloudformation import EVERYTHING, EXISTING_BUCKET, as_list, effective

ACCOUNT, REGION = "123456789012", "us-east-1"
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::StackName": "screentest",
}
ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{}}",
    "AWS::SNS::Topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:{{}}",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{}}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{}}:*",
    "AWS::Events::Rule": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{{}}",
    "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{{}}",
}
BY_ARN = frozenset({"AWS::SNS::Topic"})
"""Types whose `Ref` is their ARN."""

Template = dict[str, Any]


class Literals:
    """A template's intrinsic functions as what they come to, named after logical ids."""

    def __init__(self, template: Template) -> None:
        self._kinds = {name: body["Type"] for name, body in template["Resources"].items()}

    def of(self, node: Any) -> Any:
        """The node without intrinsic functions."""
        if isinstance(node, list):
            return [self.of(part) for part in node]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((function, argument),) = node.items()
            if function == "Ref":
                return self._ref(argument)
            if function == "Fn::GetAtt":
                name, attribute = argument if isinstance(argument, list) else argument.split(".")
                return self._attribute(name, attribute)
            if function == "Fn::Sub":
                text, given = (argument, {}) if isinstance(argument, str) else argument
                return re.sub(r"\$\{([^}]+)\}", lambda found: self._put(found[1], given), text)
            if function == "Fn::Join":
                return argument[0].join(map(str, self.of(argument[1])))
            if function == "Fn::Split":
                return self.of(argument[1]).split(argument[0])
        return {name: self.of(value) for name, value in node.items()}

    def _put(self, name: str, given: Template) -> str:
        if name in given:
            return str(self.of(given[name]))
        return self._attribute(*name.split(".")) if "." in name else self._ref(name)

    def _ref(self, name: str) -> str:
        if name in PSEUDO:
            return PSEUDO[name]
        return self._attribute(name, "Arn") if self._kinds.get(name) in BY_ARN else name

    def _attribute(self, name: str, attribute: str) -> str:
        arn = ARNS.get(self._kinds[name], "").format(name)
        if attribute == "StreamArn":
            return f"{arn}/stream/2026-01-01T000000.000"
        assert attribute in ("Arn", "Id"), (name, attribute)
        assert arn, name
        return arn


def policies(template: Template) -> Iterator[tuple[str, str, Template]]:
    """Resource, name and document of every policy, spelled out; trust policies too."""
    literals = Literals(template)
    for name, body in template["Resources"].items():
        properties = body.get("Properties", {})
        if "AssumeRolePolicyDocument" in properties:
            yield name, "trust", literals.of(properties["AssumeRolePolicyDocument"])
        if "PolicyDocument" in properties:
            yield name, "resource", literals.of(properties["PolicyDocument"])
        for policy in properties.get("Policies", []):
            yield name, policy["PolicyName"], literals.of(policy["PolicyDocument"])


def rows(template: Template) -> Iterator[tuple[str, str, str, str, str]]:
    """Source, effect, actions, sink and condition of every statement."""
    for name, kind, document in policies(template):
        for statement in document["Statement"]:
            principal = statement.get("Principal")
            source = name if principal is None else ", ".join(_principals(principal))
            sinks = [name] if kind == "trust" else sorted({_short(r) for r in as_list(statement["Resource"])})
            yield (
                source,
                statement["Effect"].lower(),
                ", ".join(as_list(statement["Action"])),
                ", ".join(sinks),
                "; ".join(_conditions(statement.get("Condition", {}))),
            )


def _principals(principal: Any) -> Iterator[str]:
    if principal == "*":
        yield "everybody"
        return
    for names in principal.values():
        yield from as_list(names)


def _short(arn: str) -> str:
    return re.sub(r"^arn:aws:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:", "", arn)


def _conditions(condition: Template) -> Iterator[str]:
    for operator, keys in condition.items():
        for key, values in keys.items():
            yield f"{operator} {key} {' or '.join(_short(str(v)) for v in as_list(values))}"


PAGE = """# Permissions

Who may do what with which part of the stack: every statement of every policy that the template deploys, made from it by
`tests/template/permissions.py` (a test keeps the page as it makes it). Names without a colon are logical ids of the
template. `make check` gives the same policies, spelled out, to
[parliament](https://github.com/duo-labs/parliament), an engine that knows AWS's actions, resources and condition keys;
the local AWS enforces most of the roles' policies in the tests (see [Deploy](deploy.md#what-the-functions-may-do)).
"""

VARIANTS = (
    ("With every option on", EVERYTHING, ""),
    ("With a bucket that is there already", EXISTING_BUCKET, "What is as above is left out.\n\n"),
)


def page() -> str:
    """docs/permissions.md."""
    seen: set[tuple[str, ...]] = set()
    parts = [PAGE]
    for title, parameters, remark in VARIANTS:
        lines = [
            f"## {title}\n\n{remark}| source | effect | actions | sink | condition |",
            "| --- | --- | --- | --- | --- |",
        ]
        for row in rows(effective(parameters)):
            if row not in seen:
                seen.add(row)
                lines.append(
                    "| " + " | ".join(cell.replace("|", r"\|").replace("*", r"\*") for cell in row) + " |"
                )
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def write(folder: Path) -> None:
    """One file a policy, trust policies left out, for few and for all options."""
    for number, (_, parameters, _) in enumerate((*VARIANTS, ("default", {}, ""))):
        for name, kind, document in policies(effective(parameters)):
            if kind != "trust":
                (folder / f"{number}-{name}-{kind}.json").write_text(json.dumps(document, indent=1))


def main() -> None:
    """Print the page, or write the policies into a folder."""
    if len(sys.argv) == 1:
        print(page(), end="")
        return
    write(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
