"""Table 1: mean IoU of CAGIC and other methods, the paper's figures beside ours.

    python -m experiments.table1
    python -m experiments.table1 --dataset=ROWS.jsonl --methods=whole,grad_cam,paper.gin \\
        --predictions=MAttNet=boxes.jsonl --output_dir=OUT

Writes OUT/METHOD/results.jsonl, as `cagic_tf.run` does, then OUT/table.md, table.csv and
made_by.json. The same command goes on where it stopped. The first gin file is the method with which
the rest is compared, and whose networks those methods have that are no gin file. With --released
all networks are their authors' own, see docs/baselines.md; else they are ours, and small.
"""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
from absl import app, flags

from cagic_tf import config
from cagic_tf.baselines import systems
from experiments import command
from experiments.methods import grid_search
from experiments.methods.named import METHODS, OF_SYSTEMS
from experiments.tables import comparison, method_runs, networks, table_files

FLAGS = flags.FLAGS
# The ten methods of the paper's table, in its order.
DEFAULT = ["whole", "a2rl", "vpn", "gaic", "grad_cam+a2rl", "grad_cam+gaic", "grad_cam+vpn"]
DEFAULT += ["grad_cam", "mattnet", "paper_quick.gin"]
RELEASED = "original.gin"  # Names the paper's own captioner and scorer.
# Table 1 of the paper: "Mean ± Std." of the IoU.
PAPER = {
    "Original": "0.2869 ± 0.0280",
    "A2-RL": "0.2975 ± 0.0238",
    "VPN": "0.3151 ± 0.0233",
    "Anchor": "0.3325 ± 0.0236",
    "GradCAM+A2-RL": "0.3465 ± 0.0108",
    "GradCAM+Anchor": "0.3554 ± 0.0199",
    "GradCAM+VPN": "0.3561 ± 0.0126",
    "GradCAM": "0.3597 ± 0.2017",
    "MAttNet": "0.3851 ± 0.2607",
    "CAGIC": "0.4160 ± 0.0129",
}
# Our names of its methods; the whole method stands for CAGIC, the ablations are Table 4's.
OURS = {"whole": "Original", "grad_cam": "GradCAM", "grad_cam_mask": "GradCAM"}
OURS |= dict.fromkeys(("paper.gin", "paper_quick.gin", "paper_short.gin", "original.gin"), "CAGIC")
OURS |= {name.lower(): name for name in PAPER}
_IN_PAPER = {"a2rl": "A2-RL", "vpn": "VPN", "gaic": "Anchor"}
OURS |= _IN_PAPER | {
    f"grad_cam+{name}": f"GradCAM+{in_paper}" for name, in_paper in _IN_PAPER.items()
}
THEIRS = "the paper's"
FAST = (
    "fast.gin is this project's own search, not the paper's method: its networks have seen "
    "described regions, it adds losses of a lexicon and of the sentence to the objective, and it "
    "takes the crop that fits the boxes best that a scan and a grounder find likely. The paper has "
    "no figure for it."
)
STAND_INS = (
    "a2rl, vpn, gaic and mattnet are stand-ins: small networks that this project trained. The "
    "first three learnt from its own scorer what is beautiful, and from no person. They say "
    "nothing of their authors' networks, which --released takes."
)


def define_flags() -> None:
    """Flags of this script."""
    method_runs.define_flags()
    flags.DEFINE_list(
        "methods",
        DEFAULT,
        "The methods in the table's order, with commas between them: "
        f"{', '.join([*METHODS, method_runs.GRID])} and gin files.",
    )
    flags.DEFINE_bool(
        "released",
        False,
        "Whether all networks are their authors' own, which python -m cagic_tf.port makes of what "
        "they released. By default they are this project's.",
    )
    flags.DEFINE_multi_string(
        "gin_param", [], "How a2rl goes about, such as 'Episodes.seed = 7'. It may be repeated."
    )
    flags.DEFINE_string(
        "detections",
        None,
        "What there is in the photos, for mattnet: a file in COCO's results format. By default "
        "mattnet has a detector.",
    )
    flags.DEFINE_multi_string(
        "predictions",
        [],
        'Boxes of another method, NAME=FILE with lines of {"id", "box": [x, y, w, h]}. It may '
        "be repeated.",
    )
    flags.DEFINE_float(
        "grid_stride",
        grid_search.GridSearch.stride,
        "Greatest distance of neighbouring centres of the method grid, of 2 for the photo's side. "
        "Twice as much takes a quarter of the time.",
        0.01,
        2.0,
    )


def main() -> None:
    """Runs what is missing, then writes the table."""
    setup = method_runs.read_setup()
    if FLAGS.released:
        networks.default_to(RELEASED)
    methods = method_runs.from_names(
        setup, FLAGS.methods, FLAGS.predictions, FLAGS.grid_stride, load_system()
    )
    directory = Path(FLAGS.output_dir or "outputs/table1")
    records = comparison.run(methods, setup.rows, directory)
    reference = next((name for name in FLAGS.methods if name.endswith(".gin")), None)
    frame, _ = comparison.figures(records, setup, reference)
    formats = {"method": "", **comparison.METRICS, comparison.p_column(reference): ".2g"}
    frame[THEIRS] = [paper_cell(name) for name in frame["method"]]
    used = comparison.checkpoints_of(methods, records)
    notes = comparison.notes(setup, records, used)
    notes.append("The paper's: its Table 1, mean IoU ± Std.; rows without figures were not run.")
    notes += [FAST] * ("fast.gin" in records)
    notes += [STAND_INS] * (not FLAGS.released and any(name in OF_SYSTEMS for name in records))
    table_files.write(
        directory,
        pd.concat([frame, rows_not_run(records)], ignore_index=True),
        formats | {THEIRS: ""},
        notes,
        networks.merged(used),
        comparison.files_of(methods, directory),
    )


def load_system() -> Callable[[str], systems.System]:
    """What loads a system of `cagic_tf.baselines` as the flags have it, each once.

    Raises:
      config.ConfigError: A binding is wrong.
    """
    episodes = config.load_episodes(FLAGS.gin_param)
    detections = Path(FLAGS.detections) if FLAGS.detections else None
    return functools.cache(
        lambda name: systems.load(name, None, episodes, FLAGS.released, detections)
    )


def paper_cell(name: str) -> str | None:
    """The paper's method of that name and its figure, None where it has none."""
    theirs = OURS.get(name.lower())
    return theirs and f"{theirs} {PAPER[theirs]}"


def rows_not_run(names: Iterable[str]) -> pd.DataFrame:
    """Rows of the paper's table for which our names have none."""
    run = {OURS.get(name.lower()) for name in names}
    missing = [name for name in PAPER if name not in run]
    return pd.DataFrame({"method": missing, THEIRS: [paper_cell(name) for name in missing]})


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))
