"""One set of networks for all tests of a process, and the pictures that pinned packages carry."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from screentest.demo import pictures
from screentest.detection import Detector
from screentest.detection.evidence import Evidence
from screentest.detection.pictures import decode, probe
from screentest.detection.vision.networks import Networks

Measure = Callable[[bytes], Evidence]
"""From the bytes of a picture to its evidence."""


@pytest.fixture(scope="session", autouse=True)
def _pictures() -> None:
    try:
        pictures.fetch()
    except pictures.PicturesUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def detector() -> Detector:
    return Detector()


@pytest.fixture(scope="session")
def networks() -> Networks:
    return Networks()


@pytest.fixture(scope="session")
def measure(networks: Networks) -> Measure:
    def measure(data: bytes) -> Evidence:
        return Evidence(decode(data, probe(data)), networks)

    return measure
