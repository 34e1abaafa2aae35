"""Screening: event in, verdict recorded and announced. Knows no face.

`DetectionClient` is of use without AWS:

>>> from screentest.screening import DetectionClient
>>> with DetectionClient("http://127.0.0.1:8787") as client:
...     client.detect("https://example.com/portrait.jpg", "emo-detect-v1", "1:1").verdict
"""

from __future__ import annotations

from screentest.screening.client import DetectionClient, Timeouts
from screentest.screening.contract import Decision
from screentest.screening.errors import (
    ConfigurationError,
    DetectorError,
    PictureUnreadable,
    ScreeningError,
    Throttled,
    Unavailable,
)
from screentest.screening.models import Verdict

__all__ = [
    "ConfigurationError",
    "Decision",
    "DetectionClient",
    "DetectorError",
    "PictureUnreadable",
    "ScreeningError",
    "Throttled",
    "Timeouts",
    "Unavailable",
    "Verdict",
]
