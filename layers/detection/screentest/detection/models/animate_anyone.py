"""AnimateAnyone: a whole figure, or half of one."""

from __future__ import annotations

from screentest.detection import thresholds as t
from screentest.detection.codes import Code
from screentest.detection.models.spec import (
    AA_DETECT,
    FACE_DETECT,
    MESSAGE,
    STYLE,
    Framing,
    ModelSpec,
    SizeLimits,
    Wire,
    const,
)
from screentest.detection.rules import catalogue as rule

WIRE = Wire(
    "Aa",
    {"check_pass": const(True), "bodystyle": STYLE},
    {"check_pass": const(False), "reason": MESSAGE, "bodystyle": const("")},
)

# Plain faults first, then what the labels leave partly open (turns, tilts, crops at the chest, cut crowns,
# sunglasses): of several faults the plainer one is named. What is held is the least sure.
BODY = Framing(
    "1:1",
    (
        rule.NOT_ONE,
        rule.BACK.answering(Code.BODY_POSE),
        rule.HIDDEN.answering(Code.FACE_POSE),
        rule.MASK.answering(Code.FACE_POSE),
        rule.DARK.answering(Code.BODY_POSE),
        rule.COVERED.answering(Code.FACE_POSE),
        rule.LARGE.answering(Code.BODY_POSE),
        rule.SIDE_ON,
        rule.SEATED,
        rule.LEGS_CUT,
        rule.TURNED,
        rule.OBJECT.answering(Code.FACE_POSE),
        rule.TILTED,
        rule.HELD,
        rule.BODY_CUT,
        rule.CUT.answering(Code.FACE_POSE),
        rule.SUNGLASSES.answering(Code.FACE_POSE),
    ),
)

ANIMATE_ANYONE = ModelSpec(
    name="animate-anyone-detect-gen2",
    short="animate-anyone",
    # An old copy of its page has it on the other detectors' path.
    paths=(AA_DETECT, FACE_DETECT),
    framings=(BODY,),
    size=SizeLimits(t.ANIMATE_SIDE_MIN, t.ANIMATE_SIDE_MAX),
    judged=t.ANIMATE_JUDGED_SIDES,
    messages={
        Code.CONTENT: (
            "The input image has no human body or multi human bodies. Please upload other image with single person."
        ),
        Code.RESOLUTION: (
            "The image resolution is invalid, please make sure that the largest length of image is smaller than 4096, "
            "and the smallest length of image is larger than 224."
        ),
        Code.BODY_POSE: (
            "The pose of the detected person is invalid, please upload other image with whole body "
            "and expected orientation."
        ),
        Code.FACE_POSE: (
            "The pose of the detected face is invalid, please upload other image with whole face "
            "and expected orientation."
        ),
    },
    wire=WIRE,
    takes_ratio=False,
    image_url_missing="Parameter required: image_url",
)
