"""`screentest serve`: settings, detectors and signals around the server."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from screentest import cors, networks
from screentest.cli.options import DETECTOR_PROFILE, DecodeLimit
from screentest.detection import ModelSpec, confined, models
from screentest.detection.api import DetectionApi, Limits, Request, Response
from screentest.detection.api import errors as api_errors
from screentest.detection.api.service import VerdictStatus
from screentest.detection.api.throttle import Hosts
from screentest.detection.api.workers import WorkerProcesses, Workers
from screentest.detection.confined import ConfinedDetector
from screentest.detection.errors import DecoderUnavailable, ProfileError, UnknownModel, WeightsMissing

if TYPE_CHECKING:
    from screentest.http_server import Guard, Handle

JUDGING_SECONDS = 5.0
"""For one picture, decoding included. With the five that it may wait (`Limits.patience`), the answer is there ten
seconds after the download. The slowest legal one, 49 megapixels of sixteen bits and interlaced, takes 2 on two busy
cores."""


class ServeError(Exception):
    """The server cannot start; the sentence says what to do."""


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """What `screentest serve` was asked for, checked.

    Raises:
        ServeError: they contradict each other, or one has no meaning.
    """

    host: Annotated[str, typer.Option(help="Address to listen on; other than loopback needs a key.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = (
        8000
    )
    given_key: Annotated[
        str | None,
        typer.Option(
            "--api-key",
            envvar="SCREENTEST_API_KEY",
            show_default=False,
            help="Bearer key that requests must carry. Without one: loopback only, any key or none.",
        ),
    ] = field(default=None, repr=False)
    allow_private_urls: Annotated[
        bool,
        typer.Option("--allow-private-urls", help="Fetch pictures from private and loopback addresses too."),
    ] = False
    verdict_status: Annotated[
        VerdictStatus, typer.Option(help="Answer a rejection as HTTP 200 with `output`, or as HTTP 400.")
    ] = 200
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Add every measurement beside its threshold as `output.explain`."),
    ] = False
    workers: Annotated[
        int,
        typer.Option(
            min=1, max=64, show_default="one a core", help="Pictures judged at the same time.", metavar="N"
        ),
    ] = os.cpu_count() or 1
    decode_limit: DecodeLimit = None
    profiles: Annotated[list[str], DETECTOR_PROFILE] = field(default_factory=list)
    other_names: Annotated[
        list[str],
        typer.Option(
            "--alias",
            metavar="NAME=MODEL",
            help="Another name for a model, such as that of a private deployment.",
        ),
    ] = field(default_factory=list)
    cors_origins: Annotated[
        list[str],
        typer.Option(
            "--cors-origin",
            metavar="ORIGIN",
            show_default="none",
            help="An origin, such as https://example.com, whose pages may ask and read answers. May be repeated.",
        ),
    ] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check all of them before anything is opened."""
        key = self.api_key
        if key is not None and not key:
            raise ServeError("the key is empty: give --api-key KEY, or neither it nor SCREENTEST_API_KEY")
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
        _ = self.models, self.aliases

    @property
    def api_key(self) -> str | None:
        """The key that requests must carry; `None` for any or none."""
        return None if self.given_key is None else self.given_key.strip()

    @cached_property
    def models(self) -> tuple[ModelSpec, ...]:
        """What is served.

        Raises:
            ServeError: a profile cannot be used.
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
    # The help of every command lists these options; the libraries of the server are for those who serve.
    from screentest.detection.api.fetch import HttpFetcher

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
        limits=limits,
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
    """Serve until SIGINT or SIGTERM, then finish the requests in progress. `announce` is called with the address.

    Raises:
        ServeError: the address cannot be listened on, or the detectors cannot be started.
    """
    from screentest.http_server import Server

    _log_to_stderr()
    _give_memory_back()
    warnings.filterwarnings("ignore", module=r"PIL\.")  # on damaged metadata; the verdict says what matters
    limits = Limits.of(settings.workers)
    api = build(settings, limits)
    shared = cors.allowing(frozenset(settings.cors_origins))
    local = loopback_hosts_only(api)
    try:
        server = Server(
            api,
            shared if settings.api_key else lambda handle: local(shared(handle)),
            limits,
            host=settings.host,
            port=settings.port,
        )
    except OSError as error:
        where = f"{settings.host} port {settings.port}"
        raise ServeError(f"cannot listen on {where}: {error.strerror or error}") from error

    def stop(signum: int, _frame: object) -> None:
        signal.signal(signum, signal.SIG_DFL)  # asked a second time, it stops at once
        server.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    announce(f"{server.url}  (detection API; stop with Ctrl-C)")
    sys.stdout.flush()
    server.serve()


def loopback_hosts_only(api: DetectionApi) -> Guard:
    """Lets requests through that name this machine. A web page whose name was rebound to 127.0.0.1 names itself."""

    def guard(handle: Handle) -> Handle:
        def guarded(request: Request) -> Response:
            host = request.headers.get("host", "")
            name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
            if host and not is_loopback(name):
                return api.refuse(api_errors.ApiError(403, "AccessDenied", "Access denied."))
            return handle(request)

        return guarded

    return guard


def _give_memory_back() -> None:
    """Have the allocator return what large files took: by itself it raises its threshold to 32 MB, and keeps what it
    once had, for each of its heaps, of which there may be eight a core."""
    if sys.platform.startswith("linux"):
        with suppress(AttributeError):  # another C library
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_M_MMAP_THRESHOLD, 256 * 1024)
            mallopt(_M_ARENA_MAX, 2)


_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of glibc's malloc.h


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("screentest.detection").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # what is no HTTP is logged as every refusal
