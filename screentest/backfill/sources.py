"""What a backfill reads: the bucket page by page, what is overdue, and what the table knows of a page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from screentest.aws import AwsError, as_aws_errors, error_code
from screentest.backfill.selection import Listed, Selection
from screentest.screening import records
from screentest.screening.models import Reason, Screening
from screentest.screening.records import Attribute, Record, key
from screentest.screening.table import decode, encode, overdue

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

BATCH_GET: Final = 100
"""Most keys of one `BatchGetItem`."""

PROJECTION: Final = (
    Attribute.OBJECT,
    Attribute.SCREENING,
    Attribute.VERDICT,
    Attribute.RULES_VERSION,
    Attribute.LEASE_UNTIL,
    Attribute.ETAG,
    Attribute.CODE,
)
"""What `needed` looks at."""

PENDING_PERMISSION: Final = "dynamodb:Scan on the table's indexes"

Cursor = dict[str, str]
"""Where a listing goes on: the arguments of the next request. Empty for the beginning."""


@dataclass(frozen=True, slots=True)
class Page:
    """Up to a thousand objects, and where the next page begins; None after the last.

    Attributes:
        overdue: whether they are there because the table says so, whatever the bucket lists.
    """

    objects: tuple[Listed, ...]
    following: Cursor | None
    overdue: bool = False


class Source(Protocol):
    """Where pages come from."""

    def pages(self, cursor: Cursor | None = None) -> Iterator[Page]:
        """The pages from `cursor` on."""
        ...


class Bucket:
    """One bucket's objects under a prefix, a page in memory at a time."""

    def __init__(self, client: S3Client, bucket: str, prefix: str = "", page_size: int = 1000) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._page_size = page_size
        self._versions: bool | None = None

    def pages(self, cursor: Cursor | None = None) -> Iterator[Page]:
        """The pages from `cursor` on.

        Raises:
            AwsError: there is no such bucket, or it may not be listed.
        """
        where: Cursor | None = cursor or {}
        while where is not None:
            with as_aws_errors(
                f"list s3://{self._bucket}/{self._prefix}",
                needs="s3:ListBucket, s3:ListBucketVersions and s3:GetBucketVersioning on the bucket",
            ):
                try:
                    page = self._versioned(where) if self._keeps_versions() else self._plain(where)
                except self._client.exceptions.ClientError as error:
                    if error_code(error) not in ("NoSuchBucket", "404"):
                        raise
                    raise AwsError(
                        f"there is no bucket named {self._bucket}; `aws s3 ls` shows those of your account"
                    ) from error
            yield page
            where = page.following

    def _keeps_versions(self) -> bool:
        if self._versions is None:
            answer = self._client.get_bucket_versioning(Bucket=self._bucket)
            # A suspended bucket still holds versions, and its events name them.
            self._versions = "Status" in answer
        return self._versions

    def _versioned(self, cursor: Cursor) -> Page:
        arguments: dict[str, Any] = dict(cursor)
        answer = self._client.list_object_versions(
            Bucket=self._bucket, Prefix=self._prefix, MaxKeys=self._page_size, **arguments
        )
        objects = tuple(
            _listed(found, None if found["VersionId"] == "null" else found["VersionId"])
            for found in answer.get("Versions", [])
            if found["IsLatest"]
        )
        following = None
        if answer.get("IsTruncated"):
            following = {"KeyMarker": answer["NextKeyMarker"]}
            if marker := answer.get("NextVersionIdMarker"):
                following["VersionIdMarker"] = marker
        return Page(objects, following)

    def _plain(self, cursor: Cursor) -> Page:
        arguments: dict[str, Any] = dict(cursor)
        answer = self._client.list_objects_v2(
            Bucket=self._bucket, Prefix=self._prefix, MaxKeys=self._page_size, **arguments
        )
        objects = tuple(_listed(found, None) for found in answer.get("Contents", []))
        # A key to start after stays good for ever; a continuation token need not.
        more = answer.get("IsTruncated") and objects
        return Page(objects, {"StartAfter": objects[-1].key} if more else None)


class Overdue:
    """What is pending although its message is lost (`Record.is_overdue`): first all of it, old versions and deleted
    objects too, then the bucket's other objects.

    Args:
        bucket: None for what is overdue alone.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        selection: Selection,
        bucket: Source | None,
        *,
        page_size: int = 1000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._table = table
        self._selection = selection
        self._bucket = bucket
        self._page_size = page_size
        self._clock = clock

    def pages(self, cursor: Cursor | None = None) -> Iterator[Page]:
        """The pages from `cursor` on; what is overdue belongs to the beginning.

        Raises:
            AwsError: the index may not be read, or the bucket may not be listed.
        """
        found = {} if cursor else self._found()
        objects = tuple(found.values())
        for start in range(0, len(objects), self._page_size):
            yield Page(objects[start : start + self._page_size], {}, overdue=True)
        if self._bucket is None:
            yield Page((), None)
            return
        for page in self._bucket.pages(cursor):
            others = (each for each in page.objects if (each.key, each.version_id) not in found)
            yield replace(page, objects=tuple(others))

    def _found(self) -> dict[tuple[str, str | None], Listed]:
        refs = (record.ref for record in self._records())
        return {
            (ref.key, ref.version_id): Listed(
                key=ref.key,
                version_id=ref.version_id,
                etag=ref.etag or "",
                size=ref.size or 0,
                last_modified=datetime.fromtimestamp(records.seconds(ref.last_modified or ""), UTC),
            )
            for ref in refs
            if ref.bucket == self._selection.bucket and ref.key.startswith(self._selection.prefix)
        }

    def _records(self) -> Iterator[Record]:
        with as_aws_errors(
            f"read the index {records.PENDING_INDEX} of {self._table}", needs=PENDING_PERMISSION
        ):
            try:
                yield from overdue(self._client, self._table, self._clock())
            except self._client.exceptions.ClientError as error:
                if error_code(error) != "ValidationException":
                    raise
                # A table of before has no such index; only where it is all that was asked for this matters.
                if self._bucket is None:
                    raise AwsError(
                        f"the table {self._table} has no index {records.PENDING_INDEX}: deploy the stack again "
                        "(make deploy)"
                    ) from error


def source(client: Any, table: str, selection: Selection, bucket: Bucket) -> Source:
    """Where the objects of a selection are looked for."""
    if not selection.only & {Reason.NEW, Reason.OVERDUE}:
        return bucket
    return Overdue(client, table, selection, None if selection.only == {Reason.OVERDUE} else bucket)


class Verdicts:
    """What the table knows of objects, by key alone: no index and no scan."""

    def __init__(
        self, client: DynamoDBClient, table: str, attributes: Sequence[Attribute] = PROJECTION
    ) -> None:
        self._client = client
        self._table = table
        self._attributes = attributes

    def of(
        self, bucket: str, wanted: Sequence[tuple[Listed, tuple[Screening, ...]]]
    ) -> dict[tuple[str, str | None], dict[Screening, Record]]:
        """The stored records of these objects, as far as the attributes go, by object address and version.

        Raises:
            AwsError: the table may not be read, or keeps refusing.
        """
        keys = [
            encode(key(listed.ref(bucket), screening))
            for listed, screenings in wanted
            for screening in screenings
        ]
        found: dict[tuple[str, str | None], dict[Screening, Record]] = {}
        with as_aws_errors(f"read the table {self._table}", needs="dynamodb:BatchGetItem on the table"):
            for start in range(0, len(keys), BATCH_GET):
                for raw in self._batch(keys[start : start + BATCH_GET]):
                    record = Record.from_item(decode(raw))
                    place = (record.ref.uri, record.ref.version_id)
                    found.setdefault(place, {})[record.screening] = record
        return found

    def _batch(self, keys: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        names = {f"#{name}": name for name in self._attributes}
        wanted: Any = {
            self._table: {
                "Keys": keys,
                "ProjectionExpression": ", ".join(names),
                "ExpressionAttributeNames": names,
            }
        }
        while wanted:
            # Each answer carries at least one item unless it is refused whole, which botocore retries with waits.
            answer = self._client.batch_get_item(RequestItems=wanted)
            yield from answer["Responses"].get(self._table, [])
            wanted = answer.get("UnprocessedKeys")


def _listed(found: Any, version_id: str | None) -> Listed:
    return Listed(
        key=found["Key"],
        version_id=version_id,
        etag=found["ETag"].strip('"'),
        size=found["Size"],
        last_modified=found["LastModified"],
        storage_class=found.get("StorageClass", "STANDARD"),
    )
