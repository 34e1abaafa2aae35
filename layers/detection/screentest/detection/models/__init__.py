"""The detectors: one module each, and this list. What a detector is, is in `spec`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from screentest.detection import errors
from screentest.detection.models.animate_anyone import ANIMATE_ANYONE
from screentest.detection.models.emo import EMO
from screentest.detection.models.emoji import EMOJI
from screentest.detection.models.liveportrait import LIVEPORTRAIT
from screentest.detection.models.spec import AA_DETECT, FACE_DETECT, Framing, ModelSpec, SizeLimits, Wire
from screentest.detection.models.wan_s2v import WAN_S2V

BUILT_IN: tuple[ModelSpec, ...] = (EMO, EMOJI, ANIMATE_ANYONE, LIVEPORTRAIT, WAN_S2V)
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


def offered(profiles: Sequence[str] = ()) -> tuple[ModelSpec, ...]:
    """The detectors that are built in, and those of profiles: each a file, or the name of a ready-made one.

    Raises:
        ProfileError: one cannot be used.
    """
    known = BUILT_IN
    if profiles:
        from screentest.detection.profiles import load

        for given in profiles:
            known = (*known, load(given, known)[1])
    return known


def full_name(name: str) -> str:
    """The name that requests carry, of a detector that is given by its name for people; other names as they are."""
    return next((model.name for model in BUILT_IN if model.short == name), name)


__all__ = [
    "AA_DETECT",
    "ANIMATE_ANYONE",
    "BUILT_IN",
    "EMO",
    "EMOJI",
    "FACE_DETECT",
    "LIVEPORTRAIT",
    "WAN_S2V",
    "Framing",
    "ModelSpec",
    "SizeLimits",
    "Wire",
    "find",
    "full_name",
    "offered",
]
