"""What a test does with a browser: look, wait, read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 120


def sized(browser: webdriver.Chrome, width: int, height: int, *, dark: bool = False) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def until(browser: webdriver.Chrome, what: Callable[[webdriver.Chrome], Any]) -> Any:
    return WebDriverWait(browser, PATIENCE, ignored_exceptions=[StaleElementReferenceException]).until(what)


def one(browser: webdriver.Chrome, css: str) -> WebElement:
    found: WebElement = until(
        browser, lambda b: next((e for e in b.find_elements(By.CSS_SELECTOR, css) if e.is_displayed()), None)
    )
    return found


def text(browser: webdriver.Chrome, css: str) -> str:
    """What the first visible element says; read again where the page draws it anew meanwhile."""
    return str(
        until(
            browser,
            lambda b: next(
                (e.text for e in b.find_elements(By.CSS_SELECTOR, css) if e.is_displayed() and e.text), None
            ),
        )
    )


def texts(browser: webdriver.Chrome, css: str) -> list[str]:
    """In one step, so that the page cannot draw itself anew between two of them."""
    script = "return [...document.querySelectorAll(arguments[0])].map(element => element.textContent)"
    return [str(found) for found in browser.execute_script(script, css)]


def brightness(browser: webdriver.Chrome) -> int:
    colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in colour[4:-1].split(","))
