"""The page in a real browser, over the stack as deployed: dropped, uploaded, queued, screened, explained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from page.browsing import brightness, one, sized, text, texts, until
from page.page_bench import BUCKET, TABLE, Bench
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from screentest.demo import pictures
from screentest.page import Page, PageServer, serve
from screentest.screening.models import Screening
from screentest.stack import LocalStack

pytestmark = [pytest.mark.stack, pytest.mark.browser]

HOSTILE = "emo/1x1/<img src=x onerror=alert(1)>.jpg"


@pytest.fixture
def deployed(stack: LocalStack, browser: webdriver.Chrome) -> Iterator[PageServer]:
    with serve(stack) as running:
        yield running
        browser.get("about:blank")


@pytest.fixture
def opened(page: PageServer, browser: webdriver.Chrome) -> webdriver.Chrome:
    sized(browser, 1280, 900)
    browser.get(page.url)
    one(browser, ".choice")
    return browser


def test_a_picture_travels_to_its_verdict(
    deployed: PageServer, browser: webdriver.Chrome, portrait: Path
) -> None:
    sized(browser, 1280, 900)
    browser.get(deployed.url)
    one(browser, ".choice")
    browser.find_element(By.ID, "file").send_keys(str(portrait))
    assert text(browser, "#shown h3") == "Can drive the video"
    assert texts(browser, "#journey li.done") == ["Uploaded to S3", "Queued", "Being screened", "Verdict"]
    assert texts(browser, "#journey [aria-current=step]") == ["Verdict"]
    assert "Pass" in text(browser, "#shown .verdict")
    until(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "#shown svg rect.face"))
    assert browser.find_elements(By.CSS_SELECTOR, "#shown svg rect.ext")
    assert len(browser.find_elements(By.CSS_SELECTOR, "#shown .check")) > 10
    assert browser.find_elements(By.CSS_SELECTOR, "#shown svg path.outside"), (
        "what the video does not show is dimmed"
    )
    # The verdict stands beside the picture.
    picture, why = (one(browser, css).rect for css in ("#shown .picture", "#shown .why"))
    assert abs(picture["y"] - why["y"]) < 5
    assert picture["x"] + picture["width"] <= why["x"] + 1
    assert "Can drive the video" in str(browser.find_element(By.ID, "spoken").get_attribute("textContent"))
    until(browser, lambda b: portrait.name in "".join(texts(b, "#list .name")))
    # The same picture for another model, by its button.
    next(
        b for b in browser.find_elements(By.CSS_SELECTOR, ".again button") if b.text == "Dancing figure"
    ).click()
    until(browser, lambda b: any("animate-anyone-detect-gen2" in text for text in texts(b, "#shown .line")))
    assert browser.find_element(By.CSS_SELECTOR, "#choices input:checked").get_attribute("value") == "3"
    # Another language keeps what can be done with it.
    Select(browser.find_element(By.ID, "language")).select_by_value("ja")
    assert len(browser.find_elements(By.CSS_SELECTOR, "#shown .again button")) >= 7
    Select(browser.find_element(By.ID, "language")).select_by_value("en")


def test_many_pictures_go_one_after_the_other_and_have_an_address(
    deployed: PageServer, browser: webdriver.Chrome, tmp_path: Path
) -> None:
    files = []
    for name in ("calm_face", "tilted", "two_people"):
        files.append(tmp_path / f"{name}.jpg")
        files[-1].write_bytes(pictures.data(name))
    sized(browser, 390, 844)
    browser.get(deployed.url)
    one(browser, ".choice")
    browser.find_element(By.ID, "file").send_keys("\n".join(map(str, files)))
    until(browser, lambda b: texts(b, "#tray .verdict") == ["Pass", "Reject", "Reject"])
    assert text(browser, "#tally") == "3 of 3 decided"
    browser.find_elements(By.CSS_SELECTOR, "#tray button")[1].click()
    until(browser, lambda b: texts(b, "#shown h3") == ["Tilted 50°, at most 25°"])
    until(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "#shown svg polyline.axis"))
    assert texts(browser, "#shown svg text") == ["50°"]
    assert "Head tilted" in texts(browser, "#shown .check.failed .rule")[0]
    # On a phone the verdict is under the picture, above the fold.
    foot = "return document.querySelector('#shown h3').getBoundingClientRect().bottom"
    until(browser, lambda b: 0 < b.execute_script(foot) < 844)
    assert browser.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0
    place = browser.current_url
    browser.get("about:blank")
    browser.get(place)
    until(browser, lambda b: texts(b, "#shown h3") == ["Tilted 50°, at most 25°"])
    for language in ("zh", "ja"):
        Select(browser.find_element(By.ID, "language")).select_by_value(language)
        until(
            browser, lambda b: "50°" in texts(b, "#shown h3")[0] and "Tilted" not in texts(b, "#shown h3")[0]
        )
        assert "at most" not in browser.find_element(By.ID, "shown").text
    Select(browser.find_element(By.ID, "language")).select_by_value("en")


def test_a_file_that_is_no_picture_is_explained(
    deployed: PageServer, browser: webdriver.Chrome, tmp_path: Path
) -> None:
    file = tmp_path / "text.jpg"
    file.write_bytes(pictures.not_a_picture())
    browser.get(deployed.url)
    one(browser, ".choice")
    browser.find_element(By.ID, "file").send_keys(str(file))
    assert text(browser, "#shown h3") == "The file is not a picture that can be read"


def test_a_dropped_and_a_pasted_picture_are_taken(opened: webdriver.Chrome) -> None:
    for event, field in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        opened.execute_script(
            "const files = new DataTransfer(); files.items.add(new File(['x'], 'handed.png', {type: 'image/png'}));"
            f"const made = new Event('{event}', {{bubbles: true, cancelable: true}});"
            f"Object.defineProperty(made, '{field}', {{value: files}}); document.body.dispatchEvent(made);"
        )
        until(opened, lambda b: texts(b, "#journey li.done") == ["Uploaded to S3"])
        assert "Waiting" in text(opened, "#shown .wait")


def test_an_upload_that_s3_refuses_says_why(opened: webdriver.Chrome, page: PageServer) -> None:
    opened.execute_script(
        "const plain = window.fetch; window.fetch = async (...all) => { const answer = await plain(...all);"
        "if (!String(all[0]).startsWith('/api/uploads')) return answer;"
        "const body = await answer.json(); body.fields.key = 'emo/1x1/other';"
        "return new Response(JSON.stringify(body)); };"
        "const files = new DataTransfer(); files.items.add(new File(['x'], 'a.png', {type: 'image/png'}));"
        "const made = new Event('paste'); Object.defineProperty(made, 'clipboardData', {value: files});"
        "dispatchEvent(made);"
    )
    assert "Policy" in text(opened, "#problem")


def test_the_list_shows_hostile_names_as_text_and_filters(opened: webdriver.Chrome, bench: Bench) -> None:
    emo = Screening.of("emo-detect-v1", "1:1")
    ref = bench.put(HOSTILE, pictures.data("cat"))
    bench.decide(bench.claim(ref, emo), verdict="reject", code="InvalidFile.NoHuman", message="<b>", at=1.9e9)
    other = bench.put("emoji/fine.jpg", pictures.data("calm_face"))
    bench.decide(bench.claim(other, Screening.of("emoji-detect-v1")), at=1.9e9)
    until(opened, lambda b: HOSTILE in texts(b, "#list .name"))
    search = opened.find_element(By.CSS_SELECTOR, "#filters input[type=search]")
    search.send_keys("onerror")
    until(opened, lambda b: texts(b, "#list .name") == [HOSTILE])
    Select(opened.find_element(By.NAME, "code")).select_by_value("InvalidFile.NoHuman")
    assert texts(opened, "#list .name") == [HOSTILE]
    opened.find_element(By.CSS_SELECTOR, "#filters input[value=reject]").click()
    until(opened, lambda b: texts(b, "#list .name") == [])
    opened.find_element(By.CSS_SELECTOR, "#filters input[value=reject]").click()
    # By keyboard alone: the entry's button opens the result.
    one(opened, "#list button").send_keys(Keys.ENTER)
    assert text(opened, "#shown h3") == "No person with a visible face was found"
    assert "Choose a photo of one real person" in text(opened, "#shown .why")
    bench.s3.delete_object(Bucket=BUCKET, Key=HOSTILE, VersionId=ref.version_id)
    one(opened, "#list button").click()
    until(opened, lambda b: "deleted since" in text(b, "#shown"))


def test_languages_light_and_phone_width(opened: webdriver.Chrome) -> None:
    for language, heading in (("zh", "检测记录"), ("ja", "判定の一覧"), ("en", "Verdicts")):
        Select(opened.find_element(By.ID, "language")).select_by_value(language)
        assert text(opened, "#verdicts-title") == heading
        assert opened.execute_script("return document.documentElement.lang").startswith(language)
        assert "undefined" not in opened.find_element(By.TAG_NAME, "body").text
    light = brightness(opened)
    sized(opened, 390, 844, dark=True)
    dark = brightness(opened)
    assert dark < 200 < 500 < light
    opened.find_element(By.ID, "theme").click()
    assert brightness(opened) == light
    overflow = opened.execute_script("return document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0


def test_everything_can_be_reached_by_keyboard_and_is_named(opened: webdriver.Chrome) -> None:
    reached = set()
    for _ in range(25):
        ActionChains(opened).send_keys(Keys.TAB).perform()
        focused = opened.switch_to.active_element
        reached.add(focused.get_attribute("id") or focused.get_attribute("name") or focused.tag_name)
        outline = opened.execute_script(
            "const e = document.activeElement; const s = e.nextElementSibling;"
            "return [e, s].some((n) => n && getComputedStyle(n).outlineStyle !== 'none')"
        )
        assert outline or focused.tag_name == "body"
    assert {"language", "theme", "choice", "file", "verdict", "model", "code", "text"} <= reached
    tree = opened.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    controls = [
        node
        for node in tree
        if node.get("role", {}).get("value") in ("button", "radio", "checkbox", "combobox", "searchbox")
    ]
    assert len(controls) > 8
    assert [node for node in controls if not node.get("name", {}).get("value")] == []


def test_a_lost_server_is_said(bench: Bench, browser: webdriver.Chrome) -> None:
    with PageServer(Page(s3=bench.s3, dynamodb=bench.dynamodb, bucket=BUCKET, table=TABLE)) as short:
        browser.get(short.url)
        one(browser, ".choice")
    assert "make up" in text(browser, "#problem")
    browser.get("about:blank")
    lost = [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    # Pictures of objects that other tests have removed may have been asked for before.
    expected = ("net::ERR_", "the server responded with a status of")
    assert [line for line in lost if not any(words in line for words in expected)] == []


MEASURED = {"rule": "head turned", "value": 41.3, "limit": "at most 38", "unit": "degrees"}


def test_what_decided_leads_in_the_list_the_result_and_the_status(
    opened: webdriver.Chrome, bench: Bench
) -> None:
    ref = bench.put(f"emo/1x1/{'folder/' * 30}turned.jpg", pictures.data("cat"))
    claim = bench.claim(ref, Screening.of("emo-detect-v1", "1:1"))
    code = "InvalidFile.FacePose"
    bench.decide(claim, verdict="reject", code=code, message="wire", measured=MEASURED, at=1.95e9)
    until(opened, lambda b: ref.key in texts(b, "#list .name"))
    entry = next(b for b in opened.find_elements(By.CSS_SELECTOR, "#list button") if "turned.jpg" in b.text)
    assert entry.find_element(By.TAG_NAME, "strong").text == "Turned 41°, at most 38°"
    name = entry.find_element(By.CSS_SELECTOR, ".name bdi").rect
    frame = entry.find_element(By.CSS_SELECTOR, ".name").rect
    assert name["x"] < frame["x"], "the beginning of a long key is cut, not its end"
    assert name["x"] + name["width"] <= frame["x"] + frame["width"] + 1
    entry.click()
    assert text(opened, "#shown h3") == "Turned 41°, at most 38°"
    until(opened, lambda b: any("turned.jpg" in name for name in texts(b, "#list [aria-current] .name")))
    assert len(opened.find_elements(By.CSS_SELECTOR, "#list [aria-current]")) == 1
    (spoken,) = texts(opened, "#spoken")
    assert spoken.startswith("Reject. Turned 41°, at most 38°. ")
    Select(opened.find_element(By.ID, "language")).select_by_value("zh")
    assert texts(opened, "#spoken")[0].startswith("不通过。")
    Select(opened.find_element(By.ID, "language")).select_by_value("en")
    assert texts(opened, "#spoken") == [spoken]


def test_a_file_dropped_while_another_is_on_its_way_joins_it_in_the_list(opened: webdriver.Chrome) -> None:
    for number in ("first", "second", "third"):
        opened.execute_script(
            "const files = new DataTransfer();"
            "files.items.add(new File(['x'], arguments[0], {type: 'image/png'}));"
            "const made = new Event('paste'); Object.defineProperty(made, 'clipboardData', {value: files});"
            "dispatchEvent(made);",
            f"{number}.png",
        )
    assert texts(opened, "#tray .name") == ["first.png", "second.png", "third.png"]
    assert text(opened, "#tally") == "0 of 3 decided"


def test_the_limit_of_a_file_is_that_of_the_chosen_model(opened: webdriver.Chrome) -> None:
    assert "up to 20 MB each" in text(opened, "#hint")
    opened.find_elements(By.CSS_SELECTOR, "#choices input")[2].click()
    until(opened, lambda b: "up to 10 MB each" in text(b, "#hint"))
