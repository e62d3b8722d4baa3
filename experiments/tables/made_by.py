"""A result has a folder of its own, which says how it was made: `made_by.json`.

    RESULTS/NAME/
      table.md, table.csv              or a picture
      METHOD/results.jsonl             the rows of each method, where the command crops any
      METHOD/operative_config.gin      the whole configuration of its search
      METHOD/provenance.json           the command and commit that computed the rows
      operative_config.gin             the configuration of a search without rows
      made_by.json

A METHOD's folder is an `output_folder.OutputFolder`, so the same command goes on where it stopped.
What is committed in `experiments/results/` is such a folder, as it was written; a test finds one
that is not. `made_by.json` has the command, commit, versions and machine (`provenance.record`) and

- `checkpoints`: name of each checkpoint to its SHA-256;
- `files`: path of each file of the result, in the folder, to its SHA-256;
- `sources`: name of each file of results that was read to its SHA-256.

Nothing in it names a folder outside the repository: of such a path the last part is left.
"""

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cagic_tf.batch import output_folder
from cagic_tf.system import files as file_system
from cagic_tf.system import provenance
from experiments.errors import ExperimentError

NAME = "made_by.json"
_ROOT = Path(__file__).resolve().parents[2]
# A path that does not start in the working folder, where an argument, a value or a text starts.
_PATH = re.compile(r"(?:(?<=^)|(?<=[=,:\s'\"(\[]))(?:~|\.\.)?/[^\s,='\")\]][^,='\")\]]*")


def command() -> str:
    """The command that runs now, as it was typed but for paths outside the repository."""
    return shlex.join(["python", *map(shortened, sys.orig_argv[1:])])


def shortened(text: str) -> str:
    """A text without folders of this machine.

    A path in the repository is given from its root, of any other the file's or folder's name.
    """
    return _PATH.sub(lambda match: _short(Path(match[0])), text)


def _short(path: Path) -> str:
    whole = path.expanduser().resolve()
    return whole.relative_to(_ROOT).as_posix() if whole.is_relative_to(_ROOT) else whole.name


def _source_name(path: Path) -> str:
    """With its folder's name, which is the method's, where the path is outside the repository."""
    short = _short(path)
    return short if "/" in short else f"{path.resolve().parent.name}/{short}"


def read(directory: Path) -> dict[str, Any]:
    """What a folder's `made_by.json` says; empty where there is none.

    Raises:
      ExperimentError: It is no such file.
    """
    path = directory / NAME
    try:
        found = json.loads(path.read_bytes()) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise ExperimentError(f"cannot read {path}: {error}") from error
    if not isinstance(found, dict):
        raise ExperimentError(f"{path} is not what a command of experiments wrote; remove it")
    return found


def check_free(directory: Path, name: str) -> None:
    """Raises ExperimentError where the folder has another result than the file of that name."""
    others = read(directory).get("files", {})
    if others and name not in others:
        raise ExperimentError(
            f"{directory} holds another result (see {NAME} there), and a result has a folder of "
            "its own: choose another --output"
        )


def write(
    directory: Path,
    files: Iterable[Path],
    checkpoints: Mapping[str, str],
    sources: Iterable[Path] = (),
) -> None:
    """Writes `made_by.json`, the last file of a result.

    Args:
      directory: The result's folder.
      files: Files of the result, inside the folder.
      checkpoints: Name to SHA-256 of all networks that had a part in it.
      sources: Files of results elsewhere that were read.

    Raises:
      output_folder.OutputError: It cannot be written.
    """
    facts = {
        "checkpoints": dict(checkpoints),
        "files": {path.relative_to(directory).as_posix(): digest(path) for path in files},
        "sources": {_source_name(path): digest(path) for path in sources},
    }
    text = json.dumps(provenance.record(command(), **facts), indent=1, ensure_ascii=False)
    write_file(directory / NAME, text.encode() + b"\n")


def write_file(path: Path, data: bytes) -> None:
    """Writes a file of a result atomically, in a folder that is made when missing.

    Raises:
      output_folder.OutputError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file_system.write_atomically(path, data)
    except OSError as error:
        raise output_folder.OutputError(f"cannot write {path}: {error.strerror}") from error


def digest(path: Path) -> str:
    """A file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
