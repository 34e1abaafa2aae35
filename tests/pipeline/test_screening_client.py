"""The client over real sockets and over injected transports."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import httpx
import pytest

from screentest.screening import (
    ConfigurationError,
    DetectionClient,
    DetectorError,
    Timeouts,
    Unavailable,
    Verdict,
)

PASS = {
    "output": {"check_pass": True, "face_bbox": [1, 2, 3, 4], "ext_bbox": [0, 0, 9, 9]},
    "request_id": "r",
}
URL = "https://bucket.s3.us-east-1.amazonaws.com/k.jpg?X-Amz-Signature=secret"


def client(handler: Callable[[httpx.Request], httpx.Response], **more: object) -> DetectionClient:
    return DetectionClient("http://detector", transport=httpx.MockTransport(handler), **more)  # type: ignore[arg-type]


def test_it_asks_as_documented() -> None:
    seen: list[httpx.Request] = []

    def server(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=PASS)

    with client(server, api_key="sk-1") as detector:
        assert detector.detect(URL, "emo-detect-v1", "1:1").verdict is Verdict.PASS
        detector.detect(URL, "animate-anyone-detect-gen2")
    first, second = seen
    assert first.method == "POST"
    assert first.url.path == "/api/v1/services/aigc/image2video/face-detect"
    assert second.url.path == "/api/v1/services/aigc/image2video/aa-detect"
    assert first.headers["authorization"] == "Bearer sk-1"
    assert first.headers["content-type"] == "application/json"
    assert not [name for name in first.headers if name.startswith("x-dashscope")]


@pytest.mark.parametrize(
    "base",
    [
        "http://d",
        "http://d/",
        "http://d/api/v1",
        "http://d/api/v1/",
        "http://d/api/v1/services/aigc/image2video/face-detect",
    ],
)
def test_the_base_url_may_end_as_it_likes(base: str) -> None:
    paths: list[str] = []

    def server(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(200, json=PASS)

    with DetectionClient(base, transport=httpx.MockTransport(server)) as detector:
        detector.detect(URL, "emo-detect-v1", "1:1")
    assert paths == ["/api/v1/services/aigc/image2video/face-detect"]


@pytest.mark.parametrize("first", ["old", None])
def test_a_refused_key_is_read_anew_once(first: str | None) -> None:
    """One that was not there, too: its secret may have been filled since."""
    keys = iter([first, "new"])
    asked: list[bool] = []
    sent: list[str | None] = []

    def key(refused: bool) -> str | None:
        asked.append(refused)
        return next(keys)

    def server(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("authorization"))
        if sent[-1] == "Bearer new":
            return httpx.Response(200, json=PASS)
        return httpx.Response(401, json={"code": "InvalidApiKey", "message": "Invalid API-key provided."})

    with client(server, api_key=key) as detector:
        assert detector.detect(URL, "emo-detect-v1", "1:1").verdict is Verdict.PASS
    assert asked == [False, True]
    assert sent == [first and f"Bearer {first}", "Bearer new"]


def test_a_key_that_stays_refused_is_not_tried_twice() -> None:
    calls: list[httpx.Request] = []

    def server(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return httpx.Response(401, json={"code": "InvalidApiKey", "message": "no"})

    with client(server, api_key="sk-1") as detector, pytest.raises(ConfigurationError):
        detector.detect(URL, "emo-detect-v1", "1:1")
    assert len(calls) == 1


def test_redirects_are_not_followed() -> None:
    with (
        client(
            lambda _request: httpx.Response(307, headers={"location": "http://169.254.169.254/"})
        ) as detector,
        pytest.raises(Unavailable),
    ):
        detector.detect(URL, "emo-detect-v1", "1:1")


def test_an_endless_answer_is_cut_off() -> None:
    def pieces() -> Iterator[bytes]:
        while True:
            yield b" " * 65536

    with (
        client(lambda _request: httpx.Response(200, content=pieces())) as detector,
        pytest.raises(Unavailable) as caught,
    ):
        detector.detect(URL, "emo-detect-v1", "1:1")
    assert caught.value.code == "NotUnderstood"


def test_an_answer_that_drips_is_cut_off() -> None:
    seconds = iter(range(0, 1000, 5))

    def pieces() -> Iterator[bytes]:
        while True:
            yield b" "

    with (
        client(
            lambda _request: httpx.Response(200, content=pieces()), clock=lambda: float(next(seconds))
        ) as detector,
        pytest.raises(Unavailable) as caught,
    ):
        detector.detect(URL, "emo-detect-v1", "1:1")
    assert caught.value.code == "Timeout"


class Broken(BaseHTTPRequestHandler):
    """A server that accepts and then behaves as its path says."""

    def do_POST(self) -> None:
        match self.path.split("/")[1]:
            case "silent":
                release.wait(10)
            case "torn":
                self.send_response(200)
                self.send_header("content-length", "1000")
                self.end_headers()
                self.wfile.write(b'{"output":')
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None: ...


release = threading.Event()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        release.set()
        httpd.shutdown()


@pytest.mark.parametrize(
    ("path", "code"), [("silent", "Timeout"), ("torn", "ConnectionFailed"), ("shut", "ConnectionFailed")]
)
def test_broken_servers_are_unavailable(server: str, path: str, code: str) -> None:
    with (
        DetectionClient(f"{server}/{path}", timeouts=Timeouts(read=0.3)) as detector,
        pytest.raises(Unavailable) as caught,
    ):
        detector.detect(URL, "emo-detect-v1", "1:1")
    assert caught.value.code == code
    assert "Signature" not in str(caught.value)


def test_nobody_listens() -> None:
    with DetectionClient("http://127.0.0.1:9") as detector, pytest.raises(Unavailable) as caught:
        detector.detect(URL, "emo-detect-v1", "1:1")
    assert caught.value.code == "ConnectionFailed"


def test_the_client_needs_neither_aws_nor_settings() -> None:
    program = (
        "import sys; from screentest.screening import DetectionClient; DetectionClient('http://127.0.0.1:1');"
        "sys.exit(any(m.split('.')[0] in ('boto3', 'botocore', 'aws_lambda_powertools') for m in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={})


SIGNATURE = "5d4f" * 16
TOKEN = "IQoJb3JpZ2luX2VjE+/Lw=="
SIGNED = (
    "https://uploads.s3.amazonaws.com/emo/1x1/a.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    f"&X-Amz-Credential=AKIAEXAMPLE%2F20261121%2Fus-east-1%2Fs3%2Faws4_request"
    f"&X-Amz-Security-Token={quote(TOKEN, safe='')}"
    f"&X-Amz-Signature={SIGNATURE}"
)
ECHOES = [
    SIGNED,
    SIGNED[:-20],
    quote(SIGNED, safe=""),
    SIGNED.replace("&", "&amp;"),
    f"signature {SIGNATURE} does not match",
    f"token {TOKEN} expired",
    f"token {quote(TOKEN, safe='')} expired",
    f"<{SIGNED}>",
    "Authorization: Bearer sk-very-secret",
    "key sk-very-secret is not known",
]


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("place", ["code", "message", "request_id", "header"])
def test_what_a_server_echoes_of_the_request_is_redacted(echo: str, status: int, place: str) -> None:
    """Signed address, session token and key stay out of everything that is kept of an answer."""

    def server(_request: httpx.Request) -> httpx.Response:
        output = {"check_pass": False, "code": "InvalidFile.NoHuman", "message": "nobody"}
        body: dict[str, object] = {"output": output, "request_id": "r"} if status == 200 else dict(output)
        headers = {"x-request-id": echo} if place == "header" else {}
        where = output if status == 200 and place in ("code", "message") else body
        if place != "header":
            where[place] = f"InvalidFile.{echo}" if place == "code" else f"cannot fetch {echo}"
        else:
            body.pop("request_id", None)
        return httpx.Response(status, json=body, headers=headers)

    with client(server, api_key="sk-very-secret") as detector:
        try:
            kept = repr(detector.detect(SIGNED, "emo-detect-v1", "1:1"))
        except DetectorError as error:
            kept = repr((error.code, error.message, error.request_id, str(error)))
    for secret in (SIGNATURE[:32], TOKEN, quote(TOKEN, safe=""), "AKIAEXAMPLE", "very-secret"):
        assert secret not in kept


def test_a_compressed_answer_is_not_unpacked() -> None:
    """A megabyte of zeros has a thousand bytes: what is small on the wire may not be so in memory."""

    def server(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "identity"
        bomb = gzip.compress(b" " * 50_000_000)
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(bomb))

    tracemalloc.start()
    try:
        with client(server) as detector, pytest.raises(Unavailable) as caught:
            detector.detect(URL, "emo-detect-v1", "1:1")
        assert tracemalloc.get_traced_memory()[1] < 60_000_000, "that of making the bomb"
    finally:
        tracemalloc.stop()
    assert caught.value.code == "NotUnderstood"
