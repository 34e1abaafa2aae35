"""What is shipped, and what is developed with, is under permissive licences, or is named here with the reason.

Read from the metadata of what is installed, at the versions that the lock files name.
"""

from __future__ import annotations

import importlib.metadata
import re
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = ("layers/screening/requirements.txt", "layers/detection/requirements.txt")
DEVELOPED_WITH = ("requirements/dev.txt",)

PERMISSIVE = {
    *(
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "0BSD",
        "Apache-2.0",
        "ISC",
        "PSF-2.0",
    ),
    *("Zlib", "CC0-1.0", "CNRI-Python", "ZPL-2.1"),
}
"""Names of SPDX; `BSD` where the metadata says no more."""

WORDS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "MIT license": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Zope Public License": "ZPL-2.1",
}
"""What classifiers and older metadata write, as SPDX has it."""

# With what they state, so that a change of licence is noticed.
SHIPPED_ALL_THE_SAME = {
    "certifi": (
        "MPL-2.0",
        "httpx needs it: a list of certificate authorities, shipped unchanged. Its terms hold for that file alone",
    ),
}
DEVELOPED_WITH_ALL_THE_SAME = SHIPPED_ALL_THE_SAME | {
    "cookiecutter": (
        "",
        "the SAM command line needs it: its licence file is BSD-3-Clause, its metadata silent",
    ),
    "docutils": (
        "Public Domain AND BSD AND GNU General Public License (GPL)",
        "twine reads the long description with it; the one file under the GPL is an editor's mode",
    ),
    "hypothesis": ("MPL-2.0", "generates test data, used unchanged"),
    "pathspec": ("MPL-2.0", "mypy needs it, used unchanged"),
    "text-unidecode": (
        "Artistic License AND GNU General Public License (GPL) AND GNU General Public License v2 or later (GPLv2+)",
        "the SAM command line needs it: either licence, as the user likes; used unchanged",
    ),
    "tqdm": ("MPL-2.0 AND MIT", "LiteRT's wheel declares it, and does not import it: it is not shipped"),
}


def locked(*files: str) -> dict[str, str]:
    """Versions by name; what the lock names for other systems or Pythons is left out where it is not installed."""
    text = "\n".join((ROOT / file).read_text() for file in files)
    found: dict[str, str] = {}
    for name, version, marker in re.findall(
        r"^([\w.-]+)(?:\[[^\]]*\])?==(\S+)([^\\\n]*)", text, re.MULTILINE
    ):
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            assert marker.strip(), f"{name} is locked, and not installed: make setup"
            continue
        if marker.strip() and installed != version:
            continue
        assert installed == version, f"{name} {version} is locked, {installed} installed: make setup"
        found[name] = version
    return found


def stated(metadata: Message) -> str:
    """The licence as an expression; nothing where the metadata does not say."""
    if expression := metadata["License-Expression"]:
        return str(expression)
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in metadata.get_all("Classifier", [])
        if line.startswith("License ::")
    ]
    words = classifiers or [line for line in (metadata["License"] or "").splitlines()[:1] if line]
    return " AND ".join(WORDS.get(word, word) for word in words)


def is_permissive(expression: str) -> bool:
    """Whether all that is stated is permissive, or one of what may be chosen between."""
    return any(
        all(part.strip(" ()") in PERMISSIVE for part in choice.split(" AND "))
        for choice in re.split(r" OR ", expression)
    )


@pytest.mark.parametrize(
    ("expression", "permissive"),
    [
        ("MIT", True),
        ("BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0", True),
        ("MIT OR AFL-2.1", True),
        ("MPL-2.0 AND MIT", False),
        ("GPL-3.0-only OR LGPL-3.0-only", False),
        ("", False),
    ],
)
def test_expressions_are_understood(expression: str, permissive: bool) -> None:
    assert is_permissive(expression) is permissive


@pytest.mark.parametrize(
    ("files", "named"), [(SHIPPED, SHIPPED_ALL_THE_SAME), (DEVELOPED_WITH, DEVELOPED_WITH_ALL_THE_SAME)]
)
def test_locked_packages_are_permissive_or_named_with_the_reason(
    files: tuple[str, ...], named: dict[str, tuple[str, str]]
) -> None:
    found = {name: stated(importlib.metadata.metadata(name)) for name in locked(*files)}  # type: ignore[arg-type]
    assert len(found) > 10
    others = {name: expression for name, expression in found.items() if not is_permissive(expression)}
    assert others == {name: expression for name, (expression, _) in named.items()}


def test_the_notice_names_what_is_shipped_under_other_terms() -> None:
    notice = (ROOT / "NOTICE").read_text()
    for name, (expression, _) in SHIPPED_ALL_THE_SAME.items():
        assert re.search(rf"\b{name}\b", notice), name
        assert expression.replace("MPL-2.0", "Mozilla Public License 2.0") in notice
