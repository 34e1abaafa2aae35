"""Wan 2.2 S2V: one person from the front, sharp and lit, in any framing from a head to a whole figure.

The documents ask for definition, a single person and a frontal view. Cartoon figures are welcome to the video model;
here they pass as far as the networks take them for people.
"""

from __future__ import annotations

from screentest.detection import thresholds as t
from screentest.detection.codes import PORTRAIT, Code
from screentest.detection.models import emo
from screentest.detection.models.spec import (
    FACE_DETECT,
    HUMANOID,
    Framing,
    ModelSpec,
    SizeLimits,
    Wire,
    const,
)
from screentest.detection.rules import catalogue as rule

WIRE = Wire("WanS2v", {"check_pass": const(True), "humanoid": HUMANOID}, emo.WIRE.rejected)

ANY = Framing(
    "1:1",
    (
        rule.NOBODY,
        rule.SEVERAL,
        rule.BACK,
        rule.HIDDEN,
        rule.MASK,
        rule.OBJECT,
        rule.COVERED,
        rule.TURNED,
        rule.DARK,
        rule.SMALL.limited(at_least=t.FACE_SHARE_MIN_HALF_BODY),
        rule.SOFT,
        rule.LYING,
        rule.CUT.answering(Code.FULL_FACE),
    ),
)

WAN_S2V = ModelSpec(
    name="wan2.2-s2v-detect",
    short="wan2.2-s2v",
    paths=(FACE_DETECT,),
    framings=(ANY,),
    size=SizeLimits(t.PORTRAIT_SIDE_MIN, t.PORTRAIT_SIDE_MAX),
    messages=PORTRAIT,
    wire=WIRE,
    takes_ratio=False,
)
