"""MAttNet with its words and its detector: a photo and a phrase to a box."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.baselines import released
from cagic_tf.baselines.mattnet import answer, geometry, language, network, objects, sizes, text
from cagic_tf.baselines.mattnet.detections import Detections
from cagic_tf.baselines.mattnet.layers import Layers
from cagic_tf.baselines.mattnet.lite_detector import LiteDetector
from cagic_tf.baselines.scored_box import ScoredBox
from cagic_tf.networks import bundle, checkpoints, proposals
from cagic_tf.networks.trunks.lite0 import Lite0

KIND = "mattnet"
Detect = Callable[[np.ndarray], Detections]
_BEST_ATTRIBUTES = 5


class MAttNet:
    """Finds the detection that a phrase means.

    Attributes:
      vocabulary: The words that it knows.
      attributes: Names of the attributes.
    """

    def __init__(self, tensors: Mapping[str, Any], manifest: Mapping[str, Any], detect: Detect):
        """Takes a "mattnet" checkpoint.

        Args:
          tensors: Its tensors; see `sizes.shapes`.
          manifest: What else it says: `vocabulary` and `attributes`, lists in order; `num_cxt`, how
            many things around a box count; `with_st`, whether those of its own kind do.
          detect: What finds things in a photo `[H, W, 3]`, uint8, RGB.
        """
        self.vocabulary = text.Vocabulary(manifest["vocabulary"])
        self.attributes = list(manifest["attributes"])
        self._slots, self._same_kind = int(manifest["num_cxt"]), bool(manifest["with_st"])
        self._sizes = sizes.find(tensors)
        self._layers, self._detect = Layers(tensors), detect
        described = objects.signature(self._sizes, self._slots)
        labels = tf.TensorSpec([1, None], tf.int32)
        self._score = tf.function(self._score_each, [described, labels], autograph=False)

    def boxes(
        self, photo: np.ndarray, phrase: str, detections: Detections | None = None
    ) -> list[ScoredBox]:
        """All detections of a photo, the one that the phrase means first.

        Args:
          photo: `[H, W, 3]`, uint8, RGB.
          phrase: What to find.
          detections: What there is in the photo; None: what its detector finds.

        Returns:
          Detected boxes x, y, w, h, which need not be whole pixels, with scores from -1 to 1;
          empty where nothing is detected.

        Raises:
          ValueError: As `comprehend`, or the photo is no such array.
        """
        released.check_photo(photo)
        self.vocabulary.encode(phrase)  # What is wrong with it is said before the work.
        if detections is None:
            detections = self._detect(photo)
        if not len(detections.boxes):
            return []
        found = self.comprehend(detections, (photo.shape[0], photo.shape[1]), phrase)
        order = np.argsort(-found.scores, kind="stable")
        boxes = [answer.box_of(detections.boxes, number) for number in order]
        scores = found.scores[order].tolist()
        return [ScoredBox(box, score) for box, score in zip(boxes, scores, strict=True)]

    def comprehend(
        self, detections: Detections, size: tuple[int, int], phrase: str
    ) -> answer.Answer:
        """Which of a photo's detections a phrase means; of equal scores the first.

        Args:
          detections: One or more.
          size: Height and width of the photo in pixels.
          phrase: What to find, of any length.

        Raises:
          ValueError: There is no detection; the detections are no such arrays; the phrase has no
            words.
        """
        objects.check(detections, self._sizes)
        if not len(detections.boxes):
            raise ValueError("there are no detections to choose from")
        labels = self.vocabulary.labels([phrase])
        categories = np.asarray(detections.categories)
        around = geometry.context(detections.boxes, categories, self._slots, self._same_kind)
        described = objects.describe(detections, size, around, self._sizes.alike)
        scores, reading = self._score(described, tf.constant(labels))
        slots = scores.slots.numpy()[:, np.newaxis]
        all_related = np.take_along_axis(around, slots, axis=1)[:, 0]
        chosen = int(np.argmax(scores.scores))
        related = int(all_related[chosen])
        boxes = detections.boxes
        return answer.Answer(
            chosen,
            answer.box_of(boxes, chosen),
            related,
            answer.box_of(boxes, related) if related > 0 else answer.NO_BOX,
            scores.scores.numpy(),
            scores.modules.numpy(),
            reading.weights[0].numpy(),
            text.tokens(phrase),
            reading.attention[0].numpy(),
            self._best_attributes(scores.attributes[chosen]),
            scores.grid_attention.numpy(),
            all_related,
        )

    def _score_each(
        self, described: network.Objects, labels: tf.Tensor
    ) -> tuple[network.Scores, language.Reading]:
        """All boxes with one text `[1, T]`."""
        reading = language.read(self._layers, labels)
        count = tf.shape(described.lfeats)[0]
        return network.score(self._layers, described, reading.repeated(count)), reading

    def _best_attributes(self, logits: tf.Tensor) -> list[tuple[str, float]]:
        likely = tf.sigmoid(logits).numpy()
        best = np.argsort(-likely, kind="stable")[:_BEST_ATTRIBUTES]
        return [(self.attributes[number], float(likely[number])) for number in best]


def own_detector(directory: str | os.PathLike) -> LiteDetector | None:
    """What finds things in a photo by proposals of the checkpoint's own; None: it has none.

    Raises:
      checkpoints.CheckpointError: There is no readable "mattnet" checkpoint, or its trunk is not
        the one that it was trained on.
    """
    checkpoint = _read(Path(directory))
    own = {name: value for name, value in checkpoint.tensors.items() if proposals.is_one(name)}
    if not own:
        return None
    trunk = Lite0(bundle.load_trunk(Path(directory), checkpoint).tensors)
    return LiteDetector(trunk, own, checkpoint.manifest)


def load(directory: str | os.PathLike, detect: Detect | None = None) -> MAttNet:
    """The MAttNet of a checkpoint's folder.

    Args:
      directory: What `python -m cagic_tf.port mattnet` made, or a training script.
      detect: What finds things in a photo, with as many channels as the checkpoint was trained on;
        None: the checkpoint's own proposals, which the stand-in has.

    Raises:
      checkpoints.CheckpointError: There is no readable "mattnet" checkpoint, its trunk is not the
        one that it was trained on, or it has no proposals and no detector is given.
    """
    checkpoint = _read(Path(directory))
    if detect is None:
        own = own_detector(directory)
        if own is None:
            raise checkpoints.CheckpointError(
                f"the MAttNet in {directory} has no proposals of its own: it needs the detector "
                "that it was trained with"
            )
        detect = own.detect
    rest = {name: each for name, each in checkpoint.tensors.items() if not proposals.is_one(name)}
    return MAttNet(rest, checkpoint.manifest, detect)


def _read(folder: Path) -> checkpoints.Checkpoint:
    if not (folder / checkpoints.MANIFEST).exists():
        raise checkpoints.CheckpointError(
            f"there is no MAttNet in {folder}: get refcoco_unc.zip, which the README of "
            "https://github.com/lichengunc/MAttNet links to (mrcn_cmr_with_st.pth and .json), and "
            "run python -m cagic_tf.port mattnet --weights=mrcn_cmr_with_st.pth "
            f"--options=mrcn_cmr_with_st.json --output={folder}"
        )
    return checkpoints.load(folder, KIND)
