"""docs/permissions.md shows every permission that the template gives, and the engine that judges them can say no."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from template import permissions
from template.cloudformation import REPOSITORY, effective
from template.scan import PARLIAMENT, PYTHON


def test_the_page_shows_every_permission() -> None:
    assert (REPOSITORY / "docs" / "permissions.md").read_text() == permissions.page()


def test_every_policy_is_spelled_out() -> None:
    for _, parameters, _ in permissions.VARIANTS:
        for name, kind, document in permissions.policies(effective(parameters)):
            text = json.dumps(document)
            assert "Fn::" not in text, (name, kind)
            assert "${" not in text, (name, kind)


def test_no_role_may_do_anything_to_everything() -> None:
    for _, parameters, _ in permissions.VARIANTS:
        for source, effect, actions, sink, _ in permissions.rows(effective(parameters)):
            if effect == "allow":
                # EC2 does not know a function's interfaces beforehand.
                assert sink != "*" or all(each.startswith("ec2:") for each in actions.split(", "))
                assert not actions.endswith(":*"), (source, sink)


@pytest.mark.skipif(not PYTHON.exists(), reason="parliament is set up by make check")
@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:GetObjects", "arn:aws:s3:::b/*"),
        ("s3:GetObject", "arn:aws:s3:::b"),
        ("sqs:SendMessage", "arn:aws:s3:::b"),
    ],
)
def test_the_engine_finds_what_is_wrong(tmp_path: Path, action: str, resource: str) -> None:
    wrong = {"Effect": "Allow", "Action": action, "Resource": resource}
    document = {"Version": "2012-10-17", "Statement": [wrong]}
    (tmp_path / "wrong.json").write_text(json.dumps(document))
    command = [str(PYTHON), "-W", "ignore", "-c", PARLIAMENT, str(tmp_path)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout
