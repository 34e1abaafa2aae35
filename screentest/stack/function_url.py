"""A function's URL on loopback: the local AWS keeps its configuration, and answers no requests to it."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

MAX_BODY = 6 * 1024 * 1024
"""Bytes that Lambda takes of a request (its quota for synchronous calls)."""


class FunctionUrl:
    """Calls a function for each HTTP request, as its URL does (payload format 2.0), until the end of its `with` block.

    Args:
        client: of Lambda.
        function: its name.
        port: of 127.0.0.1; 0 lets the system choose.
    """

    def __init__(self, client: Any, function: str, *, port: int = 0) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65_537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                length = int(self.headers.get("Content-Length") or 0)
                if length > MAX_BODY:
                    self.close_connection = True
                    self.send_error(413)
                    return
                event = _event(self.command, self.path, dict(self.headers), self.rfile.read(length))
                answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
                result = json.load(answer["Payload"])
                # What Lambda answers for a function that raised.
                failed = {"statusCode": 502, "headers": {}, "body": "Internal Server Error"}
                self._send(failed if "FunctionError" in answer else result)

            def _send(self, result: dict[str, Any]) -> None:
                body = result.get("body") or ""
                data = base64.b64decode(body) if result.get("isBase64Encoded") else body.encode()
                self.send_response(result["statusCode"])
                for name, value in result.get("headers", {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="function-url", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _event(method: str, target: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    parts = urlsplit(target)
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "http": {"method": method, "path": parts.path, "sourceIp": "127.0.0.1"},
        },
        "isBase64Encoded": False,
    }
    if body:
        event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    return event
