"""`screentest serve --profile`: a real server offers detectors of one's own beside the built-in ones."""

from __future__ import annotations

import httpx
import pytest
from api.api_doubles import ImageHost, order
from api.serve_process import serve_process
from typer.testing import CliRunner

from screentest.cli import app
from screentest.demo import pictures
from screentest.detection.models import FACE_DETECT


def test_profiles_are_served_beside_the_built_in_detectors(image_host: ImageHost) -> None:
    calm = image_host.serve("/calm.jpg", pictures.data("calm_face"))
    with serve_process("--allow-private-urls", "--profile", "hallo", "--profile", "tavus-image") as server:

        def judged(model: str) -> dict[str, object]:
            answer = httpx.post(server.url + FACE_DETECT, json=order(model, url=calm), timeout=60)
            assert answer.status_code == 200
            output: dict[str, object] = answer.json()["output"]
            return output

        assert set(judged("hallo")) == {"check_pass", "humanoid", "face_bbox", "ext_bbox"}
        assert judged("tavus-image")["code"] == "InvalidFile.FullBody"
        assert judged("emo-detect-v1")["check_pass"] is True
        request = httpx.get(server.url + "/openapi.json").json()["paths"][FACE_DETECT]["post"]["requestBody"]
        assert "tavus-image" in str(request)
        unknown = httpx.post(server.url + FACE_DETECT, json=order("sadtalker", url=calm))
        assert (unknown.status_code, unknown.json()["code"]) == (404, "ModelNotFound")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--profile", "none.toml"], "error: none.toml: cannot be read"),
        (["--profile", "hallo", "--profile", "hallo"], "hallo is the name of another detector"),
        (["--profile", "hallo", "--alias", "x=sadtalker"], "write NAME=MODEL"),
    ],
)
def test_a_server_does_not_start_with_a_profile_that_it_cannot_use(options: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["serve", *options])
    assert result.exit_code == 2
    assert says in result.output
