"""`sam local invoke` as docs/deploy.md has it calls the local stack: asked of SAM itself, without Docker."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from samcli.commands.local.lib.local_lambda import LocalLambdaRunner
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

from screentest.stack import ARTEFACTS, REPOSITORY

pytestmark = pytest.mark.artefact

LOCAL = {"ScreenFunction": {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "VERDICT_TABLE_NAME": "verdicts"}}


def handed(template: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The variables that `sam local invoke` would give the screen function."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    stacks, _ = SamLocalStackProvider.get_stacks(str(template))
    function = SamFunctionProvider(stacks).get("ScreenFunction")
    assert function
    # Its runtime and provider, the container engine and the list of functions, are not asked here.
    runner = LocalLambdaRunner(None, None, str(template.parent), str(template.parent), env_vars_values=LOCAL)
    variables: dict[str, Any] = runner._make_env_vars(function).resolve()
    return variables


@pytest.fixture
def local_template(tmp_path: Path) -> Path:
    """The template that the documented command makes of the built one."""
    page = (REPOSITORY / "docs" / "deploy.md").read_text()
    (command,) = re.findall(r"^awk .*?local\.yaml$", page, re.MULTILINE | re.DOTALL)
    built = tmp_path / ".aws-sam" / "build"
    built.mkdir(parents=True)
    (built / "template.yaml").write_bytes((ARTEFACTS / "template.yaml").read_bytes())
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    return built / "local.yaml"


def test_the_function_is_handed_the_address_of_the_local_stack(
    local_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = handed(local_template, monkeypatch)
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert variables["VERDICT_TABLE_NAME"] == "verdicts"
    assert variables["AWS_ACCESS_KEY_ID"] == "test"


def test_without_that_line_it_would_call_the_real_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "AWS_ENDPOINT_URL" not in handed(ARTEFACTS / "template.yaml", monkeypatch)
