"""What the scripts that train stand-ins share: the folders that they are given, their command."""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

FLAGS = flags.FLAGS


def define_folder_flags(kept: str) -> None:
    """The flags of data, work and output; `kept` says what the work folder is for."""
    flags.DEFINE_string(
        "data_dir", None, "The folder of Flickr8k; experiments/data/flickr8k.py says what is in it."
    )
    flags.DEFINE_string(
        "entities",
        None,
        "The folder of Flickr30k Entities; experiments/data/entities.py says what is in it.",
    )
    flags.DEFINE_string("work_dir", None, f"The folder for {kept}.")
    flags.DEFINE_string("output", None, "The folder to write the checkpoint to.")
    flags.mark_flags_as_required(["data_dir", "entities", "work_dir", "output"])


def settings_line(names: Sequence[str]) -> str:
    """The flags that say what is trained, as they are given."""
    return " ".join(FLAGS[name].serialize() for name in names)


def command_line(script: str, names: Sequence[str], inputs: str = "") -> str:
    """What made a checkpoint, without folders of this machine.

    Args:
      script: Its name.
      names: Of the flags that say what is trained.
      inputs: Further folders that it read, as flags with a space behind them.
    """
    folders = f"--data_dir=FLICKR8K --entities=FLICKR30K_ENTITIES {inputs}--work_dir=WORK"
    output = f"--output={Path(FLAGS.output).name}"
    return f"python -m experiments.{script} {folders} {output} {settings_line(names)}"
