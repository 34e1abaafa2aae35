"""Records as the page shows them."""

from __future__ import annotations

from typing import Any

from screentest.screening.models import Verdict
from screentest.screening.reasons import LANGUAGES, explain
from screentest.screening.records import Attribute, Record
from screentest.screening.table import VerdictTable
from screentest.verdicts.query import Question, VerdictReader


def shown(record: Record) -> dict[str, Any]:
    """A record as JSON for the browser, with its words in every language.

    Without `verdict` the screening is in progress, or waits to be tried again.
    """
    ref, screening, result, lease = record.ref, record.screening, record.result, record.lease
    cause = lease.cause if lease is not None and result is None else None
    code = result.code if result is not None else cause.code if cause is not None else None
    words = {lang: explain(code, screening.model, lang, ratio=screening.ratio) for lang in LANGUAGES}
    fields: dict[str, Any] = {
        "key": ref.key,
        "version": ref.version_id,
        "model": screening.model,
        "ratio": screening.ratio,
        "leased": lease is not None,
        "code": code,
        "attempts": record.attempts or None,
        "trigger": ref.trigger,
        "words": {lang: [reason.title, reason.advice] for lang, reason in words.items()},
    }
    if result is not None:
        fields |= {
            "verdict": result.verdict,
            "message": result.message,
            str(Attribute.MEASURED): result.measured.check if result.measured is not None else None,
            "face": result.face_bbox,
            "ext": result.ext_bbox,
            "body": result.body_style,
            "ms": result.latency_ms,
            "tags": result.tags,
            "detector": result.detector,
            "at": result.screened_at,
        }
    return {name: value for name, value in fields.items() if value is not None}


def of_object(dynamodb: Any, table: str, uri: str, version: str | None) -> list[dict[str, Any]]:
    """The screenings of one version of one object, decided or not."""
    records = VerdictTable(dynamodb, table).of_object(uri)
    return [shown(record) for record in records if version in (None, record.ref.version_id)]


def newest(dynamodb: Any, table: str, bucket: str, limit: int) -> list[dict[str, Any]]:
    """The newest decided screenings of a bucket, newest first.

    Raises:
        screentest.aws.AwsError: the table does not answer.
    """
    decided = Question(address=f"s3://{bucket}/", verdicts=frozenset(map(str, Verdict)))
    return [shown(record) for record in VerdictReader(dynamodb, table, lambda _: None).read(decided, limit)]
