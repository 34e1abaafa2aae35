"""What a detector answers: plain typed data, and its form on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from screentest.detection.models.spec import ModelSpec

Box = tuple[int, int, int, int]
"""`(x1, y1, x2, y2)`, integer pixels of the upright picture, origin top left."""

Point = tuple[float, float]
"""`(x, y)`, pixels of the upright picture."""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule as it was applied.

    Attributes:
        rule: the rule's name, as in `docs/detection.md`.
        value: what was measured, in `unit`; `None` where it could not be measured, and the rule did not apply.
        limit: the threshold in words, such as `at most 42`.
        unit: of value and limit; empty for ratios and probabilities.
        code: what a failure answers.
        failed: whether the rule rejected the picture.
    """

    rule: str
    value: float | None
    limit: str
    unit: str
    code: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Every measurement that was taken, and what decided.

    Attributes:
        checks: the rules in the order in which they were applied; the first failure is the last one.
        decided_by: name of the rule that rejected the picture, `None` on a pass.
        measurements: figures that were read, by name (`evidence.MEASUREMENTS`).
        boxes: named boxes `(x1, y1, x2, y2)` in pixels of the upright picture: `face`, `person 1` …
        landmarks: named point sets in pixels of the upright picture: `face`, `body`, `hand 1` …
    """

    checks: tuple[Check, ...] = ()
    decided_by: str | None = None
    measurements: Mapping[str, float] = field(default_factory=dict)
    boxes: Mapping[str, tuple[float, float, float, float]] = field(default_factory=dict)
    landmarks: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)

    def deciding(self) -> Explanation:
        """Nothing but what decided: small enough to go with every rejection."""
        return Explanation(tuple(check for check in self.checks if check.failed), self.decided_by)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form, figures rounded to four places."""
        return {
            "decided_by": self.decided_by,
            "checks": [
                {
                    "rule": c.rule,
                    "value": None if c.value is None else round(c.value, 4),
                    "limit": c.limit,
                    "unit": c.unit,
                    "code": str(c.code),
                    "failed": c.failed,
                }
                for c in self.checks
            ],
            "measurements": {name: round(value, 4) for name, value in self.measurements.items()},
            "boxes": {name: [round(v, 1) for v in box] for name, box in self.boxes.items()},
            "landmarks": {
                name: [[round(x, 1), round(y, 1)] for x, y in points]
                for name, points in self.landmarks.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """A detector's verdict on one picture.

    Attributes:
        model: which detector judged.
        ratio: `1:1` or `3:4`; `1:1` for detectors that take none.
        passed: whether the picture can drive the video.
        code: why not; `None` on a pass.
        message: the literal wire text of `code`; empty on a pass.
        face_bbox: the square face box; only on a pass, of detectors that answer boxes.
        ext_bbox: the extended box, likewise.
        body_style: `full` or `half` on a pass of detectors that answer it, else empty.
        humanoid: whether a person was found at all.
        width: of the upright picture, pixels.
        height: of the upright picture, pixels.
        explanation: what was measured and what decided.
    """

    model: ModelSpec
    ratio: str
    passed: bool
    code: str | None
    message: str
    face_bbox: Box | None
    ext_bbox: Box | None
    body_style: str
    humanoid: bool
    width: int
    height: int
    explanation: Explanation

    def output(self) -> dict[str, Any]:
        """The wire's `output` object, in the form that the detector's documents show."""
        wire = self.model.wire
        parts = wire.passed if self.passed else wire.rejected
        return {name: part.value(self) for name, part in parts.items()}
