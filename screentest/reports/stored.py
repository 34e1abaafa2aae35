"""Entries from the verdict table: each item with its picture from the bucket, if it is still there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from screentest.reports.entry import Absence, ReportEntry, wire_ratio

WORKERS = 8
"""Pictures read at a time: reading is waiting, and this many keep a decoder busy."""

LARGEST = 50_000_000
"""Bytes; larger objects are shown without their picture, so that memory stays flat whatever was uploaded."""

_ABSENT: dict[str, Absence] = {
    "NoSuchKey": "deleted",
    "NoSuchVersion": "deleted",
    "NoSuchBucket": "deleted",
    "404": "deleted",
    # A delete marker of ours to be read as a version.
    "MethodNotAllowed": "deleted",
    "PreconditionFailed": "replaced",
    "412": "replaced",
    "AccessDenied": "denied",
    "403": "denied",
    "InvalidObjectState": "archived",
}


def entries(items: Iterable[Mapping[str, Any]], s3: Any, *, workers: int = WORKERS) -> Iterator[ReportEntry]:
    """The decided items in their order, pictures read ahead by a few threads.

    Args:
        items: of the verdict table, decoded; those without a verdict are left out.
        s3: a boto3 client that may read the objects.
        workers: pictures read at a time.

    Raises:
        botocore.exceptions.ClientError: S3 answered with something that does not explain a missing picture.
    """
    decided = (item for item in items if item.get("verdict"))
    waiting: deque[Future[ReportEntry]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="pictures") as pool:
        try:
            for item in islice(decided, 2 * workers):
                waiting.append(pool.submit(entry, item, s3))
            while waiting:
                ready = waiting.popleft().result()
                for item in islice(decided, 1):
                    waiting.append(pool.submit(entry, item, s3))
                yield ready
        finally:
            for future in waiting:
                future.cancel()


def entry(item: Mapping[str, Any], s3: Any) -> ReportEntry:
    """One decided item with its picture, exactly as it was screened, or why there is none."""
    picture, absent = _read(item, s3)
    return ReportEntry(
        name=str(item["key"]),
        source=f"s3://{item['bucket']}/{item['key']}",
        model=str(item["model"]),
        ratio=wire_ratio(item.get("ratio")),
        verdict=item["verdict"],
        code=item.get("code"),
        message=item.get("message"),
        face_bbox=item.get("face_bbox"),
        ext_bbox=item.get("ext_bbox"),
        body_style=item.get("body_style"),
        latency_ms=item.get("latency_ms"),
        screened_at=item.get("screened_at"),
        picture=picture,
        absent=absent,
    )


def _read(item: Mapping[str, Any], s3: Any) -> tuple[bytes | None, Absence | None]:
    pinned = {"VersionId": item["version_id"]} if item.get("version_id") else {}
    if item.get("etag") and not pinned:
        # Without versions another picture may have taken its place.
        pinned["IfMatch"] = f'"{item["etag"]}"'
    try:
        found = s3.get_object(Bucket=item["bucket"], Key=item["key"], **pinned)
    except ParamValidationError:
        return None, "deleted"  # no bucket can have such a name, so there is no such object
    except ClientError as error:
        reason = _ABSENT.get(str(error.response.get("Error", {}).get("Code")))
        if reason is None:
            raise
        return None, reason
    with found["Body"] as body:
        return (None, "not-kept") if found["ContentLength"] > LARGEST else (body.read(), None)
