"""The uploaded objects in S3: their tags, and a look at whether they are still there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from screentest.screening.errors import (
    AccessDenied,
    ObjectArchived,
    ObjectEncrypted,
    ObjectGone,
    ScreeningError,
    StoreUnavailable,
)
from screentest.screening.models import ObjectRef
from screentest.screening.tags import Tags

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GONE: Final = frozenset(
    {"NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404", "405", "MethodNotAllowed", "412"}
)
_DENIED: Final = frozenset({"AccessDenied", "403", "AllAccessDisabled", "KMS.DisabledException"})


class TagsConflict(StoreUnavailable):
    """Another tag operation on the same object got in between: read again, merge again."""


@dataclass(frozen=True, slots=True)
class ObjectMetadata:
    """What is there now.

    Attributes:
        etag: without quotes.
        last_modified: `YYYY-MM-DDTHH:MM:SS.mmmZ`; S3 keeps whole seconds.
        metadata: the uploader's own, names in lower case without `x-amz-meta-`.
    """

    etag: str
    last_modified: str
    size: int
    metadata: Mapping[str, str]
    version_id: str | None = None


class Objects:
    """Reads and tags one version of an object; where the bucket keeps none, whatever is there under the key.

    Every method raises `ObjectGone`, `AccessDenied`, `ObjectUnreadable` or `StoreUnavailable`.
    """

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def head(self, ref: ObjectRef) -> ObjectMetadata:
        """What is there now."""
        try:
            answer = self._client.head_object(**_at(ref))
        except ClientError as error:
            if error.response["Error"]["Code"] == "400":
                # The answer to a HEAD has no body that could say what is wrong; the one to a GET has.
                return self.read(ref)
            raise _meaning(error) from error
        except BotoCoreError as error:
            raise _meaning(error) from error
        return _metadata_of(answer, answer["ContentLength"])

    def read(self, ref: ObjectRef) -> ObjectMetadata:
        """The same by way of the content, so that it fails where a signed address would, KMS included."""
        try:
            answer = self._client.get_object(**_at(ref), Range="bytes=0-0")
        except ClientError as error:
            if error.response["Error"]["Code"] in ("InvalidRange", "416"):
                return self.head(ref)
            raise _meaning(error) from error
        except BotoCoreError as error:
            raise _meaning(error) from error
        answer["Body"].close()
        total = answer.get("ContentRange", "").rpartition("/")[2]
        return _metadata_of(answer, int(total) if total.isdigit() else answer["ContentLength"])

    def tags(self, ref: ObjectRef) -> Tags:
        """All tags; a refusal is an error, never an empty set: writing would then wipe what is there."""
        try:
            answer = self._client.get_object_tagging(**_at(ref))
        except (ClientError, BotoCoreError) as error:
            raise _meaning(error) from error
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def write_tags(self, ref: ObjectRef, tags: Mapping[str, str]) -> None:
        """Replace all tags.

        Raises:
            TagsConflict: S3 refused because another write to the same object was under way.
        """
        tag_set = [{"Key": name, "Value": value} for name, value in tags.items()]
        try:
            self._client.put_object_tagging(**_at(ref), Tagging={"TagSet": tag_set})  # type: ignore[typeddict-item]  # same shape
        except (ClientError, BotoCoreError) as error:
            raise _meaning(error) from error


def _at(ref: ObjectRef) -> Any:
    place = {"Bucket": ref.bucket, "Key": ref.key}
    return place | {"VersionId": ref.version_id} if ref.version_id else place


def _metadata_of(answer: Any, size: int) -> ObjectMetadata:
    modified = answer["LastModified"]
    return ObjectMetadata(
        etag=str(answer["ETag"]).strip('"'),
        last_modified=modified.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        size=size,
        metadata=answer.get("Metadata", {}),
        version_id=answer.get("VersionId"),
    )


def _meaning(error: ClientError | BotoCoreError) -> ScreeningError:
    if not isinstance(error, ClientError):
        return StoreUnavailable.of("S3 did not answer", error)
    code = error.response["Error"]["Code"]
    if code in _GONE:
        return ObjectGone("the object is gone")
    found: ScreeningError
    if code == "InvalidObjectState":
        found = ObjectArchived("the object is archived and not restored")
    elif code == "InvalidRequest" and error.operation_name == "GetObject":
        found = ObjectEncrypted("the object is encrypted with its owner's key (SSE-C)")
    elif code in _DENIED or code.startswith("KMS."):
        found = AccessDenied(f"S3 refused {error.operation_name}: {code}")
    elif code in ("OperationAborted", "ConditionalRequestConflict"):
        found = TagsConflict.of("S3 was busy with the same object", error)
    else:
        found = StoreUnavailable.of(f"S3 did not answer {error.operation_name}", error)
    return found
