"""The page on loopback, in a thread of this process."""

from __future__ import annotations

import threading
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from screentest.page.app import Page
from screentest.screening.routes import Routes

if TYPE_CHECKING:
    from screentest.stack import LocalStack


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a request: one long measurement must not hold up the list. What is being answered at the end is not
    waited for."""

    daemon_threads = True
    block_on_close = False


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of requests: the terminal is for verdicts."""


class PageServer:
    """Serves a page on 127.0.0.1 until the end of its `with` block."""

    def __init__(self, page: Page, *, port: int = 0) -> None:
        """
        Args:
            page: the application.
            port: 0 lets the system choose.
        """
        self._page, self._port = page, port

    def __enter__(self) -> Self:
        self._server = make_server(
            "127.0.0.1", self._port, self._page, server_class=_Server, handler_class=_Quiet
        )
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="page", daemon=True).start()
        self._page.allow_uploads_from(self.url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:40123`."""
        return f"http://127.0.0.1:{self._server.server_port}"


def serve(stack: LocalStack, *, routes: str = "", port: int = 0) -> PageServer:
    """The page of a running local stack; use as a context manager inside the stack's own.

    Args:
        stack: as started.
        routes: its parameter `Routes`; empty for the default routes.
        port: 0 lets the system choose.
    """
    page = Page(
        s3=stack.aws.client("s3"),
        dynamodb=stack.aws.client("dynamodb"),
        bucket=stack.outputs["UploadBucketName"],
        table=stack.outputs["VerdictTableName"],
        routes=Routes.parse(routes),
    )
    return PageServer(page, port=port)
