"""A long run keeps nothing of its rows but their lines."""

import gc
import json
import weakref

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from PIL import Image
from tensorflow.python.eager import context
from tensorflow.python.framework.func_graph import FuncGraph

from cagic_tf import config, pipeline, run
from cagic_tf.method.search import Path as SearchPath
from cagic_tf.results import CropResult
from tests import held

if not flags.FLAGS.is_parsed():
    flags.FLAGS(["test"])

SHORT = ["scan_scales = (0.7,)", "scan_centers = 1"]
BINDINGS = [f"CoarseToFine.{each}" for each in SHORT]
PHOTOS = 10


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(PHOTOS):
        pixels = random.integers(0, 256, (*random.integers(8, 40, 2), 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def crop_rows(photos, out, count):
    """The command on that many rows, each of its own caption, over photos of many sizes."""
    rows = [
        {"id": f"{at}", "image": f"{at % PHOTOS}.png", "caption": f"a dog {out.name} {at}"}
        for at in range(count)
    ]
    (photos / f"{out.name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest = str(photos / f"{out.name}.jsonl")
    with flagsaver.flagsaver(manifest=manifest, output_dir=str(out)):
        assert run.main(["run"]) == run.EXIT_OK


def kept(cropper):
    """What rows could leave behind: graphs, functions of the runtime, tensors, arrays, results."""
    graphs = held.alive(FuncGraph)
    results = held.alive(CropResult) + held.alive(SearchPath)
    found = list(held.reachable(cropper))
    arrays = sum(item.nbytes for item in found if isinstance(item, np.ndarray))
    eager = [item for item in found if type(item).__name__ == "EagerTensor"]
    tensors = sum(item.dtype.size * item.shape.num_elements() for item in eager)
    functions = len(context.context().list_function_names())
    objects = sum(not isinstance(item, int | float) for item in found)  # Such as a count of calls.
    return graphs, functions, results, objects, arrays, tensors


@pytest.mark.slow
def test_30_rows_leave_what_10_leave(photos, tmp_path, monkeypatch):
    cropper = config.load_cropper("fast.gin", bindings=BINDINGS)
    monkeypatch.setattr(config, "load_cropper", lambda *_, **__: cropper)
    others = held.alive(CropResult) + held.alive(SearchPath)
    crop, results, alive = pipeline.Cropper.crop, [], []

    def watched(*arguments, **options):  # Of the class, so that the cropper itself has no more.
        if len(results) % PHOTOS == PHOTOS - 1:
            gc.collect()
            alive.append(sum(each() is not None for each in results))
        found = crop(*arguments, **options)
        results.append(weakref.ref(found))
        return found

    monkeypatch.setattr(pipeline.Cropper, "crop", watched)
    crop_rows(photos, tmp_path / "first", PHOTOS)
    kept(cropper)  # A tensor that is asked for its shape keeps the answer.
    before = kept(cropper)
    assert before[2] == others  # Results of other tests may be about.
    assert before[0] > 0 and before[5] > 1_000_000  # The networks' weights.
    crop_rows(photos, tmp_path / "more", 2 * PHOTOS)
    assert kept(cropper) == before
    # While they are cropped, too: the one that is being written, and no more.
    assert len(results) == 3 * PHOTOS and len(alive) == 3 and max(alive) <= 1
