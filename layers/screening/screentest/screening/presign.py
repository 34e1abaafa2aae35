"""Signed addresses by which a detector, and nobody else for long, reads one version of one object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from screentest.screening.models import ObjectRef

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LIFETIME: Final = 120
"""Seconds: the detector's time-out and a minute. The address dies with the session that
signed it, so it is made anew for each attempt."""

_TYPES: Final = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "bmp": "image/bmp",
    "webp": "image/webp",
}


class Signer:
    """Signs locally; no call to AWS.

    Args:
        client: for SigV4 and regional virtual-hosted addresses (`bootstrap.s3_config`): the global host may redirect,
            which third-party fetchers need not follow, and SigV2 cannot read what KMS encrypts.
    """

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def sign(self, ref: ObjectRef) -> str:
        """An address for one GET of this very version, valid for `LIFETIME` seconds. Never log it."""
        parameters: dict[str, str] = {"Bucket": ref.bucket, "Key": ref.key}
        if ref.version_id:
            parameters["VersionId"] = ref.version_id
        # Uploaders often leave `binary/octet-stream`, which some fetchers refuse.
        extension = ref.key.rpartition(".")[2].lower()
        if content_type := _TYPES.get(extension):
            parameters["ResponseContentType"] = content_type
        return self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=LIFETIME)
