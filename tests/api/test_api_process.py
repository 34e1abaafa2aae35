"""`screentest serve` as a process: keys, addresses, signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import httpx
import pytest
from api_doubles import ImageHost, jpeg, order
from serve_process import COMMAND, serve_process

from detection.api.service import FACE_DETECT


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


@pytest.mark.parametrize("options", [["--host", "0.0.0.0"], ["--alias", "x"], ["--port", "99999"]])
def test_settings_that_cannot_be_served(options: list[str]) -> None:
    clean = {name: value for name, value in os.environ.items() if name != "SCREENTEST_API_KEY"}
    done = subprocess.run(
        [*COMMAND, "serve", *options], capture_output=True, text=True, env=clean, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr
