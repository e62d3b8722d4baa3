"""Rows that are cropped several times, each time with other seeds, and what seeds change."""

import dataclasses

import numpy as np
from absl import flags

from cagic_tf.batch import manifest
from experiments.methods.named import Setup
from experiments.tables import method_runs, metrics

FLAGS = flags.FLAGS
COLUMN = "mean IoU of each repeat"
MEASURED = (
    "Each row is cropped {count} times with other seeds; intervals and p are of photos, whose "
    "repeats go together."
)


def define_flag() -> None:
    """The flag --repeats."""
    flags.DEFINE_integer(
        "repeats", 1, "How many times each row is cropped, each time with another seed.", 1
    )


def read_setup() -> Setup:
    """As `method_runs.read_setup`, with each row once a repeat.

    Repeats have ids of their own, and a row's seed is made of its id.
    """
    setup = method_runs.read_setup()
    rows: list[manifest.Row] = []
    sizes = {}
    for row in setup.rows:
        for number in range(1, FLAGS.repeats + 1):
            name = row.id if number == 1 else f"{row.id}_{number}"
            rows.append(dataclasses.replace(row, id=name))
            sizes[name] = setup.sizes[row.id]
    return setup._replace(rows=rows, sizes=sizes)


def means(measured: metrics.Measured) -> str:
    """The mean IoU of each repeat, in the order of the repeats."""
    numbers = [np.mean(measured.iou[at :: FLAGS.repeats]) for at in range(FLAGS.repeats)]
    return ", ".join(f"{number:.4f}" for number in numbers)


def note() -> list[str]:
    """What a table says of its repeats; nothing where there is one."""
    return [MEASURED.format(count=FLAGS.repeats)] if FLAGS.repeats > 1 else []
