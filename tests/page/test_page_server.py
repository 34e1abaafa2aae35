"""The page's server: what it answers, and to whom."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import pytest
from page.page_bench import BUCKET, Bench
from PIL import Image

from screentest.detection.pictures import MAX_FILE_BYTES
from screentest.page import PageServer
from screentest.page.app import MAX_UPLOAD, Page, _Refused
from screentest.screening.choices import offered
from screentest.screening.models import Screening
from screentest.screening.routes import Route, Routes

pytestmark = pytest.mark.stack

EMO = Screening.of("emo-detect-v1", "1:1")


def image(size: tuple[int, int] = (400, 600)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#808080").save(out, "JPEG")
    return out.getvalue()


def ticket(page: PageServer, name: str, choice: object = 0, kind: object = "image/jpeg") -> httpx.Response:
    return httpx.post(f"{page.url}/api/uploads", json={"name": name, "type": kind, "choice": choice})


def upload(granted: dict[str, Any], body: bytes) -> httpx.Response:
    return httpx.post(granted["url"], data=granted["fields"], files={"file": ("x", body)})


def test_what_it_serves_may_load_nothing_else(page: PageServer) -> None:
    for path in ("/", "/page.js", "/page.css", "/base.js", "/base.css", "/icon.svg", "/api/settings"):
        answer = httpx.get(page.url + path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_limit_that_is_shown_is_the_one_that_is_enforced(page: PageServer) -> None:
    settings = httpx.get(f"{page.url}/api/settings").json()
    assert settings["maxUpload"] == MAX_UPLOAD > MAX_FILE_BYTES, "too large a picture can be tried"
    assert all("{limit} MB" in words["drop-hint"] for words in settings["words"].values())


def test_every_word_is_there_in_every_language(page: PageServer) -> None:
    settings = httpx.get(f"{page.url}/api/settings").json()
    words = settings["words"]
    assert set(words) == {"en", "zh", "ja"}
    assert set(words["en"]) == set(words["zh"]) == set(words["ja"])
    assert [choice["prefix"] for choice in settings["choices"]] == [
        "emo/1x1/",
        "emo/3x4/",
        "emoji/",
        "animate-anyone/",
        "liveportrait/",
        "wan2.2-s2v/",
    ]


@pytest.mark.parametrize(
    "name", ["a.jpg", "é 人.jpg", "../../x", "<script>.png", "", "a" * 3000, "\x00\n", "\udcff"]
)
def test_an_upload_lands_under_its_route_whatever_its_name(page: PageServer, bench: Bench, name: str) -> None:
    body = json.dumps({"name": name, "type": "image/jpeg", "choice": 2})
    answer = httpx.post(f"{page.url}/api/uploads", content=body, headers={"Content-Type": "application/json"})
    granted = answer.json()
    assert granted["key"].startswith("emoji/page/")
    assert len(granted["key"].encode()) < 1024
    assert upload(granted, image()).status_code == 204
    assert bench.s3.head_object(Bucket=BUCKET, Key=granted["key"])["ContentLength"] == len(image())


def test_a_grant_is_for_its_key_and_size_alone(page: PageServer) -> None:
    granted = ticket(page, "a.jpg").json()
    assert (
        upload({**granted, "fields": {**granted["fields"], "key": "emo/1x1/other.jpg"}}, b"x").status_code
        == 403
    )
    assert upload(granted, b"x" * (MAX_UPLOAD + 1)).status_code == 400


@pytest.mark.parametrize(
    ("choice", "kind"),
    [(6, "image/png"), (-1, "image/png"), (True, "image/png"), ("0", "image/png"), (0, None)],
)
def test_wrong_requests_are_refused(page: PageServer, choice: object, kind: object) -> None:
    assert ticket(page, "a.jpg", choice, kind).status_code == 400


@pytest.mark.parametrize("name", ["${filename}", "a${filename}.jpg", "${filename}/../b.jpg"])
def test_no_name_leaves_open_what_the_object_is_called(page: PageServer, name: str) -> None:
    answer = ticket(page, name)
    assert answer.status_code == 409
    assert "fields" not in answer.json()


def test_requests_that_are_not_json_are_refused(page: PageServer) -> None:
    address = f"{page.url}/api/uploads"
    assert httpx.post(address, content=b"{}").status_code == 415
    headers = {"Content-Type": "application/json"}
    assert httpx.post(address, content=b"{", headers=headers).status_code == 400
    assert httpx.post(address, content=b"[]", headers=headers).status_code == 400
    assert httpx.post(address, content=b"[" * 9_000, headers=headers).status_code == 400
    assert httpx.post(address, content=b" " * 20_000, headers=headers).status_code == 413
    assert httpx.delete(address).status_code == 405
    assert httpx.get(f"{page.url}/nothing").status_code == 404


def test_other_sites_and_other_names_are_refused(page: PageServer) -> None:
    assert httpx.get(page.url, headers={"Host": "attacker.example"}).status_code == 403
    assert (
        httpx.get(f"{page.url}/api/verdicts", headers={"Origin": "http://attacker.example"}).status_code
        == 403
    )
    assert httpx.get(f"{page.url}/api/verdicts", headers={"Origin": page.url}).status_code == 200


def test_a_screening_is_followed_to_its_verdict(page: PageServer, bench: Bench) -> None:
    ref = bench.put("emo/1x1/followed.jpg", image())
    look = httpx.URL(f"{page.url}/api/screenings", params={"key": ref.key, "version": ref.version_id})
    assert httpx.get(look).json() == {"screenings": []}
    claim = bench.claim(ref, EMO)
    (pending,) = httpx.get(look).json()["screenings"]
    assert pending["leased"]
    assert "verdict" not in pending
    bench.decide(
        claim, verdict="reject", code="InvalidFile.FullBody", message="wire text", face_bbox=[1, 2, 3, 4]
    )
    (done,) = httpx.get(look).json()["screenings"]
    assert (done["verdict"], done["ratio"], done["ms"], done["face"]) == ("reject", "1:1", 42, [1, 2, 3, 4])
    assert not done["leased"]
    assert {lang: len(words) for lang, words in done["words"].items()} == {"en": 2, "zh": 2, "ja": 2}
    other = httpx.get(f"{page.url}/api/screenings", params={"key": ref.key, "version": "another"})
    assert other.json() == {"screenings": []}


def test_the_list_is_newest_first_over_all_verdicts(page: PageServer, bench: Bench) -> None:
    for number, verdict in enumerate(("pass", "error", "reject")):
        claim = bench.claim(bench.put(f"emo/1x1/listed-{number}.jpg", b"x"), EMO)
        bench.decide(claim, at=1_800_000_000.0 + number, verdict=verdict)
    listed = httpx.get(f"{page.url}/api/verdicts").json()["verdicts"]
    mine = [item["key"] for item in listed if "/listed-" in item["key"]]
    assert mine == [f"emo/1x1/listed-{number}.jpg" for number in (2, 1, 0)]
    times = [item["at"] for item in listed]
    assert times == sorted(times, reverse=True)


def test_what_was_measured_is_part_of_a_rejection(page: PageServer, bench: Bench) -> None:
    ref = bench.put("emo/1x1/measured.jpg", b"x")
    measured = {"rule": "head turned", "value": 41.3, "limit": "at most 38", "unit": "degrees"}
    bench.decide(bench.claim(ref, EMO), verdict="reject", code="InvalidFile.FacePose", measured=measured)
    look = httpx.URL(f"{page.url}/api/screenings", params={"key": ref.key, "version": ref.version_id})
    (found,) = httpx.get(look).json()["screenings"]
    assert found["measured"] == measured


def test_pictures_are_shown_as_small_copies(page: PageServer, bench: Bench) -> None:
    ref = bench.put("emo/1x1/shown.jpg", image((3000, 2000)))
    answer = httpx.get(
        f"{page.url}/api/picture", params={"key": ref.key, "version": ref.version_id, "side": "small"}
    )
    assert answer.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(answer.content)) as copy:
        assert copy.size == (240, 160)


def test_pictures_that_cannot_be_shown_say_why(page: PageServer, bench: Bench) -> None:
    text = bench.put("emo/1x1/text.jpg", b"<script>alert(1)</script>")
    address = f"{page.url}/api/picture"
    assert httpx.get(address, params={"key": text.key}).status_code == 415
    assert httpx.get(address, params={"key": "emo/1x1/never.jpg"}).status_code == 404
    assert httpx.get(address, params={"key": text.key, "side": "huge"}).status_code == 400
    assert httpx.get(address).status_code == 400


def test_measurements_are_those_of_the_detectors(page: PageServer, bench: Bench) -> None:
    ref = bench.put("emo/1x1/grey.jpg", image((500, 500)))
    ask = {"key": ref.key, "version": ref.version_id, "model": "emo-detect-v1", "ratio": "1:1"}
    found = httpx.get(f"{page.url}/api/explanation", params=ask, timeout=60).json()
    assert found["size"] == [500, 500]
    assert found["checks"][-1]["code"] == "InvalidFile.NoHuman"
    other = httpx.get(f"{page.url}/api/explanation", params={**ask, "model": "somebody-elses"}).json()
    assert other == {"size": [500, 500], "marks": []}


def test_only_routes_that_a_new_key_can_reach_are_offered() -> None:
    emo, emoji = (EMO,), (Screening.of("emoji-detect-v1"),)
    routes = Routes(
        (Route("a/", emo, suffix=".PNG"), Route("a/", emoji), Route("a/page/", emo), Route("b/", emoji))
    )
    choices = offered(routes, "page/")
    assert [(choice.prefix, choice.suffix) for choice in choices] == [("a/", ".PNG"), ("a/", ""), ("b/", "")]
    for choice in choices:
        assert routes.screenings(choice.key("page/", "x.jpg")) == choice.screenings
    page = Page(s3=None, dynamodb=None, bucket="b", table="t", routes=routes)
    body = json.dumps({"name": "x.png", "type": "image/png", "choice": 1}).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/api/uploads",
        "HTTP_HOST": "localhost:80",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    with pytest.raises(_Refused, match="otherwise"):
        page._answer(environ)
