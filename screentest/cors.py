"""Answers that pages of named origins may read (CORS). Nothing changes for others, nor where none is named."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from screentest.detection.api import Request, Response

if TYPE_CHECKING:
    from screentest.http_server import Guard, Handle

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


def allowing(origins: Collection[str]) -> Guard:
    """Lets pages of `origins` read the answers."""

    def guard(handle: Handle) -> Handle:
        def shared(request: Request) -> Response:
            origin = request.headers.get("origin", "")
            more: tuple[tuple[str, str], ...] = (("Vary", "Origin"),)
            if origin in origins:
                # It may do what a page of our own may.
                headers = {name: value for name, value in request.headers.items() if name != "origin"}
                request = replace(request, headers=headers)
                more += (("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", SHOWN))
                if request.method == "OPTIONS" and "access-control-request-method" in headers:
                    more += (
                        ("Access-Control-Allow-Methods", "GET, POST"),
                        ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
                        ("Access-Control-Max-Age", str(PREFLIGHT_SECONDS)),
                    )
                    return Response(204, more, b"")
            response = handle(request)
            return replace(response, headers=response.headers + more)

        return shared if origins else handle

    return guard
