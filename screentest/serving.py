"""`screentest serve`: the detection API on waitress.

One loop reads requests and writes answers for all connections, so that a slow client holds nobody up; threads do the
rest. Each request in progress has a thread, most of which wait for image hosts; as many pictures are judged at a time
as there are workers.
"""

from __future__ import annotations

import copy
import logging
import signal
import socket
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from http.client import responses
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import waitress.channel
import waitress.parser
import waitress.server
import waitress.task
import waitress.utilities
from waitress import wasyncore

from screentest import cors, networks
from screentest.detection import ModelSpec, confined, models
from screentest.detection.api import DetectionApi, Limits
from screentest.detection.api import errors as api_errors
from screentest.detection.api.fetch import HttpFetcher
from screentest.detection.api.service import MAX_BODY_BYTES, MAX_UPLOAD_BYTES, PICTURES, VerdictStatus
from screentest.detection.api.throttle import Hosts
from screentest.detection.api.workers import WorkerProcesses, Workers
from screentest.detection.api.wsgi import application
from screentest.detection.confined import ConfinedDetector
from screentest.detection.errors import DecoderUnavailable, ProfileError, UnknownModel, WeightsMissing

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


CONNECTIONS = 4_096
"""Open at a time, where the system allows twice as many files: a download may go with each. Before there are so many,
those without a request are closed, the longest silent first."""

SPARE_THREADS = 8
"""Beyond those that requests in progress may take: they say no when every place is taken, and answer health checks."""

MANY, PACE_SECONDS = 64, 0.005
"""With more than so many connections the loop makes a turn at most every so many seconds, for all that have come in
meanwhile: a turn costs a microsecond a connection."""

ACCEPTED_AT_ONCE = 128
"""New connections in one turn of the loop, before those that are open are heard again."""

REQUEST_SECONDS = 20.0
"""For a client to send one request whole. A body has a few hundred bytes."""

IDLE_SECONDS = 60
"""A connection without a request is closed after this."""

JUDGING_SECONDS = 5.0
"""For one picture, decoding included. With the five that it may wait (`Limits.patience`), the answer is there ten
seconds after the download. The slowest legal one, 49 megapixels of sixteen bits and interlaced, takes 2 on two busy
cores."""

GRACE_SECONDS = 22.0
"""For requests in progress when the server is told to stop: the ten seconds of a download, and the ten after it."""

UPLOADS = 12
"""Pictures that arrive at a time: 20 MB each in memory, twice while a form is taken apart."""

LINGER_SECONDS = 2.0
"""For a client to read a refusal that came before it had sent everything."""

_LINGER_BYTES = 256 * 1024

_MAX_HEADER_BYTES = 64 * 1024


class ServeError(Exception):
    """The server cannot start; the sentence says what to do."""


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """What `screentest serve` was asked for, checked.

    Attributes:
        given_key: as given; `api_key` is what requests must carry.
        verdict_status: of the answer to a rejection.
        profiles: files or names of detectors that are served besides the built-in ones.
        other_names: `NAME=MODEL`, as given; `aliases` has the models themselves.
        decode_limit: MB for each picture; `None` leaves it to the detectors' processes.
        cors_origins: whose pages may read answers.

    Raises:
        ServeError: they contradict each other, or one has no meaning.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    given_key: str | None = field(default=None, repr=False)
    allow_private_urls: bool = False
    verdict_status: VerdictStatus = 200
    explain: bool = False
    workers: int = 1
    profiles: Sequence[str] = ()
    other_names: Sequence[str] = ()
    decode_limit: int | None = None
    cors_origins: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check all of them before anything is opened."""
        key = self.api_key
        if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
            raise ServeError("the key must be printable ASCII without spaces: it is sent in a header")
        if key is None and not is_loopback(self.host):
            raise ServeError(
                f"without a key the server listens on loopback only, not on {self.host}: "
                "give --api-key KEY or set SCREENTEST_API_KEY"
            )
        for origin in self.cors_origins:
            if not cors.is_origin(origin):
                raise ServeError(
                    f"--cors-origin {origin}: write it as browsers do, such as https://example.com"
                )
        _ = self.aliases

    @property
    def api_key(self) -> str | None:
        """The key that requests must carry; `None` for any or none."""
        return (self.given_key or "").strip() or None

    @cached_property
    def models(self) -> tuple[ModelSpec, ...]:
        """What is served.

        Raises:
            ServeError: a profile is malformed.
        """
        try:
            return models.offered(self.profiles)
        except ProfileError as error:
            raise ServeError(str(error)) from error

    @cached_property
    def aliases(self) -> Mapping[str, ModelSpec]:
        """Models by the further names that they are served under.

        Raises:
            ServeError: one is not of the form `NAME=MODEL`.
        """
        found = {}
        for alias in self.other_names:
            name, _, model = alias.partition("=")
            try:
                found[name] = models.find(models.full_name(model), self.models)
            except UnknownModel:
                known = ", ".join(model.name for model in self.models)
                raise ServeError(f"--alias {alias}: write NAME=MODEL with one of {known}") from None
            if not name:
                raise ServeError(f"--alias {alias}: the name is empty")
        return found


def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` can be reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def build(settings: ServeSettings, limits: Limits) -> DetectionApi:
    """The API as `settings` ask for it, with real detectors, ready.

    Raises:
        ServeError: their weights are missing, or the processes that shall decode do not start.
    """
    try:
        workers = _workers(settings)
        workers.open()
    except (WeightsMissing, DecoderUnavailable) as error:
        raise ServeError(str(error)) from error
    return DetectionApi(
        workers.detect,
        HttpFetcher(allow_private=settings.allow_private_urls, hosts=Hosts(limits.fetching_from_one_host)),
        api_key=settings.api_key,
        verdict_status=settings.verdict_status,
        explain=settings.explain,
        models=settings.models,
        aliases=settings.aliases,
        limits=replace(limits, judging=settings.workers),
        health=workers.health,
    )


def _workers(settings: ServeSettings) -> WorkerProcesses | Workers:
    """Detectors in processes of their own, which can be stopped; threads where the system has no limits for processes
    and none were asked for."""
    try:
        confined.check_platform()
    except DecoderUnavailable:
        if settings.decode_limit is not None:
            raise
        networks.prepare()
        return Workers(settings.workers)
    megabytes = settings.decode_limit or confined.MEGABYTES
    # Where a process starts is not where this one did.
    profiles = tuple(
        str(Path(given).resolve()) if Path(given).is_file() else given for given in settings.profiles
    )
    return WorkerProcesses(settings.workers, lambda: ConfinedDetector(profiles, megabytes, JUDGING_SECONDS))


def run(settings: ServeSettings, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests in progress. `announce` is told the address.

    Raises:
        ServeError: the address cannot be listened on, or the detectors cannot be started.
    """
    _log_to_stderr()
    warnings.filterwarnings("ignore", module=r"PIL\.")  # on damaged metadata; the verdict says what matters
    limits = Limits()
    api = build(settings, limits)
    app = cors.allowing(application(api), frozenset(settings.cors_origins))
    guarded = app if settings.api_key else loopback_hosts_only(app, api)
    server = Server(api, guarded, limits, host=settings.host, port=settings.port)

    def stop(signum: int, _frame: object) -> None:
        signal.signal(signum, signal.SIG_DFL)  # asked a second time, it stops at once
        server.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    announce(f"{server.url}  (detection API; stop with Ctrl-C)")
    sys.stdout.flush()
    server.serve()


def loopback_hosts_only(app: WSGIApplication, api: DetectionApi) -> WSGIApplication:
    """`app` for requests that name this machine. A web page whose name was rebound to 127.0.0.1 names itself."""

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        host = str(environ.get("HTTP_HOST", ""))
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if host and not is_loopback(name):
            response = api.refuse(api_errors.ApiError(403, "AccessDenied", "Access denied."))
            start_response("403 Forbidden", list(response.headers))
            return [response.body]
        return app(environ, start_response)

    return guarded


class _ErrorTask(waitress.task.ErrorTask):  # type: ignore[misc]  # waitress carries no types
    """What is no HTTP request is answered in the API's own form."""

    def execute(self) -> None:
        status = self.request.error.code
        if status == 413:
            error = api_errors.body_too_large()
        elif isinstance(self.request.error, _Refusal):
            error = self.request.error.answer
        elif status == 500:
            error = api_errors.internal()
        else:
            error = api_errors.ApiError(status, "InvalidParameter", api_errors.body_invalid().message)
        response = self.channel.server.api.refuse(error)
        self.status = f"{response.status} {self.request.error.reason}"
        self.response_headers.extend(response.headers)
        self.set_close_on_finish()
        self.content_length = len(response.body)
        self.channel.lingers = True
        self.write(response.body)


class _WsgiServer(waitress.server.TcpWSGIServer):  # type: ignore[misc]  # waitress carries no types
    """Refuses what finds no room where it was read, in the loop: a thread for each refusal would take the time of the
    detectors."""

    api: DetectionApi

    def handle_accept(self) -> None:
        """All that knock, and not one a turn of the loop."""
        for _ in range(ACCEPTED_AT_ONCE):
            before = len(self.active_channels)
            super().handle_accept()
            if len(self.active_channels) == before:
                return

    def add_task(self, channel: Any) -> None:
        request = channel.requests[0]
        if request.error or request.command != "POST" or not self.api.full or not _is_plain(request):
            super().add_task(channel)
            return
        channel.requests.pop(0)
        request.close()
        response = self.api.refuse_for_want_of_room()
        head = "".join(f"{name}: {value}\r\n" for name, value in response.headers)
        line = f"HTTP/1.1 {response.status} {responses[response.status]}\r\n"
        channel.write_soon(f"{line}{head}\r\n".encode() + response.body)
        if channel.requests:
            self.add_task(channel)


def _is_plain(request: Any) -> bool:
    # A page of another origin could not read why.
    plain = "ORIGIN" not in request.headers and request.headers.get("CONNECTION", "").lower() != "close"
    return bool(request.version == "1.1" and plain)


class _Refusal(waitress.utilities.Error):  # type: ignore[misc]  # waitress carries no types
    """A request that is answered before its body is read."""

    def __init__(self, answer: api_errors.ApiError) -> None:
        super().__init__(answer.message)
        self.answer = answer
        self.code, self.reason = answer.status, responses[answer.status]


class _Uploads:
    """Which requests may bring a picture: those with the key, so many at a time."""

    def __init__(self, api: DetectionApi, adj: Any) -> None:
        self._api = api
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()  # a request that is done is gone
        self.adj = copy.copy(adj)
        self.adj.max_request_body_size = MAX_UPLOAD_BYTES + 1
        self.adj.inbuf_overflow = MAX_UPLOAD_BYTES  # in memory: a read-only file system has no other place

    def admit(self, request: Any) -> None:
        """Raise the limit of a request, or refuse it for want of a key or of room."""
        request.adj = self.adj
        try:
            self._api.authorise(request.headers.get("AUTHORIZATION", ""))
            if len(self._open) >= UPLOADS:
                raise api_errors.throttled()
        except api_errors.ApiError as error:
            request.error, request.completed = _Refusal(error), True
        else:
            self._open.add(request)


class _Parser(waitress.parser.HTTPRequestParser):  # type: ignore[misc]  # waitress carries no types
    """Refuses what waitress's own parser stumbles over, and requests with two lengths, of which a proxy may believe the
    other one."""

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # a number of thousands of digits, a bracket without its other half
            raise waitress.parser.ParsingError("a number or an address beyond reason") from error
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise waitress.parser.ParsingError("two lengths")
        if self.command == "POST" and self.path.removesuffix("/") == PICTURES and self.error is None:
            self.adj.uploads.admit(self)


class _Channel(waitress.channel.HTTPChannel):  # type: ignore[misc]  # waitress carries no types
    """A connection. After a refusal it listens a little longer: closing while the client still talks would reset the
    connection, and the client would never read why."""

    error_task_class = _ErrorTask
    parser_class = _Parser
    request_since: float | None = None
    lingers = False
    linger_until: float | None = None

    def received(self, data: bytes) -> Any:
        if self.request is None:
            self.request_since = time.monotonic()
        return super().received(data)

    def readable(self) -> Any:
        return self.linger_until is not None or super().readable()

    def writable(self) -> Any:
        return self.linger_until is None and super().writable()

    def handle_read(self) -> None:
        if self.linger_until is None:
            super().handle_read()
            return
        try:
            self.recv(_LINGER_BYTES)
        except OSError:
            super().handle_close()

    def handle_close(self) -> None:
        if self.lingers and self.connected and self.linger_until is None:
            self.linger_until = time.monotonic() + LINGER_SECONDS
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
                return
        super().handle_close()

    @property
    def is_idle(self) -> bool:
        return not (self.requests or self.total_outbufs_len)

    def is_late(self, now: float, seconds: float) -> bool:
        if self.linger_until is not None:
            return now > self.linger_until
        return self.request is not None and now - (self.request_since or now) > seconds


class Server:
    """A WSGI server that can be told to stop, from a signal handler or another thread, and finishes its work."""

    def __init__(
        self,
        api: DetectionApi,
        app: WSGIApplication,
        limits: Limits,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._request_seconds = request_seconds
        self._stopping = False
        self._map: dict[int, Any] = {}
        listener = _listen(host, port)
        self._connections = min(CONNECTIONS, _open_files() // 2)
        self._server = _WsgiServer(
            app,
            self._map,
            True,
            listener,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            bind_socket=False,
            threads=limits.in_flight + SPARE_THREADS,
            connection_limit=self._connections,
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=10,
            max_request_body_size=MAX_BODY_BYTES + 1,  # it refuses this size itself
            inbuf_overflow=2 * MAX_BODY_BYTES,
            max_request_header_size=_MAX_HEADER_BYTES,
            asyncore_use_poll=True,
            ident="screentest",
        )
        self._server.channel_class = _Channel
        self._server.adj.uploads = _Uploads(api, self._server.adj)
        self._server.api = api
        address, self.port = listener.getsockname()[:2]
        self.url = f"http://[{address}]:{self.port}" if ":" in address else f"http://{address}:{self.port}"

    def stop(self) -> None:
        """Ask `serve` to return; returns at once."""
        if not self._stopping:
            self._stopping = True
            self._server.pull_trigger()

    def serve(self) -> None:
        """Serve until `stop`, then finish the requests in progress."""
        while not self._stopping:
            self._turn()
            self._close_late()
            self._make_room()
        wasyncore.dispatcher.close(self._server)
        end = time.monotonic() + GRACE_SECONDS
        while self._close_idle() and time.monotonic() < end:
            self._turn()
        self._server.task_dispatcher.shutdown()
        wasyncore.close_all(self._map)

    def _turn(self) -> None:
        if len(self._server.active_channels) > MANY:
            time.sleep(PACE_SECONDS)
        wasyncore.loop(timeout=1, use_poll=True, map=self._map, count=1)

    def _make_room(self) -> None:
        """Close idle connections before there are as many as there may be: others would not even be refused."""
        channels = list(self._server.active_channels.values())
        most = self._connections * 3 // 4
        if len(channels) > most:
            idle = sorted((c for c in channels if c.is_idle), key=lambda channel: channel.last_activity)
            for channel in idle[: len(channels) - most]:
                channel.handle_close()

    def _close_late(self) -> None:
        now = time.monotonic()
        for channel in list(self._server.active_channels.values()):
            if channel.is_late(now, self._request_seconds):
                channel.handle_close()

    def _close_idle(self) -> int:
        for channel in list(self._server.active_channels.values()):
            if channel.is_idle:
                channel.handle_close()
        return len(self._server.active_channels)


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


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise ServeError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("screentest.detection").setLevel(logging.INFO)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue for a moment is no news
