"""Runs commands of `experiments` in the tests' process, and reads what they write."""

import functools
import json
import sys

import pytest
from absl import flags

from cagic_tf.batch import output_folder, records
from experiments import command
from experiments.tables import table_files


def flags_of(script):
    """The flags that a script defines, known to nobody else."""
    values = flags.FlagValues()
    with pytest.MonkeyPatch.context() as patch:
        for name in dir(flags):
            if name.startswith(("DEFINE_", "mark_flag")):
                define = functools.partial(getattr(flags, name), flag_values=values)
                patch.setattr(flags, name, define)
        script.define_flags()
    return values


def call(script, *arguments):
    """Runs a script as `python -m` does, with flags that are known to this call alone."""
    values, typed = flags_of(script), [str(argument) for argument in arguments]
    rest = values([script.__name__, *typed])
    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.startswith("experiments.") and hasattr(module, "FLAGS"):
                patch.setattr(module, "FLAGS", values)
        patch.setattr(sys, "orig_argv", ["/usr/bin/python3", "-m", script.__name__, *typed])
        command.main(script.main)(rest)


def error_of(script, *arguments):
    """The one line with which a script ends whose user has made a mistake."""
    with pytest.raises(SystemExit) as error:
        call(script, *arguments)
    assert str(error.value).startswith("error: ") and "\n" not in str(error.value)
    return str(error.value)


def records_of(folder):
    """The records of a folder of results, in order."""
    return list(records.read(folder / output_folder.RESULTS).values())


def table_of(folder):
    """The rows of a result's table, column to text."""
    return table_files.read(folder / table_files.CSV).to_dict("records")


def write_results(folder, *found):
    """Writes records as the results of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / output_folder.RESULTS).write_bytes(b"".join(record.line() for record in found))


def made_by(folder):
    """What the folder says of how it was made."""
    return json.loads((folder / "made_by.json").read_text())
