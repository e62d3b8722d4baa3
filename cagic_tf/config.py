"""gin: which classes its files may bind, and how the files become a `Cropper`.

gin keeps its configuration in the process. Ours is parsed beside the host's and leaves no trace of
it. Everything that is bound is read while the cropper is built, never while a graph runs, so the
operative configuration is whole, and a binding that nothing read is known, before any photo.
"""

import collections
import contextlib
import copy
import functools
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gin
from cagic_tf import pipeline
from cagic_tf.baselines.a2rl import episodes
from cagic_tf.beyond import coarse_to_fine, grounded_picking, lexicon, picking, sentence
from cagic_tf.method import annealing, joint_search, lbfgs, losses, objective, restarts
from cagic_tf.networks import bundle, checkpoints
from cagic_tf.system import arguments, resources

CONFIGURABLES = (
    bundle.Networks,
    objective.Objective,
    losses.CaptionLoss,
    losses.AestheticLoss,
    lexicon.NounLoss,
    sentence.SentenceLoss,
    restarts.Normal,
    restarts.AddedNoise,
    restarts.Uniform,
    lbfgs.Minimizer,
    annealing.Annealing,
    joint_search.JointSearch,
    coarse_to_fine.CoarseToFine,
    coarse_to_fine.sharp_view,
    picking.LowestMean,
    picking.HighestExpectedIoU,
    grounded_picking.HighestExpectedUtility,
    pipeline.Cropper,
    episodes.Episodes,
)
with gin.unlock_config():  # The host may have locked its own before it imported us.
    _configured = {
        made: gin.external_configurable(made, module="cagic_tf") for made in CONFIGURABLES
    }
# What gin keeps in the process; there is no public way to put it aside. tests/test_config.py fails
# if these ever go away.
_STATE = ["_CONFIG", "_OPERATIVE_CONFIG", "_SINGLETONS", "_IMPORTS"]
_STATE += ["_LOCATION_PREFIXES", "_FILE_READERS"]
_lock = threading.RLock()


class ConfigError(Exception):
    """A gin file or binding is wrong; the message is one line."""


def load_cropper(
    *gin_files: str, bindings: Sequence[str] = (), networks: bundle.Networks | None = None
) -> pipeline.Cropper:
    """Builds a cropper from gin files. A gin file can import modules: it is code, so trust it.

    While it runs, about a second, other threads that use gin see this configuration and not theirs.

        >>> import cagic_tf
        >>> cropper = cagic_tf.load_cropper("fast.gin", bindings=["Cropper.seed = 7"])
        >>> cropper.seed
        7
        >>> "Cropper.seed = 7" in cropper.configuration
        True

    Args:
      *gin_files: Paths ("~" is the home folder), or names under the project's `gin/`; later ones
        win.
      bindings: Single bindings such as "Annealing.restart_count = 5"; they win over files.
      networks: Loaded networks to use; those that the files name are not loaded (`read` says which
        they are). None: those of the files.

    Returns:
      The cropper. The gin configuration of the calling program is as it was before.

    Raises:
      ConfigError: A file is missing, a name, value or type is wrong, or nothing reads a binding.
      checkpoints.CheckpointError: A checkpoint is missing or damaged.
    """
    _check_types(gin_files, bindings, networks)
    shipped = _shipped_values()
    with own_gin():
        parse(gin_files, bindings)
        given = {} if networks is None else {"networks": networks}
        if given:  # Else gin would load the files' own before it passes these on.
            gin.bind_parameter("Cropper.networks", None)
        try:
            cropper = _configured[pipeline.Cropper](**given)
        except checkpoints.CheckpointError as error:  # gin adds lines about its call to a message.
            raise checkpoints.CheckpointError(str(error).splitlines()[0]) from error
        except (TypeError, ValueError) as error:
            raise ConfigError(_one_line(error)) from error
        # A shipped value may stay unread: '@Uniform()' in place of '@Normal()' leaves sigma.
        unread = [name for name, value in _unread().items() if value not in shipped[name]]
        if given:
            unread = [n for n in unread if not n.startswith(("Networks.", "Cropper.networks"))]
        if unread:
            raise ConfigError(
                f"nothing reads {', '.join(unread)}: the chosen search does not use it; remove it"
            )
        cropper.configuration = gin.operative_config_str()
    return cropper


def load_episodes(bindings: Sequence[str] = ()) -> episodes.Episodes:
    """How A2-RL goes about, of bindings such as "Episodes.seed = 7".

    Raises:
      ConfigError: A name, value or type is wrong, or a binding is none of `Episodes`.
    """
    _check_types((), bindings, None)
    with own_gin():
        parse((), bindings)
        try:
            made = _configured[episodes.Episodes]()
        except (TypeError, ValueError) as error:
            raise ConfigError(_one_line(error)) from error
        if unread := _unread():
            raise ConfigError(f"A2-RL does not read {', '.join(unread)}; remove it")
    return made


def _check_types(gin_files: Sequence, bindings: Any, networks: Any) -> None:
    try:
        for file in gin_files:
            needed = "give names or paths, one after the other"
            arguments.check("a gin file", file, str | os.PathLike, needed)
        needed = "a list of texts such as ['Cropper.seed = 7'] is needed"
        arguments.check("bindings", bindings, list | tuple, needed)
        for binding in bindings:
            arguments.check(
                "a binding", binding, str, "a text such as 'Cropper.seed = 7' is needed"
            )
        arguments.check_has("networks", networks, "captioner", "Networks() is needed")
    except ValueError as error:
        raise ConfigError(str(error)) from error


def read(*gin_files: str, bindings: Sequence[str] = ()) -> dict[str, Any]:
    """What gin files and bindings bind, "Name.parameter" to value, without building anything.

    Raises:
      ConfigError: A file is missing, or a name or value is wrong.
    """
    with own_gin():
        parse(gin_files, bindings)
        return {
            _key(selector, parameter): value
            for (_, selector), parameters in gin.config._CONFIG.items()
            for parameter, value in parameters.items()
        }


@contextlib.contextmanager
def own_gin() -> Iterator[None]:
    """A gin configuration of our own, empty at first; the host's is back afterwards."""
    with _lock, gin.config_scope(None):
        # Not deep copies: those of gin's references call what they refer to.
        saved = {name: copy.copy(getattr(gin.config, name)) for name in _STATE}
        for name in ("_CONFIG", "_OPERATIVE_CONFIG"):
            saved[name] = {key: dict(parameters) for key, parameters in saved[name].items()}
        locked = gin.config.config_is_locked()
        gin.clear_config()
        gin.config._LOCATION_PREFIXES[:] = ["", str(resources.path("gin"))]
        # gin's other reader looks into packages, and logs where a file is not.
        gin.config._FILE_READERS[:] = [(open, os.path.isfile)]
        try:
            yield
        finally:
            for name, value in saved.items():
                kept = getattr(gin.config, name)
                kept.clear()
                (kept.extend if isinstance(kept, list) else kept.update)(value)
            gin.config._set_config_is_locked(locked)


def parse(gin_files: Sequence[str], bindings: Sequence[str]) -> None:
    """Parses gin files and bindings into gin's state; see `own_gin` and `load_cropper`."""
    with own_gin():
        _parse(gin_files, bindings)  # Imports modules: what these bind is none of the files'.
    _parse(gin_files, bindings)


def _parse(gin_files: Sequence[str], bindings: Sequence[str]) -> None:
    given = ""
    try:
        for given in gin_files:
            gin.parse_config_file(os.path.expanduser(given), skip_unknown=False)
        for given in bindings:
            gin.parse_config(given, skip_unknown=False)
    except OSError as error:
        known = sorted(str(p.relative_to(resources.path("gin"))) for p in _shipped_files())
        raise ConfigError(
            f"cannot read the gin file {given!r}, or one that it includes; give a path or one of "
            f"the project's own: {', '.join(known)}"
        ) from error
    except Exception as error:  # gin raises ValueError, SyntaxError, NameError, ImportError, ...
        raise ConfigError(f"in {given!r}: {_one_line(error)}") from error


def _unread() -> dict[str, Any]:
    """Bindings that no configurable has read, "Name.parameter" to value."""
    has_read = gin.config._OPERATIVE_CONFIG
    return {
        _key(selector, parameter): value
        for (scope, selector), parameters in sorted(gin.config._CONFIG.items())
        for parameter, value in parameters.items()
        if selector != "gin.macro" and parameter not in has_read.get((scope, selector), {})
    }


@functools.cache
def _shipped_values() -> dict[str, list]:
    """Every value that a file under the project's `gin/` binds, by "Name.parameter"."""
    values = collections.defaultdict(list)
    for path in _shipped_files():
        for name, value in read(str(path)).items():
            values[name].append(value)
    return values


def _shipped_files() -> list[Path]:
    return list(resources.path("gin").rglob("*.gin"))


def _key(selector: str, parameter: str) -> str:
    return f"{selector.removeprefix('cagic_tf.')}.{parameter}"


def _one_line(error: Exception) -> str:
    """What an error says, without what gin adds of its own call."""
    return " ".join(str(error).partition("\n  In call to configurable")[0].split())
