"""Any event that tells of a new object → `ObjectRef`s.

Keys are form-encoded in S3's own notifications and raw in EventBridge's, on whichever way they arrive; each is
decoded once, here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus

from screentest.screening.errors import UnreadableEvent
from screentest.screening.models import ObjectRef, Trigger

Event = Mapping[str, Any]

BACKFILL_SOURCE = "screentest.backfill"
BACKFILL_TYPE = "Object Listed"
"""Source and detail type of the messages in the backfill queue, which else have the shape of S3's EventBridge events;
their `time` is the object's last modification."""


BACKFILL_REJECTS = "rejects"
"""Field of their detail: codes of rejections to screen again; absent where rejections stand."""


def is_queue_batch(event: object) -> bool:
    """Whether the event is a batch of SQS messages."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    return (
        isinstance(records, list)
        and bool(records)
        and all(isinstance(record, Mapping) and record.get("eventSource") == "aws:sqs" for record in records)
    )


def objects_in_body(body: str, trigger: Trigger = Trigger.UPLOAD) -> list[ObjectRef]:
    """The new objects that the body of an SQS message tells of; none for S3's test event and for other news.

    Raises:
        UnreadableEvent: not JSON, or neither an S3 notification nor an EventBridge event.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableEvent("the message is not JSON") from None
    return objects(event, trigger)


def objects(event: object, trigger: Trigger = Trigger.UPLOAD) -> list[ObjectRef]:
    """The new objects that an S3 notification or an EventBridge event tells of.

    Raises:
        UnreadableEvent: neither of the two, or one without bucket or key.
    """
    if not isinstance(event, Mapping):
        raise UnreadableEvent("neither an S3 notification nor an EventBridge event")
    if event.get("Event") == "s3:TestEvent":
        return []
    try:
        if isinstance(event.get("Records"), list):
            found = list(_notified(event["Records"]))
        elif event.get("source") == "aws.s3":
            found = list(_bridged(event, "Object Created"))
        elif event.get("source") == BACKFILL_SOURCE:
            trigger = Trigger.BACKFILL
            found = list(_bridged(event, BACKFILL_TYPE))
        else:
            raise UnreadableEvent("neither an S3 notification nor an EventBridge event")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UnreadableEvent("an event without bucket or key") from None
    return [replace(ref, trigger=trigger) for ref in found]


def rejects_in_body(body: str) -> tuple[str, ...] | None:
    """Codes of the rejections that a message of the backfill queue asks to screen again; None for no rejections."""
    try:
        codes = json.loads(body)["detail"][BACKFILL_REJECTS]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return tuple(map(str, codes)) if isinstance(codes, list) else None


def triggers(event: object) -> set[Trigger]:
    """What would have made a function look at the objects that its event tells of; nothing where it cannot be read."""
    found: list[ObjectRef] = []
    if isinstance(event, Mapping) and is_queue_batch(event):
        for record in event["Records"]:
            with contextlib.suppress(UnreadableEvent):
                found += objects_in_body(str(record.get("body")))
    else:
        with contextlib.suppress(UnreadableEvent):
            found += objects(event, Trigger.MANUAL)
    return {ref.trigger for ref in found}


def decode_key(key: str) -> str:
    """The key as S3 stores it, from the form-encoded form of its notifications and inventories."""
    return unquote_plus(key, errors="strict")


def _notified(records: list[Any]) -> Iterator[ObjectRef]:
    for record in records:
        # Lambda destinations carry no prefix, SNS and old fixtures carry "s3:".
        name = str(record["eventName"]).removeprefix("s3:")
        if not name.startswith("ObjectCreated:"):
            continue
        entity = record["s3"]
        yield _ref(
            bucket=entity["bucket"]["name"],
            key=decode_key(entity["object"]["key"]),
            version=entity["object"].get("versionId"),
            etag=entity["object"].get("eTag"),
            size=entity["object"].get("size"),
            sequencer=entity["object"].get("sequencer"),
            time=record.get("eventTime"),
        )


def _bridged(event: Event, kind: str) -> Iterator[ObjectRef]:
    if event.get("detail-type") != kind:
        return
    detail = event["detail"]
    yield _ref(
        bucket=detail["bucket"]["name"],
        key=detail["object"]["key"],
        version=detail["object"].get("version-id"),
        etag=detail["object"].get("etag"),
        size=detail["object"].get("size"),
        sequencer=detail["object"].get("sequencer"),
        time=event.get("time"),
    )


def _ref(
    *, bucket: str, key: str, version: object, etag: object, size: object, sequencer: object, time: object
) -> ObjectRef:
    if not isinstance(bucket, str) or not isinstance(key, str):
        raise TypeError("bucket and key are text")
    return ObjectRef(
        bucket=bucket,
        key=key,
        version_id=version if isinstance(version, str) and version not in ("", "null") else None,
        etag=etag.strip('"') or None if isinstance(etag, str) else None,
        size=size if isinstance(size, int) and not isinstance(size, bool) else None,
        sequencer=sequencer if isinstance(sequencer, str) and _is_hex(sequencer) else None,
        last_modified=_milliseconds(time),
    )


def _is_hex(text: str) -> bool:
    return bool(text) and all(digit in "0123456789abcdefABCDEF" for digit in text)


def _milliseconds(time: object) -> str | None:
    """`YYYY-MM-DDTHH:MM:SS.mmmZ` from either source: EventBridge leaves the milliseconds out."""
    if not isinstance(time, str) or not time.endswith("Z") or len(time) < len("2026-01-01T00:00:00Z"):
        return None
    seconds, _, fraction = time[:-1].partition(".")
    return f"{seconds}.{fraction[:3]:0<3}Z"
