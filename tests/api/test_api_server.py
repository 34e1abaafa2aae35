"""The server: who waits for whom, what is refused, how it ends. Doubles are handed in; nothing is timed."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import get_args

import httpx
import pytest
from api.api_doubles import PATIENCE, URL, FakeFetcher, jpeg, order, passed, running, running_api
from PIL import Image

from screentest import cors, http_server
from screentest.cli.options import DecodeLimit
from screentest.demo import pictures
from screentest.detection import Answer, ModelSpec, UnreadablePicture, confined, models
from screentest.detection.api import DetectionApi, Limits, Request
from screentest.detection.api.fetch import Take
from screentest.detection.api.service import MAX_BODY_BYTES
from screentest.detection.api.urls import ImageUrl
from screentest.detection.api.workers import WorkerProcesses, Workers
from screentest.detection.api.wsgi import application
from screentest.detection.errors import UndecodablePicture
from screentest.detection.models import FACE_DETECT
from screentest.http_server import Server
from screentest.serving import ServeError, ServeSettings, build, loopback_hosts_only


class Gate:
    """A detector, or a download, that waits until it is let through; counts who has come."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.arrived = threading.Semaphore(0)

    def pass_through(self) -> None:
        self.arrived.release()
        assert self.open.wait(PATIENCE)

    def wait_for(self, number: int) -> None:
        for _ in range(number):
            assert self.arrived.acquire(timeout=PATIENCE)


def answer(_data: bytes, model: ModelSpec, ratio: str) -> Answer:
    return passed(model, ratio)


def gated(gate: Gate) -> Callable[[bytes, ModelSpec, str], Answer]:
    def detect(data: bytes, model: ModelSpec, ratio: str) -> Answer:
        gate.pass_through()
        return answer(data, model, ratio)

    return detect


class SlowHosts(FakeFetcher):
    """Downloads from `slow…` wait at the gate."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate

    def fetch(self, url: ImageUrl, take: Take) -> bytes:
        if url.host.startswith("slow"):
            self.gate.pass_through()
        return super().fetch(url, take)


def raw(port: int, data: bytes) -> bytes:
    """What the server says to `data`, up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(data)
        answer = bytearray()
        while piece := connection.recv(65_536):
            answer += piece
        return bytes(answer)


class TestLoad:
    def test_a_full_queue_says_429_and_the_others_are_served(self) -> None:
        gate = Gate()
        with running(gated(gate), limits=Limits(waiting=3)) as api, ThreadPoolExecutor(8) as pool:
            accepted = [pool.submit(api.post) for _ in range(3)]
            gate.wait_for(3)
            refused = api.post()
            assert refused.status_code == 429
            assert refused.json()["code"] == "Throttling"
            assert refused.json()["message"] == "Requests throttling triggered."
            assert refused.headers["retry-after"] == "1"
            assert httpx.get(api.server.url + "/healthz").status_code == 200
            gate.open.set()
            assert [request.result(PATIENCE).status_code for request in accepted] == [200] * 3
            assert api.post().status_code == 200

    def test_a_slow_image_host_holds_nobody_up(self) -> None:
        gate = Gate()
        limits = Limits(fetching=13, waiting=2, quick_seconds=0)
        with running(answer, SlowHosts(gate), limits=limits) as api, ThreadPoolExecutor(16) as pool:
            slow = [pool.submit(api.post, order(url="https://slow.example/a.jpg")) for _ in range(12)]
            gate.wait_for(12)
            assert [api.post().status_code for _ in range(5)] == [200] * 5
            gate.open.set()
            # Twelve arrive at two places before the detectors at once: some may be told to come again.
            assert {request.result(PATIENCE).status_code for request in slow} <= {200, 429}

    def test_slow_clients_hold_nobody_up(self) -> None:
        with running(answer, limits=Limits(fetching=2, waiting=2)) as api:
            head = f"POST {FACE_DETECT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
            clients = [socket.create_connection(("127.0.0.1", api.server.port)) for _ in range(40)]
            try:
                for number, client in enumerate(clients):
                    client.sendall(head if number % 2 else head + b'Content-Length: 500\r\n\r\n{"model":')
                assert [api.post().status_code for _ in range(5)] == [200] * 5
            finally:
                for client in clients:
                    client.close()

    def test_idle_connections_keep_nobody_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_server, "CONNECTIONS", 80)
        with running(answer) as api, ExitStack() as opened:
            for _ in range(1_100):
                opened.enter_context(
                    socket.create_connection(("127.0.0.1", api.server.port), timeout=PATIENCE)
                )
            assert [api.post().status_code for _ in range(5)] == [200] * 5

    def test_a_connection_goes_on_after_a_refusal_and_requests_behind_it_are_answered(self) -> None:
        gate = Gate()
        with running(gated(gate), limits=Limits(waiting=1)) as api, ThreadPoolExecutor(1) as pool:
            first = pool.submit(api.post)
            gate.wait_for(1)
            body = json.dumps(order()).encode()
            post = (
                f"POST {FACE_DETECT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            ).encode() + body
            last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            said = raw(api.server.port, post + post + last)
            assert said.count(b"HTTP/1.1 429 Too Many Requests") == 2
            assert said.count(b"HTTP/1.1 200 OK") == 1
            gate.open.set()
            assert first.result(PATIENCE).status_code == 200

    def test_a_client_that_never_finishes_its_request_is_dropped(self) -> None:
        with (
            running(answer, request_seconds=0.1) as api,
            socket.create_connection(("127.0.0.1", api.server.port), timeout=PATIENCE) as client,
        ):
            client.sendall(f"POST {FACE_DETECT} HTTP/1.1\r\nHost: localhost\r\n".encode())
            assert client.recv(1) == b""


class TestRefused:
    def test_more_than_a_request_may_have(self) -> None:
        with running(answer) as api:
            head = f"POST {FACE_DETECT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            said = raw(api.server.port, f"{head}Content-Length: {10**12}\r\n\r\n".encode())
            assert said.startswith(b"HTTP/1.1 413 ")
            assert json.loads(said.partition(b"\r\n\r\n")[2])["code"] == "BadRequest.TooLarge"
            for size in (MAX_BODY_BYTES, 12 * MAX_BODY_BYTES):
                assert api.post({**order(), "padding": "x" * size}).status_code == 413
            assert api.post(order()).status_code == 200

    def test_a_body_of_exactly_the_limit(self) -> None:
        with running(answer) as api:
            bare = len(json.dumps({**order(), "padding": ""}))
            for size, status in ((MAX_BODY_BYTES - bare, 200), (MAX_BODY_BYTES - bare + 1, 413)):
                body = json.dumps({**order(), "padding": "x" * size})
                sent = api.post(json=None, content=body, headers={"content-type": "application/json"})
                assert sent.status_code == status

    def test_without_a_length(self) -> None:
        with running(answer) as api:
            body = json.dumps(order()).encode()
            response = api.post(json=None, content=iter([body]), headers={"content-type": "application/json"})
            assert response.status_code == 200
            pieces = iter([b" " * 65_536] * 200)
            refused = api.post(json=None, content=pieces, headers={"content-type": "application/json"})
            assert refused.status_code == 413

    @pytest.mark.parametrize(
        "data",
        [
            b"GET\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
            b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        ],
        ids=lambda data: repr(data[:12]),
    )
    def test_what_is_no_http_is_answered_in_the_api_s_form(self, data: bytes) -> None:
        with running(answer) as api:
            head, _, body = raw(api.server.port, data).partition(b"\r\n\r\n")
            assert head.partition(b" ")[2][:1] in b"45"
            assert set(json.loads(body)) == {"code", "message", "request_id"}
            assert api.post().status_code == 200

    @pytest.mark.parametrize(
        "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "10.0.0.1"]
    )
    def test_a_web_page_whose_name_was_rebound_to_loopback(self, host: str) -> None:
        with running(answer) as api:
            response = api.post(headers={"host": host})
            assert response.status_code == 403
            assert response.json()["code"] == "AccessDenied"

    @pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1", "[::1]:8000", "[::1]"])
    def test_names_of_loopback(self, host: str) -> None:
        with running(answer) as api:
            assert api.post(headers={"host": host}).status_code == 200


class TestEnd:
    def test_requests_in_progress_are_finished(self) -> None:
        gate = Gate()
        with running(gated(gate)) as api, ThreadPoolExecutor(4) as pool:
            requests = [pool.submit(api.post) for _ in range(3)]
            gate.wait_for(3)
            with socket.create_connection(("127.0.0.1", api.server.port), timeout=PATIENCE) as idle:
                api.server.stop()
                assert idle.recv(1) == b""  # an idle connection is closed at once
            with pytest.raises(httpx.ConnectError):
                api.post()
            gate.open.set()
            assert [request.result(PATIENCE).status_code for request in requests] == [200] * 3
            api.thread.join(PATIENCE)
            assert not api.thread.is_alive()

    def test_a_request_that_is_whole_after_the_end_began_is_refused(self) -> None:
        with running(answer) as api:
            body = json.dumps(order()).encode()
            head = (
                f"POST {FACE_DETECT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            ).encode()
            with socket.create_connection(("127.0.0.1", api.server.port), timeout=PATIENCE) as late:
                late.sendall(head + body[:10])
                while not api.server._server.server_state.tasks:
                    pass
                api.server.stop()
                late.sendall(body[10:])
                assert late.recv(65_536).startswith(b"HTTP/1.1 429 ")
            api.thread.join(PATIENCE)
            assert not api.thread.is_alive()


class TestSettings:
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", ""])
    def test_without_a_key_loopback_only(self, host: str) -> None:
        with pytest.raises(ServeError, match="SCREENTEST_API_KEY"):
            ServeSettings(host=host)
        assert ServeSettings(host=host, given_key="sk-1").host == host

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
    def test_loopback(self, host: str) -> None:
        assert ServeSettings(host=host).api_key is None

    @pytest.mark.parametrize("key", ["", " "])
    def test_an_empty_key_is_no_open_door(self, key: str) -> None:
        with pytest.raises(ServeError, match="empty"):
            ServeSettings(given_key=key)

    def test_the_key_is_not_shown(self) -> None:
        assert "sk-secret" not in repr(ServeSettings(given_key="sk-secret"))

    @pytest.mark.parametrize("key", ["two words", "schlüssel"])
    def test_a_key_that_no_header_carries(self, key: str) -> None:
        with pytest.raises(ServeError, match="ASCII"):
            ServeSettings(given_key=key)

    def test_aliases(self) -> None:
        assert ServeSettings(other_names=["emo-detect-acme=emo-detect-v1"]).aliases == {
            "emo-detect-acme": models.EMO
        }
        for alias in ("emo-detect-acme", "emo-detect-acme=emo-v1", "=emo-detect-v1"):
            with pytest.raises(ServeError):
                ServeSettings(other_names=[alias])

    def test_a_port_that_is_taken(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            api = DetectionApi(answer, FakeFetcher())
            with pytest.raises(OSError, match="in use"):
                Server(api, loopback_hosts_only(api), Limits(), port=taken.getsockname()[1])


class TestCors:
    PAGE = "https://example.com"

    @contextmanager
    def client(self, *origins: str) -> Iterator[httpx.Client]:
        api = DetectionApi(answer, FakeFetcher())
        with running_api(api, guard=cors.allowing(frozenset(origins))) as server:
            yield httpx.Client(base_url=server.server.url)

    def test_pages_of_named_origins_may_ask_and_read(self) -> None:
        with self.client(self.PAGE) as client:
            asked = {"origin": self.PAGE, "access-control-request-method": "POST"}
            preflight = client.options(FACE_DETECT, headers=asked)
            assert preflight.status_code == 204
            assert preflight.headers["access-control-allow-origin"] == self.PAGE
            assert "Content-Type" in preflight.headers["access-control-allow-headers"]
            response = client.post(FACE_DETECT, json=order(), headers={"origin": self.PAGE})
            assert response.json()["output"]["check_pass"] is True
            assert response.headers["access-control-allow-origin"] == self.PAGE
            assert response.headers["vary"] == "Origin"

    @pytest.mark.parametrize("origin", ["https://example.com.evil", "http://example.com", "null", ""])
    def test_others_may_not(self, origin: str) -> None:
        for named in ([self.PAGE], []):
            with self.client(*named) as client:
                asked = {"origin": origin, "access-control-request-method": "POST"}
                for response in (
                    client.options(FACE_DETECT, headers=asked),
                    client.get("/healthz", headers=asked),
                ):
                    assert not [name for name in response.headers if name.startswith("access-control")]

    @pytest.mark.parametrize(
        "origin", ["*", "example.com", "https://example.com/", "ftp://a", "https://[", ""]
    )
    def test_what_is_no_origin(self, origin: str) -> None:
        with pytest.raises(ServeError, match="cors-origin"):
            ServeSettings(cors_origins=[origin])

    @pytest.mark.parametrize("origin", ["https://example.com", "http://localhost:3000", "http://[::1]:80"])
    def test_origins(self, origin: str) -> None:
        assert ServeSettings(cors_origins=[origin]).cors_origins == [origin]


def test_in_the_same_process() -> None:
    api = DetectionApi(answer, FakeFetcher())
    with httpx.Client(transport=httpx.WSGITransport(application(api)), base_url="http://detector") as client:
        response = client.post(FACE_DETECT + "/", json=order(url=URL))
        assert response.status_code == 200
        assert response.json()["output"]["check_pass"] is True
        assert response.headers["x-request-id"] == response.json()["request_id"]
        assert (
            client.post(FACE_DETECT, content=b"{", headers={"content-type": "application/json"}).status_code
            == 400
        )
        assert client.get("/healthz").json()["status"] == "ok"


class TestWorkers:
    def test_each_thread_has_one_detector_and_no_more_are_made(self) -> None:
        made: list[int] = []
        used: set[tuple[int, int]] = set()
        gate = threading.Barrier(3)

        class Noting:
            def __init__(self) -> None:
                made.append(id(self))

            def open(self) -> None:
                used.add((id(self), threading.get_ident()))

            def detect(self, data: bytes, model: ModelSpec, ratio: str) -> Answer:
                gate.wait(PATIENCE)  # three at a time, or never
                used.add((id(self), threading.get_ident()))
                return passed(model, ratio)

        workers = Workers(3, Noting)  # type: ignore[arg-type]
        workers.open()
        with ThreadPoolExecutor(9) as pool:
            answers = pool.map(lambda _: workers.detect(b"", models.EMO, "1:1"), range(9))
            assert all(answer.passed for answer in answers)
        assert len(made) == len(used) == 3

    def test_what_a_detector_raises_is_passed_on(self) -> None:
        class Broken:
            def detect(self, data: bytes, model: ModelSpec, ratio: str) -> Answer:
                raise UnreadablePicture("broken")

        with pytest.raises(UnreadablePicture, match="broken"):
            Workers(1, Broken).detect(b"", models.EMO, "1:1")  # type: ignore[arg-type]

    def test_close_finishes_what_was_begun_and_closes_every_detector(self) -> None:
        gate, closed = Gate(), []

        class Slow:
            def detect(self, data: bytes, model: ModelSpec, ratio: str) -> Answer:
                gate.pass_through()
                return passed(model, ratio)

            def close(self) -> None:
                closed.append(id(self))

        workers = Workers(2, Slow)  # type: ignore[arg-type]
        with ThreadPoolExecutor(3) as pool:
            judging = [pool.submit(workers.detect, b"", models.EMO, "1:1") for _ in range(2)]
            gate.wait_for(2)
            closing = pool.submit(workers.close)
            assert not closed
            gate.open.set()
            assert all(future.result(PATIENCE).passed for future in judging)
            closing.result(PATIENCE)
        assert len(set(closed)) == len(closed) == 2


linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux has limits to decode under"
)


@linux
class TestProcesses:
    PORTRAIT = "waist_up"

    def test_what_takes_too_long_is_unreadable_and_the_process_replaced(self) -> None:
        workers = WorkerProcesses(1, lambda: confined.ConfinedDetector(seconds=0.02))
        workers.open()
        (detector,) = workers._all
        before = detector.pid
        huge = io.BytesIO()
        Image.effect_noise((7_000, 7_000), 60).save(huge, "PNG", compress_level=1)
        try:
            with pytest.raises(UndecodablePicture, match="longer than"):
                workers.detect(huge.getvalue(), models.EMO, "1:1")
            detector._seconds = PATIENCE
            assert workers.detect(pictures.data(self.PORTRAIT), models.EMO, "1:1").passed
            assert detector.pid not in {before, None}
        finally:
            workers.close()

    @pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
    def test_a_process_that_is_stopped_or_ended_is_replaced_and_no_picture_s_fault(self, number: int) -> None:
        workers = WorkerProcesses(1)
        workers.open()
        (detector,) = workers._all
        try:
            assert detector.pid
            os.kill(detector.pid, number)
            assert workers.detect(pictures.data(self.PORTRAIT), models.EMO, "1:1").passed
        finally:
            workers.close()

    def test_health_says_that_a_process_cannot_be_replaced_and_that_it_was(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workers = WorkerProcesses(1)
        api = DetectionApi(workers.detect, FakeFetcher(pictures.data(self.PORTRAIT)), health=workers.health)
        with running_api(api) as server:
            workers.open()
            try:
                (detector,) = workers._all
                with monkeypatch.context() as patch:
                    patch.setattr(sys, "executable", "/nowhere/python")
                    detector.close()
                    assert server.post().json()["code"] == "InternalError"
                    while workers._idle.empty():
                        pass
                    sick = httpx.get(server.server.url + "/healthz")
                    assert (sick.status_code, sick.json()["status"]) == (503, "a detector does not start")
                assert server.post().json()["output"]["check_pass"] is True
                well = httpx.get(server.server.url + "/healthz")
                assert (well.status_code, well.json()["status"]) == (200, "ok")
            finally:
                workers.close()

    def test_a_defect_of_a_detector_is_none_of_the_picture(self) -> None:
        workers = WorkerProcesses(1)
        workers.open()
        try:
            unknown = replace(models.EMO, name="unheard-of")
            with pytest.raises(Exception, match="unheard-of") as caught:
                workers.detect(pictures.data(self.PORTRAIT), unknown, "1:1")
            assert not isinstance(caught.value, UnreadablePicture)
            assert workers.detect(pictures.data(self.PORTRAIT), models.EMO, "1:1").passed
        finally:
            workers.close()


@linux
class TestDecodeLimit:
    def settings(self) -> ServeSettings:
        return ServeSettings(port=0, decode_limit=128)

    def test_a_server_whose_decoder_does_not_start_does_not_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        with pytest.raises(ServeError, match="cannot be started"):
            build(self.settings(), Limits())

    def test_nor_on_a_system_without_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(ServeError, match="needs Linux"):
            build(self.settings(), Limits())

    def test_no_header_is_read_in_the_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        api = build(self.settings(), Limits())
        api._fetcher = FakeFetcher(jpeg())

        opened = []
        monkeypatch.setattr(Image, "open", lambda *_, **__: opened.append(1))
        request = Request(
            "POST", FACE_DETECT, {"content-type": "application/json"}, json.dumps(order()).encode()
        )
        response = api.handle(request)
        assert (response.status, json.loads(response.body)["output"]["code"]) == (200, "InvalidFile.NoHuman")
        assert not opened


def test_the_option_says_what_the_decoder_keeps_to() -> None:
    option = get_args(DecodeLimit)[1]
    assert option.min == confined.MIN_MEGABYTES
    assert f"{confined.SECONDS:g} seconds" in option.help
    assert f"{confined.MEGABYTES} is enough" in option.help
