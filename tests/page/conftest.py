"""A page over a local AWS with an empty bucket and table, and a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from page.page_bench import BUCKET, TABLE, Bench
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from support.aws import create_bucket, create_verdict_table

from screentest.demo import pictures
from screentest.page import Page, PageServer
from screentest.stack import LocalAws

# As root there is no sandbox; the other flags keep the browser from looking for hosts that are not there.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    with LocalAws(enforce_roles=False) as aws:
        s3, dynamodb = aws.client("s3"), aws.client("dynamodb")
        create_bucket(s3, BUCKET)
        create_verdict_table(dynamodb, TABLE)
        yield Bench(s3, dynamodb)


@pytest.fixture(scope="session")
def page(bench: Bench) -> Iterator[PageServer]:
    with PageServer(Page(s3=bench.s3, dynamodb=bench.dynamodb, bucket=BUCKET, table=TABLE)) as running:
        yield running


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no Chromium: install the packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    started.set_page_load_timeout(60)
    yield started
    started.quit()


@pytest.fixture(autouse=True)
def quiet_console(request: pytest.FixtureRequest) -> Iterator[None]:
    """A page that logs an error or breaks its own content security policy fails its test."""
    yield
    if "browser" in request.fixturenames:
        chrome: webdriver.Chrome = request.getfixturevalue("browser")
        noise = [line["message"] for line in chrome.get_log("browser") if line["level"] == "SEVERE"]
        # What the page asks for and does not get is part of what it shows.
        assert [line for line in noise if "the server responded with a status of" not in line] == []


@pytest.fixture(scope="session")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one man, waist up, facing the camera; 910 x 1137 pixels."""
    file = tmp_path_factory.mktemp("pictures") / "portrait <b>é.jpg"
    file.write_bytes(pictures.data("waist_up"))
    return file
