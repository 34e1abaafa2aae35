"""The families of the detectors' contract, as values: where a model is asked, with which ratio, and how its answers say
pass and reject.

A model belongs to the family that its name begins with before `-detect`: private deployments add to the name
(`emo-detect-…`). Other names, such as those of profiles, belong to `OTHER`, which takes each form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

FACE_DETECT: Final = "/api/v1/services/aigc/image2video/face-detect"
AA_DETECT: Final = "/api/v1/services/aigc/image2video/aa-detect"

RATIOS: Final = ("1:1", "3:4")
"""`parameters.ratio` of the wire: head, half body."""

MEGABYTES: Final = 20
"""Of a picture file for models whose documents name no size: what the detection API downloads at most."""

Words = tuple[tuple[re.Pattern[str], str], ...]


def _words(*pairs: tuple[str, str]) -> Words:
    return tuple((re.compile(pattern, re.IGNORECASE), code) for pattern, code in pairs)


_LIMITS: Final = (
    (r"request url|\burl\b|download", "InvalidURL"),
    (r"resolution|largest length|smallest length|分辨率", "InvalidFile.Resolution"),
    (r"file size", "InvalidFile.Size"),
    (r"file ratio|aspect ratio", "InvalidFile.AspectRatio"),
)

ANIMATE_ANYONE_WORDS: Final = _words(
    *_LIMITS,
    (r"detected face|whole face|\bface\b|人脸|面部", "InvalidFile.FacePose"),
    (
        r"no human|multi[- ]?human|multiple (?:people|persons|human)|single person|no (?:person|people|body)\b"
        r"|未检测到人|多人",
        "InvalidFile.Content",
    ),
    (r"detected person|whole body|\bpose\b|front view|人体|姿[态势]", "InvalidFile.BodyPose"),
)
"""AnimateAnyone's `reason` → the codes of its own table; the first that matches. Faces come before persons and persons
before poses: each text of the table also holds a word of a later row."""

LIVEPORTRAIT_WORDS: Final = _words(*_LIMITS, (r"no (?:human )?face", "InvalidFile.NoHuman"))
"""LivePortrait's `message` → our codes; its documents know one text besides those of size and form."""


@dataclass(frozen=True, slots=True)
class Family:
    """One form of the contract.

    Attributes:
        name: what models are called before `-detect`.
        path: of the requests.
        ratios: that can be asked for, the default first; empty where there is one framing only.
        sent_ratio: sent although there is one framing only.
        flag: the field of an answer that says pass or reject; None where passes are known by their boxes.
        boxes: fields of a pass: face, extended box; None where there are none.
        body_styles: values of `bodystyle`.
        words: of `reason` or `message`, where rejects have no code.
        megabytes: the largest picture file (of 1,024 x 1,024 bytes each).
    """

    name: str
    path: str = FACE_DETECT
    ratios: tuple[str, ...] = ()
    sent_ratio: str | None = None
    flag: str | None = "check_pass"
    boxes: tuple[str, str] | None = None
    body_styles: tuple[str, ...] = ()
    words: Words = ()
    megabytes: int = MEGABYTES

    def code_of(self, text: str | None) -> str | None:
        """The code for a reason given in words."""
        return next((code for pattern, code in self.words if text and pattern.search(text)), None)


EMO: Final = Family("emo", ratios=RATIOS, boxes=("face_bbox", "ext_bbox"))
EMOJI: Final = Family(
    "emoji", sent_ratio="1:1", flag=None, boxes=("bbox_face", "ext_bbox_face"), megabytes=10
)
ANIMATE_ANYONE: Final = Family(
    "animate-anyone", AA_DETECT, body_styles=("half", "full"), words=ANIMATE_ANYONE_WORDS
)
LIVEPORTRAIT: Final = Family("liveportrait", flag="pass", words=LIVEPORTRAIT_WORDS, megabytes=10)
WAN_S2V: Final = Family("wan2.2-s2v")
OTHER: Final = Family("")

FAMILIES: Final = {family.name: family for family in (EMO, EMOJI, ANIMATE_ANYONE, LIVEPORTRAIT, WAN_S2V)}


def family_of(model: str) -> Family:
    """The family of a model's name."""
    name, detect, _ = model.partition("-detect")
    return FAMILIES.get(name, OTHER) if detect else OTHER
