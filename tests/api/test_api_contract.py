"""The wire contract of the retired service, row by row."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from api.api_doubles import URL, Caller, FakeFetcher, body_of, order, passed, path_of, rejected
from hypothesis import given
from hypothesis import strategies as st

from screentest import detection
from screentest.detection import Code, ModelSpec, UnreadablePicture, models
from screentest.detection.api import Request
from screentest.detection.api.errors import url_timeout
from screentest.detection.api.service import MAX_BODY_BYTES
from screentest.detection.errors import (
    DecoderUnavailable,
    PictureTooLarge,
    UndecodablePicture,
    WeightsMissing,
)
from screentest.detection.models import AA_DETECT, FACE_DETECT

MakeApi = Callable[..., Caller]
MODELS = [model.name for model in models.BUILT_IN]


def failure(response: Any) -> tuple[int, str, str]:
    body = body_of(response)
    assert set(body) == {"code", "message", "request_id"}
    return response.status, body["code"], body["message"]


class TestVerdicts:
    def test_emo_pass(self, caller: Caller) -> None:
        body = body_of(caller.post(order(ratio="1:1")))
        assert body["output"] == {
            "check_pass": True,
            "humanoid": True,
            "face_bbox": [302, 286, 610, 593],
            "ext_bbox": [71, 9, 840, 778],
        }
        assert body["usage"] == {"image_count": 1}
        assert uuid.UUID(body["request_id"])

    def test_emoji_pass_has_no_check_pass_and_other_box_names(self, caller: Caller) -> None:
        body = body_of(caller.post(order("emoji-detect-v1", ratio="1:1")))
        assert set(body["output"]) == {"bbox_face", "ext_bbox_face"}

    def test_animate_anyone_pass_has_no_reason(self, caller: Caller) -> None:
        body = body_of(caller.post(order("animate-anyone-detect-gen2"), path=AA_DETECT))
        assert body["output"] == {"check_pass": True, "bodystyle": "full"}

    def test_emo_reject(self, make_api: MakeApi) -> None:
        response = make_api(rejected()).post(order(ratio="1:1"))
        body = body_of(response)
        assert response.status == 200
        assert body["output"] == {
            "check_pass": False,
            "humanoid": True,
            "code": "InvalidFile.FacePose",
            "message": "The pose of the detected face is invalid, please upload other image with the expected "
            "oriention.",
        }
        assert body["usage"] == {"image_count": 1}

    def test_emoji_reject(self, make_api: MakeApi) -> None:
        body = body_of(make_api(rejected(models.EMOJI)).post(order("emoji-detect-v1", ratio="1:1")))
        assert set(body["output"]) == {"code", "message"}

    def test_animate_anyone_reject(self, make_api: MakeApi) -> None:
        answer = rejected(models.ANIMATE_ANYONE, Code.CONTENT)
        body = body_of(make_api(answer).post(order("animate-anyone-detect-gen2"), path=AA_DETECT))
        assert body["output"] == {"check_pass": False, "reason": answer.message, "bodystyle": ""}

    @pytest.mark.parametrize(
        ("model", "code"), [(models.EMO, Code.FACE_POSE), (models.ANIMATE_ANYONE, Code.CONTENT)]
    )
    def test_verdict_status_400_has_the_code_at_the_top_and_bills_nothing(
        self, make_api: MakeApi, model: ModelSpec, code: Code
    ) -> None:
        answer = rejected(model, code)
        response = make_api(answer, verdict_status=400).post(order(model.name), path=model.paths[0])
        assert failure(response) == (400, str(code), answer.message)

    def test_liveportrait_has_a_message_and_no_code_whatever_the_status_asked_for(
        self, make_api: MakeApi
    ) -> None:
        good = make_api(passed(models.LIVEPORTRAIT)).post(order("liveportrait-detect"))
        assert body_of(good)["output"] == {"pass": True, "message": ""}
        for status in (200, 400):
            caller = make_api(rejected(models.LIVEPORTRAIT, Code.FULL_FACE), verdict_status=status)
            response = caller.post(order("liveportrait-detect"))
            assert response.status == 200
            assert body_of(response)["output"] == {"pass": False, "message": "No human face detected."}
            assert body_of(response)["usage"] == {"image_count": 1}

    def test_wan_s2v_has_no_boxes(self, make_api: MakeApi) -> None:
        good = make_api(passed(models.WAN_S2V)).post(order("wan2.2-s2v-detect"))
        assert body_of(good)["output"] == {"check_pass": True, "humanoid": True}
        bad = make_api(rejected(models.WAN_S2V)).post(order("wan2.2-s2v-detect"))
        message = models.WAN_S2V.messages[Code.FACE_POSE]
        assert body_of(bad)["output"] == {
            "check_pass": False,
            "humanoid": True,
            "code": "InvalidFile.FacePose",
            "message": message,
        }
        strict = make_api(rejected(models.WAN_S2V), verdict_status=400).post(order("wan2.2-s2v-detect"))
        assert failure(strict) == (400, "InvalidFile.FacePose", message)

    def test_verdict_status_400_leaves_a_pass_alone(self, make_api: MakeApi) -> None:
        assert make_api(verdict_status=400).post(order()).status == 200

    @pytest.mark.parametrize("model", MODELS)
    def test_beyond_every_limit_is_a_rejection_by_resolution(self, make_api: MakeApi, model: str) -> None:
        body = body_of(make_api(PictureTooLarge("20000 x 20000")).post(order(model), path=path_of(model)))
        text = json.dumps(body["output"])
        assert "The image resolution is invalid" in text
        assert body["output"].get("check_pass") is not True
        assert "bbox_face" not in body["output"]

    def test_explanation_only_where_asked_for(self, make_api: MakeApi) -> None:
        assert "explain" not in body_of(make_api().post(order()))["output"]
        explained = body_of(make_api(explain=True).post(order()))["output"]["explain"]
        assert explained["measurements"] == {"yaw": 1.5}


class TestPathsAndMethods:
    @pytest.mark.parametrize("slash", ["", "/"])
    @pytest.mark.parametrize("model", MODELS)
    def test_each_model_on_its_path(self, caller: Caller, model: str, slash: str) -> None:
        assert caller.post(order(model), path=path_of(model) + slash).status == 200

    def test_animate_anyone_on_the_path_of_an_old_copy(self, caller: Caller) -> None:
        assert caller.post(order("animate-anyone-detect-gen2"), path=FACE_DETECT).status == 200

    @pytest.mark.parametrize("model", [m for m in MODELS if m != "animate-anyone-detect-gen2"])
    def test_model_on_the_wrong_path(self, caller: Caller, model: str) -> None:
        response = caller.post(order(model), path=AA_DETECT)
        assert failure(response) == (400, "InvalidParameter", "url error, please check url!")
        assert not caller.fetcher.urls

    @pytest.mark.parametrize(
        "path", ["/", "", "/api/v1/services/aigc/image2video/face-detect//", "/face-detect"]
    )
    def test_unknown_path(self, caller: Caller, path: str) -> None:
        assert caller.post(order(), path=path).status == 404

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
    def test_other_methods(self, caller: Caller, method: str) -> None:
        response = caller.api.handle(Request(method, FACE_DETECT, {}))
        assert failure(response) == (
            400,
            "InvalidParameter",
            f"Request method '{method}' is not supported.",
        )
        assert response.header("allow") == "POST"

    def test_health_needs_no_key(self, make_api: MakeApi) -> None:
        api = make_api(api_key="sk-1").api
        response = api.handle(Request("GET", "/healthz", {}))
        assert response.status == 200
        assert body_of(response) == {
            "status": "ok",
            "version": detection.VERSION,
            "rules": detection.RULES_VERSION,
        }
        assert api.handle(Request("HEAD", "/healthz", {})).body == b""
        assert api.handle(Request("POST", "/healthz", {})).status == 400


class TestKeys:
    @pytest.mark.parametrize("header", ["Bearer sk-1", "bearer sk-1", "Bearer  sk-1 "])
    def test_right_key(self, make_api: MakeApi, header: str) -> None:
        assert make_api(api_key="sk-1").post(order(), headers={"authorization": header}).status == 200

    @pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic c2s6MQ=="])
    def test_missing(self, make_api: MakeApi, header: str | None) -> None:
        headers = {} if header is None else {"authorization": header}
        response = make_api(api_key="sk-1").post(order(), headers=headers)
        assert failure(response) == (401, "InvalidApiKey", "No API-key provided.")

    @pytest.mark.parametrize("key", ["sk-2", "sk-", "sk-11", "SK-1", "ключ", "sk-1,sk-1"])
    def test_wrong(self, make_api: MakeApi, key: str) -> None:
        response = make_api(api_key="sk-1").post(order(), headers={"authorization": f"Bearer {key}"})
        assert failure(response) == (401, "InvalidApiKey", "Invalid API-key provided.")

    def test_any_or_none_without_a_configured_key(self, caller: Caller) -> None:
        assert caller.post(order(), headers={"authorization": "Bearer whatever"}).status == 200
        assert caller.post(order()).status == 200

    def test_the_key_is_asked_for_before_the_body_is_read(self, make_api: MakeApi) -> None:
        caller = make_api(api_key="sk-1")
        assert caller.post(raw=b"{").status == 401
        assert caller.post(order("no-such-model")).status == 401

    def test_asynchronous_calls(self, caller: Caller) -> None:
        response = caller.post(order(), headers={"x-dashscope-async": "enable"})
        assert failure(response) == (
            403,
            "AccessDenied",
            "current user api does not support asynchronous calls",
        )
        assert caller.post(order(), headers={"x-dashscope-async": "disable"}).status == 200


INVALID = "Required body invalid, please check the request body format."


class TestBodies:
    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"{",
            b"[]",
            b'"text"',
            b"null",
            b"\xff\xfe",
            b"{'model': 1}",
            b"[" * 60_000,
            b'{"a":' * 12_000,
            b'{"model": ' + b"9" * 5_000 + b"}",
            b"\x00" * 64,
        ],
        ids=lambda raw: repr(raw[:8]),
    )
    def test_no_json_object(self, caller: Caller, raw: bytes) -> None:
        assert failure(caller.post(raw=raw)) == (400, "InvalidParameter", INVALID)

    @pytest.mark.parametrize(
        "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
    )
    def test_types_that_browsers_send_without_asking(self, caller: Caller, kind: str) -> None:
        assert failure(caller.post(order(), headers={"content-type": kind})) == (
            400,
            "InvalidParameter",
            INVALID,
        )

    @pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
    def test_types_of_json(self, caller: Caller, kind: str) -> None:
        assert caller.post(order(), headers={"content-type": kind}).status == 200

    def test_too_large(self, caller: Caller) -> None:
        body = json.dumps({**order(), "padding": "x" * MAX_BODY_BYTES}).encode()
        assert failure(caller.post(raw=body)) == (413, "BadRequest.TooLarge", "Payload Too Large.")

    def test_unknown_fields_and_headers_are_ignored(self, caller: Caller) -> None:
        body = {**order(ratio="1:1", seed=7), "resources": [], "x": None}
        body["input"]["video_url"] = 3
        headers = {"x-dashscope-datainspection": "enable", "x-dashscope-workspace": "ws", "x-new": "1"}
        assert caller.post(body, headers=headers).status == 200

    @pytest.mark.parametrize("model", [None, ""])
    def test_no_model(self, caller: Caller, model: str | None) -> None:
        expected = (400, "BadRequest.EmptyModel", 'Required parameter "model" missing from request.')
        assert failure(caller.post({**order(), "model": model})) == expected
        assert failure(caller.post({})) == expected

    @pytest.mark.parametrize("model", [1, True, [], {}])
    def test_model_of_another_type(self, caller: Caller, model: object) -> None:
        assert failure(caller.post({**order(), "model": model}))[:2] == (400, "InvalidParameter")

    @pytest.mark.parametrize("model", ["emo-v1-detect", "liveportrait", "EMO-detect-v1", "emo-detect-v1 "])
    def test_unknown_model(self, caller: Caller, model: str) -> None:
        assert failure(caller.post(order(model))) == (404, "ModelNotFound", "Model can not be found.")

    def test_alias_of_a_model(self, make_api: MakeApi) -> None:
        caller = make_api(aliases={"emo-detect-acme": models.EMO})
        assert caller.post(order("emo-detect-acme")).status == 200
        assert caller.detect.calls[0][1] is models.EMO

    def test_no_input(self, caller: Caller) -> None:
        expected = (400, "BadRequest.EmptyInput", "Required input parameter missing from request.")
        assert failure(caller.post({"model": "emo-detect-v1"})) == expected
        assert failure(caller.post({"model": "emo-detect-v1", "input": None})) == expected

    @pytest.mark.parametrize("given_input", [[], "x", 1, True])
    def test_input_that_is_no_object(self, caller: Caller, given_input: object) -> None:
        assert failure(caller.post({"model": "emo-detect-v1", "input": given_input})) == (
            400,
            "BadRequest.IllegalInput",
            "The input parameter requires json format.",
        )

    @pytest.mark.parametrize("url", [None, 1, ["http://x.example/"], {}])
    @pytest.mark.parametrize(
        ("model", "text"),
        [
            (
                "emo-detect-v1",
                "The request is missing required parameters or in a wrong format, please check the parameters that "
                "you send.",
            ),
            ("animate-anyone-detect-gen2", "Parameter required: image_url"),
        ],
    )
    def test_no_image_url(self, caller: Caller, model: str, text: str, url: object) -> None:
        expected = (400, "InvalidParameter", text)
        assert failure(caller.post(order(model, url), path=path_of(model))) == expected
        assert failure(caller.post({"model": model, "input": {}}, path=path_of(model))) == expected


class TestRatio:
    @pytest.mark.parametrize("parameters", [None, {}, {"ratio": None}, {"ratio": "1:1"}])
    @pytest.mark.parametrize("model", ["emo-detect-v1", "emoji-detect-v1"])
    def test_default(self, caller: Caller, model: str, parameters: object) -> None:
        assert caller.post({**order(model), "parameters": parameters}).status == 200
        assert caller.detect.calls[0][2] == "1:1"

    def test_absent_parameters(self, caller: Caller) -> None:
        assert caller.post({"model": "emo-detect-v1", "input": {"image_url": URL}}).status == 200

    def test_half_body(self, caller: Caller) -> None:
        caller.post(order(ratio="3:4"))
        assert caller.detect.calls[0][2] == "3:4"

    @pytest.mark.parametrize(
        ("model", "ratio"),
        [("emo-detect-v1", "16:9"), ("emo-detect-v1", ""), ("emo-detect-v1", 1), ("emoji-detect-v1", "3:4")],
    )
    def test_invalid(self, caller: Caller, model: str, ratio: object) -> None:
        assert failure(caller.post(order(model, ratio=ratio))) == (
            400,
            "InvalidParameter.Ratio",
            "The request parameter is invalid, please check the request parameter.",
        )
        assert not caller.fetcher.urls

    @pytest.mark.parametrize("model", [model for model in models.BUILT_IN if not model.takes_ratio], ids=str)
    def test_models_without_one_ignore_it(self, caller: Caller, model: ModelSpec) -> None:
        assert caller.post(order(model.name, ratio="16:9"), path=model.paths[0]).status == 200
        assert caller.detect.calls[0][2] == "1:1"

    @pytest.mark.parametrize("parameters", [[], "1:1", 1])
    def test_parameters_that_are_no_object(self, caller: Caller, parameters: object) -> None:
        response = caller.post({**order(), "parameters": parameters})
        assert failure(response)[:2] == (400, "InvalidParameter")


class TestPictures:
    @pytest.mark.parametrize(
        "url",
        [
            "",
            "portrait.jpg",
            "file:///etc/passwd",
            "oss://bucket/key.png",
            "ftp://pictures.example/a.jpg",
            "data:image/png;base64,AAAA",
            "//pictures.example/a.jpg",
            "http://",
            "http:///a.jpg",
            "https://user:secret@pictures.example/a.jpg",
            "https://pictures.example:22/a.jpg",
            "https://pictures.example:99999/a.jpg",
            "https://pictures.example:x/a.jpg",
            "https://pictures.example\\@127.0.0.1/a.jpg",
            "https://pictures.example/a b.jpg",
            "https://pictures.example/a\r\nX-Evil: 1",
            "https://[::1/a.jpg",
            "https://[fe80::1%25eth0]/a.jpg",
            "https://pictures.example/" + "a" * 9_000,
            "https://\ud800.example/a.jpg",
            "https://pictures.example/\ud800",
        ],
    )
    def test_urls_that_nobody_would_fetch(self, caller: Caller, url: str) -> None:
        status, code, _ = failure(caller.post(order(url=url)))
        assert (status, code) == (400, "InvalidURL")
        assert not caller.fetcher.urls

    def test_what_is_no_picture(self, make_api: MakeApi) -> None:
        caller = make_api(UnreadablePicture("not a JPEG, PNG, BMP or WebP picture"))
        assert failure(caller.post(order())) == (
            400,
            "InvalidURL",
            "The request URL is invalid, please check the request URL is available and the request image format is "
            "one of the following types: JPEG, JPG, PNG, BMP, and WEBP.",
        )

    @pytest.mark.parametrize(
        ("model", "extra", "status"),
        [
            ("emoji-detect-v1", 0, 200),
            ("emoji-detect-v1", 1, 400),
            ("liveportrait-detect", 0, 200),
            ("liveportrait-detect", 100_000, 400),
            ("emo-detect-v1", 1, 200),
            ("wan2.2-s2v-detect", 1, 200),
        ],
    )
    def test_emoji_and_liveportrait_take_ten_megabytes(
        self, make_api: MakeApi, model: str, extra: int, status: int
    ) -> None:
        caller = make_api(fetcher=FakeFetcher(bytes(10 * 1024 * 1024 + extra)))
        response = caller.post(order(model))
        assert response.status == status
        if status == 400:
            assert failure(response)[1:] == (
                "InvalidFile.Size",
                "Invalid file size, The image file size must be smaller than 10MB.",
            )

    def test_download_errors_are_passed_on(self, make_api: MakeApi) -> None:
        caller = make_api(fetcher=FakeFetcher(error=url_timeout("https://pictures.example")))
        assert failure(caller.post(order()))[1] == "InvalidURL.Timeout"

    def test_a_broken_detector(self, make_api: MakeApi) -> None:
        response = make_api(RuntimeError("tensor")).post(order())
        assert failure(response) == (500, "InternalError.Algo", "inference internal error.")

    def test_missing_weights_are_said_in_the_log(
        self, make_api: MakeApi, caplog: pytest.LogCaptureFixture
    ) -> None:
        response = make_api(WeightsMissing(Path("weights/face.tflite"))).post(order())
        assert failure(response)[:2] == (500, "InternalError")
        assert "make weights" in caplog.text
        assert "Traceback" not in caplog.text

    def test_a_picture_that_ends_the_decoder_is_no_picture(
        self, make_api: MakeApi, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        caller = make_api(UndecodablePicture("decoding takes more than 768 MB"))
        assert failure(caller.post(order()))[:2] == (400, "InvalidURL")
        assert "more than 768 MB" in caplog.text
        assert "X-Amz-Signature" not in caplog.text

    def test_a_decoder_that_does_not_start_is_no_verdict(
        self, make_api: MakeApi, caplog: pytest.LogCaptureFixture
    ) -> None:
        caller = make_api(DecoderUnavailable("the decoding process does not start"))
        assert failure(caller.post(order()))[:2] == (500, "InternalError")
        assert "does not start" in caplog.text
        assert "Traceback" not in caplog.text

    def test_a_defect_of_ours(self, make_api: MakeApi) -> None:
        response = make_api(fetcher=FakeFetcher(error=RuntimeError("oops"))).post(order())
        assert failure(response) == (
            500,
            "InternalError",
            "An internal error has occured, try again later or contact service support.",
        )


class TestHeadersAndLogs:
    def test_headers_of_every_answer(self, caller: Caller) -> None:
        for response in (
            caller.post(order()),
            caller.post({}),
            caller.api.handle(Request("GET", "/healthz", {})),
        ):
            assert response.header("content-type") == "application/json"
            assert response.header("content-length") == str(len(response.body))
            assert response.header("x-screentest-version") == detection.VERSION
            assert response.header("x-screentest-rules") == detection.RULES_VERSION
            assert response.header("x-request-id")
        response = caller.post(order())
        assert response.header("x-request-id") == body_of(response)["request_id"]

    def test_ids_differ(self, caller: Caller) -> None:
        assert len({body_of(caller.post(order()))["request_id"] for _ in range(50)}) == 50

    @pytest.mark.parametrize(
        "answer",
        [passed, UnreadablePicture("broken"), RuntimeError("tensor")],
        ids=["pass", "broken", "defect"],
    )
    def test_neither_signature_nor_key_is_logged_or_answered(
        self, make_api: MakeApi, caplog: pytest.LogCaptureFixture, answer: Any
    ) -> None:
        caplog.set_level(logging.DEBUG)
        caller = make_api(answer, api_key="sk-secret")
        for key in ("sk-secret", "sk-other-secret"):
            response = caller.post(order(), headers={"authorization": f"Bearer {key}"})
            assert b"5ec2e7" not in response.body
            assert b"secret" not in response.body
        assert "5ec2e7" not in caplog.text
        assert "secret" not in caplog.text


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)


@given(
    model=st.sampled_from(MODELS) | _json,
    given_input=st.fixed_dictionaries({"image_url": st.just(URL) | st.text() | _json}) | _json,
    parameters=st.fixed_dictionaries({"ratio": st.sampled_from(["1:1", "3:4"]) | _json}) | _json,
    path=st.sampled_from([FACE_DETECT, AA_DETECT]),
)
def test_no_body_is_a_defect(model: Any, given_input: Any, parameters: Any, path: str) -> None:
    from api.api_doubles import FakeDetect

    from screentest.detection.api import DetectionApi

    detect = FakeDetect()
    caller = Caller(DetectionApi(detect, FakeFetcher()), detect, FakeFetcher())
    response = caller.post({"model": model, "input": given_input, "parameters": parameters}, path=path)
    assert response.status in {200, 400, 404}
    assert (response.status == 200) == bool(detect.calls)
    assert body_of(response)["request_id"]
