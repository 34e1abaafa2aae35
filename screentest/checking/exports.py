"""`--junit` and `--sarif`: verdicts in the forms that build servers and code hosts show.

A picture that is rejected is a failed test, and a SARIF result; one that could not be judged is a test that broke, and
a notification of the tool. Files appear under their names when they are complete.
"""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EISDIR
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from screentest import detection
from screentest.checking.judge import Judgement
from screentest.checking.settings import CheckError, CheckSettings
from screentest.checking.sources import is_object, is_url, without_query
from screentest.checking.words import reason_of
from screentest.screening.reasons import Reason
from screentest.screening.reasons.deciding import deciding

HOMEPAGE = "https://github.com/screentest/screentest"


@dataclass(frozen=True, slots=True)
class _Row:
    file: str
    verdict: str
    code: str
    sentence: str
    words: Reason
    seconds: float


class Exports:
    """Collects what was judged, and writes the files that were asked for. Use as a context manager."""

    def __init__(self, settings: CheckSettings) -> None:
        self._settings = settings
        self._rows: list[_Row] = []

    def __enter__(self) -> Self:
        """Open the files, so that one which cannot be written is refused before any picture is judged.

        Raises:
            CheckError: one cannot be written.
        """
        for path in self._files:
            with _writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                _part(path).touch()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for path in self._files:
            with suppress(OSError):
                _part(path).unlink(missing_ok=True)

    @property
    def _files(self) -> list[Path]:
        return [path for path in (self._settings.junit, self._settings.sarif) if path is not None]

    def add(self, judgement: Judgement) -> None:
        """Keep what the files will say of one picture; never the picture, and nothing where no file is wanted."""
        if not self._files:
            return
        code = judgement.code or ""
        words = reason_of(judgement, self._settings)
        measured = deciding(judgement.explanation, self._settings.lang or "en")
        sentence = f"{words.title}: {measured}" if measured else words.title
        file = without_query(judgement.file)
        self._rows.append(_Row(file, judgement.verdict, code, sentence, words, judgement.milliseconds / 1000))

    def write(self) -> None:
        """Write the files.

        Raises:
            CheckError: one cannot be written.
        """
        title = f"{self._settings.model} {self._settings.shown_ratio or ''}".strip()
        if self._settings.junit is not None:
            _write(self._settings.junit, junit(title, self._rows))
        if self._settings.sarif is not None:
            _write(self._settings.sarif, json.dumps(sarif(self._rows), indent=1) + "\n")


def junit(title: str, rows: Sequence[_Row]) -> str:
    """The verdicts as JUnit's XML, one suite, one case a picture."""
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in ("reject", "error")}
    suite = ET.Element(
        "testsuite",
        name=title,
        tests=str(len(rows)),
        failures=str(counts["reject"]),
        errors=str(counts["error"]),
        skipped="0",
        time=f"{sum(row.seconds for row in rows):.3f}",
    )
    for row in rows:
        case = ET.SubElement(
            suite, "testcase", classname=title, name=_xml(row.file), time=f"{row.seconds:.3f}"
        )
        if row.verdict != "pass":
            found = ET.SubElement(
                case,
                "failure" if row.verdict == "reject" else "error",
                type=_xml(row.code),
                message=_xml(row.sentence),
            )
            found.text = _xml(row.words.advice)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def sarif(rows: Sequence[_Row]) -> dict[str, Any]:
    """The rejections as SARIF 2.1.0, one rule a code."""
    rejected = [row for row in rows if row.verdict == "reject"]
    broken = [row for row in rows if row.verdict == "error"]
    rules = {row.code: row.words for row in rejected}
    numbers = {code: number for number, code in enumerate(rules)}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "screentest",
                        "version": detection.VERSION,
                        "informationUri": HOMEPAGE,
                        "rules": [
                            {
                                "id": code,
                                "shortDescription": {"text": words.title},
                                "help": {"text": words.advice},
                                "defaultConfiguration": {"level": "error"},
                            }
                            for code, words in rules.items()
                        ],
                    }
                },
                "columnKind": "utf16CodeUnits",
                "invocations": [
                    {
                        "executionSuccessful": not broken,
                        "toolExecutionNotifications": [
                            {
                                "level": "error",
                                "message": {"text": f"{row.sentence}. {row.words.advice}"},
                                "locations": [_location(row.file)],
                            }
                            for row in broken
                        ],
                    }
                ],
                "results": [
                    {
                        "ruleId": row.code,
                        "ruleIndex": numbers[row.code],
                        "level": "error",
                        "message": {"text": f"{row.sentence}. {row.words.advice}"},
                        # Code hosts want a line, which a picture has not.
                        "locations": [_location(row.file, {"region": {"startLine": 1}})],
                    }
                    for row in rejected
                ],
            }
        ],
    }


def _location(file: str, more: dict[str, Any] | None = None) -> dict[str, Any]:
    if is_url(file) or is_object(file):
        uri = quote(file, safe=":/?#[]@!$&'()*+,;=%~")
    else:
        path = Path(file)
        uri = path.as_uri() if path.is_absolute() else quote(path.as_posix(), errors="surrogateescape")
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, **(more or {})}}


def _xml(text: str) -> str:
    """Text without the characters that no XML document can hold."""
    return "".join(
        c
        if c in "\t\n\r" or "\x20" <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c >= "\U00010000"
        else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _write(path: Path, text: str) -> None:
    with _writing(path):
        _part(path).write_text(text, encoding="utf-8")
        _part(path).replace(path)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        if path.is_dir():
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        yield
    except OSError as error:
        raise CheckError(f"{path} cannot be written: {error.strerror or error}; name another file") from error
