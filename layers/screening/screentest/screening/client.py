"""One client for every server of the detection API: the retired service, a self-hosted one, or one in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit

import httpx

from screentest.screening import contract
from screentest.screening.contract import Decision
from screentest.screening.errors import ConfigurationError, Unavailable
from screentest.screening.families import family_of
from screentest.screening.redaction import redactor

__all__ = ["DetectionClient", "Timeouts"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `read` and `write` are between two pieces, `total` is for the whole answer.

    The detector fetches the picture (10 s at most, as the retired service did) and judges it before it answers.
    """

    connect: float = 5.0
    write: float = 5.0
    read: float = 20.0
    pool: float = 5.0
    total: float = 25.0


_LARGEST_ANSWER = 1 << 20
"""Bytes; real answers have a few hundred."""


class DetectionClient:
    """Asks detectors for verdicts. Safe to share between threads; needs no AWS.

    >>> with DetectionClient("http://127.0.0.1:8787") as client:
    ...     decision = client.detect("https://example.com/portrait.jpg", "emo-detect-v1", "1:1")

    Args:
        base_url: of the server; up to its `/api/v1`, whatever follows that.
        api_key: sent as bearer key; a function is asked anew for each request, and once more, with `True`, after
            the server refused the key, so that a rotated key needs no restart.
        transport: in place of the network, for example `httpx.WSGITransport` around the detection app.
        timeouts: of each request.
        connections: most connections kept and opened at a time.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | Callable[[bool], str | None] | None = None,
        transport: httpx.BaseTransport | None = None,
        timeouts: Timeouts | None = None,
        connections: int = 32,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = base_url.partition("/api/v1")[0].rstrip("/")
        self._key = api_key if callable(api_key) else lambda _refused: api_key
        self._timeouts = timeouts or Timeouts()
        self._clock = clock
        self._client = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(
                connect=self._timeouts.connect,
                read=self._timeouts.read,
                write=self._timeouts.write,
                pool=self._timeouts.pool,
            ),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            # Proxies and netrc of the environment would see the key and the signed address.
            trust_env=False,
            # An address without TLS needs no certificates, whose loading is a fifth of a cold start.
            verify=urlsplit(base_url).scheme == "https" and transport is None,
            headers={
                "accept": "application/json",
                "accept-encoding": "identity",
                "user-agent": "screentest",
            },
        )

    @property
    def host(self) -> str:
        """Host, and port where one is given, of the server."""
        return urlsplit(self._base).netloc.rpartition("@")[2]

    def detect(self, image_url: str, model: str, ratio: str | None = None) -> Decision:
        """The model's verdict on the picture at an address.

        Args:
            image_url: http or https, readable by the server; signed addresses are sent untouched and never logged.
            model: for example `emo-detect-v1`.
            ratio: `1:1` or `3:4`, for models that crop to it.

        Raises:
            ConfigurationError: key, account, quota, model or request are wrong: a person must act.
            Throttled: too many requests; `retry_after` where the server said so.
            PictureUnreadable: the server could not fetch or read the picture.
            Unavailable: no answer, or none of this API.
        """
        body = contract.request(image_url, model, ratio)
        address = self._base + family_of(model).path

        def ask(key: str | None) -> Decision:
            status, answer, headers = self._post(address, body, key)
            return contract.interpret(status, answer, model, headers, redactor(image_url, key))

        key = self._key(False)
        try:
            return ask(key)
        except ConfigurationError as error:
            fresh = self._key(True) if error.status == 401 else key
            if fresh == key:
                raise
        return ask(fresh)

    def _post(self, address: str, body: bytes, key: str | None) -> tuple[int, bytes, dict[str, str]]:
        headers = {"content-type": "application/json"}
        if key:
            headers["authorization"] = f"Bearer {key}"
        started = self._clock()
        try:
            with self._client.stream("POST", address, content=body, headers=headers) as response:
                if response.headers.get("content-encoding", "identity") != "identity":
                    # It was asked for none: a few compressed bytes can hold gigabytes.
                    raise Unavailable(
                        "the detector's answer is compressed",
                        code="NotUnderstood",
                        status=response.status_code,
                    )
                answer = bytearray()
                for piece in response.iter_bytes():
                    answer += piece
                    if len(answer) > _LARGEST_ANSWER:
                        raise Unavailable(
                            "the detector's answer has no end",
                            code="NotUnderstood",
                            status=response.status_code,
                        )
                    if self._clock() - started > self._timeouts.total:
                        raise Unavailable("the detector did not answer in time", code="Timeout")
                return response.status_code, bytes(answer), dict(response.headers)
        except httpx.TimeoutException as error:
            raise Unavailable(
                f"the detector did not answer in time ({type(error).__name__})", code="Timeout"
            ) from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            # The exception's text may name the address, never the body; its class says enough.
            raise Unavailable(
                f"no connection to the detector ({type(error).__name__})", code="ConnectionFailed"
            ) from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> DetectionClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
