"""The examples in docstrings do what they say; and the package says that it is typed."""

import doctest
import importlib

import pytest
from PIL import Image

from cagic_tf import config
from cagic_tf.networks import bundle
from cagic_tf.system import resources

PACKAGE = resources.package_path("")
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
QUICK = ["CoarseToFine.scan_scales = (0.5,)", "CoarseToFine.scan_centers = 2"]
QUICK += ["CoarseToFine.refine_scales = ()"]


@pytest.fixture(scope="module")
def networks():
    return bundle.Networks(lexicon="lexicon", grounder="grounder")


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name, networks, tmp_path, monkeypatch):
    """With the search shortened and the networks loaded once; the calls are the examples' own."""
    examples = doctest.DocTestFinder().find(importlib.import_module(f"cagic_tf.{name}"))
    load, runner = config.load_cropper, doctest.DocTestRunner()

    def quick(*files, bindings=()):
        return load(*files, bindings=[*bindings, *QUICK], networks=networks)

    monkeypatch.setattr(config, "load_cropper", quick)
    monkeypatch.chdir(tmp_path)
    Image.open(resources.package_path("samples") / "lake.jpg").save("photo.jpg")
    for each in examples:
        runner.run(each)
    assert runner.tries > 0 and runner.failures == 0


def test_typed():
    assert resources.package_path("py.typed").is_file()
