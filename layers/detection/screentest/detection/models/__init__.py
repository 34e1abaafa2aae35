"""The detectors: one module each, and this list. What a detector is, is in `spec`."""

from __future__ import annotations

from collections.abc import Iterable

from screentest.detection import errors
from screentest.detection.models.animate_anyone import ANIMATE_ANYONE
from screentest.detection.models.emo import EMO
from screentest.detection.models.emoji import EMOJI
from screentest.detection.models.spec import AA_DETECT, FACE_DETECT, Framing, ModelSpec, SizeLimits, Wire

BUILT_IN: tuple[ModelSpec, ...] = (EMO, EMOJI, ANIMATE_ANYONE)
"""Every detector that is shipped, in the order in which they are listed to people."""


def find(name: str, models: Iterable[ModelSpec] = BUILT_IN) -> ModelSpec:
    """The detector of that name among `models`.

    Raises:
        UnknownModel: there is none.
    """
    known = {model.name: model for model in models}
    if name not in known:
        raise errors.UnknownModel(f"unknown model {name!r}: it is one of {', '.join(known)}")
    return known[name]


__all__ = [
    "AA_DETECT",
    "ANIMATE_ANYONE",
    "BUILT_IN",
    "EMO",
    "EMOJI",
    "FACE_DETECT",
    "Framing",
    "ModelSpec",
    "SizeLimits",
    "Wire",
    "find",
]
