"""`screentest screen`: one object, judged by the deployed function while one waits."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from screentest.aws import Access, AwsError, as_aws_errors
from screentest.backfill.selection import parse_source
from screentest.display import VERDICT_STYLES, printable
from screentest.screening.models import Verdict
from screentest.screening.reasons import explain
from screentest.screening.reasons.deciding import said
from screentest.screening.records import Attribute, Item, Record
from screentest.verdicts.query import PENDING
from screentest.verdicts.writing import write_json

PASSED, REJECTED, NOT_JUDGED = 0, 1, 2
"""Exit statuses."""

_FIRST = (
    Attribute.CODE,
    Attribute.MESSAGE,
    Attribute.FACE_BBOX,
    Attribute.EXT_BBOX,
    Attribute.BODY_STYLE,
)


def event(bucket: str, key: str, head: Mapping[str, Any]) -> dict[str, Any]:
    """What EventBridge would say of the object that S3 describes so."""
    version = head.get("VersionId")
    described = {
        "key": key,
        "size": head.get("ContentLength"),
        "etag": str(head.get("ETag", "")).strip('"'),
        "version-id": None if version == "null" else version,
    }
    modified: datetime = head["LastModified"]
    return {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "time": f"{modified.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z",
        "detail": {
            "bucket": {"name": bucket},
            "object": {name: value for name, value in described.items() if value is not None},
        },
    }


def invoke(access: Access, uploaded: Mapping[str, Any]) -> list[Item]:
    """What the screen function answers to an upload's event: the records of its screenings.

    Raises:
        AwsError: it may not be called, or could not judge the object now.
    """
    function = access.stack.output("ScreenFunctionName")
    with as_aws_errors(f"call the function {function}", needs="lambda:InvokeFunction on it"):
        answer = access.client("lambda").invoke(FunctionName=function, Payload=json.dumps(uploaded).encode())
        payload = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise AwsError(
            f"the function did not judge it: {printable(str(payload.get('errorMessage', 'no reason given')))}; "
            "if that can pass, run the command again"
        )
    screenings: list[Item] = payload["screenings"]
    return screenings


def screen(access: Access, address: str) -> list[Item]:
    """The records of every screening that the object is routed to: judged now, or as they stand.

    Raises:
        AwsError: no such object, no route for it, or the function could not judge it now.
    """
    bucket, key = parse_source(address)
    if not key or key.endswith("/"):
        raise AwsError(f"{address} names no object: write s3://BUCKET/KEY; for many use screentest backfill")
    with as_aws_errors(f"look at {address}", needs="s3:GetObject on it"):
        head = access.client("s3").head_object(Bucket=bucket, Key=key)
    found = invoke(access, event(bucket, key, head))
    if not found:
        raise AwsError(
            f"no route of the stack screens {address}, or a later upload took its place; its parameter Routes says "
            "which keys are screened"
        )
    return found


def run(access: Access, address: str, *, json_output: bool, out: IO[str] | None = None) -> int:
    """Screen one object and print its records; the exit status.

    Raises:
        AwsError: as `screen`.
    """
    items = screen(access, address)
    records = [Record.from_item(item) for item in items]
    out = out or sys.stdout
    if json_output:
        write_json(zip(records, items, strict=True), out)
    else:
        console = Console(file=out, highlight=False)
        for record in records:
            _print(console, record)
    verdicts = {record.result.verdict if record.result is not None else None for record in records}
    if verdicts - {Verdict.PASS, Verdict.REJECT}:
        return NOT_JUDGED
    return REJECTED if Verdict.REJECT in verdicts else PASSED


def _print(console: Console, record: Record) -> None:
    item, screening, result = record.to_item(), record.screening, record.result
    verdict = result.verdict if result is not None else PENDING
    words = explain(result.code if result is not None else None, screening.model, ratio=screening.ratio)
    line = Text(f"{verdict:<6} ", style=f"bold {VERDICT_STYLES.get(verdict, '')}")
    ratio = f" {screening.ratio_key}" if screening.ratio else ""
    line.append(f"{printable(screening.model)}{ratio}", style="default")
    console.print(line, soft_wrap=True)
    if verdict != Verdict.PASS:
        measured = result.measured if result is not None else None
        figures = f": {said(measured.check)}" if measured else ""
        console.print(Padding(Text(f"{words.title}{figures}. {words.advice}"), (0, 0, 0, 7)))
    first = [name for name in _FIRST if name in item]
    names = [*first, *sorted(set(item) - {Attribute.VERDICT, Attribute.MEASURED, *first})]
    width = max(map(len, names))
    for name in names:
        value = item[name]
        text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        console.print(Text(f"       {name:<{width}}  {printable(text)}"), soft_wrap=True)
