"""A function URL's events and results (payload format 2.0) as the detection API's requests and responses."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from screentest.detection.api import DetectionApi, Request, Response
from screentest.screening.bearer import BearerKey


class UrlApi:
    """The detection API behind a function URL.

    Without a key the URL itself must check who calls (`AuthType: AWS_IAM`). With one every request must carry it; a
    key that cannot be read, or is empty, ends the call with an exception, never with an open door.

    Args:
        serve: makes the service for a bearer key.
        make_key: where the key is found. Called at the first request, and again after `forget`.
    """

    def __init__(
        self, serve: Callable[[str | None], DetectionApi], make_key: Callable[[], BearerKey] | None
    ) -> None:
        self._serve, self._make_key = serve, make_key
        self._key: BearerKey | None = None
        self._served: tuple[str | None, DetectionApi] | None = None

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The result for one event.

        Raises:
            ScreeningError: the key cannot be read, or is empty.
        """
        request = to_request(event)
        if self._make_key is None:
            return to_result(self._service(None).handle(request))
        if self._key is None:
            self._key = self._make_key()
        key = self._key.current()
        response = self._service(key).handle(request)
        if response.status == 401 and (renewed := self._key.renewed()) not in (None, key):
            response = self._service(renewed).handle(request)
        return to_result(response)

    def forget(self) -> None:
        """Drop the key, and all that it was read by."""
        self._key = self._served = None

    def _service(self, key: str | None) -> DetectionApi:
        if self._served is None or self._served[0] != key:
            self._served = key, self._serve(key)
        return self._served[1]


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
    """The result for a response, whose body is text."""
    return {
        "statusCode": response.status,
        "headers": dict(response.headers),
        "body": response.body.decode(),
        "isBase64Encoded": False,
    }
