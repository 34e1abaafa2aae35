"""The detection API behind a function URL: events in, results out, and a key that is never left out."""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screentest.detection.api import DetectionApi
from screentest.detection.api.fetch import HttpFetcher
from screentest.detection.detector import Detector
from screentest.screening import bootstrap
from screentest.screening.bearer import BearerKey
from screentest.screening.errors import ScreeningError, StoreUnavailable

FOLDER = Path(__file__).parents[2] / "functions" / "api"


def load(name: str) -> ModuleType:
    """A module of the function's folder, which is no package: Lambda puts it on the path."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


url = load("url")


class Secret:
    """A secret that counts how often it is read, and keeps what it read as the function does."""

    def __init__(self, value: str | None) -> None:
        self.value, self.reads, self.now = value, 0, 0.0
        self._kept: str | None = None

    def read(self, refused: bool) -> str | None:
        if self._kept is None or refused:
            self.reads += 1
            self._kept = self.value
        return self._kept

    def key(self) -> BearerKey:
        return BearerKey(self.read, lambda: self.now)


def api(key: Any) -> Any:
    detector = Detector()
    return url.UrlApi(lambda key: DetectionApi(detector.detect, HttpFetcher(), api_key=key), key)


def event(
    key: str | None = None, *, path: str = "/api/v1/services/aigc/image2video/face-detect"
) -> dict[str, Any]:
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": headers,
        "requestContext": {"http": {"method": "POST", "path": path}},
        "body": json.dumps({"model": "emo-detect-v1", "input": {}}),
        "isBase64Encoded": False,
    }


def status(result: dict[str, Any]) -> int:
    json.loads(result["body"])
    return int(result["statusCode"])


def test_only_the_right_key_opens() -> None:
    behind = api(Secret("right").key)
    # 400: the request is read, and found to name no picture.
    assert status(behind.handle(event("right"))) == 400
    assert status(behind.handle(event("wrong"))) == 401
    assert status(behind.handle(event(None))) == 401


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_secret_opens_to_nobody(value: str | None) -> None:
    with pytest.raises(ScreeningError, match="empty"):
        api(Secret(value).key).handle(event(value))


def test_a_secret_that_cannot_be_read_opens_to_nobody() -> None:
    def refused(_refused: bool) -> str:
        raise StoreUnavailable("Secrets Manager did not answer")

    with pytest.raises(StoreUnavailable):
        api(lambda: BearerKey(refused)).handle(event("anything"))


def test_a_new_key_works_at_once_and_the_old_one_no_more() -> None:
    secret = Secret("old")
    behind = api(secret.key)
    assert status(behind.handle(event("old"))) == 400
    secret.value = "new"
    assert status(behind.handle(event("new"))) == 400
    assert status(behind.handle(event("old"))) == 401


def test_strangers_do_not_make_the_secret_be_read_without_end() -> None:
    secret = Secret("right")
    behind = api(secret.key)
    for looks in (2, 3):
        for _ in range(5):
            assert status(behind.handle(event("wrong"))) == 401
        assert secret.reads == looks
        secret.now += BearerKey.REFRESH


def test_what_a_snapshot_held_is_forgotten() -> None:
    secret = Secret("right")
    behind = api(secret.key)
    behind.handle(event("right"))
    behind.forget()
    assert "right" not in repr(vars(behind))
    secret.value = "new"
    assert status(behind.handle(event("new"))) == 400


def test_without_a_key_the_url_itself_must_check() -> None:
    assert status(api(None).handle(event(None))) == 400


@given(st.binary(max_size=200), st.booleans())
def test_bodies_arrive_to_the_byte(body: bytes, encoded: bool) -> None:
    text = base64.b64encode(body).decode() if encoded else body.decode("latin-1")
    request = url.to_request({**event(), "body": text, "isBase64Encoded": encoded})
    assert request.body == (body if encoded else body.decode("latin-1").encode())


def test_paths_are_decoded_and_headers_lowered() -> None:
    request = url.to_request({**event(path="/a%20b"), "headers": {"X-Thing": "1"}})
    assert (request.path, request.headers) == ("/a b", {"x-thing": "1"})


@pytest.mark.parametrize(
    "environment", [{}, {"DETECTION_API": "off"}, {"DETECTION_API": "key"}, {"DETECTION_API": "none"}]
)
def test_a_function_that_is_not_told_who_may_call_does_not_start(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name in ("DETECTION_API", "DETECTION_API_KEY_SECRET_ARN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RuntimeError, match="DETECTION_API"):
        load("app")


def test_nothing_secret_comes_out_of_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETECTION_API", "key")
    monkeypatch.setenv(
        "DETECTION_API_KEY_SECRET_ARN", "arn:aws:secretsmanager:us-east-1:123456789012:secret:k"
    )
    app = load("app")
    secret = Secret("the key")
    monkeypatch.setattr(bootstrap, "secret", lambda *_: Secret(secret.value).read)
    assert status(app.handler(event("the key"), None)) == 400
    secret.value = "the next one"
    assert status(app.handler(event("the key"), None)) == 400, "as long as it is the same process"
    app.renew()
    assert status(app.handler(event("the key"), None)) == 401
    assert status(app.handler(event("the next one"), None)) == 400
