"""A server of the page and a browser for each file of tests, and visitors who come and leave."""

import numpy as np
import pytest
from PIL import Image

from tests import browser
from tests.demo import visitors

PIXELS = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with visitors.serving("tests.demo.stand_in", folder) as found:
        yield found
        assert found.end() == 0
        assert list(found.folder.iterdir()) == []  # Nothing is left of anybody.
        log = found.log.read_text(encoding="utf-8")
        assert "outside" not in log and "Traceback" not in log and "Warning" not in log


@pytest.fixture(scope="module")
def chromium():
    with browser.started() as found:
        yield found


@pytest.fixture
def come(server, chromium):
    """Lets visitors come; at the end they leave, and have asked nobody but the server."""
    came = []

    def visitor(**options):
        came.append(visitors.Visitor(chromium, server.url, **options))
        return came[-1]

    yield visitor
    for each in came:
        own = (server.url, "data:", "blob:")
        assert each.asked and [url for url in each.asked if not url.startswith(own)] == []
        assert each.wrong == []
        each.leave()


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "my dog.png"
    Image.fromarray(PIXELS).save(path)
    return path
