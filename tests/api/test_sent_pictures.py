"""`POST /v1/pictures`: the picture comes with the request; and the page to try it on."""

from __future__ import annotations

import re
from typing import Any

import pytest
from api.api_doubles import FakeDetect, FakeFetcher, body_of, jpeg, rejected, running_api
from hypothesis import given
from hypothesis import strategies as st

from screentest import http_server
from screentest.demo import pictures
from screentest.detection import UnreadablePicture
from screentest.detection.api import DetectionApi, Request, Response
from screentest.detection.api.paths import PICTURES
from screentest.detection.api.service import MAX_BODY_BYTES
from screentest.detection.pictures import MAX_FILE_BYTES

PICTURE = jpeg()


def form(picture: bytes, name: str = "picture", boundary: str = "xYz") -> tuple[str, bytes]:
    """Content type and body of a form with a text before the picture."""
    mark = f"--{boundary}\r\n".encode()
    body = mark + b'Content-Disposition: form-data; name="note"\r\n\r\nmine\r\n'
    body += mark + f'Content-Disposition: form-data; name="{name}"; filename="a.jpg"\r\n'.encode()
    body += b"Content-Type: image/jpeg\r\n\r\n" + picture + f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", body


def send(
    detect: Any = None,
    *,
    body: bytes = PICTURE,
    query: str = "model=emo-detect-v1",
    method: str = "POST",
    path: str = PICTURES,
    headers: dict[str, str] | None = None,
    **options: Any,
) -> tuple[Response, FakeDetect]:
    detect = detect or FakeDetect()
    api = DetectionApi(detect, FakeFetcher(), **options)
    given = {"content-type": "image/jpeg", "host": "127.0.0.1:8000"} | (headers or {})
    return api.handle(Request(method, path, given, body, query)), detect


@pytest.mark.parametrize("path", [PICTURES, PICTURES + "/"])
def test_a_raw_body_is_judged_like_a_fetched_picture(path: str) -> None:
    response, detect = send(query="model=emo-detect-v1&ratio=3:4", path=path)
    body = body_of(response)
    assert response.status == 200
    assert body["output"]["check_pass"] is True
    assert body["usage"] == {"image_count": 1}
    assert body["request_id"] == response.header("x-request-id")
    assert [(data, model.name, ratio) for data, model, ratio in detect.calls] == [
        (PICTURE, "emo-detect-v1", "3:4")
    ]


@given(picture=st.binary(max_size=300), boundary=st.from_regex(r"[A-Za-z0-9]{8,30}", fullmatch=True))
def test_a_form_hands_over_its_picture_byte_for_byte(picture: bytes, boundary: str) -> None:
    if f"\r\n--{boundary}".encode() in b"\r\n" + picture:
        return
    kind, body = form(picture, boundary=boundary)
    _, detect = send(body=body, headers={"content-type": kind})
    assert detect.calls[0][0] == picture


@given(
    body=st.binary(max_size=300),
    kind=st.sampled_from(["multipart/form-data", "multipart/form-data; boundary=a"]),
)
def test_whatever_a_form_holds_is_answered(body: bytes, kind: str) -> None:
    response, _ = send(body=body, headers={"content-type": kind})
    assert response.status in {200, 400}


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"query": ""}, 400, "BadRequest.EmptyModel"),
        ({"query": "model=someone"}, 404, "ModelNotFound"),
        ({"query": "model=emo-detect-v1&ratio=4:3"}, 400, "InvalidParameter.Ratio"),
        ({"query": "&".join("a=1" for _ in range(50))}, 400, "InvalidParameter"),
        ({"method": "GET"}, 400, "InvalidParameter"),
        ({"body": b"x" * (MAX_FILE_BYTES + 1)}, 400, "InvalidFile.Size"),
        ({"api_key": "secret"}, 401, "InvalidApiKey"),
        ({"headers": {"origin": "https://elsewhere.example"}}, 403, "AccessDenied"),
        ({"detect": FakeDetect(UnreadablePicture("no picture"))}, 400, "InvalidURL"),
    ],
)
def test_what_is_wrong_is_said_as_the_api_says_it(changes: dict[str, Any], status: int, code: str) -> None:
    detect = changes.pop("detect", None)
    response, _ = send(detect, **changes)
    assert (response.status, body_of(response)["code"]) == (status, code)


def test_a_ratio_of_a_model_that_has_none_is_ignored() -> None:
    response, _ = send(query="model=animate-anyone-detect-gen2&ratio=3:4")
    assert response.status == 200


def test_a_rejection_takes_the_status_that_was_asked_for() -> None:
    response, _ = send(FakeDetect(rejected()), verdict_status=400)
    assert (response.status, body_of(response)["code"]) == (400, "InvalidFile.FacePose")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://127.0.0.1:8000"},
        {},
        {"origin": "https://elsewhere.example", "authorization": "Bearer k"},
    ],
)
def test_our_own_page_and_whoever_has_the_key_may_send(headers: dict[str, str]) -> None:
    options: dict[str, Any] = {"api_key": "k"} if "authorization" in headers else {}
    response, _ = send(headers=headers, **options)
    assert response.status == 200


def test_the_page_allows_its_own_script_alone() -> None:
    first, _ = send(method="GET", path="/")
    second, _ = send(method="GET", path="/")
    policy = first.header("content-security-policy") or ""
    (nonce,) = set(re.findall(rb'nonce="([^"]+)"', first.body))
    assert first.status == 200
    assert (first.header("content-type") or "").startswith("text/html")
    assert f"script-src 'nonce-{nonce.decode()}'" in policy
    assert nonce not in second.body


class TestServer:
    def test_large_pictures_arrive_there_and_nowhere_else(self) -> None:
        picture = pictures.data("waist_up") + b"\0" * MAX_BODY_BYTES
        detect = FakeDetect()
        with running_api(DetectionApi(detect, FakeFetcher())) as running:
            import httpx

            url = running.server.url
            there = httpx.post(f"{url}{PICTURES}?model=emo-detect-v1", content=picture)
            chunked = httpx.post(
                f"{url}{PICTURES}?model=emo-detect-v1", content=iter([picture[:9], picture[9:]])
            )
            elsewhere = httpx.post(f"{url}/api/v1/services/aigc/image2video/face-detect", content=picture)
        assert (there.status_code, chunked.status_code, elsewhere.status_code) == (200, 200, 413)
        assert [data for data, *_ in detect.calls] == [picture, picture]

    def test_without_the_key_no_large_body_is_read(self) -> None:
        with running_api(DetectionApi(FakeDetect(), FakeFetcher(), api_key="k")) as running:
            import httpx

            url = f"{running.server.url}{PICTURES}?model=emo-detect-v1"
            body = b"x" * (2 * MAX_BODY_BYTES)
            refused = httpx.post(url, content=body)
            assert (refused.status_code, refused.json()["code"]) == (401, "InvalidApiKey")
            assert httpx.post(url, content=body, headers={"Authorization": "Bearer k"}).status_code == 200

    def test_more_than_find_room_are_refused_and_room_comes_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http_server, "UPLOAD_BYTES", 0)
        with running_api(DetectionApi(FakeDetect(), FakeFetcher())) as running:
            import httpx

            url = f"{running.server.url}{PICTURES}?model=emo-detect-v1"
            refused = httpx.post(url, content=PICTURE)
            assert (refused.status_code, refused.json()["code"]) == (429, "Throttling")
            monkeypatch.setattr(http_server, "UPLOAD_BYTES", len(PICTURE))
            assert [httpx.post(url, content=PICTURE).status_code for _ in range(3)] == [200, 200, 200]
