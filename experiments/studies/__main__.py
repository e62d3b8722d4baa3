"""The paper's studies with people, in Label Studio: what it imports, and what it exports.

    python -m experiments.studies crops --manifest=ROWS.jsonl
    python -m experiments.studies crops --export=export.json
    python -m experiments.studies captions --manifest=ROWS.jsonl --results=CAGIC=FOLDER
    python -m experiments.studies choices --manifest=ROWS.jsonl --results=CAGIC=FOLDER

Each study is made with --manifest, which writes a folder of tasks, and read with --export, which
turns people's answers into what the paper's tables and figures are made of. docs/studies.md goes
through all three, from a folder of photos to the table.
"""

import sys
import types

from absl import app, flags

from experiments import command
from experiments.studies import captions, choices, crops, folder, method_crops

KINDS: dict[str, types.ModuleType] = {study.KIND: study for study in (crops, captions, choices)}


def main(arguments: list[str]) -> None:
    """Runs one of the studies.

    Args:
      arguments: The program's name, the study's, and its flags.
    """
    program, *rest = arguments
    if not rest or rest[0] not in KINDS:
        wants_help = bool(rest) and rest[0] in ("--help", "-h", "help")
        names = ", ".join(KINDS)
        if not wants_help:
            given = repr(rest[0]) if rest else "nothing"
            sys.exit(f"error: {given} is given; one of the studies {names} has to come first")
        print(f"{(__doc__ or '').strip()}\n\nThe studies are {names}; each has its own --help.")
        return
    study = KINDS[rest[0]]
    study.define_flags()
    for module in (folder, method_crops):
        flags.adopt_module_key_flags(module)  # So that --help shows them.
    app.run(command.main(study.main), [program, *rest[1:]])


if __name__ == "__main__":
    main(sys.argv)
