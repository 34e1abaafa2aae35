"""What a rule is: one requirement, one measurement, one threshold, one code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from screentest.detection.codes import Code
from screentest.detection.measurements import Measurements


def always(_: Measurements) -> bool:
    """The rule applies to any picture."""
    return True


def somebody(m: Measurements) -> bool:
    """The rule applies where there is a person."""
    return m.people > 0


def visible(m: Measurements) -> bool:
    """The rule applies where the main face is visible."""
    return m.people > 0 and m.visible


@dataclass(frozen=True, slots=True)
class Rule:
    """A requirement of the documents.

    Attributes:
        name: unique among a detector's rules; `docs/detection.md` has a line for it.
        requirement: what the picture must be.
        measure: the figure; `None` where it cannot be measured, and the rule does not apply.
        code: what a failure answers.
        at_least: lowest value that passes.
        at_most: highest value that passes.
        unit: of the value and the limits; empty for ratios and probabilities.
        applies: whether there is anything to measure.
    """

    name: str
    requirement: str
    measure: Callable[[Measurements], float | None]
    code: Code
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    applies: Callable[[Measurements], bool] = always

    def value(self, m: Measurements) -> float | None:
        """The figure for one picture; `None` where the rule does not apply."""
        if not self.applies(m):
            return None
        value = self.measure(m)
        return None if value is None else float(value)

    def fails(self, value: float | None) -> bool:
        """Whether `value` breaks the rule."""
        if value is None:
            return False
        too_low = self.at_least is not None and value < self.at_least
        too_high = self.at_most is not None and value > self.at_most
        return too_low or too_high

    def limited(self, *, at_least: float | None = None, at_most: float | None = None) -> Rule:
        """The same rule with another threshold."""
        return replace(self, at_least=at_least, at_most=at_most)

    def answering(self, code: Code) -> Rule:
        """The same rule with another code."""
        return replace(self, code=code)

    @property
    def limit(self) -> str:
        """The threshold in words."""
        if self.at_least is None:
            return f"at most {self.at_most:g}"
        if self.at_most is None:
            return f"at least {self.at_least:g}"
        return f"{self.at_least:g} to {self.at_most:g}"
