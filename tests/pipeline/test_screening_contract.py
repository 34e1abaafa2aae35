"""What an answer means: every generation of the contract, every documented code."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from screentest.screening import contract
from screentest.screening.contract import Decision, Measured, interpret
from screentest.screening.errors import (
    ConfigurationError,
    DetectorError,
    PictureUnreadable,
    Throttled,
    Unavailable,
)
from screentest.screening.families import family_of
from screentest.screening.models import Verdict

EMO, EMOJI, AA = "emo-detect-v1", "emoji-detect-v1", "animate-anyone-detect-gen2"
LIVEPORTRAIT, WAN = "liveportrait-detect", "wan2.2-s2v-detect"
USAGE = {"usage": {"image_count": 1}, "request_id": "c56f62df"}


def answer(status: int, body: Any, model: str = EMO, **headers: str) -> Decision:
    return interpret(
        status, json.dumps(body).encode(), model, {k.replace("_", "-"): v for k, v in headers.items()}
    )


def test_emo_passes_with_both_boxes() -> None:
    output = {
        "check_pass": True,
        "humanoid": True,
        "face_bbox": [302, 286, 610, 593],
        "ext_bbox": [71, 9, 840, 778],
    }
    assert answer(200, {"output": output, **USAGE}) == Decision(
        Verdict.PASS,
        face_bbox=(302, 286, 610, 593),
        ext_bbox=(71, 9, 840, 778),
        request_id="c56f62df",
        image_count=1,
    )


def test_emoji_passes_without_check_pass_and_under_other_names() -> None:
    output = {"bbox_face": [212, 194, 460, 441], "ext_bbox_face": [63, 30, 609, 575]}
    decision = answer(200, {"output": output, **USAGE}, EMOJI)
    assert decision.verdict is Verdict.PASS
    assert (decision.face_bbox, decision.ext_bbox) == ((212, 194, 460, 441), (63, 30, 609, 575))


@pytest.mark.parametrize(
    "output",
    [
        {"bbox_face": [1, 2, 3], "ext_bbox_face": [1, 2, 3, 4]},
        {"bbox_face": [1, 2, 3, "4"], "ext_bbox_face": [1, 2, 3, 4]},
        {"bbox_face": None, "ext_bbox_face": [1, 2, 3, 4]},
        {"ext_bbox_face": [1, 2, 3, 4]},
        {},
        {"image_count": 1},
    ],
)
def test_emoji_without_both_boxes_or_a_code_is_not_understood(output: Any) -> None:
    with pytest.raises(Unavailable) as caught:
        answer(200, {"output": output, **USAGE}, EMOJI)
    assert caught.value.code == "NotUnderstood"


BOXES = {"face_bbox": [1, 2, 3, 4], "ext_bbox": [0, 0, 5, 6]}
EMOJI_BOXES = {"bbox_face": [1, 2, 3, 4], "ext_bbox_face": [0, 0, 5, 6]}
PASSES: dict[str, dict[str, Any]] = {
    EMO: {"check_pass": True, "humanoid": True, **BOXES},
    EMOJI: EMOJI_BOXES,
    AA: {"check_pass": True, "bodystyle": "full"},
    LIVEPORTRAIT: {"pass": True, "message": ""},
    WAN: {"check_pass": True, "humanoid": True},
}
"""What each model says of a picture that passes."""


@pytest.mark.parametrize(
    ("model", "more"),
    [
        (EMOJI, {"code": "InvalidFile.FacePose"}),
        (EMOJI, {"check_pass": "false"}),
        (EMOJI, {"check_pass": 0}),
        (EMOJI, {"check_pass": False}),
        (EMOJI, {"pass": "no"}),
        (EMO, {"code": "InvalidFile.NoHuman"}),
        (EMO, {"pass": False}),
        (EMO, {"humanoid": False}),
        (EMO, {"code": 7}),
        (EMO, {"face_bbox": [1, 2, 3, float("nan")]}),
        (EMO, {"face_bbox": [1, 2, 3, float("inf")]}),
        (EMO, {"face_bbox": [1, 2, 3, 10**60]}),
        (EMO, {"code": "C" * 700_000}),
        (EMO, {"code": "InvalidFile.\x07"}),
        (AA, {"bodystyle": "b" * 700_000}),
        (AA, {"bodystyle": "whole"}),
        (AA, {"reason": "no human detect"}),
        (LIVEPORTRAIT, {"message": "No human face detected."}),
        (WAN, {"humanoid": False}),
    ],
)
def test_a_pass_that_contradicts_itself_is_neither_pass_nor_reject(model: str, more: dict[str, Any]) -> None:
    assert answer(200, {"output": PASSES[model], **USAGE}, model).verdict is Verdict.PASS
    with pytest.raises(Unavailable) as caught:
        answer(200, {"output": PASSES[model] | more, **USAGE}, model)
    assert caught.value.code == "NotUnderstood"


def test_a_code_that_no_message_could_carry_is_none() -> None:
    with pytest.raises(ConfigurationError) as caught:
        answer(401, {"code": "InvalidApiKey\x00", "message": "no"}, EMO)
    assert caught.value.code == "HTTP401"


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["", "true", "InvalidFile.NoHuman", "InternalError", "No human face detected."]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)

TURNED = {"rule": "head turned", "value": 88.12345, "limit": "at most 38", "unit": "degrees", "failed": True}
REJECT = {"check_pass": False, "code": "InvalidFile.FacePose", "message": "…"}


def explained(*checks: Any) -> Decision:
    return answer(200, {"output": REJECT | {"explain": {"checks": list(checks)}}, **USAGE}, EMO)


def test_what_decided_is_read_where_the_answer_explains_itself() -> None:
    passed = TURNED | {"rule": "mask", "failed": False}
    assert explained(passed, TURNED).measured == Measured("head turned", 88.1235, "at most 38", "degrees")
    assert explained(passed).measured is None
    assert answer(200, {"output": REJECT, **USAGE}, EMO).measured is None


@pytest.mark.parametrize(
    "more",
    [
        {"value": None},
        {"value": True},
        {"value": "88"},
        {"value": float("nan")},
        {"value": 1e60},
        {"rule": ["head turned"]},
        {"rule": "head\nturned"},
        {"rule": ""},
        {"rule": "r" * 700_000},
        {"limit": "at most 1.2.3"},
        {"limit": "<b>38</b>"},
        {"unit": None},
    ],
)
def test_an_explanation_that_is_none_decides_nothing(more: dict[str, Any]) -> None:
    decision = explained(TURNED | more)
    assert (decision.code, decision.measured) == ("InvalidFile.FacePose", None)


@given(ANYTHING)
def test_whatever_the_explanation_is_the_verdict_stands(explain: Any) -> None:
    output = REJECT | {"explain": explain}
    assert answer(200, {"output": output, **USAGE}, EMO).verdict is Verdict.REJECT
    assert answer(200, {"output": output | {"explain": {"checks": explain}}, **USAGE}, EMO).measured is None


FIELDS = ["check_pass", "pass", "humanoid", "code", "message", "reason", "bodystyle", *BOXES, *EMOJI_BOXES]


@given(st.sampled_from(list(PASSES)), st.sampled_from(FIELDS), ANYTHING, st.booleans())
@settings(max_examples=1500)
def test_one_field_that_is_not_of_the_contract_is_never_a_pass(
    model: str, field: str, value: Any, missing: bool
) -> None:
    """Missing, null, of another type, contradicting another: each field of each model."""
    good = PASSES[model]
    output = {name: kept for name, kept in good.items() if name != field} | (
        {} if missing else {field: value}
    )
    value = output.get(field)
    texts = ("code", "message", "reason", "bodystyle")
    absent = output.get(field) is None or (field in texts and output[field] == "")
    family = family_of(model)
    required = field == family.flag or field in (family.boxes or ())
    text_of_a_pass = isinstance(value, str) and field in ("message", "reason") and not family.code_of(value)
    box = isinstance(value, list) and len(value) == 4 and all(map(contract._is_coordinate, value))
    fine = (
        output == good
        or (absent and not required)
        or (field in ("check_pass", "pass", "humanoid") and value is True)
        or (field in (*BOXES, *EMOJI_BOXES) and box)
        or (
            field == "bodystyle"
            and (value in ("half", "full") if family.body_styles else isinstance(value, str))
        )
        or text_of_a_pass
    )
    try:
        decision = interpret(200, json.dumps({"output": output}).encode(), model)
    except DetectorError:
        assert not fine
        return
    if not fine:
        assert decision.verdict is Verdict.REJECT
        assert decision.code in ("Unknown", "InvalidFile.NoHuman"), "only codes of the picture reject"


@pytest.mark.parametrize("model", PASSES)
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("Throttling.RateQuota", Throttled),
        ("InternalError", Unavailable),
        ("InvalidApiKey", ConfigurationError),
        ("InvalidURL", PictureUnreadable),
        ("InvalidURL.Timeout", PictureUnreadable),
        ("SomethingNew", Unavailable),
    ],
)
def test_only_codes_of_the_picture_reject(model: str, code: str, kind: type[DetectorError]) -> None:
    refused: dict[str, Any] = {"code": code, "message": "literal words"}
    flag = family_of(model).flag
    for output in (refused, refused | ({flag: False} if flag else {})):
        with pytest.raises(kind) as caught:
            answer(200, {"output": output, **USAGE}, model)
        assert caught.value.code == code


def test_a_profile_rejects_with_codes_of_its_own() -> None:
    own = {"check_pass": False, "code": "Wardrobe.Hat", "message": "no hats"}
    assert answer(200, {"output": own}, "tavus-image").code == "Wardrobe.Hat"
    with pytest.raises(Throttled):
        answer(200, {"output": own | {"code": "Throttling.RateQuota"}}, "tavus-image")


@pytest.mark.parametrize("count", [10**60, -1, True, "1", 1.5, None])
def test_a_count_that_is_none_is_not_kept(count: Any) -> None:
    body = {"output": PASSES[EMO], "usage": {"image_count": count}}
    assert answer(200, body).image_count is None


def test_tiny_coordinates_are_such_as_the_table_can_hold() -> None:
    decision = answer(200, {"output": PASSES[EMO] | {"face_bbox": [1e-200, 2.25, 3, 4]}})
    assert decision.face_bbox == (0.0, 2.25, 3, 4)


@pytest.mark.parametrize(
    ("output", "style"),
    [
        ({"bodystyle": "full", "check_pass": True}, "full"),
        ({"check_pass": True, "reason": "success"}, None),
        ({"check_pass": True, "bodystyle": ""}, None),
    ],
)
def test_every_generation_of_animate_anyone_passes(output: Any, style: str | None) -> None:
    decision = answer(200, {"output": output, **USAGE}, AA)
    assert (decision.verdict, decision.code, decision.body_style) == (Verdict.PASS, None, style)


RESOLUTION = (
    "The image resolution is invalid, please make sure that the largest length of image is smaller than 4096, "
    "and the smallest length of image is larger than 224."
)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (
            "The input image has no human body. Please upload other image with single person.",
            "InvalidFile.Content",
        ),
        ("no human detect", "InvalidFile.Content"),
        (
            "The input image has no human body or multi human bodies. Please upload other image with single person.",
            "InvalidFile.Content",
        ),
        (RESOLUTION, "InvalidFile.Resolution"),
        (
            "The pose of the detected person is invalid, please upload other image with whole body and expected "
            "orientation.",
            "InvalidFile.BodyPose",
        ),
        (
            "The pose of the detected face is invalid, please upload other image with whole face and expected "
            "orientation.",
            "InvalidFile.FacePose",
        ),
        ("Please upload another image containing a single person", "InvalidFile.Content"),
        ("something else entirely", "Unknown"),
    ],
)
def test_the_reasons_of_animate_anyone_become_the_codes_of_its_table(reason: str, code: str) -> None:
    decision = answer(200, {"output": {"check_pass": False, "reason": reason, "bodystyle": ""}, **USAGE}, AA)
    assert (decision.verdict, decision.code, decision.message) == (Verdict.REJECT, code, reason)


@pytest.mark.parametrize(
    ("model", "output", "code"),
    [
        (EMO, {"check_pass": False, "code": "", "message": ""}, "Unknown"),
        (EMO, {"check_pass": False, "code": None}, "Unknown"),
        (EMO, {"check_pass": False, "code": "InvalidFile.NoHuman", "message": "x"}, "InvalidFile.NoHuman"),
        (EMOJI, {"code": "InvalidFile.FacePose", "message": "…oriention."}, "InvalidFile.FacePose"),
        (AA, {"check_pass": False}, "Unknown"),
        (LIVEPORTRAIT, {"pass": False, "message": "No human face detected."}, "InvalidFile.NoHuman"),
        (LIVEPORTRAIT, {"pass": False, "message": "something else"}, "Unknown"),
        (WAN, {"check_pass": False, "humanoid": False, "code": "", "message": ""}, "Unknown"),
        (
            WAN,
            {"check_pass": False, "humanoid": True, "code": "InvalidFile.FacePose"},
            "InvalidFile.FacePose",
        ),
    ],
)
def test_rejections_with_status_200(model: str, output: Any, code: str) -> None:
    decision = answer(200, {"output": output, **USAGE}, model)
    assert (decision.verdict, decision.code) == (Verdict.REJECT, code)
    assert decision.image_count == 1


@pytest.mark.parametrize(
    ("model", "output"),
    [
        (LIVEPORTRAIT, {"pass": True, "message": ""}),
        (LIVEPORTRAIT, {"pass": True}),
        (WAN, {"check_pass": True, "humanoid": True}),
        (WAN, {"check_pass": True}),
    ],
)
def test_models_without_boxes_pass(model: str, output: Any) -> None:
    decision = answer(200, {"output": output, **USAGE}, model)
    assert decision == Decision(Verdict.PASS, request_id="c56f62df", image_count=1)


@pytest.mark.parametrize(
    "body",
    [
        {"code": "InvalidFile.NoHuman", "message": "nobody", "request_id": "r"},
        {"output": {"code": "InvalidFile.NoHuman", "message": "nobody"}, "request_id": "r"},
    ],
)
def test_rejections_with_status_400(body: Any) -> None:
    decision = answer(400, body)
    assert (decision.verdict, decision.code, decision.message) == (
        Verdict.REJECT,
        "InvalidFile.NoHuman",
        "nobody",
    )
    assert decision.image_count is None, "nothing was charged"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "InvalidFile.Resolution", None),
        (400, "InvalidFile.Size", None),
        (400, "InvalidImage", None),
        (400, "InvalidImage.Format", None),
        (400, "InvalidPerson", None),
        (400, "DataInspectionFailed", None),
        (400, "IPInfringementSuspect", None),
        (400, "InvalidParameter.UnsupportedFileFormat", None),
        (400, "InvalidURL", PictureUnreadable),
        (400, "InvalidURL.Timeout", PictureUnreadable),
        (400, "InvalidURL.ConnectionRefused", PictureUnreadable),
        (400, "InvalidFile.DownloadFailed", PictureUnreadable),
        (400, "BadRequest.InputDownloadFailed", PictureUnreadable),
        (400, "InvalidParameter", ConfigurationError),
        (400, "InvalidParameter.Ratio", ConfigurationError),
        (400, "BadRequest.EmptyModel", ConfigurationError),
        (400, "Arrearage", ConfigurationError),
        (401, "InvalidApiKey", ConfigurationError),
        (403, "AccessDenied", ConfigurationError),
        (403, "AccessDenied.Unpurchased", ConfigurationError),
        (403, "Model.AccessDenied", ConfigurationError),
        (403, "AllocationQuota.FreeTierOnly", ConfigurationError),
        (404, "ModelNotFound", ConfigurationError),
        (404, "model_not_found", ConfigurationError),
        (429, "CommodityNotPurchased", ConfigurationError),
        (429, "PrepaidBillOverdue", ConfigurationError),
        (429, "PostpaidBillOverdue", ConfigurationError),
        (429, "Throttling", Throttled),
        (429, "Throttling.RateQuota", Throttled),
        (429, "Throttling.BurstRate", Throttled),
        (429, "Throttling.AllocationQuota", Throttled),
        (429, "LimitRequests", Throttled),
        (429, "SomethingNew", Throttled),
        (408, "RequestTimeOut", Unavailable),
        (409, "Conflict", Unavailable),
        (500, "InternalError", Unavailable),
        (500, "InternalError.Algo", Unavailable),
        (503, "ModelUnavailable", Unavailable),
        (504, "GatewayTimeout", Unavailable),
        (302, "Found", Unavailable),
    ],
)
def test_codes(status: int, code: str, kind: type[DetectorError] | None) -> None:
    body = {"code": code, "message": "literal words", "request_id": "r"}
    if kind is None:
        assert answer(status, body).code == code
        return
    with pytest.raises(DetectorError) as caught:
        answer(status, body)
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.status, caught.value.request_id) == (code, status, "r")


def test_an_exhausted_free_quota_is_permanent_although_it_looks_like_throttling() -> None:
    with pytest.raises(ConfigurationError):
        answer(429, {"code": "Throttling.AllocationQuota", "message": "Free allocated quota exceeded."})


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"\xff\xfe", b"[]", b'"ok"', b"null", b"{"])
@pytest.mark.parametrize("status", [200, 400, 403, 502])
def test_what_is_not_the_apis_json_is_tried_again(status: int, body: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        interpret(status, body, EMO)
    assert caught.value.code == "NotJSON"


@pytest.mark.parametrize(
    "body", [{}, {"output": {}}, {"output": {"check_pass": "true"}}, {"output": [1]}, {"ok": True}]
)
def test_json_without_a_verdict_is_never_a_pass(body: Any) -> None:
    with pytest.raises(Unavailable) as caught:
        answer(200, body)
    assert caught.value.code == "NotUnderstood"


def test_a_code_at_the_top_of_a_200_is_an_error_and_not_a_pass() -> None:
    with pytest.raises(ConfigurationError):
        answer(
            200, {"code": "InvalidApiKey", "message": "No API-key provided.", "output": {"check_pass": True}}
        )


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": "30", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "999999999"}, 43200.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_the_servers_wait(headers: dict[str, str], wait: float | None) -> None:
    assert contract.retry_after(headers) == wait
    with pytest.raises(Throttled) as caught:
        interpret(429, b'{"code":"Throttling"}', EMO, headers)
    assert caught.value.retry_after == wait


def test_x_should_retry_is_obeyed_where_the_code_leaves_it_open() -> None:
    with pytest.raises(ConfigurationError):
        answer(500, {"code": "InternalError"}, x_should_retry="false")
    with pytest.raises(Unavailable):
        answer(400, {"code": "InvalidParameter"}, x_should_retry="true")
    with pytest.raises(ConfigurationError):
        answer(401, {"code": "InvalidApiKey"}, x_should_retry="true")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=10,
)
NAMES = ["check_pass", "pass", "code", "message", "reason", "bodystyle", "face_bbox", "ext_bbox", "bbox_face"]


@given(
    status=st.sampled_from([200, 201, 400, 401, 403, 404, 429, 500, 503]),
    output=st.none() | st.dictionaries(st.sampled_from([*NAMES, "ext_bbox_face"]), JSON, max_size=6),
    top=st.dictionaries(
        st.sampled_from(["code", "message", "request_id", "usage", "extra"]), JSON, max_size=4
    ),
    model=st.sampled_from([EMO, EMOJI, AA, "new-model"]),
)
def test_no_answer_whatever_is_a_pass_without_saying_so(
    status: int, output: Any, top: Any, model: str
) -> None:
    body = dict(top) if output is None else {**top, "output": output}
    try:
        decision = interpret(status, json.dumps(body).encode(), model)
    except DetectorError:
        return
    assert decision.code or decision.verdict is Verdict.PASS
    if decision.verdict is Verdict.PASS:
        assert status == 200
        assert output
        said = output.get("check_pass") is True or output.get("pass") is True
        assert said or (model == EMOJI and output.get("bbox_face") and output.get("ext_bbox_face"))


@given(st.binary(max_size=200), st.integers(100, 599))
def test_any_bytes_are_an_error_of_ours(body: bytes, status: int) -> None:
    with contextlib.suppress(DetectorError):
        interpret(status, body, EMO)


def test_the_request_is_the_documented_one() -> None:
    body = json.loads(contract.request("https://x/y?a=1&b=2", EMO, "3:4"))
    assert body == {
        "model": EMO,
        "input": {"image_url": "https://x/y?a=1&b=2"},
        "parameters": {"ratio": "3:4"},
    }
    assert json.loads(contract.request("https://x", AA, None))["parameters"] == {}
    assert family_of(AA).path.endswith("/aa-detect")
    for model in (EMO, EMOJI, LIVEPORTRAIT, WAN, "emo-detect-of-our-own", "tavus-image"):
        assert family_of(model).path == "/api/v1/services/aigc/image2video/face-detect"
