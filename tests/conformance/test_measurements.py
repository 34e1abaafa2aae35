"""Measurements stay what they were: a table of figures over carried pictures, each with its tolerance.

`python tests/conformance/test_measurements.py` writes the table anew, after a change that is meant to move them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from screentest.demo import pictures
from screentest.detection.evidence import Evidence
from screentest.detection.pictures import decode, probe
from screentest.detection.vision.networks import Networks

TABLE = Path(__file__).with_name("measurements.json")
NAMES = (
    "waist_up",
    "astronaut",
    "calm_face",
    "standing",
    "shoulders_up",
    "tilted",
    "masked",
    "two_people",
    "cat",
)
# Networks run on other processors round otherwise: a few per cent of each figure's useful range.
TOLERANCES = {
    "person_count": 0,
    "several_people": 0.2,
    "face_share": 0.01,
    "face_presence": 0.05,
    "brightness": 3.0,
    "blur": 0.3,
    "yaw": 2.0,
    "roll": 2.0,
    "pitch": 2.5,
    "head_margin": 0.04,
    "sunglasses": 0.15,
    "covered": 0.2,
    "hand_near_face": 0.2,
    "expression": 0.1,
    "room_below_face": 0.15,
    "body_yaw": 6.0,
    "side_on": 0.2,
    "seated": 0.2,
    "held": 0.2,
    "torso_share": 0.08,
}


def figures(name: str, networks: Networks) -> dict[str, float | None]:
    data = pictures.data(name)
    evidence = Evidence(decode(data, probe(data)), networks)
    return {
        figure: None if (value := evidence.read(figure)) is None else round(float(value), 3)
        for figure in TOLERANCES
    }


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks()


@pytest.mark.parametrize("name", NAMES)
def test_measurements_are_what_they_were(name: str, networks: Networks) -> None:
    try:
        measured = figures(name, networks)
    except pictures.PicturesUnavailable as error:
        pytest.skip(str(error))
    expected = json.loads(TABLE.read_text())[name]
    wrong = {
        figure: (measured[figure], value)
        for figure, value in expected.items()
        if (value is None) is not (measured[figure] is None)
        or (value is not None and abs(measured[figure] - value) > TOLERANCES[figure])
    }
    assert not wrong


if __name__ == "__main__":
    shared = Networks()
    TABLE.write_text(json.dumps({name: figures(name, shared) for name in NAMES}, indent=1) + "\n")
