"""What chooses an epoch of the captioner's training: quick measures on the dev photos."""

import numpy as np
import tensorflow as tf

from cagic_tf.method import losses, vocabulary
from cagic_tf.networks import sat
from experiments.training import regions

MAX_WORDS = 20


def cider(sentences: list[str], references: list[list[str]]) -> float:
    """CIDEr on this project's own tokens: quick, for choosing an epoch, not for reporting."""
    from pycocoevalcap.cider.cider import Cider

    truth = {
        row: [" ".join(vocabulary.tokenize(text)) for text in texts]
        for row, texts in enumerate(references)
    }
    return float(Cider().compute_score(truth, dict(enumerate([s] for s in sentences)))[0])


def right_of_four(distributions: np.ndarray, captions: list[list[str]], words: list[str]) -> float:
    """How often a photo has the lowest loss of Eq. 4 for its own caption, among it and three more.

    Args:
      distributions: `[N, V]`, Eq. 4's mean word distribution of each photo.
      captions: The captions of each photo; one is drawn.
      words: The vocabulary.
    """
    rng, count, right = np.random.default_rng(0), len(captions), []
    for photo, texts in enumerate(captions):
        others = rng.choice(np.delete(np.arange(count), photo), min(3, count - 1), replace=False)
        text = texts[rng.integers(len(texts))]
        known = vocabulary.bag_of_words(text, words, None).distribution
        loss = losses.caption_loss(known, tf.constant(distributions[[photo, *others]]))
        right.append(int(np.argmin(loss)) == 0)
    return float(np.mean(right))


def measure_regions(decoder: sat.ShowAttendTell, found: regions.RegionSet) -> dict[str, float]:
    """Mean IoU of the crop whose loss of Eq. 4 is the lowest of the photo's, over descriptions.

    Descriptions without a known word do not count; without any other it is 0.
    """

    @tf.function(reduce_retracing=True)
    def describe(contexts):
        return losses.caption_distribution(decoder.greedy(contexts, MAX_WORDS), False)

    overlaps = [np.zeros(0)]
    for photo, features in zip(found.photos, found.features, strict=True):
        if photo.texts:
            bags = regions.content(photo.texts, decoder.vocabulary)
            known = bags.any(axis=1)
            likelihood = bags @ np.log(describe(features.astype(np.float32)).numpy() + 1e-9).T
            overlaps.append(photo.iou[known, np.argmax(likelihood, axis=1)[known]])
    joined = np.concatenate(overlaps)
    return {"IoU of the region's crop": float(joined.mean()) if len(joined) else 0.0}


def measure(decoder: sat.ShowAttendTell, dev: dict[str, np.ndarray], captions) -> dict[str, float]:
    """CIDEr of greedy captions and the caption loss's choice, on each view of the dev photos."""

    @tf.function(reduce_retracing=True)
    def describe(contexts):
        caption = decoder.greedy(contexts, MAX_WORDS)
        return caption.words, caption.lengths, losses.caption_distribution(caption, False)

    scores = {}
    for name, features in dev.items():
        sentences, distributions = [], []
        for start in range(0, len(features), 100):
            rows = features[start : start + 100].astype(np.float32)
            words, lengths, distribution = (t.numpy() for t in describe(tf.constant(rows)))
            sentences += [decoder.text(*pair) for pair in zip(words, lengths, strict=True)]
            distributions.append(distribution)
        scores[f"greedy CIDEr, {name}"] = cider(sentences, captions)
        scores[f"right of four photos, {name}"] = right_of_four(
            np.concatenate(distributions), captions, decoder.vocabulary
        )
    return scores
