"""EMO: head (1:1) or half body (3:4)."""

from __future__ import annotations

from screentest.detection import boxes
from screentest.detection import thresholds as t
from screentest.detection.codes import PORTRAIT
from screentest.detection.models.spec import (
    CODE,
    EXTENDED,
    FACE,
    FACE_DETECT,
    HUMANOID,
    MESSAGE,
    Framing,
    ModelSpec,
    SizeLimits,
    Wire,
    const,
)
from screentest.detection.rules import catalogue as rule

WIRE = Wire(
    "Emo",
    {"check_pass": const(True), "humanoid": HUMANOID, "face_bbox": FACE, "ext_bbox": EXTENDED},
    {"check_pass": const(False), "humanoid": HUMANOID, "code": CODE, "message": MESSAGE},
)

# Of several faults the one that is named first is the one that a person would name: what covers a face or turns it away
# also makes it measure small, dark or soft. Others in plain view come first; others in doubt may be background, and
# masks and sunglasses, which are surer, name themselves before.
HEAD = Framing(
    "1:1",
    (
        rule.NOBODY,
        rule.OTHERS,
        rule.MASK,
        rule.SUNGLASSES,
        rule.SEVERAL,
        rule.LARGE,
        rule.BACK,
        rule.HIDDEN,
        rule.OBJECT,
        rule.COVERED,
        rule.TURNED,
        rule.DARK,
        rule.SMALL,
        rule.SOFT,
        rule.TILTED,
        rule.NODDING.limited(at_most=t.PITCH_MAX_EMO),
        rule.CUT,
    ),
    boxes.EMO_SQUARE,
)

HALF_BODY = Framing(
    "3:4",
    (
        rule.NOBODY,
        rule.OTHERS,
        rule.LYING,
        # What shows a chest at most is plainly no half body, whatever else is open about the face. Whether a frame
        # that reaches further shows the hips is asked after the other faults, as crops at the waist are open.
        rule.CHEST,
        rule.MASK,
        rule.SUNGLASSES,
        rule.SEVERAL,
        rule.LARGE,
        rule.BACK,
        rule.HIDDEN,
        rule.COVERED,
        rule.OBJECT,
        rule.TURNED,
        rule.DARK,
        rule.SMALL.limited(at_least=t.FACE_SHARE_MIN_HALF_BODY),
        rule.SOFT,
        rule.TILTED,
        rule.HIPS,
        rule.NODDING.limited(at_most=t.PITCH_MAX_EMO),
        rule.CUT,
    ),
    boxes.EMO_HALF_BODY,
)

EMO = ModelSpec(
    name="emo-detect-v1",
    short="emo",
    paths=(FACE_DETECT,),
    framings=(HEAD, HALF_BODY),
    size=SizeLimits(t.PORTRAIT_SIDE_MIN, t.PORTRAIT_SIDE_MAX),
    messages=PORTRAIT,
    wire=WIRE,
)
