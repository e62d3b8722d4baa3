"""The page with its own networks: the command, a sample, the first crop."""

import json

import pytest

import cagic_tf
from cagic_tf.system import resources
from tests import browser
from tests.demo import visitors

pytestmark = [pytest.mark.slow, visitors.needs_browser]


def test_the_first_crop_of_a_sample_is_the_librarys(tmp_path):
    with visitors.serving("cagic_tf.demo", tmp_path, "--port=0") as server:
        with browser.started() as chromium:
            visitor = visitors.Visitor(chromium, server.url)
            visitor.take_sample("Astronaut")
            visitor.page.locator("#crop").click()
            print(visitor.says("Done in"))
            _, data = visitor.download("Download the result as JSON")
            visitor.page.get_by_role("button", name="Score my box").click()
            visitor.says("scored")
            rows = visitor.table("#comparison")
            visitor.picture("desktop-astronaut")
            visitor.leave()
        assert server.end() == 0
        log = server.log.read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in log] == ["Loading", "Open"]
    record = json.loads(data)
    sample = resources.package_path("samples") / "astronaut.jpg"
    cropper = cagic_tf.load_cropper("fast.gin")
    result = cropper.crop(sample, record["caption"], seed=0, candidate_count=4)
    assert record["box"] == list(result.box) and record["loss"] == result.loss
    assert len(record["candidates"]) == len(result.candidates)
    (scored,) = cropper.score(sample, record["caption"], [result.box])
    # The box stands where the found one does: both columns are its losses.
    assert rows[1] == ["total", *[f"{scored.loss['total']:.3f}"] * 2]
