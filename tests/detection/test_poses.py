"""Where BlazePose's points are looked for: our own layer against its own detector."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from PIL import Image

from screentest.demo import pictures as carried
from screentest.detection import pictures
from screentest.detection.evidence import Evidence
from screentest.detection.vision.crops import Region
from screentest.detection.vision.networks import Networks

SHOWN = (carried.standing, carried.waist_up, carried.astronaut)


@pytest.mark.parametrize("picture", SHOWN)
def test_points_are_looked_for_where_the_detector_finds_the_body(
    measure: Callable[[bytes], Evidence], networks: Networks, picture: Callable[[], Image.Image]
) -> None:
    evidence = measure(carried.jpeg(picture()))
    face, body, image = evidence.subject.face, evidence.subject.body, evidence.picture.image
    poses = networks.poses
    assert face is not None
    assert body is not None
    found, expected = poses.detected(image, body), poses.expected(face.box, body, image.size)
    assert found is not None
    assert math.hypot(expected.x - found.x, expected.y - found.y) < 0.15 * found.side
    assert abs(math.log(expected.side / found.side)) < 0.3
    assert abs(math.degrees(expected.angle - found.angle)) < 10


def test_where_nobody_is_no_body_is_present(measure: Callable[[bytes], Evidence], networks: Networks) -> None:
    evidence = measure(carried.jpeg(carried.astronaut()))
    blank = Image.new("RGB", (400, 400), (128, 128, 128))
    region = Region(200, 200, 300)
    assert networks.poses(blank, region).presence < 0.1
    assert evidence.figure.pose is not None
    assert evidence.figure.pose.presence > 0.9


def test_the_detector_is_opened_where_it_is_asked_or_everything_is() -> None:
    networks = Networks()
    decoded = pictures.decode(data := carried.data("waist_up"), pictures.probe(data))
    assert Evidence(decoded, networks).figure.pose is not None
    assert "_detector" not in vars(networks.poses)
    networks.open()
    assert "_detector" in vars(networks.poses)
