"""The upload API: a form that a browser sends to S3 itself, and the verdict that it waits for.

Events and results are those of a function URL (payload format 2.0). Who may ask has the bearer key; who has a form also
has a token for the verdict on that one upload, so that a page need not hold the key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, urlencode

from screentest.screening.bearer import BearerKey
from screentest.screening.choices import Choice, offered
from screentest.screening.errors import ScreeningError
from screentest.screening.families import family_of
from screentest.screening.models import Screening
from screentest.screening.reasons import LANGUAGES, deciding, explain
from screentest.screening.records import Attribute, Record
from screentest.screening.routes import REPORTS, Routes
from screentest.screening.tags import gate

FOLDER: Final = "uploads/"
"""Where these uploads lie below a route's prefix."""

TYPES: Final = {"image/jpeg": ".jpg", "image/png": ".png", "image/bmp": ".bmp", "image/webp": ".webp"}
"""What the detectors read, and how a key ends."""

FORM_SECONDS: Final = 600
"""How long a form may be used: a slow upload of the largest file."""

TOKEN_SECONDS: Final = 3600
"""How long a token may be used: the upload, and a screening that had to be tried again."""

LONGEST_WAIT: Final = 10.0
"""Seconds of one long poll; browsers and proxies give up after 30 or more."""

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 1.0
GROWTH: Final = 1.5
"""Between two looks at the table: about fifteen for a whole wait, and a verdict is seen a quarter of its age late."""

MAX_BODY: Final = 10_000
"""Bytes of a request."""

LONGEST_KEY: Final = 1024
"""Bytes of an object's key in S3."""

SHOWN: Final = (
    Attribute.MODEL,
    Attribute.RATIO,
    Attribute.VERDICT,
    Attribute.CODE,
    Attribute.MESSAGE,
    Attribute.MEASURED,
    Attribute.FACE_BBOX,
    Attribute.EXT_BBOX,
    Attribute.BODY_STYLE,
    Attribute.SCREENED_AT,
)
"""What uploaders may see of a record; where and by what it was judged is the operator's business."""


class Store(Protocol):
    """The bucket and the table. Every method raises `StoreUnavailable` when they do not answer."""

    def form(self, key: str, content_type: str, largest: int) -> Mapping[str, Any]:
        """`url` and `fields` of a presigned POST for this key and type alone, of up to `largest` bytes."""

    def records(self, key: str) -> Sequence[Record]:
        """Every screening of every version of the object."""

    def exists(self, key: str) -> bool:
        """Whether the bucket holds the object."""


class Refused(Exception):
    """Answered instead of what was asked for."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, JSON body and further headers."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


class UploadApi:
    """Answers the events of a function URL. Safe to call from one thread at a time.

    Args:
        failed: called with each failure of ours that ended a request.
    """

    def __init__(
        self,
        store: Store,
        routes: Routes,
        key: BearerKey,
        *,
        failed: Callable[[Exception], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store, self._routes, self._key = store, routes, key
        self._failed, self._clock, self._sleep = failed, clock, sleep
        self._choices = offered(routes, FOLDER)

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The result for one event."""
        headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
        request_id = event.get("requestContext", {}).get("requestId")
        try:
            answer = self._answer(event, headers)
        except Refused as refused:
            answer = _problem(refused.status, refused.code, refused.message, request_id, refused.headers)
        except ScreeningError as error:
            self._failed(error)
            message = "This cannot be answered at the moment, try again later."
            answer = _problem(503, "ServiceUnavailable", message, request_id, {"Retry-After": "2"})
        except Exception as error:  # noqa: BLE001 - whatever it is, a page must be able to read the answer
            self._failed(error)
            message = "An internal error has occurred, try again later."
            answer = _problem(500, "InternalError", message, request_id, {})
        return {
            "statusCode": answer.status,
            "headers": {
                "Content-Type": "application/json",
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
                **answer.headers,
            },
            "body": json.dumps(answer.body, ensure_ascii=False),
            "isBase64Encoded": False,
        }

    def _answer(self, event: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
        method = str(event["requestContext"]["http"]["method"]).upper()
        path = str(event.get("rawPath") or "/").rstrip("/")
        allowed = {"/uploads": "POST", "/verdicts": "GET"}.get(path)
        if allowed is None:
            raise Refused(404, "NotFound", "The requested path does not exist.")
        if method != allowed:
            raise Refused(405, "MethodNotAllowed", f"{path} is asked by {allowed}.", Allow=allowed)
        if path == "/uploads":
            self._authorise(headers)
            return self._form(_body(event, headers))
        query = {name: values[0] for name, values in parse_qs(event.get("rawQueryString") or "").items()}
        return self._verdicts(query, headers)

    def _authorise(self, headers: Mapping[str, str]) -> None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise Refused(401, "InvalidApiKey", "No API-key provided.", WWW_Authenticate="Bearer")
        if not self._key.accepts(lambda key: _is_same(key, given.strip())):
            raise Refused(401, "InvalidApiKey", "Invalid API-key provided.", WWW_Authenticate="Bearer")

    def _form(self, body: Mapping[str, Any]) -> Answer:
        content_type = body.get("type")
        if not isinstance(content_type, str) or content_type not in TYPES:
            raise _invalid(f"type is one of {', '.join(TYPES)}")
        name = f"picture{TYPES[content_type]}"
        choice = self._choice(body.get("prefix"), name)
        key = choice.key(FOLDER, name)
        # What any of its detectors takes: to the others it is a picture that they reject.
        largest = max(family_of(screening.model).megabytes for screening in choice.screenings) * 1024 * 1024
        form = self._store.form(key, content_type, largest)
        expires = int(self._clock()) + TOKEN_SECONDS
        query = urlencode(
            {"key": key, "expires": expires, "token": _token(self._key.current(), key, expires)}
        )
        return Answer(
            200,
            {
                "key": key,
                "url": form["url"],
                "fields": dict(form["fields"]),
                "max_bytes": largest,
                "screenings": [_named(screening) for screening in choice.screenings],
                "verdicts": f"/verdicts?{query}",
            },
            {},
        )

    def _choice(self, prefix: object, name: str) -> Choice:
        """Of the routes with this prefix the first that wants such names; else the first, which gives it another."""
        found = [choice for choice in self._choices if choice.prefix == prefix]
        if not found:
            known = dict.fromkeys(choice.prefix for choice in self._choices)
            raise _invalid(f"prefix is one of {', '.join(known)}")
        return next((choice for choice in found if choice.takes(name)), found[0])

    def _verdicts(self, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        key = query.get("key", "")
        if "token" in query:
            self._check_token(key, query.get("expires", ""), query["token"])
        else:
            self._authorise(headers)
        if not key or len(key.encode("utf-8", "replace")) > LONGEST_KEY:
            raise _invalid("key is that of an object")
        wait = _seconds(query.get("wait", str(LONGEST_WAIT)))
        lang = query.get("lang", "en")
        if lang not in LANGUAGES:
            raise _invalid(f"lang is one of {', '.join(LANGUAGES)}")
        expected = self._routes.screenings(key)
        if not expected or key.startswith(REPORTS):
            raise Refused(404, "NotFound", "No route screens this key.")
        until, pause = self._clock() + wait, FIRST_PAUSE
        while True:
            found = _of_version(self._store.records(key), query.get("version"))
            decided = {record.screening: record for record in found if record.is_decided}
            # Those that the object itself added (AllowObjectRoutes) count as well, as soon as they are known.
            done = all(screening in decided for screening in expected) and len(decided) == len(found)
            left = until - self._clock()
            if done or left <= 0:
                break
            self._sleep(min(pause, left))
            pause = min(pause * GROWTH, LONGEST_PAUSE)
        if not found and not self._store.exists(key):
            raise Refused(404, "NotFound", "There is no object of this key: nothing has been uploaded.")
        shown = [_shown(record, lang) for record in decided.values()]
        version = {"version_id": found[0].ref.version_id} if found and found[0].ref.version_id else {}
        verdict = gate(screening["verdict"] for screening in shown) if done else None
        return Answer(
            200 if done else 202,
            {"key": key, **version, "verdict": verdict, "screenings": shown},
            {} if done else {"Retry-After": "1"},
        )

    def _check_token(self, key: str, expires: str, token: str) -> None:
        if not expires.isdecimal() or len(expires) > 12 or int(expires) <= self._clock():
            raise Refused(401, "InvalidToken", "The token has expired.")
        if not self._key.accepts(lambda secret: _is_same(_token(secret, key, int(expires)), token)):
            raise Refused(401, "InvalidToken", "The token is not one for this key.")


def _is_same(secret: str, given: str) -> bool:
    """In the same time, whatever a caller gives."""
    return hmac.compare_digest(secret.encode(), given.encode("utf-8", "replace"))


def _token(secret: str, key: str, expires: int) -> str:
    """Proof that the form for `key` was ours."""
    message = f"screentest verdicts\n{expires}\n{key}".encode("utf-8", "replace")
    digest = hmac.digest(secret.encode(), message, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _of_version(records: Sequence[Record], version: str | None) -> list[Record]:
    """Those of one version: the given one, or the newest."""
    if version is None and records:
        newest = max(records, key=lambda record: (record.ref.last_modified or "", record.ref.sequencer or ""))
        version = newest.ref.version_id
    return [record for record in records if record.ref.version_id == version]


def _named(screening: Screening) -> dict[str, Any]:
    return {"model": screening.model, "ratio": screening.ratio_key}


def _shown(record: Record, lang: str) -> dict[str, Any]:
    """A verdict for the person who uploaded: what was decided, why, and what to do; a line of `screentest verdicts
    --json` without what is the operator's business, and in the asked language."""
    screening, result = record.screening, record.result
    assert result is not None
    document = record.document()
    reason = explain(result.code, screening.model, lang, ratio=screening.ratio)
    known = {str(name): document[name] for name in SHOWN if name in document}
    figures = {"figures": deciding.said(result.measured.check, lang)} if result.measured else {}
    return known | {"title": reason.title, **figures, "advice": reason.advice}


def _seconds(text: str) -> float:
    try:
        wait = float(text)
    except ValueError:
        wait = -1.0
    if not 0 <= wait <= LONGEST_WAIT:
        raise _invalid(f"wait is a number of seconds from 0 to {LONGEST_WAIT:g}")
    return wait


def _body(event: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
    text = event.get("body") or ""
    if len(text) > MAX_BODY:
        raise Refused(413, "BadRequest.TooLarge", "Payload Too Large.")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise _invalid("the body is JSON, and Content-Type says so")
    try:
        body = json.loads(base64.b64decode(text) if event.get("isBase64Encoded") else text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise _invalid("the body is a JSON object")
    return body


def _invalid(message: str) -> Refused:
    return Refused(400, "InvalidParameter", f"Invalid request: {message}.")


def _problem(
    status: int, code: str, message: str, request_id: str | None, headers: Mapping[str, str]
) -> Answer:
    body = {"code": code, "message": message, **({"request_id": request_id} if request_id else {})}
    return Answer(status, body, headers)
