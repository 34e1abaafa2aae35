"""`screentest report`: from the verdict table and the bucket to one contact sheet."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from screentest.aws import Access, AwsError, as_aws_errors
from screentest.display import counted, error_console, printable
from screentest.reports.measuring import explained
from screentest.reports.sheet import ContactSheet
from screentest.reports.stored import entries
from screentest.screening.reasons import Language
from screentest.verdicts.query import Question, VerdictReader


@dataclass(frozen=True, slots=True)
class Target:
    """Where the sheet goes, and in which words.

    Attributes:
        file: the HTML file.
        title: heading; None for one that says what was asked.
        lang: None leaves the choice to the reader's browser.
        summary: print the summary as JSON.
        explain: measure the pictures once more.
    """

    file: Path
    title: str | None = None
    lang: Language | None = None
    summary: bool = False
    explain: bool = False


def run(access: Access, question: Question, target: Target, *, limit: int, table: str | None) -> int:
    """Write the sheet; returns the number of screenings on it.

    Raises:
        AwsError: the table or the bucket cannot be read, or the file cannot be written.
    """
    remarks = error_console()

    def remark(text: str) -> None:
        remarks.print(text, style="dim", markup=False, soft_wrap=True)

    table = table or access.stack.output("VerdictTableName")
    reader = VerdictReader(access.client("dynamodb"), table, remark)
    subject = question.address or table
    title = target.title or f"Screenings of {printable(subject)}"
    without, denied = 0, 0
    try:
        with (
            ContactSheet(
                target.file, title=title, lang=target.lang, subtitle=_subtitle(question, limit)
            ) as sheet,
            Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                console=remarks,
                disable=not sys.stderr.isatty(),
                transient=True,
            ) as progress,
            as_aws_errors("read the pictures", needs="s3:GetObject and s3:GetObjectVersion on the bucket"),
        ):
            task = progress.add_task("pictures", total=limit or None)
            for entry in entries(reader.read(question, limit), access.client("s3")):
                sheet.add(explained(entry) if target.explain else entry)
                without += entry.picture is None
                denied += entry.absent == "denied"
                progress.advance(task)
    except OSError as error:
        raise AwsError(
            f"cannot write {target.file}: {error.strerror}; name another file with --out"
        ) from error
    if target.summary:
        print(json.dumps({"report": str(target.file), "screenings": sheet.count, "without_picture": without}))
    else:
        gone = f", {without} without their picture" if without else ""
        print(f"{target.file}: {counted(sheet.count, 'screening')}{gone}")
    if denied:
        remark(
            f"reading was denied for {denied}: your identity needs s3:GetObject and s3:GetObjectVersion there"
        )
    if not sheet.count:
        remark("no verdict matches; look with screentest verdicts, or ask for less")
    return sheet.count


def _subtitle(question: Question, limit: int) -> str:
    parts = [
        *sorted(question.verdicts),
        *question.codes,
        *sorted(question.models),
        question.since and f"since {question.since:%Y-%m-%d %H:%M} UTC",
        question.until and f"until {question.until:%Y-%m-%d %H:%M} UTC",
        limit and f"the newest {limit}",
    ]
    return ", ".join(part for part in parts if part)
