"""What a backfill reads: the bucket page by page, and what the table knows of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from screentest.aws import AwsError, error_code, translated
from screentest.backfill.selection import Listed
from screentest.screening.models import Screening
from screentest.screening.records import Attribute, Record, key
from screentest.screening.table import decode, encode

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

Cursor = dict[str, str]
"""Where a listing goes on: the arguments of the next request. Empty for the beginning."""


@dataclass(frozen=True, slots=True)
class Page:
    """Up to a thousand objects, and where the next page begins; None after the last."""

    objects: tuple[Listed, ...]
    following: Cursor | None


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
            with translated(
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


class Verdicts:
    """What the table knows of objects, by key alone: no index and no scan."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def of(
        self, bucket: str, wanted: Sequence[tuple[Listed, tuple[Screening, ...]]]
    ) -> dict[str, dict[Screening, Record]]:
        """The stored records of these objects, as far as `PROJECTION` goes, by object address.

        Raises:
            AwsError: the table may not be read, or keeps refusing.
        """
        keys = [
            encode(key(listed.ref(bucket), screening))
            for listed, screenings in wanted
            for screening in screenings
        ]
        found: dict[str, dict[Screening, Record]] = {}
        with translated(f"read the table {self._table}", needs="dynamodb:BatchGetItem on the table"):
            for start in range(0, len(keys), BATCH_GET):
                for raw in self._batch(keys[start : start + BATCH_GET]):
                    record = Record.from_item(decode(raw))
                    found.setdefault(record.ref.uri, {})[record.screening] = record
        return found

    def _batch(self, keys: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        names = {f"#{name}": name for name in PROJECTION}
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
