"""What a rule is: one requirement, one measurement, one threshold, one code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from screentest.detection.evidence import MEASUREMENTS, Evidence


@dataclass(frozen=True, slots=True)
class Condition:
    """Where a rule applies: in words, and as a question to the evidence."""

    words: str
    holds: Callable[[Evidence], bool]


ALWAYS = Condition("always", lambda _: True)
PERSON = Condition("with a person", lambda e: e.people.person_count > 0)
FROM_FRONT = Condition(
    "with a person not seen from behind", lambda e: e.people.person_count > 0 and not e.people.facing_away
)
FACE_VISIBLE = Condition("with a visible face", lambda e: e.people.person_count > 0 and e.subject.visible)


@dataclass(frozen=True, slots=True)
class Rule:
    """A requirement of the documents.

    Attributes:
        name: unique among a detector's rules.
        requirement: what the picture must be.
        measurement: name of the figure (`evidence.MEASUREMENTS`); where it cannot be measured the rule does not apply.
        code: what a failure answers.
        reason: of the threshold.
        at_least: lowest value that passes.
        at_most: highest value that passes.
        applies: whether there is anything to measure.
    """

    name: str
    requirement: str
    measurement: str
    code: str
    reason: str
    at_least: float | None = None
    at_most: float | None = None
    applies: Condition = ALWAYS

    def __post_init__(self) -> None:
        if self.measurement not in MEASUREMENTS:
            raise ValueError(f"rule {self.name!r}: there is no measurement {self.measurement!r}")

    def value(self, evidence: Evidence) -> float | None:
        """The figure for one picture; `None` where the rule does not apply."""
        return evidence.read(self.measurement) if self.applies.holds(evidence) else None

    def fails(self, value: float | None) -> bool:
        """Whether `value` breaks the rule."""
        if value is None:
            return False
        too_low = self.at_least is not None and value < self.at_least
        too_high = self.at_most is not None and value > self.at_most
        return too_low or too_high

    def limited(
        self, *, at_least: float | None = None, at_most: float | None = None, reason: str | None = None
    ) -> Rule:
        """The same rule with another threshold."""
        return replace(self, at_least=at_least, at_most=at_most, reason=reason or self.reason)

    def answering(self, code: str) -> Rule:
        """The same rule with another code."""
        return replace(self, code=code)

    @property
    def unit(self) -> str:
        """Of the value and the limits."""
        return MEASUREMENTS[self.measurement].unit

    @property
    def bound(self) -> str:
        """The threshold in words, with its unit."""
        unit = self.unit.removesuffix("s") if self.limit.endswith(" 1") else self.unit
        return f"{self.limit} {unit}".rstrip()

    @property
    def limit(self) -> str:
        """The threshold in words."""
        if self.at_least is None:
            return f"at most {self.at_most:g}"
        if self.at_most is None:
            return f"at least {self.at_least:g}"
        return f"{self.at_least:g} to {self.at_most:g}"
