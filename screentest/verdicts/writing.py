"""The answer as a table for a terminal of any width, as JSON lines, or as CSV that no spreadsheet executes."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Any, Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from screentest.display import VERDICT_STYLES, printable
from screentest.screening.reasons import explain
from screentest.screening.records import Attribute, Record, Result
from screentest.verdicts.query import OF_PICTURE, PENDING, Found

COLUMNS: Final = (
    Attribute.SCREENED_AT,
    Attribute.VERDICT,
    Attribute.CODE,
    Attribute.MESSAGE,
    Attribute.MODEL,
    Attribute.RATIO,
    Attribute.BUCKET,
    Attribute.KEY,
    Attribute.VERSION_ID,
    Attribute.FACE_BBOX,
    Attribute.EXT_BBOX,
    Attribute.BODY_STYLE,
    Attribute.SIZE,
    Attribute.ETAG,
    Attribute.TRIGGER,
    Attribute.DETECTOR,
    Attribute.RULES_VERSION,
    Attribute.REQUEST_ID,
    Attribute.ATTEMPTS,
    Attribute.LATENCY_MS,
    Attribute.TAGS,
    Attribute.NOTIFIED_AT,
    Attribute.LAST_MODIFIED,
)
"""Of the CSV file, in this order; every column is there whether or not an item knows it."""

WIDE: Final = 110
"""Columns of the terminal from which there is room for the year and for both boxes."""
NARROW: Final = 76
"""Columns below which there is no room for the time."""
GAP: Final = 2
"""Columns between two cells."""

EXECUTABLE: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""First characters that make spreadsheets take a cell for a formula (OWASP, CSV injection); the full-width ones where
they expect Chinese or Japanese."""


def write_json(found: Iterable[Found], out: IO[str]) -> int:
    """One line an item, as the table holds it; behind that, of what is decided, `title` and `advice`. Returns how
    many."""
    count = 0
    for count, (record, item) in enumerate(found, start=1):  # noqa: B007 - the count is the result
        line = item | _words(record)
        out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    return count


def _words(record: Record) -> dict[str, str]:
    if record.result is None:
        return {}
    reason = explain(record.result.code, record.screening.model, ratio=record.screening.ratio)
    return {"title": reason.title, "advice": reason.advice}


def write_csv(records: Iterable[Record], out: IO[str]) -> int:
    """A header and one row a record. Returns how many records."""
    # RFC 4180's line ends: with others, the writer leaves a lone carriage return in a key unquoted.
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    count = 0
    for count, record in enumerate(records, start=1):  # noqa: B007 - the count is the result
        item = record.to_item()
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


def write_table(records: Iterable[Record], console: Console) -> int:
    """One line a verdict, as wide as the console: addresses lose their beginning first. Returns how many records."""
    rows = [_row(record, console.width) for record in records]
    if not rows:
        return 0
    heading = _Row("verdict", "when" if rows[0].when else "", "model", "why or face", "object")
    widths = [
        max(map(cell_len, column)) for column in zip(*(row.cells for row in (heading, *rows)), strict=True)
    ]
    room = console.width - sum(width + GAP for width in widths[:-1] if width)
    for row in (heading, *rows):
        line = Text()
        for width, text in zip(widths[:-1], row.cells[:-1], strict=True):
            if width:
                style = VERDICT_STYLES.get(row.verdict, "bold") if text == row.verdict else ""
                line.append(set_cell_size(text, width + GAP), style="bold" if row is heading else style)
        line.append(_last(row.address, room), style="bold" if row is heading else "")
        line.rstrip()
        console.print(line, soft_wrap=True)
    return len(rows)


@dataclass(frozen=True, slots=True)
class _Row:
    verdict: str
    when: str
    model: str
    why: str
    address: str

    @property
    def cells(self) -> tuple[str, ...]:
        return self.verdict, self.when, self.model, self.why, self.address


def _row(record: Record, width: int) -> _Row:
    screening, result = record.screening, record.result
    at = result.screened_at.replace("T", " ") if result is not None else ""
    # Without a year, and then without a time, where there is no room.
    when = at[:16] if width >= WIDE else at[5:16] if width >= NARROW else ""
    model = _last(re.sub(r"-detect(-.*)?$", "", printable(screening.model)), width // 3)
    if screening.ratio:
        model += f" {printable(screening.ratio_key)}"
    why = _why(result, width) if result is not None else ""
    verdict = result.verdict if result is not None else PENDING
    return _Row(verdict, when, model, _last(why, width // 3), printable(record.ref.uri))


def _why(result: Result, width: int) -> str:
    """The code, or of a pass its boxes or its style."""
    if result.code:
        return printable(result.code).removeprefix(OF_PICTURE)
    boxes = [" ".join(map(str, box)) for box in (result.face_bbox, result.ext_bbox) if box]
    style = f"{result.body_style} body" if result.body_style else ""
    return " / ".join(boxes if width >= WIDE else boxes[:1]) or printable(style)


def _last(text: str, room: int) -> str:
    """The end of the text, as much as there is room for: that is where the names of files are."""
    if cell_len(text) <= room:
        return text
    while text and cell_len(text) > max(0, room - 1):
        text = text[max(1, (cell_len(text) - room) // 2) :]
    return f"\N{HORIZONTAL ELLIPSIS}{text}"
