"""Doubles that are handed in: a detector with a fixed answer, pictures by URL, and an image host on loopback."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
from PIL import Image

from screentest.detection import Answer, Code, Explanation, ModelSpec, models
from screentest.detection.api import DetectionApi, Limits, Request, Response
from screentest.detection.api.fetch import Take
from screentest.detection.api.urls import ImageUrl, parse
from screentest.detection.models import FACE_DETECT
from screentest.http_server import Guard, Server
from screentest.serving import loopback_hosts_only

PATIENCE = 30.0
"""Seconds after which a test that waits has failed."""

URL = "https://pictures.example/portrait.jpg?X-Amz-Signature=5ec2e7"


def passed(model: ModelSpec = models.EMO, ratio: str = "1:1") -> Answer:
    """The documented sample of a pass."""
    portrait = model.wire.boxes
    return Answer(
        model=model,
        ratio=ratio,
        passed=True,
        code=None,
        message="",
        face_bbox=(302, 286, 610, 593) if portrait else None,
        ext_bbox=(71, 9, 840, 778) if portrait else None,
        body_style="" if portrait else "full",
        humanoid=True,
        width=900,
        height=900,
        explanation=Explanation(measurements={"yaw": 1.5}),
    )


def rejected(model: ModelSpec = models.EMO, code: Code = Code.FACE_POSE, ratio: str = "1:1") -> Answer:
    """A rejection with the literal message."""
    text = model.messages[code]
    return Answer(
        model, ratio, False, code, text, None, None, "", True, 900, 900, Explanation(decided_by="head turned")
    )


class FakeDetect:
    """Answers with what it was given, or raises it; notes what it was asked."""

    def __init__(self, answer: Answer | Exception | Callable[[ModelSpec, str], Answer] = passed) -> None:
        self.answer = answer
        self.calls: list[tuple[bytes, ModelSpec, str]] = []

    def __call__(self, data: bytes, model: ModelSpec, ratio: str) -> Answer:
        self.calls.append((data, model, ratio))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(model, ratio) if callable(self.answer) else self.answer


class FakeFetcher:
    """Serves bytes for every URL that may be fetched; notes which."""

    def __init__(self, data: bytes = b"a picture", error: Exception | None = None) -> None:
        self.data, self.error = data, error
        self.urls: list[ImageUrl] = []

    def locate(self, url: str) -> ImageUrl:
        return parse(url)

    def fetch(self, url: ImageUrl, take: Take) -> bytes:
        self.urls.append(url)
        if self.error:
            raise self.error
        take(len(self.data))
        return self.data


@dataclass
class Caller:
    """Calls an API the way a client does."""

    api: DetectionApi
    detect: FakeDetect
    fetcher: FakeFetcher

    def post(
        self,
        body: Any = None,
        *,
        path: str = FACE_DETECT,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Response:
        payload = raw if raw is not None else json.dumps(body).encode()
        return self.api.handle(
            Request("POST", path, {"content-type": "application/json", **(headers or {})}, payload)
        )


def order(model: str = "emo-detect-v1", url: Any = URL, **parameters: Any) -> dict[str, Any]:
    """A request body as the documents show it."""
    return {"model": model, "input": {"image_url": url}, "parameters": parameters}


def body_of(response: Response) -> dict[str, Any]:
    parsed = json.loads(response.body)
    assert isinstance(parsed, dict)
    return parsed


def path_of(model: str) -> str:
    return models.find(model).paths[0]


def jpeg(width: int = 640, height: int = 480, colour: str = "grey") -> bytes:
    """A picture with nobody in it."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "JPEG")
    return out.getvalue()


@dataclass
class ImageHost:
    """An HTTP server on loopback whose paths tests script. `seen` holds method, path and headers of each request."""

    port: int
    pages: dict[str, Callable[[BaseHTTPRequestHandler], None]]
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(
        self, path: str, data: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> str:
        """Answer `path` with these bytes."""

        def page(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(data)

        return self.script(path, page)

    def redirect(self, path: str, location: str, status: int = 302) -> str:
        """Answer `path` with a redirect."""
        return self.serve(path, b"", status=status, headers={"Location": location})

    def script(self, path: str, page: Callable[[BaseHTTPRequestHandler], None]) -> str:
        """Answer `path` by a function."""
        self.pages[path] = page
        return self.base + path


@dataclass
class Running:
    server: Server
    thread: threading.Thread

    def post(self, body: Any = None, **options: Any) -> httpx.Response:
        options = {"json": body if body is not None else order()} | options
        return httpx.post(self.server.url + FACE_DETECT, **options, timeout=PATIENCE)


@contextmanager
def running(
    detect: Any, fetcher: Any = None, *, limits: Limits | None = None, **options: Any
) -> Iterator[Running]:
    limits = limits or Limits()
    with running_api(DetectionApi(detect, fetcher or FakeFetcher(), limits=limits), limits, **options) as api:
        yield api


@contextmanager
def running_api(
    api: DetectionApi, limits: Limits | None = None, guard: Guard | None = None, **options: Any
) -> Iterator[Running]:
    limits = limits or Limits()
    server = Server(api, guard or loopback_hosts_only(api), limits, **options)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield Running(server, thread)
    finally:
        server.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
