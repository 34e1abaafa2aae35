"""Verdicts as lines: JSON for programs, words for people. Fits 60 columns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from screentest.checking.judge import Judgement
from screentest.checking.settings import CheckSettings
from screentest.screening.reasons import Reason, explain

_INDENT = " " * len("reject ")

STYLES = {"pass": "green", "reject": "red", "error": "magenta"}


class Output(Protocol):
    """Where verdicts are written."""

    def judgement(self, judgement: Judgement) -> None:
        """One picture."""

    def summary(self, counts: Mapping[str, int]) -> None:
        """How many of each verdict, at the end."""


class JsonOutput:
    """One line a picture on standard output, and nothing else there."""

    def __init__(self, settings: CheckSettings, out: TextIO, err: TextIO) -> None:
        self._settings, self._out, self._err = settings, out, err

    def judgement(self, judgement: Judgement) -> None:
        """Print the line."""
        line = {
            "file": judgement.file,
            "model": self._settings.model,
            "ratio": self._settings.shown_ratio,
            "verdict": judgement.verdict,
            "status": judgement.status,
            "response": judgement.response,
        }
        # ASCII alone: a file name need not be valid in any encoding.
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()
        if judgement.problem and not judgement.status:
            self._err.write(f"{_plain(judgement.file)}: {judgement.problem}\n")

    def summary(self, counts: Mapping[str, int]) -> None:
        """Say only what no line can say."""
        if not counts:
            self._err.write("no pictures found\n")


class TextOutput:
    """A line a picture, its reason below it, and what was measured where that was asked for; what to do about each
    reason once, at the end."""

    def __init__(self, settings: CheckSettings, out: TextIO, err: TextIO) -> None:
        self._settings = settings
        self._out = Console(file=out, highlight=False)
        self._err = err
        self._codes: Counter[str | None] = Counter()

    def judgement(self, judgement: Judgement) -> None:
        """Print the lines."""
        line = Text(f"{judgement.verdict:<6} ", style=f"bold {STYLES[judgement.verdict]}")
        line.append(_plain(judgement.file), style="default")
        if judgement.code:
            line.append(f"  {judgement.code}", style="default")
        self._out.print(line, soft_wrap=True)
        if judgement.verdict != "pass":
            self._codes[judgement.code] += 1
            said = judgement.problem if judgement.verdict == "error" else None
            self._indented(f"{said}." if said else self._words(judgement.code).sentence)
        if self._settings.explain:
            self._explain(judgement)

    def _explain(self, judgement: Judgement) -> None:
        if judgement.explanation is None:
            self._indented("Nothing was measured, or the server does not say.")
            return
        self._out.print(checks_table(judgement.explanation))

    def summary(self, counts: Mapping[str, int]) -> None:
        """Print the counts."""
        total = sum(counts.values())
        if not total:
            self._err.write("no pictures found\n")
            return
        parts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in STYLES if counts[verdict])
        self._out.print(Text(f"{total} picture{'' if total == 1 else 's'}: {parts}", style="bold"))
        for code, count in self._codes.most_common():
            self._out.print(Text(f"{count:>4} × {code}"))
            self._indented(self._words(code).advice)

    def _words(self, code: str | None) -> Reason:
        settings = self._settings
        return explain(code, settings.model, settings.lang or "en", ratio=settings.shown_ratio)

    def _indented(self, text: str) -> None:
        # Rich counts cells: a Chinese character takes two.
        for line in Text(text).wrap(self._out, max(20, self._out.width - len(_INDENT))):
            self._out.print(Text(_INDENT) + line, soft_wrap=True)


def checks_table(explanation: Mapping[str, Any]) -> Table:
    """Every measurement beside its threshold, the one that decided marked."""
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("", width=7)
    table.add_column("rule", overflow="fold")
    table.add_column("measured", justify="right")
    table.add_column("required", overflow="fold")
    decided = explanation.get("decided_by")
    for check in explanation.get("checks", ()):
        failed, value, unit = check["failed"], check["value"], check["unit"]
        table.add_row(
            "decides" if failed and check["rule"] == decided else "",
            check["rule"],
            "-" if value is None else f"{value:.4g}{'' if unit in {'', '°', '%'} else ' '}{unit}",
            check["limit"],
            style=STYLES["reject"] if failed else None,
        )
    return table


def _plain(name: str) -> str:
    """A file name that cannot steer the terminal, nor fail to be encoded."""
    return "".join(c if c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF else "�" for c in name)
