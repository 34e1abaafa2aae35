"""Entries from the verdict table: each record with its picture from the bucket, if it is still there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from screentest.reports.entry import Absence, ReportEntry
from screentest.screening.models import ObjectRef
from screentest.screening.records import Record

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


def entries(records: Iterable[Record], s3: Any, *, workers: int = WORKERS) -> Iterator[ReportEntry]:
    """The decided records in their order, pictures read ahead by a few threads.

    Args:
        records: those without a verdict are left out.
        s3: a boto3 client that may read the objects.
        workers: pictures read at a time.

    Raises:
        botocore.exceptions.ClientError: S3 answered with something that does not explain a missing picture.
    """
    decided = (record for record in records if record.result is not None)
    waiting: deque[Future[ReportEntry]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="pictures") as pool:
        try:
            for record in islice(decided, 2 * workers):
                waiting.append(pool.submit(entry, record, s3))
            while waiting:
                ready = waiting.popleft().result()
                for record in islice(decided, 1):
                    waiting.append(pool.submit(entry, record, s3))
                yield ready
        finally:
            for future in waiting:
                future.cancel()


def entry(record: Record, s3: Any) -> ReportEntry:
    """One decided record with its picture, exactly as it was screened, or why there is none."""
    picture, absent = _read(record.ref, s3)
    return ReportEntry.of(record, picture=picture, absent=absent)


def _read(ref: ObjectRef, s3: Any) -> tuple[bytes | None, Absence | None]:
    pinned = {"VersionId": ref.version_id} if ref.version_id else {}
    if ref.etag and not pinned:
        # Without versions another picture may have taken its place.
        pinned["IfMatch"] = f'"{ref.etag}"'
    try:
        found = s3.get_object(Bucket=ref.bucket, Key=ref.key, **pinned)
    except ParamValidationError:
        return None, "deleted"  # no bucket can have such a name, so there is no such object
    except ClientError as error:
        reason = _ABSENT.get(str(error.response.get("Error", {}).get("Code")))
        if reason is None:
            raise
        return None, reason
    with found["Body"] as body:
        return (None, "not-kept") if found["ContentLength"] > LARGEST else (body.read(), None)
