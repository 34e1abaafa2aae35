"""`screentest verdicts`: its options, and the answer on standard output."""

from __future__ import annotations

import sys
from typing import Final, Literal

from rich.console import Console

from screentest.aws import Access
from screentest.display import error_console
from screentest.verdicts import writing
from screentest.verdicts.query import Question, VerdictReader

TABLE_LIMIT: Final = 100
"""Default length of a table, rows; files are written whole."""


def run(
    access: Access,
    question: Question,
    *,
    limit: int | None,
    output: Literal["table", "json", "csv"],
    table: str | None,
) -> None:
    """Answer.

    Args:
        limit: at most so many, 0 for all; None for `TABLE_LIMIT` in a table, and all elsewhere.
        table: its name; None for the stack's.

    Raises:
        AwsError: the table cannot be read.
    """
    remarks = error_console()

    def remark(text: str) -> None:
        remarks.print(text, style="dim", markup=False, soft_wrap=True)

    table = table or access.stack.output("VerdictTableName")
    reader = VerdictReader(access.client("dynamodb"), table, remark)
    limited = limit is None and output == "table"
    limit = TABLE_LIMIT if limited else limit or 0
    if output == "json":
        count = writing.write_json(reader.found(question, limit), sys.stdout)
    elif output == "csv":
        count = writing.write_csv(reader.read(question, limit), sys.stdout)
    else:
        count = writing.write_table(reader.read(question, limit), Console(highlight=False))
    if not count:
        remark("no verdict matches; screenings that wait have none yet (--verdict pending)")
    elif limited and count == limit:
        remark(f"the newest {count}; --limit 0 shows all, --json every attribute")
