"""Gives an event the objects that it names: finds every reference in it, uploads a picture, and points it there.

Independent of the pipeline's own parser on purpose: a key that is decoded wrongly there must not be uploaded wrongly
here too.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote_plus

from screentest.demo import pictures

USUAL_PICTURE = "waist_up"
GONE, EMPTY = "gone", "empty"


def picture_for(key: str) -> bytes | None:
    """The object for a key, chosen by its file name.

    The name of a demo picture gives that picture, `empty` nothing at all, any other a portrait that passes. `gone` and
    folders stay absent: None.
    """
    stem = PurePosixPath(key).stem
    if stem == GONE or key.endswith("/"):
        return None
    if stem == EMPTY:
        return b""
    known = stem in pictures.MAKERS or stem == "not_a_picture"
    return pictures.data(stem if known else USUAL_PICTURE)


class Store:
    """Buckets on the local AWS, made as events name them."""

    def __init__(self, s3: Any, picture: Callable[[str], bytes | None] = picture_for) -> None:
        """Use this S3 client; `picture` makes the object for a key."""
        self._s3 = s3
        self._picture = picture
        self._buckets: set[str] = set()

    def put(self, bucket: str, key: str, *, versioned: bool) -> dict[str, Any] | None:
        """Upload the picture for `key`; its version, ETag and size, or None where nothing belongs."""
        if bucket not in self._buckets:
            self._s3.create_bucket(Bucket=bucket)
            if versioned:
                status = {"Status": "Enabled"}
                self._s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=status)
            self._buckets.add(bucket)
        body = self._picture(key)
        if body is None:
            return None
        put = self._s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="image/jpeg")
        return {"version": put.get("VersionId"), "etag": put["ETag"].strip('"'), "size": len(body)}


def with_objects(event: Any, store: Store) -> Any:
    """A copy of the event whose every object exists, with the versions, ETags and sizes that they were given."""
    event = copy.deepcopy(event)
    _fill(event, store)
    return event


def _fill(node: Any, store: Store) -> None:
    if isinstance(node, list):
        for each in node:
            _fill(each, store)
    elif isinstance(node, dict):
        if isinstance(node.get("s3"), dict):
            _fill_notification(node["s3"], store)
        elif "detail-type" in node:
            _fill_bridged(node["detail"], store)
        elif "s3Key" in node:
            _fill_task(node, store)
        elif isinstance(node.get("body"), str) and "messageId" in node:
            _fill_message(node, store)
        else:
            for each in node.values():
                _fill(each, store)


def _fill_notification(entity: dict[str, Any], store: Store) -> None:
    named = entity["object"]
    put = store.put(entity["bucket"]["name"], unquote_plus(named["key"]), versioned="versionId" in named)
    if put:
        named |= {"size": put["size"], "eTag": put["etag"]}
        if "versionId" in named:
            named["versionId"] = put["version"]


def _fill_bridged(detail: dict[str, Any], store: Store) -> None:
    named = detail["object"]
    put = store.put(detail["bucket"]["name"], named["key"], versioned="version-id" in named)
    if put:
        named |= {"size": put["size"], "etag": put["etag"]}
        if "version-id" in named:
            named["version-id"] = put["version"]


def _fill_task(task: dict[str, Any], store: Store) -> None:
    bucket = task.get("s3Bucket") or task["s3BucketArn"].rpartition(":")[2]
    put = store.put(bucket, unquote_plus(task["s3Key"]), versioned=bool(task.get("s3VersionId")))
    if put and task.get("s3VersionId"):
        task["s3VersionId"] = put["version"]


def _fill_message(message: dict[str, Any], store: Store) -> None:
    try:
        body = json.loads(message["body"])
    except ValueError:
        return
    _fill(body, store)
    message["body"] = json.dumps(body)
    message["md5OfBody"] = hashlib.md5(message["body"].encode(), usedforsecurity=False).hexdigest()
