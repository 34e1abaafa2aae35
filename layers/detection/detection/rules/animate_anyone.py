"""AnimateAnyone's rules (`reference/detection-api.md` §4.2), face before body: a body is judged last because most of
what is wrong with it can be told from the face already, and the body pose costs the most."""

from __future__ import annotations

from detection import thresholds as t
from detection.codes import Code
from detection.rules import emo
from detection.rules.rule import Rule

BODY = (
    Rule(
        "nobody or several",
        "exactly one person is in the picture",
        lambda m: m.people,
        Code.CONTENT,
        at_least=1,
        at_most=1,
        unit="persons",
    ),
    Rule(
        "too dark",
        "the person is lit",
        lambda m: m.brightness,
        Code.BODY_POSE,
        at_least=t.FACE_LUMA_MIN,
        unit="of 255",
    ),
    Rule("facing away", "the person faces the camera", emo.BACK.measure, Code.BODY_POSE, at_most=0.5),
    Rule(
        "face hidden",
        "the face is seen from the front",
        lambda m: m.presence,
        Code.FACE_POSE,
        at_least=t.PRESENCE_MIN,
    ),
    Rule(
        "head cut",
        "the whole face is inside the frame",
        lambda m: m.head_margin,
        Code.FACE_POSE,
        at_least=t.HEAD_MARGIN_MIN,
        unit="face heights",
    ),
    Rule(
        "face too large",
        "more than the face is seen",
        lambda m: m.face_share,
        Code.BODY_POSE,
        at_most=t.FACE_SHARE_MAX,
    ),
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
    Rule(
        "face covered",
        "nothing covers a part of the face",
        lambda m: m.occlusion,
        Code.FACE_POSE,
        at_most=t.OCCLUSION_MAX,
    ),
    Rule(
        "body side-on",
        "the body is roughly frontal",
        lambda m: m.body_yaw,
        Code.BODY_POSE,
        at_most=t.BODY_YAW_MAX,
        unit="degrees",
    ),
    Rule(
        "seated",
        "the person stands",
        lambda m: m.seated,
        Code.BODY_POSE,
        at_least=t.TORSO_THIGH_MIN,
        unit="degrees",
    ),
    Rule(
        "legs cut",
        "legs are seen down to the ankles, or not below the knees",
        lambda m: m.shin_share,
        Code.BODY_POSE,
        at_least=t.SHIN_SHARE_MIN,
    ),
    Rule(
        "body cut",
        "the body is seen down to the waist",
        lambda m: m.torso_share or 0.0,
        Code.BODY_POSE,
        at_least=t.TORSO_SHARE_MIN,
    ),
)
