"""Averages the weights of captioners that come from one ancestor: a model soup.

    python -m experiments.average_sat --input=STAGE2=0.5 --input=STAGE3=0.5 --output=checkpoints/sat

Fine-tuning moves a captioner away from what it knew; the mean of both often does better than either
(Wortsman et al., "Model soups", ICML 2022). Choose the shares on the dev split.
"""

import math

import numpy as np
from absl import app, flags

from cagic_tf.networks import checkpoints
from cagic_tf.system import provenance
from experiments import command
from experiments.errors import ExperimentError

FLAGS = flags.FLAGS
KEPT = ("vocabulary", "trunk", "trunk_sha256")  # What all inputs must agree on.


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_multi_string(
        "input",
        None,
        "A checkpoint and its weight in the mean, CHECKPOINT=WEIGHT; the weights sum to 1. "
        "Repeat it for each.",
    )
    flags.DEFINE_string("output", None, "The folder to write the checkpoint to.")
    flags.mark_flags_as_required(["input", "output"])


def read_inputs(arguments: list[str]) -> list[tuple[checkpoints.Checkpoint, float]]:
    """Checkpoints with their shares.

    Raises:
      ExperimentError: An argument is malformed, or the shares do not sum to 1.
      checkpoints.CheckpointError: A checkpoint cannot be read, or is of another kind of captioner.
    """
    inputs = []
    for argument in arguments:
        path, _, share = argument.rpartition("=")
        try:
            inputs.append((checkpoints.load(path, "sat"), float(share)))
        except ValueError as error:
            raise ExperimentError(f"--input={argument}: CHECKPOINT=SHARE is needed") from error
    total = sum(share for _, share in inputs)
    if not math.isclose(total, 1, abs_tol=1e-6):
        raise ExperimentError(f"the shares of --input sum to {total:g}, not to 1")
    first = inputs[0][0]
    for other, _ in inputs[1:]:
        different = [name for name in KEPT if other.manifest[name] != first.manifest[name]]
        if different:
            raise checkpoints.CheckpointError(
                f"{other.name} and {first.name} differ in {', '.join(different)}"
            )
    return inputs


def average(inputs: list[tuple[checkpoints.Checkpoint, float]]) -> dict[str, np.ndarray]:
    """The weighted mean of every tensor, in half precision."""
    return {
        name: np.asarray(sum(share * each.tensors[name] for each, share in inputs), np.float16)
        for name in inputs[0][0].tensors
    }


def main() -> None:
    """Reads, averages, saves."""
    inputs = read_inputs(FLAGS.input)
    first = inputs[0][0].manifest
    shares = " ".join(f"--input={each.name}={share:g}" for each, share in inputs)
    made = [f"{each.name}: {each.manifest['command']}" for each, _ in inputs]
    checkpoints.save(
        FLAGS.output,
        "sat",
        average(inputs),
        source=first["source"],
        command="; ".join([*made, f"python -m experiments.average_sat {shares}"]),
        commit=provenance.commit(),
        metrics={},
        extra={name: first[name] for name in KEPT},
    )


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))
