"""What scripts of training share: the folders that they are given, proposals, their command."""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from cagic_tf.networks import checkpoints, proposals

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


def read_proposals(
    folder: str, trunk: checkpoints.Checkpoint, side: int | None = None
) -> checkpoints.Checkpoint:
    """What train_proposals wrote, for one trunk.

    Args:
      folder: Its folder.
      trunk: The trunk whose grids it will see.
      side: Of the square, in pixels, as which that trunk sees photos; None for its own.

    Raises:
      CheckpointError: It is none, or it was trained on another trunk or on another square.
    """
    found = checkpoints.load(folder, proposals.KIND)
    if found.manifest["trunk_sha256"] != trunk.sha256:
        raise checkpoints.CheckpointError(
            f"the proposals {folder} stand on another trunk than {trunk.name!r}: give its own as "
            "--trunk, or train them on this one with experiments.train_proposals"
        )
    if side not in (None, found.manifest["side"]):
        raise checkpoints.CheckpointError(
            f"the proposals {folder} have seen squares of {found.manifest['side']} pixels, and "
            f"{side} are needed: train them with experiments.train_proposals --side={side}"
        )
    return found


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
