"""The detection API as a pure function: a request in, a response out.

Source of every path, code and text: the documents of the retired service; `docs/detection-api.md` says what was
decided where they disagree.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

from screentest import detection
from screentest.detection import errors as detection_errors
from screentest.detection import structure
from screentest.detection.answer import Answer
from screentest.detection.api import errors
from screentest.detection.api.errors import ApiError
from screentest.detection.api.paths import HEALTH, OPENAPI, PAGE, PICTURES
from screentest.detection.api.throttle import Busy, Limits, Throttle
from screentest.detection.codes import Code
from screentest.detection.detector import too_large
from screentest.detection.models import BUILT_IN, ModelSpec, full_name
from screentest.detection.pictures import MAX_FILE_BYTES, MAX_PIXELS, sniff

if TYPE_CHECKING:
    from screentest.detection.api.fetch import Fetcher
    from screentest.detection.api.urls import ImageUrl

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024
"""Of a request of the documented API: a URL and two names."""

MAX_UPLOAD_BYTES = MAX_FILE_BYTES + MAX_BODY_BYTES
"""Of a request that brings its picture: the largest picture that would be fetched, and the form around it."""

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
        query: as sent, without the question mark.
        headers: by lower-case name.
        body: whole.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    query: str = ""


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
    """A request that was found valid: what to judge, and how.

    Attributes:
        source: where the picture comes from, as logs may say it.
        asked: when, in seconds of `time.monotonic`.
    """

    model: ModelSpec
    ratio: str
    source: str
    asked: float = field(default_factory=time.monotonic)


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
        payload: _Json | bytes
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

    def no_room(self) -> ApiError:
        """What a detection request is refused with while `full`."""
        return errors.throttled(self._throttle.refused())

    def refuse(self, error: ApiError) -> Response:
        """The answer to what never became a request: too large, or no HTTP."""
        request_id = self._request_id()
        logger.info("%s refused: %s", request_id, error)
        payload = _failure(error.code, error.message, request_id)
        return _response(error.status, payload, request_id, error.headers, head=False)

    def _answer(self, request: Request, request_id: str, trace: _Trace) -> tuple[int, _Json | bytes]:
        path = request.path.removesuffix("/")
        if path == PAGE and request.method in {"GET", "HEAD"}:
            return 200, _PAGE.read_bytes().replace(b"OPTIONS", _options(self._offered))
        if path == PICTURES:
            self._authorise(request)
            if request.method != "POST":
                raise errors.method_not_supported(request.method, "POST")
            return self._judge_sent(request, request_id, trace)
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
        order, url = self._order(path, _json_object(request), trace)
        return self._judge(order, url, request_id, trace)

    def _authorise(self, request: Request) -> None:
        self.authorise(request.headers.get("authorization", ""))

    def authorise(self, authorization: str) -> None:
        """Look at the header of that name.

        Raises:
            ApiError: it holds no key, or a wrong one.
        """
        if self._key_digest is None:
            return
        scheme, _, key = authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise errors.key_missing()
        if not hmac.compare_digest(_digest(key.strip()), self._key_digest):
            raise errors.key_wrong()

    def _order(self, path: str, body: _Json, trace: _Trace) -> tuple[_Order, ImageUrl]:
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
        located = self._fetcher.locate(url)
        return _Order(model, _ratio(model, body.get("parameters")), str(located)), located

    def _judge(self, order: _Order, url: ImageUrl, request_id: str, trace: _Trace) -> tuple[int, _Json]:
        try:
            with self._throttle.holding() as allowance:
                with self._throttle.fetching():
                    data = self._fetcher.fetch(url, allowance.take)
                return self._judge_bytes(data, order, request_id, trace)
        except Busy:
            raise errors.throttled(self._throttle.refused()) from None

    def _judge_sent(self, request: Request, request_id: str, trace: _Trace) -> tuple[int, _Json]:
        if self._key_digest is None and _from_another_origin(request.headers):
            # Forms travel across origins without being asked for: a page must not drive a server that needs no key.
            raise errors.another_origin()
        try:
            query = parse_qs(request.query, max_num_fields=20)
        except ValueError:
            raise errors.body_invalid() from None
        name = query.get("model", [""])[0]
        if not name:
            raise errors.model_missing()
        model = self._models.get(full_name(name)) or self._models.get(name)
        if model is None:
            raise errors.model_unknown()
        trace.model = model.name
        order = _Order(model, _ratio(model, {"ratio": query.get("ratio", [None])[0]}), "the request")
        data = _picture_in(request)
        if len(data) > MAX_FILE_BYTES:
            raise errors.picture_too_heavy(MAX_FILE_BYTES // (1024 * 1024))
        try:
            self._throttle.admit()
            with self._throttle.holding() as allowance:
                allowance.take(len(data))
                return self._judge_bytes(data, order, request_id, trace)
        except Busy:
            raise errors.throttled(self._throttle.refused()) from None

    def _judge_bytes(self, data: bytes, order: _Order, request_id: str, trace: _Trace) -> tuple[int, _Json]:
        megabytes = order.model.max_megabytes
        if megabytes is not None and len(data) > megabytes * 1024 * 1024:
            raise errors.picture_too_heavy(megabytes)
        output = self._output(data, order, trace)
        if trace.code != "-" and self._verdict_status == 400 and order.model.wire.codes:
            text = output.get("message") or output.get("reason") or ""
            return 400, _failure(trace.code, text, request_id)
        return 200, {"output": output, "usage": {"image_count": 1}, "request_id": request_id}

    def _output(self, data: bytes, order: _Order, trace: _Trace) -> _Json:
        try:
            with self._throttle.turn(_decoding_bytes(data), order.asked):
                answer = self._detect(data, order.model, order.ratio)
        except Busy:
            raise
        except detection_errors.PictureTooLarge:
            trace.code = str(Code.RESOLUTION)
            return too_large(order.model, order.ratio).output()
        except detection_errors.UnreadablePicture as error:
            logger.info("no picture from %s: %s", order.source, error)
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


DECODING_BYTES = {"JPEG": 8, "PNG": 8, "BMP": 6, "WEBP": 5}
"""A pixel's worst, measured on 7000 × 7000 pictures: progressive CMYK JPEG keeps all coefficients, interlaced
sixteen-bit PNG is held twice, lossless WebP once."""

ANIMATION_BYTES = 13
"""The same of WebP animations, which are smaller: of each, and of what might be one, libwebp holds three canvases."""


def _decoding_bytes(data: bytes) -> int:
    """What decoding will need, by the header; nothing for what will not be decoded."""
    try:
        kind = sniff(data)
        width, height = structure.size(data, kind)
    except detection_errors.UnreadablePicture:
        return 0
    pixels = width * height
    if pixels > MAX_PIXELS:
        return 0
    canvases = min(pixels, structure.MAX_ANIMATION_PIXELS) * ANIMATION_BYTES if kind == "WEBP" else 0
    return max(pixels * DECODING_BYTES[kind], canvases)


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


def _from_another_origin(headers: Mapping[str, str]) -> bool:
    origin = headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def _picture_in(request: Request) -> bytes:
    """The body, or the form's field `picture`.

    Looked for by its marks alone: a parser of mail would make an object of each line of a picture.
    """
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "multipart/form-data":
        return request.body
    boundary = re.search(r'boundary="?([^";,]{1,70})"?', rest)
    if boundary is None:
        raise errors.body_invalid()
    mark, body = b"--" + boundary[1].strip().encode("latin-1", "replace"), request.body
    at = body.find(mark)
    while at >= 0:
        content = body.find(b"\r\n\r\n", at)
        end = body.find(b"\r\n" + mark, content)
        if min(content, end) < 0:
            break
        if _NAMED_PICTURE.search(body, at, min(content, at + _MAX_PART_HEAD)):
            return body[content + 4 : end]
        at = end + 2
    raise errors.body_invalid()


_NAMED_PICTURE = re.compile(
    rb'(?i)\r\ncontent-disposition:[ \t]*form-data;[^\r\n]*[; \t]name="?picture"?[;\r \t]'
)
_MAX_PART_HEAD = 4096
_PAGE = Path(__file__).with_name("page.html")
_NONCE = b"NONCE"


def _options(models: Iterable[ModelSpec]) -> bytes:
    """What the page offers: each detector, with each ratio where it has several. Names need no escaping."""
    choices = [
        (f"{model.name}&amp;ratio={ratio}", f"{model.name} {ratio}")
        if len(model.ratios) > 1
        else (model.name,) * 2
        for model in models
        for ratio in model.ratios
    ]
    return "\n      ".join(f'<option value="{value}">{text}</option>' for value, text in choices).encode()


def _failure(code: str, text: str, request_id: str) -> _Json:
    return {"code": code, "message": text, "request_id": request_id}


def _response(
    status: int,
    payload: _Json | bytes,
    request_id: str,
    headers: tuple[tuple[str, str], ...],
    *,
    head: bool,
) -> Response:
    if isinstance(payload, bytes):
        nonce = secrets.token_urlsafe(16)
        body, kind = payload.replace(_NONCE, nonce.encode()), "text/html; charset=utf-8"
        policy = f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src blob:; "
        policy += "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        headers += (("Content-Security-Policy", policy),)
    else:
        body, kind = json.dumps(payload, separators=(",", ":"), allow_nan=False).encode(), "application/json"
    fixed = (
        ("Content-Type", kind),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("x-request-id", request_id),
        ("x-screentest-version", detection.VERSION),
        ("x-screentest-rules", detection.RULES_VERSION),
    )
    return Response(status, fixed + headers, b"" if head else body)
