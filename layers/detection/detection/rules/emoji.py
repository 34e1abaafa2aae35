"""Emoji's rules: EMO's, with less turn and tilt, and hand and expression besides."""

from __future__ import annotations

from detection import thresholds as t
from detection.codes import Code
from detection.rules import emo
from detection.rules.rule import Rule

_CLOSER = {"head turned": t.YAW_MAX_EMOJI, "head tilted": t.ROLL_MAX_EMOJI}

HEAD = (
    *(
        Rule(r.name, r.requirement, r.measure, r.code, at_most=_CLOSER[r.name], unit=r.unit)
        if r.name in _CLOSER
        else r
        for r in emo.HEAD
    ),
    Rule(
        "hand near face",
        "no hand is at the head",
        lambda m: m.hand_near_face,
        Code.FULL_FACE,
        at_most=t.HAND_PRESENCE_MIN,
    ),
    Rule(
        "exaggerated expression",
        "the expression is natural",
        lambda m: m.expression,
        Code.FACE_POSE,
        at_most=t.EXPRESSION_MAX,
    ),
)
