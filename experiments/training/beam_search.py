"""Beam search over the captioner, for the metrics of captioning; the method itself is greedy."""

import numpy as np
import tensorflow as tf

from cagic_tf.networks import sat

LENGTH_POWER = (
    1.8  # Of 0.7, 1.2, 1.8 and 2.5 the best METEOR and CIDEr on dev photos; low ones are terse.
)


def captions(
    decoder: sat.ShowAttendTell, features: np.ndarray, beam: int, max_words: int, batch: int = 50
) -> list[str]:
    """The most likely caption of each photo.

    A photo is done when as many captions have finished as there are beams; the best has the highest
    log-probability over length to the power of LENGTH_POWER. Unfinished ones count only where none
    finished. With one beam this is greedy decoding.

    Args:
      decoder: The captioner.
      features: `[N, L, D]` annotation vectors.
      beam: Beam width.
      max_words: Longest caption, end word included.
      batch: Photos at a time.

    Returns:
      N sentences without the end word.
    """
    begin = tf.function(
        lambda contexts: (decoder.attention_keys(contexts), *decoder.initialize(contexts))
    )
    advance = tf.function(
        lambda contexts, keys, words, memory, output: decoder.step(
            contexts, keys, words, (memory, output)
        ),
        reduce_retracing=True,
    )
    sentences = []
    for at in range(0, len(features), batch):
        contexts = decoder.project(tf.constant(features[at : at + batch], tf.float32))
        contexts = tf.repeat(contexts, beam, axis=0)  # Beams of a photo stand together.
        sentences += _search(decoder, begin, advance, contexts, beam, max_words)
    return sentences


def _search(decoder, begin, advance, contexts, beam, max_words):
    photos = contexts.shape[0] // beam
    keys, memory, output = begin(contexts)
    words = np.full(photos * beam, sat.START, np.int32)
    scores = np.full((photos, beam), -np.inf)
    scores[:, 0] = 0  # All beams are the same at first: only one counts.
    prefixes: list[list[list[int]]] = [[[] for _ in range(beam)] for _ in range(photos)]
    finished: list[list[tuple[float, list[int]]]] = [[] for _ in range(photos)]
    for step in range(max_words):
        logits, (memory, output) = advance(contexts, keys, tf.constant(words), memory, output)
        likelihood = tf.nn.log_softmax(logits).numpy().reshape(photos, beam, -1)
        size = likelihood.shape[-1]
        totals = (scores[:, :, np.newaxis] + likelihood).reshape(photos, -1)
        best = np.argpartition(-totals, 2 * beam, axis=1)[:, : 2 * beam]
        parents = np.zeros((photos, beam), np.int64)
        for photo in range(photos):
            kept: list[tuple[float, int, int, list[int]]] = []
            of_photo = totals[photo]
            for rank, candidate in enumerate(sorted(best[photo], key=lambda at: -of_photo[at])):
                parent, word = divmod(int(candidate), size)
                total = of_photo[candidate]
                prefix = prefixes[photo][parent]
                if word == decoder.end:
                    if rank < beam and len(finished[photo]) < beam:
                        finished[photo].append((total / (step + 1) ** LENGTH_POWER, prefix))
                elif len(kept) < beam:
                    kept.append((total, parent, word, [*prefix, word]))
            scores[photo] = [entry[0] for entry in kept]
            parents[photo] = [entry[1] for entry in kept]
            words[photo * beam : (photo + 1) * beam] = [entry[2] for entry in kept]
            prefixes[photo] = [entry[3] for entry in kept]
        if all(len(captions) == beam for captions in finished):
            break
        rows = (parents + beam * np.arange(photos)[:, np.newaxis]).reshape(-1)
        memory, output = tf.gather(memory, rows), tf.gather(output, rows)
    chosen = []
    for photo in range(photos):
        unfinished = [
            (total / max_words**LENGTH_POWER, prefix)
            for total, prefix in zip(scores[photo], prefixes[photo], strict=True)
        ]
        best_first = sorted(finished[photo] or unfinished, key=lambda entry: -entry[0])
        chosen.append(decoder.text(best_first[0][1], max_words))
    return chosen
