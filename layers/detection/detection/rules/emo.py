"""EMO's rules, in the documented order of checks (`reference/detection-api.md` §4.1)."""

from __future__ import annotations

from detection import thresholds as t
from detection.codes import Code
from detection.measurements import Measurements
from detection.rules.rule import Rule


def _back(m: Measurements) -> float:
    return float(m.presence < t.PRESENCE_MIN and m.shoulders_swapped)


PEOPLE = (
    Rule(
        "nobody", "somebody is in the picture", lambda m: m.people, Code.NO_HUMAN, at_least=1, unit="persons"
    ),
    Rule(
        "several people",
        "nobody else is in the picture",
        lambda m: m.people,
        Code.MULTI_HUMAN,
        at_most=1,
        unit="persons",
    ),
)
SIZE_MAX = Rule(
    "face too large",
    "the face leaves room around it",
    lambda m: m.face_share,
    Code.BODY_PROPORTION,
    at_most=t.FACE_SHARE_MAX,
)
LIGHT = Rule(
    "too dark", "the face is lit", lambda m: m.brightness, Code.VALUE, at_least=t.FACE_LUMA_MIN, unit="of 255"
)
SHARP = Rule(
    "too soft",
    "the face is sharp enough to see the eyes",
    lambda m: m.sharpness,
    Code.VALUE,
    at_least=t.SHARPNESS_MIN,
)
BACK = Rule("facing away", "the person faces the camera", _back, Code.FRONT_BODY, at_most=0.5)
HIDDEN = Rule(
    "face hidden",
    "the face is seen from the front",
    lambda m: m.presence,
    Code.FULL_FACE,
    at_least=t.PRESENCE_MIN,
)
OCCLUDED = Rule(
    "face covered",
    "nothing covers a part of the face",
    lambda m: m.occlusion,
    Code.FULL_FACE,
    at_most=t.OCCLUSION_MAX,
)
PITCH = Rule(
    "head nodding",
    "the head is not strongly raised or lowered",
    lambda m: m.pitch,
    Code.FACE_POSE,
    at_most=t.PITCH_MAX,
    unit="degrees",
)
CUT = Rule(
    "head cut",
    "the whole face is inside the frame",
    lambda m: m.head_margin,
    Code.FULL_BODY,
    at_least=t.HEAD_MARGIN_MIN,
    unit="face heights",
)

HEAD = (
    *PEOPLE,
    Rule(
        "face too small",
        "the face is large enough",
        lambda m: m.face_share,
        Code.BODY_PROPORTION,
        at_least=t.FACE_SHARE_MIN,
    ),
    SIZE_MAX,
    LIGHT,
    SHARP,
    BACK,
    HIDDEN,
    OCCLUDED,
    Rule(
        "head turned",
        "the face looks towards the camera",
        lambda m: m.yaw,
        Code.FACE_POSE,
        at_most=t.YAW_MAX,
        unit="degrees",
    ),
    Rule(
        "head tilted",
        "the head is upright",
        lambda m: m.roll,
        Code.FACE_POSE,
        at_most=t.ROLL_MAX,
        unit="degrees",
    ),
    PITCH,
    CUT,
)

HALF_BODY = (
    *(
        Rule(r.name, r.requirement, r.measure, r.code, at_least=t.FACE_SHARE_MIN_HALF_BODY)
        if r.name == "face too small"
        else r
        for r in HEAD
    ),
    Rule(
        "hips outside",
        "the body is seen down to the hips",
        lambda m: float(m.hips_line is not None),
        Code.FULL_BODY,
        at_least=0.5,
    ),
)
