"""Marks: what decided is drawn where it is, and nothing that was not found."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from screentest import detection
from screentest.demo import pictures
from screentest.detection.rules.catalogue import RULES
from screentest.reports import ReportEntry, annotate
from screentest.reports.marks import marks
from screentest.reports.strip import SIDE, draw_strip
from screentest.screening.models import Verdict

POINT = st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))


@cache
def explained(name: str, model: str = "emo-detect-v1") -> dict[str, Any]:
    return detection.detect(pictures.data(name), model).explanation.as_dict()


def drawn(name: str, model: str = "emo-detect-v1") -> list[dict[str, Any]]:
    with Image.open(io.BytesIO(pictures.data(name))) as picture:
        return marks(explained(name, model), picture.size)


def kinds(name: str, model: str = "emo-detect-v1") -> set[tuple[str, str]]:
    return {(mark["kind"], mark["style"]) for mark in drawn(name, model)}


def test_a_tilted_head_has_its_axis_beside_the_upright() -> None:
    assert {("line", "axis"), ("line", "upright"), ("label", "reason")} <= kinds("tilted")
    (axis,) = [mark for mark in drawn("tilted") if mark["style"] == "axis"]
    (x1, y1), (x2, y2) = axis["points"]
    assert x2 < x1, "it was turned to the left"
    assert y2 < y1
    assert [mark["text"] for mark in drawn("tilted") if mark["kind"] == "label"] == ["50°"]


def test_several_people_are_numbered() -> None:
    assert [mark["text"] for mark in drawn("two_people") if mark["kind"] == "label"] == ["1", "2"]


def test_what_is_covered_is_hatched_where_it_is() -> None:
    (hatch,) = [mark for mark in drawn("masked") if mark["kind"] == "hatch"]
    x1, y1, x2, y2 = explained("masked")["boxes"]["face"]
    middle = (y1 + y2) / 2
    below = [point for point in hatch["points"] if point[1] > middle]
    assert len(below) > len(hatch["points"]) / 2, "a cloth over mouth and nose"
    assert all(x1 - 40 < x < x2 + 40 for x, _y in hatch["points"])


def test_a_figure_has_a_skeleton_and_a_head_has_none() -> None:
    assert ("line", "skeleton") in kinds("standing", "animate-anyone-detect-gen2")
    assert ("line", "skeleton") not in kinds("waist_up")


def test_a_good_head_has_its_face_alone() -> None:
    assert kinds("calm_face") == {("box", "face")}
    assert marks(explained("calm_face"), (700, 700), with_face=False) == []
    assert marks(None, (1, 1)) == marks({}, (1, 1)) == []


@pytest.mark.parametrize("rule", sorted(set(RULES) - {"nobody"}))
def test_whatever_rule_decides_is_drawn_where_it_is(rule: str) -> None:
    check = {"rule": rule, "value": 1.0, "limit": "at most 0.5", "unit": "", "failed": True}
    square, other = [100.0, 100.0, 200.0, 200.0], [250.0, 100.0, 350.0, 200.0]
    points = [[100.0 + 10 * (n % 10), 100.0 + n / 5] for n in range(478)]
    landmarks = {"face": points, "body": points[:33], "hand 1": points[:21]}
    boxes = {"face": square, "person 1": square}
    if rule in ("another person", "several people", "nobody or several"):
        boxes["person 2"] = other
    evidence = {"checks": [check], "boxes": boxes, "landmarks": landmarks}
    passed = evidence | {"checks": [{**check, "failed": False}], "boxes": {"face": square}}
    assert marks(evidence, (400, 400)) != marks(passed, (400, 400))


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(
        [
            "head turned",
            "head not frontal",
            "head tilted",
            "mask",
            "hand near face",
            "legs cut",
            "face hidden",
            "own",
        ]
    ),
    st.lists(POINT, max_size=40) | st.just([(1.0, 1.0)] * 468) | st.just([(0.0, 1e9)] * 478),
    st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4),
)
def test_any_evidence_is_drawn(rule: str, points: list[tuple[float, float]], box: list[float]) -> None:
    checks = [{"rule": rule, "value": 1.0, "limit": "at most 0.5", "unit": "", "failed": True}]
    landmarks = {"face": points, "body": points, "hand 1": points}
    evidence = {
        "checks": checks,
        "boxes": {"face": box, "person 1": box, "person 2": box},
        "landmarks": landmarks,
    }
    out = io.BytesIO()
    Image.new("RGB", (300, 200)).save(out, "PNG")
    entry = ReportEntry(
        name="a",
        model="emo-detect-v1",
        verdict=Verdict.REJECT,
        code="X",
        picture=out.getvalue(),
        explanation=evidence,
    )
    assert annotate(entry) is not None


@pytest.mark.parametrize("names", [(), ("tilted",), ("waist_up", "tilted", "masked", "too_dark")])
def test_a_strip_has_a_panel_a_picture(names: tuple[str, ...]) -> None:
    entries = [
        ReportEntry(
            name=name,
            model="emo-detect-v1",
            verdict=Verdict.REJECT,
            picture=pictures.data(name),
            explanation=explained(name),
        )
        for name in names
    ]
    strip = draw_strip(entries)
    if not names:
        assert strip is None
        return
    assert strip is not None
    with Image.open(io.BytesIO(strip)) as image:
        assert image.width == len(names) * (SIDE + 8) - 8


@pytest.mark.parametrize(
    ("rule", "style"), [("seated", "failed"), ("body side-on", "failed"), ("legs cut", "skeleton")]
)
def test_a_pose_of_the_body_that_decided_has_the_colour_of_what_decided(rule: str, style: str) -> None:
    check = {"rule": rule, "value": 1.0, "limit": "at most 0.5", "unit": "", "failed": True}
    body = {"checks": [check], "landmarks": {"body": [[50.0, 50.0]] * 33}}
    bones = [mark for mark in marks(body, (100, 100)) if len(mark["points"]) > 2]
    assert bones
    assert {mark["style"] for mark in bones} == {style}
