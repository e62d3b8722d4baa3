"""A long run's memory does not grow with its rows: what our program allocates, on any machine."""

import gc
import itertools
import json
import tracemalloc
import types
import weakref

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver
from PIL import Image
from tensorflow.python.framework.func_graph import FuncGraph

from cagic_tf import config, run
from cagic_tf.photos import drawing, reading

if not flags.FLAGS.is_parsed():
    flags.FLAGS(["test"])
LINE = 8_000  # Bytes that a row may leave: its record and its name among the files.


def write_rows(folder, rows, photos, longest_side):
    """A manifest of rows on photos of different sides."""
    random = np.random.default_rng(0)
    for number in range(photos):
        sides = random.integers(longest_side // 4, longest_side, 2)
        pixels = random.integers(0, 256, (*sides, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    lines = [
        {"id": f"{number}", "image": f"{number % photos}.png", "caption": f"a dog {number}"}
        for number in range(rows)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def call(folder, **values):
    values = {"manifest": f"{folder}/rows.jsonl", "output_dir": f"{folder}/out", **values}
    with flagsaver.flagsaver(**values):
        assert run.main(["run"]) == run.EXIT_OK


def test_three_photos_are_in_memory_at_most(tmp_path, monkeypatch):
    """The one that is cropped, the next one and the one whose row is being written."""
    rows, photos, counts = 40, [], []
    write_rows(tmp_path, rows, photos=8, longest_side=100)
    read = reading.read

    def read_and_note(image):
        photo = read(image).copy()  # It owns its memory, so that every view of it keeps it.
        photos.append(weakref.ref(photo))
        return photo

    def in_memory():
        return sum(photo() is not None for photo in photos)

    def crop(image, *_, **__):
        counts.append(in_memory())
        fields = {"box": [0, 0, 5, 5], "loss": {"total": 1.0}, "seconds": 0.1}
        path = types.SimpleNamespace(steps=[types.SimpleNamespace(center=(0.0, 0.0))])
        return types.SimpleNamespace(
            photo=image, box=(0, 0, 5, 5), path=path, to_dict=lambda: dict(fields)
        )

    networks = types.SimpleNamespace(checkpoints={})
    cropper = types.SimpleNamespace(
        crop=crop, configuration="", loss=types.SimpleNamespace(networks=networks)
    )
    monkeypatch.setattr(reading, "read", read_and_note)
    monkeypatch.setattr(config, "load_cropper", lambda *_, **__: cropper)
    monkeypatch.setattr(drawing, "has_matplotlib", lambda: False)
    call(tmp_path)
    assert len(counts) == rows and max(counts) <= 4  # A thread may be about to drop the fourth.
    gc.collect()
    assert len(photos) >= rows and in_memory() == 0


@pytest.mark.slow
def test_rows_leave_nothing_but_their_lines(tmp_path, monkeypatch):
    """With the networks and the search: no tensor, no graph, no memory beside the rows' lines."""
    warm, rows, seen = 16, 48, []
    write_rows(tmp_path, rows + 1, photos=8, longest_side=40)
    load = config.load_cropper

    def state():
        gc.collect()
        kinds = [type(each) for each in gc.get_objects()]
        tensors = sum(issubclass(kind, tf.Tensor) for kind in kinds)
        graphs = sum(issubclass(kind, FuncGraph) for kind in kinds)
        return tensors, graphs, tracemalloc.get_traced_memory()[0]

    def load_counted(*files, bindings):
        cropper = load(*files, bindings=bindings)
        crop, numbers = cropper.crop, itertools.count()

        def counted(*args, **values):
            number = next(numbers)
            if number == warm - 8:  # All graphs are traced.
                tracemalloc.start()
            if number in (warm, rows):
                seen.append(state())
            return crop(*args, **values)

        cropper.crop = counted
        return cropper

    monkeypatch.setattr(config, "load_cropper", load_counted)
    settings = ["CoarseToFine.scan_scales = (0.7,)", "CoarseToFine.scan_centers = 1"]
    settings.append("Annealing.restart_count = 1")
    try:
        call(tmp_path, gin_file=["fast.gin"], gin_param=settings)
    finally:
        tracemalloc.stop()
    (tensors, graphs, memory), (later_tensors, later_graphs, later_memory) = seen
    assert graphs == later_graphs > 0
    assert abs(later_tensors - tensors) < rows - warm  # Not one for each row.
    assert later_memory - memory < LINE * (rows - warm)
