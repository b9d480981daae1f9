"""Drives a real headless Chromium, for tests of pages."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

WIDTHS: Final = ((360, 800), (800, 1000), (1440, 900))
THEMES: Final = ("light", "dark")

_FLAGS: Final = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_READY: Final = """
const done = arguments[arguments.length - 1];
requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
"""


class Browser:
    """Holds one Chromium; each test opens its own page in it."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(
        self, page: Path, *, width: int = 1440, height: int = 900, theme: str = "light"
    ) -> None:
        """Opens a file as it looks in a window of that size (CSS pixels) and theme."""
        self.size(width, height)
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.console()  # what the page before said
        self.driver.get(page.as_uri())
        self.settle()

    def size(self, width: int, height: int) -> None:
        """Gives the window another size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def settle(self) -> None:
        """Waits until the page has drawn what it was told to."""
        self.driver.execute_async_script(_READY)

    def run(self, script: str, *args: Any) -> Any:
        """Runs a script in the page and gives what it returns, once that is drawn."""
        found = self.driver.execute_script(script, *args)
        self.settle()
        return found

    def find(self, selector: str) -> WebElement:
        """Finds the first element that a CSS selector names."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """Gives what an element says, whether it can be seen or not."""
        found: str = self.run(f"return document.querySelector({selector!r}).textContent")
        return " ".join(found.split())

    def shown(self, selector: str) -> int:
        """Counts the elements that take room on the page."""
        script = f"return [...document.querySelectorAll({selector!r})]"
        found: int = self.run(f"{script}.filter((one) => one.getClientRects().length).length")
        return found

    def press(self, selector: str, *keys: str) -> None:
        """Types keys into an element, which gets the focus."""
        self.find(selector).send_keys(*keys)
        self.settle()

    def click(self, selector: str) -> None:
        """Clicks an element."""
        self.find(selector).click()
        self.settle()

    def pointer(self) -> ActionChains:
        """Gives a pointer to move and press."""
        return ActionChains(self.driver, duration=0)

    def console(self) -> list[str]:
        """Gives what the page wrote to the console, failures of loading among it."""
        entries: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries]


@contextmanager
def start_browser() -> Iterator[Browser]:
    """Starts a Chromium of its own; skips where there is none."""
    program, service = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or service is None:
        pytest.skip("chromium and chromedriver are not on PATH; .ci/run installs them")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = program
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(service))
        try:
            driver.set_script_timeout(60)
            yield Browser(driver)
        finally:
            driver.quit()
