"""Networks of a table's methods: those that its gin files name, and which method had which.

A search has the captioner and the scorer that its own gin file names. The flags put others in their
place, the same for all methods.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from cagic_tf import config, pipeline
from cagic_tf.networks.bundle import Networks
from experiments.errors import ExperimentError
from experiments.tables import made_by

FLAGS = flags.FLAGS
BASE = "parts/base.gin"  # Names the networks where no other file does.
ROLES = ("captioner", "scorer")


def define_flags() -> None:
    """The flags that put networks in the place of those that gin files name."""
    for role in ROLES:
        flags.DEFINE_string(
            role,
            None,
            f"The {role} of all methods, whatever their gin files name: a name under checkpoints/ "
            "or a path. By default each gin file's search has the one that the file names, and "
            "every other method that of the first gin file.",
        )


def default_to(gin_file: str) -> None:
    """Has a gin file name the networks of all methods, where the flags do not."""
    bound = config.read(gin_file)
    for role in ROLES:
        if FLAGS[role].value is None:
            FLAGS[role].value = bound[f"Networks.{role}"]


class SharedNetworks:
    """Captioners and scorers by what names them, each pair loaded once."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, str], Networks] = {}

    def of(self, *gin_files: str, bindings: Sequence[str] = ()) -> Networks:
        """The captioner and scorer that the flags or else gin files name, without a lexicon.

        Args:
          *gin_files: As in `config.load_cropper`; none: the networks of every shipped search that
            names no others.
          bindings: As there.

        Raises:
          ExperimentError: A flag and a binding name the same network, or a file binds no text.
          config.ConfigError, checkpoints.CheckpointError: See there.
        """
        bound = config.read(BASE, *gin_files, bindings=bindings)
        by_command = config.read(bindings=bindings)
        captioner, scorer = (_name(role, bound, by_command) for role in ROLES)
        if (captioner, scorer) not in self._loaded:
            self._loaded[captioner, scorer] = Networks(captioner, scorer)
        return self._loaded[captioner, scorer]

    def load_cropper(self, *gin_files: str, bindings: Sequence[str] = ()) -> pipeline.Cropper:
        """A cropper on shared networks, with the lexicon, synonyms and grounder of its files.

        Raises:
          ExperimentError, config.ConfigError, checkpoints.CheckpointError: See `of`.
        """
        networks = self.of(*gin_files, bindings=bindings)
        bound = config.read(*gin_files, bindings=bindings)
        if (lexicon := bound.get("Networks.lexicon")) is not None:
            networks = networks.with_lexicon(lexicon)
        if (synonyms := bound.get("Networks.synonyms")) is not None:
            networks = networks.with_synonyms(synonyms)
        if (grounder := bound.get("Networks.grounder")) is not None:
            networks = networks.with_grounder(grounder)
        return config.load_cropper(*gin_files, bindings=bindings, networks=networks)


def _name(role: str, bound: Mapping[str, Any], by_command: Mapping[str, Any]) -> str:
    """The checkpoint of a role: the flag's, or the one that is bound."""
    binding, given = f"Networks.{role}", FLAGS[role].value
    if given is None:
        given = bound[binding]
    elif binding in by_command:
        raise ExperimentError(f"both --{role}={given} and a binding of {binding}; leave one out")
    if not isinstance(given, str):
        raise ExperimentError(f"{binding} is {given!r}; a checkpoint's name or path is needed")
    return given


def note(used: Mapping[str, Mapping[str, str]]) -> str:
    """Which checkpoints a table is of, and of which method where methods differ in them.

    Args:
      used: Method to its checkpoints, name to SHA-256; methods without any are not mentioned.

    Returns:
      One or more whole sentences.
    """
    methods: dict[str, list[str]] = {}  # By their checkpoints.
    for method, checkpoints in used.items():
        names = ", ".join(f"{name} {sha[:12]}" for name, sha in checkpoints.items())
        methods.setdefault(names, []).append(made_by.shortened(method))
    methods.pop("", None)
    if not methods:
        return "No method has checkpoints of ours."
    if len(methods) == 1:
        return f"Our checkpoints (SHA-256): {', '.join(methods)}."
    parts = [f"{', '.join(of_these)}: {names}" for names, of_these in methods.items()]
    return f"Our checkpoints (SHA-256) by method: {'; '.join(parts)}."


def merged(used: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Name to SHA-256 of all methods' checkpoints, for `made_by.write`.

    Args:
      used: Method to its checkpoints, name to SHA-256. Of two that have a name in common, the
        later one is called `NAME (METHOD)`.
    """
    first: dict[tuple[str, str], str] = {}  # A checkpoint's name and SHA-256 to its first method.
    for method, checkpoints in used.items():
        for checkpoint in checkpoints.items():
            first.setdefault(checkpoint, made_by.shortened(method))
    found: dict[str, str] = {}
    for (name, sha), method in first.items():
        found[f"{name} ({method})" if name in found else name] = sha
    return found
