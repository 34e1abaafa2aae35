"""The wire contract of the detection API: what is sent, and what an answer means.

One pure function, `interpret`, decides on status and codes for every generation of the contract. An answer that is not
exactly of its model's form is an error, never a verdict. Messages are never read, with one exception: AnimateAnyone and
LivePortrait name the reason in words only (`families`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic_core import from_json

from screentest.screening.errors import (
    ConfigurationError,
    DetectorError,
    PictureUnreadable,
    Throttled,
    Unavailable,
)
from screentest.screening.families import OTHER, Family, family_of
from screentest.screening.models import Verdict

UNKNOWN: Final = "Unknown"
"""Code of a reject that names none."""

LONGEST_CODE: Final = 128
"""Characters; the longest documented code has 39."""

LONGEST_TEXT: Final = 4000
"""Characters kept of a message; the table keeps fewer (`records.LONGEST_MESSAGE`)."""

LARGEST_SIDE: Final = 1e6
"""Pixels: no coordinate of a picture is larger."""

LARGEST_COUNT: Final = 10**6
"""Pictures charged for one request; what is larger is no count."""

Box = tuple[int | float, int | float, int | float, int | float]
"""`x1, y1, x2, y2` in pixels of the upright picture, origin top left."""


def request(image_url: str, model: str, ratio: str | None) -> bytes:
    """The JSON body for one picture. `parameters` is always sent: the contract marks it as required and as optional."""
    parameters = {"ratio": ratio} if ratio else {}
    return json.dumps(
        {"model": model, "input": {"image_url": image_url}, "parameters": parameters}, ensure_ascii=False
    ).encode()


@dataclass(frozen=True, slots=True)
class Measured:
    """The check that rejected a picture, where the detector explains itself.

    Attributes:
        rule: its name, such as `head turned`.
        value: what was measured, in `unit`.
        limit: the threshold in words, such as `at most 40`.
        unit: of value and limit; empty for ratios and probabilities.
    """

    rule: str
    value: float
    limit: str
    unit: str = ""

    @property
    def check(self) -> dict[str, Any]:
        """The same as a check of `output.explain`, the form that `reasons.deciding` puts into words."""
        return asdict(self)


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
        measured: what decided a reject, where the answer says so.
        image_count: pictures charged, where the answer says so.
    """

    verdict: Verdict
    code: str | None = None
    message: str | None = None
    face_bbox: Box | None = None
    ext_bbox: Box | None = None
    body_style: str | None = None
    measured: Measured | None = None
    request_id: str | None = None
    image_count: int | None = None


def interpret(
    status: int,
    body: bytes,
    model: str,
    headers: Mapping[str, str] | None = None,
    redact: Callable[[str], str] = str,
) -> Decision:
    """What an answer says.

    Args:
        status: HTTP status.
        body: as received.
        model: whose answer it is; its family decides what a pass looks like.
        headers: names in lower case; `retry-after-ms`, `retry-after`, `x-should-retry`, `x-request-id` are read.
        redact: removes secrets from texts that the server chose, before anything is kept of them.

    Raises:
        ConfigurationError: key, account, quota, model or request are wrong: a person must act.
        Throttled: too many requests.
        PictureUnreadable: the detector could not fetch or decode the picture.
        Unavailable: 5xx, not JSON, or JSON that is not exactly this contract: never a pass.
    """
    headers = headers or {}
    wait = retry_after(headers)
    request_id = None

    def unavailable(message: str, code: str) -> Unavailable:
        return Unavailable(message, code=code, status=status, retry_after=wait, request_id=request_id)

    try:
        answer = from_json(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise unavailable(
            f"the detector answered HTTP {status} with something that is not the API's JSON", "NotJSON"
        )
    request_id = _identifier(answer.get("request_id"), redact) or _identifier(
        headers.get("x-request-id"), redact
    )
    found = answer.get("output")
    try:
        top = _Fields({name: answer.get(name) for name in ("code", "message")}, redact)
        output = _Fields(found if isinstance(found, dict) else {}, redact)
    except ValueError as error:
        if status == 200:
            raise unavailable(f"the detector's answer is not of this API: {error}", "NotUnderstood") from None
        top = output = _Fields({}, redact)
    code = top.code or output.code
    message = top.message or output.message or output.reason
    image_count = _count(answer.get("usage"))

    family = family_of(model)
    said = _said(output, family) if status == 200 else None
    if said is False and code is None:
        code = family.code_of(message) or UNKNOWN
    if is_verdict(code) or (said is False and code is not None and _is_own_code(code, family)):
        if output.has_pass(family):
            raise unavailable("the detector's answer contradicts itself", "NotUnderstood")
        return Decision(
            Verdict.REJECT,
            code=code,
            message=message,
            measured=_measured(found, redact),
            request_id=request_id,
            image_count=image_count,
        )
    if status == 200 and code is None:
        if said is not True:
            raise unavailable("the detector's answer holds no verdict of this API", "NotUnderstood")
        face, ext = output.boxes(family)
        return Decision(
            Verdict.PASS,
            face_bbox=face,
            ext_bbox=ext,
            body_style=output.body_style,
            request_id=request_id,
            image_count=image_count,
        )
    kind = _kind(status, code, message or "", headers.get("x-should-retry"))
    raise kind(
        message or f"the detector answered HTTP {status}",
        code=code or f"HTTP{status}",
        status=status,
        retry_after=wait,
        request_id=request_id,
    )


class _Fields:
    """The fields of an answer that this contract knows, each of its own type or absent (None in place of null).

    Raises:
        ValueError: names the field that is not.
    """

    def __init__(self, answer: Mapping[str, Any], redact: Callable[[str], str]) -> None:
        def text(name: str, longest: int | None = None) -> str | None:
            value = answer.get(name)
            if value is None:
                return None
            if not isinstance(value, str) or (longest and len(value) > longest):
                raise ValueError(f"{name!r} is not a text of this contract")
            return redact(value).strip()[:LONGEST_TEXT] or None

        def flag(name: str) -> bool | None:
            value = answer.get(name)
            if value is not None and not isinstance(value, bool):
                raise ValueError(f"{name!r} is neither true nor false")
            return value

        def box(name: str) -> Box | None:
            value = answer.get(name)
            if value is None:
                return None
            if not isinstance(value, list) or len(value) != 4 or not all(map(_is_coordinate, value)):
                raise ValueError(f"{name!r} is not a box")
            x1, y1, x2, y2 = (round(n, 6) if isinstance(n, float) else n for n in value)
            return x1, y1, x2, y2

        self.flags = {name: said for name in ("check_pass", "pass") if (said := flag(name)) is not None}
        self.humanoid = flag("humanoid")
        self.code = text("code", LONGEST_CODE)
        # It becomes an attribute of messages, which take no control characters.
        if self.code and not self.code.isprintable():
            raise ValueError("'code' is not a text of this contract")
        self.message, self.reason = text("message"), text("reason")
        self.body_style = text("bodystyle", LONGEST_CODE)
        self._boxes = {name: box(name) for name in ("face_bbox", "ext_bbox", "bbox_face", "ext_bbox_face")}

    def has_pass(self, family: Family) -> bool:
        """Whether any field says pass."""
        return True in self.flags.values() or (family.flag is None and None not in self.boxes(family))

    def boxes(self, family: Family) -> tuple[Box | None, Box | None]:
        """Face and extended box, by the family's names or, of other models, by any."""
        if family is OTHER:
            get = self._boxes.get
            return get("face_bbox") or get("bbox_face"), get("ext_bbox") or get("ext_bbox_face")
        face, ext = family.boxes or ("", "")
        return self._boxes.get(face), self._boxes.get(ext)


def _said(output: _Fields, family: Family) -> bool | None:
    """Pass, reject, or None where the answer does not say exactly one of them in its family's form."""
    if len(set(output.flags.values())) > 1:
        return None
    said = next(iter(output.flags.values()), None)
    face, ext = output.boxes(family)
    if family.flag is None or (family is OTHER and said is None):
        by_boxes = True if face and ext else False if output.code and not (face or ext) else None
        said = by_boxes if said in (by_boxes, None) else None
    elif family is not OTHER and family.flag not in output.flags:
        # A code without the flag is how some servers reject.
        said = False if output.code and not output.flags else None
    if not said:
        return said
    contradicted = output.code is not None or output.humanoid is False
    contradicted |= any(family.code_of(words) is not None for words in (output.message, output.reason))
    unlike = bool(family.boxes) and not (face and ext)
    unlike |= bool(family.body_styles and output.body_style) and output.body_style not in family.body_styles
    return None if contradicted or unlike else True


def _is_own_code(code: str, family: Family) -> bool:
    """Whether a reject may carry a code that is not of the API's table: a profile has codes of its own."""
    return code == UNKNOWN or (family is OTHER and not _OF_THE_SERVICE.match(code))


def _is_coordinate(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and abs(value) <= LARGEST_SIDE
    )


def _count(usage: object) -> int | None:
    """Pictures charged. It decides nothing, so what is malformed is as good as absent."""
    count = usage.get("image_count") if isinstance(usage, dict) else None
    known = isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= LARGEST_COUNT
    return count if known else None


_LIMIT: Final = re.compile(r"(at (most|least) |\d+(\.\d+)? to )-?\d+(\.\d+)?")


def checks(output: object) -> list[dict[str, Any]]:
    """The checks of an answer's `output.explain`, as far as they are of the form that our own server gives them: what
    another one says there may be anything, and decides nothing."""
    explain = output.get("explain") if isinstance(output, dict) else None
    found = explain.get("checks") if isinstance(explain, dict) else None
    return [check for check in (found if isinstance(found, list) else ()) if _is_check(check)]


def _is_check(check: object) -> bool:
    if not isinstance(check, dict):
        return False
    rule, limit, _ = texts = [check.get(name) for name in ("rule", "limit", "unit")]
    value = check.get("value")
    return (
        all(isinstance(text, str) and len(text) <= LONGEST_CODE and text.isprintable() for text in texts)
        and bool(rule)
        and _LIMIT.fullmatch(str(limit)) is not None
        and isinstance(check.get("failed"), bool)
        and (value is None or _is_coordinate(value))
    )


def _measured(output: object, redact: Callable[[str], str]) -> Measured | None:
    """The failed check of `output.explain`; likewise."""
    failed = next((check for check in checks(output) if check["failed"]), None)
    if failed is None or failed["value"] is None:
        return None
    rule, limit, unit = (redact(failed[name]) for name in ("rule", "limit", "unit"))
    return Measured(rule, round(failed["value"], 4), limit, unit)


def _identifier(value: object, redact: Callable[[str], str]) -> str | None:
    """A request id; likewise."""
    return redact(value) if isinstance(value, str) and re.fullmatch(r"[\x21-\x7e]{1,128}", value) else None


_OF_THE_SERVICE: Final = re.compile(
    r"(Throttling|LimitRequests|Internal|BadRequest|InvalidParameter|InvalidURL|InvalidApiKey|AccessDenied|Arrearage"
    r"|AllocationQuota|Commodity|Prepaid|Postpaid|Model|model_not_found|Workspace|RequestTimeOut|System|Service|Gateway)"
)
"""Beginnings of the shared error table's codes: about request, account and service, not the picture."""

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
    """Whether a code is about the picture, at whatever status and place it comes."""
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
