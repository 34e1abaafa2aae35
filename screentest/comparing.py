"""`screentest compare`: verdicts of two detectors, versions or profiles over the same pictures, side by side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from screentest.checking.sources import is_url, without_query
from screentest.display import printable
from screentest.reports import ContactSheet, ReportEntry
from screentest.screening.contract import Decision, interpret
from screentest.screening.errors import DetectorError
from screentest.screening.models import Verdict

SAME, CHANGED = 0, 1


class CompareError(Exception):
    """Nothing can be compared; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of `screentest check --json`.

    Attributes:
        file: as it was given.
        model, ratio: of the detector.
        code: why not, as the client of the pipeline reads it.
        decision: what else the answer says, on a pass or a reject.
    """

    file: str
    model: str
    ratio: str | None
    verdict: Verdict
    code: str | None
    decision: Decision | None

    @property
    def outcome(self) -> str:
        """Verdict and code in one."""
        return f"{self.verdict} {self.code}" if self.code else self.verdict


@dataclass(frozen=True, slots=True)
class Change:
    """A picture whose outcome is another now."""

    old: Line
    new: Line


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two files of verdicts say of the pictures that are in both.

    Attributes:
        pictures: in both.
        same_verdict: of these, with the same verdict.
        changes: with another verdict or another code, in the new file's order.
        only_old, only_new: pictures in one file alone.
    """

    pictures: int
    same_verdict: int
    changes: tuple[Change, ...]
    only_old: int
    only_new: int

    @property
    def by_outcome(self) -> Counter[tuple[str, str]]:
        """How many changed from which outcome to which."""
        return Counter((change.old.outcome, change.new.outcome) for change in self.changes)


def read(path: Path) -> dict[str, Line]:
    """The lines of a file of verdicts by the picture's name, in order.

    Raises:
        CompareError: it cannot be read, a line is none of `screentest check --json`, or a picture is in it twice.
    """
    lines: dict[str, Line] = {}
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                if not text.strip():
                    continue
                line = _line(text)
                if line is None:
                    raise CompareError(f"{path}, line {number}: is no line of `screentest check --json`")
                if line.file in lines:
                    raise CompareError(
                        f"{path}, line {number}: {line.file} is in it twice: one file for each detector and ratio"
                    )
                lines[line.file] = line
    except OSError as error:
        raise CompareError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CompareError(f"{path}: is not UTF-8") from error
    return lines


def _line(text: str) -> Line | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    file, model, verdict, ratio = (value.get(name) for name in ("file", "model", "verdict", "ratio"))
    status, response = value.get("status"), value.get("response")
    if not (isinstance(file, str) and isinstance(model, str) and isinstance(status, int)):
        return None
    if verdict not in set(Verdict) or not (ratio is None or isinstance(ratio, str)):
        return None
    decision, code = _said(status, response, model)
    return Line(file, model, ratio, Verdict(verdict), code, decision)


def _said(status: int, response: Any, model: str) -> tuple[Decision | None, str | None]:
    if response is None:
        return None, None
    try:
        decision = interpret(status, json.dumps(response).encode(), model)
    except DetectorError as error:
        return None, error.code
    return decision, decision.code


def compare(old: Mapping[str, Line], new: Mapping[str, Line]) -> Comparison:
    """Picture by picture.

    Raises:
        CompareError: no picture is in both.
    """
    both = [(old[file], line) for file, line in new.items() if file in old]
    if not both:
        raise CompareError("no picture is in both files: check the same files, named the same way")
    return Comparison(
        pictures=len(both),
        same_verdict=sum(before.verdict == after.verdict for before, after in both),
        changes=tuple(Change(before, after) for before, after in both if before.outcome != after.outcome),
        only_old=len(old) - len(both),
        only_new=len(new) - len(both),
    )


def run(old: Path, new: Path, *, json_output: bool, report: Path | None, out: TextIO) -> int:
    """Compare two files and show what changed.

    Raises:
        CompareError: they cannot be compared.

    Returns:
        The exit status: 0 nothing changed, 1 something did.
    """
    comparison = compare(read(old), read(new))
    if json_output:
        out.write(json.dumps(_as_json(comparison), indent=2) + "\n")
    else:
        _show(comparison, Console(file=out, highlight=False))
    if report is not None:
        _sheet(comparison, report / "index.html", f"{old.name} → {new.name}")
    return CHANGED if comparison.changes else SAME


def _as_json(comparison: Comparison) -> dict[str, Any]:
    return {
        "pictures": comparison.pictures,
        "same_verdict": comparison.same_verdict,
        "same_outcome": comparison.pictures - len(comparison.changes),
        "only_old": comparison.only_old,
        "only_new": comparison.only_new,
        "changes": [
            {"old": before, "new": after, "count": count}
            for (before, after), count in comparison.by_outcome.most_common()
        ],
        "changed": [
            {"file": change.new.file, "old": change.old.outcome, "new": change.new.outcome}
            for change in comparison.changes
        ],
    }


def _show(comparison: Comparison, console: Console) -> None:
    total, changed = comparison.pictures, len(comparison.changes)
    console.print(
        Text(
            f"{total} pictures in both: {comparison.same_verdict} with the same verdict "
            f"({comparison.same_verdict / total:.1%}), {total - changed} with the same code too",
            style="bold",
        )
    )
    for count, where in ((comparison.only_old, "first"), (comparison.only_new, "second")):
        if count:
            console.print(f"{count} in the {where} file alone")
    if not changed:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("pictures", justify="right")
    table.add_column("before", overflow="fold")
    table.add_column("now", overflow="fold")
    for (before, after), count in comparison.by_outcome.most_common():
        table.add_row(str(count), before, after)
    console.print(table)
    for change in comparison.changes:
        console.print(
            Text(f"{printable(change.new.file)}: {change.old.outcome} → {change.new.outcome}"), soft_wrap=True
        )


def _sheet(comparison: Comparison, path: Path, title: str) -> None:
    """A contact sheet of what changed; pictures that are not on this machine have none."""
    with ContactSheet(path, title=title, subtitle="screentest compare") as sheet:
        for change in comparison.changes:
            new, said = change.new, change.new.decision
            sheet.add(
                ReportEntry(
                    name=without_query(new.file),
                    model=new.model,
                    verdict=new.verdict,
                    ratio=new.ratio,
                    code=new.code,
                    message=said.message if said else None,
                    face_bbox=said.face_bbox if said else None,
                    ext_bbox=said.ext_bbox if said else None,
                    body_style=said.body_style if said else None,
                    picture=_picture(new.file),
                    note=f"{change.old.model}: {change.old.outcome}",
                )
            )


def _picture(file: str) -> bytes | None:
    if is_url(file):
        return None
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError):
        return None
