"""What the commands share in what they show: streams, hostile text, spans of time."""

from __future__ import annotations

import math
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console


VERDICT_STYLES: Final = {"pass": "green", "reject": "yellow", "error": "red", "pending": "dim"}
"""Colours of verdicts, the same in every command: an error is ours to mend, a rejection is not."""


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun: `1 upload`, `2 uploads`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def error_console() -> Console:
    """Where progress and remarks go, so that standard output holds results alone."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def printable(text: str) -> str:
    """The text without power over a terminal: control, format and lone surrogate characters as escapes.

    Keys are chosen by uploaders; one of them may hold an escape sequence that rewrites the screen.
    """
    return "".join(
        character
        if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def duration(seconds: float) -> str:
    """A span of time in its two largest units: `40 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    left = max(1, math.ceil(seconds))
    parts: list[tuple[int, str]] = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count:,} {unit}" for count, unit in parts[:2] if count)
