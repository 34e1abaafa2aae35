"""Four hours without a store, with the detectors themselves: in this process, and behind a server that wants a key."""

from __future__ import annotations

import http.server
import io
import threading
import wsgiref.simple_server
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from screentest.detection.api.embedded import embedded
from screentest.screening.client import DetectionClient
from screentest.screening.contract import Decision
from screentest.screening.errors import StoreUnavailable
from screentest.screening.models import ObjectRef

from . import world as w
from .world import Fate, Function, World

HOUR = 3600.0
UPLOADS = 12


def small_picture() -> bytes:
    """Too small for any detector: rejected by its header."""
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "white").save(out, "JPEG")
    return out.getvalue()


class Pictures(http.server.BaseHTTPRequestHandler):
    picture = small_picture()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(self.picture)))
        self.end_headers()
        self.wfile.write(self.picture)

    def log_message(self, *_: object) -> None: ...


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def pictures() -> Iterator[tuple[str, int]]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield "127.0.0.1", server.server_address[1]
    server.shutdown()


@pytest.fixture(scope="module")
def application(pictures: tuple[str, int]) -> Any:
    return embedded((), (pictures,)).application


@pytest.fixture(scope="module")
def server(application: Any) -> Iterator[str]:
    served = wsgiref.simple_server.make_server("127.0.0.1", 0, application, handler_class=Quiet)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_address[1]}"
    served.shutdown()


class Counted:
    """The client, and how often it reached its detector."""

    def __init__(self, client: DetectionClient) -> None:
        self.client = client
        self.answers = 0

    def detect(self, image_url: str, model: str, ratio: str | None = None) -> Decision:
        decision = self.client.detect(image_url, model, ratio)
        self.answers += 1
        return decision


class Addresses:
    """Where the detector finds the pictures."""

    def __init__(self, host: str, port: int) -> None:
        self._base = f"http://{host}:{port}/"

    def sign(self, ref: ObjectRef) -> str:
        return f"{self._base}{ref.key}"

    def is_refused(self, ref: ObjectRef) -> bool:
        return False


STORES = {
    "table": ("claim", "table", "note"),
    "index": (),
    "tags": ("tags", "write_tags"),
    "topic": ("publish",),
    "secret": (),
}


@pytest.mark.parametrize(
    ("store", "kind"),
    # A detector in this process has no key.
    [(s, k) for s in STORES for k in ("self-hosted", "server") if (s, k) != ("secret", "self-hosted")],
)
def test_four_hours_without_a_store_lose_nothing_whatever_judges(
    store: str, kind: str, application: Any, server: str, pictures: tuple[str, int]
) -> None:
    world = World()
    ends = world.now + 4 * HOUR
    begins = world.now + 0.3
    if store == "index":
        world.index_down_until = ends

    def key(_refused: bool) -> str:
        if store == "secret" and world.now < ends:
            raise StoreUnavailable("Secrets Manager did not answer")
        return "key"

    def hand(name: str, _place: str) -> Fate:
        return Fate.FAILED_BEFORE if begins < world.now < ends and name in STORES[store] else Fate.DONE

    client = (
        DetectionClient("http://self-hosted", transport=httpx.WSGITransport(app=application))
        if kind == "self-hosted"
        else DetectionClient(server, api_key=key)
    )
    detector = Counted(client)
    versions = [world.upload(f"one/{number}.jpg", "reject") for number in range(UPLOADS)]
    functions = [Function(world, hand, detector=detector, signer=Addresses(*pictures)) for _ in range(2)]
    for turn in range(2000):
        if not world.queue:
            break
        if not (due := world.visible()):
            world.now = min(message.visible_at for message in world.queue.values())
            continue
        w.invoke(world, functions[turn % 2], due)
        world.now += 0.2

    assert not world.queue
    assert not world.dead
    assert {version.tags["screentest"] for version in versions} == {"reject"}
    assert {item["code"] for item in world.table.values()} == {"InvalidFile.Resolution"}
    assert len(world.topic) == UPLOADS
    assert world.now < ends + HOUR
    assert detector.answers <= 1.6 * UPLOADS
