"""`screentest screen`: one object, judged by the deployed function while one waits."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Any

from rich.console import Console
from rich.text import Text

from screentest.aws import Access, AwsError, translated
from screentest.backfill.selection import parse_source
from screentest.display import VERDICT_STYLES, printable
from screentest.screening.reasons import explain
from screentest.verdicts.query import Item
from screentest.verdicts.writing import write_json

PASSED, REJECTED, NOT_JUDGED = 0, 1, 2
"""Exit statuses."""

_FIRST = ("verdict", "code", "message", "face_bbox", "ext_bbox", "body_style")


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


def screen(access: Access, address: str) -> list[Item]:
    """The records of every screening that the object is routed to: judged now, or as they stand.

    Raises:
        AwsError: no such object, no route for it, or the function could not judge it now.
    """
    bucket, key = parse_source(address)
    if not key or key.endswith("/"):
        raise AwsError(f"{address} names no object: write s3://BUCKET/KEY; for many use screentest backfill")
    with translated(f"look at {address}", needs="s3:GetObject on it"):
        head = access.client("s3").head_object(Bucket=bucket, Key=key)
    function = access.stack.output("ScreenFunctionName")
    with translated(f"call the function {function}", needs="lambda:InvokeFunction on it"):
        answer = access.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps(event(bucket, key, head)).encode()
        )
        payload = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise AwsError(
            f"the function did not judge it: {printable(str(payload.get('errorMessage', 'no reason given')))}; "
            "if that can pass, run the command again"
        )
    found: list[Item] = payload["screenings"]
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
    out = out or sys.stdout
    if json_output:
        write_json(items, out)
    else:
        console = Console(file=out, highlight=False)
        for item in items:
            _print(console, item)
    verdicts = {str(item.get("verdict")) for item in items}
    if verdicts - {"pass", "reject"}:
        return NOT_JUDGED
    return REJECTED if "reject" in verdicts else PASSED


def _print(console: Console, item: Item) -> None:
    verdict, ratio = str(item.get("verdict", "pending")), str(item.get("ratio", "-"))
    words = explain(item.get("code"), str(item["model"]), ratio=None if ratio == "-" else ratio)
    line = Text(f"{verdict:<6} ", style=f"bold {VERDICT_STYLES.get(verdict, '')}")
    line.append(f"{printable(str(item['model']))}{'' if ratio == '-' else ' ' + ratio}", style="default")
    console.print(line, soft_wrap=True)
    if verdict != "pass":
        console.print(Text(f"       {words.title}. {words.advice}"), soft_wrap=True)
    names = [*(name for name in _FIRST[1:] if name in item), *sorted(set(item) - set(_FIRST))]
    width = max(map(len, names))
    for name in names:
        value = item[name]
        text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        console.print(Text(f"       {name:<{width}}  {printable(text)}"), soft_wrap=True)
