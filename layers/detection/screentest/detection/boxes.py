"""Face box and extended box: pure geometry.

Source: the pairs of boxes in the retired service's sample answers, which are reproduced.
Boxes are `(x1, y1, x2, y2)` in pixels of the upright picture; the arithmetic is done in floats and rounded last.
"""

from __future__ import annotations

from screentest.detection.answer import Box

EMO_SCALE = 2.5
EMO_LIFT = 0.15
EMOJI_SCALE = 2.2
EMOJI_LIFT = 0.06
HALF_BODY_ASPECT = (3, 4)
HALF_BODY_TOP = 0.9
"""Margin above the face box in face heights: the same as EMO's 1:1 box has (0.5 x 2.5 - 0.5 + 0.15)."""

FloatBox = tuple[float, float, float, float]


def _place(cx: float, cy: float, w: int, h: int, width: int, height: int) -> Box:
    """A `w` x `h` box centred near `(cx, cy)`, moved into the frame `width` x `height` (which must hold it)."""
    x1 = min(max(round(cx - w / 2), 0), width - w)
    y1 = min(max(round(cy - h / 2), 0), height - h)
    return (x1, y1, x1 + w, y1 + h)


def _square(cx: float, cy: float, side: float, width: int, height: int) -> Box:
    whole = max(1, min(round(side), width, height))
    return _place(cx, cy, whole, whole, width, height)


def face_square(face: FloatBox, width: int, height: int) -> Box:
    """The square box around `face`, as all published face boxes are: its longer side, the same centre, in the frame."""
    x1, y1, x2, y2 = face
    return _square((x1 + x2) / 2, (y1 + y2) / 2, max(x2 - x1, y2 - y1), width, height)


def _extended(face: FloatBox, scale: float, lift: float, width: int, height: int) -> Box:
    x1, y1, x2, y2 = face
    side = max(x2 - x1, y2 - y1)
    wanted = min(scale * side, width, height)
    # Where the frame shrinks the box to little more than the face, the lift must not push the chin out of it.
    cy = max((y1 + y2) / 2 - lift * side, min(y2, height) - wanted / 2)
    return _square((x1 + x2) / 2, cy, wanted, width, height)


def emo_square(face: FloatBox, width: int, height: int) -> Box:
    """EMO's extended box at 1:1: 2.5 face sides, centre 0.15 sides above the face's."""
    return _extended(face, EMO_SCALE, EMO_LIFT, width, height)


def emoji_square(face: FloatBox, width: int, height: int) -> Box:
    """Emoji's extended box: 2.2 face sides, centre 0.06 sides above the face's."""
    return _extended(face, EMOJI_SCALE, EMOJI_LIFT, width, height)


def emo_half_body(face: FloatBox, hips: float | None, width: int, height: int) -> Box:
    """EMO's extended box at 3:4: from above the head down to the hips, exactly three by four.

    No sample is published. As the reference argues: centred on the face, at least as wide as the 1:1 box, its top 0.9
    face heights above the face and its bottom at the hips or lower; shrunk and moved into the frame.

    Args:
        face: the face box.
        hips: y of the hips' line in pixels, `None` where unknown.
    """
    x1, y1, x2, y2 = face
    side = max(x2 - x1, y2 - y1)
    cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
    top = cy - side / 2 - HALF_BODY_TOP * side
    bottom = hips if hips is not None else top
    across, down = HALF_BODY_ASPECT
    span = max(EMO_SCALE * side * down / across, bottom - max(top, 0.0))
    # The largest multiple of 3 by 4 that fits keeps the aspect exact in integers.
    units = max(1, min(round(span / down), width // across, height // down))
    w, h = across * units, down * units
    return _place(cx, top + h / 2, w, h, width, height)
