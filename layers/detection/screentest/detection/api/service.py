"""The detection API as a pure function: a request in, a response out.

Source of every path, code and text: the documents of the retired service; `docs/detection-api.md` says what was
decided where they disagree.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from screentest import detection
from screentest.detection import errors as detection_errors
from screentest.detection import structure
from screentest.detection.answer import Answer
from screentest.detection.api import errors
from screentest.detection.api.errors import ApiError
from screentest.detection.api.throttle import Busy, Limits, Throttle
from screentest.detection.codes import Code
from screentest.detection.detector import too_large
from screentest.detection.models import BUILT_IN, ModelSpec
from screentest.detection.pictures import MAX_PIXELS, sniff

if TYPE_CHECKING:
    from screentest.detection.api.fetch import Fetcher
    from screentest.detection.api.urls import ImageUrl

logger = logging.getLogger(__name__)

HEALTH = "/healthz"
OPENAPI = "/openapi.json"

MAX_BODY_BYTES = 64 * 1024
"""Of a request: a URL and two names. Pictures are never sent in the body."""

Detect = Callable[[bytes, ModelSpec, str], Answer]
"""Picture file, model and ratio to an answer, from any thread; raises `UnreadablePicture`."""

VerdictStatus = Literal[200, 400]

_Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request.

    Attributes:
        method: upper case.
        path: percent-decoded, without the query.
        headers: by lower-case name.
        body: whole.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response: status, headers in order, body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class _Order:
    """A request that was found valid: what to judge, and how."""

    model: ModelSpec
    ratio: str
    url: ImageUrl


@dataclass(slots=True)
class _Trace:
    """What the log line of a request says; never a URL's path or query."""

    model: str = "-"
    code: str = "-"


class DetectionApi:
    """Answers detection requests. Safe to use from any thread.

    Args:
        detect: the detectors.
        fetcher: how pictures are got.
        api_key: the bearer key that requests must carry; `None` accepts any and none.
        verdict_status: HTTP status of a rejection: 200 with `output` and `usage`, or 400 with the code at the top
            and nothing billed (§3.5).
        explain: add what was measured as `output.explain`.
        models: the detectors that are offered.
        aliases: further model names, such as those of private deployments.
        limits: how much may be at work.
        health: what `GET /healthz` says as `status`: anything but `ok` is HTTP 503.
        request_id: makes the id of a request.
    """

    def __init__(
        self,
        detect: Detect,
        fetcher: Fetcher,
        *,
        api_key: str | None = None,
        verdict_status: VerdictStatus = 200,
        explain: bool = False,
        models: Iterable[ModelSpec] = BUILT_IN,
        aliases: Mapping[str, ModelSpec] | None = None,
        limits: Limits | None = None,
        health: Callable[[], str] = lambda: "ok",
        request_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._detect = detect
        self._fetcher = fetcher
        self._key_digest = None if api_key is None else _digest(api_key)
        self._verdict_status = verdict_status
        self._explain = explain
        self._offered = tuple(models)
        self._models = {**{model.name: model for model in self._offered}, **(aliases or {})}
        self._paths = {path for model in self._offered for path in model.paths}
        self._throttle = Throttle(limits or Limits())
        self._health = health
        self._request_id = request_id

    def handle(self, request: Request) -> Response:
        """The answer to `request`. Never raises."""
        request_id, trace, start = self._request_id(), _Trace(), time.perf_counter()
        headers: tuple[tuple[str, str], ...] = ()
        try:
            try:
                status, payload = self._answer(request, request_id, trace)
            except ApiError:
                raise
            except Exception:
                logger.exception("request %s failed", request_id)
                raise errors.internal() from None
        except ApiError as error:
            status, headers, trace.code = error.status, error.headers, error.code
            payload = _failure(error.code, error.message, request_id)
        milliseconds = round((time.perf_counter() - start) * 1000)
        logger.info(
            "%s %s %d %s %s %d ms", request_id, request.method, status, trace.model, trace.code, milliseconds
        )
        return _response(status, payload, request_id, headers, head=request.method == "HEAD")

    @property
    def full(self) -> bool:
        """Whether a detection request would be refused for want of room, whatever it says."""
        return self._throttle.full

    def refuse_for_want_of_room(self) -> Response:
        """The answer to a detection request while `full`."""
        return self.refuse(errors.throttled(self._throttle.refused()))

    def refuse(self, error: ApiError) -> Response:
        """The answer to what never became a request: too large, or no HTTP."""
        request_id = self._request_id()
        logger.info("%s refused: %s", request_id, error)
        payload = _failure(error.code, error.message, request_id)
        return _response(error.status, payload, request_id, error.headers, head=False)

    def _answer(self, request: Request, request_id: str, trace: _Trace) -> tuple[int, _Json]:
        path = request.path.removesuffix("/")
        if path in {HEALTH, OPENAPI}:
            if request.method not in {"GET", "HEAD"}:
                raise errors.method_not_supported(request.method, "GET, HEAD")
            return self._healthy() if path == HEALTH else (200, self._document())
        if path not in self._paths:
            raise errors.no_such_path()
        self._authorise(request)
        if request.method != "POST":
            raise errors.method_not_supported(request.method, "POST")
        if request.headers.get("x-dashscope-async", "").strip().lower() == "enable":
            raise errors.asynchronous()
        order = self._order(path, _json_object(request), trace)
        return self._judge(order, request_id, trace)

    def _authorise(self, request: Request) -> None:
        if self._key_digest is None:
            return
        scheme, _, key = request.headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise errors.key_missing()
        if not hmac.compare_digest(_digest(key.strip()), self._key_digest):
            raise errors.key_wrong()

    def _order(self, path: str, body: _Json, trace: _Trace) -> _Order:
        """What the body asks for. Unknown fields are ignored.

        Raises:
            ApiError: the first thing that is wrong with it.
        """
        name = body.get("model")
        if name is None or name == "":
            raise errors.model_missing()
        if not isinstance(name, str):
            raise errors.parameter_invalid("model")
        model = self._models.get(name)
        if model is None:
            raise errors.model_unknown()
        trace.model = model.name
        if path not in model.paths:
            raise errors.model_on_wrong_path()
        given = body.get("input")
        if given is None:
            raise errors.input_missing()
        if not isinstance(given, dict):
            raise errors.input_invalid()
        url = given.get("image_url")
        if not isinstance(url, str):
            raise errors.image_url_missing(model.image_url_missing)
        return _Order(model, _ratio(model, body.get("parameters")), self._fetcher.locate(url))

    def _judge(self, order: _Order, request_id: str, trace: _Trace) -> tuple[int, _Json]:
        try:
            with self._throttle.holding() as allowance:
                with self._throttle.fetching():
                    data = self._fetcher.fetch(order.url, allowance.take)
                megabytes = order.model.max_megabytes
                if megabytes is not None and len(data) > megabytes * 1024 * 1024:
                    raise errors.picture_too_heavy(megabytes)
                with self._throttle.waiting():
                    output = self._output(data, order, trace)
        except Busy:
            raise errors.throttled(self._throttle.refused()) from None
        if trace.code != "-" and self._verdict_status == 400 and order.model.wire.codes:
            text = output.get("message") or output.get("reason") or ""
            return 400, _failure(trace.code, text, request_id)
        return 200, {"output": output, "usage": {"image_count": 1}, "request_id": request_id}

    def _output(self, data: bytes, order: _Order, trace: _Trace) -> _Json:
        try:
            with self._throttle.turn(_decoding_bytes(data)):
                answer = self._detect(data, order.model, order.ratio)
        except Busy:
            raise
        except detection_errors.PictureTooLarge:
            trace.code = str(Code.RESOLUTION)
            return too_large(order.model, order.ratio).output()
        except detection_errors.UnreadablePicture as error:
            logger.info("no picture from %s: %s", order.url, error)
            raise errors.url_invalid() from None
        except (detection_errors.WeightsMissing, detection_errors.DecoderUnavailable) as error:
            logger.error("%s", error)  # noqa: TRY400 - the sentence says what to do, a traceback would bury it
            raise errors.internal() from None
        except Exception:
            logger.exception("the detector %s failed", order.model)
            raise errors.inference_failed() from None
        if not answer.passed:
            trace.code = str(answer.code)
        output = answer.output()
        if self._explain:
            output["explain"] = answer.explanation.as_dict()
        return output

    def _healthy(self) -> tuple[int, _Json]:
        status = self._health()
        body = {"status": status, "version": detection.VERSION, "rules": detection.RULES_VERSION}
        return 200 if status == "ok" else 503, body

    def _document(self) -> _Json:
        from screentest.detection.api.openapi import document

        return document(self._offered)


DECODING_BYTES = {"JPEG": 8, "PNG": 8, "BMP": 6, "WEBP": 9}
"""A pixel's worst, measured on 7000 × 7000 pictures: progressive CMYK JPEG keeps all coefficients; interlaced
sixteen-bit PNG and lossless WebP are held twice."""


def _decoding_bytes(data: bytes) -> int:
    """What decoding will need, by the header; nothing for what will not be decoded."""
    try:
        kind = sniff(data)
        width, height = structure.size(data, kind)
    except detection_errors.UnreadablePicture:
        return 0
    pixels = width * height
    return pixels * DECODING_BYTES[kind] if pixels <= MAX_PIXELS else 0


def _digest(key: str) -> bytes:
    # Digests are of one length, so that the comparison tells nothing about the key's.
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _json_object(request: Request) -> _Json:
    if len(request.body) > MAX_BODY_BYTES:
        raise errors.body_too_large()
    # Browsers send other types across origins without asking: a page must not drive a server that needs no key.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise errors.body_invalid()
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):  # not UTF-8, not JSON, a number or a nesting beyond reason
        raise errors.body_invalid() from None
    if not isinstance(value, dict):
        raise errors.body_invalid()
    return value


def _ratio(model: ModelSpec, parameters: object) -> str:
    default = model.ratios[0]
    if parameters is None:
        return default
    if not isinstance(parameters, dict):
        raise errors.parameter_invalid("parameters")
    ratio = parameters.get("ratio")
    if ratio is None or not model.takes_ratio:  # it has no such parameter: an unknown field
        return default
    if not isinstance(ratio, str) or ratio not in model.ratios:
        raise errors.ratio_invalid()
    return ratio


def _failure(code: str, text: str, request_id: str) -> _Json:
    return {"code": code, "message": text, "request_id": request_id}


def _response(
    status: int, payload: _Json, request_id: str, headers: tuple[tuple[str, str], ...], *, head: bool
) -> Response:
    body = json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()
    fixed = (
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("x-request-id", request_id),
        ("x-screentest-version", detection.VERSION),
        ("x-screentest-rules", detection.RULES_VERSION),
    )
    return Response(status, fixed + headers, b"" if head else body)
