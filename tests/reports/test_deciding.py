"""Measurements in words: short, true to their limit, in every language."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screentest.detection.models import BUILT_IN
from screentest.detection.rules.catalogue import RULES
from screentest.screening.reasons import LANGUAGES
from screentest.screening.reasons.deciding import deciding, figure, words


def check(rule: str, value: float | None, limit: str, unit: str, *, failed: bool = True) -> dict[str, Any]:
    return {"rule": rule, "value": value, "limit": limit, "unit": unit, "failed": failed}


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (check("head turned", 88.1, "at most 38", "degrees"), "turned 88°, at most 38°"),
        (check("head turned", 38.2, "at most 38", "degrees"), "turned 38.2°, at most 38°"),
        (check("head tilted", 50.3, "at most 24.5", "degrees"), "tilted 50°, at most 24.5°"),
        (check("several people", 2.0, "at most 1", "persons"), "2 people found, at most 1"),
        (check("nobody", 0.0, "at least 1", "persons"), "no person found"),
        (check("resolution", 300.0, "400 to 7000", "pixels"), "300 pixels, must be 400 to 7000"),
        (
            check("face too small", 0.0422, "at least 0.068", "of the shorter side"),
            "face 4 % of the shorter side, at least 6.8 %",
        ),
        (check("mask", 0.998, "at most 0.5", ""), "covered by a mask or cloth: 100 %, at most 50 %"),
        (check("mask", 0.502, "at most 0.5", ""), "covered by a mask or cloth: 50.2 %, at most 50 %"),
        (
            check("face too small", 0.0676, "at least 0.068", "of the shorter side"),
            "face 6.76 % of the shorter side, at least 6.8 %",
        ),
        (
            check("too soft", 1.71, "at most 1.6", "% of face width"),
            "blurred by 1.7 % of the face's width, at most 1.6 %",
        ),
        (check("my own", 0.25, "at most 0.1", ""), "my own: 25 %, at most 10 %"),
        (check("my own", None, "at most 0.1", ""), "my own: -, at most 10 %"),
    ],
)
def test_what_decided(one: dict[str, Any], said: str) -> None:
    passed = check("nobody", 1.0, "at least 1", "persons", failed=False)
    assert deciding({"checks": [passed, one]}) == said


def test_a_pass_has_nothing_that_decided() -> None:
    assert deciding(None) is None
    assert deciding({"checks": [check("nobody", 1.0, "at least 1", "persons", failed=False)]}) is None


def test_every_rule_and_unit_has_words_in_every_language() -> None:
    used = {rule.name for model in BUILT_IN for framing in model.framings for rule in framing.rules}
    units = {rule.unit for rule in RULES.values()} - {""}
    for lang in LANGUAGES:
        of = words()[lang]
        assert used <= of["rules"].keys()
        assert units <= of["units"].keys()
        assert all("{}" in form for form in of["units"].values())


@given(st.floats(-1000, 1000), st.integers(-50, 50))
def test_a_figure_is_never_rounded_onto_its_limit(value: float, limit: int) -> None:
    if abs(value - limit) > 0.001:
        assert float(figure(value, f"at most {limit}").replace(",", "")) != limit
