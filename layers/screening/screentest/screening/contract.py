"""The wire contract of the detection API: what is sent, and what an answer means.

One pure function, `interpret`, decides on status and codes for every generation of the contract. Messages are never
read, with one exception: AnimateAnyone's older and newer forms name the reason in words only (`REASONS`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from screentest.screening.errors import (
    ConfigurationError,
    DetectorError,
    PictureUnreadable,
    Throttled,
    Unavailable,
)
from screentest.screening.models import Verdict

FACE_DETECT: Final = "/api/v1/services/aigc/image2video/face-detect"
AA_DETECT: Final = "/api/v1/services/aigc/image2video/aa-detect"

UNKNOWN: Final = "Unknown"
"""Code of a reject that names none."""

Box = tuple[int | float, int | float, int | float, int | float]
"""`x1, y1, x2, y2` in pixels of the upright picture, origin top left."""


class _Wire(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="ignore", frozen=True)


class Input(_Wire):
    """`input` of a request."""

    image_url: str


class Parameters(_Wire):
    """`parameters` of a request. Always sent: the contract marks it as required and as optional."""

    ratio: str | None = None


class Request(_Wire):
    """The body of a detection request."""

    model: str
    input: Input
    parameters: Parameters

    @classmethod
    def build(cls, image_url: str, model: str, ratio: str | None) -> Request:
        """The request for one picture."""
        return cls(model=model, input=Input(image_url=image_url), parameters=Parameters(ratio=ratio))

    def body(self) -> bytes:
        """JSON, without what is not set."""
        return self.model_dump_json(exclude_none=True).encode()


def path(model: str) -> str:
    """Where the model is asked: AnimateAnyone has an address of its own."""
    return AA_DETECT if model.startswith("animate-anyone-detect") else FACE_DETECT


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _box(value: Any) -> Box | None:
    if isinstance(value, list | tuple) and len(value) == 4:
        x1, y1, x2, y2 = value
        numbers = [
            n for n in value if isinstance(n, int | float) and not isinstance(n, bool) and abs(n) < 1e9
        ]
        if len(numbers) == 4:
            return x1, y1, x2, y2
    return None


_Text = Annotated[str | None, BeforeValidator(_text)]
_Flag = Annotated[bool | None, BeforeValidator(_flag)]
_Box = Annotated[Box | None, BeforeValidator(_box)]


class Output(_Wire):
    """`output` of every known detector; what a model does not send, or sends in another type, is None."""

    check_pass: _Flag = None
    pass_: _Flag = Field(default=None, alias="pass")
    humanoid: _Flag = None
    code: _Text = None
    message: _Text = None
    reason: _Text = None
    bodystyle: _Text = None
    face_bbox: _Box = None
    ext_bbox: _Box = None
    bbox_face: _Box = None
    ext_bbox_face: _Box = None


class Usage(_Wire):
    """`usage`: present when the request was charged, passed or not."""

    image_count: Annotated[
        int | None, BeforeValidator(lambda value: value if isinstance(value, int) and value >= 0 else None)
    ] = None


class Answer(_Wire):
    """The body of an answer: an output, or a code and a message at the top, or both."""

    output: Annotated[
        Output | None, BeforeValidator(lambda value: value if isinstance(value, dict) else None)
    ] = None
    usage: Annotated[
        Usage | None, BeforeValidator(lambda value: value if isinstance(value, dict) else None)
    ] = None
    request_id: _Text = None
    code: _Text = None
    message: _Text = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A detector's verdict on one picture.

    Attributes:
        verdict: `pass` or `reject`.
        code: why not; None on a pass.
        message: the detector's words on a reject.
        face_bbox: the squared face, `x1, y1, x2, y2` in pixels of the upright picture; passes of EMO and Emoji.
        ext_bbox: what the video will be cropped to, likewise.
        body_style: `half` or `full`; passes of AnimateAnyone.
        image_count: pictures charged, where the answer says so.
    """

    verdict: Verdict
    code: str | None = None
    message: str | None = None
    face_bbox: Box | None = None
    ext_bbox: Box | None = None
    body_style: str | None = None
    humanoid: bool | None = None
    request_id: str | None = None
    image_count: int | None = None


REASONS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"request url|\burl\b|download", "InvalidURL"),
        (r"resolution|largest length|smallest length|分辨率", "InvalidFile.Resolution"),
        (r"file size", "InvalidFile.Size"),
        (r"file ratio|aspect ratio", "InvalidFile.AspectRatio"),
        (r"detected face|whole face|\bface\b|人脸|面部", "InvalidFile.FacePose"),
        (
            r"no human|multi[- ]?human|multiple (?:people|persons|human)|single person|no (?:person|people|body)\b"
            r"|未检测到人|多人",
            "InvalidFile.Content",
        ),
        (r"detected person|whole body|\bpose\b|front view|人体|姿[态势]", "InvalidFile.BodyPose"),
    )
)
"""AnimateAnyone's `reason` → the codes of its own table; the first that matches. Faces come
before persons and persons before poses: each text of the table also holds a word of a later row."""


def code_of_reason(reason: str) -> str | None:
    """The code that AnimateAnyone's table has for a reason given in words."""
    return next((code for pattern, code in REASONS if pattern.search(reason)), None)


def interpret(status: int, body: bytes, model: str, headers: Mapping[str, str] | None = None) -> Decision:
    """What an answer says.

    Args:
        status: HTTP status.
        body: as received.
        model: whose answer it is: Emoji passes without `check_pass`.
        headers: names in lower case; `retry-after-ms`, `retry-after`, `x-should-retry`, `x-request-id` are read.

    Raises:
        ConfigurationError: key, account, quota, model or request are wrong: a person must act.
        Throttled: too many requests.
        PictureUnreadable: the detector could not fetch or decode the picture.
        Unavailable: 5xx, not JSON, or JSON that is not this contract: never a pass.
    """
    headers = headers or {}
    wait = retry_after(headers)
    try:
        answer = Answer.model_validate_json(body)
    except (ValidationError, ValueError):
        raise Unavailable(
            f"the detector answered HTTP {status} with something that is not the API's JSON",
            code="NotJSON",
            status=status,
            retry_after=wait,
        ) from None
    output = answer.output or Output()
    code = answer.code or output.code
    message = answer.message or output.message or output.reason
    request_id = answer.request_id or headers.get("x-request-id")
    image_count = answer.usage.image_count if answer.usage else None

    if status == 200 and answer.code is None:
        decision = _decision(output, model, request_id, image_count)
        if decision is None:
            raise Unavailable(
                "the detector's answer holds no verdict of this API",
                code="NotUnderstood",
                status=status,
                retry_after=wait,
                request_id=request_id,
            )
        return decision
    if is_verdict(code):
        return Decision(
            Verdict.REJECT, code=code, message=message, request_id=request_id, image_count=image_count
        )
    kind = _kind(status, code, message or "", headers.get("x-should-retry"))
    raise kind(
        message or f"the detector answered HTTP {status}",
        code=code or f"HTTP{status}",
        status=status,
        retry_after=wait,
        request_id=request_id,
    )


def _decision(output: Output, model: str, request_id: str | None, image_count: int | None) -> Decision | None:
    said = output.check_pass if output.check_pass is not None else output.pass_
    if said is None:
        face, ext = output.bbox_face, output.ext_bbox_face
        if model.startswith("emoji-detect") and face and ext and not output.code:
            said = True
        elif output.code or (model.startswith("animate-anyone-detect") and output.reason):
            said = False
        else:
            return None
    elif said and output.code:
        # An answer that contradicts itself must never look like a pass.
        said = False
    if said:
        return Decision(
            Verdict.PASS,
            face_bbox=output.face_bbox or output.bbox_face,
            ext_bbox=output.ext_bbox or output.ext_bbox_face,
            body_style=output.bodystyle,
            humanoid=output.humanoid,
            request_id=request_id,
            image_count=image_count,
        )
    code = output.code
    if code is None and output.reason and model.startswith("animate-anyone-detect"):
        code = code_of_reason(output.reason)
    return Decision(
        Verdict.REJECT,
        code=code or UNKNOWN,
        message=output.message or output.reason,
        humanoid=output.humanoid,
        request_id=request_id,
        image_count=image_count,
    )


_VERDICTS: Final = re.compile(r"InvalidFile\.(?!DownloadFailed)|InvalidFile$|InvalidImage|InvalidPerson$")
_VERDICTS_BY_NAME: Final = frozenset(
    {
        "DataInspectionFailed",
        "IPInfringementSuspect",
        "BadRequest.UnsupportedFileFormat",
        "InvalidParameter.UnsupportedFileFormat",
    }
)


def is_verdict(code: str | None) -> bool:
    """Whether a code speaks of the picture, at whatever status and place it comes."""
    return code is not None and (bool(_VERDICTS.match(code)) or code in _VERDICTS_BY_NAME)


_PERMANENT: Final = frozenset(
    {
        "InvalidApiKey",
        "Arrearage",
        "CommodityNotPurchased",
        "PrepaidBillOverdue",
        "PostpaidBillOverdue",
        "AllocationQuota.FreeTierOnly",
        "ModelNotFound",
        "model_not_found",
        "Model.NotExist",
        "Model.AccessDenied",
        "Workspace.AccessDenied",
    }
)
"""No retry helps, at whatever status they come: the service documents some with 429."""

_DOWNLOADS: Final = frozenset(
    {
        "BadRequest.InputDownloadFailed",
        "InvalidFile.DownloadFailed",
        "InvalidURL.ConnectionRefused",
        "InvalidURL.Timeout",
        "InvalidParameter.DataInspection",
    }
)
"""The way to the picture failed, not the picture: a later try with a fresh address may do."""

_TRANSIENT_STATUSES: Final = frozenset({408, 409, 425})
"""Besides 429 and 5xx (the vendor's own client retries 408 and 409)."""


def _kind(status: int, code: str | None, message: str, should_retry: str | None) -> type[DetectorError]:
    name = code or ""
    if name in _PERMANENT or name.startswith("AccessDenied"):
        return ConfigurationError
    if name == "Throttling.AllocationQuota" and "free allocated quota" in message.lower():
        # One code for two facts; only the paid quota fills up again.
        return ConfigurationError
    if name == "InvalidURL" or name in _DOWNLOADS:
        return PictureUnreadable
    if status == 429 or name.startswith(("Throttling", "LimitRequests")):
        return Throttled
    if 400 <= status < 500 and status not in _TRANSIENT_STATUSES:
        return Unavailable if should_retry == "true" else ConfigurationError
    return ConfigurationError if should_retry == "false" else Unavailable


def is_download(error: PictureUnreadable) -> bool:
    """Whether the way to the picture failed rather than the picture."""
    return error.code in _DOWNLOADS


_MAXIMUM_WAIT: Final = 12 * 3600.0
"""SQS keeps a message hidden for twelve hours at most."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks us to wait: `retry-after-ms`, else `retry-after` in seconds or as a date."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return min(milliseconds / 1000, _MAXIMUM_WAIT)
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = _number(value)
    if seconds is None:
        import time
        from email.utils import parsedate_to_datetime

        try:
            seconds = max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except (TypeError, ValueError):
            return None
    return min(seconds, _MAXIMUM_WAIT)


def _number(text: str | None) -> float | None:
    if text is None or not re.fullmatch(r"\s*\d{1,12}(\.\d{1,6})?\s*", text):
        return None
    return float(text)
