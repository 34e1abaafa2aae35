"""Where several witnesses are weighed: who is asked when, and what each changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from detection.conftest import Measure
from detection.rule_pictures import PICTURES
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from screentest.demo import pictures
from screentest.detection import thresholds as t
from screentest.detection.evidence.figure import hands_region, torso_region
from screentest.detection.evidence.head import _ears_apart, _nose_off
from screentest.detection.evidence.subject import Subject
from screentest.detection.vision.appearance import HeldHead, PeopleHead
from screentest.detection.vision.bodies import LEFT_WRIST, RIGHT_WRIST, Person
from screentest.detection.vision.crops import Points, Region
from screentest.detection.vision.mesh import Mesh
from screentest.detection.vision.networks import Networks
from screentest.detection.vision.poses import LEFT_HIP, RIGHT_HIP, Pose, PoseDetector
from screentest.detection.vision.runtime import probability
from screentest.detection.vision.ssd import Detection

SEEDS = st.integers(0, 2**32 - 1)


def turned_away() -> Image.Image:
    return PICTURES["head not frontal"][0]()


def not_asked(*_: Any) -> Any:
    raise AssertionError("asked without need")


# Is anybody there.
def test_a_plain_person_is_somebody_and_the_look_of_the_picture_is_not_asked(
    measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PeopleHead, "nobody", not_asked)
    evidence = measure(pictures.data("waist_up"))
    assert evidence.read("nobody") == 0
    assert evidence.read("has_person")


@pytest.mark.parametrize("name", ["waist_up", "shoulders_up", "masked", "standing", "tilted", "far_away"])
def test_who_is_not_plain_is_somebody_by_scene_and_look(name: str, measure: Measure) -> None:
    evidence = measure(pictures.data(name))
    vars(evidence.people)["plain"] = False
    assert 0 < evidence.people.nobody <= t.NOBODY_MAX
    assert evidence.read("has_person")


@pytest.mark.parametrize("sooner", ["scene", "look"])
def test_either_witness_can_make_it_nobody(
    sooner: str, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = measure(pictures.data("waist_up"))
    vars(evidence.people)["plain"] = False
    before = evidence.people.nobody
    again = measure(pictures.data("waist_up"))
    vars(again.people)["plain"] = False
    if sooner == "scene":
        again.assume("nobody_in_scene", 1.0)
    else:
        monkeypatch.setattr(PeopleHead, "nobody", lambda *_: 8.0)
    assert again.people.nobody > before


# Is the head frontal.
@settings(deadline=None, max_examples=40)
@given(st.floats(0, 180).filter(lambda yaw: not t.YAW_IN_DOUBT[0] <= yaw <= t.YAW_IN_DOUBT[1]))
def test_beyond_doubt_degrees_alone_say_whether_a_head_is_frontal(measure: Measure, yaw: float) -> None:
    evidence = measure(pictures.data("calm_face"))
    evidence.assume("yaw", yaw)
    value = evidence.read("not_frontal")
    assert value is not None
    assert (value > t.NOT_FRONTAL_MAX) == (yaw > t.YAW_IN_DOUBT[1])
    assert "look" not in vars(evidence.head)


@pytest.mark.parametrize("yaw", [*t.YAW_IN_DOUBT, 24.0])
def test_in_doubt_the_look_of_the_face_weighs_in(yaw: float, measure: Measure) -> None:
    frontal = measure(pictures.data("shoulders_up"))
    turned = measure(pictures.jpeg(turned_away()))
    values = []
    for evidence in (frontal, turned):
        evidence.assume("yaw", yaw)
        value = evidence.head.not_frontal
        assert value is not None
        assert "look" in vars(evidence.head)
        values.append(value)
    assert values[0] < values[1]


def test_without_a_face_nobody_says_whether_a_head_is_frontal(measure: Measure) -> None:
    assert measure(pictures.jpeg(Image.new("RGB", (500, 500), "grey"))).read("not_frontal") is None


@pytest.mark.parametrize("make", [pictures.calm_face, turned_away, pictures.shoulders_up, pictures.astronaut])
def test_a_mirrored_head_is_turned_as_far(make: Callable[[], Image.Image], measure: Measure) -> None:
    picture = make()
    one = measure(pictures.jpeg(picture)).head.yaw
    other = measure(pictures.jpeg(ImageOps.mirror(picture))).head.yaw
    assert one == pytest.approx(other, abs=4)


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.floats(0.2, 5), st.floats(-math.pi, math.pi))
def test_witnesses_of_a_turn_do_not_depend_on_size_tilt_and_place(
    seed: int, scale: float, angle: float
) -> None:
    rng = np.random.default_rng(seed)
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    rotation, shift = np.array([[c, -s], [s, c]]), rng.uniform(-500, 500, 2)

    def moved(points: Points) -> Points:
        return np.asarray(points @ rotation.T + shift, np.float32)

    points = rng.uniform(0, 100, (478, 2)).astype(np.float32)
    ears = [_ears_apart(Detection((0, 0, 1, 1), 1, each)) for each in (points[:6], moved(points[:6]))]
    nose = [_nose_off(Mesh(each, 1, Region(0, 0, 1))) for each in (points, moved(points))]
    assert ears[0] == pytest.approx(ears[1], rel=1e-3, abs=1e-3)
    assert nose[0] == pytest.approx(nose[1], rel=1e-3, abs=1e-3)


# Is something held.
def test_where_the_hands_rule_it_out_the_person_is_not_looked_at(
    measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HeldHead, "by_hands", lambda *_: t.HELD_UNLIKELY - 0.01)
    monkeypatch.setattr(HeldHead, "by_body", not_asked)
    evidence = measure(pictures.data("waist_up"))
    assert evidence.read("held") == pytest.approx(probability(t.HELD_UNLIKELY - 0.01))


def test_where_the_hands_leave_it_open_person_and_torso_count_as_well(
    measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HeldHead, "by_hands", lambda *_: 0.5)
    monkeypatch.setattr(HeldHead, "by_body", lambda *_: 1.0)
    assert measure(pictures.data("waist_up")).read("held") == pytest.approx(probability(1.5))


def body_at(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Detection, Person]:
    """A face and a body somewhere in a picture of that `size`."""
    x, y = rng.uniform(0, size[0]), rng.uniform(0, size[1])
    side = float(rng.uniform(20, 200))
    face = Detection(
        (x - side / 2, y - side / 2, x + side / 2, y + side / 2), 0.9, np.zeros((6, 2), np.float32)
    )
    points = rng.uniform(-50, max(size) + 50, (17, 2)).astype(np.float32)
    low, high = points.min(0), points.max(0)
    return face, Person(
        (float(low[0]), float(low[1]), float(high[0]), float(high[1])),
        0.9,
        points,
        rng.random(17, np.float32),
    )


def subject_of(face: Detection, body: Person | None) -> Subject:
    persons = () if body is None else (body,)
    return Subject((face,), persons, persons, face, None, body, np.zeros(2560, np.float32))


@settings(deadline=None, max_examples=100)
@given(SEEDS)
def test_hands_are_looked_for_about_wrists_in_face_sizes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(300, 2000)), int(rng.integers(300, 2000)))
    face, body = body_at(rng, size)
    body.scores[rng.choice([LEFT_WRIST, RIGHT_WRIST])] = 0.9
    region = hands_region(subject_of(face, body), size)
    low, high = t.HANDS_REGION
    assert low - 1e-6 <= region.side / face.width <= high + 1e-6
    assert 0 <= region.x <= size[0]
    assert 0 <= region.y <= size[1]


@pytest.mark.parametrize("body", ["none", "no wrists"])
def test_without_wrists_hands_are_looked_for_in_the_middle_of_the_torso(body: str) -> None:
    face, seen = body_at(np.random.default_rng(5), (900, 900))
    unseen = replace(seen, scores=np.where(np.isin(np.arange(17), [LEFT_WRIST, RIGHT_WRIST]), 0, seen.scores))
    subject = subject_of(face, None if body == "none" else unseen)
    region, torso = hands_region(subject, (900, 900)), torso_region(subject, (900, 900))
    assert (region.x, region.y) == (torso.x, torso.y)
    assert region.side == t.HANDS_IN_TORSO * torso.side


# How the body stands.
@settings(deadline=None, max_examples=60)
@given(SEEDS, st.floats(0.3, 4))
def test_points_of_the_body_are_looked_for_in_face_sizes(networks: Networks, seed: int, scale: float) -> None:
    face, body = body_at(np.random.default_rng(seed), (900, 1200))
    x1, y1, x2, y2 = face.box
    bx1, by1, bx2, by2 = body.box
    larger = replace(
        body,
        points=body.points * scale,
        box=(bx1 * scale, by1 * scale, bx2 * scale, by2 * scale),
    )
    one = networks.poses.expected(face.box, body, (900, 1200))
    # Sizes are whole pixels elsewhere; here they only bound.
    size: Any = (900 * scale, 1200 * scale)
    other = networks.poses.expected((x1 * scale, y1 * scale, x2 * scale, y2 * scale), larger, size)
    assert one.side > 0
    assert (other.x, other.y, other.side) == pytest.approx(
        (one.x * scale, one.y * scale, one.side * scale), rel=1e-3, abs=0.5
    )
    assert math.cos(other.angle - one.angle) > 0.999


def test_a_body_that_is_not_present_has_no_pose(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    found = measure(pictures.data("waist_up")).figure.pose
    assert found is not None
    absent: Pose = replace(found, presence=t.POSE_PRESENCE_MIN - 0.01)
    monkeypatch.setattr(PoseDetector, "__call__", lambda *_: absent)
    monkeypatch.setattr(PoseDetector, "detected", not_asked)
    evidence = measure(pictures.data("waist_up"))
    assert evidence.figure.pose is None
    assert evidence.read("body_yaw") is None


@pytest.mark.parametrize("missing", ["face", "body"])
def test_where_face_or_body_is_missing_the_pose_is_that_of_its_own_detector(
    missing: str, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PoseDetector, "expected", not_asked)
    evidence = measure(pictures.data("waist_up"))
    vars(evidence.figure)["subject"] = (
        replace(evidence.subject, face=None) if missing == "face" else replace(evidence.subject, body=None)
    )
    assert evidence.figure.pose is not None


@pytest.mark.parametrize(
    ("below", "visible", "seen"),
    [(10.0, 0.9, True), (-10.0, 0.9, False), (10.0, 0.3, False)],
    ids=["inside the frame", "below it", "guessed"],
)
def test_hips_that_movenet_does_not_see_count_where_blazepose_sees_them_in_the_frame(
    below: float, visible: float, seen: bool, measure: Measure
) -> None:
    """Of who sits on the floor or lies."""
    evidence = measure(pictures.data("waist_up"))
    figure, body, pose = evidence.figure, evidence.subject.body, evidence.figure.pose
    assert body is not None
    assert pose is not None
    vars(figure)["subject"] = replace(evidence.subject, body=replace(body, scores=np.zeros_like(body.scores)))
    points, visibility = pose.points.copy(), pose.visibility.copy()
    points[[LEFT_HIP, RIGHT_HIP], 1] = evidence.picture.size[1] - below
    visibility[[LEFT_HIP, RIGHT_HIP]] = visible
    vars(figure)["pose"] = replace(pose, points=points, visibility=visibility)
    assert figure.hips_depth == (figure.room_below_face if seen else 0.0)
