"""`examples/browser` in a real browser against the stack: from a file to its verdict, and who is kept out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from support.browser import chrome
from uploads.upload_ground import Uploads

from screentest.demo import pictures
from screentest.stack import REPOSITORY

pytestmark = [pytest.mark.stack, pytest.mark.browser]

browser = pytest.fixture(scope="module")(chrome)


def said(browser: webdriver.Chrome, pattern: str) -> str:
    def found(b: webdriver.Chrome) -> re.Match[str] | None:
        return re.search(pattern, b.find_element(By.CSS_SELECTOR, "[role=status]").text)

    WebDriverWait(browser, 60).until(found)
    return browser.find_element(By.ID, "advice").text


def choose(browser: webdriver.Chrome, uploads: Uploads, page: str, key: str, file: Path) -> None:
    browser.get(f"{page}/index.html")
    browser.find_element(By.NAME, "api").send_keys(uploads.url + "/")
    browser.find_element(By.NAME, "key").send_keys(key)
    browser.find_element(By.NAME, "picture").send_keys(str(file))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mein foto é.jpg"


def test_it_fits_a_screen_of_a_book() -> None:
    assert len((REPOSITORY / "examples" / "browser" / "upload.js").read_text().splitlines()) <= 60


def test_a_pass_with_its_boxes(browser: webdriver.Chrome, uploads: Uploads, file: Path) -> None:
    file.write_bytes(pictures.data("waist_up"))
    choose(browser, uploads, uploads.page, uploads.key, file)
    said(browser, "Can drive the video")
    colour = browser.execute_script(
        "const c = document.querySelector('canvas'); return [...c.getContext('2d').getImageData(356, 270, 1, 1).data]"
    )
    assert colour == [0x22, 0xCC, 0x22, 0xFF], "the left side of the face's box"


def test_a_rejection_with_advice(browser: webdriver.Chrome, uploads: Uploads, file: Path) -> None:
    file.write_bytes(pictures.data("cat"))
    choose(browser, uploads, uploads.page, uploads.key, file)
    assert "real person" in said(browser, "No person with a visible face")


def test_a_rejection_in_figures(browser: webdriver.Chrome, uploads: Uploads, file: Path) -> None:
    file.write_bytes(pictures.data("tilted"))
    choose(browser, uploads, uploads.page, uploads.key, file)
    said(browser, r"tilted \d+°, at most \d+")


def test_a_wrong_key_is_said(browser: webdriver.Chrome, uploads: Uploads, file: Path) -> None:
    file.write_bytes(pictures.data("cat"))
    choose(browser, uploads, uploads.page, uploads.key + "x", file)
    said(browser, "Invalid API-key provided")


def test_a_page_of_another_origin_is_kept_out(
    browser: webdriver.Chrome, uploads: Uploads, file: Path
) -> None:
    file.write_bytes(pictures.data("cat"))
    choose(browser, uploads, uploads.elsewhere, uploads.key, file)
    said(browser, "That did not work")
