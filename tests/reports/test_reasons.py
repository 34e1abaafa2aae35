"""Reasons and advice: complete in every language, and right for the model."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screentest import detection
from screentest.screening import errors
from screentest.screening.families import FAMILIES
from screentest.screening.reasons import LANGUAGES, _words, explain

MODELS = (
    "emo-detect-v1",
    "emoji-detect-v1",
    "animate-anyone-detect-gen2",
    "liveportrait-detect",
    "wan2.2-s2v-detect",
)

# Every code of the retired service's documents (EMO's, AnimateAnyone's and the shared table).
DOCUMENTED = [
    "InvalidParameter",
    "InvalidParameter.Ratio",
    "InvalidURL",
    "InvalidFile.NoHuman",
    "InvalidFile.MultiHuman",
    "InvalidFile.BodyProportion",
    "InvalidFile.Resolution",
    "InvalidFile.Value",
    "InvalidFile.FrontBody",
    "InvalidFile.FullFace",
    "InvalidFile.FacePose",
    "InvalidFile.FullBody",
    "InvalidFile.Content",
    "InvalidFile.BodyPose",
    "InvalidFile.Size",
    "InvalidFile.AspectRatio",
    "InvalidURL.ConnectionRefused",
    "InvalidURL.Timeout",
    "BadRequest.EmptyInput",
    "BadRequest.EmptyParameters",
    "BadRequest.EmptyModel",
    "BadRequest.IllegalInput",
    "BadRequest.InputDownloadFailed",
    "BadRequest.UnsupportedFileFormat",
    "InvalidParameter.UnsupportedFileFormat",
    "BadRequest.TooLarge",
    "InvalidParameter.DataInspection",
    "DataInspectionFailed",
    "IPInfringementSuspect",
    "Arrearage",
    "InvalidApiKey",
    "AccessDenied",
    "AccessDenied.Unpurchased",
    "Model.AccessDenied",
    "Workspace.AccessDenied",
    "AllocationQuota.FreeTierOnly",
    "ModelNotFound",
    "model_not_found",
    "Model.NotExist",
    "Throttling",
    "Throttling.RateQuota",
    "LimitRequests",
    "Throttling.BurstRate",
    "Throttling.AllocationQuota",
    "CommodityNotPurchased",
    "PrepaidBillOverdue",
    "PostpaidBillOverdue",
    "InternalError",
    "InternalError.Algo",
    "InternalError.Timeout",
    "RequestTimeOut",
    "SystemError",
    "ModelServiceFailed",
    "ModelServingError",
    "ModelUnavailable",
    "ServiceUnavailable",
    "GatewayTimeout",
]


def tree(root: type[errors.ScreeningError]) -> list[type[errors.ScreeningError]]:
    return [root, *(below for child in root.__subclasses__() for below in tree(child))]


OURS = sorted({kind.code for kind in tree(errors.ScreeningError)} | {"TagLimit", "Unknown"})


def test_the_languages_have_words_for_the_same_keys() -> None:
    for lang in LANGUAGES:
        assert list(_words(lang)) == list(_words("en"))


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("code", [*DOCUMENTED, *map(str, detection.Code), *OURS])
def test_every_code_is_explained(code: str, lang: str) -> None:
    for model in MODELS:
        reason = explain(code, model, lang)
        if code != "Unknown":
            assert reason != explain("Unknown", model, lang)
        assert not reason.title.endswith((".", "。"))
        assert reason.advice.endswith((".", "。"))


@pytest.mark.parametrize("lang", ["zh", "ja"])
def test_translations_are_in_their_script(lang: str) -> None:
    for key, texts in _words(lang).items():
        for text in texts:
            wide = sum(unicodedata.east_asian_width(character) == "W" for character in text)
            assert wide >= len(text) / 4, key
    kana = [
        unicodedata.name(c, "").startswith(("HIRAGANA", "KATAKANA"))
        for t in _words(lang).values()
        for c in t[1]
    ]
    assert any(kana) == (lang == "ja")


def test_titles_fit_a_line_of_sixty_columns() -> None:
    for lang in LANGUAGES:
        for title, _ in _words(lang).values():
            wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in title)
            assert wide <= 60, title


def test_advice_follows_model_and_ratio() -> None:
    assert "1:1" in explain("InvalidFile.FullBody", "emo-detect-v1", ratio="3:4").advice
    assert explain("InvalidFile.FullBody", "emo-detect-v1", ratio="3x4") == explain(
        "InvalidFile.FullBody", "emo-detect-v1", ratio="3:4"
    )
    assert "hips" not in explain("InvalidFile.FullBody", "emo-detect-v1", ratio="1:1").advice
    assert "expression" in explain("InvalidFile.FacePose", "emoji-detect-v1").title
    assert "224" in explain("InvalidFile.Resolution", "animate-anyone-detect-gen2").advice
    assert "4096" in explain("InvalidFile.Resolution", "liveportrait-detect").advice


def test_unlisted_codes_read_like_their_parent() -> None:
    assert explain("Throttling.Tomorrow", "emo-detect-v1") == explain("Throttling", "emo-detect-v1")
    assert explain("BadRequest.Odd", "emo-detect-v1") == explain("InvalidParameter", "emo-detect-v1")
    assert explain("Never.Seen", "emo-detect-v1") == explain("Unknown", "emo-detect-v1")


def test_titles_become_sentences_of_their_language() -> None:
    for lang, stop in (("en", "."), ("zh", "。"), ("ja", "。")):
        reason = explain("InvalidFile.MultiHuman", "emo-detect-v1", lang)
        assert reason.sentence == reason.title + stop


def test_a_pass_has_words_too() -> None:
    assert explain(None, "emo-detect-v1") == explain("", "emo-detect-v1")
    assert "video" in explain(None, "emo-detect-v1").title


def test_other_languages_are_refused() -> None:
    with pytest.raises(ValueError, match="en, zh, ja"):
        explain("Unknown", "emo-detect-v1", "fr")


@given(st.text(), st.text(), st.sampled_from(LANGUAGES), st.none() | st.text())
def test_any_code_and_model_gets_words(code: str, model: str, lang: str, ratio: str | None) -> None:
    reason = explain(code, model, lang, ratio=ratio)
    assert reason.title
    assert reason.advice


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_size_that_is_advised_is_one_that_every_model_takes(lang: str) -> None:
    smallest = min(family.megabytes for family in FAMILIES.values())
    for model in MODELS:
        assert re.findall(r"(\d+) MB", explain("InvalidFile.Size", model, lang).advice) == [str(smallest)]
