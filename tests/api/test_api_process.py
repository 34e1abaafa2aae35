"""`screentest serve` as a process: keys, addresses, signals."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
from api.api_doubles import ImageHost, jpeg, order
from api.serve_process import COMMAND, serve_process
from PIL import Image

from screentest.demo import pictures
from screentest.detection import detect
from screentest.detection.models import FACE_DETECT

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux has limits to decode under"
)


def asked(server: str, url: str) -> tuple[int, dict[str, Any]]:
    """Status and body of an answer, without what differs each time."""
    response = httpx.post(server + FACE_DETECT, json=order(url=url), timeout=60)
    body = response.json()
    del body["request_id"]
    return response.status_code, body


def decoders(server: int) -> list[int]:
    """The decoding processes of a server, by their numbers."""
    return [number for number, parent in living().items() if parent == server]


def living() -> dict[int, int]:
    """Number and parent of every decoding process."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            command = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if state != "Z" and b"confined_child" in command:
            found[int(stat.parent.name)] = int(parent)
    return found


def test_key_rejections_and_private_addresses(image_host: ImageHost) -> None:
    url = image_host.serve("/grey.jpg", jpeg())
    with serve_process(
        "--verdict-status", "400", "--allow-private-urls", environ={"SCREENTEST_API_KEY": "sk-environment"}
    ) as server:
        address = server.url + FACE_DETECT
        assert httpx.post(address, json=order(url=url)).json()["message"] == "No API-key provided."
        wrong = httpx.post(address, json=order(url=url), headers={"authorization": "Bearer sk-other"})
        assert (wrong.status_code, wrong.json()["message"]) == (401, "Invalid API-key provided.")
        with_key = {"authorization": "Bearer sk-environment"}
        rejected = httpx.post(address, json=order(url=url + "?sig=5ec2e7"), headers=with_key, timeout=60)
        assert (rejected.status_code, rejected.json()["code"]) == (400, "InvalidFile.NoHuman")
        assert "usage" not in rejected.json()
        # With a key the server may be named as anything.
        assert httpx.get(server.url + "/healthz", headers={"host": "detector.internal"}).status_code == 200
        assert server.stop(signal.SIGTERM) == 0
        log = server.log.read_text()
        assert rejected.json()["request_id"] in log
        assert "sk-" not in log
        assert "5ec2e7" not in log


def test_explanations_and_addresses_that_are_not_public(image_host: ImageHost) -> None:
    url = image_host.serve("/grey.jpg", jpeg())
    with serve_process("--explain") as server:
        refused = httpx.post(server.url + FACE_DETECT, json=order(url=url))
        assert (refused.status_code, refused.json()["code"]) == (400, "InvalidURL")
        assert image_host.seen == []
        assert server.stop(signal.SIGINT) == 0
    with serve_process("--explain", "--allow-private-urls") as server:
        answer = httpx.post(server.url + FACE_DETECT, json=order(url=url), timeout=60).json()
        assert answer["output"]["explain"]["checks"][0]["rule"] == "resolution"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_in_progress_finish(image_host: ImageHost, number: signal.Signals) -> None:
    arrived, release = threading.Event(), threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        arrived.set()
        release.wait(8)
        data = jpeg()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    url = image_host.script("/slow.jpg", slow)
    with serve_process("--allow-private-urls") as server, ThreadPoolExecutor(1) as pool:
        pending = pool.submit(httpx.post, server.url + FACE_DETECT, json=order(url=url), timeout=60)
        assert arrived.wait(30)
        server.process.send_signal(number)
        while _listens(server.url):
            pass
        release.set()
        assert pending.result(60).json()["output"]["code"] == "InvalidFile.NoHuman"
        assert server.process.wait(60) == 0


def _listens(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=1).close()
    except OSError:
        return False
    return True


@linux
def test_a_server_answers_as_the_library(image_host: ImageHost) -> None:
    files = [pictures.data(name) for name in ("waist_up", "tilted", "two_people")]
    files += [jpeg(), jpeg()[:300]]
    urls = [image_host.serve(f"/{number}.jpg", data) for number, data in enumerate(files)]
    with serve_process("--explain", "--allow-private-urls") as server:
        answers = [asked(server.url, url) for url in urls]
        assert len(decoders(server.process.pid)) == 1
        assert server.stop(signal.SIGTERM) == 0
    assert [status for status, _ in answers] == [200, 200, 200, 200, 400]
    assert [body["output"]["check_pass"] for _, body in answers[:4]] == [True, False, False, False]
    for data, (_, body) in zip(files[:4], answers, strict=False):
        answer = detect(data, "emo-detect-v1")
        assert body["output"] == {**answer.output(), "explain": answer.explanation.as_dict()}


@linux
def test_pictures_beyond_the_limit_and_the_server_after_them(image_host: ImageHost) -> None:
    grey = Image.linear_gradient("L").resize((4000, 4000))
    out = io.BytesIO()
    Image.merge("LA", [grey, grey]).save(out, "PNG", compress_level=1)
    hungry = image_host.serve("/hungry.png", out.getvalue())
    portrait = image_host.serve("/portrait.jpg", pictures.data("waist_up"))
    with serve_process("--allow-private-urls", "--decode-limit", "64") as server:
        seen = set()
        for _ in range(3):
            status, body = asked(server.url, hungry)
            assert (status, body["code"]) == (400, "InvalidURL")
            assert asked(server.url, portrait)[1]["output"]["check_pass"] is True
            (decoder,) = decoders(server.process.pid)
            seen.add(decoder)
        assert len(seen) == 3
        os.kill(decoder, signal.SIGKILL)  # by whom ever
        assert asked(server.url, portrait)[1]["output"]["check_pass"] is True
        (last,) = decoders(server.process.pid)
        # Ctrl-C in a terminal reaches a process group.
        assert os.getpgid(last) != os.getpgid(server.process.pid)
        assert server.stop(signal.SIGINT) == 0
        assert last not in living()
        log = server.log.read_text()
        assert log.count("a picture was given up: decoding takes more than 64 MB") == 3
        assert "Traceback" not in log


@pytest.mark.parametrize(
    "options", [["--host", "0.0.0.0"], ["--alias", "x"], ["--port", "99999"], ["--decode-limit", "63"]]
)
def test_settings_that_cannot_be_served(options: list[str]) -> None:
    clean = {name: value for name, value in os.environ.items() if name != "SCREENTEST_API_KEY"}
    done = subprocess.run(
        [*COMMAND, "serve", *options], capture_output=True, text=True, env=clean, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr
