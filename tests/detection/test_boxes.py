"""Face and extended boxes: the documented pairs, and what must hold for any face in any frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screentest.detection import boxes

Face = tuple[float, float, float, float]
Case = tuple[Face, int, int]
"""A face box, and width and height of its picture."""

# The documented samples: ratio of the printed boxes, to the pixel that rounding leaves open.
PAIRS = [
    (boxes.EMO_SQUARE, (302, 286, 610, 593), (71, 9, 840, 778), 2000, 2000),
    (boxes.EMO_SQUARE, (387, 188, 769, 570), (225, 0, 931, 706), 1200, 706),
    (boxes.EMOJI_SQUARE, (212, 194, 460, 441), (63, 30, 609, 575), 2000, 2000),
    (boxes.EMOJI_SQUARE, (344, 180, 515, 351), (242, 68, 617, 443), 2000, 2000),
]


@pytest.mark.parametrize(("extended", "face", "expected", "width", "height"), PAIRS)
def test_documented_pairs(
    extended: boxes.ExtendedBox, face: Face, expected: Face, width: int, height: int
) -> None:
    assert all(
        abs(a - b) <= 1 for a, b in zip(extended.place(face, None, width, height), expected, strict=True)
    )


sides = st.integers(400, 7000)
shares = st.floats(0, 1)


@st.composite
def faces(draw: st.DrawFn) -> Case:
    width, height = draw(sides), draw(sides)
    w, h = draw(st.floats(8, width)), draw(st.floats(8, height))
    # Detectors give boxes that reach out of the frame.
    x, y = draw(st.floats(-0.3 * w, width - 0.7 * w)), draw(st.floats(-0.3 * h, height - 0.7 * h))
    return (x, y, x + w, y + h), width, height


def inside(box: tuple[float, ...], width: int, height: int) -> bool:
    x1, y1, x2, y2 = box
    return 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height and all(type(v) is int for v in box)


@given(faces())
def test_squares_are_square_and_inside(case: Case) -> None:
    face, width, height = case
    for box in (
        boxes.face_square(face, width, height),
        boxes.EMO_SQUARE.place(face, None, width, height),
        boxes.EMOJI_SQUARE.place(face, None, width, height),
    ):
        x1, y1, x2, y2 = box
        assert inside(box, width, height)
        assert x2 - x1 == y2 - y1


@given(faces(), st.none() | st.floats(0, 7000))
def test_half_body_is_three_by_four_and_inside(case: Case, hips: float | None) -> None:
    face, width, height = case
    x1, y1, x2, y2 = box = boxes.EMO_HALF_BODY.place(face, hips, width, height)
    assert inside(box, width, height)
    assert (x2 - x1) * 4 == (y2 - y1) * 3


@given(faces())
def test_the_extended_box_holds_the_face_that_fits(case: Case) -> None:
    (x1, y1, x2, y2), width, height = case
    face = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
    if max(face[2] - face[0], face[3] - face[1]) > min(width, height):
        return
    ext = boxes.EMO_SQUARE.place(face, None, width, height)
    assert ext[0] <= face[0] + 1
    assert ext[1] <= face[1] + 1
    assert ext[2] >= face[2] - 1
    assert ext[3] >= face[3] - 1


def test_half_body_reaches_the_hips() -> None:
    box = boxes.EMO_HALF_BODY.place((400, 200, 600, 400), 1200, 2000, 2000)
    assert box[1] <= 200 - 0.9 * 200 + 1
    assert box[3] >= 1200 - 1
