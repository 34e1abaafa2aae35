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
from screentest.checking.sources import without_query
from screentest.checking.words import reason_of
from screentest.display import VERDICT_STYLES, printable
from screentest.screening.contract import Decision
from screentest.screening.reasons import Reason
from screentest.screening.reasons.deciding import deciding, with_unit

_INDENT = " " * len("reject ")

_ORDER = ("pass", "reject", "error")


class Output(Protocol):
    """Where verdicts are written."""

    def judgement(self, judgement: Judgement) -> None:
        """One picture."""

    def summary(self, counts: Mapping[str, int]) -> None:
        """How many of each verdict, at the end."""


class JsonOutput:
    """One line a picture on standard output, and nothing else there."""

    def __init__(self, settings: CheckSettings, screen: Console, err: TextIO) -> None:
        self._settings, self._screen, self._err = settings, screen, err

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
        text = json.dumps(line)
        if self._screen.is_terminal:
            self._screen.print(Text(text), soft_wrap=True)  # above the bar, if there is one
        else:
            self._screen.file.write(text + "\n")
            self._screen.file.flush()
        if judgement.verdict == "error":
            self._err.write(f"{printable(without_query(judgement.file))}: {self._why(judgement)}\n")

    def _why(self, judgement: Judgement) -> str:
        if judgement.problem and not judgement.status:
            return judgement.problem
        return reason_of(judgement, self._settings).title

    def summary(self, counts: Mapping[str, int]) -> None:
        """Say only what no line can say."""
        if not counts:
            self._err.write("no pictures found\n")


class TextOutput:
    """A line a picture, its reason below it, and what was measured where that was asked for; what to do about each
    reason once, at the end."""

    def __init__(self, settings: CheckSettings, screen: Console, err: TextIO) -> None:
        self._settings = settings
        self._out = screen
        self._err = err
        self._reasons: Counter[Reason] = Counter()

    def judgement(self, judgement: Judgement) -> None:
        """Print the lines."""
        line = Text(f"{judgement.verdict:<6} ", style=f"bold {VERDICT_STYLES[judgement.verdict]}")
        line.append(printable(judgement.file), style="default")
        if judgement.code:
            line.append(f"  {judgement.code}", style="default")
        self._out.print(line, soft_wrap=True)
        if judgement.verdict != "pass":
            words = reason_of(judgement, self._settings)
            self._reasons[words] += 1
            self._indented(self._sentence(judgement, words))
        elif judgement.decision is not None:
            self._indented(_boxes(judgement.decision), style="dim")
        if self._settings.explain:
            self._explain(judgement)

    def _sentence(self, judgement: Judgement, words: Reason) -> str:
        measured = deciding(judgement.explanation, self._settings.lang or "en")
        if measured:
            return measured[0].upper() + measured[1:]
        if judgement.code == "Unreadable" and judgement.problem:
            return f"{judgement.problem}."
        return words.sentence

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
        parts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _ORDER if counts[verdict])
        self._out.print(Text(f"{total} picture{'' if total == 1 else 's'}: {parts}", style="bold"))
        for words, count in self._reasons.most_common():
            self._out.print(Text(f"{count:>4} × {words.title}"))
            self._indented(words.advice)

    def _indented(self, text: str, style: str = "") -> None:
        if not text:
            return
        # Rich counts cells: a Chinese character takes two.
        for line in Text(text, style=style).wrap(self._out, max(20, self._out.width - len(_INDENT))):
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
            "-" if value is None else with_unit(f"{value:.4g}", unit),
            check["limit"],
            style=VERDICT_STYLES["reject"] if failed else None,
        )
    return table


def _boxes(decision: Decision) -> str:
    parts = [
        f"{name} {' '.join(f'{side:g}' for side in box)}"
        for name, box in (("face", decision.face_bbox), ("extended", decision.ext_bbox))
        if box
    ]
    if decision.body_style:
        parts.append(f"{decision.body_style} body")
    return ", ".join(parts)
