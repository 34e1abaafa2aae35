"""Every test that SECURITY.md and docs/guarantees.md name is there, and what is deployed is locked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("SECURITY.md", "docs/guarantees.md")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_promise_names_a_test_that_exists(document: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / document).read_text()))
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", file.read_text())
    }
    assert len(named) > 15
    assert not named - there


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_line_of_a_table_of_promises_has_its_test(document: str) -> None:
    text = (ROOT / document).read_text()
    tables = re.findall(r"^\| [^\n]*shown by \|\n\|[-| ]+\|\n((?:\|.*\|\n)+)", text, re.MULTILINE)
    assert tables
    for line in "".join(tables).splitlines():
        assert re.search(r"`(test_\w+|make soak)`", line.rsplit("|", 2)[1]), line


def test_dependencies_are_locked_with_hashes() -> None:
    locked = [*(ROOT / "requirements").glob("*.txt"), *(ROOT / "layers").glob("*/requirements.txt")]
    assert len(locked) >= 4
    for file in locked:
        for requirement in re.split(r"\n(?=\S)", file.read_text().strip()):
            if not requirement.startswith("#"):
                assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", requirement), f"{file}: {requirement}"
                assert "--hash=sha256:" in requirement, f"{file}: {requirement}"
