"""The detection API inside another process: one picture at a time, without a key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from screentest.detection.answer import Answer
from screentest.detection.api.fetch import HttpFetcher
from screentest.detection.api.service import DetectionApi
from screentest.detection.api.wsgi import application
from screentest.detection.detector import DetectorPool
from screentest.detection.models import ModelSpec, offered
from screentest.detection.vision.runtime import Kernels

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


@dataclass(frozen=True, slots=True)
class Embedded:
    """The API in this process.

    Attributes:
        application: as WSGI has it.
        kernels: what runs its networks.
    """

    application: WSGIApplication
    kernels: Kernels


def embedded(profiles: Sequence[str], private_hosts: Iterable[tuple[str, int]]) -> Embedded:
    """The API as a WSGI application; it explains what decided, and no more. Its first network is opened.

    Args:
        profiles: names of profiles to offer besides the built-in models.
        private_hosts: hosts and ports that pictures may come from although their addresses are private.

    Raises:
        WeightsMissing: the installation is incomplete.
    """
    pool = DetectorPool(1)
    with pool.lend() as detector:
        kernels = detector.kernels

    def detect(data: bytes, model: ModelSpec, ratio: str) -> Answer:
        answer = pool.detect(data, model, ratio)
        return replace(answer, explanation=answer.explanation.deciding())

    api = DetectionApi(
        detect, HttpFetcher(allowed_hosts=private_hosts), explain=True, models=offered(profiles)
    )
    return Embedded(application(api), kernels)
