"""One picture to one verdict, through the wire contract: in this process or at a remote server."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from screentest import networks
from screentest.checking.settings import CheckSettings
from screentest.checking.sources import Objects, is_object, is_url, read, read_stdin
from screentest.detection.api import DetectionApi, Limits
from screentest.detection.api.errors import ApiError
from screentest.detection.api.fetch import HttpFetcher, Take
from screentest.detection.api.service import Detect
from screentest.detection.api.urls import ImageUrl
from screentest.detection.api.workers import Workers
from screentest.detection.api.wsgi import application
from screentest.detection.pictures import MAX_FILE_BYTES
from screentest.screening.client import DetectionClient
from screentest.screening.contract import Decision, checks
from screentest.screening.errors import DetectorError, PictureUnreadable, Throttled
from screentest.screening.models import Verdict

THROTTLED_WAITS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each further try at a server that throttles: Emoji's quota was one request a second. The server's own
word counts for more."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one picture.

    Attributes:
        file: as given on the command line; in a folder the joined path.
        status: HTTP status of the answer; 0 when there was none.
        response: the body of the answer; `None` when there was none, or none in JSON.
        decision: what the answer says, on a pass or a reject.
        code: why not.
        problem: why there is no verdict, in a sentence.
        cause: why a URL could not be fetched, where that is known (`screentest.detection.api.errors.Cause`).
        explanation: what was measured, where it was asked for.
        milliseconds: from asking to the answer.
        picture: the file's bytes, where a report needs them and they are at hand.
    """

    file: str
    verdict: Verdict
    status: int
    response: Any
    decision: Decision | None = None
    code: str | None = None
    problem: str | None = None
    explanation: dict[str, Any] | None = None
    milliseconds: float = 0.0
    picture: bytes | None = None
    cause: str | None = None


class _Copied(httpx.SyncByteStream):
    """A body that is kept as far as it is read: how much of it that is, and whether it is unpacked, is the client's
    decision, which bounds it."""

    def __init__(self, inner: httpx.SyncByteStream, kept: bytearray) -> None:
        self._inner, self._kept = inner, kept

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._inner:
            self._kept += piece
            yield piece

    def close(self) -> None:
        self._inner.close()


class Recorder(httpx.BaseTransport):
    """Keeps the last answer of each thread as it came, beside what the client makes of it."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self._local = threading.local()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """As the transport inside."""
        self._local.answer = None  # that of an earlier try is not this one's
        response = self._inner.handle_request(request)
        kept = bytearray()
        self._local.answer = response.status_code, kept
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Copied(response.stream, kept)
        return response

    def close(self) -> None:
        """Close the transport inside."""
        self._inner.close()

    def take(self) -> tuple[int, bytes] | None:
        """Status and body of this thread's last answer, once."""
        answer: tuple[int, bytearray] | None = getattr(self._local, "answer", None)
        self._local.answer = None
        return None if answer is None else (answer[0], bytes(answer[1]))


class LocalPictures:
    """A fetcher that serves files of this machine which were handed to it, and URLs as the server would."""

    def __init__(self, web: HttpFetcher) -> None:
        self._web = web
        self._files: dict[str, bytes] = {}
        self._local = threading.local()

    def put(self, data: bytes) -> str:
        """An address for `data`, good for one fetch."""
        name = uuid.uuid4().hex
        self._files[name] = data
        return f"handed:{name}"

    def locate(self, url: str) -> ImageUrl:
        """What `url` names."""
        scheme, _, name = url.partition(":")
        if name in self._files:
            return ImageUrl(scheme, name, 0, "")
        try:
            return self._web.locate(url)
        except ApiError as error:
            self._local.cause = error.cause
            raise

    def fetch(self, url: ImageUrl, take: Take) -> bytes:
        """The file handed over, or the download."""
        data = self._files.pop(url.host, None) if url.port == 0 else None
        if data is None:
            try:
                data = self._web.fetch(url, take)
            except ApiError as error:
                self._local.cause = error.cause
                raise
        else:
            self._web.check_size(len(data))
        self._local.data = data
        return data

    def take(self) -> bytes | None:
        """This thread's last picture, once."""
        data: bytes | None = getattr(self._local, "data", None)
        self._local.data = None
        return data

    def take_cause(self) -> str | None:
        """Why this thread's last URL could not be fetched, once."""
        cause: str | None = getattr(self._local, "cause", None)
        self._local.cause = None
        return cause


class Judge:
    """Judges pictures for `screentest check`. Safe to use from any thread; use as a context manager.

    Args:
        settings: of the command.
        detect: the detectors; by default a pool with one for each worker.
        transport: to the remote server, in place of the network.
        sleep: waits between tries at a server that throttles.
    """

    def __init__(
        self,
        settings: CheckSettings,
        *,
        detect: Detect | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._explained = settings.explain or settings.report is not None or not settings.json_lines
        self._explained |= settings.junit is not None or settings.sarif is not None
        self._objects = Objects()
        self._sleep = sleep
        self._pictures: LocalPictures | None = None
        self._workers: Workers | None = None
        if settings.detector is None:
            workers = self._workers = Workers(settings.workers, networks.detectors(settings.decode_limit))
            self._pictures = LocalPictures(HttpFetcher(allow_private=settings.allow_private_urls))
            api = DetectionApi(
                detect or workers.detect,
                self._pictures,
                explain=self._explained,
                models=settings.models,
                limits=Limits(settings.workers, settings.workers, settings.workers),
            )
            self._recorder = Recorder(httpx.WSGITransport(application(api)))
        else:
            self._recorder = Recorder(transport or httpx.HTTPTransport(trust_env=False))
        self._client = DetectionClient(
            settings.detector or "http://screentest.invalid",
            api_key=settings.api_key if settings.detector else None,
            transport=self._recorder,
            connections=settings.workers,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        if self._workers is not None:
            self._workers.close()

    def judge(self, file: str) -> Judgement:
        """The verdict on one picture; an `error` where there can be none."""
        start = time.perf_counter()
        local = not is_url(file)
        url = file
        if local:
            try:
                assert self._pictures is not None
                url = self._pictures.put(self._read(file))
            except (OSError, ValueError) as error:  # ValueError: a NUL in the name
                reason = getattr(error, "strerror", None) or str(error)
                return Judgement(
                    file, Verdict.ERROR, 0, None, code="Unreadable", problem=f"cannot be read: {reason}"
                )
        decision: Decision | None = None
        verdict, code, problem = Verdict.ERROR, None, None
        try:
            decision = self._ask(url)
            verdict, code = decision.verdict, decision.code
        except DetectorError as error:
            code, problem = error.code, error.message
            if local and isinstance(error, PictureUnreadable):
                verdict, problem = Verdict.REJECT, None  # the file was there, and it is no picture
        status, body = self._recorder.take() or (0, b"")
        response = _json(body)
        explanation = None
        output = response.get("output") if isinstance(response, dict) else None
        if self._settings.detector is not None:
            explanation = _explained(output)
        elif self._explained and isinstance(output, dict):
            explanation = output.get("explain")
            if not self._settings.explain:
                output.pop("explain", None)
        picture = self._pictures.take() if self._pictures else None
        cause = self._pictures.take_cause() if self._pictures else None
        return Judgement(
            file,
            verdict,
            status,
            response,
            decision,
            code,
            problem,
            explanation,
            (time.perf_counter() - start) * 1000,
            picture if self._settings.report is not None else None,
            cause,
        )

    def _read(self, file: str) -> bytes:
        if file == "-":
            return read_stdin(MAX_FILE_BYTES + 1)
        if is_object(file):
            return self._objects.read(file, MAX_FILE_BYTES + 1)
        return read(file, MAX_FILE_BYTES + 1)

    def _ask(self, url: str) -> Decision:
        ratio = self._settings.shown_ratio
        for wait in THROTTLED_WAITS if self._settings.detector else ():
            try:
                return self._client.detect(url, self._settings.model, ratio)
            except Throttled as error:
                self._sleep(max(wait, min(error.retry_after or 0.0, 60.0)))
        return self._client.detect(url, self._settings.model, ratio)


def _explained(output: object) -> dict[str, Any] | None:
    """What a server says that it measured, as far as that can be read: it may say anything."""
    found = checks(output)
    decided = next((check["rule"] for check in found if check["failed"]), None)
    return {"decided_by": decided, "checks": found} if found else None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
