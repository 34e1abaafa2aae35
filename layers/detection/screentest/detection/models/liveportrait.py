"""LivePortrait: a face that can be seen, from the front half.

Its documents know one reason, no face, and say that it includes faces that are too small, in profile or covered "and so
on". Our codes tell these apart; the wire has none.
"""

from __future__ import annotations

from screentest.detection import thresholds as t
from screentest.detection.codes import Code
from screentest.detection.models.spec import FACE_DETECT, MESSAGE, Framing, ModelSpec, SizeLimits, Wire, const
from screentest.detection.rules import catalogue as rule

NO_FACE = "No human face detected."


WIRE = Wire(
    "LivePortrait",
    {"pass": const(True), "message": const("")},
    {"pass": const(False), "message": MESSAGE._replace(schema={"type": "string", "minLength": 1})},
    codes=False,
)

FACE = Framing(
    "1:1",
    (
        rule.NOBODY,
        rule.BACK,
        rule.HIDDEN,
        rule.MASK,
        rule.SUNGLASSES,
        rule.OBJECT,
        rule.COVERED,
        rule.TURNED,
        rule.DARK,
        rule.SMALL,
        rule.SOFT,
        rule.LYING,
        rule.CUT.answering(Code.FULL_FACE),
    ),
)

LIVEPORTRAIT = ModelSpec(
    name="liveportrait-detect",
    short="liveportrait",
    paths=(FACE_DETECT,),
    framings=(FACE,),
    size=SizeLimits(1, t.LIVEPORTRAIT_SIDE_MAX, t.LIVEPORTRAIT_ASPECT_MAX),
    messages={
        Code.RESOLUTION: (
            "The image resolution is invalid, please make sure that the largest length of image is at most 4096."
        ),
        Code.ASPECT_RATIO: (
            "Invalid file ratio. The file aspect ratio (height/width) must be between 2.0 and 0.5"
        ),
        Code.NO_HUMAN: NO_FACE,
        Code.BODY_PROPORTION: NO_FACE,
        Code.VALUE: NO_FACE,
        Code.FRONT_BODY: NO_FACE,
        Code.FULL_FACE: NO_FACE,
        Code.FACE_POSE: NO_FACE,
    },
    wire=WIRE,
    takes_ratio=False,
    max_megabytes=10,
)
