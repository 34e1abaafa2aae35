"""Face box and extended box: pure geometry.

Source: the pairs of boxes in the retired service's sample answers, which are reproduced.
Boxes are `(x1, y1, x2, y2)` in pixels of the upright picture; the arithmetic is done in floats and rounded last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from screentest.detection.answer import Box

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


class ExtendedBox(Protocol):
    """How the part of a picture is chosen that a video model works on."""

    def place(self, face: FloatBox, hips: float | None, width: int, height: int) -> Box:
        """The box in a frame of `width` x `height`.

        Args:
            face: the face box.
            hips: y of the hips' line, `None` where unknown.
        """


@dataclass(frozen=True, slots=True)
class Square:
    """A square of `scale` face sides, its centre `lift` face sides above the face's."""

    scale: float
    lift: float

    def place(self, face: FloatBox, hips: float | None, width: int, height: int) -> Box:  # noqa: ARG002 - of a kind
        """As `ExtendedBox.place`; the hips are not asked for."""
        x1, y1, x2, y2 = face
        side = max(x2 - x1, y2 - y1)
        wanted = min(self.scale * side, width, height)
        # Where the frame shrinks the box to little more than the face, the lift must not push the chin out of it.
        cy = max((y1 + y2) / 2 - self.lift * side, min(y2, height) - wanted / 2)
        return _square((x1 + x2) / 2, cy, wanted, width, height)


@dataclass(frozen=True, slots=True)
class HalfBody:
    """From above the head down to the hips, exactly `across` by `down`.

    No sample is published. Centred on the face, at least `scale` face sides wide, its top `top` face heights above the
    face box and its bottom at the hips or lower; shrunk and moved into the frame.
    """

    across: int
    down: int
    scale: float
    top: float

    def place(self, face: FloatBox, hips: float | None, width: int, height: int) -> Box:
        """As `ExtendedBox.place`."""
        x1, y1, x2, y2 = face
        side = max(x2 - x1, y2 - y1)
        cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
        top = cy - side / 2 - self.top * side
        bottom = hips if hips is not None else top
        span = max(self.scale * side * self.down / self.across, bottom - max(top, 0.0))
        # The largest multiple of the aspect that fits keeps it exact in integers.
        units = max(1, min(round(span / self.down), width // self.across, height // self.down))
        w, h = self.across * units, self.down * units
        return _place(cx, top + h / 2, w, h, width, height)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A box of exactly `across` by `down`, `scale` face sides wide, its centre `lift` face sides above the face's."""

    across: int
    down: int
    scale: float
    lift: float

    def place(self, face: FloatBox, hips: float | None, width: int, height: int) -> Box:  # noqa: ARG002 - of a kind
        """As `ExtendedBox.place`; the hips are not asked for."""
        x1, y1, x2, y2 = face
        side = max(x2 - x1, y2 - y1)
        units = max(1, min(round(self.scale * side / self.across), width // self.across, height // self.down))
        w, h = self.across * units, self.down * units
        return _place((x1 + x2) / 2, (y1 + y2) / 2 - self.lift * side, w, h, width, height)


EMO_SQUARE = Square(2.5, 0.15)
EMOJI_SQUARE = Square(2.2, 0.06)
EMO_HALF_BODY = HalfBody(3, 4, 2.5, 0.9)
"""The margin above the face is the same as EMO's square has: 0.5 x 2.5 - 0.5 + 0.15."""
