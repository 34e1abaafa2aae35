"""Measuring a picture once more, for a drawing of what was found on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def measure(picture: bytes, model: str, ratio: str | None) -> Mapping[str, Any]:
    """Measurements of the self-hosted detectors over a picture, in the form of the API's `output.explain`.

    Empty for models that are not ours and for files that cannot be read.
    """
    from screentest import detection, networks

    try:
        networks.prepare()
        answer = detection.detect(picture, model, ratio or "1:1")
    except detection.DetectionError:
        return {}
    return answer.explanation.as_dict()
