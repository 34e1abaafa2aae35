"""The pictures that the command line names: files, folders and URLs, one after the other.

Paths stay strings as they were given: what is printed must be what was asked, `./` and `//` included, which `pathlib`
would tidy away.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from screentest.detection.errors import UnreadablePicture
from screentest.detection.pictures import sniff

PICTURE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".bmp",
    ".webp",
    ".gif",
    ".tif",
    ".tiff",
    ".heic",
    ".heif",
    ".avif",
)
"""In a folder these are pictures whatever they hold: a broken or unsupported one gets its line. Other files are taken
by their first bytes, and left alone if these are no picture's."""

_MAGIC_BYTES = 16


def is_url(path: str) -> bool:
    """Whether `path` is an http or https address."""
    return path.lower().startswith(("http://", "https://"))


def without_query(path: str) -> str:
    """A path as it may be passed on: a signed URL is a credential by its query."""
    return path.partition("?")[0] if is_url(path) else path


def is_object(path: str) -> bool:
    """Whether `path` names an object in S3."""
    return path.lower().startswith("s3://")


def expand(paths: Iterable[str]) -> Iterator[str]:
    """Every picture: files, URLs, objects and `-` (standard input) as given, folders by their contents, subfolders
    included, in order of name.

    What cannot be read is kept: it gets its line too.
    """
    for path in paths:
        if not is_url(path) and os.path.isdir(path):  # noqa: PTH112 - see above
            yield from _folder(path)
        else:
            yield path


def _folder(folder: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - see above
    except OSError:
        yield folder
        return
    for name in names:
        path = os.path.join(folder, name)  # noqa: PTH118 - see above
        if name.startswith("."):
            continue
        if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114 - a link may lead back here
            yield from _folder(path)
        elif name.lower().endswith(PICTURE_SUFFIXES) or _has_picture(path):
            yield path


def _has_picture(path: str) -> bool:
    try:
        sniff(read(path, _MAGIC_BYTES))
    except (OSError, UnreadablePicture):
        return False
    return True


def read(path: str, limit: int) -> bytes:
    """The first `limit` bytes of a file.

    Raises:
        OSError: it cannot be read, or is a pipe, a device or a folder, which might never end.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is no file")
        return file.read(limit)


def read_stdin(limit: int) -> bytes:
    """The first `limit` bytes of standard input."""
    return sys.stdin.buffer.read(limit)


class Objects:
    """Objects in S3, read with the credentials that the AWS command line would use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: Any = None

    def read(self, address: str, limit: int) -> bytes:
        """The first `limit` bytes of the object at `s3://BUCKET/KEY`.

        Raises:
            OSError: it cannot be read; the sentence says why, and what to do.
        """
        bucket, _, key = address[len("s3://") :].partition("/")
        if not bucket or not key or key.endswith("/"):
            raise OSError(
                "name one object, s3://BUCKET/KEY; screentest backfill screens what begins with a prefix"
            )
        from screentest.aws import Access, AwsError, as_aws_errors

        try:
            with self._lock:
                if self._client is None:
                    self._client = Access(endpoint_url=os.environ.get("AWS_ENDPOINT_URL")).client("s3")
            with as_aws_errors("read the object", needs="s3:GetObject"):
                data: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read(limit)
        except ImportError as error:
            raise OSError("reading from S3 needs boto3: pip install 'screentest[aws]'") from error
        except AwsError as error:
            raise OSError(str(error)) from error
        return data


def _open_at_once(path: str, flags: int) -> int:
    # Without this a pipe without a writer would block. On files it changes nothing.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
