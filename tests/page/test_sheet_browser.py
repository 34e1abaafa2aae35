"""Contact sheets in a real browser: ten thousand pictures, filters, details, hostile names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page.browsing import brightness, one, sized, text, texts, until
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from screentest.demo import pictures
from screentest.reports import ContactSheet, ReportEntry
from screentest.screening.models import Verdict
from screentest.screening.reasons import LANGUAGES
from screentest.screening.reasons.deciding import deciding

pytestmark = pytest.mark.browser

MANY = 10_000
HOSTILE = "</script><img src=x onerror=alert(1)>.jpg"
CODES = (None, "InvalidFile.NoHuman", "InvalidFile.FacePose", "Throttling")


def entry(number: int) -> ReportEntry:
    code = CODES[number % 4]
    return ReportEntry(
        name=f"emo/1x1/{number:05}.jpg",
        model="emoji-detect-v1" if number % 5 == 0 else "emo-detect-v1",
        ratio=None if number % 5 == 0 else "1:1",
        verdict=Verdict.PASS if code is None else Verdict.ERROR if code == "Throttling" else Verdict.REJECT,
        code=code,
        face_bbox=[2, 2, 6, 6],
        picture=SMALL,
        expected="pass" if number == 3 else None,
        note="a person's reason" if number == 3 else None,
    )


SMALL = pictures.jpeg(pictures.calm_face().resize((16, 16)))


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sheet") / "sheet.html"
    with ContactSheet(file, title="Ten thousand <b>", subtitle="a test") as writer:
        for number in range(MANY - 2):
            writer.add(entry(number))
        writer.add(
            ReportEntry(
                name=HOSTILE,
                model="<i>",
                verdict=Verdict.ERROR,
                code="<u>",
                message=HOSTILE,
                absent="deleted",
            )
        )
        checks = [
            {
                "rule": "nobody",
                "value": 0,
                "limit": "at least 1",
                "unit": "persons",
                "code": "c",
                "failed": True,
            }
        ]
        writer.add(
            ReportEntry(
                name="explained.jpg",
                model="emo-detect-v1",
                verdict=Verdict.REJECT,
                code="InvalidFile.NoHuman",
                picture=SMALL,
                explanation={
                    "checks": checks,
                    "boxes": {"person 1": [1, 1, 9, 9], "person 2": [1, 1, 8, 9], "face": [2, 2, 5, 5]},
                    "landmarks": {"face": [[3, 3]]},
                },
            )
        )
    return file


@pytest.fixture
def opened(sheet: Path, browser: webdriver.Chrome) -> webdriver.Chrome:
    sized(browser, 1280, 900)
    browser.get(sheet.as_uri())
    one(browser, ".card")
    return browser


def find(browser: webdriver.Chrome, text: str) -> None:
    search = browser.find_element(By.NAME, "text")
    search.clear()
    search.send_keys(text)


def test_ten_thousand_pictures_are_drawn_as_they_come_into_view(opened: webdriver.Chrome) -> None:
    assert text(opened, "#status") == f"{MANY} of {MANY} screenings"
    assert 0 < len(opened.find_elements(By.CSS_SELECTOR, ".card")) <= 240
    loaded = "return [...document.images].every((image) => image.complete && image.naturalWidth > 0)"
    until(opened, lambda b: b.execute_script(loaded))
    before = len(opened.find_elements(By.CSS_SELECTOR, ".card"))
    opened.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    until(opened, lambda b: len(b.find_elements(By.CSS_SELECTOR, ".card")) > before)


def test_filters(opened: webdriver.Chrome) -> None:
    opened.find_element(By.CSS_SELECTOR, "input[value=pass]").click()
    opened.find_element(By.CSS_SELECTOR, "input[value=error]").click()
    until(opened, lambda b: set(texts(b, ".card .code")) == {"InvalidFile.NoHuman", "InvalidFile.FacePose"})
    Select(opened.find_element(By.NAME, "code")).select_by_value("InvalidFile.FacePose")
    Select(opened.find_element(By.NAME, "model")).select_by_value("emoji-detect-v1")
    until(opened, lambda b: text(b, "#status") == f"500 of {MANY} screenings")
    find(opened, "00030")
    until(opened, lambda b: texts(b, ".card .name") == ["emo/1x1/00030.jpg"])
    find(opened, "nothing has this name")
    until(opened, lambda b: "No screening" in text(b, "#status"))


def test_what_was_not_expected_can_be_found(opened: webdriver.Chrome) -> None:
    opened.find_element(By.NAME, "surprises").click()
    until(opened, lambda b: texts(b, ".card .expected") == ["Expected: pass: a person's reason"])


def test_the_histogram_counts_codes_and_filters(opened: webdriver.Chrome) -> None:
    rows = texts(opened, "#histogram button")
    assert rows[0].startswith(("InvalidFile.NoHuman", "InvalidFile.FacePose", "Throttling"))
    assert f"InvalidFile.FacePose{sum(n % 4 == 2 for n in range(MANY - 2))}" in rows
    button = next(
        b for b in opened.find_elements(By.CSS_SELECTOR, "#histogram button") if "FacePose" in b.text
    )
    button.find_element(By.CSS_SELECTOR, ".name").click()
    until(opened, lambda b: set(texts(b, ".card .code")) == {"InvalidFile.FacePose"})
    assert opened.switch_to.active_element.get_attribute("aria-pressed") == "true"


def test_show_more_is_there_only_while_there_is_more(opened: webdriver.Chrome) -> None:
    find(opened, "explained")
    until(opened, lambda b: len(b.find_elements(By.CSS_SELECTOR, ".card")) == 1)
    assert not opened.find_element(By.ID, "more").is_displayed()
    opened.find_element(By.TAG_NAME, "h1").click()
    ActionChains(opened).send_keys("/").perform()
    assert opened.switch_to.active_element.get_attribute("name") == "text"


def test_hostile_names_are_text(opened: webdriver.Chrome) -> None:
    find(opened, "onerror")
    until(opened, lambda b: texts(b, ".card .name") == [HOSTILE])
    assert "deleted since" in text(opened, ".card")
    one(opened, ".card button").click()
    assert HOSTILE in text(opened, "dialog")


def test_details_by_keyboard(opened: webdriver.Chrome) -> None:
    find(opened, "explained")
    until(opened, lambda b: len(b.find_elements(By.CSS_SELECTOR, ".card")) == 1)
    one(opened, ".card button").send_keys(Keys.ENTER)
    dialog = one(opened, "dialog")
    assert "A person (decided)" in dialog.text
    assert dialog.find_element(By.CSS_SELECTOR, "h2").text == "No person found"
    assert dialog.find_elements(By.CSS_SELECTOR, "svg.gauge rect.limit")
    assert len(dialog.find_elements(By.CSS_SELECTOR, "svg circle")) == 1
    assert dialog.find_elements(By.CSS_SELECTOR, "svg rect.person")
    opened.switch_to.active_element.send_keys(Keys.ESCAPE)
    until(opened, lambda b: not b.find_element(By.CSS_SELECTOR, "dialog").is_displayed())
    find(opened, "emo/")
    until(opened, lambda b: len(b.find_elements(By.CSS_SELECTOR, ".card")) > 1)
    one(opened, ".card button").send_keys(Keys.ENTER)
    one(opened, "dialog").send_keys(Keys.ARROW_RIGHT)
    until(opened, lambda b: "00001.jpg" in text(b, "dialog"))


def shows(words: str) -> Callable[[webdriver.Chrome], bool]:
    return lambda browser: texts(browser, ".card h2") == [words]


def test_languages_dark_and_phone_width(opened: webdriver.Chrome) -> None:
    find(opened, "explained")
    for language, words in (("zh", "没有找到人"), ("ja", "人物が見つかりません")):
        Select(opened.find_element(By.ID, "language")).select_by_value(language)
        until(opened, shows(words))
    light = brightness(opened)
    sized(opened, 360, 740, dark=True)
    assert brightness(opened) < 200 < light
    assert opened.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0


TURNED = {"rule": "head turned", "value": 46.0, "limit": "at most 38", "unit": "degrees", "failed": True}
SOFT = {"rule": "too soft", "value": 0.9, "limit": "at most 1.6", "unit": "% of face width", "failed": False}
UNMEASURED = {
    "rule": "hand near face",
    "value": None,
    "limit": "at least 0.5",
    "unit": "face widths",
    "failed": False,
}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("rule", "value", "limit", "unit"),
    [
        ("mask", 0.502, "at most 0.5", ""),
        ("mask", 0.998, "at most 0.5", ""),
        ("face too small", 0.0678, "at least 0.068", "of the shorter side"),
        ("face too small", 0.0422, "at least 0.068", "of the shorter side"),
        ("too soft", 1.9, "at most 1.6", "% of face width"),
        ("head turned", 38.2, "at most 38", "degrees"),
        ("head tilted", 24.52, "at most 24.5", "degrees"),
        ("several people", 2.0, "at most 1", "persons"),
        ("resolution", 8200.0, "400 to 7000", "pixels"),
        ("a rule of one's own", 0.25, "at most 0.1", ""),
    ],
)
def test_the_browser_says_what_decided_as_every_other_surface_does(
    opened: webdriver.Chrome, lang: str, rule: str, value: float, limit: str, unit: str
) -> None:
    check = {"rule": rule, "value": value, "limit": limit, "unit": unit, "failed": True}
    words = f"JSON.parse(document.getElementById('page').textContent).words.{lang}"
    said = str(opened.execute_script(f"return Screentest.deciding([arguments[0]], {words})", check))
    expected = deciding({"checks": [check]}, lang)
    assert expected is not None
    assert said == expected[0].upper() + expected[1:]


def measurements(browser: webdriver.Chrome, verdict: str, checks: list[dict[str, Any]]) -> None:
    """The measurements of one entry alone on the page, in a column of 300 pixels."""
    browser.execute_script(
        "const words = JSON.parse(document.getElementById('page').textContent).words;"
        "const made = Screentest.measurements({verdict: arguments[0], checks: arguments[1]},"
        " Screentest.translator(words, () => 'en'));"
        "for (const one of made.querySelectorAll('details')) one.open = true;"
        "document.body.replaceChildren(Screentest.element('div', {id: 'alone'}, made));"
        "document.getElementById('alone').style.width = '300px';",
        verdict,
        checks,
    )


@pytest.mark.parametrize(
    ("verdict", "checks", "said"),
    [
        ("pass", [SOFT], "All 1 requirements are met"),
        ("reject", [SOFT], "1 other requirements are met"),
        ("reject", [TURNED, SOFT, UNMEASURED], "1 other requirements are met"),
    ],
)
def test_only_a_pass_meets_everything_and_only_what_was_measured_is_met(
    opened: webdriver.Chrome, verdict: str, checks: list[dict[str, Any]], said: str
) -> None:
    measurements(opened, verdict, checks)
    assert texts(opened, "#alone summary") == [said]


def test_names_and_figures_of_rules_do_not_collide(opened: webdriver.Chrome) -> None:
    measurements(opened, "reject", [TURNED, SOFT, UNMEASURED])
    assert "0.9 % of the face's width · at most 1.6 %" in texts(opened, "#alone .figure")
    collisions = opened.execute_script(
        "return [...document.querySelectorAll('#alone .check')].filter((check) => {"
        " const [rule, figure] = ['.rule', '.figure'].map((css) => check.querySelector(css).getBoundingClientRect());"
        " const apart = rule.right <= figure.left || rule.bottom <= figure.top + 1;"
        " return !apart || rule.height > 40 || figure.right > 309; }).map((check) => check.textContent)"
    )
    assert collisions == []


@pytest.mark.parametrize("at", [[2, 100], [398, 100], [200, 1]])
def test_a_label_stays_in_the_picture(opened: webdriver.Chrome, at: list[float]) -> None:
    x, y, width = opened.execute_script(
        "const mark = {kind: 'label', at: arguments[0], text: '46°', style: 'reason'};"
        "const drawn = Screentest.overlay({size: [400, 300], marks: [mark]});"
        "document.body.replaceChildren(Screentest.element('div', {class: 'picture'}, drawn));"
        "const box = document.querySelector('svg text').getBBox(); return [box.x, box.y, box.width];",
        at,
    )
    assert 0 <= x <= x + width <= 400
    assert y >= -1
