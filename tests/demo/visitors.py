"""Who visits the page: a server of their own, a browser, and pictures of what is seen."""

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests import browser

ROOT = Path(__file__).resolve().parents[2]
# Ignored by git; CI can keep them as artefacts.
SCREENSHOTS = ROOT / "outputs" / "screenshots"
needs_browser = browser.needed("gradio", "axe_playwright_python")
# Of the server: its own lines alone, and a proxy that nobody can reach.
_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
_ENVIRONMENT |= {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}


class Server:
    """A program that serves the page.

    Attributes:
      url: Where.
      folder: Where it keeps its files while it runs.
      log: All that it has printed.
    """

    def __init__(self, module, arguments, folder):
        self.folder, self.log = folder, folder.parent / "server.log"
        folder.mkdir()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **_ENVIRONMENT, "TMPDIR": str(folder)},
            )
        self.url = wait_for(self._address, 240)

    def _address(self):
        text = self.log.read_text(encoding="utf-8")
        assert self.process.poll() is None, text
        found = re.search(r"^Open (\S+) in a browser", text, re.MULTILINE)
        return found and found[1]

    def photos(self):
        """Names of the files that it keeps of visitors."""
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())

    def end(self, number=signal.SIGTERM):
        """Ends it as a system does; returns its exit status."""
        self.process.send_signal(number)
        return self.process.wait(60)


def wait_for(what, seconds=30):
    """What a function gives as soon as it is true."""
    end = time.monotonic() + seconds
    while True:
        if found := what():
            return found
        assert time.monotonic() < end, f"{what} has not come"
        time.sleep(0.1)


@contextlib.contextmanager
def serving(module, folder, *arguments):
    """Serves the page meanwhile."""
    server = Server(module, arguments, folder / "temporary")
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


class Visitor:
    """Somebody who has the page open.

    Attributes:
      page: Playwright's page.
      asked: Addresses of all that the page has asked for.
    """

    def __init__(self, chromium, url, width=1280, height=900, **options):
        self.context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        self.asked, self.wrong = [], []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.goto(url)
        self.page.wait_for_selector("#crop")
        # Gradio loads some of its parts after the others.
        self.page.wait_for_function("!document.querySelector('p.loading')")

    def says(self, words):
        """Waits until the status has these words; returns all of it."""
        self.page.locator("#status", has_text=words).wait_for()
        return self.page.locator("#status").inner_text()

    def take_sample(self, name):
        """Chooses a sample."""
        self.page.get_by_role("button", name=name).click()
        self.page.locator("#editor .box").wait_for()

    def upload(self, path):
        """Chooses a file."""
        self.page.locator("#photo input[type=file]").set_input_files(path)

    def ask(self, caption):
        """Writes what the crop should show, and presses the button."""
        self.page.get_by_label("What the crop should show").fill(caption)
        self.page.locator("#crop").click()

    def box(self):
        """The numbers that the page says of the box: x, y, w, h."""
        text = self.page.locator("#editor .numbers").inner_text()
        w, h, x, y, *_ = (int(number) for number in re.findall(r"\d+", text))
        return x, y, w, h

    def table(self, where):
        """The cells of a table, row by row."""
        rows = self.page.locator(f"{where} tr").all()
        return [row.locator("th, td").all_inner_texts() for row in rows]

    def download(self, link):
        """What a link gives, and under which name."""
        with self.page.expect_download() as found:
            self.page.get_by_role("link", name=link).first.click()
        return found.value.suggested_filename, Path(found.value.path()).read_bytes()

    def violations(self):
        """What axe-core finds, but for what is of minor weight."""
        package = importlib.util.find_spec("axe_playwright_python")
        script = Path(package.submodule_search_locations[0]) / "axe.min.js"
        self.page.evaluate(script.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run()")["violations"]
        return [
            (each["impact"], each["id"], [node["html"][:200] for node in each["nodes"]])
            for each in found
            if each["impact"] != "minor"
        ]

    def picture(self, name):
        """Keeps a picture of the whole page."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def leave(self):
        """Closes the page."""
        self.context.close()
