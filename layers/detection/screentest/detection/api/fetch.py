"""Downloading a picture from an address that a stranger named.

The request is a plain GET over a connection of its own. Names are resolved here, every address that they have is
checked, and the connection goes to an address that was checked: a name cannot say one thing to the check and another
to the connection. Redirects are few and go through the same. No proxy, cookie or credential of this machine is used.
"""

from __future__ import annotations

import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Protocol

import httpcore

from screentest.detection import errors as picture_errors
from screentest.detection import pictures
from screentest.detection.api import errors
from screentest.detection.api.addresses import is_public
from screentest.detection.api.errors import Cause
from screentest.detection.api.throttle import Hosts
from screentest.detection.api.urls import ImageUrl, parse

logger = logging.getLogger(__name__)

FETCH_SECONDS = 10.0
"""For one picture in all, redirects included: the retired service's documented download time-out."""

MAX_REDIRECTS = 3
"""Enough for http to https to a storage host; a longer chain is a loop or a trick."""

MAX_ADDRESSES = 4
"""Addresses of one name that are tried, so that a long list cannot eat the time."""

MAGIC_BYTES = 16
"""From this many bytes on a download that is no picture is recognised, and ended."""

_CAUSES = {
    401: Cause.FORBIDDEN,
    403: Cause.FORBIDDEN,
    404: Cause.MISSING,
    410: Cause.MISSING,
}

_REDIRECTS = {301, 302, 303, 307, 308}

Resolver = Callable[[str, int], Sequence[str]]
"""Host and port to addresses in canonical form; raises `OSError`."""

Take = Callable[[int], None]
"""Called with the size of each piece before it is kept; raises to end the download."""


class Fetcher(Protocol):
    """How the service gets at pictures."""

    def locate(self, url: str) -> ImageUrl:
        """What `url` names.

        Raises:
            ApiError: nothing that would be fetched.
        """

    def fetch(self, url: ImageUrl, take: Take) -> bytes:
        """The file there.

        Raises:
            ApiError: why not.
        """


def resolve(host: str, port: int) -> list[str]:
    """The addresses of `host` as the system resolves it: decimal, octal and hexadecimal spellings included."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class HttpFetcher:
    """Fetches over http and https from public addresses.

    Args:
        allow_private: connect to any address. For a server whose callers may all see the private network.
        allowed_hosts: exact `(host, port)` pairs whose addresses may be private: the storage host that a pipeline
            signs URLs for.
        seconds: for one picture in all.
        max_bytes: of one picture.
        resolver: host and port to addresses.
        ssl_context: for https; by default the certificates of `certifi`.
        hosts: counts downloads by address; by default its own.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        allowed_hosts: Iterable[tuple[str, int]] = (),
        seconds: float = FETCH_SECONDS,
        max_bytes: int = pictures.MAX_FILE_BYTES,
        resolver: Resolver = resolve,
        ssl_context: ssl.SSLContext | None = None,
        hosts: Hosts | None = None,
    ) -> None:
        self._hosts = hosts or Hosts()
        self._allow_private = allow_private
        self._allowed_hosts = frozenset((host.lower(), port) for host, port in allowed_hosts)
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._resolver = resolver
        self._ssl_context = ssl_context
        self._ssl_lock = threading.Lock()

    def locate(self, url: str) -> ImageUrl:
        """As `urls.parse`."""
        return parse(url)

    def fetch(self, url: ImageUrl, take: Take = lambda _size: None) -> bytes:
        """The picture file at `url`.

        Raises:
            ApiError: `InvalidURL` (nothing there, no picture, an address that is not public), `InvalidURL.Timeout`,
                `InvalidURL.ConnectionRefused`, `BadRequest.InputDownloadFailed`, `InvalidFile.Size`.
            Busy: there are as many downloads from its address as there may be.
        """
        deadline = _Deadline(self._seconds)
        here = url
        try:
            for _ in range(MAX_REDIRECTS + 1):
                found = self._get(here, deadline, take)
                if isinstance(found, bytes):
                    return found
                here = here.joined(found)
        except errors.ApiError as error:
            logger.info("picture not fetched from %s: %s", here, error.code)
            raise
        except _Refused as error:
            logger.warning("picture not fetched from %s: %s", here, error)
            raise errors.url_invalid(Cause.NOT_PUBLIC) from None
        except (httpcore.TimeoutException, TimeoutError):
            raise errors.url_timeout(here.origin) from None
        except httpcore.ConnectError as error:
            # A host without a valid certificate is no host of this name; anything else may be there again soon.
            untrusted = isinstance(error.__cause__, ssl.SSLError) or isinstance(
                error.__context__, ssl.SSLError
            )
            raise (
                errors.url_invalid(Cause.UNTRUSTED) if untrusted else errors.url_refused(here.origin)
            ) from None
        except (httpcore.NetworkError, httpcore.RemoteProtocolError):
            raise errors.download_failed("the connection broke") from None
        except httpcore.LocalProtocolError:
            raise errors.url_malformed() from None
        except OSError as error:  # the resolver's: no such name, or no answer
            logger.info("picture not fetched from %s: %s", here, error)
            raise errors.url_invalid(Cause.NO_HOST) from None
        logger.info("picture not fetched from %s: more than %d redirects", url, MAX_REDIRECTS)
        raise errors.url_invalid(Cause.REDIRECTS)

    def _get(self, url: ImageUrl, deadline: _Deadline, take: Take) -> bytes | str:
        """The file, or where it has gone."""
        exempt = self._allow_private or (url.host, url.port) in self._allowed_hosts
        allowed = (lambda _address: True) if exempt else is_public
        with ExitStack() as places:
            backend = _Backend(
                deadline,
                self._resolver,
                allowed,
                lambda address: places.enter_context(self._hosts.connected(address)),
            )
            return self._answer(url, backend, take)

    def _answer(self, url: ImageUrl, backend: _Backend, take: Take) -> bytes | str:
        request = httpcore.Request(
            "GET",
            httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target),
            headers={
                "Host": url.authority,
                "Accept": "image/*,*/*;q=0.1",
                "Accept-Encoding": "identity",
                "User-Agent": "screentest",
                "Connection": "close",
            },
        )
        context = self._tls() if url.scheme == "https" else None
        with httpcore.ConnectionPool(ssl_context=context, network_backend=backend) as pool:
            response = pool.handle_request(request)
            try:
                return self._read(response, take)
            finally:
                response.close()

    def _read(self, response: httpcore.Response, take: Take) -> bytes | str:
        headers = {name.lower(): value for name, value in response.headers}
        if response.status in _REDIRECTS and b"location" in headers:
            return headers[b"location"].decode("utf-8", "replace")
        if response.status == 429 or response.status >= 500:
            raise errors.download_failed(f"the host answered {response.status}", Cause.STATUS)
        if response.status != 200:
            raise errors.url_invalid(_CAUSES.get(response.status, Cause.STATUS))
        length = headers.get(b"content-length", b"")
        if length.isdigit():
            self.check_size(int(length))
        data = bytearray()
        recognised = False
        for piece in response.iter_stream():
            self.check_size(len(data) + len(piece))
            take(len(piece))
            data += piece
            if not recognised and len(data) >= MAGIC_BYTES:
                _recognise(bytes(data[:MAGIC_BYTES]))
                recognised = True
        if not recognised:
            _recognise(bytes(data))
        return bytes(data)

    def check_size(self, size: int) -> None:
        """Whether a picture of `size` bytes is taken.

        Raises:
            ApiError: `InvalidFile.Size`.
        """
        if size > self._max_bytes:
            raise errors.picture_too_heavy(self._max_bytes // (1024 * 1024))

    def _tls(self) -> ssl.SSLContext:
        with self._ssl_lock:
            if self._ssl_context is None:
                self._ssl_context = httpcore.default_ssl_context()
            return self._ssl_context


def _recognise(head: bytes) -> None:
    try:
        pictures.sniff(head)
    except picture_errors.UnreadablePicture:
        raise errors.url_invalid() from None


class _Refused(Exception):
    """The name has an address that is not public."""


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self, timeout: float | None = None) -> float:
        """Seconds left, or `timeout` where that is less."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left if timeout is None else min(left, timeout)


class _Backend(httpcore.NetworkBackend):
    """Connects to addresses that were checked, and gives no operation longer than what is left of the time."""

    def __init__(
        self,
        deadline: _Deadline,
        resolver: Resolver,
        allowed: Callable[[str], bool],
        connecting: Callable[[str], None],
    ) -> None:
        self._connecting = connecting
        self._deadline = deadline
        self._resolver = resolver
        self._allowed = allowed
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = _in_time(lambda: self._resolver(host, port), self._deadline)
        for address in addresses:
            if not self._allowed(address):
                raise _Refused(f"{host} has the address {address}, which is not public")
        tried = addresses[:MAX_ADDRESSES]
        for number, address in enumerate(tried, 1):
            self._connecting(address)
            share = self._deadline.remaining(timeout) / (len(tried) - number + 1)
            try:
                stream = self._plain.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(tried):
                    raise
            else:
                return _Stream(stream, self._deadline)
        raise socket.gaierror(socket.EAI_NONAME, "the name has no address")


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.remaining(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.remaining(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.remaining(timeout))
        return _Stream(stream, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _in_time(work: Callable[[], Sequence[str]], deadline: _Deadline) -> Sequence[str]:
    """What `work` returns or raises, or `TimeoutError`: the system's resolver knows no time-out of its own. A thread
    left behind ends by itself and delays no request."""
    done: queue.SimpleQueue[Sequence[str] | OSError | UnicodeError] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put(work())
        except (
            OSError,
            UnicodeError,
        ) as error:  # UnicodeError: a label too long for the system's own encoding
            done.put(error)

    threading.Thread(target=run, name="resolve", daemon=True).start()
    try:
        result = done.get(timeout=deadline.remaining())
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(result, UnicodeError):
        raise socket.gaierror(socket.EAI_NONAME, "no host name")
    if isinstance(result, OSError):
        raise result
    return result
