"""Every rule has a line in the documentation and a picture that it alone rejects; figures do not depend on order."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from detection.conftest import Measure
from detection.rule_pictures import IMPLIED, PICTURES
from PIL import Image

from screentest.demo import pictures
from screentest.detection.evidence import MEASUREMENTS
from screentest.detection.models import BUILT_IN, EMO
from screentest.detection.models.spec import Framing, ModelSpec
from screentest.detection.rules.catalogue import RULES
from screentest.detection.rules.rule import Rule

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "detection.md").read_text()
EVERY = [
    pytest.param(model, framing, id=f"{model} {framing.ratio}")
    for model in BUILT_IN
    for framing in model.framings
]
NAMES = sorted({rule.name for model in BUILT_IN for framing in model.framings for rule in framing.rules})


def line_of(rule: Rule) -> str:
    """The rule as a line of the documentation's tables."""
    return (
        f"| {rule.name} | {rule.requirement} | `{rule.measurement}` | {rule.bound} | {rule.reason} "
        f"| `{rule.code}` |"
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_rule_has_its_picture(name: str) -> None:
    assert name in PICTURES


@pytest.mark.parametrize(("model", "framing"), EVERY)
def test_the_documentation_states_each_rule_as_it_is(model: ModelSpec, framing: Framing) -> None:
    for rule in framing.rules:
        assert line_of(rule) in DOCUMENT, f"in docs/detection.md, {model} {framing.ratio}:\n{line_of(rule)}"


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_the_documentation_states_each_measurement_as_it_is(name: str) -> None:
    m = MEASUREMENTS[name]
    assert m.description
    line = f"| `{name}` | {m.description} | {m.unit or '-'} | {m.frame} |"
    assert line in DOCUMENT, f"in docs/detection.md:\n{line}"


@pytest.mark.parametrize("model", BUILT_IN, ids=str)
def test_the_documentation_holds_each_literal_message(model: ModelSpec) -> None:
    for message in model.messages.values():
        assert message in DOCUMENT


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_this_rule_alone_rejects(name: str, measure: Measure) -> None:
    make, model, ratio = PICTURES[name]
    evidence = measure(pictures.jpeg(make()))
    failed = [rule.name for rule in model.framing(ratio).rules if rule.fails(rule.value(evidence))]
    assert failed[0] == name
    assert set(failed[1:]) == IMPLIED.get(name, set())


TURNS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


@pytest.mark.parametrize("turn", TURNS, ids=str)
@pytest.mark.parametrize(
    "name", ["mask", "head tilted", "hips outside", "hand near face", "legs cut", "face hidden"]
)
def test_figures_are_the_same_in_whatever_order_they_are_read(
    name: str, turn: Image.Transpose | None, measure: Measure
) -> None:
    picture = PICTURES[name][0]()
    data = pictures.jpeg(picture if turn is None else picture.transpose(turn))
    first = measure(data)
    expected = {figure: first.read(figure) for figure in MEASUREMENTS}
    shuffled = random.Random(f"{name} {turn}")
    for _ in range(3):
        order = list(MEASUREMENTS)
        shuffled.shuffle(order)
        again = measure(data)
        assert {figure: again.read(figure) for figure in order} == expected


def test_only_registered_measurements_are_shown(measure: Measure) -> None:
    evidence = measure(pictures.data("waist_up"))
    assert evidence.measurements_taken() == {}
    evidence.read("hand_distance")
    shown = evidence.measurements_taken()
    assert "hand_distance" in shown
    assert set(shown) <= set(MEASUREMENTS)


def test_what_is_assumed_is_not_measured(measure: Measure) -> None:
    evidence = measure(pictures.data("waist_up"))
    evidence.assume("several_people", 1.0)
    assert evidence.read("several_people") == 1.0
    assert evidence.read("person_count") == 2


def test_a_second_witness_of_sunglasses_is_asked_where_the_first_has_a_hint(measure: Measure) -> None:
    data = pictures.data("waist_up")
    bare, alarmed = measure(data), measure(data)
    seen = bare.covering.occlusion
    assert seen is not None
    assert bare.read("sunglasses") == seen.sunglasses
    vars(alarmed.covering)["occlusion"] = replace(seen, sunglasses=0.9)
    assert not RULES["sunglasses"].fails(alarmed.read("sunglasses"))


@pytest.mark.parametrize("name", ["mask", "sunglasses"])
def test_what_covers_a_tilted_face_is_named_before_the_tilt(name: str, measure: Measure) -> None:
    picture = PICTURES[name][0]()
    tilted = picture.rotate(33, Image.Resampling.BICUBIC, expand=True, fillcolor=picture.getpixel((5, 5)))
    evidence = measure(pictures.jpeg(tilted))
    failed = [rule.name for rule in EMO.framing("1:1").rules if rule.fails(rule.value(evidence))]
    assert [rule for rule in failed if rule != "face covered"][:2] == [name, "head tilted"]
    assert evidence.read("object_over_face") is None


@pytest.mark.parametrize(
    ("name", "ratio", "plain", "named"),
    [
        ("waist_up", "1:1", False, "several people"),
        ("masked", "1:1", False, "mask"),
        ("masked", "1:1", True, "another person"),
        ("shoulders_up", "3:4", False, "chest crop"),
        ("shoulders_up", "3:4", True, "another person"),
    ],
)
def test_a_second_person_in_doubt_gives_way_to_what_is_plain(
    name: str, ratio: str, plain: bool, named: str, measure: Measure
) -> None:
    evidence = measure(pictures.data(name))
    evidence.assume("several_people", 1.0)
    vars(evidence.people)["second_person"] = 0.9 if plain else 0.3
    rules = EMO.framing(ratio).rules
    assert next(rule.name for rule in rules if rule.fails(rule.value(evidence))) == named


def test_a_detector_that_is_wrong_in_itself_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="no measurement"):
        replace(RULES["mask"], measurement="_hand_distance")
    head = EMO.framing("1:1")
    with pytest.raises(ValueError, match="no message for Odd"):
        replace(EMO, framings=(replace(head, rules=(RULES["mask"].answering("Odd"),)),))
    with pytest.raises(ValueError, match="twice"):
        replace(EMO, framings=(replace(head, rules=(RULES["mask"], RULES["mask"])),))
    with pytest.raises(ValueError, match="boxes"):
        replace(EMO, framings=(replace(head, extended_box=None),))
