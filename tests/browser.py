"""A headless Chromium, Debian's, driven by Playwright; tests are skipped where one is missing."""

import contextlib
import importlib.util
import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync "
    # A camera that shows a turning disk, and a visitor who lets pages use it.
    "--use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
).split()


def needed(*packages):
    """A mark that skips tests where there is no browser, or one of these packages is missing."""
    reasons = [
        f"{name} is not installed: pip install -e '.[demo,browser]'"
        for name in ("playwright", *packages)
        if importlib.util.find_spec(name) is None
    ]
    if not CHROMIUM:
        reasons.append("Chromium is missing: apt-get install chromium")
    return pytest.mark.skipif(bool(reasons), reason="; ".join(reasons))


@contextlib.contextmanager
def started():
    """Playwright's browser, whose contexts know nothing of each other; it ends with this one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()
