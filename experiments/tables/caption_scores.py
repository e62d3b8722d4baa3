"""BLEU, METEOR, ROUGE-L and CIDEr of captions (`pycocoevalcap`, COCO's own scorers).

METEOR and the tokenizer are Java programs inside that package.
"""

import subprocess
from collections.abc import Sequence

from experiments.errors import ExperimentError

METRICS = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr")


class ScorerError(ExperimentError):
    """The scorers cannot run here."""


def check() -> None:
    """Raises ScorerError where the package or Java is missing."""
    try:
        import pycocoevalcap  # noqa: F401
    except ImportError as error:
        raise ScorerError(
            "caption metrics need pycocoevalcap: pip install 'cagic_tf[experiments]'"
        ) from error
    try:
        subprocess.run(["java", "-version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ScorerError(
            "caption metrics need Java (METEOR and the tokenizer are Java programs), and no `java` "
            "runs here; install a Java runtime and put it on the PATH"
        ) from error


def score(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Scores of captions as a whole; each is tokenized first, as COCO's evaluation does.

    Args:
      captions: N captions.
      references: Of each, one or more captions that it should be like.

    Returns:
      The `METRICS`: CIDEr in [0, 10], the others in [0, 1].

    Raises:
      ScorerError: The package or Java is missing.
    """
    check()
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    tokenizer = PTBTokenizer()
    found = tokenizer.tokenize({at: [_one_line(text)] for at, text in enumerate(captions)})
    truth = tokenizer.tokenize(
        {at: [_one_line(text) for text in texts] for at, texts in enumerate(references)}
    )
    bleu, _ = Bleu(4).compute_score(truth, found, verbose=0)
    others = [scorer.compute_score(truth, found)[0] for scorer in (Meteor(), Rouge(), Cider())]
    return {name: float(value) for name, value in zip(METRICS, [*bleu, *others], strict=True)}


def _one_line(text: str) -> dict[str, str]:
    # A line of text each; METEOR separates its fields by "|||".
    return {"caption": " ".join(text.replace("|", " ").split())}
