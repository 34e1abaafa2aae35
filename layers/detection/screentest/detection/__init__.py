"""Portrait detectors: picture in, verdict with boxes or a code out. Knows no AWS and no server.

>>> from screentest import detection
>>> answer = detection.detect("portrait.jpg", "emo-detect-v1", "1:1")
>>> answer.output()
{'check_pass': True, 'humanoid': True, 'face_bbox': [302, 286, 610, 593], 'ext_bbox': [71, 9, 840, 778]}
"""

from __future__ import annotations

from screentest.detection.answer import Answer, Check, Explanation
from screentest.detection.codes import Code
from screentest.detection.detector import Detector, DetectorPool, detect
from screentest.detection.errors import DetectionError, UnreadablePicture
from screentest.detection.models import ModelSpec

VERSION = "0.1.0"
"""Of this package; goes into `detector` of each recorded verdict."""

RULES_VERSION = "6"
"""Changes whenever a rule, threshold or network may decide differently."""

__all__ = [
    "RULES_VERSION",
    "VERSION",
    "Answer",
    "Check",
    "Code",
    "DetectionError",
    "Detector",
    "DetectorPool",
    "Explanation",
    "ModelSpec",
    "UnreadablePicture",
    "detect",
]
