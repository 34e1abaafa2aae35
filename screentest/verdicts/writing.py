"""The answer as a table for a terminal of any width, as JSON lines, or as CSV that no spreadsheet executes."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from itertools import chain
from typing import IO, Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from screentest.display import printable
from screentest.verdicts.query import PENDING, Item

COLUMNS: Final = (
    "screened_at",
    "verdict",
    "code",
    "message",
    "model",
    "ratio",
    "bucket",
    "key",
    "version_id",
    "face_bbox",
    "ext_bbox",
    "body_style",
    "size",
    "etag",
    "trigger",
    "detector",
    "rules_version",
    "request_id",
    "attempts",
    "latency_ms",
    "tags",
    "notified_at",
    "last_modified",
)
"""Of the CSV file, in this order; every column is there whether or not an item knows it."""

STYLES: Final = {"pass": "green", "reject": "yellow", "error": "red", PENDING: "dim"}

NARROW: Final = 100
"""Columns of the terminal below which a verdict takes two lines: addresses alone are often 60 characters long."""

EXECUTABLE: Final = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make spreadsheets take a cell for a formula (OWASP, CSV injection)."""


def write_json(items: Iterable[Item], out: IO[str]) -> int:
    """One line an item, as the table holds it. Returns how many."""
    count = 0
    for count, item in enumerate(items, start=1):  # noqa: B007 - the count is the result
        out.write(json.dumps(item, ensure_ascii=False, separators=(",", ":")) + "\n")
    return count


def write_csv(items: Iterable[Item], out: IO[str]) -> int:
    """A header and one row an item. Returns how many items."""
    # RFC 4180's line ends: with others, the writer leaves a lone carriage return in a key unquoted.
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    count = 0
    for count, item in enumerate(items, start=1):  # noqa: B007 - the count is the result
        writer.writerow([cell(item.get(column)) for column in COLUMNS])
    return count


def cell(value: Any) -> str:
    """A cell of the CSV file: boxes as `x1 y1 x2 y2`, and a quote before text that a spreadsheet would execute."""
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, str) and len(value) > 1 and value.startswith(EXECUTABLE):
        return "'" + value
    return str(value)


def write_table(items: Iterable[Item], console: Console) -> int:
    """A table that fits the console. Returns how many items."""
    found = iter(items)
    first = next(found, None)
    if first is None:
        return 0
    narrow = console.width < NARROW
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, expand=narrow)
    if narrow:
        table.add_column("verdict", no_wrap=True)
        table.add_column("what and why", overflow="fold", ratio=1)
    else:
        for name in ("verdict", "when", "model", "code"):
            table.add_column(name, no_wrap=True)
        table.add_column("object", overflow="fold", ratio=1)
    for item in chain((first,), found):
        verdict = str(item.get("verdict", PENDING))
        word = Text(printable(verdict), style=STYLES.get(verdict, ""))
        when = str(item.get("screened_at", ""))[:19].replace("T", " ")
        model = printable(str(item.get("model", "")))
        if item.get("ratio", "-") != "-":
            model += f" {printable(str(item['ratio']))}"
        code = printable(str(item.get("code", "")))
        address = Text(printable(str(item.get("object", ""))))
        if narrow:
            table.add_row(
                word, Text("\n").join(filter(None, (address, Text(model), Text(f"{when} {code}".strip()))))
            )
        else:
            table.add_row(word, when, Text(model), Text(code), address)
    console.print(table)
    return table.row_count
