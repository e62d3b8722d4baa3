"""MAttNet as released, file to answer: seeded weights in the authors' formats, ported, run.

The golden holds what the authors' own classes returned for these weights.
"""

import json

import numpy as np
import pytest
import tensorflow as tf

from cagic_tf.baselines.mattnet import (
    geometry,
    language,
    losses,
    mattnet,
    modules,
    network,
    objects,
)
from cagic_tf.baselines.mattnet.layers import Layers
from cagic_tf.networks import checkpoints
from cagic_tf.port import __main__ as command
from tests.baselines import seeded_mattnet

SEED = 1
CLOSE = {"rtol": 0, "atol": 3e-6}
ATTRIBUTES = [f"attribute {number}" for number in range(50)]


@pytest.fixture(scope="module")
def golden():
    return seeded_mattnet.golden(SEED)


@pytest.fixture(scope="module")
def folder(golden, tmp_path_factory):
    """The ported checkpoint."""
    made = tmp_path_factory.mktemp("mattnet")
    opt = json.loads(str(golden["options"]))
    words = golden["words"].tolist()
    name = "mrcn_cmr_with_st"
    seeded_mattnet.write_weights(made / f"{name}.pth", seeded_mattnet.state(SEED), opt)
    seeded_mattnet.write_options(made / f"{name}.json", opt, words, ATTRIBUTES)
    files = [f"--weights={made}/{name}.pth", f"--options={made}/{name}.json"]
    assert command.main(["mattnet", *files, f"--output={made}/ported"]) == 0
    return made / "ported"


@pytest.fixture(scope="module")
def system(folder):
    return mattnet.load(folder, lambda photo: None)


@pytest.fixture(scope="module")
def layers(folder):
    return Layers(checkpoints.load(folder, "mattnet").tensors)


@pytest.fixture(scope="module")
def photos(golden):
    return {photo: seeded_mattnet.detections(golden, photo, SEED) for photo in "abcd"}


@pytest.fixture(scope="module")
def described(golden, photos):
    """The numbers that the modules read, and whom the relationship module sees."""
    found = {}
    for photo, detections in photos.items():
        around = geometry.context(detections.boxes, detections.categories, 5, True)
        size = tuple(golden[f"{photo}_size"])
        found[photo] = objects.describe(detections, size, around, 5), around
    return found


@pytest.fixture(scope="module")
def labels(golden, system):
    return system.vocabulary.labels(golden["expressions"].tolist(), 10)


def test_tensors_words_and_options(golden, folder, system):
    listed = {line for line in golden["variables"].tolist() if not line.startswith("resnet.")}
    shapes = seeded_mattnet.released_shapes()
    assert listed == {f"{name} {tuple(shape)}" for name, shape in shapes.items()}
    manifest = checkpoints.load(folder, "mattnet").manifest
    assert manifest["vocabulary"] == system.vocabulary.words == golden["words"].tolist()
    assert manifest["attributes"] == system.attributes == ATTRIBUTES
    assert (manifest["num_cxt"], manifest["with_st"]) == (5, 1)


@pytest.mark.parametrize("photo", seeded_mattnet.PHOTOS)
def test_geometry(photo, golden, photos, described):
    found, around = described[photo]
    np.testing.assert_array_equal(around, golden[f"{photo}_cxt_ids"])
    np.testing.assert_allclose(found.lfeats, golden[f"{photo}_lfeats"], rtol=1e-6)
    np.testing.assert_allclose(found.dif_lfeats, golden[f"{photo}_dif_lfeats"], rtol=1e-6)
    np.testing.assert_allclose(found.cxt_lfeats, golden[f"{photo}_cxt_lfeats"], rtol=1e-6)
    sample = found.cxt_fc7[:, :, ::128]
    np.testing.assert_allclose(sample, golden[f"{photo}_cxt_fc7"], **CLOSE)
    maps = photos[photo]
    np.testing.assert_array_equal(maps.pool5[:, 3, 2, ::256], golden[f"{photo}_pool5"])
    np.testing.assert_array_equal(maps.fc7[:, 3, 2, ::512], golden[f"{photo}_fc7"])


def test_language(golden, layers, labels):
    np.testing.assert_array_equal(labels, golden["lang_labels"])
    assert labels.dtype == golden["lang_labels"].dtype
    embedded = language.embed(layers, tf.constant(labels))
    np.testing.assert_allclose(embedded[:, :, ::64], golden["lang_embedded"], **CLOSE)
    contexts, hidden = language.encode(layers, embedded, language.lengths(labels))
    np.testing.assert_allclose(contexts[:, :, ::64], golden["lang_context"], **CLOSE)
    np.testing.assert_allclose(hidden[:, ::32], golden["lang_hidden"], **CLOSE)
    reading = language.read(layers, tf.constant(labels))
    np.testing.assert_allclose(reading.weights, golden["lang_weights"], **CLOSE)
    for order, module in enumerate(language.MODULES):
        attention, phrase = reading.attention[:, order], reading.phrases[:, order, ::16]
        np.testing.assert_allclose(attention, golden[f"lang_{module}_attention"], **CLOSE)
        np.testing.assert_allclose(phrase, golden[f"lang_{module}_phrase"], **CLOSE)


def test_pairs(golden, layers, labels, described):
    """Box i with text i, texts of mixed lengths in one batch."""
    scores = network.score(layers, described["a"][0], language.read(layers, tf.constant(labels)))
    np.testing.assert_allclose(scores.scores, golden["paired_scores"], **CLOSE)


CASES = [(photo, text) for photo in "ad" for text in range(6)]
CASES += [(photo, text) for photo in "bc" for text in (1, 3)]


@pytest.mark.parametrize(("photo", "number"), CASES)
def test_answers(photo, number, golden, system, photos, described):
    key = f"{photo}{number}_"
    phrase = str(golden["expressions"][number])
    found = system.comprehend(photos[photo], tuple(golden[f"{photo}_size"]), phrase)
    np.testing.assert_allclose(found.scores, golden[key + "scores"], **CLOSE)
    np.testing.assert_allclose(found.module_scores, golden[key + "module_scores"], **CLOSE)
    np.testing.assert_allclose(found.module_weights, golden[key + "weights"], **CLOSE)
    np.testing.assert_allclose(found.word_attention, golden[key + "word_attention"], **CLOSE)
    assert (found.chosen, found.related) == tuple(golden[key + "chosen"])
    assert found.box == tuple(golden[key + "chosen_box"])
    assert found.related_box == tuple(golden[key + "rel_box"])
    best = [ATTRIBUTES.index(name) for name, _ in found.attributes]
    assert best == golden[key + "top_attributes"].tolist()
    # Which of several empty slots is the best is arbitrary; all of them are nobody.
    around = described[photo][1]
    related = np.take_along_axis(around, golden[key + "rel_ix"][:, np.newaxis], axis=1)
    np.testing.assert_array_equal(found.all_related, related[:, 0])
    if photo == "a":
        labels = system.vocabulary.labels([phrase])[0]
        np.testing.assert_array_equal(labels, golden[key + "labels"])
        step = 1 if number == 0 else 3
        sample = found.grid_attention[:, ::step]
        np.testing.assert_allclose(sample, golden[key + "grid_attention"], **CLOSE)


def test_every_answer_of_the_golden_is_compared(golden):
    assert {f"{photo}{number}_chosen" for photo, number in CASES} == {
        name for name in golden if name.endswith("_chosen")
    }


def test_features(golden, layers, system, described):
    """What the modules see of photo a by the fifth text."""
    labels = system.vocabulary.labels([str(golden["expressions"][4])])
    reading = language.read(layers, tf.constant(labels)).repeated(6)
    seen = described["a"][0]
    logits, cells = modules.attributes(layers, seen.pool5, seen.fc7)
    np.testing.assert_allclose(logits, golden["a_attribute_logits"], rtol=1e-6, atol=1e-5)
    subject, _ = modules.subject(layers, cells, reading.phrases[:, 0])
    np.testing.assert_allclose(subject[:, ::64], golden["a4_sub_feats"], **CLOSE)
    where = modules.location(layers, seen.lfeats, seen.dif_lfeats)
    np.testing.assert_allclose(where[:, ::16], golden["a4_loc_feats"], rtol=1e-6, atol=1e-5)
    around, masks = modules.relationship(layers, seen.cxt_fc7, seen.cxt_lfeats)
    np.testing.assert_allclose(around[:, :, ::64], golden["a4_rel_feats"], rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(masks, golden["a4_rel_masks"])


def test_losses(golden):
    ranking = losses.ranking(tf.constant(golden["crit_cossim"]))
    np.testing.assert_allclose(ranking, golden["crit_ranking"], **CLOSE)
    weights = losses.attribute_weights(golden["crit_counts"])
    np.testing.assert_allclose(weights, golden["crit_attribute_weights"], rtol=1e-6)
    truth = tf.constant(golden["crit_attribute_truth"])
    loss = losses.attributes(tf.constant(golden["a_attribute_logits"]), truth, tf.constant(weights))
    np.testing.assert_allclose(loss, golden["crit_attribute"], **CLOSE)
