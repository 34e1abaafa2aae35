"""The detection API on uvicorn: connections, and which requests get as far as a thread.

One loop reads requests and writes answers for all connections, so that a slow client delays no other. Threads do the
rest: each detection request has one, most of which wait for image hosts. What finds no room is refused in the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import responses
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from screentest.detection.api import DetectionApi, Limits, Request, Response
from screentest.detection.api import errors as api_errors
from screentest.detection.api.paths import PICTURES
from screentest.detection.api.service import MAX_BODY_BYTES, MAX_UPLOAD_BYTES
from screentest.detection.pictures import MAX_FILE_BYTES

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

CONNECTIONS = 4_096
"""Open at a time, where the system allows twice as many files: a download may go with each. Before there are so many,
those without a request are closed, the longest silent first."""

REQUEST_SECONDS = 20.0
"""For a client to send one request whole. A body has a few hundred bytes."""

IDLE_SECONDS = 60
"""A connection without a request is closed after this."""

GRACE_SECONDS = 22
"""For requests in progress when the server stops: the ten seconds of a download, and the ten after it."""

UPLOAD_BYTES = 3 * MAX_UPLOAD_BYTES
"""Of pictures that arrive with requests at a time, as their headers announce them."""

LINGER_SECONDS = 2.0
"""For a client to read that what it sends is no HTTP."""

BACKLOG = 2_048
"""Connections that wait to be accepted; the system may allow fewer."""

MAX_HEADER_BYTES = 64 * 1024

Handle = Callable[[Request], Response]

Guard = Callable[[Handle], Handle]
"""Middleware of the API: sees requests and answers, those of refusals too."""


class _Disconnected(Exception):
    """The client has gone."""


class _Connection(H11Protocol):
    """One connection: has a deadline for each request, and answers what is no HTTP in the API's own form."""

    _late: asyncio.TimerHandle | None = None
    _refused = False
    quiet_since = 0.0
    """When it was opened or last heard of, seconds of the loop's clock."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.quiet_since = self.loop.time()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )
        self._app.make_room(self.connections)

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_deadline(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self.quiet_since = self.loop.time()
        super().data_received(data)
        state = self.conn.their_state
        if state is h11.SEND_BODY or (state is h11.IDLE and self.conn.trailing_data[0]):
            if self._late is None:
                self._set_deadline(self._app.request_seconds)
        elif not self._refused:
            self._set_deadline(None)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words
        error = sys.exc_info()[1]  # the parser's, which knows the status
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        response = self._app.refuse_garbage(status)
        with contextlib.suppress(h11.LocalProtocolError):  # it is in the middle of another answer
            head = h11.Response(
                status_code=status,
                headers=[*response.headers, ("connection", "close")],
                reason=responses[status],
            )
            for event in (head, h11.Data(response.body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.write_eof()
        self._refused = True
        self._set_deadline(LINGER_SECONDS)

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def _app(self) -> _App:
        app: _App = self.config.app  # type: ignore[assignment]
        return app

    def _set_deadline(self, seconds: float | None) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = None if seconds is None else self.loop.call_later(seconds, self.transport.close)


class _App:
    """The API as an ASGI application."""

    def __init__(self, api: DetectionApi, guard: Guard, limits: Limits, request_seconds: float) -> None:
        self._api, self._guard = api, guard
        self._handle = guard(api.handle)
        self._threads = ThreadPoolExecutor(limits.in_flight, thread_name_prefix="request")
        self._connections = min(CONNECTIONS, _open_files() // 2) * 3 // 4
        self._arriving = 0
        self.request_seconds = request_seconds
        self.stopping = False

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        request = _head(scope)
        try:
            with self._admitted(request) as most:
                request = replace(request, body=await _body(request, receive, most))
                response = await self._answer(request)
        except _Disconnected:
            return
        except api_errors.ApiError as error:
            response = self._refused(request, error)
            await _send(response, send, last=True)
            # Closing while the client still talks would reset the connection, and it would never read why. The deadline
            # of a request ends this as well.
            with contextlib.suppress(_Disconnected, api_errors.ApiError):
                await _body(request, receive, MAX_UPLOAD_BYTES, keep=False)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await _send(response, send)

    def make_room(self, connections: set[Any]) -> None:
        """Close the connection that is idle longest before there are as many as there may be: others would not even be
        refused."""
        if len(connections) > self._connections:
            idle = (c for c in connections if c.is_idle)
            if oldest := min(idle, key=lambda c: c.quiet_since, default=None):
                oldest.transport.close()

    def refuse_garbage(self, status: int) -> Response:
        """The answer to what is no HTTP."""
        text = api_errors.body_invalid().message
        return self._api.refuse(api_errors.ApiError(status, "InvalidParameter", text))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            return self._handle(request)
        if self.stopping or self._api.full:  # what begins now would outlast the grace
            return self._refused(request, self._api.no_room())
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._handle, request)

    def _refused(self, request: Request, error: api_errors.ApiError) -> Response:
        return self._guard(lambda _: self._api.refuse(error))(request)

    @contextlib.contextmanager
    def _admitted(self, request: Request) -> Iterator[int]:
        """The most bytes that the request's body may have.

        Raises:
            ApiError: it is refused before its body is read.
        """
        headers = request.headers
        length = headers.get("content-length")
        two_lengths = (
            length is not None and "transfer-encoding" in headers
        )  # a proxy may believe the other one
        if two_lengths or not request.path.startswith("/"):
            raise api_errors.body_invalid()
        arriving, most = 0, MAX_BODY_BYTES
        if request.method == "POST" and _brings_picture(request):
            self._api.authorise(headers.get("authorization", ""))
            most = MAX_UPLOAD_BYTES
            arriving = min(int(length or 0), most) if length is not None else most
            if self._api.full or self._arriving + arriving > UPLOAD_BYTES:
                raise self._api.no_room()
        if int(length or 0) > most:
            raise _too_large(request)
        self._arriving += arriving
        try:
            yield most
        finally:
            self._arriving -= arriving


def _brings_picture(request: Request) -> bool:
    return request.path.removesuffix("/") == PICTURES


def _too_large(request: Request) -> api_errors.ApiError:
    if _brings_picture(request):
        return api_errors.picture_too_heavy(MAX_FILE_BYTES // (1024 * 1024))
    return api_errors.body_too_large()


def _head(scope: Any) -> Request:
    """A request without its body."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    path = scope["path"]
    if not path.startswith("/"):  # the form that proxies are asked in: http://host/path
        with contextlib.suppress(ValueError):
            path = urlsplit(path).path
    return Request(scope["method"], path, headers, b"", scope["query_string"].decode("latin-1"))


async def _body(request: Request, receive: ASGIReceiveCallable, most: int, *, keep: bool = True) -> bytes:
    """A request's body, or nothing of it.

    Raises:
        ApiError: it has more than `most` bytes.
        _Disconnected: the client has gone before it ended.
    """
    body, size = [], 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise _Disconnected
        piece = event.get("body", b"")
        size += len(piece)
        if size > most:
            raise _too_large(request)
        if keep:
            body.append(piece)
        if not event.get("more_body"):
            return b"".join(body)


async def _send(response: Response, send: ASGISendCallable, *, last: bool = False) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    if last:
        headers.append((b"connection", b"close"))
    await send(
        {"type": "http.response.start", "status": response.status, "headers": headers, "trailers": False}
    )
    await send({"type": "http.response.body", "body": response.body, "more_body": last})


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the caller: its own way is to end by the signal, with another exit status."""
        yield


class Server:
    """A server that another thread or a signal handler can stop, and that finishes its work.

    Args:
        api: what answers.
        guard: middleware in front of it.
        limits: as the API has them.
        host, port: to listen on; port 0 lets the system choose.
        request_seconds: for a client to send one request.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(
        self,
        api: DetectionApi,
        guard: Guard,
        limits: Limits,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        family, *_, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        self._listener = socket.create_server(address[:2], family=family)
        self._app = _App(api, guard, limits, request_seconds)
        config = uvicorn.Config(
            self._app,
            http=_Connection,
            ws="none",
            interface="asgi3",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = _Uvicorn(config)
        name, self.port = self._listener.getsockname()[:2]
        self.url = f"http://[{name}]:{self.port}" if ":" in name else f"http://{name}:{self.port}"

    def stop(self) -> None:
        """Ask `serve` to return; returns at once."""
        self._app.stopping = self._server.should_exit = True

    def serve(self) -> None:
        """Serve until `stop`, then finish the requests in progress."""
        try:
            self._server.run(sockets=[self._listener])
        finally:
            self._app.close()


def _open_files() -> int:
    """How many files this process may have open, after it has asked for as many as it may ask for."""
    try:
        import resource
    except ImportError:
        return 2 * CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, 3 * CONNECTIONS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
