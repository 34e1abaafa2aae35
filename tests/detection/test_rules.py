"""Every rule has a line in the documentation and a picture that it alone rejects."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from screentest.demo import pictures
from screentest.detection import Model, codes
from screentest.detection.detector import RATIOS, rules

sys.path.insert(0, str(Path(__file__).parent))
from rule_pictures import PICTURES

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "detection.md").read_text()
EVERY = [(model, ratio) for model in Model for ratio in RATIOS[model]]
NAMES = sorted({rule.name for model, ratio in EVERY for rule in rules(model, ratio)})


@pytest.mark.parametrize("name", NAMES)
def test_each_rule_has_its_line_and_its_picture(name):
    assert f"| {name} |" in DOCUMENT
    assert name in PICTURES


@pytest.mark.parametrize(("model", "ratio"), EVERY)
def test_the_documentation_states_threshold_and_code_as_they_are(model, ratio):
    for rule in rules(model, ratio):
        lines = [line for line in DOCUMENT.splitlines() if line.startswith(f"| {rule.name} |")]
        bounds = [f"{bound:g}" for bound in (rule.at_least, rule.at_most) if bound is not None]
        assert any(all(bound in line for bound in bounds) and rule.code in line for line in lines), rule.name


@pytest.mark.parametrize("model", Model)
def test_the_documentation_holds_each_literal_message(model):
    for message in codes.MESSAGES[model].values():
        assert message in DOCUMENT


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_this_rule_alone_rejects(name, measure):
    make, model, ratio = PICTURES[name]
    measurements = measure(pictures.jpeg(make()))
    failed = [rule.name for rule in rules(model, ratio) if rule.fails(rule.value(measurements))]
    assert failed == [name]


def test_rule_names_are_unique_within_a_detector():
    for model, ratio in EVERY:
        names = [rule.name for rule in rules(model, ratio)]
        assert len(names) == len(set(names))
