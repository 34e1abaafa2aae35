"""What is drawn on a picture to show why: an axis through the head, hatching, numbered people, a skeleton.

Pure: from an explanation to a few kinds of marks in pixels of the upright picture, which Pillow (`drawing`) and the
browser (`assets/base.js`) draw alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from screentest.screening.reasons.deciding import failed_check, measured

Mark = dict[str, Any]
"""`kind` is `line`, `hatch`, `box` or `label`; `points` (or `at`), `style`, and `text` of a label."""

Points = Sequence[Sequence[float]]

# Points of the face mesh (MediaPipe's canonical face).
_FOREHEAD, _CHIN, _LEFT, _RIGHT, _NOSE = 10, 152, 234, 454, 1


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


_OVAL = _numbers(
    "10 338 297 332 284 251 389 356 454 323 361 288 397 365 379 378 400 377 152 148 176 149 150 136 172 58 132 93 234 "
    "127 162 21 54 103 67 109"
)
_LOWER = _numbers("454 323 361 288 397 365 379 378 400 377 152 148 176 149 150 136 172 58 132 93 234 195")
_EYES = _numbers("70 63 105 66 107 336 296 334 293 300 340 346 347 348 349 350 6 121 120 119 118 117 111")
_COVERED = {"mask": _LOWER, "sunglasses": _EYES, "object over face": _OVAL, "face covered": _OVAL}

_POSE_RULES = frozenset({"head turned", "head not frontal", "head tilted", "head lying", "head nodding"})
_BELOW = frozenset(
    {"chest crop", "hips outside", "legs cut", "body cut", "feet outside", "shoulders outside"}
)
_STANCE = frozenset({"body side-on", "seated", "large thing held"})
_BODY_RULES = _BELOW | _STANCE
"""Rules that fail because the picture ends too early."""
_OF_THE_FACE = frozenset(
    {
        "face too small",
        "face too large",
        "too dark",
        "too soft",
        "facing away",
        "head cut",
        "exaggerated expression",
    }
)

_BODY_POINTS = 33
_BONES = ((11, 13, 15), (12, 14, 16), (11, 12, 24, 23, 11), (23, 25, 27, 31), (24, 26, 28, 32))
"""Of BlazePose. MoveNet's points come without their scores, so that a guess would be drawn like a joint."""
_FINGERS = (
    (0, 1, 2, 3, 4),
    (0, 5, 6, 7, 8),
    (5, 9, 13, 17),
    (9, 10, 11, 12),
    (13, 14, 15, 16),
    (0, 17, 18, 19, 20),
)


def marks(
    explanation: Mapping[str, Any] | None, size: tuple[int, int], *, with_face: bool = True
) -> list[Mark]:
    """The marks for one picture, the plainest first.

    Args:
        explanation: as in the API's `output.explain`.
        size: of the upright picture, pixels.
        with_face: whether the face that was found gets a box; not where the answer's own is drawn.
    """
    if not explanation:
        return []
    boxes: Mapping[str, Sequence[float]] = explanation.get("boxes", {})
    landmarks: Mapping[str, Points] = explanation.get("landmarks", {})
    failed = failed_check(explanation)
    rule = str(failed["rule"]) if failed else ""
    rules = {check["rule"] for check in explanation.get("checks", ())}
    found = [*_people(boxes)]
    if rules & _BODY_RULES:
        decided = rule in _STANCE
        found += _skeleton(landmarks.get("body", ()), size, "failed" if decided else "skeleton")
    for name, points in landmarks.items():
        if name.startswith("hand"):
            found += _lines(points, _FINGERS, "hand")
    if with_face and "face" in boxes:
        found.append(_box(boxes["face"], "failed" if rule in _OF_THE_FACE else "face"))
    if failed is not None:
        found += _reason(rule, measured(failed), boxes, landmarks, size)
    return found


def _reason(
    rule: str,
    text: str,
    boxes: Mapping[str, Sequence[float]],
    landmarks: Mapping[str, Points],
    size: tuple[int, int],
) -> list[Mark]:
    mesh = landmarks.get("face", ())
    if rule in _POSE_RULES and len(mesh) >= 468:
        return _tilt(mesh, text) if rule in ("head tilted", "head lying") else _turn(mesh, text)
    if rule in _COVERED and len(mesh) >= 468:
        return [_hatch([mesh[number] for number in _COVERED[rule]])]
    if rule == "hand near face":
        return [_hatch(_hull(points)) for name, points in landmarks.items() if name.startswith("hand")]
    if rule == "face hidden" and "face" in boxes:
        x1, y1, x2, y2 = boxes["face"]
        return [_hatch([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])]
    if rule in _BELOW:
        width, height = size
        return [_line([(0, height - 1), (width - 1, height - 1)], "failed")]
    return []


def _people(boxes: Mapping[str, Sequence[float]]) -> list[Mark]:
    persons = [box for name, box in boxes.items() if name.startswith("person")]
    if len(persons) < 2:
        return []
    found = [_box(box, "person") for box in persons]
    for number, (x1, y1, x2, _y2) in enumerate(persons, 1):
        found.append({"kind": "label", "at": [(x1 + x2) / 2, y1], "text": str(number), "style": "person"})
    return found


def _skeleton(points: Points, size: tuple[int, int], style: str) -> list[Mark]:
    width, height = size

    def inside(point: Sequence[float]) -> bool:
        return 0 <= point[0] <= width and 0 <= point[1] <= height

    found = []
    for chain in _BONES if len(points) == _BODY_POINTS else ():
        # Joints beyond the frame are guesses.
        kept = [points[number] for number in chain if inside(points[number])]
        if len(kept) > 1:
            found.append(_line(kept, style))
    return found


def _lines(points: Points, chains: Sequence[Sequence[int]], style: str) -> list[Mark]:
    return [
        _line([points[number] for number in chain], style) for chain in chains if max(chain) < len(points)
    ]


def _tilt(mesh: Points, text: str) -> list[Mark]:
    """The head's own vertical, and the picture's through the chin."""
    (tx, ty), (cx, cy) = mesh[_FOREHEAD], mesh[_CHIN]
    dx, dy = 1.35 * (tx - cx), 1.35 * (ty - cy)
    length = math.hypot(dx, dy)
    return [
        _line([(cx, cy), (cx, cy - length)], "upright"),
        _line([(cx, cy), (cx + dx, cy + dy)], "axis"),
        {"kind": "label", "at": [cx + dx, cy + dy], "text": text, "style": "reason"},
    ]


def _turn(mesh: Points, text: str) -> list[Mark]:
    """From the nose to where the face looks; straight at the camera it would be a point."""
    (lx, ly), (rx, ry), (nx, ny) = mesh[_LEFT], mesh[_RIGHT], mesh[_NOSE]
    height = math.hypot(mesh[_FOREHEAD][0] - mesh[_CHIN][0], mesh[_FOREHEAD][1] - mesh[_CHIN][1])
    dx, dy = nx - (lx + rx) / 2, ny - (ly + ry) / 2
    length = math.hypot(dx, dy) or 1.0
    end = (nx + dx / length * height * 0.8, ny + dy / length * height * 0.8)
    return [
        _line([(nx, ny), end], "axis"),
        {"kind": "label", "at": list(end), "text": text, "style": "reason"},
    ]


def _hull(points: Points) -> list[tuple[float, float]]:
    """The convex hull (Andrew's monotone chain)."""
    ordered = sorted({(float(x), float(y)) for x, y in points})

    def half(of: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        kept: list[tuple[float, float]] = []
        for x, y in of:
            while len(kept) > 1:
                (ax, ay), (bx, by) = kept[-2:]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                kept.pop()
            kept.append((x, y))
        return kept[:-1]

    return half(ordered) + half(ordered[::-1])


def _line(points: Points, style: str) -> Mark:
    return {"kind": "line", "points": _rounded(points), "style": style}


def _hatch(points: Points) -> Mark:
    return {"kind": "hatch", "points": _rounded(points), "style": "covered"}


def _box(box: Sequence[float], style: str) -> Mark:
    return {"kind": "box", "points": [round(float(value), 1) for value in box], "style": style}


def _rounded(points: Points) -> list[list[float]]:
    return [[round(float(x), 1), round(float(y), 1)] for x, y in points]
