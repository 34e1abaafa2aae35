"""`screentest verdicts`: its options, and the answer on standard output."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from rich.console import Console

from screentest.aws import Access, AwsError
from screentest.backfill.selection import parse_source, utc
from screentest.display import error_console
from screentest.verdicts import writing
from screentest.verdicts.query import Question, VerdictReader

TABLE_LIMIT: Final = 100
"""Rows of a table that nobody asked to be longer; files are written whole."""


@dataclass(frozen=True, slots=True)
class Options:
    """A question, and how its answer is written."""

    question: Question
    limit: int
    limited: bool
    output: Literal["table", "json", "csv"]
    table: str | None

    @classmethod
    def parse(
        cls,
        *,
        source: str | None,
        verdicts: list[str],
        codes: list[str],
        models: list[str],
        since: datetime | None,
        until: datetime | None,
        limit: int | None,
        output: str,
        table: str | None = None,
    ) -> Options:
        """Check what was asked.

        Raises:
            AwsError: it contradicts itself, or is malformed.
        """
        if source:
            parse_source(source)
        since, until = utc(since), utc(until)
        if since and until and since >= until:
            raise AwsError("--since is not before --until: nothing can lie between them")
        if codes and verdicts and not {"reject", "error"} & set(verdicts):
            raise AwsError("only rejections and errors have a code: leave --code or --verdict out")
        return cls(
            question=Question(
                address=source or "",
                verdicts=frozenset(verdicts),
                codes=tuple(codes),
                models=frozenset(models),
                since=since,
                until=until,
            ),
            limit=limit if limit is not None else TABLE_LIMIT if output == "table" else 0,
            limited=limit is None and output == "table",
            table=table,
            output=output,  # type: ignore[arg-type] # an enumeration of the command line
        )


def run(access: Access, options: Options) -> None:
    """Answer.

    Raises:
        AwsError: the table cannot be read.
    """
    remarks = error_console()

    def remark(text: str) -> None:
        remarks.print(text, style="dim", markup=False, soft_wrap=True)

    table = options.table or access.stack.output("VerdictTableName")
    reader = VerdictReader(access.client("dynamodb"), table, remark)
    items = reader.read(options.question, options.limit)
    if options.output == "json":
        count = writing.write_json(items, sys.stdout)
    elif options.output == "csv":
        count = writing.write_csv(items, sys.stdout)
    else:
        count = writing.write_table(items, Console(highlight=False))
    if not count:
        remark("no verdict matches; screenings that wait have none yet (--verdict pending)")
    elif options.limited and count == options.limit:
        remark(f"the newest {count}; --limit 0 shows all, --json every attribute")
