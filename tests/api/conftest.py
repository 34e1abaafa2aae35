"""Fixtures for the API: one with doubles handed in, and an image host on loopback."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from api.api_doubles import Caller, FakeDetect, FakeFetcher, ImageHost, passed

from screentest.detection.api import DetectionApi


@pytest.fixture
def make_api() -> Callable[..., Caller]:
    def make(answer: Any = passed, *, fetcher: FakeFetcher | None = None, **options: Any) -> Caller:
        detect, fetch = FakeDetect(answer), fetcher or FakeFetcher()
        return Caller(DetectionApi(detect, fetch, **options), detect, fetch)

    return make


@pytest.fixture
def caller(make_api: Callable[..., Caller]) -> Caller:
    return make_api()


@pytest.fixture
def image_host() -> Iterator[ImageHost]:
    pages: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            host.seen.append((self.command, self.path, dict(self.headers.items())))
            page = pages.get(self.path.partition("?")[0])
            try:
                if page is None:
                    self.send_error(404)
                else:
                    page(self)
            except OSError:
                self.close_connection = True  # the client has seen enough

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

        def server_bind(self) -> None:
            socketserver.TCPServer.server_bind(self)  # without looking up this machine's name
            self.server_name, self.server_port = "localhost", self.server_address[1]

    server = Server(("127.0.0.1", 0), Handler)
    host = ImageHost(server.server_address[1], pages)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
