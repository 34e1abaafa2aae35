"""The API behind any WSGI server, or in the same process behind `httpx.WSGITransport`."""

from __future__ import annotations

from collections.abc import Iterable
from http.client import responses
from typing import TYPE_CHECKING

from screentest.detection.api.paths import PICTURES
from screentest.detection.api.service import (
    MAX_BODY_BYTES,
    MAX_UPLOAD_BYTES,
    DetectionApi,
    Request,
)

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def application(api: DetectionApi) -> WSGIApplication:
    """`api` as a WSGI application."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = api.handle(_request(environ))
        start_response(f"{response.status} {responses[response.status]}", list(response.headers))
        return [response.body]

    return app


def _request(environ: WSGIEnvironment) -> Request:
    headers = {
        name[5:].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    headers["content-type"] = str(environ.get("CONTENT_TYPE", ""))
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}" or "/"
    most = MAX_UPLOAD_BYTES if path.removesuffix("/") == PICTURES else MAX_BODY_BYTES
    method, query = str(environ["REQUEST_METHOD"]).upper(), str(environ.get("QUERY_STRING", ""))
    return Request(method, path, headers, _body(environ, most), query)


def _body(environ: WSGIEnvironment, most: int) -> bytes:
    """At most one byte more than the API takes: it refuses what is longer."""
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdigit():
        return bytes(stream.read(min(int(length), most + 1)))
    if environ.get("wsgi.input_terminated") or environ.get("HTTP_TRANSFER_ENCODING"):
        return bytes(stream.read(most + 1))
    return b""
