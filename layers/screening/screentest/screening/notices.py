"""What the failure topic is told: pure functions from an item to a message."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

from screentest.screening.errors import ScreeningError
from screentest.screening.models import NO_VERSION, Verdict
from screentest.screening.reasons import deciding, explain
from screentest.screening.records import Item, Record

_CONSOLES: Final = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}
"""The console of a partition, by how its regions begin."""

SUBJECT: Final = "Screentest: a picture needs attention"
"""Fixed and ASCII: a subject made of keys could be refused by SNS, or be used to write mails in our name."""

TAG_LIMIT: Final = "TagLimit"

_LONGEST_EMAIL_FIELD: Final = 1024
"""Characters; the longest key. Everything together stays far below the 256 KB of SNS."""

_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters, and those that reorder or hide text."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message for the topic.

    Attributes:
        attributes: for filter policies: `verdict, model, bucket, trigger`, and `code` where there is one.
        default: a JSON document of the item's attributes and `console`, a link to the object.
        email: for people.
    """

    attributes: Mapping[str, str]
    default: str
    email: str
    subject: str = SUBJECT


def wanted(record: Record, notify_on: Literal["failures", "all"]) -> bool:
    """Whether the topic is to hear of this verdict."""
    return notify_on == "all" or record.result is None or record.result.verdict is not Verdict.PASS


def notice(record: Record, region: str) -> Notice:
    """The message for a verdict."""
    return _notice(record.document(), region)


def _notice(item: Item, region: str) -> Notice:
    names = ("verdict", "model", "bucket", "trigger", "code")
    link = console_link(item, region)
    document = item | {"console": link}
    return Notice(
        attributes={name: str(item[name]) for name in names if item.get(name)},
        default=json.dumps(document, ensure_ascii=False, separators=(",", ":")),
        email=_email(item, link),
    )


def no_room(record: Record, region: str) -> Notice:
    """The message that says that the gate could not be written, whatever the verdict is."""
    item = record.document()
    return _notice(
        {name: value for name, value in item.items() if name not in ("face_bbox", "ext_bbox", "body_style")}
        | {
            "verdict": Verdict.ERROR.value,
            "code": TAG_LIMIT,
            "message": f"The verdict is '{item['verdict']}', but the object's ten tags are all in use by others: "
            "there is no room for the tag 'screentest'.",
        },
        region,
    )


def untagged(record: Record, region: str, failure: ScreeningError) -> Notice:
    """The message that says that tags could not be written, whatever the verdict is."""
    item = record.document()
    return _notice(
        item
        | {
            "verdict": Verdict.ERROR.value,
            "code": failure.code,
            "message": f"The verdict is '{item['verdict']}', but its tags could not be written: {failure.message}",
        },
        region,
    )


def console_link(item: Item, region: str) -> str:
    """The object in the S3 console."""
    domain = next(
        (address for prefix, address in _CONSOLES.items() if region.startswith(prefix)),
        "console.aws.amazon.com",
    )
    version = f"&versionId={quote(item['version_id'], safe='')}" if item.get("version_id") else ""
    return (
        f"https://{domain}/s3/object/{quote(str(item['bucket']), safe='')}"
        f"?region={region}&prefix={quote(str(item['key']), safe='')}{version}"
    )


def _email(item: Item, link: str) -> str:
    verdict, model = item["verdict"], str(item["model"])
    ratio = str(item.get("ratio", "-")).replace("x", ":")
    reason = explain(item.get("code"), model, ratio=None if ratio == "-" else ratio)
    said = {
        Verdict.PASS: "passed",
        Verdict.REJECT: "was rejected",
        Verdict.ERROR: "could not be judged",
    }[Verdict(verdict)]
    version = item.get("version_id") or NO_VERSION
    measured = item.get("measured")
    figures = f" ({_plain(deciding.said(measured))})" if measured else ""
    lines = [
        f"A picture {said}: {reason.title}{figures}.",
        "",
        f"What to do: {reason.advice}",
        "",
        f"Object:   {_plain(item['bucket'])}/{_plain(item['key'])}",
        f"Version:  {_plain(version)}",
        f"Model:    {_plain(model)}"
        + (f" ({_plain(item['ratio'])})" if item.get("ratio", "-") != "-" else ""),
        f"Verdict:  {verdict}" + (f", {_plain(item['code'])}" if item.get("code") else ""),
    ]
    if item.get("message"):
        lines.append(f"Detector: {_plain(item['message'])}")
    if item.get("screened_at"):
        lines.append(f"Time:     {_plain(item['screened_at'])}")
    return "\n".join([*lines, "", link, ""])


def _plain(value: object) -> str:
    """On one line, without characters that could forge other lines of the mail."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", str(value))[:_LONGEST_EMAIL_FIELD]
