"""AnimateAnyone's rules (the order of its table of reasons): face before body.

Most of what is wrong with a body can be told from the face already, and the body pose costs the most.
"""

from __future__ import annotations

from screentest.detection import thresholds as t
from screentest.detection.codes import Code
from screentest.detection.rules import emo
from screentest.detection.rules.rule import Rule, somebody

CONTENT = Rule(
    "nobody or several",
    "exactly one person is in the picture",
    lambda m: m.people,
    Code.CONTENT,
    at_least=1,
    at_most=1,
    unit="persons",
)
SIDE_ON = Rule(
    "body side-on",
    "the body is roughly frontal",
    lambda m: m.body_yaw,
    Code.BODY_POSE,
    at_most=t.BODY_YAW_MAX,
    unit="degrees",
    applies=somebody,
)
SEATED = Rule(
    "seated",
    "the person stands",
    lambda m: m.torso_thigh_angle,
    Code.BODY_POSE,
    at_least=t.TORSO_THIGH_MIN,
    unit="degrees",
    applies=somebody,
)
LEGS_CUT = Rule(
    "legs cut",
    "legs are in the frame down to the ankles, or not below the knees",
    lambda m: m.shin_share,
    Code.BODY_POSE,
    at_most=t.SHIN_SHARE_MAX,
    unit="thigh lengths",
    applies=somebody,
)
BODY_CUT = Rule(
    "body cut",
    "the body is in the frame down to the waist",
    lambda m: m.torso_share,
    Code.BODY_POSE,
    at_least=t.TORSO_SHARE_MIN,
    unit="of the torso",
    applies=somebody,
)

BODY = (
    CONTENT,
    emo.DARK.answering(Code.BODY_POSE),
    emo.BACK.answering(Code.BODY_POSE),
    emo.HIDDEN.answering(Code.FACE_POSE),
    emo.TURNED,
    emo.TILTED,
    emo.CUT.answering(Code.FACE_POSE),
    *(rule.answering(Code.FACE_POSE) for rule in emo.COVERED),
    emo.LARGE.answering(Code.BODY_POSE),
    SIDE_ON,
    SEATED,
    LEGS_CUT,
    BODY_CUT,
)
