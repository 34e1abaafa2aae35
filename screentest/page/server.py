"""The page on loopback, in a thread of this process."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

import waitress.server

from screening.routes import Routes
from screentest.page.app import Page

if TYPE_CHECKING:
    from screentest.stack import LocalStack

THREADS = 6
"""A browser opens six connections; one long measurement must not hold up the list."""


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
        self._server = waitress.server.create_server(
            self._page,
            host="127.0.0.1",
            port=self._port,
            threads=THREADS,
            ident=None,
            clear_untrusted_proxy_headers=True,
        )
        self._thread = threading.Thread(target=self._server.run, name="page", daemon=True)
        self._thread.start()
        self._page.allow_uploads_from(self.url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=2)

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:40123`."""
        return f"http://127.0.0.1:{self._server.effective_port}"


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
