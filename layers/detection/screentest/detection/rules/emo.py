"""EMO's rules, in the documented order of checks."""

from __future__ import annotations

from screentest.detection import thresholds as t
from screentest.detection.codes import Code
from screentest.detection.measurements import Measurements
from screentest.detection.rules.rule import Rule, somebody, visible


def _from_front(m: Measurements) -> bool:
    return m.people > 0 and not m.facing_away


NOBODY = Rule(
    "nobody", "a person is in the picture", lambda m: m.people, Code.NO_HUMAN, at_least=1, unit="persons"
)
SEVERAL = Rule(
    "several people",
    "nobody else is in the picture",
    lambda m: m.people,
    Code.MULTI_HUMAN,
    at_most=1,
    unit="persons",
)
SMALL = Rule(
    "face too small",
    "the face is large enough",
    lambda m: m.face_share,
    Code.BODY_PROPORTION,
    at_least=t.FACE_SHARE_MIN,
    unit="of the shorter side",
    applies=somebody,
)
LARGE = Rule(
    "face too large",
    "the face leaves room around it",
    lambda m: m.face_share,
    Code.BODY_PROPORTION,
    at_most=t.FACE_SHARE_MAX,
    unit="of the shorter side",
    applies=somebody,
)
DARK = Rule(
    "too dark",
    "the face is lit",
    lambda m: m.brightness,
    Code.VALUE,
    at_least=t.BRIGHTNESS_MIN,
    unit="of 255",
    applies=somebody,
)
SOFT = Rule(
    "too soft",
    "the face is sharp enough to see the eyes",
    lambda m: m.sharpness,
    Code.VALUE,
    at_least=t.SHARPNESS_MIN,
    applies=somebody,
)
BACK = Rule(
    "facing away",
    "the person faces the camera",
    lambda m: float(m.facing_away),
    Code.FRONT_BODY,
    at_most=0.5,
    applies=somebody,
)
HIDDEN = Rule(
    "face hidden",
    "the face can be seen",
    lambda m: m.presence,
    Code.FULL_FACE,
    at_least=t.PRESENCE_MIN,
    applies=_from_front,
)
MASK = Rule(
    "mask",
    "no mask or cloth covers mouth and nose",
    lambda m: m.occlusion.mask if m.occlusion else None,
    Code.FULL_FACE,
    at_most=t.MASK_MAX,
    applies=visible,
)
SUNGLASSES = Rule(
    "sunglasses",
    "the eyes are not behind dark glasses",
    lambda m: m.sunglasses,
    Code.FULL_FACE,
    at_most=t.SUNGLASSES_MAX,
    applies=visible,
)
OBJECT = Rule(
    "object over face",
    "nothing is held or hangs before the face",
    lambda m: m.object,
    Code.FULL_FACE,
    at_most=t.OBJECT_MAX,
    applies=visible,
)
HAND = Rule(
    "hand over face",
    "no hand covers a part of the face",
    lambda m: m.hand_over_face,
    Code.FULL_FACE,
    at_most=t.HAND_OVER_FACE_MAX,
    applies=visible,
)
COVERED = (MASK, SUNGLASSES, OBJECT, HAND)

TURNED = Rule(
    "head turned",
    "the face looks towards the camera",
    lambda m: m.yaw,
    Code.FACE_POSE,
    at_most=t.YAW_MAX,
    unit="degrees",
    applies=visible,
)
TILTED = Rule(
    "head tilted",
    "the head is upright",
    lambda m: m.roll,
    Code.FACE_POSE,
    at_most=t.ROLL_MAX,
    unit="degrees",
    applies=visible,
)
NODDING = Rule(
    "head nodding",
    "the head is neither thrown back nor hanging",
    lambda m: m.pitch,
    Code.FACE_POSE,
    at_most=t.PITCH_MAX,
    unit="degrees",
    applies=visible,
)
CUT = Rule(
    "head cut",
    "the whole face is inside the frame",
    lambda m: m.head_margin,
    Code.FULL_BODY,
    at_least=t.HEAD_MARGIN_MIN,
    unit="face heights",
    applies=visible,
)
HIPS = Rule(
    "hips outside",
    "the body is in the frame down to the hips",
    lambda m: m.hips_depth,
    Code.FULL_BODY,
    at_least=t.HIPS_DEPTH_MIN,
    unit="face sizes",
    applies=visible,
)

HEAD = (NOBODY, SEVERAL, SMALL, LARGE, DARK, SOFT, BACK, HIDDEN, *COVERED, TURNED, TILTED, NODDING, CUT)
"""Ratio 1:1."""

HALF_BODY = (
    NOBODY,
    SEVERAL,
    SMALL.limited(at_least=t.FACE_SHARE_MIN_HALF_BODY),
    LARGE,
    DARK,
    TILTED,
    # A body that is cut is a plainer fault than a soft or half turned face; only below an upright one is it measured.
    HIPS,
    SOFT,
    BACK,
    HIDDEN,
    *COVERED,
    TURNED,
    NODDING,
    CUT,
)
"""Ratio 3:4."""
