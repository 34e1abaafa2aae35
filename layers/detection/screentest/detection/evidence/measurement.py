"""A measurement: a figure about a picture with a name, a unit and a frame, computed when first read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from screentest.detection.evidence.subject import Subject
from screentest.detection.lazy import Lazy
from screentest.detection.pictures import Picture
from screentest.detection.vision.networks import Networks

T = TypeVar("T", bound=float | None)


@dataclass(frozen=True, eq=False)
class Room:
    """Measurements about one side of the subject, and what they are made from."""

    picture: Picture
    subject: Subject
    networks: Networks


class Measurement(Lazy[T]):
    """What rules, documents and explanations may name; truth is 1 and untruth 0.

    Attributes:
        name: of the attribute, unique among all rooms.
        unit: of the value; empty for ratios, probabilities and truths.
        frame: what the value is relative to, or where it was taken.
        description: what is measured, in a sentence.
    """

    def __init__(self, compute: Callable[[Any], T], unit: str, frame: str) -> None:
        super().__init__(compute)
        self.unit = unit
        self.frame = frame
        first, _, _ = (compute.__doc__ or "").partition("\n\n")
        self.description = " ".join(first.split()).removesuffix(".")


def measured(unit: str = "", *, frame: str) -> Callable[[Callable[[Any], T]], Measurement[T]]:
    """Register a method of a room as a measurement; the first paragraph of its docstring describes it."""
    return lambda compute: Measurement(compute, unit, frame)
