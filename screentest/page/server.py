"""The page on loopback, in a thread of this process."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import waitress.server
from waitress import wasyncore

from screentest.page.app import Page
from screentest.screening.routes import Routes

if TYPE_CHECKING:
    from screentest.stack import LocalStack

THREADS = 6
"""A browser opens six connections; one long measurement must not hold up the list."""


SHUTDOWN_SECONDS = 3.0
"""For what is being answered; the whole local stack has to end within ten."""


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
        self._sockets: dict[int, Any] = {}
        self._stopping = threading.Event()
        self._server = waitress.server.create_server(
            self._page,
            map=self._sockets,
            host="127.0.0.1",
            port=self._port,
            threads=THREADS,
            ident=None,
            clear_untrusted_proxy_headers=True,
        )
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)
        self._thread.start()
        self._page.allow_uploads_from(self.url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=SHUTDOWN_SECONDS)
        self._stopping.set()
        self._server.pull_trigger()
        self._thread.join(SHUTDOWN_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            wasyncore.loop(timeout=1, count=1, map=self._sockets)
        # A browser keeps its connections open; closing them tells it that the server is gone.
        wasyncore.close_all(self._sockets)

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
