"""gin: which classes its files may bind, and how the files become a `Cropper`.

Everything that is bound is read while the cropper is built, never while a graph runs, so the
operative configuration is whole, and a binding that nothing read is known, before any photo.
"""

import collections
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gin
from cagic_tf import pipeline
from cagic_tf.beyond import coarse_to_fine
from cagic_tf.method import annealing, joint_search, lbfgs, losses, restarts
from cagic_tf.networks import bundle, checkpoints
from cagic_tf.system import resources

CONFIGURABLES = (
    bundle.Networks,
    losses.Objective,
    losses.sharp_view,
    restarts.Normal,
    restarts.AddedNoise,
    restarts.Uniform,
    lbfgs.Minimizer,
    annealing.Annealing,
    joint_search.JointSearch,
    coarse_to_fine.CoarseToFine,
    pipeline.Cropper,
)
_configured = {made: gin.external_configurable(made, module="cagic_tf") for made in CONFIGURABLES}


class ConfigError(Exception):
    """A gin file or binding is wrong; the message is one line."""


def load_cropper(
    *gin_files: str, bindings: Sequence[str] = (), **networks: bundle.Networks
) -> pipeline.Cropper:
    """Builds a cropper from gin files. A gin file can import modules: it is code, so trust it.

        >>> import cagic_tf
        >>> cropper = cagic_tf.load_cropper("fast.gin", bindings=["Cropper.seed = 7"])
        >>> cropper.seed
        7

    Args:
      *gin_files: Paths, or names under the project's `gin/`; later ones win.
      bindings: Single bindings such as "Annealing.restart_count = 5"; they win over files.
      **networks: `networks=...` takes loaded networks; those that the files name are not loaded
        (`bound` says which they are).

    Returns:
      The cropper. gin's global state holds the configuration afterwards (`operative_config`).

    Raises:
      ConfigError: A file is missing, a name or value is wrong, or nothing reads a binding.
      checkpoints.CheckpointError: A checkpoint is missing or damaged.
    """
    shipped = _shipped_values()
    gin.clear_config()
    parse(gin_files, bindings)
    if networks:  # Else gin would load the files' own before it passes these on.
        gin.bind_parameter("Cropper.networks", None)
    try:
        cropper = _configured[pipeline.Cropper](**networks)
    except checkpoints.CheckpointError as error:  # gin adds lines about its call to a message.
        raise checkpoints.CheckpointError(str(error).splitlines()[0]) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(_one_line(error)) from error
    # A shipped file's own value may stay unread: '@Uniform()' in place of '@Normal()' leaves sigma.
    unread = [name for name, value in unread_bindings().items() if value not in shipped[name]]
    if networks:
        unread = [n for n in unread if not n.startswith(("Networks.", "Cropper.networks"))]
    if unread:
        raise ConfigError(
            f"nothing reads {', '.join(unread)}: the chosen search does not use it, so remove it"
        )
    return cropper


def parse(gin_files: Sequence[str], bindings: Sequence[str]) -> None:
    """Parses gin files and bindings into gin's global state; see `load_cropper`."""
    gin.add_config_file_search_path(str(resources.path("gin")))
    known = sorted(str(p.relative_to(resources.path("gin"))) for p in _shipped_files())
    logging.disable(logging.ERROR)  # gin logs every folder in which a file is not.
    try:
        for given in gin_files:
            gin.parse_config_file(given, skip_unknown=False)
        for given in bindings:
            gin.parse_config(given, skip_unknown=False)
    except OSError as error:
        raise ConfigError(
            f"{_one_line(error)}; give a path or one of the project's own: {', '.join(known)}"
        ) from error
    except Exception as error:  # gin raises ValueError, SyntaxError, NameError, ImportError, ...
        raise ConfigError(f"in {given!r}: {_one_line(error)}") from error
    finally:
        logging.disable(logging.NOTSET)


def bound(name: str) -> Any:
    """The value that the last cropper's files and bindings give a parameter; None for none."""
    try:
        return gin.query_parameter(name)
    except ValueError:
        return None


def unread_bindings() -> dict[str, Any]:
    """Bindings that no configurable has read, "Name.parameter" to value."""
    # gin has no public way to ask; tests/test_config.py fails if these tables ever go away.
    read = gin.config._OPERATIVE_CONFIG
    return {
        f"{selector.removeprefix('cagic_tf.')}.{parameter}": value
        for (scope, selector), parameters in sorted(gin.config._CONFIG.items())
        for parameter, value in parameters.items()
        if selector != "gin.macro" and parameter not in read.get((scope, selector), {})
    }


def operative_config() -> str:
    """What was read while the last cropper was built, as gin text."""
    return gin.operative_config_str()


def _shipped_values() -> dict[str, list]:
    """Every value that a file under the project's `gin/` binds, by "Name.parameter"."""
    values = collections.defaultdict(list)
    for path in _shipped_files():
        gin.clear_config()
        parse([str(path)], [])
        for (_, selector), parameters in gin.config._CONFIG.items():
            for parameter, value in parameters.items():
                values[f"{selector.removeprefix('cagic_tf.')}.{parameter}"].append(value)
    return values


def _shipped_files() -> list[Path]:
    return list(resources.path("gin").rglob("*.gin"))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
