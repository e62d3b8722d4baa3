"""What the captioner's training scripts share: flags, photos, and the loop of epochs.

A script brings its loss, `step`, and its pass over the data, `train_epoch`; `run` repeats the pass,
measures each epoch on the dev split, keeps the best as a checkpoint, and goes on after a stop.
"""

import collections
import concurrent.futures
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
from absl import flags

from cagic_tf.networks import bundle, checkpoints
from cagic_tf.system import devices, files, provenance, resources
from experiments.data import photo_sets
from experiments.training import captioner_weights, dev_scores, regions, views

FLAGS = flags.FLAGS
T = TypeVar("T")
DEV_VIEWS = {"clean": 0, "pyramid": 2}
# Of views and of regions' crops, whatever the flags say: their features are cached, and trainings
# from several seeds share them.
CROPS_SEED = 1


def define_flags(
    epochs: int, batch: int, learning_rate: float, dropout: float, clean_share: float
) -> None:
    """Flags of every training script, with its own defaults."""
    flags.DEFINE_string(
        "data_dir",
        None,
        "The folder of Flickr8k (experiments/data/flickr8k.py says what is in it), or of "
        "COCO's photos.",
    )
    flags.DEFINE_string(
        "captions", None, "The captions file of COCO. Without it the data set is Flickr8k."
    )
    flags.DEFINE_string(
        "entities",
        None,
        "The folder of Flickr30k Entities (experiments/data/entities.py says what is in it), whose "
        "described regions of Flickr8k's photos are learnt, too.",
    )
    flags.DEFINE_string("work_dir", None, "The folder for cached features and the training state.")
    flags.DEFINE_string("output", None, "The folder to write the checkpoint to.")
    flags.DEFINE_string(
        "trunk", "lite0", "The trunk's checkpoint: a name under checkpoints/ or a path."
    )
    flags.DEFINE_bool(
        "preload",
        False,
        "Read the training features into memory at the start: much faster, where they fit.",
    )
    flags.DEFINE_integer(
        "views",
        len(views.SAT_VIEWS),
        "How many of views.SAT_VIEWS are used.",
        1,
        len(views.SAT_VIEWS),
    )
    flags.DEFINE_string(
        "init", None, "The checkpoint to start from. By default weights are random."
    )
    flags.DEFINE_integer(
        "epochs", epochs, "How many epochs to train; the learning rate falls to zero over them."
    )
    flags.DEFINE_integer(
        "batch", batch, "How many captions a step takes, or photos where it captions by itself."
    )
    flags.DEFINE_float("learning_rate", learning_rate, "The highest learning rate of Adam.")
    flags.DEFINE_float("dropout", dropout, "The dropout of contexts, attention and output layers.")
    flags.DEFINE_float(
        "clean_share", clean_share, "Which fraction of the draws takes the clean photo."
    )
    flags.DEFINE_float(
        "average", 0.999, "The decay of the averaged weights, which are what is saved."
    )
    flags.DEFINE_integer("seed", 1, "The seed of initial weights, order and dropout.")
    devices.define_flags()
    flags.mark_flags_as_required(["data_dir", "work_dir", "output"])


def read_split(split: str) -> photo_sets.PhotoSet:
    """The "train" or "dev" photos of what the flags name."""
    if FLAGS.captions:
        return photo_sets.coco_split(Path(FLAGS.captions), Path(FLAGS.data_dir), split)
    return photo_sets.flickr8k_split(Path(FLAGS.data_dir), split)


def load_trunk() -> tuple[checkpoints.Checkpoint, bundle.Trunk]:
    """The trunk that the flags name.

    Raises:
      checkpoints.CheckpointError: It does not read pictures of the views' size.
    """
    checkpoint = checkpoints.load(bundle.find(FLAGS.trunk))
    trunk = bundle.build_trunk(checkpoint)
    if trunk.input_size != views.SIZE:
        raise checkpoints.CheckpointError(
            f"{FLAGS.trunk} reads {trunk.input_size} pixels; {views.SIZE} are needed"
        )
    return checkpoint, trunk


def render(
    photos: photo_sets.PhotoSet,
    chosen: Iterable[int],
    drawn: Iterable[int],
    rng: np.random.Generator,
) -> tf.Tensor:
    """Pictures `[N, 224, 224, 3]` of photos by number, each seen as a view by number."""
    pairs = zip(chosen, drawn, strict=True)
    return tf.stack(
        [
            views.render(photos.read(photos.names[photo]), *views.draw(views.SAT_VIEWS[view], rng))
            for photo, view in pairs
        ]
    )


def photo_features(
    photos: photo_sets.PhotoSet, split: str, view: int, trunk: bundle.Trunk
) -> np.ndarray:
    """Annotation vectors `[photos, L, D]` of one view of a split, from the cache."""
    compute_trunk = tf.function(trunk, reduce_retracing=True)

    def compute(start, stop):
        rng = np.random.default_rng([CROPS_SEED, view, start])
        rendered = render(photos, range(start, stop), [view] * (stop - start), rng)
        return compute_trunk(rendered).numpy()

    path = Path(FLAGS.work_dir) / f"sat_{split}_{view}.npy"
    shape = (len(photos.names), *trunk(tf.zeros([1, *trunk.input_size, 3])).shape[1:])
    features = views.cached_features(path, shape[0], shape[1:], compute)
    if features.shape != shape:
        raise checkpoints.CheckpointError(
            f"{path} has shape {features.shape}, not {shape}: it is of another trunk or other "
            "photos; give another --work_dir"
        )
    return _preloaded(features, split)


def _preloaded(features: np.ndarray, split: str) -> np.ndarray:
    return np.array(features) if FLAGS.preload and split == "train" else features


def dev_features(photos: photo_sets.PhotoSet, trunk: bundle.Trunk) -> dict[str, np.ndarray]:
    """Annotation vectors of the views that are measured on."""
    return {name: photo_features(photos, "dev", view, trunk) for name, view in DEV_VIEWS.items()}


def train_features(photos: photo_sets.PhotoSet, trunk: bundle.Trunk) -> list[np.ndarray]:
    """Annotation vectors of the training photos, of each view that is used."""
    return [photo_features(photos, "train", view, trunk) for view in range(FLAGS.views)]


def described_regions(
    photos: photo_sets.PhotoSet, split: str, trunk: bundle.Trunk
) -> regions.RegionSet | None:
    """The described regions of a split's photos, with their features; None without --entities.

    Raises:
      photo_sets.DataError: The photos are not Flickr8k's.
    """
    if FLAGS.entities is None:
        return None
    if FLAGS.captions:
        raise photo_sets.DataError("--entities goes with Flickr8k's photos, not with --captions")
    path = Path(FLAGS.work_dir) / f"regions_{split}.npy"
    folders = Path(FLAGS.data_dir), Path(FLAGS.entities)
    found = regions.load(path, *folders, photos.names, trunk, CROPS_SEED)
    return found._replace(features=_preloaded(found.features, split))


def draw_contexts(
    features: Sequence[np.ndarray], photos: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Annotation vectors `[N, L, D]` of photos by number, each in a view drawn anew."""
    drawn = zip(draw_views(len(photos), rng), photos, strict=True)
    return np.stack([features[view][photo] for view, photo in drawn]).astype(np.float32)


def prepared(make: Callable[[T], Any], items: Iterable[T]) -> Iterator[tuple[T, Any]]:
    """Each item and what `make` makes of it, the next one made while this one is worked on."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting: collections.deque[tuple[T, concurrent.futures.Future]] = collections.deque()
        for item in items:
            waiting.append((item, pool.submit(make, item)))
            if len(waiting) > 1:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()


def draw_views(count: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of views, one for each of `count` photos: the clean one, or any other."""
    if FLAGS.views == 1:
        return np.zeros(count, int)
    clean = rng.random(count) < FLAGS.clean_share
    return np.where(clean, 0, rng.integers(1, FLAGS.views, count))


def run(
    weights: captioner_weights.Weights,
    train_epoch: Callable[[int], float],
    dev: dict[str, np.ndarray],
    dev_captions: list[list[str]],
    dev_regions: regions.RegionSet | None,
    save: Callable[[captioner_weights.Weights, dict[str, float]], None],
) -> None:
    """Trains from the last finished epoch on, and saves the epoch with the highest sum of scores.

    Args:
      weights: What is trained.
      train_epoch: Trains one epoch, given its number from 0; returns the mean loss.
      dev: Features of the dev photos by view.
      dev_captions: Their captions.
      dev_regions: Their described regions, or None.
      save: Writes the checkpoint, given the weights and the epoch's figures.
    """
    name, work_dir = Path(FLAGS.output).name, Path(FLAGS.work_dir)
    manager = tf.train.CheckpointManager(weights.state, str(work_dir / f"{name}_state"), 2)
    weights.state.restore(manager.latest_checkpoint)
    log_path = work_dir / f"{name}_log.json"
    log = json.loads(log_path.read_text()) if weights.epoch.numpy() else []
    while (epoch := int(weights.epoch.numpy())) < FLAGS.epochs:
        tf.random.set_seed(FLAGS.seed * 1000 + epoch)
        loss = train_epoch(epoch)
        weights.epoch.assign_add(1)
        scores = dev_scores.measure(weights.averaged, dev, dev_captions)
        if dev_regions is not None:
            scores |= dev_scores.measure_regions(weights.averaged, dev_regions)
        log.append({"epoch": epoch + 1, "training loss": loss, **scores})
        print(json.dumps(log[-1]), flush=True)
        total = sum(scores.values())
        if total > weights.best.numpy():
            weights.best.assign(total)
            save(weights, log[-1])
        files.write_atomically(log_path, json.dumps(log, indent=1).encode())
        manager.save()


def write_checkpoint(
    weights: captioner_weights.Weights,
    figures: dict[str, float],
    *,
    trunk: checkpoints.Checkpoint,
    script: str,
    flag_names: list[str],
) -> None:
    """Writes the averaged weights as a checkpoint, in half precision."""
    data, paths = "Flickr8k (Hodosh et al. 2013)", f"--trunk={trunk.name}"
    if FLAGS.captions:
        data = Path(FLAGS.captions).name
        paths += f" --captions={data}"
    if FLAGS.entities:
        data += " and of Flickr30k Entities (Plummer et al. 2015)"
        paths += " --entities=ENTITIES"
    values = {name: FLAGS[name].value for name in flag_names}
    values["init"] = Path(FLAGS.init).name if FLAGS.init else None
    chosen = (f"--{name}={value}" for name, value in values.items() if value is not None)
    before = checkpoints.load(FLAGS.init).manifest["command"] + " && " if FLAGS.init else ""
    command = f"{before}python -m experiments.{script} --data_dir=DATA {paths}"
    checkpoints.save(
        FLAGS.output,
        "sat",
        {name: value.numpy().astype(np.float16) for name, value in weights.average.items()},
        source=f"trained on the training photos of {data} by this project",
        command=" ".join([command, *chosen]),
        commit=provenance.commit(),
        metrics={"dev": figures},
        extra={
            "vocabulary": weights.decoder.vocabulary,
            "trunk": trunk_reference(bundle.find(FLAGS.trunk)),
            "trunk_sha256": trunk.sha256,
        },
    )


def trunk_reference(trunk: Path) -> str:
    """How the manifest names the trunk: under checkpoints/, or relative to the output."""
    if trunk.resolve().parent == resources.path("checkpoints").resolve():
        return trunk.name
    return os.path.relpath(trunk.resolve(), Path(FLAGS.output).resolve())
