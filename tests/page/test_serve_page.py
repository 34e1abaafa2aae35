"""The page at `/` of `screentest serve` in a real browser, over the detectors themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from api.api_doubles import FakeFetcher, running_api
from page.browsing import one, sized, text, until
from selenium import webdriver
from selenium.webdriver.common.by import By

from screentest import detection
from screentest.demo import pictures
from screentest.detection.api import DetectionApi, Limits

pytestmark = pytest.mark.browser


def test_the_answer_leads_with_what_decided_and_stays_in_view(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    file = tmp_path / "tilted.jpg"
    file.write_bytes(pictures.data("tilted"))
    api = DetectionApi(detection.detect, FakeFetcher(), limits=Limits(), explain=True)
    with running_api(api) as server:
        sized(browser, 900, 600)
        browser.get(f"{server.server.url}/")
        browser.find_element(By.ID, "picture").send_keys(str(file))
        one(browser, "form button").click()
        until(browser, lambda b: "head tilted: 50" in text(b, "#result"))
        said = text(browser, "#result")
        assert "at most 25" in said
        assert "InvalidFile.FacePose" in said
        picture = one(browser, "#canvas")
        assert picture.rect["height"] <= 0.6 * 600 + 1
        assert picture.rect["width"] / picture.rect["height"] == pytest.approx(
            int(picture.get_attribute("width") or 0) / int(picture.get_attribute("height") or 1), rel=0.02
        )
        browser.get("about:blank")
