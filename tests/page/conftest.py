"""A page over a local AWS with an empty bucket and table, and a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from page.page_bench import BUCKET, TABLE, Bench
from selenium import webdriver
from support.aws import create_bucket, create_verdict_table
from support.browser import chrome

from screentest.demo import pictures
from screentest.page import Page, PageServer
from screentest.stack import LocalAws


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


browser = pytest.fixture(scope="session")(chrome)


@pytest.fixture(autouse=True)
def quiet_console(request: pytest.FixtureRequest) -> Iterator[None]:
    """A page that logs an error or breaks its own content security policy fails its test."""
    yield
    if "browser" in request.fixturenames:
        opened: webdriver.Chrome = request.getfixturevalue("browser")
        noise = [line["message"] for line in opened.get_log("browser") if line["level"] == "SEVERE"]
        # What the page asks for and does not get is part of what it shows.
        assert [line for line in noise if "the server responded with a status of" not in line] == []


@pytest.fixture(scope="session")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one man, waist up, facing the camera; 910 x 1137 pixels."""
    file = tmp_path_factory.mktemp("pictures") / "portrait <b>é.jpg"
    file.write_bytes(pictures.data("waist_up"))
    return file
