"""Answers that pages of named origins may read (CORS). Nothing changes for others, nor where none is named."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PREFLIGHT_SECONDS = 600
"""For which a browser remembers that it may ask."""

SHOWN = "x-request-id, x-screentest-version, x-screentest-rules, Retry-After"
"""Headers that scripts may read."""


def is_origin(text: str) -> bool:
    """Whether `text` is an origin as browsers send it: scheme, host and, unless it is the usual one, port."""
    try:
        parts = urlsplit(text)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return False
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return parts.scheme in {"http", "https"} and bool(host) and text == f"{parts.scheme}://{host}{port}"


def allowing(app: WSGIApplication, origins: Collection[str]) -> WSGIApplication:
    """`app`, whose answers pages of `origins` may read."""
    if not origins:
        return app

    def shared(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        origin = str(environ.get("HTTP_ORIGIN", ""))
        more = [("Vary", "Origin")]
        if origin in origins:
            del environ["HTTP_ORIGIN"]  # it may do what a page of our own may
            more += [("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", SHOWN)]
            if environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
                more += [
                    ("Access-Control-Allow-Methods", "GET, POST"),
                    ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
                    ("Access-Control-Max-Age", str(PREFLIGHT_SECONDS)),
                ]
                start_response("204 No Content", more)
                return []

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, headers + more, *rest)

        return app(environ, start)

    return shared
