"""Messages for the failure topic: pure functions from a record to a message."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal
from urllib.parse import quote

from screentest.screening.errors import ScreeningError
from screentest.screening.models import NO_VERSION, ObjectRef, Verdict
from screentest.screening.reasons import deciding, explain
from screentest.screening.records import Attribute, Record

_CONSOLES: Final = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}
"""The console of a partition, by how its regions begin."""

SUBJECT: Final = "Screentest: a picture needs attention"
"""Fixed and ASCII: a subject made of keys could be refused by SNS, or be used to write mails in our name."""

TAG_LIMIT: Final = "TagLimit"

_ATTRIBUTES: Final = (
    Attribute.VERDICT,
    Attribute.MODEL,
    Attribute.BUCKET,
    Attribute.TRIGGER,
    Attribute.CODE,
)

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
    """Whether this verdict is to be announced."""
    return notify_on == "all" or record.result is None or record.result.verdict is not Verdict.PASS


def notice(record: Record, region: str) -> Notice:
    """The message for a verdict."""
    document = record.document()
    link = console_link(record.ref, region)
    return Notice(
        attributes={name: str(document[name]) for name in _ATTRIBUTES if name in document},
        default=json.dumps(document | {"console": link}, ensure_ascii=False, separators=(",", ":")),
        email=_email(record, link),
    )


def no_room(record: Record, region: str) -> Notice:
    """The message that says that the gate could not be written, whatever the verdict is."""
    why = "but the object's ten tags are all in use by others: there is no room for the tag 'screentest'."
    return notice(_failed(record, TAG_LIMIT, why, face_bbox=None, ext_bbox=None, body_style=None), region)


def untagged(record: Record, region: str, failure: ScreeningError) -> Notice:
    """The message that says that tags could not be written, whatever the verdict is."""
    return notice(
        _failed(record, failure.code, f"but its tags could not be written: {failure.message}"), region
    )


def _failed(record: Record, code: str, why: str, **others: Any) -> Record:
    result = record.result
    assert result is not None
    message = f"The verdict is '{result.verdict}', {why}"
    return replace(
        record, result=replace(result, verdict=Verdict.ERROR, code=code, message=message, **others)
    )


def console_link(ref: ObjectRef, region: str) -> str:
    """The object in the S3 console."""
    domain = next(
        (address for prefix, address in _CONSOLES.items() if region.startswith(prefix)),
        "console.aws.amazon.com",
    )
    version = f"&versionId={quote(ref.version_id, safe='')}" if ref.version_id else ""
    return (
        f"https://{domain}/s3/object/{quote(ref.bucket, safe='')}"
        f"?region={region}&prefix={quote(ref.key, safe='')}{version}"
    )


_SAID: Final = {
    Verdict.PASS: "passed",
    Verdict.REJECT: "was rejected",
    Verdict.ERROR: "could not be judged",
}


def _email(record: Record, link: str) -> str:
    ref, screening, result = record.ref, record.screening, record.result
    assert result is not None
    reason = explain(result.code, screening.model, ratio=screening.ratio)
    figures = f" ({_plain(deciding.said(result.measured.check))})" if result.measured else ""
    lines = [
        f"A picture {_SAID[result.verdict]}: {reason.title}{figures}.",
        "",
        f"What to do: {reason.advice}",
        "",
        f"Object:   {_plain(ref.bucket)}/{_plain(ref.key)}",
        f"Version:  {_plain(ref.version_id or NO_VERSION)}",
        f"Model:    {_plain(screening.model)}" + (f" ({screening.ratio_key})" if screening.ratio else ""),
        f"Verdict:  {result.verdict}" + (f", {_plain(result.code)}" if result.code else ""),
    ]
    if result.message:
        lines.append(f"Detector: {_plain(result.message)}")
    if result.screened_at:
        lines.append(f"Time:     {_plain(result.screened_at)}")
    return "\n".join([*lines, "", link, ""])


def _plain(value: object) -> str:
    """On one line, without characters that could forge other lines of the mail."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", str(value))[:_LONGEST_EMAIL_FIELD]
