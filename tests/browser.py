"""A headless Chromium, Debian's, driven by Selenium; tests are skipped where one is missing."""

import contextlib
import shutil

import pytest

FLAGS = """
--headless=new --no-sandbox --disable-gpu --disable-quic --disable-sync --no-first-run
--disable-background-networking --disable-component-update --window-size=1300,900
""".split()


def _programs():
    """Paths of Chromium and its driver, None where one is missing."""
    return shutil.which("chromium"), shutil.which("chromedriver")


def check():
    """Skips the test where there is no browser, with what is missing."""
    pytest.importorskip("selenium", reason="selenium is not installed: pip install selenium")
    if not all(_programs()):
        pytest.skip("Chromium is missing: apt-get install chromium chromium-driver")


@contextlib.contextmanager
def started(profile):
    """A browser with a fresh profile in an empty folder; it ends with the context."""
    check()
    from selenium import webdriver

    browser, driver = _programs()
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    page = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield page
    finally:
        page.quit()
