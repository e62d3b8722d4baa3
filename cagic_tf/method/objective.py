"""The objective: the weighted sum of its terms (Eq. 3) for crops of a photo, and its settings."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cagic_tf.method import problems, sampling
from cagic_tf.method.losses import AestheticLoss, CaptionLoss, Crops, Term
from cagic_tf.method.problems import Batch, Problem, Rows
from cagic_tf.method.search import Losses
from cagic_tf.method.vocabulary import BagOfWords, WordFinder
from cagic_tf.networks.bundle import Networks
from cagic_tf.networks.protocols import Caption, Follower

# What results have beside terms, of a crop's losses and of a caption's words.
RESERVED = ("total", "captioner", "read_as")
Choices = tuple[tf.Tensor, ...]  # See `CropLoss.choose`.


@dataclasses.dataclass(init=False)
class Objective:
    """Settings of Eq. 1 and Eq. 3-5; see the faithfulness table in the docs for the open ones.

    Attributes:
      terms: What is summed (Eq. 3).
      weights: Name of each term to its weight.
      max_words: Longest caption of the greedy decode, end word included.
      count_end_word: Whether the end word's step is one of Eq. 4's T_c.
      user_end_word: Whether the user's words get an end word, one of Eq. 4's T_u.
      pyramid: The set S of Eq. 1.
      blur_sigma: Blur after each resize, in pixels of the resized level.
    """

    terms: tuple[Term, ...]
    weights: dict[str, float]
    max_words: int
    count_end_word: bool
    user_end_word: bool
    pyramid: tuple[float, ...]
    blur_sigma: float

    def __init__(
        self,
        terms: Sequence[Term] = (CaptionLoss(), AestheticLoss()),
        aesthetic_weight: float = 0.01,
        max_words: int = 20,
        count_end_word: bool = False,
        user_end_word: bool = False,
        pyramid: Sequence[float] = (1 / 4, 1 / 3, 1 / 2, 1),
        blur_sigma: float = 1.0,
        **weights: float | None,
    ):
        """Takes the settings; the defaults are the paper's.

        Args:
          terms: The terms of the total, in the order in which they are summed.
          aesthetic_weight: lambda of Eq. 3.
          max_words: See the attributes, as for those that follow.
          count_end_word: See there.
          user_end_word: See there.
          pyramid: See there.
          blur_sigma: See there.
          **weights: `NAME_weight` is the weight of the term of that name; 1 where it is not given
            or None. None takes a file's weight back whose term is left out.

        Raises:
          ValueError: A value is out of its range, or a weight is of no term.
        """
        self.terms = tuple(terms)
        self.max_words, self.blur_sigma = max_words, blur_sigma
        self.count_end_word, self.user_end_word = count_end_word, user_end_word
        self.pyramid = tuple(pyramid)
        names = self._names()
        named = {name: weight for name, weight in weights.items() if weight is not None}
        given = {"aesthetic_weight": aesthetic_weight, **named}
        self.weights = {name: given.get(f"{name}_weight", 1.0) for name in names}
        self._check(names, named)

    def _names(self) -> list[str]:
        """The terms' names, which become keys of results and part of a setting's name."""
        for term in self.terms:
            if not isinstance(term, Term):
                raise ValueError(
                    f"Objective.terms has {term!r}; terms are needed, such as @CaptionLoss() with "
                    "its brackets"
                )
            name = getattr(term, "name", None)
            if not isinstance(name, str) or not name.isidentifier() or name in RESERVED:
                raise ValueError(
                    f"the name of the term {term!r} is {name!r}; a word is needed, and not one of "
                    f"{', '.join(RESERVED)}"
                )
        names = [term.name for term in self.terms]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"Objective.terms are {names}; at least one, each once, is needed")
        return names

    def _check(self, names: Sequence[str], weights: Mapping[str, float]) -> None:
        unknown = [key for key in weights if key not in {f"{name}_weight" for name in names}]
        if unknown:
            raise ValueError(
                f"Objective.{unknown[0]} is no setting; its terms are {', '.join(names)}, each "
                "with a weight such as Objective.aesthetic_weight; bound to None, it is taken back"
            )
        for name, weight in self.weights.items():
            if not 0 <= weight < float("inf"):
                raise ValueError(
                    f"Objective.{name}_weight is {weight}; a number of 0 or more is needed"
                )
        if not any(self.weights.values()):
            raise ValueError(f"the weights of Objective.terms are all 0: {', '.join(names)}")
        if self.max_words < 1:
            raise ValueError(f"Objective.max_words is {self.max_words}; at least 1 is needed")
        if not self.pyramid or not all(0 < factor <= 1 for factor in self.pyramid):
            raise ValueError(f"Objective.pyramid is {self.pyramid}; factors in (0, 1] are needed")
        if self.blur_sigma < 0:
            raise ValueError(f"Objective.blur_sigma is {self.blur_sigma}; it cannot be negative")

    def without_caption(self) -> "Objective":
        """The same settings with the aesthetic loss (Eq. 5) alone: what needs no caption."""
        return Objective(
            [AestheticLoss()],
            1.0,
            self.max_words,
            self.count_end_word,
            self.user_end_word,
            self.pyramid,
            self.blur_sigma,
        )


class CropLoss:
    """L_total of crops (Eq. 3) and its terms.

    Attributes:
      objective: The settings.
      networks: The frozen networks.
      signature: The `tf.TypeSpec`s of a `Problem`, for `tf.function`.
      batch_signature: Those of a `Batch`.
    """

    def __init__(self, objective: Objective, networks: Networks):
        self.objective, self.networks = objective, networks
        picture = tf.TensorSpec([None, None, 3], networks.dtype)
        targets = {term.name: term.signature(networks) for term in objective.terms}
        base_size = tf.TensorSpec([2], networks.dtype)
        meant = tf.TensorSpec([None, problems.MEANT], networks.dtype)
        self.signature = Problem(picture, targets, base_size, picture, targets, meant)
        self.batch_signature = problems.batch_signature(self.signature)
        self._pyramid_mean = tf.function(
            lambda photo: sampling.pyramid_mean(photo, objective.pyramid, objective.blur_sigma),
            input_signature=[picture],
            autograph=False,
        )

    @property
    def word_finders(self) -> dict[str, WordFinder]:
        """Name of a term to what finds the words of a caption that it knows of its own."""
        found = {term.name: term.word_finder(self.networks) for term in self.objective.terms}
        return {name: finder for name, finder in found.items() if finder is not None}

    def problem(
        self,
        photo: np.ndarray,
        words: BagOfWords,
        base_size: Sequence[float] = (1.0, 1.0),
        meant: tf.Tensor | None = None,
    ) -> Problem:
        """Reads a photo and the words of a caption once.

        Args:
          photo: `[H, W, 3]`, RGB in [0, 1].
          words: See `vocabulary.bag_of_words`.
          base_size: Width and height of the crop of scale 1 as fractions of the photo's.
          meant: Boxes that the caption may mean, see `Problem`; None: nothing says so.
        """
        image = tf.cast(photo, self.networks.dtype)
        return Problem(
            self._pyramid_mean(image),
            self._targets(words),
            tf.cast(base_size, self.networks.dtype),
            image,
            self._targets(words.without_stop_words()),
            tf.zeros([0, problems.MEANT], self.networks.dtype) if meant is None else meant,
        )

    def _targets(self, words: BagOfWords) -> dict[str, Any]:
        return {term.name: term.target(self.networks, words) for term in self.objective.terms}

    def side_by_side(self, each: Sequence[Problem]) -> Batch:
        """The problems as one."""
        return problems.side_by_side(each, self.signature)

    def __call__(
        self,
        problem: Problem | Rows,
        theta: tf.Tensor,
        choices: tuple[tf.Tensor, ...] | None = None,
    ) -> Losses:
        """Losses of the crops `theta`, `[N, 3]` rows `(x, y, s)`, of one photo or of their own.

        Choices are those of `choose`.
        """
        return self._losses(problem, self.crops(problem, theta, *(choices or ())))

    def choose(
        self, problem: Problem | Rows, theta: tf.Tensor
    ) -> tuple[Losses, tuple[tf.Tensor, ...]]:
        """Losses of the crops `theta`, and the words that the captioner was fed for them.

        The words `[N, max_words]` are all that Eq. 3 chooses, so that a loss with these is as
        smooth as the networks are. There are none if no term reads them, or the captioner takes
        none but its own.
        """
        crops = self.crops(problem, theta)
        losses = self._losses(problem, crops)
        if "caption" not in vars(crops) or not isinstance(self.networks.captioner, Follower):
            return losses, ()
        caption, longest = crops.caption, self.objective.max_words
        end = self.networks.captioner.vocabulary.index(self.networks.captioner.end_word)
        words = tf.where(tf.sequence_mask(caption.lengths, longest), self._padded(caption), end)
        return losses, (tf.ensure_shape(words, [None, longest]),)

    def _padded(self, caption: Caption) -> tf.Tensor:
        """The words of captions, as many columns as the longest caption may have."""
        missing = self.objective.max_words - tf.shape(caption.words)[1]
        return tf.pad(caption.words, [[0, 0], [0, missing]])

    def describe(self, problem: Problem | Rows, theta: tf.Tensor) -> tuple[Losses, Caption]:
        """Losses of the crops `theta`, and the captioner's own captions of them."""
        crops = self.crops(problem, theta)
        return self._losses(problem, crops), crops.caption

    def crops(
        self, problem: Problem | Rows, theta: tf.Tensor, words: tf.Tensor | None = None
    ) -> Crops:
        """What the networks see in the crops `theta`; nothing is computed yet."""
        settings = self.objective.max_words, self.objective.count_end_word
        return Crops(self.networks, problem, theta, *settings, words)

    def _losses(self, problem: Problem | Rows, crops: Crops) -> Losses:
        """Eq. 3: L_total = L_caption + lambda L_aesthetic, and any further terms."""
        total, terms = None, {}
        for term in self.objective.terms:
            value = terms[term.name] = term(crops, problem.targets[term.name])
            weight = self.objective.weights[term.name]
            if weight:  # Else the total's graph has nothing of the term.
                weighted = value if weight == 1 else weight * value
                total = weighted if total is None else total + weighted
        return Losses(total, terms)
