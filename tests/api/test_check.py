"""`screentest check`: lines, exit statuses, files nobody can read, remote servers."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
import httpx
import pytest
import yaml
from api.api_doubles import FakeDetect, FakeFetcher, ImageHost, jpeg, passed, rejected
from PIL import Image
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from screentest import networks
from screentest.checking.judge import THROTTLED_WAITS, Judge, Judgement
from screentest.checking.output import TextOutput
from screentest.checking.run import run
from screentest.checking.settings import CheckError, CheckSettings, detector_key
from screentest.checking.sources import expand
from screentest.checking.words import reason
from screentest.cli import app
from screentest.demo import pictures
from screentest.detection import Answer, Code, ModelSpec, UnreadablePicture, models
from screentest.detection.answer import Check, Explanation
from screentest.detection.api import DetectionApi
from screentest.detection.api.errors import Cause
from screentest.detection.api.wsgi import application
from screentest.detection.pictures import MAX_FILE_BYTES
from screentest.detection.vision.runtime import WEIGHTS
from screentest.screening.models import Verdict
from screentest.screening.reasons import LANGUAGES, explain
from screentest.stack import REPOSITORY

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux has limits to decode under"
)


def settings(*paths: str, model: str = "emo-detect-v1", **options: Any) -> CheckSettings:
    return CheckSettings(paths=list(paths), asked=model, **{"json_lines": True, "workers": 2} | options)


def by_content(data: bytes, model: ModelSpec, ratio: str) -> Answer:
    """Files say themselves what they are."""
    if data.startswith(b"pass"):
        return passed(model, ratio)
    if data.startswith(b"reject"):
        return rejected(model)
    raise UnreadablePicture("not a JPEG, PNG, BMP or WebP picture")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, data in {
        "album/a.jpg": b"pass",
        "album/b.PNG": b"reject",
        "album/sub/c.webp": b"pass",
        "album/broken.jpeg": b"rubbish",
        "album/empty.bmp": b"",
        "album/notes.txt": b"hello",
        "album/unnamed": jpeg(8, 8),
        "album/.hidden.jpg": b"pass",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path


def checked(given: CheckSettings, **options: Any) -> tuple[int, list[dict[str, Any]], str]:
    out, err = io.StringIO(), io.StringIO()
    options.setdefault("detect", by_content)
    status = run(given, judge=Judge(given, **options), stdout=out, stderr=err)
    return status, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


class TestJson:
    def test_a_line_a_picture_in_order(self, folder: Path) -> None:
        status, lines, err = checked(settings("album", "./album/a.jpg", "album//a.jpg"))
        assert [(line["file"], line["verdict"], line["status"]) for line in lines] == [
            ("album/a.jpg", "pass", 200),
            ("album/b.PNG", "reject", 200),
            ("album/broken.jpeg", "reject", 400),
            ("album/empty.bmp", "reject", 400),
            ("album/sub/c.webp", "pass", 200),
            ("album/unnamed", "reject", 400),
            ("./album/a.jpg", "pass", 200),
            ("album//a.jpg", "pass", 200),
        ]
        assert status == 1
        assert err == ""

    def test_fields(self, folder: Path) -> None:
        _, (line,), _ = checked(settings("album/a.jpg"))
        assert list(line) == ["file", "model", "ratio", "verdict", "status", "response"]
        assert line["model"] == "emo-detect-v1"
        assert line["ratio"] == "1:1"
        assert line["response"]["output"] == passed().output()
        assert line["response"]["usage"] == {"image_count": 1}
        assert line["response"]["request_id"]

    @pytest.mark.parametrize("model", models.BUILT_IN, ids=str)
    def test_names_for_people_stand_for_those_of_the_api(self, folder: Path, model: ModelSpec) -> None:
        _, (line,), _ = checked(settings("album/a.jpg", model=model.short))
        assert line["model"] == model.name

    @pytest.mark.parametrize(
        ("model", "ratio", "shown"),
        [
            ("emo-detect-v1", "3:4", "3:4"),
            ("emoji-detect-v1", None, "1:1"),
            ("animate-anyone-detect-gen2", None, None),
            ("animate-anyone-detect-gen2", "3:4", None),
            ("liveportrait-detect", "3:4", None),
            ("wan2.2-s2v-detect", None, None),
        ],
    )
    def test_ratio(self, folder: Path, model: str, ratio: str | None, shown: str | None) -> None:
        detect = FakeDetect()
        _, (line,), _ = checked(settings("album/a.jpg", model=model, ratio=ratio), detect=detect)
        assert line["ratio"] == shown
        _, asked, framing = detect.calls[0]
        assert (asked.name, framing) == (model, shown or "1:1")

    def test_all_pass(self, folder: Path) -> None:
        assert checked(settings("album/a.jpg", "album/sub"))[0] == 0

    def test_a_file_that_cannot_be_read(self, folder: Path) -> None:
        os.mkfifo("pipe.jpg")
        Path("loop").symlink_to("loop")
        paths = ["absent.jpg", "pipe.jpg", "loop", "nul\0.jpg", "album/a.jpg"]
        status, lines, err = checked(settings(*paths))
        assert status == 2
        assert [line["file"] for line in lines] == paths
        for line in lines[:-1]:
            assert (line["verdict"], line["status"], line["response"]) == ("error", 0, None)
        assert lines[-1]["verdict"] == "pass"
        assert "absent.jpg: cannot be read: No such file" in err

    def test_names_in_no_encoding(self, folder: Path) -> None:
        name = os.fsdecode(b"album/\xff\xfe.jpg")
        try:
            Path(name).write_bytes(b"pass")
        except OSError:
            pytest.skip("this file system takes no such names")
        _, lines, _ = checked(settings("album"))
        assert name in [line["file"] for line in lines]

    def test_nothing_found(self, tmp_path: Path) -> None:
        status, lines, err = checked(settings(str(tmp_path)))
        assert (status, lines) == (2, [])
        assert "no pictures" in err

    def test_a_picture_of_more_bytes_than_the_server_takes(self, tmp_path: Path) -> None:
        path = tmp_path / "large.jpg"
        with path.open("wb") as file:
            file.write(b"pass")
            file.truncate(MAX_FILE_BYTES + 10)
        status, (line,), _ = checked(settings(str(path)))
        assert (status, line["verdict"], line["response"]["code"]) == (1, "reject", "InvalidFile.Size")

    def test_a_defect_is_an_error(self, folder: Path) -> None:
        status, (line,), _ = checked(settings("album/a.jpg"), detect=FakeDetect(RuntimeError("tensor")))
        assert (status, line["verdict"], line["status"]) == (2, "error", 500)
        assert line["response"]["code"] == "InternalError.Algo"

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"model": "emo-detect-v9"}, "emo, emoji, animate-anyone"),
            ({"ratio": "2:1"}, "1:1 or 3:4"),
            ({"model": "emoji", "ratio": "3:4"}, "--ratio is 1:1"),
            ({"model": "liveportrait", "ratio": "7:7"}, "1:1 or 3:4"),
        ],
    )
    def test_choices_are_checked_before_any_picture(self, options: dict[str, str], words: str) -> None:
        with pytest.raises(CheckError, match=words):
            settings("album/a.jpg", **options)

    @pytest.mark.parametrize(
        ("short", "full"),
        [
            ("emo", "emo-detect-v1"),
            ("emoji", "emoji-detect-v1"),
            ("animate-anyone", "animate-anyone-detect-gen2"),
            ("liveportrait", "liveportrait-detect"),
            ("wan2.2-s2v", "wan2.2-s2v-detect"),
        ],
    )
    def test_short_names(self, short: str, full: str) -> None:
        assert settings("a.jpg", model=short).model == full

    def test_a_server_may_have_models_of_its_own(self) -> None:
        given = settings("https://p.example/a.jpg", model="emo-private", detector="https://d.example")
        assert given.model == "emo-private"

    def test_explanations_are_in_the_response_where_asked_for(self, folder: Path, tmp_path: Path) -> None:
        _, (line,), _ = checked(settings("album/a.jpg", explain=True))
        assert line["response"]["output"]["explain"]["measurements"] == {"yaw": 1.5}
        _, (line,), _ = checked(settings("album/a.jpg", report=tmp_path / "report"))
        assert "explain" not in line["response"]["output"]

    def test_a_folder_that_contains_itself(self, folder: Path) -> None:
        Path("album/again").symlink_to(folder / "album")
        assert len(list(expand(["album"]))) == 6


class TestUrls:
    @pytest.mark.parametrize(
        ("status", "words"),
        [(404, "nothing at this address"), (403, "does not let us read"), (503, "answered with an error")],
    )
    def test_each_answer_of_the_host_has_its_sentence(
        self, image_host: ImageHost, status: int, words: str
    ) -> None:
        url = image_host.serve("/a.jpg", jpeg(), status=status)
        assert words in said(settings(url, allow_private_urls=True, json_lines=False))

    def test_a_page_is_no_picture(self, image_host: ImageHost) -> None:
        url = image_host.serve("/a.html", b"<!doctype html><title>gallery</title>")
        assert "not that of a page" in said(settings(url, allow_private_urls=True, json_lines=False))

    @pytest.mark.parametrize(
        ("url", "allowed", "words"),
        [
            ("http://no-such-host.invalid/a.jpg", False, "no host of this name"),
            ("http://127.0.0.1:9/a.jpg", True, "can be fetched"),
            ("http://127.0.0.1:1029/a.jpg", False, "private address"),
            ("http://127.0.0.1:1029/a.jpg", True, "refused the connection"),
        ],
    )
    def test_each_cause_has_its_sentence(self, url: str, allowed: bool, words: str) -> None:
        text = said(settings(url, allow_private_urls=allowed, json_lines=False))
        assert words in text
        assert "redrive" not in text
        assert "JPEG" not in text

    def test_every_cause_has_words_in_every_language(self) -> None:
        for cause in Cause:
            seen = {reason("error", str(cause), "emo-detect-v1", lang, ratio=None) for lang in LANGUAGES}
            assert len(seen) == len(LANGUAGES), cause

    def test_every_error_has_words_for_this_command(self) -> None:
        for code in (
            "InvalidApiKey",
            "Arrearage",
            "ModelNotFound",
            "InternalError.Algo",
            "NotJSON",
            "Throttling",
        ):
            words = reason("error", code, "emo-detect-v1", "en", ratio=None)
            assert "redrive" not in words.advice
            assert words != explain("Unknown", "emo-detect-v1")

    def test_fetched_as_the_server_would(self, image_host: ImageHost) -> None:
        url = image_host.serve("/a.jpg", jpeg())
        status, (line,), _ = checked(settings(url), detect=FakeDetect())
        assert (status, line["file"], line["response"]["code"]) == (2, url, "InvalidURL")
        assert image_host.seen == []
        status, (line,), _ = checked(settings(url, allow_private_urls=True), detect=FakeDetect())
        assert (status, line["verdict"]) == (0, "pass")

    def test_an_address_of_a_handed_file_is_nobody_elses(self, folder: Path) -> None:
        status, (line,), _ = checked(settings("http://handed:1/"), detect=FakeDetect())
        assert (status, line["verdict"]) == (2, "error")


def said(given: CheckSettings) -> str:
    out = io.StringIO()
    run(given, judge=Judge(given, detect=by_content), stdout=out, stderr=io.StringIO())
    return " ".join(out.getvalue().split())


class TestOtherSources:
    def test_standard_input(self, command: Callable[..., Any]) -> None:
        result = CliRunner().invoke(app, ["check", "-", "--model", "emo", "--json"], input=jpeg())
        line = json.loads(result.stdout)
        assert (line["file"], line["verdict"], result.exit_code) == ("-", "reject", 1)

    def test_an_object(self, moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {
            "AWS_ENDPOINT_URL": moto,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3", endpoint_url=moto)
        s3.create_bucket(Bucket="checked")
        s3.put_object(Bucket="checked", Key="a b/é.jpg", Body=b"pass")
        _, lines, err = checked(
            settings("s3://checked/a b/é.jpg", "s3://checked/none.jpg", "s3://checked/a b/")
        )
        assert [(line["file"], line["verdict"]) for line in lines] == [
            ("s3://checked/a b/é.jpg", "pass"),
            ("s3://checked/none.jpg", "error"),
            ("s3://checked/a b/", "error"),
        ]
        assert "NoSuchKey" in err
        assert "name one object" in err


class TestRemote:
    URL = "https://pictures.example/a.jpg"

    def remote(self, api: DetectionApi) -> httpx.BaseTransport:
        return httpx.WSGITransport(application(api))

    def test_a_server_that_speaks_the_api(self) -> None:
        api = DetectionApi(FakeDetect(), FakeFetcher(), api_key="sk-1")
        given = settings(self.URL, detector="http://detector.example/", api_key="sk-1")
        status, (line,), _ = checked(given, transport=self.remote(api))
        assert (status, line["file"], line["verdict"], line["status"]) == (0, self.URL, "pass", 200)
        assert line["response"]["output"] == passed().output()

    @pytest.mark.parametrize(
        ("environ", "key"),
        [
            ({"DASHSCOPE_API_KEY": "sk-d"}, "sk-d"),
            ({"DASHSCOPE_API_KEY": "sk-d", "SCREENTEST_API_KEY": "sk-s"}, "sk-s"),
            ({"DASHSCOPE_API_KEY": "sk-d", "SCREENTEST_API_KEY": ""}, "sk-d"),
        ],
    )
    def test_its_key(self, environ: dict[str, str], key: str) -> None:
        given = settings(self.URL, detector="http://detector.example", api_key=detector_key(environ))
        seen: list[str] = []

        def handler(request: httpx.Request) -> httpx.Response:
            seen.append(request.headers["authorization"])
            return httpx.Response(401, json={"code": "InvalidApiKey", "message": "Invalid API-key provided."})

        status, (line,), _ = checked(given, transport=httpx.MockTransport(handler))
        assert (status, line["verdict"], line["status"]) == (2, "error", 401)
        assert set(seen) == {f"Bearer {key}"}
        assert key not in repr(given)

    def test_rejections_as_400(self) -> None:
        api = DetectionApi(FakeDetect(rejected()), FakeFetcher(), verdict_status=400)
        status, (line,), _ = checked(
            settings(self.URL, detector="http://detector.example"), transport=self.remote(api)
        )
        assert (status, line["verdict"], line["status"]) == (1, "reject", 400)

    @pytest.mark.parametrize(
        "explain",
        [
            ["head turned"],
            "head turned",
            {"checks": [{"failed": True}]},
            {"checks": {"failed": True}},
            {"checks": [{"rule": "r", "value": 1, "limit": "...", "unit": "", "failed": True}]},
            {"checks": [{"rule": "r", "value": "1", "limit": "at most 1", "unit": "", "failed": True}]},
        ],
        ids=str,
    )
    def test_whatever_a_server_says_that_it_measured_the_verdict_stands(
        self, explain: Any, tmp_path: Path
    ) -> None:
        output = {"check_pass": False, "code": "InvalidFile.FacePose", "message": "m", "explain": explain}
        answer = httpx.MockTransport(lambda _: httpx.Response(200, json={"output": output}))
        out = io.StringIO()
        given = settings(
            self.URL, detector="http://d.example", json_lines=False, explain=True, report=tmp_path / "report"
        )
        assert run(given, judge=Judge(given, transport=answer), stdout=out, stderr=io.StringIO()) == 1
        assert "head is turned" in out.getvalue()

    def test_what_a_server_measured_is_said_and_stays_in_its_answer(self, tmp_path: Path) -> None:
        check = {
            "rule": "head turned",
            "value": 41.2,
            "limit": "at most 38",
            "unit": "degrees",
            "failed": True,
        }
        output = {"check_pass": False, "code": "InvalidFile.FacePose", "explain": {"checks": [check]}}
        body = json.dumps({"output": output}).encode()
        answer = httpx.MockTransport(lambda _: httpx.Response(200, stream=httpx.ByteStream(body)))
        given = settings(self.URL, detector="http://d.example", junit=tmp_path / "junit.xml")
        _, (line,), _ = checked(given, transport=answer)
        assert line["response"] == {"output": output}, "the body to the letter"
        assert "turned 41°, at most 38°" in (tmp_path / "junit.xml").read_text()

    def test_nobody_there(self) -> None:
        def dead(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused")

        given = settings(self.URL, detector="http://detector.example")
        status, (line,), err = checked(given, transport=httpx.MockTransport(dead))
        assert (status, line["verdict"], line["status"], line["response"]) == (2, "error", 0, None)
        assert "no connection" in err

    def test_not_this_api(self) -> None:
        given = settings(self.URL, detector="http://detector.example")
        page = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
        status, (line,), _ = checked(given, transport=page)
        assert (status, line["verdict"], line["status"], line["response"]) == (2, "error", 200, None)

    @pytest.mark.parametrize("headers", [{}, {"content-encoding": "gzip"}])
    def test_an_answer_without_end_is_read_as_far_as_the_pipeline_reads_it(
        self, headers: dict[str, str]
    ) -> None:
        taken = 0

        class Endless(httpx.SyncByteStream):
            def __iter__(self) -> Iterator[bytes]:
                nonlocal taken
                while True:
                    taken += 65_536
                    yield gzip.compress(b" " * 65_536) if headers else b" " * 65_536

        given = settings(self.URL, detector="http://detector.example")
        answer = httpx.MockTransport(lambda _: httpx.Response(200, stream=Endless(), headers=headers))
        status, (line,), _ = checked(given, transport=answer)
        assert (status, line["verdict"], line["response"]) == (2, "error", None)
        assert taken <= 2 << 20

    def test_a_throttling_server_is_asked_again(self) -> None:
        answers = iter([429, 429, 200])
        waits: list[float] = []

        def handler(request: httpx.Request) -> httpx.Response:
            if next(answers) == 429:
                return httpx.Response(
                    429, json={"code": "Throttling", "message": "x"}, headers={"retry-after": "3"}
                )
            return httpx.Response(200, json={"output": passed().output(), "request_id": "1"})

        given = settings(self.URL, detector="http://detector.example")
        status, _, _ = checked(given, transport=httpx.MockTransport(handler), sleep=waits.append)
        assert status == 0
        assert waits == [3.0, 3.0]

    def test_one_that_throttles_and_then_is_gone_has_given_no_answer(self) -> None:
        answers = iter([httpx.Response(429, stream=httpx.ByteStream(b'{"code": "Throttling"}'))])

        def handler(request: httpx.Request) -> httpx.Response:
            try:
                return next(answers)
            except StopIteration:
                raise httpx.ConnectError("refused") from None

        given = settings(self.URL, detector="http://detector.example")
        status, (line,), _ = checked(given, transport=httpx.MockTransport(handler), sleep=lambda _: None)
        assert (status, line["verdict"], line["status"], line["response"]) == (2, "error", 0, None)

    def test_one_that_always_throttles(self) -> None:
        waits: list[float] = []
        page = httpx.MockTransport(lambda _: httpx.Response(429, json={"code": "Throttling", "message": "x"}))
        given = settings(self.URL, detector="http://detector.example")
        status, (line,), _ = checked(given, transport=page, sleep=waits.append)
        assert (status, line["verdict"], line["status"]) == (2, "error", 429)
        assert waits == list(THROTTLED_WAITS)

    @pytest.mark.parametrize("path", ["a.jpg", "/", "ftp://x.example/a.jpg"])
    def test_a_local_file_cannot_be_fetched_from_there(self, path: str) -> None:
        with pytest.raises(CheckError, match="local file"):
            settings(self.URL, path, detector="http://detector.example")

    @pytest.mark.parametrize(("path", "kind"), [("-", "standard input"), ("s3://b/a.jpg", "object in S3")])
    def test_nor_what_else_is_no_url(self, path: str, kind: str) -> None:
        with pytest.raises(CheckError, match=kind):
            settings(self.URL, path, detector="http://detector.example")

    @pytest.mark.parametrize(
        "detector", ["detector.example", "ftp://x.example", "http://sk-1@x.example", "http://"]
    )
    def test_no_address(self, detector: str) -> None:
        with pytest.raises(CheckError, match="--detector"):
            settings(self.URL, detector=detector)


class TestText:
    def shown(self, given: CheckSettings, detect: Any = by_content) -> str:
        out = io.StringIO()
        run(given, judge=Judge(given, detect=detect), stdout=out, stderr=io.StringIO())
        return out.getvalue()

    def test_verdicts_and_what_to_do(self, folder: Path) -> None:
        text = self.shown(settings("album/a.jpg", "album/b.PNG", "absent.jpg", json_lines=False))
        assert "pass   album/a.jpg\n" in text
        assert "reject album/b.PNG  InvalidFile.FacePose\n" in text
        assert re.search(r"\n       face [\d ]+, extended [\d ]+\n", text)
        assert "Look straight" in text
        assert "cannot be read" in text
        assert "3 pictures: 1 pass, 1 reject, 1 error" in text
        assert text.count("Look straight") == 1

    def test_no_explanation_where_nothing_was_measured(self, folder: Path) -> None:
        text = self.shown(settings("album/broken.jpeg", json_lines=False, explain=True))
        assert "Nothing was measured" in text

    def test_a_pass_without_boxes_is_one_line(self, folder: Path) -> None:
        text = self.shown(settings("album/a.jpg", model="liveportrait-detect", json_lines=False))
        assert text == "pass   album/a.jpg\n1 picture: 1 pass\n"

    def test_a_profile_s_own_words_are_the_advice(self, folder: Path) -> None:
        Path("mine.toml").write_text(
            'name = "mine"\nanswers = "emo"\nframing = "any"\nextended_box = { scale = 2 }\n'
            '[[rules]]\nrule = "nobody"\n[[rules]]\nrule = "head turned"\nmessage = "Look at me."\n'
        )
        given = CheckSettings(paths=["album/b.PNG"], asked=None, profiles=["mine.toml"])
        assert "1 × The head is turned or tilted too far" in self.shown(given)
        assert "\n       Look at me.\n" in self.shown(given)
        assert "Look straight" not in self.shown(given)

    def test_every_measurement_beside_its_threshold(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "60")
        checks = (
            Check("resolution", 886.0, "400 to 7000", "pixels", Code.RESOLUTION, False),
            Check("several people", None, "at most 1", "persons", Code.MULTI_HUMAN, False),
            Check("head turned", 41.23, "at most 38", "degrees", Code.FACE_POSE, True),
        )
        explained = rejected()
        explained = Answer(
            **{name: getattr(explained, name) for name in Answer.__slots__ if name != "explanation"},
            explanation=Explanation(checks, "head turned"),
        )
        text = self.shown(settings("album/b.PNG", json_lines=False, explain=True), FakeDetect(explained))
        assert max(map(len, text.splitlines())) <= 60
        assert "Turned 41°, at most 38°\n" in text
        rows = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
        assert ["resolution", "886 pixels", "400 to 7000"] in rows
        assert ["several people", "-", "at most 1"] in rows
        assert ["decides", "head turned", "41.23°", "at most 38"] in rows

    def test_a_name_cannot_steer_the_terminal(self, folder: Path) -> None:
        Path("album/\x1b[31m[bold].jpg").write_bytes(b"pass")
        text = self.shown(settings("album/\x1b[31m[bold].jpg", json_lines=False))
        assert "\x1b" not in text
        assert "[31m[bold].jpg" in text


@pytest.mark.parametrize("lang", [None, "zh", "ja"])
def test_the_language_of_reasons_fits_the_terminal(tmp_path: Path, lang: str | None) -> None:
    (tmp_path / "text.jpg").write_bytes(b"no picture")
    out = io.StringIO()
    shown = TextOutput(settings(str(tmp_path), json_lines=False, lang=lang), Console(file=out), io.StringIO())
    shown.judgement(Judgement(str(tmp_path / "text.jpg"), Verdict.REJECT, 200, None, code="InvalidURL"))
    shown.summary({"pass": 0, "reject": 1, "error": 0})
    assert explain("InvalidURL", "emo-detect-v1", lang or "en").sentence in out.getvalue()
    assert all(cell_len(line) <= 80 for line in out.getvalue().splitlines() if str(tmp_path) not in line)


def test_report(folder: Path, tmp_path: Path) -> None:
    Path("album/real.jpg").write_bytes(jpeg())
    there = tmp_path / "report"
    signed = "https://127.0.0.1/x.jpg?X-Amz-Signature=5ec2e7"
    given = settings("album/real.jpg", "album/broken.jpeg", signed, report=there)
    assert checked(given, detect=FakeDetect())[0] == 2
    assert [path.name for path in (there / "pictures").iterdir()] == ["0001-real.jpg"]
    sheet = (there / "index.html").read_text()
    assert "album/real.jpg" in sheet
    assert "album/broken.jpeg" in sheet
    assert "5ec2e7" not in sheet


def test_a_report_has_no_pictures_of_an_earlier_one(folder: Path, tmp_path: Path) -> None:
    Path("album/real.jpg").write_bytes(jpeg())
    there = tmp_path / "report"
    checked(settings("album/real.jpg", "album/real.jpg", report=there), detect=FakeDetect())
    (there / "pictures" / "mine.jpg").write_bytes(b"")
    checked(settings("album/real.jpg", report=there), detect=FakeDetect())
    assert {path.name for path in (there / "pictures").iterdir()} == {"0001-real.jpg", "mine.jpg"}


@pytest.mark.parametrize("where", ["file/report", "/proc/report"])
def test_a_report_that_cannot_be_written_is_one_line(
    folder: Path, command: Callable[..., Any], where: str
) -> None:
    Path("file").write_bytes(b"")
    result = command("album/a.jpg", "--model", "emo", "--report", where)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert f"the report cannot be written to {where}" in result.stderr


def test_the_weights_that_are_looked_for_are_those_that_are_read() -> None:
    assert set(networks.FILES) == {path.name for path in WEIGHTS.iterdir()}


def test_missing_weights_are_said_before_any_picture(
    folder: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for file in networks.FILES[:-1]:
        (tmp_path / file).write_bytes(b"")
    monkeypatch.setattr(networks, "WEIGHTS", tmp_path)
    result = command("album/a.jpg", "--model", "emo")
    assert result.exit_code == 2
    assert "pose_landmark_points.tflite are missing" in result.stderr
    assert "make weights" in result.stderr


def test_pictures_in_memory_are_bounded(tmp_path: Path) -> None:
    """However many there are, a few per worker are ahead of the one that is shown."""
    for number in range(200):
        (tmp_path / f"{number:03}.jpg").write_bytes(b"pass")
    lock, started, shown, ahead = threading.Lock(), 0, 0, 0

    def detect(data: bytes, model: ModelSpec, ratio: str) -> Answer:
        nonlocal started, ahead
        with lock:
            started += 1
            ahead = max(ahead, started - shown)
        return passed(model, ratio)

    class Counting(io.StringIO):
        def write(self, text: str) -> int:
            nonlocal shown
            with lock:
                shown += 1
            return len(text)

    given = settings(str(tmp_path), workers=2)
    assert run(given, judge=Judge(given, detect=detect), stdout=Counting(), stderr=io.StringIO()) == 0
    assert started == shown == 200
    assert ahead <= 2 * 4 + 2


@pytest.fixture
def command() -> Callable[..., Any]:
    runner = CliRunner()
    return lambda *options: runner.invoke(app, ["check", *options])


def test_the_command_with_real_detectors(command: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "grey.jpg"
    path.write_bytes(jpeg())
    for model in models.BUILT_IN:
        result = command(str(path), "--model", model, "--json")
        assert result.exit_code == 1, result.output
        (line,) = map(json.loads, result.stdout.splitlines())
        assert (line["verdict"], line["status"]) == ("reject", 200)


@linux
def test_decoding_under_a_limit(command: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n and so on")
    grey = Image.linear_gradient("L").resize((4000, 4000))
    Image.merge("LA", [grey, grey]).save(tmp_path / "c.png", compress_level=1)
    lines = {}
    for limit in (None, "768", "64"):
        options = [] if limit is None else ["--decode-limit", limit]
        result = command(str(tmp_path), "--model", "emo-detect-v1", "--json", *options)
        assert result.exit_code == 1, result.output
        lines[limit] = [json.loads(line) for line in result.stdout.splitlines()]
        for line in lines[limit]:
            del line["response"]["request_id"]
    assert lines[None] == lines["768"]
    assert lines["64"][:2] == lines["768"][:2]
    codes = [line["response"].get("code") or line["response"]["output"]["code"] for line in lines["768"]]
    assert codes == ["InvalidFile.NoHuman", "InvalidURL", "InvalidFile.NoHuman"]
    assert (lines["64"][2]["verdict"], lines["64"][2]["response"]["code"]) == ("reject", "InvalidURL")


@linux
def test_a_decoder_that_does_not_start_is_an_error(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    result = command(str(tmp_path), "--model", "emo-detect-v1", "--json", "--decode-limit", "768")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["verdict"] == "error"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = command(str(tmp_path), "--model", "emo-detect-v1", "--decode-limit", "768")
    assert result.exit_code == 2
    assert "needs Linux" in result.stderr


@pytest.mark.parametrize("options", [{"report": "there"}, {"detector": "https://detector.example"}])
def test_what_does_not_go_with_a_decode_limit(options: dict[str, str]) -> None:
    with pytest.raises(CheckError, match=r"--decode-limit"):
        settings("https://pictures.example/a.jpg", decode_limit=768, **options)


def test_the_command_says_why_it_cannot(command: Callable[..., Any], tmp_path: Path) -> None:
    result = command(str(tmp_path), "--model", "emo-detect-v1", "--json", "--detector", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "local file" in result.stderr
    assert command(str(tmp_path)).exit_code == 2


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("screentest check --model wan", ["wan2.2-s2v", "wan2.2-s2v-detect"]),
        ("screentest check --ratio ", ["1:1", "3:4"]),
    ],
)
def test_the_shell_completes_choices(words: str, offered: list[str]) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "COMP_WORDS": words,
        "COMP_CWORD": "3",
        "_SCREENTEST_COMPLETE": "complete_bash",
    }
    script = Path(sys.executable).parent / "screentest"
    done = subprocess.run([script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == offered


class TestExports:
    def exported(self, *paths: str) -> tuple[int, ET.Element, dict[str, Any]]:
        given = settings(*paths, junit=Path("out/a.xml"), sarif=Path("out/a.sarif"))
        status, _, _ = checked(given)
        return status, ET.parse("out/a.xml").getroot(), json.loads(Path("out/a.sarif").read_text())

    def test_a_rejection_fails_and_an_error_breaks(self, folder: Path) -> None:
        status, root, log = self.exported("album/a.jpg", "album/b.PNG", "absent.jpg")
        assert status == 2
        (suite,) = root
        assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
            "tests": "3",
            "failures": "1",
            "errors": "1",
        }
        assert [(case.get("name"), [found.tag for found in case]) for case in suite] == [
            ("album/a.jpg", []),
            ("album/b.PNG", ["failure"]),
            ("absent.jpg", ["error"]),
        ]
        failure = suite[1][0]
        assert failure.get("type") == "InvalidFile.FacePose"
        assert "Look straight" in (failure.text or "")
        (run,) = log["runs"]
        assert log["version"] == "2.1.0"
        (result,) = run["results"]
        rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
        assert rule["id"] == result["ruleId"] == "InvalidFile.FacePose"
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "album/b.PNG"
        (invocation,) = run["invocations"]
        assert invocation["executionSuccessful"] is False
        assert len(invocation["toolExecutionNotifications"]) == 1

    def test_hostile_names_and_signed_urls(self, folder: Path) -> None:
        name = 'album/\x07 <&">\ufffe é.jpg'
        Path(name).write_bytes(b"reject")
        _, root, log = self.exported(name, "https://127.0.0.1/x.jpg?X-Amz-Signature=5ec2e7")
        assert root[0][0].get("name") == 'album/\ufffd <&">\ufffd é.jpg'
        place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
        assert unquote(place["artifactLocation"]["uri"]) == name
        for file in ("out/a.xml", "out/a.sarif"):
            assert "5ec2e7" not in Path(file).read_text()

    def test_a_file_that_cannot_be_written_is_one_line(
        self, folder: Path, command: Callable[..., Any]
    ) -> None:
        for where in ("album/a.jpg/x.xml", "album"):
            result = command("album/a.jpg", "--model", "emo", "--json", "--junit", where)
            assert result.exit_code == 2
            assert f"{where} cannot be written" in result.stderr
            assert result.stdout == "", "refused before any picture is judged"

    def test_nothing_is_left_of_files_that_were_not_finished(self, folder: Path) -> None:
        def interrupted(data: bytes, model: ModelSpec, ratio: str) -> Answer:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            checked(settings("album/a.jpg", junit=Path("out/a.xml")), detect=interrupted)
        assert not list(Path("out").iterdir())

    @pytest.mark.parametrize(
        ("allow", "picture", "status", "rejected"),
        [("false", "cat", 1, "true"), ("true", "cat", 0, "true"), ("false", "calm_face", 0, "false")],
    )
    def test_the_action_s_step(
        self, tmp_path: Path, allow: str, picture: str, status: int, rejected: str
    ) -> None:
        (tmp_path / "a b.jpg").write_bytes(pictures.data(picture))
        outputs = tmp_path / "outputs"
        action = yaml.safe_load((REPOSITORY / "action.yml").read_text())
        step = action["runs"]["steps"][-1]
        environment = {
            "PATH": os.environ["PATH"],
            "PATHS": "a b.jpg\n\n",
            "MODEL": action["inputs"]["model"]["default"],
            "RATIO": "",
            "ALLOW": allow,
            "OUTPUT": "report",
            "SCREENTEST": str(Path(sys.executable).parent / "screentest"),
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_ACTION_PATH": str(REPOSITORY),
        }
        assert set(step["env"]) <= set(environment)
        done = subprocess.run(
            ["bash", "-c", step["run"]],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert outputs.read_text() == f"rejected={rejected}\n"
        assert {path.name for path in (tmp_path / "report").iterdir()} == {
            "index.html",
            "pictures",
            "screentest.xml",
            "screentest.sarif",
        }


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_output_that_cannot_be_written_is_no_rejection(form: list[str], tmp_path: Path) -> None:
    picture = tmp_path / "portrait.jpg"
    picture.write_bytes(pictures.data("waist_up"))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "screentest", "check", picture, "--model", "emo", *form],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "error: the output cannot be written" in done.stderr


def test_a_defect_does_not_end_as_if_pictures_were_rejected(tmp_path: Path) -> None:
    broken = "from screentest.checking import run; run.run = None; from screentest.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", broken, "check", "a.jpg", "--model", "emo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" in done.stderr
