"""The template on a local AWS without what `make build` makes: what is asked here needs no code of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from template.cloudformation import complete, source

from screentest.stack import LocalStack

ANSWER = "def handler(event, context):\n    return {'batchItemFailures': []}\n"


@pytest.fixture(scope="session")
def empty_artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real template beside functions that do nothing and layers that hold nothing."""
    folder = tmp_path_factory.mktemp("artefacts")
    template = source()
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for name, file, text in (("CodeUri", "app.py", ANSWER), ("ContentUri", "python/empty.py", "")):
            if name in properties:
                path = folder / properties[name] / file
                path.parent.mkdir(parents=True)
                path.write_text(text)
    (folder / "template.yaml").write_text(json.dumps(template))
    return folder


@pytest.fixture(scope="module")
def bare_stack(empty_artefacts: Path) -> Iterator[LocalStack]:
    """A stack of its own for a module that changes parameters."""
    with LocalStack(parameters=complete(), artefacts=empty_artefacts) as stack:
        yield stack
