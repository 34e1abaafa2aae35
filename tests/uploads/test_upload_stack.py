"""The built upload function on the local stack: real forms, real uploads, real verdicts."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from uploads.upload_ground import Uploads

from screentest.demo import pictures

pytestmark = pytest.mark.stack


def call(uploads: Uploads, method: str, path: str, key: str | None = None, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.request(method, uploads.url + path, headers=headers, timeout=60, trust_env=False, **more)


def form(uploads: Uploads, prefix: str = "emo/1x1/") -> dict[str, Any]:
    answer = call(uploads, "POST", "/uploads", uploads.key, json={"prefix": prefix, "type": "image/jpeg"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def send(form: dict[str, Any], data: bytes, **fields: str) -> httpx.Response:
    return httpx.post(
        form["url"],
        data=form["fields"] | fields,
        files={"file": ("a.jpg", data)},
        timeout=60,
        trust_env=False,
    )


@pytest.mark.parametrize(
    ("picture", "verdict", "code"), [("waist_up", "pass", None), ("cat", "reject", "InvalidFile.NoHuman")]
)
def test_from_a_form_to_a_verdict(uploads: Uploads, picture: str, verdict: str, code: str | None) -> None:
    made = form(uploads)
    sent = send(made, pictures.data(picture))
    assert sent.status_code == 204
    answer = call(uploads, "GET", made["verdicts"])
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["verdict"], body["version_id"]) == (verdict, sent.headers["x-amz-version-id"])
    (screening,) = body["screenings"]
    assert screening.get("code") == code
    assert ("face_bbox" in screening) is (verdict == "pass")
    assert ("measured" in screening) is (verdict == "reject")
    # The same with the key, as a server of one's own would ask.
    assert call(uploads, "GET", f"/verdicts?key={made['key']}&wait=0", uploads.key).json() == body


def test_a_form_is_good_for_nothing_else(uploads: Uploads) -> None:
    made = form(uploads)
    assert send(made, b"x", key="emo/1x1/another.jpg").status_code == 403
    assert send(made, b"x", **{"Content-Type": "text/html"}).status_code == 403
    assert send(made, b"x", tagging="<Tagging/>").status_code == 403
    assert send(made, b"").status_code == 400
    assert send(form(uploads, "emoji/"), b"x" * (10 * 1024 * 1024 + 1)).status_code == 400
    assert call(uploads, "GET", made["verdicts"] + "&wait=0").status_code == 404


def test_pages_of_the_named_origin_may_read_whatever_is_answered_and_no_others(uploads: Uploads) -> None:
    ask = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    for origin, allowed in ((uploads.page, uploads.page), (uploads.elsewhere, None)):
        answers = [
            httpx.options(f"{uploads.url}/uploads", headers=ask | {"origin": origin}, trust_env=False),
            httpx.post(f"{uploads.url}/uploads", headers={"origin": origin}, timeout=60, trust_env=False),
        ]
        assert answers[1].status_code == 401
        assert [a.headers.get("access-control-allow-origin") for a in answers] == [allowed, allowed]


def test_nobody_without_the_key(uploads: Uploads) -> None:
    body = {"prefix": "emo/1x1/", "type": "image/jpeg"}
    for key in (None, uploads.key + "x"):
        assert call(uploads, "POST", "/uploads", key, json=body).status_code == 401
        assert call(uploads, "GET", "/verdicts?key=emo/1x1/a.jpg", key).status_code == 401


def test_nothing_secret_is_logged(uploads: Uploads) -> None:
    made = form(uploads)
    call(uploads, "GET", made["verdicts"] + "&wait=0")
    lines = "\n".join(uploads.stack.logs(uploads.stack.deployment.resources["UploadFunction"]))
    assert '"path":"/verdicts"' in lines
    token = made["verdicts"].rpartition("token=")[2]
    for secret in (uploads.key, token, made["fields"]["policy"], made["fields"]["x-amz-signature"]):
        assert secret not in lines
