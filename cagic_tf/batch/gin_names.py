"""Mistakes in `--gin_file` and `--gin_param` that can be told without TensorFlow, so at once.

What gin may bind are classes whose modules import TensorFlow. Their names and settings are read
from the package's source instead.
"""

import ast
import difflib
import fnmatch
import functools
import os
import re
from collections.abc import Sequence
from pathlib import Path

from cagic_tf.system import resources

_BINDING = re.compile(r"\s*(?:[\w./]+[/.])?(\w+)\.(\w+)\s*=")


def problem(gin_files: Sequence[str], bindings: Sequence[str]) -> str:
    """What is wrong with names, as a sentence for people; "" if nothing is found: gin knows more.

    Args:
      gin_files: Paths, or names under the project's `gin/`.
      bindings: Such as "Annealing.restart_count = 5".
    """
    own = sorted(shipped())
    for name in gin_files:
        if name not in own and not Path(os.path.expanduser(name)).is_file():
            return (
                f"there is no gin file {name!r}{_nearest(name, own)}; give a path or one of the "
                f"project's own: {', '.join(own)}"
            )
    known = settings()
    for binding in bindings:
        if wrong := _value_problem(binding):
            return wrong
        found = _BINDING.match(binding)
        if not found or not known:
            continue  # A macro, an import; a package without its source.
        name, parameter = found.groups()
        if name not in known and not set(gin_files) <= set(own):
            continue  # Files of others may import what has names of its own.
        if not any(fnmatch.fnmatchcase(parameter, each) for each in known.get(name, ())):
            full = [f"{each}.{setting}" for each in known for setting in known[each]]
            near = _nearest(f"{name}.{parameter}", full)
            return f"no setting is named {name}.{parameter}{near}; docs/settings.md has them all"
    return ""


def _value_problem(binding: str) -> str:
    """What is wrong with how a setting and its value are written; "" for what gin alone tells."""
    name, sign, value = binding.strip().partition("=")
    if "\n" in name + value or name.startswith(("import ", "include ", "from ", "#")):
        return ""
    if not sign:
        return f"{name!r} is no setting; one is written as 'Cropper.seed = 7'"
    if "@" in value or "%" in value:  # References and macros.
        return ""
    try:
        ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return (
            f"{value.strip()!r} is no value of {name.strip()}; needed are numbers, True, False, "
            "None, texts in quotes, or lists of these"
        )
    return ""


def shipped() -> set[str]:
    """The names of the project's own gin files that are no parts of others."""
    folder = resources.path("gin")
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.gin")}
    return {name for name in names if not name.startswith("parts/")}


@functools.cache
def settings() -> dict[str, set[str]]:
    """What gin may bind, each name to its settings; "*_weight" stands for all that end so."""
    package = resources.package_path("")
    try:
        source = ast.parse((package / "config.py").read_text(encoding="utf-8"))
    except OSError:
        return {}
    wanted: dict[str, set[str]] = {}  # A module's name to what is bound of it.
    for node in source.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "CONFIGURABLES":
            for each in node.value.elts:  # type: ignore[attr-defined]
                wanted.setdefault(each.value.id, set()).add(each.attr)
    found: dict[str, set[str]] = {}
    for path in package.rglob("*.py"):
        if names := wanted.get(path.stem):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in names:
                    found[node.name] = _parameters(node)
    return found


def _parameters(node: ast.ClassDef | ast.FunctionDef) -> set[str]:
    """The arguments of a function, of a class's `__init__`, or the fields of a dataclass."""
    body = node.body if isinstance(node, ast.ClassDef) else [node]
    made = [
        each
        for each in body
        if isinstance(each, ast.FunctionDef) and each.name in ("__init__", node.name)
    ]
    if not made:
        return {
            each.target.id
            for each in body
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
        }
    arguments = made[0].args
    more = {f"*_{arguments.kwarg.arg.removesuffix('s')}"} if arguments.kwarg else set()
    return more | {each.arg for each in [*arguments.args, *arguments.kwonlyargs]} - {"self"}


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {near[0]}?)" if near else ""
