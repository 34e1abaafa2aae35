"""Short-lived signed addresses by which a detector reads one version of one object."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from screentest.screening.models import ObjectRef

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LIFETIME: Final = 120
"""Seconds; longer than we wait for a detector (25), whatever it does before its download. The address dies with the
session that signed it, so it is made anew for each attempt."""

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
        status_of: the HTTP status of a GET for the first byte at an address, 0 where there is no answer.
    """

    def __init__(self, client: S3Client, status_of: Callable[[str], int] | None = None) -> None:
        self._client = client
        self._status_of = status_of or _status_of

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

    def is_refused(self, ref: ObjectRef) -> bool:
        """Whether S3 refuses a fresh address although we may read the object ourselves: by a policy against signed
        addresses, for example."""
        return self._status_of(self.sign(ref)) in (401, 403)


def _status_of(address: str) -> int:
    import httpx

    try:
        with httpx.stream(
            "GET",
            address,
            headers={"range": "bytes=0-0"},
            timeout=5.0,
            follow_redirects=False,
            trust_env=False,
        ) as response:
            return response.status_code
    except httpx.HTTPError:
        return 0
