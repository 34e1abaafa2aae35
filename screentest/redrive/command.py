"""`screentest redrive`: its options, and what it says of each dead letter."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from screentest.aws import Access, AwsError
from screentest.display import duration, error_console, printable
from screentest.redrive.dead_letters import (
    HIDDEN,
    RECEIVE_BATCH,
    Codes,
    DeadLetter,
    DeadLetterQueue,
    Filters,
)

QUEUES = (("DeadLetterQueueUrl", "ScreenQueueUrl"), ("BackfillDeadLetterQueueUrl", "BackfillQueueUrl"))
"""Outputs of the stack: each dead-letter queue, and where its messages go back to."""

NARROW = 80


@dataclass(slots=True)
class _Tally:
    """What became of the dead letters."""

    chosen: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    examples: dict[str, DeadLetter] = field(default_factory=dict)
    oldest: dict[str, float] = field(default_factory=dict)
    failed: int = 0
    hidden: int = 0

    def choose(self, dead_letter: DeadLetter) -> None:
        self.chosen[dead_letter.code] += 1
        self.examples.setdefault(dead_letter.code, dead_letter)
        self.oldest[dead_letter.code] = min(
            dead_letter.sent, self.oldest.get(dead_letter.code, dead_letter.sent)
        )


def run(
    access: Access,
    filters: Filters,
    *,
    limit: int | None = None,
    dry_run: bool = True,
    json_output: bool = False,
) -> int:
    """Look at the dead letters, and put those back that are asked for.

    Returns:
        The exit status: 0 done, 1 some could not be put back.

    Raises:
        AwsError: the queues cannot be reached.
    """
    stack = access.stack
    sqs = access.client("sqs")
    codes = Codes(access.client("dynamodb"), stack.output("VerdictTableName"))
    remarks = error_console()
    tally = _Tally()
    for dead, origin in QUEUES:
        dead_letters = DeadLetterQueue(sqs, url=stack.output(dead), origin=stack.output(origin), codes=codes)
        tally.hidden += dead_letters.hidden()
        _go_through(dead_letters, filters, tally, remarks, limit=limit, dry_run=dry_run)
    _remark_hidden(tally, remarks)
    if json_output:
        typer.echo(json.dumps(_summary(tally, dry_run=dry_run)))
    else:
        _show(tally, Console(highlight=False), remarks, dry_run=dry_run)
    return 1 if tally.failed else 0


def _go_through(
    dead_letters: DeadLetterQueue,
    filters: Filters,
    tally: _Tally,
    remarks: Console,
    *,
    limit: int | None,
    dry_run: bool,
) -> None:
    # Receipts alone: a dead-letter queue can be long, and a message large.
    kept: list[str] = []
    batch: list[DeadLetter] = []

    def put_back() -> None:
        left = dead_letters.put_back(batch)
        tally.failed += len(left)
        kept.extend(dead_letter.receipt for dead_letter in left)
        batch.clear()

    reading = track(
        dead_letters.read(),
        description="reading dead letters",
        total=dead_letters.count(),
        console=remarks,
        transient=True,
        disable=not remarks.is_terminal,
    )
    try:
        for dead_letter in reading:
            full = limit is not None and tally.chosen.total() >= limit
            if full or not filters.matches(dead_letter):
                tally.left[dead_letter.code] += 1
                kept.append(dead_letter.receipt)
            elif dry_run:
                tally.choose(dead_letter)
                kept.append(dead_letter.receipt)
            else:
                tally.choose(dead_letter)
                batch.append(dead_letter)
                if len(batch) == RECEIVE_BATCH:
                    put_back()
        if batch:
            put_back()
    finally:
        try:
            dead_letters.release(kept + [dead_letter.receipt for dead_letter in batch])
        except AwsError as error:
            remarks.print(str(error), style="dim", markup=False, soft_wrap=True)


def _summary(tally: _Tally, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "chosen": tally.chosen.total(),
        "put_back": 0 if dry_run else tally.chosen.total() - tally.failed,
        "failed": tally.failed,
        "left": tally.left.total(),
        "hidden": tally.hidden,
        "by_code": dict(tally.chosen),
        "left_by_code": dict(tally.left),
    }


def _remark_hidden(tally: _Tally, remarks: Console) -> None:
    if tally.hidden:
        remarks.print(
            f"{tally.hidden:,} more are hidden: another redrive reads them, or one was killed; those show up again "
            f"within {duration(HIDDEN)}",
            style="dim",
            soft_wrap=True,
        )


def _show(tally: _Tally, out: Console, remarks: Console, *, dry_run: bool) -> None:
    if not tally.chosen:
        others = f"; {tally.left.total():,} others are not asked for" if tally.left else ""
        out.print(f"no dead letter to put back{others}", soft_wrap=True)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("letters", justify="right", no_wrap=True)
    table.add_column("code", overflow="fold")
    table.add_column("oldest", no_wrap=True)
    if out.width >= NARROW:
        table.add_column("for example", overflow="fold")
    now = time.time()
    for code, count in tally.chosen.most_common():
        example = tally.examples[code]
        address = example.refs[0].uri if example.refs else "names no object"
        example_cell = [Text(printable(address))] if out.width >= NARROW else []
        age = duration(now - tally.oldest[code])
        table.add_row(f"{count:,}", Text(printable(code)), age, *example_cell)
    out.print(table)
    if tally.left:
        out.print(f"{tally.left.total():,} others are not asked for and stay")
    if dry_run:
        remarks.print(
            "nothing was put back yet: mend the cause, then repeat the command with --apply",
            style="dim",
            soft_wrap=True,
        )
        return
    done = tally.chosen.total() - tally.failed
    out.print(f"{done:,} put back", soft_wrap=True)
    if tally.failed:
        remarks.print(
            f"{tally.failed:,} could not be put back or taken away and are still dead letters; repeat the command",
            style="dim",
            soft_wrap=True,
        )
