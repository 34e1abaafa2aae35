"""The page's server side: a few JSON answers over S3 and the verdict table, as a WSGI application."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from screentest.aws import AwsError, cors_rules, error_code
from screentest.page import verdicts
from screentest.reports.drawing import thumbnail
from screentest.reports.marks import marks
from screentest.reports.measuring import measure
from screentest.screening.choices import Choice, offered
from screentest.screening.errors import StoreUnavailable
from screentest.screening.families import family_of
from screentest.screening.models import Screening
from screentest.screening.reasons import deciding
from screentest.screening.routes import Routes
from screentest.screening.uploads import FORM_SECONDS, MAX_BODY

FOLDER = "page/"
"""Where uploads lie below a route's prefix, so that they can be told from everything else, and removed."""

MAX_UPLOAD = 25_000_000
"""Bytes; more than any detector takes, so that a picture that is too large can be tried as well."""
FORM_VARIABLE = "${filename}"
"""What S3 replaces in the key of an upload by form: the policy would leave open what the object is called."""

LISTED = 200
"""Screenings in the live list."""
SIDES = {"small": 240, "large": 1200}
"""Longer sides of the copies of a picture that are shown, in pixels."""
EXPLANATIONS = 32
"""Explanations that are kept, so that a look back costs nothing."""

ASSETS = Path(__file__).parent / "assets"
SHARED = Path(__file__).parent.parent / "reports" / "assets"
FILES = {
    "/": (ASSETS / "page.html", "text/html; charset=utf-8"),
    "/page.css": (ASSETS / "page.css", "text/css; charset=utf-8"),
    "/page.js": (ASSETS / "page.js", "text/javascript; charset=utf-8"),
    "/base.css": (SHARED / "base.css", "text/css; charset=utf-8"),
    "/base.js": (SHARED / "base.js", "text/javascript; charset=utf-8"),
    "/icon.svg": (ASSETS / "icon.svg", "image/svg+xml"),
}

Environ = Mapping[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Explain = Callable[[bytes, Screening], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"
    cache: str = "no-store"


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def explained(picture: bytes, screening: Screening) -> Mapping[str, Any]:
    """As `measure`."""
    return measure(picture, screening.model, screening.ratio)


@dataclass
class Page:
    """The WSGI application of the page.

    Attributes:
        s3: a boto3 client that signs for the address which the browser can reach.
        dynamodb: a boto3 client.
        bucket: where pictures are uploaded.
        table: the verdict table.
        routes: those of the stack.
        explain: measures a picture once more for the drawing; the verdict shown is always the table's.
    """

    s3: Any
    dynamodb: Any
    bucket: str
    table: str
    routes: Routes = Routes.DEFAULT
    explain: Explain = explained
    _choices: tuple[Choice, ...] = field(init=False)
    _explained: OrderedDict[tuple[str, Screening], Mapping[str, Any]] = field(
        init=False, default_factory=OrderedDict
    )
    # The detectors run one at a time in a process; a second request waits here rather than inside them.
    _measuring: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._choices = offered(self.routes, FOLDER)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; never raises."""
        try:
            answer = self._answer(environ)
        except _Refused as refused:
            answer = _json({"error": str(refused)}, refused.status)
        except ClientError as error:
            status = HTTPStatus.NOT_FOUND if _missing(error) else HTTPStatus.BAD_GATEWAY
            answer = _json({"error": str(error)}, status)
        except (AwsError, BotoCoreError, StoreUnavailable) as error:
            answer = _json({"error": f"the local AWS does not answer: {error}"}, HTTPStatus.BAD_GATEWAY)
        start_response(
            f"{answer.status.value} {answer.status.phrase}",
            [
                ("Content-Type", answer.content_type),
                ("Content-Length", str(len(answer.body))),
                ("Cache-Control", answer.cache),
                ("Content-Security-Policy", self._policy()),
                ("Cross-Origin-Resource-Policy", "same-origin"),
                ("Cross-Origin-Opener-Policy", "same-origin"),
                ("Referrer-Policy", "no-referrer"),
                ("X-Content-Type-Options", "nosniff"),
            ],
        )
        return [answer.body]

    def allow_uploads_from(self, origin: str) -> None:
        """Let pages of that origin read what S3 answers to their uploads: the version that was written.

        Other cross-origin rules of the bucket stay.
        """
        rule = {
            "AllowedOrigins": [origin],
            "AllowedMethods": ["POST"],
            "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag", "x-amz-version-id"],
        }
        rules = cors_rules(self.s3, self.bucket)
        self.s3.put_bucket_cors(Bucket=self.bucket, CORSConfiguration={"CORSRules": [*rules, rule]})

    def _policy(self) -> str:
        parts = urlsplit(self.s3.meta.endpoint_url)
        return (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
            f"connect-src 'self' {parts.scheme}://{parts.netloc}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def _answer(self, environ: Environ) -> _Answer:
        _same_site(environ)
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "/")
        query = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        if method == "POST" and path == "/api/uploads":
            return self._upload(_body(environ))
        if method not in ("GET", "HEAD"):
            raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"{method} is not answered here")
        if path in FILES:
            file, content_type = FILES[path]
            return _Answer(HTTPStatus.OK, file.read_bytes(), content_type, "no-cache")
        answers: dict[str, Callable[[Mapping[str, str]], _Answer]] = {
            "/api/settings": self._settings,
            "/api/verdicts": self._newest,
            "/api/screenings": self._screenings,
            "/api/picture": self._picture,
            "/api/explanation": self._explanation,
        }
        if path not in answers:
            raise _Refused(HTTPStatus.NOT_FOUND, "there is nothing at this address")
        return answers[path](query)

    def _newest(self, _query: Mapping[str, str]) -> _Answer:
        return _json({"verdicts": verdicts.newest(self.dynamodb, self.table, self.bucket, LISTED)})

    def _screenings(self, query: Mapping[str, str]) -> _Answer:
        uri = f"s3://{self.bucket}/{_need(query, 'key')}"
        return _json({"screenings": verdicts.of_object(self.dynamodb, self.table, uri, query.get("version"))})

    def _settings(self, _query: Mapping[str, str]) -> _Answer:
        words = _words()
        choices = [
            {
                "prefix": c.prefix,
                "screenings": [{"model": s.model, "ratio": s.ratio} for s in c.screenings],
                "megabytes": min(family_of(s.model).megabytes for s in c.screenings),
            }
            for c in self._choices
        ]
        return _json(
            {
                "words": words,
                "choices": choices,
                "bucket": self.bucket,
                "maxUpload": MAX_UPLOAD,
            }
        )

    def _upload(self, body: Mapping[str, Any]) -> _Answer:
        name, content_type, number = body.get("name"), body.get("type"), body.get("choice")
        if not isinstance(name, str) or not isinstance(content_type, str):
            raise _Refused(HTTPStatus.BAD_REQUEST, "name and type of the file are needed")
        if type(number) is not int or not 0 <= number < len(self._choices):
            raise _Refused(HTTPStatus.BAD_REQUEST, "choose one of the models that are offered")
        choice = self._choices[number]
        key = choice.key(FOLDER, name)
        if FORM_VARIABLE in key:
            raise _Refused(HTTPStatus.CONFLICT, f"S3 puts another name for {FORM_VARIABLE}: rename the file")
        if self.routes.screenings(key) != choice.screenings:
            raise _Refused(
                HTTPStatus.CONFLICT, "the stack's routes screen files of this name otherwise: rename it"
            )
        kind = content_type if content_type.startswith("image/") else "application/octet-stream"
        post = self.s3.generate_presigned_post(
            self.bucket,
            key,
            Fields={"Content-Type": kind},
            Conditions=[{"Content-Type": kind}, ["content-length-range", 0, MAX_UPLOAD]],
            ExpiresIn=FORM_SECONDS,
        )
        return _json({"key": key, "url": post["url"], "fields": post["fields"]})

    def _read(self, query: Mapping[str, str]) -> bytes:
        pinned = {"VersionId": query["version"]} if query.get("version") else {}
        found = self.s3.get_object(Bucket=self.bucket, Key=_need(query, "key"), **pinned)
        if found["ContentLength"] > MAX_UPLOAD:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the picture is too large to be shown")
        data: bytes = found["Body"].read()
        return data

    def _picture(self, query: Mapping[str, str]) -> _Answer:
        side = query.get("side", "large")
        if side not in SIDES:
            raise _Refused(HTTPStatus.BAD_REQUEST, f"side is one of {', '.join(SIDES)}")
        small = thumbnail(self._read(query), SIDES[side])
        if small is None:
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the file cannot be read as a picture")
        return _Answer(HTTPStatus.OK, small.data, "image/webp", "private, max-age=300")

    def _explanation(self, query: Mapping[str, str]) -> _Answer:
        screening = Screening(_need(query, "model"), query.get("ratio"))
        data = self._read(query)
        kept = (hashlib.sha256(data).hexdigest(), screening)
        with self._measuring:
            if kept not in self._explained:
                small = thumbnail(data, SIDES["small"])
                size = (small.width, small.height) if small else None
                evidence = self.explain(data, screening)
                drawn = marks(evidence, size) if size else []
                self._explained[kept] = {**evidence, "size": size, "marks": drawn}
                while len(self._explained) > EXPLANATIONS:
                    self._explained.popitem(last=False)
            return _json(self._explained[kept])


def _words() -> dict[str, dict[str, Any]]:
    shared = json.loads((SHARED / "words.json").read_text(encoding="utf-8"))
    own = json.loads((ASSETS / "words.json").read_text(encoding="utf-8"))
    return {lang: {**shared[lang], **own[lang], **deciding.words()[lang]} for lang in shared}


def _json(value: Any, status: HTTPStatus = HTTPStatus.OK) -> _Answer:
    return _Answer(status, json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def _need(query: Mapping[str, str], name: str) -> str:
    if not query.get(name):
        raise _Refused(HTTPStatus.BAD_REQUEST, f"{name} is needed")
    return query[name]


def _body(environ: Environ) -> Mapping[str, Any]:
    if not str(environ.get("CONTENT_TYPE", "")).startswith("application/json"):
        raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "JSON is expected")
    length = str(environ.get("CONTENT_LENGTH") or "0")
    if not length.isdigit() or int(length) > MAX_BODY:
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too large")
    try:
        body = json.loads(environ["wsgi.input"].read(int(length)))
    except (ValueError, RecursionError):  # no JSON, or a nesting beyond reason
        raise _Refused(HTTPStatus.BAD_REQUEST, "JSON is expected") from None
    if not isinstance(body, dict):
        raise _Refused(HTTPStatus.BAD_REQUEST, "a JSON object is expected")
    return body


def _same_site(environ: Environ) -> None:
    """Accept requests of pages that this server sent alone.

    A foreign page can reach loopback: by a name that resolves to it (its Host is then foreign) or by a request of
    its own (its Origin is).

    Raises:
        _Refused: Host or Origin is another's.
    """
    host = str(environ.get("HTTP_HOST", ""))
    if host not in {f"{name}:{environ.get('SERVER_PORT')}" for name in ("127.0.0.1", "localhost")}:
        raise _Refused(HTTPStatus.FORBIDDEN, "this page answers on 127.0.0.1 and localhost only")
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin != f"http://{host}":
        raise _Refused(HTTPStatus.FORBIDDEN, "requests from other sites are refused")


def _missing(error: ClientError) -> bool:
    return error_code(error) in ("NoSuchKey", "NoSuchVersion", "404", "NotFound")
