"""The site: what is generated is what the code says, and every page and link of the guide is in it."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys

import pytest
import yaml

from screentest.cli import COMMANDS
from screentest.stack import REPOSITORY

spec = importlib.util.spec_from_file_location("site_build", REPOSITORY / "docs" / "site" / "build.py")
assert spec
assert spec.loader
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def test_the_openapi_document_is_the_one_that_is_served() -> None:
    committed = (REPOSITORY / "docs" / "openapi.json").read_text(encoding="utf-8")
    assert json.loads(committed) == json.loads(build.openapi()), (
        "write it again: .venv/bin/python docs/site/build.py --openapi"
    )


def test_the_reference_has_every_command_with_its_exit_status() -> None:
    text = build.commands()
    for name in COMMANDS:
        assert f"## `screentest {name}`" in text
    assert text.count("```") % 2 == 0
    assert "Exit status: 0 all pass, 1 some rejected" in text


def test_every_page_is_in_the_navigation_and_every_link_leads_to_one() -> None:
    source = build.assemble()
    settings = yaml.safe_load((REPOSITORY / "docs" / "site" / "mkdocs.yml").read_text())
    named = set(re.findall(r"[\w-]+\.md", json.dumps(settings["nav"])))
    assert named == {path.name for path in source.glob("*.md")}
    for page in source.glob("*.md"):
        prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"(?<!`)\]\(([^)\s#]+)", prose):
            assert re.match(r"https://|mailto:", target) or (source / target).is_file(), (
                f"{page.name}: {target}"
            )
    index = (source / "llms.txt").read_text()
    pages = {path.with_suffix(".html").name for path in source.glob("*.md")} - {"openapi.html"}
    assert all(f"]({page})" in index for page in pages)


def test_the_site_is_built_strictly() -> None:
    if not (REPOSITORY / ".docs" / "bin" / "python").exists():
        pytest.skip("make docs has not set up MkDocs")
    done = subprocess.run(
        [sys.executable, REPOSITORY / "docs" / "site" / "build.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (build.OUT / "html" / "index.html").read_text()
    assert "images/strip.jpg" in page
    # Links may lead elsewhere; nothing is fetched from there.
    assert not re.search(r"""<(?:script|img|iframe)[^>]*src=["']?(?:https?:)?//""", page)
    assert not re.search(r"""<link[^>]*rel=["']?stylesheet[^>]*href=["']?(?:https?:)?//""", page)
