"""The bucket and the table behind the upload API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from screentest.screening.errors import StoreUnavailable
from screentest.screening.records import Record
from screentest.screening.table import VerdictTable
from screentest.screening.uploads import FORM_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class UploadStore:
    """As `uploads.Store`, over AWS."""

    s3: S3Client
    table: VerdictTable
    bucket: str

    def form(self, key: str, content_type: str, largest: int) -> Mapping[str, Any]:
        """Signs locally; no call to AWS."""
        return self.s3.generate_presigned_post(
            self.bucket,
            key,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, largest]],
            ExpiresIn=FORM_SECONDS,
        )

    def records(self, key: str) -> Sequence[Record]:
        """From the table."""
        return self.table.of_object(f"s3://{self.bucket}/{key}")

    def exists(self, key: str) -> bool:
        """By the list of the bucket: reading the object, even its head, would need the right to read pictures."""
        try:
            listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=key, MaxKeys=1)
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailable.of("the bucket did not answer", error) from error
        return any(found.get("Key") == key for found in listed.get("Contents", ()))
