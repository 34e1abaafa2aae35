"""A function URL's events and results (payload format 2.0) as the detection API's requests and responses."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from screentest.detection.api import DetectionApi, Request, Response

KEY_SECONDS = 300
"""How long a bearer key is believed before it is read again: a key taken away works for this long at most."""

KEY_SECONDS_REFUSED = 15
"""The same after a request with another key: a new key works within this time, and strangers cannot make the function
read the secret more often."""

ReadKey = Callable[[int], str]
"""The bearer key, not older than so many seconds; raises when it cannot be read."""


class UrlApi:
    """The detection API behind a function URL.

    Without `read_key` the URL itself must check who calls (`AuthType: AWS_IAM`). With it every request must carry the
    key; a key that cannot be read, or is empty, ends the call with an exception, never with an open door.

    Args:
        serve: makes the service for a bearer key.
        read_key: where the key is found.
    """

    def __init__(self, serve: Callable[[str | None], DetectionApi], read_key: ReadKey | None) -> None:
        self._serve = serve
        self._read_key = read_key
        self._key: str | None = None
        self._service: DetectionApi | None = None

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The result for one event.

        Raises:
            EmptyKey: the secret holds nothing.
            Exception: whatever `read_key` raises.
        """
        request = to_request(event)
        response = self._current(KEY_SECONDS).handle(request)
        if response.status == 401 and self._read_key is not None:
            before = self._key
            service = self._current(KEY_SECONDS_REFUSED)
            if self._key != before:
                response = service.handle(request)
        return to_result(response)

    def forget(self) -> None:
        """Drop the key: the next request reads it anew."""
        self._key = self._service = None

    def _current(self, seconds: int) -> DetectionApi:
        key = None
        if self._read_key is not None:
            key = self._read_key(seconds).strip()
            if not key:
                raise EmptyKey("the secret of the detection API's bearer key is empty: put a key into it")
        if self._service is None or key != self._key:
            self._key, self._service = key, self._serve(key)
        return self._service


class EmptyKey(Exception):
    """There is no key that a caller could be asked for."""


def to_request(event: Mapping[str, Any]) -> Request:
    """The request in an event."""
    body = event.get("body") or ""
    return Request(
        method=str(event["requestContext"]["http"]["method"]).upper(),
        path=unquote(event.get("rawPath") or "/"),
        headers={name.lower(): value for name, value in event.get("headers", {}).items()},
        body=base64.b64decode(body) if event.get("isBase64Encoded") else body.encode(),
        query=event.get("rawQueryString") or "",
    )


def to_result(response: Response) -> dict[str, Any]:
    """The result for a response, whose body is JSON text."""
    return {
        "statusCode": response.status,
        "headers": dict(response.headers),
        "body": response.body.decode(),
        "isBase64Encoded": False,
    }
