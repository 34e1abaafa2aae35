"""Plain-language reasons and advice for every code that a screening can end with.

The codes and messages of the wire are for programs and stay untouched; the words here are for the person who
took the picture or runs the stack. The requirements behind them are those of the detectors' documents; see
docs/detection.md for what is measured.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from screentest.screening.families import family_of
from screentest.screening.reasons import of_models

Language = Literal["en", "zh", "ja"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

PASSED = "Passed"
"""Key of the words for a pass, which has no code."""

UNKNOWN = "Unknown"
"""Code of a reject that came without one, and key of the words for codes that are not listed."""

# Codes of the shared error table that call for the same words.
_SAME_WORDS = {
    "LimitRequests": "Throttling",
    "Model.NotExist": "ModelNotFound",
    "model_not_found": "ModelNotFound",
    "Model.AccessDenied": "AccessDenied.Unpurchased",
    "Workspace.AccessDenied": "AccessDenied.Unpurchased",
    "CommodityNotPurchased": "Arrearage",
    "PrepaidBillOverdue": "Arrearage",
    "PostpaidBillOverdue": "Arrearage",
    "BadRequest.InputDownloadFailed": "InvalidURL.Timeout",
    "InvalidFile.DownloadFailed": "InvalidURL.Timeout",
    "InvalidURL.ConnectionRefused": "InvalidURL.Timeout",
    "InvalidParameter.DataInspection": "InvalidURL.Timeout",
    "BadRequest.TooLarge": "InvalidFile.Size",
    "BadRequest.UnsupportedFileFormat": "InvalidURL",
    "InvalidParameter.UnsupportedFileFormat": "InvalidURL",
    "InvalidImage": "InvalidURL",
    "NotAttempted": "StoreUnavailable",
    "InvalidPerson": "InvalidFile.NoHuman",
    "BadRequest": "InvalidParameter",
    "InternalError.Timeout": "RequestTimeOut",
    "GatewayTimeout": "RequestTimeOut",
    "Timeout": "RequestTimeOut",
    "ConnectionFailed": "ServiceUnavailable",
    "DetectorDown": "ServiceUnavailable",
    "NotJSON": "NotUnderstood",
    "SystemError": "InternalError",
    "ModelServiceFailed": "InternalError",
    "ModelServingError": "InternalError",
    "ModelUnavailable": "ServiceUnavailable",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, in a few words without a full stop, and what to do about it, in one or two sentences."""

    title: str
    advice: str

    @property
    def sentence(self) -> str:
        """The title with the full stop of its language, to stand in running text."""
        return self.title + self.advice[-1]


def explain(code: str | None, model: str, lang: str = "en", *, ratio: str | None = None) -> Reason:
    """The words for a code, as they apply to a model.

    Args:
        code: a code of the wire or of the pipeline; None or empty for a pass.
        model: the detector's model name; models of no known family get the general words.
        lang: `en`, `zh` or `ja`.
        ratio: `1:1` or `3:4` (or the table's `1x1`, `3x4`) where the advice depends on it.

    Returns:
        The words for the code; for a code that is not listed those of its parent (`Throttling.New` reads like
        `Throttling`), else a general sentence.

    Raises:
        ValueError: `lang` is none of the three.
    """
    if lang not in LANGUAGES:
        raise ValueError(f"no reasons in {lang!r}: choose one of {', '.join(LANGUAGES)}")
    words = _words(lang)
    family = family_of(model).name
    crop = (ratio or "").replace("x", ":")
    for name in _lineage(code or PASSED):
        for key in (f"{name} {family} {crop}", f"{name} {family}", name):
            if key in words:
                return Reason(*words[key])
    return Reason(*words[UNKNOWN])


@cache
def _words(lang: str) -> dict[str, tuple[str, str]]:
    words: dict[str, tuple[str, str]] = importlib.import_module(f"{__name__}.{lang}").WORDS
    return words | {key: languages[lang] for key, languages in of_models.WORDS.items()}


def _lineage(code: str) -> list[str]:
    """The code, the code it shares its words with, and the same of its parents."""
    names: list[str] = []
    while code:
        names += [code, _SAME_WORDS[code]] if code in _SAME_WORDS else [code]
        code = code.rpartition(".")[0]
    return names
