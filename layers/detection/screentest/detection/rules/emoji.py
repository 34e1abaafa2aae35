"""Emoji's rules: EMO's with less turn and tilt, and hand and expression besides."""

from __future__ import annotations

from screentest.detection import thresholds as t
from screentest.detection.codes import Code
from screentest.detection.rules import emo
from screentest.detection.rules.rule import Rule, visible

HAND = Rule(
    "hand near face",
    "no hand is at the head",
    lambda m: m.hand_distance,
    Code.FULL_FACE,
    at_least=t.HAND_DISTANCE_MIN,
    unit="face widths",
    applies=visible,
)
EXPRESSION = Rule(
    "exaggerated expression",
    "the expression is natural",
    lambda m: m.expression,
    Code.FACE_POSE,
    at_most=t.EXPRESSION_MAX,
    applies=visible,
)

HEAD = (
    *emo.HEAD[: emo.HEAD.index(emo.TURNED)],
    emo.TURNED.limited(at_most=t.YAW_MAX_EMOJI),
    emo.TILTED.limited(at_most=t.ROLL_MAX_EMOJI),
    emo.NODDING,
    emo.CUT,
    EXPRESSION,
    HAND,
)
