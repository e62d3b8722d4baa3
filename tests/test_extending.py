"""A loss term and a captioner from outside the package: what docs/extending.md promises."""

import dataclasses
import sys

import numpy as np
import pytest
import tensorflow as tf

import cagic_tf
from cagic_tf import config
from cagic_tf.method import vocabulary
from cagic_tf.method.losses import AestheticLoss, Term
from cagic_tf.method.objective import CropLoss, Objective
from cagic_tf.networks import bundle, checkpoints
from cagic_tf.networks.protocols import Caption
from cagic_tf.photos import reading
from cagic_tf.system import resources

SAMPLES = resources.package_path("samples")
# A module as a user would write it, and the gin file that binds it.
MODULE = '''
import dataclasses

import gin
import tensorflow as tf

from cagic_tf.method.losses import Term


@gin.configurable(module="outside")
@dataclasses.dataclass(frozen=True)
class NormLoss(Term):
    """The mean square of the annotation vectors."""

    power: int = 2
    name = "norm"

    def __call__(self, crops, target):
        return tf.reduce_mean(crops.captioner_features**self.power, axis=[1, 2])
'''
GIN = """
import outside_term
include "fast.gin"
Objective.terms = [@CaptionLoss(), @AestheticLoss(), @NounLoss(), @outside.NormLoss()]
Objective.sentence_weight = None
Objective.norm_weight = 0.5
CoarseToFine.scan_scales = (0.6,)
CoarseToFine.scan_centers = 2
"""


@pytest.mark.parametrize(
    "refinement",
    [
        ["CoarseToFine.refine_scales = ()"],
        pytest.param(
            [
                "CoarseToFine.refine_scales = (1.0,)",
                "CoarseToFine.refinement = @Annealing()",
                "Annealing.restart_count = 2",
            ],
            marks=pytest.mark.slow,
        ),
    ],
    ids=["scan", "scan and L-BFGS"],
)
def test_a_term_from_outside_is_a_class_and_two_bindings(refinement, tmp_path, monkeypatch):
    (tmp_path / "outside_term.py").write_text(MODULE)
    (tmp_path / "mine.gin").write_text(GIN)
    monkeypatch.syspath_prepend(tmp_path)
    cropper = cagic_tf.load_cropper(str(tmp_path / "mine.gin"), bindings=refinement)
    monkeypatch.delitem(sys.modules, "outside_term")
    result = cropper.crop(SAMPLES / "lake.jpg", "mountains behind a lake")
    assert list(result.loss) == ["total", "caption", "aesthetic", "lexicon", "norm"]
    loss = result.loss
    weights = {"caption": 0.1, "aesthetic": 0.35, "lexicon": 0.4, "norm": 0.5}
    weighted = sum(weight * loss[name] for name, weight in weights.items())
    assert loss["total"] == pytest.approx(weighted, rel=1e-5)
    for step in result.path.steps:
        assert set(step.losses.terms) == {"caption", "aesthetic", "lexicon", "norm"}
    assert "norm" in cropper.configuration


@dataclasses.dataclass(frozen=True)
class TargetSize(Term):
    """Half the distance of the crop's mean brightness to one that the caption's length gives."""

    name = "size"

    def __call__(self, crops, target):
        return tf.abs(tf.reduce_mean(crops.scorer_features, axis=[1, 2]) - target) / 2

    def signature(self, networks):
        return tf.TensorSpec([], networks.dtype)

    def target(self, networks, words):
        return tf.constant(len(words.words), networks.dtype)


def test_a_term_has_its_target_and_weight_and_stays_out_of_the_total_at_0():
    networks = bundle.Networks(dtype=tf.float64)
    words = vocabulary.bag_of_words("a dog and a ball", networks.captioner.vocabulary, None)
    theta = tf.constant([[0.1, -0.2, 0.5], [0.0, 0.0, 0.9]], tf.float64)
    photo = reading.read(SAMPLES / "lake.jpg").astype(np.float64) / 255
    totals = {}
    for weight in (0.0, 3.0):
        objective = Objective([AestheticLoss(), TargetSize()], 0.25, size_weight=weight)
        loss = CropLoss(objective, networks)
        problem = loss.problem(photo, words)
        found = loss(problem, theta)
        crops = loss.crops(problem, theta)
        expected = np.abs(crops.scorer_features.numpy().mean(axis=(1, 2)) - 5) / 2
        np.testing.assert_allclose(found.terms["size"], expected, rtol=1e-12)
        totals[weight] = found.total.numpy()
    np.testing.assert_allclose(totals[0.0], 0.25 * found.terms["aesthetic"], rtol=1e-12)
    np.testing.assert_allclose(totals[3.0] - totals[0.0], 3 * expected, rtol=1e-9)


class Colours:
    """A captioner of one word, with the probability that the mean of the features is high."""

    end_word = "."

    def __init__(self, checkpoint, dtype):
        self.vocabulary = checkpoint.manifest["vocabulary"]
        self._scale = tf.constant(checkpoint.tensors["scale"], dtype)

    def greedy(self, features, max_words):
        high = tf.sigmoid(self._scale * tf.reduce_mean(features, axis=[1, 2]))
        zeros = tf.zeros_like(high)
        first = tf.stack([zeros, high, 1 - high, zeros], axis=1)
        last = tf.stack([zeros, zeros, zeros, zeros + 1], axis=1)
        probabilities = tf.stack([first, last], axis=1)
        words = tf.argmax(probabilities, axis=2, output_type=tf.int32)
        return Caption(words, probabilities, tf.ones_like(words[:, 0]))

    def text(self, words, length):
        return " ".join(self.vocabulary[int(word)] for word in words[:length])


@pytest.mark.parametrize(
    "search",
    [
        ["Cropper.search = @CoarseToFine()", "CoarseToFine.refine_scales = ()"],
        pytest.param(
            ["Annealing.scale_factor = 0.7", "Annealing.restart_count = 2"], marks=pytest.mark.slow
        ),
    ],
    ids=["scan", "L-BFGS"],
)
def test_a_captioner_from_outside_is_a_class_and_a_line(search, tmp_path, monkeypatch):
    trunk = checkpoints.load(bundle.find("lite0"))
    checkpoints.save(
        tmp_path / "colours",
        "colours",
        {"scale": np.array([3.0], np.float32)},
        source="by hand",
        command="this test",
        commit="unknown",
        extra={
            "vocabulary": ["<start>", "bright", "dark", "."],
            "trunk": "lite0",
            "trunk_sha256": trunk.sha256,
        },
    )
    monkeypatch.setitem(bundle.CAPTIONERS, "colours", Colours)
    bindings = [f"Networks.captioner = '{tmp_path / 'colours'}'", *search]
    cropper = cagic_tf.load_cropper("paper.gin", bindings=bindings)
    result = cropper.crop(SAMPLES / "lake.jpg", "bright")
    assert result.predicted_caption in ("bright", "dark")
    assert set(result.checkpoints) == {"lite0", "colours", "vfn"}
    theta = tf.constant([[*result.center, result.scale]], tf.float32)
    problem, _ = cropper.problem(result.photo, "bright")
    features = cropper.loss.crops(problem, theta).captioner_features.numpy()
    expected = np.log1p(np.exp(-3.0 * features.mean()))  # -log q("bright"), the only word.
    assert result.loss["caption"] == pytest.approx(expected, rel=1e-4)


@pytest.fixture(scope="module")
def networks():
    return bundle.Networks()


TERMS = "Objective.terms = [@CaptionLoss(), {}]"


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        (["Objective.norm_weight = 1.0"], "norm_weight is no setting"),
        (["Objective.terms = []"], "at least one"),
        ([TERMS.format("@CaptionLoss()")], "each once"),
        ([TERMS.format("@NounLoss()")], "leave @NounLoss() out"),
        ([TERMS.format("@AestheticLoss")], "with its brackets"),
        (["Objective.terms = 'caption'"], "Objective.terms has 'c'"),
        (["Objective.aesthetic_weight = -1"], "aesthetic_weight is -1"),
        (["Objective.aesthetic_weight = 0", "Objective.caption_weight = 0"], "are all 0"),
        (["Cropper.search = 3"], "Cropper.search is 3"),
        (["Cropper.seed = 1.5"], "the seed is 1.5"),
        (["Cropper.seed = 1099511627776"], "32 bits"),
    ],
)
def test_mistakes_are_one_line(bindings, message, networks):
    with pytest.raises(config.ConfigError) as caught:
        config.load_cropper("paper.gin", bindings=bindings, networks=networks)
    text = str(caught.value)
    assert message in text and "\n" not in text and "In call to" not in text


@pytest.mark.parametrize("bad", ["total", "captioner", "read_as", "", "two words", None, 3])
def test_a_terms_name_is_a_word_of_its_own(bad):
    class Bad(Term):
        name = bad

    with pytest.raises(ValueError, match="the name of the term"):
        Objective([AestheticLoss(), Bad()])


def test_the_lexicon_can_be_taken_out_of_a_file_by_what_the_messages_say(networks):
    terms = "[@CaptionLoss(), @AestheticLoss(), @SentenceLoss()]"
    bindings = ["Networks.lexicon = None", f"Objective.terms = {terms}"]
    bindings += ["Networks.grounder = None", "CoarseToFine.pick = @HighestExpectedIoU()"]
    with pytest.raises(config.ConfigError, match="bound to None, it is taken back"):
        config.load_cropper("fast.gin", bindings=bindings, networks=networks)
    bindings.append("Objective.lexicon_weight = None")
    cropper = config.load_cropper("fast.gin", bindings=bindings, networks=networks)
    assert list(cropper.loss.objective.weights) == ["caption", "aesthetic", "sentence"]


def test_a_cropper_needs_single_precision():
    with pytest.raises(ValueError, match="a Cropper needs tf.float32"):
        cagic_tf.Cropper(bundle.Networks(dtype=tf.float64))


def test_a_checkpoint_of_another_kind_is_one_line():
    with pytest.raises(checkpoints.CheckpointError, match="a captioner is needed: sat"):
        bundle.Networks(captioner="vfn")
