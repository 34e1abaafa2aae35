"""Profiles: a detector as data. What may be said, where errors point, and the ready-made ones with real pictures."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from detection.rule_pictures import standing
from hypothesis import given, settings
from hypothesis import strategies as st

from screentest.demo import pictures
from screentest.detection import Code, Detector, models, profiles
from screentest.detection.api.openapi import document
from screentest.detection.errors import ProfileError
from screentest.detection.models import BUILT_IN, EMO
from screentest.detection.rules.catalogue import RULES
from screentest.screening.contract import interpret

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "profiles.md"

GOOD = """\
name = "my-avatar"
answers = "wan2.2-s2v"
framing = "head"

[size]
min_side = 600

[[rules]]
rule = "nobody"
code = "InvalidFile.Empty"
message = "Nobody is there."

[[rules]]
rule = "head turned"
at_most = 12
"""


def spec(text: str = GOOD, **options: Any) -> models.ModelSpec:
    return profiles.parse(text.encode(), "my.toml", **options)[1]


def refused(text: str | bytes, **options: Any) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(ProfileError) as caught:
        profiles.parse(data, "my.toml", **options)
    return str(caught.value)


def test_a_profile_is_a_detector(detector: Detector) -> None:
    model = spec()
    rules = model.framing("1:1").rules
    assert [rule.name for rule in rules] == ["nobody", "head turned", "head cut"]
    assert rules[1].at_most == 12
    assert model.size.min_side == 600
    answer = detector.detect(pictures.data("cat"), model)
    assert answer.output() == {
        "check_pass": False,
        "humanoid": False,
        "code": "InvalidFile.Empty",
        "message": "Nobody is there.",
    }
    assert detector.detect(pictures.data("calm_face"), model).code == Code.FACE_POSE
    assert detector.detect(pictures.data("astronaut"), model).output() == {
        "check_pass": True,
        "humanoid": True,
    }
    small = detector.detect(pictures.jpeg(pictures.astronaut().resize((599, 599))), model)
    assert small.code == Code.RESOLUTION
    assert "600 to 7000" in small.message


@pytest.mark.parametrize(
    ("aspect", "width", "height"), [("[1, 1]", 1, 1), ("[3, 4]", 3, 4), ("[16, 9]", 16, 9)]
)
def test_the_extended_box_has_the_aspect_that_was_asked_for(
    detector: Detector, aspect: str, width: int, height: int
) -> None:
    text = GOOD.replace(
        'answers = "wan2.2-s2v"', f'answers = "emo"\nextended_box = {{ scale = 1.8, aspect = {aspect} }}'
    )
    answer = detector.detect(pictures.data("astronaut"), spec(text))
    assert answer.ext_bbox
    x1, y1, x2, y2 = answer.ext_bbox
    assert (x2 - x1) * height == (y2 - y1) * width
    assert 0 <= x1 < x2 <= answer.width
    assert 0 <= y1 < y2 <= answer.height
    assert answer.output()["face_bbox"]


@pytest.mark.parametrize("form", list(profiles.WIRES))
def test_the_pipeline_s_client_reads_every_form_by_whatever_name(detector: Detector, form: str) -> None:
    boxes = "extended_box = { scale = 2 }" if profiles.WIRES[form].boxes else ""
    model = spec(GOOD.replace('answers = "wan2.2-s2v"', f'answers = "{form}"\n{boxes}'))
    for picture, verdict in (("astronaut", "pass"), ("cat", "reject")):
        output = detector.detect(pictures.data(picture), model).output()
        body = json.dumps({"output": output, "usage": {"image_count": 1}, "request_id": "1"}).encode()
        assert interpret(200, body, model.name).verdict == verdict


def test_the_same_in_json() -> None:
    text = json.dumps(tomllib.loads(GOOD), indent=2)
    assert spec(text, as_json=True).framings[0].rules == spec().framings[0].rules


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (
            ("min_side = 600", "min_side = 600\nmin_width = 3"),
            "line 7, size.min_width: is no key of a profile",
        ),
        (("framing", "include = 'other.toml'\nframing"), "line 3, include: is no key of a profile"),
        (('"nobody"', '"nobdy"'), "line 9, rules[0].rule: there is no rule 'nobdy'; did you mean nobody?"),
        (
            ("at_most = 12", "at_least = 12"),
            "line 15, rules[1].at_least: head turned has a limit in the other direction",
        ),
        (
            ("at_most = 12", "at_most = 1200"),
            "line 15, rules[1].at_most: no yaw is 1200 degrees: give 0 to 180",
        ),
        (
            ('"head turned"\nat_most = 12', '"face too small"\nat_least = 25'),
            "line 15, rules[1].at_least: no face_share is 25 of the shorter side: give 0 to 2",
        ),
        (("at_most = 12", "at_most = nan"), "line 15, rules[1].at_most: input should be a finite number"),
        (("at_most = 12", "at_most = inf"), "line 15, rules[1].at_most: input should be a finite number"),
        (("at_most = 12", "at_most = '12'"), "line 15, rules[1].at_most: input should be a valid number"),
        (('"my-avatar"', '"emo-detect-v1"'), "line 1, name: emo-detect-v1 is the name of another detector"),
        (('"my-avatar"', '"emoji-detect-acme"'), "line 1, name: clients take emoji-detect"),
        (('"my-avatar"', '"emo"'), "line 1, name: emo is the name of another detector"),
        (('"my-avatar"', '"my avatar"'), "line 1, name"),
        (("Nobody is", "Nobody\\nis"), "line 11, rules[0].message: has a control character or a line break"),
        (
            ("Nobody is", "Nobody\\u001b[2J is"),
            "line 11, rules[0].message: has a control character or a line break",
        ),
        (("InvalidFile.Empty", "Empty"), "line 10, rules[0].code: a code is InvalidFile."),
        (
            ('message = "Nobody is there."', ""),
            "line 10, rules[0].code: InvalidFile.Empty is a code of your own",
        ),
        (('rule = "nobody"', 'rule = "mask"'), "line 8, rules: a portrait is of a person: list nobody"),
        (('"head turned"\nat_most = 12', '"nobody"'), "line 14, rules[1].rule: nobody is listed twice"),
        (('"wan2.2-s2v"', '"emo"'), "line 2, answers: answers like emo have boxes"),
        (('"wan2.2-s2v"', '"sadtalker"'), "line 2, answers: input should be"),
        (
            ("framing", "extended_box = { scale = 2 }\nframing"),
            "line 3, extended_box: answers like wan2.2-s2v have no",
        ),
        (("min_side = 600", "min_side = 8000"), "line 6, size.min_side"),
        (
            ("min_side = 600", "min_side = 600\nmax_side = 500"),
            "line 6, size.min_side: is larger than max_side",
        ),
        (("at_most = 12", "at_most = 12\nat_most = 13"), "is not TOML"),
    ],
)
def test_errors_name_file_line_and_key(change: tuple[str, str], place: str) -> None:
    before, after = change
    assert before in GOOD
    assert refused(GOOD.replace(before, after, 1)).startswith(
        f"my.toml, {place}".replace("my.toml, is", "my.toml: is")
    )


def test_errors_in_json_name_the_line_too() -> None:
    text = """{
        "name": "a", "answers": "liveportrait", "framing": "any",
        "rules": [
            {"rule": "nobody"},
            {"rule": "mask",
             "at_most": NaN}]}"""
    assert refused(text, as_json=True) == "my.toml, line 6, rules[1].at_most: input should be a finite number"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xff", "is not UTF-8"),
        (b"#" * 65_537, "larger than 64 KiB"),
        (b"rules = " + b"[" * 20_000, "nested too deeply"),
        (b"name = " + b"1" * 5_000, "more digits than can be meant"),
        (b"[[rules]]\n" * 6_000, "field required"),
        (GOOD.encode() + b'[[rules]]\nrule = "nobody"\n' * 1000, "rules"),
        (b"", "field required"),
    ],
)
def test_files_that_are_no_profiles(data: bytes, says: str) -> None:
    assert says in refused(data)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=200)
def test_whatever_is_in_the_file_the_error_is_a_profile_s(data: bytes) -> None:
    for as_json in (False, True):
        with pytest.raises(ProfileError):
            profiles.parse(data, "my.toml", as_json=as_json)


def test_json_that_is_nested_as_deep_as_can_be_read() -> None:
    for depth in (900, 960, 980, 990, 995, 20_000):
        text = '{"name": ' + "[" * depth + "]" * depth + "}"
        assert refused(text, as_json=True).startswith("my.toml")
    assert "more digits" in refused('{"name": ' + "1" * 5_000 + "}", as_json=True)


def test_two_profiles_of_one_name(tmp_path: Path) -> None:
    one = tmp_path / "one.toml"
    one.write_text(GOOD)
    assert [model.name for model in models.offered([str(one)])][-1] == "my-avatar"
    with pytest.raises(ProfileError, match="my-avatar is the name of another detector"):
        models.offered([str(one), str(one)])
    with pytest.raises(ProfileError, match=r"cannot be read: No such file.*tavus-image"):
        models.offered([str(tmp_path / "none.toml")])


def test_feet_are_asked_for_by_a_whole_figure(detector: Detector) -> None:
    whole = spec(GOOD.replace('"head"', '"whole figure"').replace("at_most = 12", ""))
    assert detector.detect(pictures.jpeg(standing()), whole).passed
    for cut in (pictures.waist_up(), standing(0.8)):
        assert detector.detect(pictures.jpeg(cut), whole).explanation.decided_by == "feet outside"


@pytest.mark.parametrize("name", profiles.ready_made())
def test_ready_made_profiles_name_their_page_and_what_they_cannot_see(name: str) -> None:
    said, model = profiles.load(name)
    assert (said.follows or "").startswith("https://")
    assert said.not_measured
    assert model.name == said.name == name
    content = tomllib.loads((profiles.READY_MADE / f"{name}.toml").read_text())
    jsonschema.validate(content, profiles.schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content | {"include": "more.toml"}, profiles.schema())


@pytest.mark.parametrize(
    ("name", "picture", "rule"),
    [
        ("tavus-image", "astronaut", None),
        ("tavus-image", "two_people", "several people"),
        ("tavus-image", "masked", "mask"),
        ("tavus-image", "tilted", "head tilted"),
        ("hallo", "calm_face", None),
        ("hallo", "astronaut", "face too small"),
        ("hallo", "waist_up", "aspect ratio"),
    ],
)
def test_ready_made_profiles_judge_pictures(detector: Detector, name: str, picture: str, rule: str) -> None:
    answer = detector.detect(pictures.data(picture), profiles.load(name)[1])
    assert answer.explanation.decided_by == rule


def test_the_commands_of_the_document(tmp_path: Path) -> None:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "my-avatar.toml").write_text(next(text for kind, text in blocks if kind == "toml"))
    (tmp_path / "pictures").mkdir()
    for name in ("astronaut", "calm_face", "cat"):
        (tmp_path / "pictures" / f"{name}.jpg").write_bytes(pictures.data(name))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for script in (text for kind, text in blocks if kind == "sh"):
        subprocess.run(
            ["bash", "-euc", script], cwd=tmp_path, env={**os.environ, "PATH": path}, check=True, timeout=120
        )
    new = [json.loads(line) for line in (tmp_path / "new.jsonl").read_text().splitlines()]
    assert [line["verdict"] for line in new] == ["pass", "reject", "reject"]
    assert (tmp_path / "build" / "changes" / "index.html").is_file()


def test_the_document_names_every_key_and_ready_made_profile() -> None:
    text = DOCUMENT.read_text()
    for kind in (profiles.Profile, profiles.Applied):
        for key in kind.model_fields:
            assert re.search(rf"`{key}[.`]", text), key
    for table, prefix in ((profiles.Size, "size"), (profiles.Extended, "extended_box")):
        for key in table.model_fields:
            assert f"`{prefix}.{key}`" in text
    for name in profiles.ready_made():
        assert str(profiles.load(name)[0].follows).partition("#")[0] in text


def test_the_api_s_document_lists_profiles() -> None:
    model = spec()
    served = document((*BUILT_IN, model))
    for path in model.paths:
        request = served["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert model.name in request["allOf"][1]["properties"]["model"]["enum"]


def test_every_rule_can_be_listed_with_its_own_limit() -> None:
    lines = []
    for rule in RULES.values():
        bounds = [
            f"{side} = {value}"
            for side in ("at_least", "at_most")
            if (value := getattr(rule, side)) is not None
        ]
        lines += ["[[rules]]", f'rule = "{rule.name}"', *bounds]
    text = GOOD.partition("[[rules]]")[0] + "\n".join(lines)
    assert set(spec(text).framings[0].rules) == set(RULES.values())
    assert {rule.name for rule in EMO.framing("1:1").rules} <= set(RULES)


def test_every_unit_of_a_rule_has_its_range() -> None:
    for rule in RULES.values():
        low, high = profiles.RANGES[rule.unit]
        assert all(low <= bound <= high for bound in (rule.at_least, rule.at_most) if bound is not None)


def test_words_of_one_rule_are_not_said_by_another() -> None:
    text = 'name = "mine"\nanswers = "wan2.2-s2v"\nframing = "head"\n'
    text += "".join(f'[[rules]]\nrule = "{rule}"\n' for rule in ("nobody", "mask", "sunglasses"))
    said = refused(text + 'message = "Please take off your glasses."\n')
    assert "line 10, rules[2].message: mask answers InvalidFile.FullFace too" in said
