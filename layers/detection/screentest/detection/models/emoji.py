"""Emoji: a head, closer to frontal than EMO's, with a natural expression and no hand near it."""

from __future__ import annotations

from screentest.detection import boxes
from screentest.detection import thresholds as t
from screentest.detection.codes import PORTRAIT
from screentest.detection.models.spec import (
    CODE,
    EXTENDED,
    FACE,
    FACE_DETECT,
    MESSAGE,
    Framing,
    ModelSpec,
    SizeLimits,
    Wire,
)
from screentest.detection.rules import catalogue as rule

WIRE = Wire("Emoji", {"bbox_face": FACE, "ext_bbox_face": EXTENDED}, {"code": CODE, "message": MESSAGE})

# The order is EMO's, for the same reason.
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
        rule.NOT_FRONTAL,
        rule.DARK,
        rule.SMALL,
        rule.SOFT,
        rule.TILTED.limited(at_most=t.ROLL_MAX_EMOJI),
        rule.NODDING,
        rule.CUT,
        rule.EXPRESSION,
        rule.HAND_NEAR_FACE,
    ),
    boxes.EMOJI_SQUARE,
)

EMOJI = ModelSpec(
    name="emoji-detect-v1",
    short="emoji",
    paths=(FACE_DETECT,),
    framings=(HEAD,),
    size=SizeLimits(t.PORTRAIT_SIDE_MIN, t.PORTRAIT_SIDE_MAX),
    messages=PORTRAIT,
    wire=WIRE,
    max_megabytes=10,
    # Its own documents name no size, so that a smaller fault comes last: an enlarged picture should not then
    # turn out to have a covered face all along. Large pictures cost too much for that.
    judged=(t.EMOJI_JUDGED_SIDE_MIN, t.PORTRAIT_SIDE_MAX),
)
