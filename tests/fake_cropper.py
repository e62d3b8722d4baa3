"""The command with a cropper that takes no time."""

import json
import types

import numpy as np
from absl import flags
from absl.testing import flagsaver
from PIL import Image

from cagic_tf import config, run
from cagic_tf.batch import output_folder
from cagic_tf.beyond import shapes
from cagic_tf.method import geometry
from cagic_tf.photos import drawing, reading

if not flags.FLAGS.is_parsed():
    flags.FLAGS(["test"])


class FakeCropper:
    """Crops to the upper left quarter."""

    configuration = "# config\n"
    seed, shape = 0, shapes.ORIGINAL
    loss = types.SimpleNamespace(networks=types.SimpleNamespace(checkpoints={"sat": "5a7"}))

    def __init__(self):
        self.calls, self.images, self.seeds = [], [], []
        self.meanwhile = lambda: None

    def batch_size(self, count, most=0):
        return 1

    def crop(self, image, caption, seed, progress, shape, smallest_side, candidate_count):
        photo = reading.read(image)
        self.calls.append(caption)
        self.seeds.append(seed)
        self.images.append(image)
        self.meanwhile()
        if caption == "crash":
            raise RuntimeError("out of memory")
        width, height = photo.shape[1::-1]
        scale = max(0.5, smallest_side / height)
        box = geometry.pixel_box((-1, -1), scale, width, height, shape.base_size(width, height))
        found = {
            "box": list(box),
            "loss": {"total": 1.0},
            "predicted_caption": "",
            "seconds": 0.5,
            "seed": seed,
        }
        found |= {"matched_words": {"captioner": [], "lexicon": {}}, "unknown_words": {}}
        if candidate_count > 1:  # As many as there are, which is one fewer.
            shifted = [[at, 0, *box[2:]] for at in range(candidate_count - 1)]
            found["candidates"] = [{"box": each, "loss": {"total": 2.0}} for each in shifted]
        steps = [types.SimpleNamespace(center=(0.0, 0.0))]
        return types.SimpleNamespace(
            photo=photo, box=box, path=types.SimpleNamespace(steps=steps), to_dict=lambda: found
        )


def install(monkeypatch):
    """Has the command crop with the one that is returned, and draw no plots."""
    made = FakeCropper()
    monkeypatch.setattr(config, "load_cropper", lambda *_, **__: made)
    monkeypatch.setattr(drawing, "has_matplotlib", lambda: False)
    return made


def call(**values):
    with flagsaver.flagsaver(**values):
        return run.main(["run"])


def lines_of(directory):
    text = (directory / output_folder.RESULTS).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def three_photos(tmp_path):
    for name in "abc":
        pixels = np.random.default_rng(ord(name)).integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return {"images": str(tmp_path / "*.png"), "caption": "x", "output_dir": str(tmp_path / "out")}
